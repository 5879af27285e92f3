"""The verdict on NeuroQuant's autoencoder says what the numbers say, and no more; a collapsed codebook is seen."""

import re

import pandas as pd
import pytest

from mrisynth_pipeline.metrics.reconstruction import summarise_reconstructions
from mrisynth_pipeline.reporting.autoencoders import comparison_page, comparison_tables, comparison_verdict

LEVELS = {"joint": 30.0, "volumes_only": 29.9, "continuous": 31.5, "monai_vqvae": 27.0}


def entry(first: str, second: str, gain: float, p: float = 0.03, p_holm: float | None = None) -> dict:
    return {"measure": "psnr", "first": first, "second": second, "n": 7, "mean_difference": gain, "effect_size": 1.0,
            "p": p, "p_holm": p if p_holm is None else p_holm, "significant": p <= 0.05, "note": ""}  # fmt: skip


def use(*shares: float, size: int = 256) -> list[dict]:
    return [
        {"seed": seed, "fold": 0, "codebook_size": size, "n_tokens": 5000, "usage": share, "perplexity": share * 100}
        for seed, share in enumerate(shares)
    ]


def summary(**changes) -> dict:
    scores = pd.DataFrame(
        {"method": name, "subject": subject, "modality": modality, "region": region}
        | {"psnr": level + number / 10, "ssim": 95.0}
        for name, level in LEVELS.items()
        for number, subject in enumerate("abcdefg")
        for modality in ("t1", "t2")
        for region in ("volume", "brain")
    )
    return {
        "seeds": 3,
        "folds": 1,
        "parameters": {
            "joint": 1_250_000,
            "volumes_only": 1_250_000,
            "continuous": 1_249_000,
            "monai_vqvae": 1_270_000,
        },
        "seconds": {"joint": 120.0, "volumes_only": 100.0, "continuous": 110.0, "monai_vqvae": 60.0},
        "seed_means": {name: [level - 0.1, level, level + 0.1] for name, level in LEVELS.items()},
        "seed_sd": dict.fromkeys(LEVELS, 0.1),
        "reconstruction": summarise_reconstructions(scores, n_resamples=50),
        "codes": {"joint": use(0.8, 0.7, 0.75), "volumes_only": use(0.7, 0.7, 0.7), "monai_vqvae": use(0.1, 0.2, 0.1)},
        "comparisons": [
            entry("volumes_only", "joint", -0.1, 0.3),
            entry("continuous", "joint", 1.5),
            entry("monai_vqvae", "joint", -3.0),
        ],
        "question": [entry("joint", "monai_vqvae", 3.0)],
    } | changes


@pytest.mark.parametrize(
    ("gain", "p", "words"),
    [
        (
            3.0,
            0.03,
            "NeuroQuant's autoencoder is better than MONAI's VQ-VAE by 3.00 dB PSNR inside the brain, n = 7",
        ),
        (-3.0, 0.03, "NeuroQuant's autoencoder is worse than MONAI's VQ-VAE by 3.00 dB PSNR"),
        (3.0, 0.08, "No difference between NeuroQuant's autoencoder and MONAI's VQ-VAE can be shown: 3.00 dB PSNR"),
        (0.1, 0.03, "No difference between NeuroQuant's autoencoder and MONAI's VQ-VAE can be shown: 0.10 dB PSNR"),
    ],
    ids=["better", "worse", "subjects disagree", "within the chance of training"],
)
def test_the_verdict_falls_as_the_numbers_do(gain, p, words):
    headline = comparison_verdict(summary(question=[entry("joint", "monai_vqvae", gain, p)]))[0]
    assert headline.startswith(words)
    assert "one question asked beforehand" in headline


def test_both_numbers_and_sizes_are_given():
    text = " ".join(comparison_verdict(summary()))
    assert "30.30 and 27.30 dB, by 1.25 and 1.27 million weights" in text


def test_slices_and_the_ceiling_are_judged_by_corrected_values():
    text = " ".join(comparison_verdict(summary()))
    assert (
        "No difference between training on volumes alone and training on volumes and slices can be shown: −0.10" in text
    )
    assert "Continuous anatomy, the ceiling, is better than quantised anatomy by 1.50 dB" in text
    corrected = [entry("continuous", "joint", 1.5, p=0.03, p_holm=0.06)]
    text = " ".join(comparison_verdict(summary(comparisons=corrected)))
    assert "No difference between continuous anatomy, the ceiling, and quantised anatomy can be shown: 1.50" in text
    assert "p = 0.060, Holm" in text
    assert "volumes alone" not in text


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        (
            (0.8, 0.7, 0.75),
            "the 256 codes of NeuroQuant 70 to 80 % are in use on the test subjects, more than half in each",
        ),
        (
            (0.8, 0.02, 0.75),
            "2 to 80 % are in use on the test subjects, half or less in 1 of 3 trainings (least",
        ),
        ((0.8,), "80 % are in use on the test subjects, more than half in 1 training (least perplexity 80)"),
    ],
    ids=["in use", "one collapsed", "one seed"],
)
def test_a_codebook_that_collapsed_in_one_training_is_seen(shares, words):
    made = summary(codes={"joint": use(*shares)})
    assert any(words in sentence for sentence in comparison_verdict(made))
    row = next(row for row in comparison_tables(made)[1].rows if row.cells[0].text == "NeuroQuant")
    assert row.cells[4].text == f"{100 * min(shares):.0f}"
    assert row.cells[5].text == " ".join(f"{100 * share:.0f}" for share in shares)


def test_without_both_there_is_no_verdict_on_the_peer():
    sentences = comparison_verdict(summary(question=[], comparisons=[], codes={}))
    assert len(sentences) == 1
    assert sentences[0].startswith("The variants joint and monai_vqvae were not both trained")


def test_tables_hold_the_numbers():
    quality, codes = comparison_tables(summary())
    rows = {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in quality.rows}
    assert rows["NeuroQuant"][-2:] == ["–", "–"], "it is what the others are compared with"
    assert rows["VQ-VAE (MONAI)"][0] == "27.30"
    assert rows["VQ-VAE (MONAI)"][2] == "0.10"
    assert rows["VQ-VAE (MONAI)"][-2:] == ["−3.00", "0.030"]
    assert [row.cells[1].best for row in quality.rows] == [False, False, True, False]
    assert "n = 7 subjects, 3 seeds per variant" in quality.caption
    sizes = {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in codes.rows}
    assert sizes["NeuroQuant, continuous"] == ["1.25", "110", "–", "–", "–", "–"]
    assert sizes["VQ-VAE (MONAI)"] == ["1.27", "60", "256", "10", "10 20 10", "10 20 10"]
    assert all(len(line) <= 100 for table in (quality, codes) for line in table.to_text().splitlines())


@pytest.mark.parametrize("cohort", ["phantom", "brats"])
def test_the_page_needs_nothing_from_elsewhere(cohort):
    page = comparison_page(summary(), cohort)
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert 'src="data:image/png;base64,' in page
    assert "AGI-Net" not in page
    assert ("no evidence about patients" in page) == (cohort == "phantom")
