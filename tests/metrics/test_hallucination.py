"""Invented and lost tumour beside what the segmenter does on real scans."""

import pandas as pd
import pytest

from mrisynth_pipeline.metrics.hallucination import summarise_hallucinations

QUICK = {"n_resamples": 200}


def row(method, subject, missing, region="WT", true=0.0, false=0.0, missed=0.0, healthy=True):
    return {
        **{"method": method, "subject": subject, "missing": missing, "region": region, "healthy": healthy},
        **{"true_ml": true, "false_ml": false, "missed_ml": missed},
    }


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [row("real", f"h{n}", "none", false=0.5 * n) for n in (0, 1, 2)]
    rows += [row("good", f"h{n}", "t1", false=0.5 * n) for n in (0, 1, 2)]
    rows += [row("bad", f"h{n}", "t1", false=0.5 * n + 3.0) for n in (0, 1, 2)]
    for n, true in enumerate((10.0, 40.0)):
        patient = {"subject": f"p{n}", "true": true, "healthy": False}
        rows.append(row("real", missing="none", missed=0.1 * true, **patient))
        rows.append(row("zero", missing="t1", missed=true, **patient))
        rows.append(row("good", missing="t1", missed=0.2 * true, false=7.0, **patient))
    return pd.DataFrame(rows)


def only(rows: list[dict], **wanted) -> dict:
    (found,) = [row for row in rows if wanted.items() <= row.items()]
    return found


def test_what_is_invented_stands_beside_the_segmenters_own(scores):
    summary = summarise_hallucinations(scores, **QUICK)
    assert (summary["n_healthy"], summary["n_patients"]) == (3, 2)
    assert summary["methods"] == ["good", "bad", "zero"]
    bad = only(summary["healthy"], method="bad", missing="t1", region="WT")
    assert bad["false_ml"]["mean"] == pytest.approx(3.5)
    assert bad["real_false_ml"]["mean"] == pytest.approx(0.5)
    assert bad["excess_ml"] == {"n": 3, "mean": 3.0, "sd": 0.0, "ci_low": 3.0, "ci_high": 3.0}, "paired by subject"
    assert bad["n_alarms"] == 3
    good = only(summary["healthy"], method="good")
    assert good["excess_ml"]["mean"] == 0
    assert good["n_alarms"] == 2
    assert good["false_ml"]["ci_low"] < 0.5 < good["false_ml"]["ci_high"]


def test_what_is_lost_is_a_share_of_each_patients_tumour(scores):
    summary = summarise_hallucinations(scores, **QUICK)
    assert [row["method"] for row in summary["patients"]] == ["good", "zero"]
    good = only(summary["patients"], method="good")
    assert good["lost"]["mean"] == pytest.approx(0.2)
    assert good["real_lost"]["mean"] == pytest.approx(0.1)
    assert good["blank_lost"]["mean"] == pytest.approx(1.0)
    assert (good["false_ml"]["mean"], good["real_false_ml"]["mean"]) == (7.0, 0.0)


def test_a_patient_without_a_region_neither_loses_it_nor_counts_as_healthy(scores):
    lowgrade = row("good", "p9", "t1", region="ET", false=2.0, healthy=False)
    summary = summarise_hallucinations(pd.concat([scores, pd.DataFrame([lowgrade])]), **QUICK)
    assert not [row for row in summary["patients"] + summary["healthy"] if row["region"] == "ET"]
    assert summary["n_patients"] == 3


def test_a_reference_that_was_not_scored_is_none(scores):
    summary = summarise_hallucinations(scores[scores["method"] != "real"], **QUICK)
    assert only(summary["healthy"], method="bad")["real_false_ml"]["mean"] is None
    assert only(summary["healthy"], method="bad")["excess_ml"]["n"] == 0
    assert only(summary["patients"], method="good")["real_lost"]["mean"] is None


def test_wrong_tables_are_refused(scores):
    with pytest.raises(ValueError, match="healthy"):
        summarise_hallucinations(scores.drop(columns="healthy"))
    with pytest.raises(ValueError, match="empty"):
        summarise_hallucinations(scores.iloc[:0])
    with pytest.raises(ValueError, match="twice"):
        summarise_hallucinations(pd.concat([scores, scores.iloc[:1]]))
