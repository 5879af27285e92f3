import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.reporting import charts
from mrisynth_pipeline.reporting.style import method_colours, png_bytes


def test_heat_map_shows_every_pair_in_its_cell(summary):
    axes = charts.pair_heatmap(summary, "codebrain").axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    columns = [label.get_text() for label in axes.get_xticklabels()]
    assert columns == ["T1", "T1Gd", "T2", "FLAIR"]
    assert (rows[0], len(rows)) == ("T1", 14)
    shown = {(rows[int(y)], columns[int(x)]): text.get_text() for text in axes.texts for x, y in [text.get_position()]}
    assert len(shown) == 28
    [entry] = [
        entry
        for entry in summary["methods"]["codebrain"]["by_pair"]
        if (entry["inputs"], entry["target"]) == ("t1+t2+flair", "t1c")
    ]
    assert shown["T1 + T2 + FLAIR", "T1Gd"] == f"{entry['slice']['psnr']:.1f}"


@pytest.mark.parametrize("measure", ["psnr", "ssim", "mae"])
def test_scores_by_inputs_has_a_line_per_method(summary, measure):
    axes = charts.scores_by_inputs(summary, measure).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert {"CodeBrain", "Linear regression", "Mean image"} <= set(lines)
    expected = [entry["slice"][measure] for entry in summary["methods"]["linear"]["by_n_inputs"]]
    np.testing.assert_allclose(lines["Linear regression"].get_ydata(), expected)


def test_a_reference_that_would_flatten_the_others_is_left_out(summary):
    labels = [line.get_label() for line in charts.scores_by_inputs(summary).axes[0].lines]
    assert "Stage I, true codes" in labels
    assert "Copy of the truth" not in labels


def test_training_and_validation_share_a_panel():
    history = pd.DataFrame(
        {
            "step": [0, 10, 20],
            "train_loss": [3, 2, 1],
            "val_loss": [np.nan, 2.5, np.nan],
            "train_psnr_missing": [1, 2, 3],
        }
    )
    figure = charts.training_curves(history, "Stage I")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "PSNR missing"]
    training, validation = figure.axes[0].lines
    assert (training.get_label(), validation.get_label()) == ("training", "validation")
    assert validation.get_xydata().tolist() == [[10, 2.5]]
    assert validation.get_marker() == "o"  # one point draws no line


@pytest.mark.parametrize("columns", [["train_loss"], ["step"]])
def test_a_history_without_step_or_metric_is_refused(columns):
    with pytest.raises(ValueError, match="step"):
        charts.training_curves(pd.DataFrame({name: [1.0] for name in columns}))


def test_code_usage_states_share_and_perplexity():
    axes = charts.code_usage(np.array([5, 5, 0, 5, 5, 0, 0, 0])).axes[0]
    assert axes.get_title(loc="left") == "4 of 8 codes in use (50.0%)"
    assert axes.texts[0].get_text() == " perplexity 4"


def test_unused_codebook_is_refused():
    with pytest.raises(ValueError, match="no code was used"):
        charts.code_usage(np.zeros(4))


def test_segmentation_bars_are_the_mean_dice(segmentation_summary):
    figure = charts.segmentation_bars(segmentation_summary)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["WT", "TC", "ET"]
    axes = figure.axes[1]
    heights = {c.get_label(): [bar.get_height() for bar in c] for c in axes.containers}
    assert heights["Blank (zero)"] == pytest.approx([0.2, 0.8])
    assert heights["CodeBrain"] == pytest.approx([0.5, 0.8])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["T1Gd", "T1"]


def test_a_method_keeps_its_colour_whoever_else_is_drawn():
    assert method_colours(["linear"])["linear"] == method_colours(["codebrain", "linear"])["linear"]
    assert len(set(method_colours(["codebrain", "linear", "mean", "resunet"]).values())) == 4


def test_every_chart_becomes_a_png(summary, segmentation_summary):
    history = pd.DataFrame({"step": [0, 1], "val_loss": [2.0, 1.0]})
    for figure in (
        charts.pair_heatmap(summary, "linear", "mae"),
        charts.training_curves(history),
        charts.code_usage(np.array([3, 1])),
        charts.segmentation_bars(segmentation_summary),
    ):
        assert png_bytes(figure).startswith(b"\x89PNG")
