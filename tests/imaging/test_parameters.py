import pytest
from pydantic import ValidationError

from mrisynth_pipeline.imaging.parameters import PreprocessingParameters


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reference_preference": ["t1", "dwi"]}, "dwi"),
        ({"reference_preference": []}, "reference_preference"),
        ({"reference_preference": ["t1", "t1"]}, "twice"),
        ({"grid": {"size": [4, 96, 80]}}, "preprocessing.grid.size"),
        ({"grid": {"size": [16, 16, 16], "spacing_mm": [1, 1, 1]}}, "too small for a head"),
        ({"grid": {"spacing_mm": [0.01, 1, 1]}}, "preprocessing.grid.spacing_mm"),
        ({"registration": {"levels_mm": [2, 4]}}, "coarse to fine"),
        ({"registration": {"levels_mm": []}}, "levels_mm"),
        ({"workers": 2, "scheduler": "tcp://host:8786"}, "exclude each other"),
        ({"mask": "skull"}, "brain"),
        ({"space": "talairach"}, "mni"),
        ({"registration": {"transform": "elastic"}}, "affine"),
        ({"registration": {"max_rotation_deg": 0}}, "max_rotation_deg"),
        ({"intensity": {"lower": 1}}, "lower"),
        ({"intensity": {"method": "minmax"}}, "percentile"),
        ({"intensity": {"lower_sd": 0}}, "lower_sd"),
        ({"intensity": {"white_matter_value": {"dwi": 0.5}}}, "dwi"),
        ({"intensity": {"white_matter_value": {"t1": 1.5}}}, "white_matter_value"),
        ({"intensity": {"standard_subjects": 0}}, "standard_subjects"),
        ({"mask_timeout_s": 0}, "mask_timeout_s"),
        ({"mask": "fan"}, "whose first is t1c: mask=fan and us as the first reference need each other"),
        ({"reference_preference": ["us", "t2"]}, "mask=brain does not go with"),
        ({"reference_preference": ["us"], "mask": "fan", "space": "mni"}, "needs a whole brain"),
        ({"intensity": {"white_matter_value": {"us": 0.5}}}, "unknown contrasts"),
        ({"grid": {"size": "96x96"}}, "size"),
    ],
)
def test_a_wrong_option_is_named(given, words):
    with pytest.raises(ValidationError, match=words):
        PreprocessingParameters(**given)


def test_the_command_line_has_no_lists():
    words = {"grid": {"size": "96x80x64", "spacing_mm": 1.5}, "reference_preference": "us+t2", "mask": "fan"}
    parameters = PreprocessingParameters(**words)
    assert parameters.grid.size == (96, 80, 64)
    assert parameters.grid.spacing_mm == (1.5, 1.5, 1.5)
    assert parameters.reference_preference == ("us", "t2")


def test_who_does_the_work_does_not_change_the_result():
    assert PreprocessingParameters(mask_timeout_s=5).result_fields() == PreprocessingParameters().result_fields()
    assert PreprocessingParameters(workers=3).result_fields() == PreprocessingParameters().result_fields()
    assert PreprocessingParameters(mask="head").result_fields() != PreprocessingParameters().result_fields()
