"""Figures that set methods side by side."""

import numpy as np
import pytest

from mrisynth_pipeline.reporting.ranking import contrast_radar, critical_difference, pairs_by_method
from mrisynth_pipeline.reporting.style import METHOD_COLOURS, method_colours, method_label, png_bytes


def ranking(k: int, critical: float | None = 3.0, groups=()) -> dict:
    names = ["codebrain", "mmhvae", "resunet", "aginet", "neuroquant", "codebrain_vq", "linear", "mean", "x", "y", "z"]
    ranks = {name: float(number + 1) for number, name in enumerate(names[:k])}
    return {"mean_ranks": ranks, "critical": critical, "groups": [list(group) for group in groups], "n_subjects": 7}


class TestCriticalDifference:
    @pytest.mark.parametrize("k", [1, 2, 5, 8, 11])
    def test_every_method_is_named_once_with_its_rank_and_labels_do_not_meet(self, k):
        figure = critical_difference(ranking(k))
        labels = [text for text in figure.axes[0].texts if "  " in text.get_text()]
        assert len(labels) == k
        assert any(method_label("codebrain") in text.get_text() for text in labels)
        png_bytes(figure)
        boxes = [text.get_window_extent() for text in labels]
        assert not any(a.overlaps(b) for number, a in enumerate(boxes) for b in boxes[number + 1 :])
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes), "inside the picture"

    def test_a_bar_joins_a_group(self):
        figure = critical_difference(ranking(4, groups=[("codebrain", "mmhvae", "resunet")]))
        bars = [line for line in figure.axes[0].lines if line.get_linewidth() > 3]
        assert [tuple(np.round(line.get_xdata(), 2)) for line in bars] == [(0.96, 3.04)]

    def test_a_difference_longer_than_the_axis_says_so(self):
        texts = [text.get_text() for text in critical_difference(ranking(3, critical=5.0)).axes[0].texts]
        assert any("longer than the axis" in text for text in texts)

    def test_without_one_there_is_no_ruler(self):
        texts = [text.get_text() for text in critical_difference(ranking(2, critical=None)).axes[0].texts]
        assert not any("critical" in text for text in texts)


class TestPairs:
    @pytest.mark.parametrize("measure", ["psnr", "ssim", "mae"])
    def test_every_pair_of_every_method_and_the_best_of_each_row(self, summary, measure):
        axes = pairs_by_method(summary, measure).axes[0]
        rivals = [name for name, entry in summary["methods"].items() if not entry["reference"]]
        assert len(axes.get_yticklabels()) == 28
        assert len(axes.get_xticklabels()) == len(rivals)
        assert len(axes.texts) == 28 * len(rivals)
        assert len(axes.patches) == 28
        best = axes.patches[0].get_x() + 0.47
        first = [float(text.get_text()) for text in axes.texts if text.get_position()[1] == 0]
        chosen = max if measure != "mae" else min
        assert first[round(best)] == chosen(first)


class TestRadar:
    def test_a_closed_line_per_method(self, summary):
        names = ["codebrain", "linear", "mean"]
        axes = contrast_radar(summary, names).axes[0]
        assert [line.get_label() for line in axes.lines] == [method_label(name) for name in names]
        for line in axes.lines:
            assert line.get_ydata()[0] == line.get_ydata()[-1]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["T1", "T1Gd", "T2", "FLAIR"]

    def test_two_contrasts_are_no_radar(self):
        two = {"methods": {"a": {"by_target": [{"target": t, "slice": {"psnr": 1.0}} for t in ("t1", "t2")]}}}
        with pytest.raises(ValueError, match="three contrasts"):
            contrast_radar(two, ["a"])


def test_the_benchmark_s_methods_have_colours_of_their_own():
    names = ("codebrain", "codebrain_vq", "neuroquant", "aginet", "resunet", "mmhvae", "linear", "mean")
    assert len(set(method_colours(names).values())) == len(names) == len(METHOD_COLOURS)
