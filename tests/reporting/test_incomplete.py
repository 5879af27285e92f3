"""The page on incomplete cohorts answers its question as it falls, and says who cannot be trained."""

import numpy as np
import pytest

from mrisynth_pipeline.reporting.incomplete import (
    incomplete_curves,
    incomplete_grid,
    incomplete_page,
    incomplete_tables,
    incomplete_verdict,
)


def quality(mean: float, loss: float | None, subjects: int = 10) -> dict:
    def known(value: float) -> dict:
        return {"n": 6, "mean": value, "sd": 1.0, "ci_low": value - 0.2, "ci_high": value + 0.2}

    entry = {"subjects": subjects, "psnr": known(mean), "slice_psnr": known(mean + 5), "ssim": known(80.0)}
    return entry | {"loss": None if loss is None else known(loss)}


def summary(ours: float = 0.3, theirs: float = 1.0, p: float = 0.03, note: str = "") -> dict:
    test = {"first": "mmhvae", "second": "codebrain_incomplete", "mean_difference": ours - theirs, "n": 6}
    return {
        "n_subjects": 6,
        "seeds": 1,
        "folds": 1,
        "fractions": [0.0, 0.5],
        "hidden": {"0": 0.0, "0.5": 0.5},
        "methods": {
            "mmhvae": "mmhvae",
            "codebrain_incomplete": "codebrain",
            "codebrain": "codebrain",
            "linear": "linear",
        },
        "variants": {
            "mmhvae": {"0": quality(20.0, None), "0.5": quality(20.0 - ours, ours)},
            "codebrain_incomplete": {"0": quality(22.0, None), "0.5": quality(22.0 - theirs, theirs, 7)},
            "codebrain": {"0": quality(22.0, None), "0.5": {"obstacle": "none of its 10 subjects has all"}},
            "linear": {"0": quality(19.0, None), "0.5": quality(19.0, 0.0)},
        },
        "comparisons": {"0.5": [test | {"p": p / 3, "p_holm": p, "effect_size": 1.0, "note": note}]},
    }


class TestVerdict:
    def test_says_when_mmhvae_loses_least_and_that_it_is_shown(self):
        text = " ".join(incomplete_verdict(summary()))
        assert "With 50 % of the training scans hidden MMHVAE loses 0.30 dB" in text
        assert "less than the other trained network that loses least, CodeBrain, masked, 1.00 dB" in text
        assert "is shown beyond chance of the subjects (Wilcoxon p = 0.030" in text

    def test_says_when_it_does_not(self):
        text = " ".join(incomplete_verdict(summary(ours=1.2, theirs=1.0, p=0.4, note="6 subjects are too few")))
        assert "not less than the other trained network" in text
        assert "is not shown" in text
        assert "6 subjects are too few" in text

    def test_names_who_cannot_be_trained_and_that_one_seed_is_little(self):
        text = " ".join(incomplete_verdict(summary()))
        assert "Not trainable at all on what is left: CodeBrain." in text
        assert "With one seed" in text

    def test_a_baseline_is_no_rival(self):
        assert "linear" not in " ".join(incomplete_verdict(summary())).lower()

    def test_without_the_fraction_that_is_asked_about_there_is_no_answer(self):
        without = summary()
        without["variants"]["mmhvae"].pop("0.5")
        assert "nothing to compare" in incomplete_verdict(without)[0]


class TestTables:
    def test_show_quality_subjects_and_loss(self):
        quality_table, cost = (table.to_frame().set_index("Method") for table in incomplete_tables(summary()))
        assert quality_table.loc["CodeBrain, masked", "PSNR (dB) 50 %"] == "21.00"
        assert quality_table.loc["CodeBrain", "PSNR (dB) 50 %"] == "–"
        assert list(cost.loc["CodeBrain", ["Trained on 0 %", "Trained on 50 %"]]) == ["10", "0"]
        assert cost.loc["MMHVAE", "PSNR lost (dB) 50 %"] == "0.30 [0.10, 0.50]"

    def test_the_best_of_a_column_is_marked(self):
        marked = incomplete_tables(summary())[0].to_markdown()
        assert "**22.00**" in marked
        assert "**21.00**" in marked

    def test_a_mean_over_some_subjects_says_so_and_competes_with_none(self):
        partial = summary()
        entry = partial["variants"]["codebrain_incomplete"]["0.5"]
        entry["psnr"]["n"] = entry["loss"]["n"] = 2
        marked = incomplete_tables(partial)[0].to_markdown()
        assert "21.00 (n = 2)" in marked
        assert "**19.70**" in marked
        text = " ".join(incomplete_verdict(partial))
        assert "Trainable in some folds alone: CodeBrain, masked." in text
        assert "no other trained network" in text


@pytest.fixture
def example() -> dict[str, np.ndarray]:
    image = np.zeros((20, 16))
    image[3:-3, 3:-3] = np.random.default_rng(0).random((14, 10))
    return {"truth": image, "mmhvae@0": image * 0.9, "mmhvae@0.5": image * 0.8, "linear@0.5": image * 0.5}


class TestFigures:
    def test_curves_have_a_line_for_each_method_that_was_trained(self):
        labels = incomplete_curves(summary()).axes[0].get_legend_handles_labels()[1]
        assert labels == ["MMHVAE", "CodeBrain, masked", "CodeBrain", "Linear regression"]

    def test_the_grid_shows_the_truth_once_and_every_slice_that_there_is(self, example):
        figure = incomplete_grid(example, ["mmhvae", "codebrain", "linear"], [0.0, 0.5], "t1c")
        assert len(figure.axes) == 4

    def test_the_page_is_whole_and_says_what_it_is_of(self, example):
        page = incomplete_page(summary(), example, "t1c", "phantom")
        assert "no evidence about patients" in page
        assert page.count("data:image/png") == 2
        assert "T1Gd of one test subject" in page
