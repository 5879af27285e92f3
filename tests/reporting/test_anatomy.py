"""The verdict on the codes claims what the numbers show, and nothing else."""

import itertools

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.anatomy import summarise_anatomy
from mrisynth_pipeline.metrics.reconstruction import summarise_swaps
from mrisynth_pipeline.reporting.anatomy import (
    agreement_table,
    anatomy_verdict,
    probe_table,
    swap_table,
    swap_verdict,
)

MODALITIES = ("t1", "t2", "flair", "t1c")


def summary(codes: np.ndarray) -> dict:
    subject, modality, position = np.indices(codes.shape).reshape(3, -1)
    table = {"subject": subject.astype(str), "modality": [MODALITIES[m] for m in modality], "position": position}
    return summarise_anatomy(pd.DataFrame(table | {"code": codes.ravel()}), n_resamples=100)


def anatomical(n_subjects: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(20, size=(n_subjects, 1, 300)).repeat(4, axis=1)


def telling() -> np.ndarray:
    return anatomical() * 4 + np.arange(4)[:, None]


def swaps(levels: dict[str, float], n_subjects: int = 4, styles=("own", "other", "copy")) -> dict:
    rows = []
    for subject, anatomy, contrast, style, region in itertools.product(
        range(n_subjects), ("t1", "t2"), ("t1", "t2"), styles, ("volume", "brain")
    ):
        if style == "copy" and anatomy == contrast:
            continue
        kind = "reconstruction" if anatomy == contrast and style == "own" else "swap" if style == "own" else style
        rows.append(
            {"subject": f"s{subject}", "anatomy": anatomy, "contrast": contrast, "style": style, "region": region}
            | {"psnr": levels[kind] + 0.1 * subject + 5 * (region == "volume")}
        )
    return summarise_swaps(pd.DataFrame(rows), n_resamples=100)


LEVELS = {"reconstruction": 30.0, "swap": 27.0, "other": 26.0, "copy": 15.0}


def cells(table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_anatomical_codes_are_called_so():
    first, probes, agreement = anatomy_verdict(summary(anatomical()))
    assert first == (
        "The codes are anatomical: they hardly tell the modality, and they follow the subject (n = 6 subjects)."
    )
    assert "from one code in 25.0 % of cases" in probes
    assert "in 25.0 %; chance is 25.0 %" in probes
    assert "the same code at 100.0 % of the brain's positions" in agreement


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (telling(), "cannot be called anatomical: they tell the modality"),
        (np.zeros((6, 4, 300), dtype=int), "cannot be called anatomical: it is not shown that they follow the subject"),
        (anatomical(1), "stays open: there are too few subjects to say (n = 1 subject)"),
    ],
)
def test_others_are_not(codes, words):
    first, *_ = anatomy_verdict(summary(codes))
    assert words in first


def test_without_an_answer_it_stays_open():
    found = summary(anatomical())
    found["probe"]["image"] |= {"finding": "open"}
    first, *_ = anatomy_verdict(found | {"anatomical": False})
    assert "stays open" in first


def test_the_probes_stand_beside_chance():
    assert cells(probe_table(summary(telling()))) == [
        ["One code of the brain", "100.0 [100.0 to 100.0]", "25.0", "tells the modality"],
        ["All codes of an image", "100.0 [100.0 to 100.0]", "25.0", "tells the modality"],
    ]
    assert [row[3] for row in cells(probe_table(summary(anatomical())))] == ["near chance"] * 2
    found = summary(anatomical())
    found["probe"]["token"] |= {"ci_low": 0.29, "ci_high": 0.31}
    assert cells(probe_table(found))[0][3] == "little above chance"
    assert cells(probe_table(summary(anatomical(1))))[0] == ["One code of the brain", "–", "25.0", "open"]


def test_the_agreement_stands_beside_chance_and_the_paired_difference():
    within, same, different = cells(agreement_table(summary(anatomical())))
    assert within[0] == "Modalities of one subject"
    assert within[1] == "100.0 [100.0 to 100.0]"
    assert float(within[2]) == pytest.approx(5, abs=1)
    assert within[3] == ""
    assert same == ["Different subjects, same modality", *same[1:]]
    assert float(same[3].split()[0]) == pytest.approx(100 - float(same[1].split()[0]), abs=0.11)
    assert same[1:] == different[1:], "codes that are the same in all modalities"


def test_swaps_are_a_grid_per_style():
    table = swap_table(swaps(LEVELS))
    rows = cells(table)
    assert [row[:2] for row in rows] == [
        ["Style of the same subject", "T1"],
        ["", "T2"],
        ["Style of another subject", "T1"],
        ["", "T2"],
        ["No network: the image of that anatomy as it is", "T1"],
        ["", "T2"],
    ]
    assert [row[2:] for row in rows] == [
        ["30.15", "27.15"],
        ["27.15", "30.15"],
        ["26.15", "26.15"],
        ["26.15", "26.15"],
        ["–", "15.15"],
        ["15.15", "–"],
    ]
    assert table.headings()[2:] == ["Contrast to T1", "Contrast to T2"]
    assert cells(swap_table(swaps(LEVELS), "volume"))[0][2] == "35.15"
    assert len(swap_table(swaps(LEVELS, styles=("own", "copy"))).rows) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "better by 12.00 dB than taking the one for the other as it is, and 3.00 dB below its own reconstruction"),
        ({"copy": 28.0}, "worse by 1.00 dB than taking"),
        ({"copy": 27.0}, "not shown to be better (by 0.00 dB) than taking"),
        ({"reconstruction": 26.0}, "1.00 dB above its own reconstruction (n = 4 subjects)"),
    ],
)
def test_the_verdict_on_swaps_follows_the_numbers(change, words):
    sentence = swap_verdict(swaps(LEVELS | change))
    assert "with 27.15 dB inside the brain" in sentence
    assert words in sentence


def test_without_two_modalities_nothing_is_exchanged():
    found = swaps(LEVELS)
    overall = {"reconstruction": found["overall"]["reconstruction"]}
    assert "nothing could be exchanged" in swap_verdict(found | {"overall": overall})
