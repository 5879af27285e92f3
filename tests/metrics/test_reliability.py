"""Sums of several volumes make the diagram that all voxels together would."""

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.reliability import calibration_error, reliability_columns, reliability_diagram


def table(error: np.ndarray, expected: np.ndarray, parts: int) -> pd.DataFrame:
    pairs = zip(np.array_split(error, parts), np.array_split(expected, parts), strict=True)
    return pd.DataFrame([reliability_columns(e, x, np.linspace(0, 1, 101)) for e, x in pairs])


def test_volumes_add_up():
    error, expected = np.random.default_rng(0).random((2, 1000))
    whole, parts = reliability_diagram(table(error, expected, 1)), reliability_diagram(table(error, expected, 7))
    assert len(whole) == 10
    for one, other in zip(whole, parts, strict=True):
        assert one == pytest.approx(other)
    assert sum(part["voxels"] for part in whole) == pytest.approx(1)
    lowest = expected <= 0.1
    assert whole[0] == pytest.approx(
        {"voxels": lowest.mean(), "expected": expected[lowest].mean(), "error": error[lowest].mean()}
    )


def test_what_is_right_on_average_has_no_calibration_error_and_what_is_off_has_as_much():
    expected = np.random.default_rng(0).random(5000)
    assert calibration_error(reliability_diagram(table(expected, expected, 3))) == pytest.approx(0)
    off = reliability_diagram(table(expected + 0.2, expected, 3))
    assert calibration_error(off) == pytest.approx(0.2)


def test_empty_bins_are_left_out():
    bins = reliability_diagram(table(np.full(50, 0.3), np.full(50, 0.55), 2))
    assert [part["voxels"] for part in bins] == [1.0]
