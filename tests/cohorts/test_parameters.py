"""Parameters that contradict themselves are refused before anything runs."""

import pytest
from pydantic import ValidationError

from mrisynth_pipeline.cohorts.parameters import CohortParameters, SplitParameters


@pytest.mark.parametrize(
    ("group", "values", "words"),
    [
        (CohortParameters, {"kind": "ixi"}, r"cohort\.kind=ixi needs cohort\.raw_dir"),
        (CohortParameters, {"kind": "ixi"}, r"or cohort\.download=true"),
        (CohortParameters, {"kind": "dicom"}, r"needs cohort\.raw_dir, the folder of the archive"),
        (CohortParameters, {"kind": "brats", "raw_dir": "x", "download": True}, r"ixi alone, not for brats"),
        (CohortParameters, {"modalities": ["t1", "t1ce"]}, r"unknown \['t1ce'\].*t1c"),
        (CohortParameters, {"modalities": ["t1", "t1"]}, r"at least one contrast, each once"),
        (CohortParameters, {"modalities": []}, r"at least one contrast, each once"),
        (CohortParameters, {"raw_folder": "x"}, r"raw_folder"),
        (SplitParameters, {"validation_fraction": 0.5, "test_fraction": 0.5}, r"leaves nobody to train on"),
        (SplitParameters, {"test_fraction": 0.0}, r"greater than 0"),
    ],
)
def test_contradictions_are_refused(group, values, words):
    with pytest.raises(ValidationError, match=words):
        group(**values)


def test_a_downloaded_archive_needs_no_folder():
    assert CohortParameters(kind="ixi", download=True).raw_dir is None


def test_defaults_are_consistent():
    assert CohortParameters().kind == "phantom"
    assert SplitParameters().name == "own"


def test_modalities_may_be_one_word_on_the_command_line():
    assert CohortParameters(modalities="t1+flair").modalities == ("t1", "flair")
    with pytest.raises(ValidationError, match=r"unknown \['t9'\]"):
        CohortParameters(modalities="t1+t9")
