"""What imputations do to a segmenter, as tables and as a picture."""

import pandas as pd
import pytest

from mrisynth_pipeline.metrics.hallucination import summarise_hallucinations
from mrisynth_pipeline.reporting.benchmark_downstream import hallucination_overview, hallucination_table
from mrisynth_pipeline.reporting.dice_map import dice_map
from mrisynth_pipeline.reporting.style import png_bytes


def row(method, subject, missing, true=0.0, false=0.0, missed=0.0, healthy=True):
    return {
        **{"method": method, "subject": subject, "missing": missing, "region": "WT", "healthy": healthy},
        **{"true_ml": true, "false_ml": false, "missed_ml": missed},
    }


@pytest.fixture
def hallucinations():
    rows = []
    for n in range(3):
        rows.append(row("real", f"h{n}", "none", false=1.0))
        rows += [row("codebrain", f"h{n}", missing, false=4.0) for missing in ("t1c", "t2")]
    patient = {"subject": "p0", "true": 10.0, "healthy": False}
    rows.append(row("real", missing="none", missed=2.0, **patient))
    for missing in ("t1c", "t2"):
        rows.append(row("zero", missing=missing, missed=10.0, **patient))
        rows.append(row("codebrain", missing=missing, missed=5.0, false=3.0, **patient))
    return summarise_hallucinations(pd.DataFrame(rows), n_resamples=50)


def test_at_a_glance(hallucinations):
    table = hallucination_overview(hallucinations, ["codebrain"])
    assert [group for group, _ in table.groups] == ["", "T1Gd missing", "T2 missing"]
    assert [[cell.text for cell in line.cells] for line in table.rows] == [
        ["Real", "1.0", "20", "1.0", "20"],
        ["Blank (zero)", "–", "100", "–", "100"],
        ["CodeBrain", "4.0", "50", "4.0", "50"],
    ]
    assert "3 healthy subjects" in table.caption
    assert "1 patient)" in table.caption


def test_with_intervals(hallucinations):
    first, second, *_ = hallucination_table(hallucinations).rows
    assert [cell.text for cell in first.cells] == ["T1Gd", "Blank (zero)", "–", "–", "–", "100", "–", "0.0"]
    assert [cell.text for cell in second.cells] == [
        *("T1Gd", "CodeBrain", "4.00", "4.00 to 4.00", "3 of 3"), *("50", "–", "3.0")
    ]  # fmt: skip


def test_patients_alone_have_no_column_of_the_healthy(hallucinations):
    patients = hallucinations | {"healthy": [], "n_healthy": 0}
    table = hallucination_overview(patients, ["codebrain"])
    assert [column.heading for column in table.columns] == ["Method", "Lost (%)", "Lost (%)"]
    assert "healthy" not in table.caption


def test_a_region_that_nobody_has_makes_no_table(hallucinations):
    assert hallucination_overview(hallucinations, ["codebrain"], region="ET") is None
    assert hallucination_table(hallucinations, region="ET") is None


def test_the_dice_of_all_and_the_best_of_each_contrast(segmentation_summary):
    figure = dice_map(segmentation_summary, ["linear", "codebrain", "never_scored"])
    png_bytes(figure)
    assert [axes.get_title(loc="left").split()[0] for axes in figure.axes] == ["WT", "TC", "ET"]
    axes = figure.axes[0]
    assert "0.80" in axes.get_title(loc="left")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Blank (zero)", "Linear regression", "CodeBrain"]
    column = [label.get_text() for label in axes.get_xticklabels()].index("T1Gd")
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert [written[column, line] for line in range(3)] == ["0.20", "0.30", "0.50"]
    outlined = [(patch.get_x() + 0.47, patch.get_y() + 0.44) for patch in axes.patches]
    assert (column, 2) in [(round(x), round(y)) for x, y in outlined], "CodeBrain is the best, blank is no rival"
