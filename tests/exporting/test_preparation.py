from pathlib import Path

import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.preparation import preparation
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters

CARD = Path("model_card.json")


def test_the_standard_is_the_scale_that_every_contrast_is_brought_to():
    standard = {"percentiles": [1, 50, 99], "scale": {"t1": [0.0, 0.4, 1.0]}, "subjects": ["a"]}
    settings = PreprocessingParameters(bias_correction=True).result_fields()
    parameters, scale = preparation(settings, {"intensity": {"standard": standard}}, CARD)
    assert parameters.bias_correction and scale == {"t1": [0.0, 0.4, 1.0]}


@pytest.mark.parametrize("card", [{}, {"intensity": {}}, {"intensity": {"standard": {}}}])
def test_most_intensities_need_no_standard(card):
    assert preparation({}, card, CARD)[1] == {}


@pytest.mark.parametrize("settings", [{"grid": None}, {"bias": True}])
def test_settings_that_are_none_are_refused_with_the_card(settings):
    with pytest.raises(InputError, match="model_card") as refused:
        preparation(settings, {}, CARD)
    assert "does not say how" in str(refused.value)
