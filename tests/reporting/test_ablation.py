"""The ablation's verdict says what the numbers say, and no more."""

import re
from html.parser import HTMLParser

import pytest
from matplotlib.colors import to_hex

from mrisynth_pipeline.reporting.ablation import ablation_page, ablation_tables, ablation_verdict
from mrisynth_pipeline.reporting.style import method_colours


def question(gain: float, p: float, n: int = 7) -> dict:
    return {"measure": "volume_psnr", "first": "cagr", "second": "conv", "n": n, "mean_difference": gain,
            "effect_size": 1.0, "p": p, "p_holm": p, "significant": p <= 0.05, "note": ""}  # fmt: skip


def offsets_of(variant: str, layer: int, r2: float | None, own_r: float | None = None, seed: int = 0) -> dict:
    found = {"spread": 0.1, "own_r": own_r, "other_r": None if own_r is None else 0.0, "r2": r2}
    return {"variant": variant, "seed": seed, "fold": 0, "layer": layer, "n_subjects": 3, "n_cases": 96} | found


@pytest.fixture
def summary(summary_of, robustness_summary) -> dict:
    """Two variants, AGI-Net 0.5 dB ahead; robustness is that of two methods under the variants' names."""
    rename = {"resunet": "conv", "mean": "cagr"}

    def named(value):
        if isinstance(value, dict):
            return {key: named(part) for key, part in value.items()}
        if isinstance(value, list):
            return [named(part) for part in value]
        return rename.get(value, value) if isinstance(value, str) else value

    entries = [offsets_of("cagr", 0, 0.4, own_r=0.8), offsets_of("cagr", 1, 0.1), offsets_of("cagr", 5, 0.3)]
    return {
        "seeds": 3,
        "folds": 1,
        "parameters": {"conv": 740_000, "cagr": 747_400},
        "seconds": {"conv": 100.0, "cagr": 250.0},
        "aligned": summary_of({"conv": 24.0, "cagr": 24.5}),
        "seed_sd": {"conv": 0.11, "cagr": 0.22},
        "comparisons": [question(0.5, 0.03)],
        "question": [question(0.5, 0.03)],
        "robustness": named(robustness_summary),
        "offsets": entries,
    }


@pytest.mark.parametrize(
    ("gain", "p", "words"),
    [
        (0.52, 0.03, "AGI-Net is better than the plain network by 0.52 dB PSNR inside the brain, n = 7 subjects,"),
        (-0.52, 0.03, "AGI-Net is worse than the plain network by 0.52 dB PSNR"),
        (0.52, 0.08, "No difference between AGI-Net and the plain network can be shown: 0.52 dB PSNR"),
        (-0.52, 0.08, "No difference between AGI-Net and the plain network can be shown: −0.52 dB PSNR"),
    ],
    ids=["better", "worse", "ahead but not shown", "behind but not shown"],
)
def test_the_verdict_falls_as_the_numbers_do(summary, gain, p, words):
    headline = ablation_verdict(summary | {"question": [question(gain, p)]})[0]
    assert headline.startswith(words)
    assert "one question asked beforehand" in headline
    assert ("better" in headline) == (gain > 0 and p <= 0.05)


def test_a_gain_within_the_chance_of_training_is_not_claimed_however_the_subjects_agree(summary):
    seeds = {"seed_sd": {"conv": 0.4, "cagr": 0.4}, "seeds": 3}  # two standard errors: 0.65 dB
    headline, doubt, _ = ablation_verdict(summary | seeds | {"question": [question(-0.6, 0.016)]})
    assert headline.startswith("No difference between AGI-Net and the plain network can be shown: −0.60 dB")
    assert "differ by 0.65 dB" in doubt
    assert "worse" in ablation_verdict(summary | seeds | {"question": [question(-0.7, 0.016)]})[0]


def test_one_seed_shows_nothing(summary):
    headline, doubt, _ = ablation_verdict(summary | {"seeds": 1, "seed_sd": {"conv": 0.0, "cagr": 0.0}})
    assert headline.startswith("No difference")
    assert doubt.startswith("With one seed")


@pytest.mark.parametrize(("weights", "words"), [(747_400, "1.0 % more weights"), (732_600, "1.0 % fewer weights")])
def test_what_it_costs_is_said_too(summary, weights, words):
    cost = ablation_verdict(summary | {"parameters": {"conv": 740_000, "cagr": weights}})[1]
    assert words in cost
    assert "2.5 times as long" in cost


def test_without_both_there_is_no_verdict(summary):
    [sentence] = ablation_verdict(summary | {"question": []})
    assert "nothing to compare" in sentence


def test_tables_hold_the_numbers(summary):
    variants, *costs, offsets = ablation_tables(summary)
    plain, full = ([cell.text for cell in row.cells] for row in variants.rows)
    assert plain[:3] == ["Plain network", "0.74", "100"]
    assert plain[-2:] == ["–", "–"], "it is what the others are compared with"
    assert full[:3] + full[-3:] == ["AGI-Net (both)", "0.75", "250", "0.22", "0.50", "0.030"]
    assert "n = 6 subjects, 3 seeds per variant" in variants.caption
    assert len(costs) == len(summary["robustness"]["kinds"])
    cells = [cell.text for cell in offsets.rows[0].cells]
    assert cells == ["AGI-Net (both)", "0.100", "0.80", "0.00", "0.40", "0.30", "5"]


def test_without_offsets_their_table_is_left_out(summary):
    assert len(ablation_tables(summary | {"offsets": []})) == len(ablation_tables(summary)) - 1


VOID = {"meta", "img", "br", "hr", "link", "col"}
"""Elements without an end."""


class WellFormed(HTMLParser):
    """Every element that is opened is closed, in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.mark.parametrize("cohort", ["phantom", "brats"])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(summary, cohort):
    page = ablation_page(summary, cohort)
    parser = WellFormed()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert "<script" not in page
    assert 'src="data:image/png;base64,' in page
    assert "AGI-Net is better than the plain network by 0.50 dB" in page
    assert ("no evidence about patients" in page) == (cohort == "phantom")


def test_the_variants_that_are_drawn_together_differ_in_colour():
    drawn = ("conv", "cagr", "conv_misaligned", "cagr_misaligned")
    assert len({to_hex(colour) for colour in method_colours(drawn).values()}) == 4
