"""Distances and components of made-up codes whose geometry is known."""

import json

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.latent import distances_of, principal_components, summarise_latent

SUBSETS = ["t1", "t2", "t1+t2"]


def made(subject_size: float, subset_size: float, n_subjects: int = 4) -> np.ndarray:
    """Codes [subject, subset, 2 features]: the subject moves the first feature, the subset the second."""
    codes = np.zeros((n_subjects, len(SUBSETS), 2))
    codes[..., 0] = subject_size * np.arange(n_subjects)[:, None]
    codes[..., 1] = subset_size * np.arange(len(SUBSETS))
    return codes


def summary(codes: np.ndarray) -> dict:
    scores, explained = principal_components(codes.reshape(-1, codes.shape[-1]), 2)
    components = pd.DataFrame({"subject": "s", "component": [1, 2], "explained": explained})
    distances = pd.DataFrame(distances_of(codes, SUBSETS)).assign(code="placed")
    assert len(scores) == codes.shape[0] * codes.shape[1]
    return summarise_latent(components, distances, n_resamples=100)


def test_distances_are_those_of_the_codes():
    rows = pd.DataFrame(distances_of(made(3.0, 4.0, n_subjects=2), SUBSETS))
    found = rows.set_index(["subject", "inputs", "other", "other_inputs"])["distance"]
    root = np.sqrt(2)  # of the number of features
    assert found[0, "t1", 0, "t1+t2"] == pytest.approx(8 / root)
    assert found[0, "t1", 1, "t1"] == pytest.approx(3 / root)
    assert found[0, "t2", 1, "t1+t2"] == pytest.approx(5 / root)
    assert not rows.duplicated(["subject", "inputs", "other", "other_inputs"]).any()
    assert len(rows) == 2 * 3 + 3 * 2 + 2 * 2


def test_subjects_far_apart_are_closer_to_themselves():
    found = summary(made(10.0, 1.0))
    entry = found["codes"]["placed"]
    assert found["n_subjects"] == 4
    assert entry["one_to_all"]["finding"] == entry["subsets"]["finding"] == "closer"
    assert entry["one_to_all"]["within"]["mean"] == pytest.approx(1.5 / np.sqrt(2))
    assert entry["nearest"]["mean"] == 1.0
    assert entry["nearest"]["chance"] == 0.25
    assert found["explained"][0] > 0.98
    json.dumps(found, allow_nan=False)


def test_codes_that_follow_the_contrast_are_farther():
    entry = summary(made(0.1, 5.0))["codes"]["placed"]
    assert entry["subsets"]["finding"] == "farther"
    assert entry["subsets"]["exceeds"]["mean"] < 0
    assert entry["one_to_all"]["finding"] == "closer", "between subjects the contrast differs as much, and they do"


def test_codes_all_alike_are_nearest_to_nobody():
    found = summary(made(0.0, 0.0))
    entry = found["codes"]["placed"]
    assert entry["one_to_all"]["finding"] == "open"
    assert entry["nearest"]["mean"] == 0
    assert found["explained"] == [0.0, 0.0]


def test_one_subject_has_no_others():
    entry = summary(made(1.0, 1.0, n_subjects=1))["codes"]["placed"]
    assert entry["one_to_all"]["finding"] == "open"
    assert entry["one_to_all"]["between"]["mean"] is None
    assert entry["nearest"]["mean"] is None


def test_components_are_no_more_than_there_can_be():
    scores, explained = principal_components(np.random.default_rng(0).random((4, 9)), 10)
    assert scores.shape == (4, 3)
    assert explained.sum() == pytest.approx(1)


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="components has 0 rows"):
        summarise_latent(pd.DataFrame(), pd.DataFrame())


def test_roundings_are_no_finding():
    found = summary(np.full((3, 3, 2), 0.1) + np.array([0.0, 0.3, 0.7])[None, :, None])["codes"]["placed"]
    assert found["one_to_all"]["exceeds"]["mean"] == 0
    assert found["one_to_all"]["finding"] == "open"
