"""Every subject is tested on once, and never by a training that saw its patient."""

import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.pipelines.folds import folds_of

OPTION = "aginet_ablation.folds"


@pytest.fixture
def split(study) -> pd.DataFrame:
    """Subjects a and e are two scans of one patient, though of different parts of the study; f takes no part."""
    patient = {"a": "anna", "b": "bert", "c": "carl", "d": "dora", "e": "anna", "f": "fred"}
    return pd.DataFrame({"subject": list(patient), "patient": list(patient.values())})


def test_without_folds_the_study_stays_as_it_is(study, split):
    assert folds_of(study, split, 0, OPTION) == [study]


@pytest.mark.parametrize("n_folds", [2, 3, 4])
def test_every_subject_is_tested_on_once(study, split, n_folds):
    folds = folds_of(study, split, n_folds, OPTION)
    assert len(folds) == n_folds
    assert sorted(subject for fold in folds for subject in fold["test"]) == list("abcde")
    for fold in folds:
        assert sorted(fold["train"] + fold["test"]) == list("abcde")
        assert fold["validation"] == []
        assert fold["test"]


def test_scans_of_a_patient_stay_together(study, split):
    for fold in folds_of(study, split, 4, OPTION):
        assert ("a" in fold["test"]) == ("e" in fold["test"])


def test_folds_are_told_apart_by_their_fingerprints_and_the_seed(study, split):
    prints = [fold["fingerprint"] for seed in (0, 1) for fold in folds_of(study, split, 3, OPTION, seed)]
    assert len(set(prints)) == 6
    assert [fold["test"] for fold in folds_of(study, split, 3, OPTION)] == [
        fold["test"] for fold in folds_of(study, split, 3, OPTION)
    ]


@pytest.mark.parametrize("n_folds", [1, 5])
def test_folds_that_cannot_be_are_refused_in_words(study, split, n_folds):
    with pytest.raises(InputError, match=rf"aginet_ablation\.folds={n_folds}: the study has 4 patients\. Take 0"):
        folds_of(study, split, n_folds, OPTION)
