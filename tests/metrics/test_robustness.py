"""Losses are paired, subjects weigh alike, costs are read off the curve."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.robustness import summarise_robustness

AMOUNTS = {"translation_mm": (1.0, 4.0), "rotation_deg": (10.0,), "translation_pixels": (2.0,)}
PER_MM = {"resunet": 0.5, "aginet": 0.2}


def case(method, subject, target, kind, amount, repeat, registered, mm, loss) -> dict:
    psnr = 20 + 5 * (subject == "b") + 3 * (target == "t2") - loss
    return {
        "method": method, "subject": subject, "inputs": f"not {target}", "target": target, "kind": kind,
        "amount": amount, "repeat": repeat, "registered": registered, "residual_mm": mm,
        "volume_psnr": psnr, "volume_ssim": 2 * psnr, "slice_psnr": psnr + 5, "slice_ssim": 2 * psnr + 5,
    }  # fmt: skip


def made_scores(per_mm=PER_MM, subjects=("a", "b", "c")) -> pd.DataFrame:
    """PSNR falls by a fixed number of dB per mm; registration leaves 0.3 mm; ``a`` loses twice as much."""
    rows = []
    for (method, slope), subject, target in itertools.product(per_mm.items(), subjects, ("t1", "t2")):
        factor = 2 if subject == "a" else 1
        rows.append(case(method, subject, target, "none", 0.0, 0, False, 0.0, 0.0))
        for kind, amounts in AMOUNTS.items():
            for amount, repeat in itertools.product(amounts, range(2)):
                mm = amount * (0.9 if kind == "rotation_deg" else 1.0)
                rows.append(case(method, subject, target, kind, amount, repeat, False, mm, factor * slope * mm))
                if kind != "translation_pixels":
                    rows.append(case(method, subject, target, kind, amount, repeat, True, 0.3, factor * slope * 0.3))
    return pd.DataFrame(rows)


def row_of(summary, method, kind, amount, registered=False):
    [found] = [
        row
        for row in summary["rows"]
        if (row["method"], row["kind"], row["amount"], row["registered"]) == (method, kind, amount, registered)
    ]
    return found


def cost_of(summary, method, kind, mm):
    [found] = [c for c in summary["costs"] if (c["method"], c["kind"], c["mm"]) == (method, kind, mm)]
    return found


@pytest.fixture(scope="module")
def summary():
    return summarise_robustness(made_scores(), n_resamples=200)


def test_means_and_losses_are_over_subjects(summary):
    row = row_of(summary, "resunet", "translation_mm", 4.0)
    aligned = row_of(summary, "resunet", "none", 0.0)
    assert aligned["volume"]["psnr"]["mean"] == pytest.approx((21.5 + 26.5 + 21.5) / 3)
    assert aligned["loss"]["volume"]["psnr"]["mean"] == 0
    assert row["loss"]["volume"]["psnr"]["mean"] == pytest.approx((4 + 2 + 2) / 3)
    assert row["loss"]["volume"]["psnr"]["n"] == 3
    assert row["loss"]["volume"]["ssim"]["mean"] == pytest.approx(2 * (4 + 2 + 2) / 3)
    assert row["volume"]["psnr"]["mean"] == pytest.approx(aligned["volume"]["psnr"]["mean"] - (4 + 2 + 2) / 3)
    assert row["slice"]["psnr"]["mean"] == pytest.approx(row["volume"]["psnr"]["mean"] + 5)
    # Subjects differ by 5 dB, but the loss is paired: its interval knows nothing of that.
    interval = row["loss"]["volume"]["psnr"]
    assert 2.0 <= interval["ci_low"] < interval["ci_high"] <= 4.0
    assert (row["n_cases"], row["n_seeds"]) == (12, 1)


def test_registered_rows_stand_beside_the_others(summary):
    assert summary["registered"] is True
    row = row_of(summary, "aginet", "translation_mm", 4.0, registered=True)
    assert row["residual_mm"] == pytest.approx(0.3)
    assert row["loss"]["volume"]["psnr"]["mean"] == pytest.approx(0.2 * 0.3 * 4 / 3)
    assert row_of(summary, "aginet", "translation_mm", 4.0)["residual_mm"] == pytest.approx(4.0)


def test_the_cost_of_a_displacement_is_read_off_the_curve(summary):
    for mm in (0.5, 1.0, 2.0):
        assert cost_of(summary, "resunet", "translation_mm", mm)["volume"]["psnr"]["mean"] == pytest.approx(
            0.5 * mm * 4 / 3
        )
    assert cost_of(summary, "aginet", "rotation_deg", 1.0)["volume"]["psnr"]["mean"] == pytest.approx(0.2 * 4 / 3)


def test_costs_are_not_extrapolated():
    summary = summarise_robustness(made_scores(), cost_mm=(3.0,), n_resamples=100)
    beyond = cost_of(summary, "resunet", "translation_pixels", 3.0)["volume"]["psnr"]
    assert (beyond["n"], beyond["mean"]) == (0, None)
    assert cost_of(summary, "resunet", "translation_mm", 3.0)["volume"]["psnr"]["n"] == 3


def test_losses_of_two_methods_are_compared_within_subjects(summary):
    assert [entry["kind"] for entry in summary["comparisons"]] == summary["kinds"]
    entry = next(entry for entry in summary["comparisons"] if entry["kind"] == "translation_mm")
    assert (entry["first"], entry["second"], entry["n"]) == ("resunet", "aginet", 3)
    assert entry["mean_difference"] == pytest.approx(0.3 * 2.5 * 4 / 3)
    assert entry["effect_size"] == -1  # the first loses more in every subject: it is worse


def test_an_uneven_number_of_repeats_does_not_change_a_targets_weight():
    scores = made_scores({"resunet": 0.5}, subjects=("b",))
    extra = case("resunet", "b", "t1", "translation_mm", 4.0, 7, False, 4.0, 2.0 + 6.0)
    row = row_of(summarise_robustness(pd.concat([scores, pd.DataFrame([extra])])), "resunet", "translation_mm", 4.0)
    assert row["loss"]["volume"]["psnr"]["mean"] == pytest.approx((4.0 + 2.0) / 2)


def test_a_subject_is_averaged_over_trainings_first():
    scores = made_scores()
    other = scores.assign(seed=1)
    columns = ["volume_psnr", "slice_psnr", "volume_ssim", "slice_ssim"]
    other[columns] += 1.0
    both = summarise_robustness(pd.concat([scores.assign(seed=0), other]), n_resamples=100)
    alone = summarise_robustness(scores, n_resamples=100)
    for row, single in zip(both["rows"], alone["rows"], strict=True):
        assert row["n_seeds"] == 2
        assert row["volume"]["psnr"]["n"] == 3
        assert row["n_cases"] == single["n_cases"]
        assert row["volume"]["psnr"]["mean"] == pytest.approx(single["volume"]["psnr"]["mean"] + 0.5)
        assert row["loss"]["volume"]["psnr"]["mean"] == pytest.approx(single["loss"]["volume"]["psnr"]["mean"])


def test_the_summary_is_json(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_method_that_lacks_a_subject_is_pointed_out():
    scores = made_scores()
    kept = scores[(scores["method"] != "aginet") | (scores["subject"] != "a")]
    [warning] = summarise_robustness(kept, n_resamples=100)["warnings"]
    assert "aginet" in warning


def test_tables_that_would_mislead_are_refused(summary):
    scores = made_scores()
    with pytest.raises(ValueError, match="residual_mm"):
        summarise_robustness(scores.drop(columns="residual_mm"))
    with pytest.raises(ValueError, match="empty"):
        summarise_robustness(scores.iloc[:0])
    with pytest.raises(ValueError, match="twice"):
        summarise_robustness(pd.concat([scores, scores]))
    with pytest.raises(ValueError, match="no aligned case"):
        summarise_robustness(scores[(scores["kind"] != "none") | (scores["subject"] != "b")])
    with pytest.raises(ValueError, match="NaN"):
        summarise_robustness(scores.assign(volume_psnr=np.nan))
