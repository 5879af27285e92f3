"""Every published question is answered as the numbers fall here, and no more is said than they show."""

import re

import pytest

from mrisynth_pipeline.reporting.codebrain_ablation import (
    PUBLISHED_PSNR,
    QUESTIONS,
    ablation_page,
    ablation_tables,
    ablation_verdict,
)

LEVELS = {"full": 27.0, "no_common": 23.0, "l1": 26.8, "classification": 26.9, "continuous_codes": 24.0, "vq_codes": 27}


def entry(first: str, gain: float, p: float = 0.02, note: str = "", n: int = 7) -> dict:
    return {"measure": "volume_psnr", "first": first, "second": "full", "n": n, "mean_difference": gain,
            "effect_size": -1.0, "p": p, "p_holm": p, "significant": p <= 0.05, "note": note}  # fmt: skip


@pytest.fixture(scope="module")
def scores(summary_of) -> dict[str, dict]:
    """Stage I is 5 dB above the imputation."""
    above = {"true_codes": 5.0, "imputation": 0.0}
    return {stage: summary_of({name: level + dB for name, level in LEVELS.items()}) for stage, dB in above.items()}


@pytest.fixture
def summary(scores):
    """Three seeds; ``changes`` replaces comparisons."""

    def build(seed_sd: float = 0.05, seeds: int = 3, **changes: dict) -> dict:
        stages = {}
        for stage, above in (("true_codes", 5.0), ("imputation", 0.0)):
            compared = [name for name in LEVELS if name != "full" and (name, above) != ("classification", 5.0)]
            stages[stage] = {
                "scores": scores[stage],
                "seed_means": {name: [level + above] * seeds for name, level in LEVELS.items()},
                "seed_sd": dict.fromkeys(LEVELS, seed_sd),
                "comparisons": [changes.get(name) or entry(name, LEVELS[name] - 27.0) for name in compared],
            }
        return {
            "seeds": seeds,
            "folds": 1,
            "parameters": dict.fromkeys(LEVELS, 1_500_000),
            "seconds": dict.fromkeys(LEVELS, 200.0),
            "codes": {"full": {"codebook_size": 64_000.0, "n_used": 500.0, "perplexity": 28.1},
                      "vq_codes": {"codebook_size": 256.0, "n_used": 200.0, "perplexity": 30.4}},
            "stages": stages,
        }  # fmt: skip

    return build


def of(verdict: list[str], words: str) -> str:
    [sentence] = [sentence for sentence in verdict if words in sentence]
    return sentence


class TestVerdict:
    def test_every_question_has_its_published_answer_and_ours(self, summary):
        verdict = ablation_verdict(summary())
        assert len(verdict) == len(QUESTIONS)
        common = of(verdict, "common features of the available")
        assert "Published: yes, 34.32 against 30.15 dB (published, other data)" in common
        assert "Here: Stage I without common features is worse than Stage I with them by 4.00 dB" in common
        assert common.endswith("So it is as published.")
        assert "continuous codes is worse than imputation by quantised codes by 3.00 dB" in of(verdict, "be quantised")

    @pytest.mark.parametrize(
        ("gain", "p", "words"),
        [
            (-0.5, 0.02, "So it is as published."),
            (0.5, 0.02, "So it is the other way round than published."),
            (-0.5, 0.3, "neither confirmed nor refuted; the direction is the same as the published one."),
            (0.5, 0.3, "neither confirmed nor refuted; the direction is opposite to the published one."),
            (0.0, 1.0, "So neither is ahead."),
        ],
    )
    def test_the_conclusion_falls_as_the_numbers_do(self, summary, gain, p, words):
        for name in ("no_common", "l1", "classification", "continuous_codes"):
            verdict = ablation_verdict(summary(**{name: entry(name, gain, p)}))
            [question] = [question for question in QUESTIONS if question.variant == name]
            assert of(verdict, question.words).endswith(words)

    def test_our_own_question_has_no_published_answer_to_agree_with(self, summary):
        ours = of(ablation_verdict(summary()), "codebook of vectors")
        assert "the question is ours" in ours
        assert "published one" not in ours
        assert "So " not in ours

    def test_a_difference_within_the_chance_of_training_confirms_nothing(self, summary):
        verdict = ablation_verdict(summary(seed_sd=0.4, l1=entry("l1", -0.2, 0.02)))  # two standard errors: 0.65 dB
        assert "neither confirmed nor refuted" in of(verdict, "better than L1")
        assert "may differ by 0.65 dB" in of(verdict, "better than L1")
        assert "as published" in of(verdict, "common features of")

    def test_what_is_in_doubt_for_all_is_said_once_and_nothing_is_claimed(self, summary):
        note = "4 subjects are too few: even if all of them agreed, …"
        few = {name: entry(name, LEVELS[name] - 27.0, 0.6, note, 4) for name in LEVELS if name != "full"}
        verdict = ablation_verdict(summary(seeds=1, seed_sd=0.0, **few))
        assert sum("too few" in sentence for sentence in verdict) == 1
        assert sum("With one seed" in sentence for sentence in verdict) == 1
        assert not any("as published." in sentence or " is worse than" in sentence for sentence in verdict)

    def test_variants_that_were_not_trained_are_not_spoken_of(self, summary):
        found = summary()
        for stage in found["stages"].values():
            stage["comparisons"] = [test for test in stage["comparisons"] if test["first"] == "l1"]
        [sentence] = ablation_verdict(found)
        assert sentence.startswith("Is the PSNR loss better than L1?")
        for stage in found["stages"].values():
            stage["comparisons"] = []
        assert "nothing to compare" in ablation_verdict(found)[0]


class TestTables:
    def test_both_stages_stand_side_by_side_with_the_published_numbers_below(self, summary):
        quality, *_ = ablation_tables(summary())
        assert [group for group, _ in quality.groups] == ["", "Stage I, true codes", "Imputation"]
        frame = quality.to_frame().set_index("Variant")
        full = frame.loc["CodeBrain"]
        ceiling, imputed = (float(full[f"{stage} Slice PSNR"]) for stage in ("Stage I, true codes", "Imputation"))
        assert ceiling - imputed == pytest.approx(5.0, abs=0.011)
        published = [row for row in quality.rows if row.kind == "published"]
        assert len(published) == len(PUBLISHED_PSNR)
        cells = {row.cells[0].text: (row.cells[1].text, row.cells[4].text) for row in published}
        assert cells == {
            "CodeBrain": ("34.32", "29.50"),
            "Without F_c": ("30.15", "–"),
            "L1 loss": ("34.08", "–"),
            "Classification": ("–", "29.24"),
        }
        assert not any(cell.best for row in published for cell in row.cells)
        assert "(published, other data)" in quality.to_markdown()

    def test_differences_stand_beside_the_published_ones(self, summary):
        _, stage1, imputation, _ = (table.to_frame().set_index("Variant") for table in ablation_tables(summary()))
        published = "Slices, published, other data Gain"
        assert stage1.loc["Without F_c", ["Against CodeBrain Gain", published]].tolist() == ["−4.00", "−4.17"]
        assert imputation.loc["Classification", ["Against CodeBrain Gain", published]].tolist() == ["−0.10", "−0.26"]
        assert stage1.loc["Classification", "Against CodeBrain Gain"] == "–"
        assert imputation.loc["CodeBrain", ["Against CodeBrain Gain", published]].tolist() == ["–", "–"]
        assert "own Stage I: Classification." in ablation_tables(summary())[1].notes[-1]
        alone = ablation_tables(summary(seeds=1, seed_sd=0.0))[1].to_frame().set_index("Variant")
        assert alone.loc["CodeBrain", "Volume protocol SD of seeds"] == "–"

    def test_cost_and_codes(self, summary):
        cost = ablation_tables(summary())[-1].to_frame().set_index("Variant")
        assert cost.loc["VQ codes (ours)"].tolist() == ["1.50", "200", "256", "200", "30"]
        assert cost.loc["Continuous codes"].tolist() == ["1.50", "200", "–", "–", "–"]


@pytest.mark.parametrize("cohort", ["phantom", "ixi"])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(summary, cohort):
    page = ablation_page(summary(), cohort)
    assert page.count("<table>") == page.count("</table>") == 4
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert 'src="data:image/png;base64,' in page
    assert "Is grading better than classification?" in page
    assert ("no evidence about patients" in page) == (cohort == "phantom")
