"""Scores of reconstructions and exchanged contrasts: means over subjects, pairs and extremes kept apart."""

import itertools
import json

import pandas as pd
import pytest

from mrisynth_pipeline.metrics.reconstruction import summarise_reconstructions, summarise_swaps

MODALITIES = ("t1", "t2")


def reconstructions(levels: dict[str, float], n_subjects: int = 6) -> pd.DataFrame:
    """Subjects differ by 1 dB, t2 is 2 dB better than t1, the volume 5 dB better than the brain."""
    rows = []
    for (method, level), subject, modality, region in itertools.product(
        levels.items(), range(n_subjects), MODALITIES, ("volume", "brain")
    ):
        psnr = level + subject + 2 * (modality == "t2") + 5 * (region == "volume")
        rows.append(
            {"method": method, "subject": f"s{subject}", "modality": modality, "region": region}
            | {"psnr": psnr, "ssim": 2 * psnr}
        )
    return pd.DataFrame(rows)


def swaps(levels: dict[str, float], n_subjects: int = 3) -> pd.DataFrame:
    """Level per kind: reconstruction, swap, other, copy."""
    rows = []
    for subject, anatomy, contrast, style, region in itertools.product(
        range(n_subjects), MODALITIES, MODALITIES, ("own", "other", "copy"), ("volume", "brain")
    ):
        if style == "copy" and anatomy == contrast:
            continue
        kind = "reconstruction" if anatomy == contrast and style == "own" else "swap" if style == "own" else style
        psnr = levels[kind] + subject + 5 * (region == "volume")
        rows.append(
            {"subject": f"s{subject}", "anatomy": anatomy, "contrast": contrast, "style": style}
            | {"region": region, "psnr": psnr}
        )
    return pd.DataFrame(rows)


LEVELS = {"reconstruction": 30.0, "swap": 27.0, "other": 26.0, "copy": 15.0}


def test_means_are_over_subjects():
    found = summarise_reconstructions(reconstructions({"neuroquant": 20.0}), n_resamples=200)
    entry = found["methods"]["neuroquant"]
    brain = entry["overall"]["brain"]["psnr"]
    assert (brain["n"], brain["mean"]) == (6, pytest.approx(20 + 2.5 + 1))
    assert brain["sd"] == pytest.approx(1.8708, abs=1e-4)
    assert entry["overall"]["volume"]["psnr"]["mean"] == pytest.approx(28.5)
    assert entry["by_modality"]["t1"]["brain"]["psnr"]["mean"] == pytest.approx(22.5)
    assert entry["by_modality"]["t2"]["brain"]["ssim"]["mean"] == pytest.approx(49)
    assert (found["modalities"], found["warnings"], found["comparisons"]) == (["t1", "t2"], [], [])
    assert json.loads(json.dumps(found)) == found


def test_methods_are_compared_inside_the_brain():
    scores = reconstructions({"neuroquant": 22.0, "vqvae": 20.0})
    scores.loc[scores["region"] == "volume", "psnr"] = 30.0
    [test] = summarise_reconstructions(scores, n_resamples=200)["comparisons"]
    assert (test["first"], test["second"], test["mean_difference"]) == ("neuroquant", "vqvae", pytest.approx(2))
    assert test["significant"]


def test_a_subject_without_a_modality_weighs_like_the_others_and_is_warned_of():
    scores = reconstructions({"neuroquant": 20.0, "vqvae": 20.0}, n_subjects=2)
    lacking = (scores["subject"] == "s1") & (scores["modality"] == "t1") & (scores["method"] == "vqvae")
    found = summarise_reconstructions(scores[~lacking], n_resamples=200)
    assert found["methods"]["vqvae"]["overall"]["brain"]["psnr"]["mean"] == pytest.approx((21 + 23) / 2)
    assert found["warnings"] == [
        "vqvae was scored on 3 of 4 images: its means are not comparable with the others",
    ]


def test_swaps_lie_between_their_extremes():
    found = summarise_swaps(swaps(LEVELS), n_resamples=200)
    assert {kind: entry["brain"]["mean"] for kind, entry in found["overall"].items()} == {
        kind: pytest.approx(level + 1) for kind, level in LEVELS.items()
    }
    assert found["overall"]["swap"]["volume"]["mean"] == pytest.approx(33)
    assert found["gain"]["brain"]["mean"] == pytest.approx(12)
    assert found["loss"]["volume"]["mean"] == pytest.approx(3)
    [pair] = [
        pair for pair in found["pairs"] if (pair["anatomy"], pair["contrast"], pair["style"]) == ("t2", "t1", "own")
    ]
    assert pair["brain"]["mean"] == pytest.approx(28)
    assert json.loads(json.dumps(found)) == found


def test_without_another_subject_there_is_no_style_of_one():
    scores = swaps(LEVELS, n_subjects=1)
    found = summarise_swaps(scores[scores["style"] != "other"], n_resamples=200)
    assert set(found["overall"]) == {"reconstruction", "swap", "copy"}
    assert found["gain"]["brain"] == {"n": 1, "mean": 12.0, "sd": None, "ci_low": None, "ci_high": None}


def test_subjects_with_one_modality_have_nothing_to_exchange():
    scores = swaps(LEVELS)
    found = summarise_swaps(scores[(scores["anatomy"] == "t1") & (scores["contrast"] == "t1")], n_resamples=200)
    assert set(found["overall"]) == {"reconstruction"}
    assert found["gain"]["brain"]["mean"] is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(columns="psnr"), "lacks the columns \\['psnr'\\]"),
        (lambda t: t.iloc[:0], "empty"),
        (lambda t: pd.concat([t, t]), "scored twice"),
        (lambda t: t.assign(psnr=float("nan")), "NaN"),
    ],
)
@pytest.mark.parametrize("kind", ["reconstructions", "swaps"])
def test_what_cannot_be_summarised_is_said(kind, spoil, words):
    scores, summarise = {
        "reconstructions": (reconstructions({"neuroquant": 20.0}), summarise_reconstructions),
        "swaps": (swaps(LEVELS), summarise_swaps),
    }[kind]
    with pytest.raises(ValueError, match=words):
        summarise(spoil(scores))
