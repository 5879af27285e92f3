"""The lines of the figures are the numbers of the summaries."""

import itertools

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.reporting.style import png_bytes
from mrisynth_pipeline.reporting.uncertainty_charts import (
    deviation_by_inputs,
    latent_scatter,
    sparsification_curves,
    temperature_curves,
)


def entry(mean, spread=0.0):
    return {"n": 3, "mean": mean, "sd": spread, "ci_low": mean - spread, "ci_high": mean + spread}


NOTHING = {"n": 0, "mean": None, "sd": None, "ci_low": None, "ci_high": None}
DOUBT = {
    "curve": [
        {"share": share, "method": entry(1 - share / 2, 0.01), "oracle": entry(1 - share), "random": 1.0}
        for share in (0.0, 0.1, 0.5, 0.9)
    ],
    "by_n_inputs": [{"n_inputs": n, "deviation": entry(0.03 / n, 0.001), "error": entry(0.05)} for n in (1, 2, 3)],
}


def lines(axes):
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in axes.get_lines()}


def test_sparsification_lies_between_oracle_and_chance():
    figure = sparsification_curves({"mmhvae": DOUBT})
    found = lines(figure.axes[0])
    np.testing.assert_allclose(found["MMHVAE"], [100, 95, 75, 55])
    np.testing.assert_allclose(found["Oracle: the errors themselves"], [100, 90, 50, 10])
    assert found["Random order"][0] == 100
    assert len(figure.axes[0].collections) == 1, "the interval"
    several = lines(sparsification_curves({"mmhvae": DOUBT, "other": DOUBT}).axes[0])
    assert "Oracle: the errors themselves, other" in several


def test_a_curve_without_numbers_is_left_empty():
    curve = [part | {"method": NOTHING, "oracle": NOTHING} for part in DOUBT["curve"]]
    figure = sparsification_curves({"mmhvae": DOUBT | {"curve": curve}})
    assert np.isnan(lines(figure.axes[0])["MMHVAE"]).all()
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_deviation_and_error_stand_beside_each_other():
    left, right = deviation_by_inputs({"mmhvae": DOUBT}).axes
    np.testing.assert_allclose(lines(left)["MMHVAE"], [30, 15, 10])
    np.testing.assert_allclose(lines(right)["MMHVAE"], [50, 50, 50])
    assert left.get_ylim()[0] == 0


def test_the_best_temperature_is_ringed():
    entries = [
        {"temperature": t, "mean_psnr": entry(25 - (t - 0.5) ** 2), "single_psnr": entry(24 - t)} for t in (0, 0.5, 1)
    ]
    summary = {"temperatures": entries, "best": {"mean_psnr": 0.5, "single_psnr": 0}, "n_samples": 8}
    [axes] = temperature_curves({"mmhvae": summary}).axes
    found = lines(axes)
    np.testing.assert_allclose(found["Mean of 8 draws"], [24.75, 25, 24.75])
    np.testing.assert_allclose(found["A draw alone"], [24, 23.5, 23])
    [ring] = [line for line in axes.get_lines() if len(line.get_xdata()) == 1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (0.5, 25)


def components(n_subjects, n_components=2):
    return pd.DataFrame(
        [
            {"method": "mmhvae", "subject": f"s{subject}", "inputs": inputs, "n_inputs": 1 + inputs.count("+")}
            | {"component": component, "score": subject + component, "explained": 0.6 / component}
            for subject, inputs, component in itertools.product(
                range(n_subjects), ("t1", "t2", "t1+t2"), range(1, n_components + 1)
            )
        ]
    )


def test_latents_are_coloured_by_subject_and_marked_by_inputs():
    figure = latent_scatter(components(3))
    [axes] = figure.axes
    assert axes.get_xlabel() == "Component 1 (60 % of the variance)"
    assert axes.get_ylabel() == "Component 2 (30 % of the variance)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "1 contrast", "all contrasts", "s0", "s1", "s2"
    ]  # fmt: skip
    singles, everything = axes.collections
    assert len(singles.get_offsets()) == 6
    assert len(everything.get_offsets()) == 3
    assert len(axes.get_lines()) == 9


@pytest.mark.parametrize("table", [components(14), components(2, n_components=1)], ids=["many", "one component"])
def test_many_subjects_and_one_component_are_drawn(table):
    figure = latent_scatter(table)
    assert len(figure.axes[0].get_legend().get_texts()) == (2 if table["subject"].nunique() == 14 else 4)
    assert png_bytes(figure).startswith(b"\x89PNG")
