"""Codes that tell the modality, the subject, both or neither are told apart."""

import json

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.anatomy import (
    DIFFERENT,
    SAME,
    WITHIN,
    chance_of,
    code_agreement,
    probe_images,
    probe_tokens,
    summarise_anatomy,
)

N_SUBJECTS, N_POSITIONS, N_CODES = 8, 400, 32
MODALITIES = ("t1", "t1c", "t2", "flair")


def anatomical() -> np.ndarray:
    """Every subject its own codes, the same in all modalities."""
    own = np.random.default_rng(0).integers(N_CODES, size=(N_SUBJECTS, 1, N_POSITIONS))
    return own.repeat(len(MODALITIES), axis=1)


def telling() -> np.ndarray:
    """Every modality codes of its own; where they agree within a subject, no one can say."""
    return anatomical() * len(MODALITIES) + np.arange(len(MODALITIES))[:, None]


def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(N_CODES, size=(N_SUBJECTS, len(MODALITIES), N_POSITIONS))


def collapsed() -> np.ndarray:
    return np.zeros((N_SUBJECTS, len(MODALITIES), N_POSITIONS), dtype=int)


def table(codes: np.ndarray) -> pd.DataFrame:
    """The codes as collected; −1 is not in the brain, or not scanned."""
    subject, modality, position = np.nonzero(codes >= 0)
    return pd.DataFrame(
        {"subject": [f"s{s}" for s in subject], "modality": [MODALITIES[m] for m in modality]}
        | {"position": position, "code": codes[subject, modality, position]}
    )


def summary(codes: np.ndarray) -> dict:
    return summarise_anatomy(table(codes), n_resamples=200)


def test_codes_that_are_the_same_in_all_modalities_are_at_chance_and_agree():
    found = summary(anatomical())
    token, image = found["probe"]["token"], found["probe"]["image"]
    assert token["mean"] == pytest.approx(0.25)
    assert image["mean"] == pytest.approx(0.25), "four equal images get the same answer, right for one"
    assert (token["finding"], image["finding"], token["chance"]) == ("near", "near", 0.25)
    assert found["agreement"][WITHIN]["observed"]["mean"] == 1.0
    assert found["agreement"][SAME]["observed"]["mean"] == pytest.approx(1 / N_CODES, abs=0.01)
    assert found["agreement"][WITHIN]["expected"]["mean"] == pytest.approx(1 / N_CODES, abs=0.01)
    assert found["anatomical"]
    assert json.loads(json.dumps(found)) == found


def test_codes_of_each_modality_alone_tell_it():
    found = summary(telling())
    assert [entry["mean"] for entry in found["probe"].values()] == [1.0, 1.0]
    assert {entry["finding"] for entry in found["probe"].values()} == {"told"}
    assert found["agreement"][WITHIN]["observed"]["mean"] == 0.0
    assert found["agreement"][WITHIN]["expected"]["mean"] == 0.0
    assert not found["anatomical"]


def test_a_collapsed_codebook_is_not_anatomical_though_no_probe_learns_from_it():
    found = summary(collapsed())
    assert {entry["finding"] for entry in found["probe"].values()} == {"near"}
    assert {entry["observed"]["mean"] for entry in found["agreement"].values()} == {1.0}
    assert {entry["expected"]["mean"] for entry in found["agreement"].values()} == {1.0}
    assert not found["anatomical"]


def test_noise_tells_nothing_and_agrees_by_chance():
    found = summary(noise())
    assert found["probe"]["token"]["mean"] == pytest.approx(0.25, abs=0.02)
    for kind in (WITHIN, SAME, DIFFERENT):
        entry = found["agreement"][kind]
        assert entry["observed"]["mean"] == pytest.approx(entry["expected"]["mean"], abs=0.01)
    assert not found["anatomical"]


def test_slight_differences_in_frequency_are_hardly_seen_in_a_code_but_in_an_image():
    """One code in six is of the modality: a single one tells little, all together everything."""
    codes = anatomical()
    of_modality = np.random.default_rng(2).random(codes.shape) < 1 / 6
    codes[of_modality] = (N_CODES + np.arange(len(MODALITIES))[None, :, None] + np.zeros_like(codes))[of_modality]
    found = summary(codes)
    assert found["probe"]["token"]["mean"] == pytest.approx(1 / 6 + 5 / 6 / 4, abs=0.02)
    assert found["probe"]["image"]["mean"] == 1.0
    assert not found["anatomical"]


def test_the_same_modality_of_others_may_be_more_alike_than_the_own_anatomy():
    """Half of the positions show the modality, a quarter the subject."""
    codes = anatomical()
    codes[:, :, :200] = 100 + np.arange(len(MODALITIES))[:, None]
    codes[:, :, 300:] = noise()[:, :, 300:]
    agreement = {kind: values[:, 0].mean() for kind, values in code_agreement(codes).items()}
    assert agreement[WITHIN] == pytest.approx(0.25, abs=0.02)
    assert agreement[SAME] == pytest.approx(0.5, abs=0.02)
    assert agreement[DIFFERENT] == pytest.approx(0, abs=0.03)


def test_probes_are_tested_on_subjects_that_they_have_not_seen():
    """Each subject has codes of its own for every modality: nothing is learned from the others."""
    codes = telling() + 1000 * np.arange(N_SUBJECTS)[:, None, None]
    assert probe_tokens(codes) == pytest.approx(0.25)
    assert probe_images(codes).mean() == pytest.approx(0.25, abs=0.2)


def test_what_a_subject_lacks_is_no_answer_and_raises_chance():
    codes = anatomical()
    codes[:4, 1:] = -1  # half of the subjects have t1 alone
    assert chance_of(codes) == pytest.approx((4 * 1 + 4 * 0.25) / 8)
    agreement = code_agreement(codes)[WITHIN]
    assert np.isnan(agreement[:4]).all()
    assert (agreement[4:, 0] == 1).all()
    assert summary(codes)["agreement"][WITHIN]["observed"]["n"] == 4


def test_only_positions_in_both_brains_are_compared():
    codes = anatomical()
    codes[1, :, 200:] = codes[0, :, 200:]
    codes[1, :, :200] = -1
    assert code_agreement(codes[:2])[SAME][:, 0] == pytest.approx(1.0)
    codes[0, :, 200:] = -1
    assert np.isnan(code_agreement(codes[:2])[SAME]).all()


def test_each_subject_meets_so_many_others():
    codes = noise()
    codes[4] = codes[0]
    assert code_agreement(codes, partners=3)[SAME][0, 0] < 0.1
    assert code_agreement(codes, partners=4)[SAME][0, 0] > 0.25


def test_one_subject_leaves_it_open():
    found = summary(anatomical()[:1])
    assert {entry["finding"] for entry in found["probe"].values()} == {"open"}
    assert found["agreement"][SAME]["observed"]["mean"] is None
    assert not found["anatomical"]


def test_a_modality_that_only_one_subject_has_can_be_taught_to_no_one():
    codes = telling()[:2]
    codes[0, 1:] = codes[1, :1] = -1
    codes[1, 2:] = -1
    assert probe_tokens(codes) == pytest.approx(0.25), "codes that nobody else has are guessed"
    assert probe_images(codes).tolist() == [0, 0]


def test_what_cannot_be_probed_is_said():
    with pytest.raises(ValueError, match="all codes are of t1"):
        summarise_anatomy(table(anatomical()[:, :1]))
    with pytest.raises(ValueError, match="lacks the columns \\['code'\\]"):
        summarise_anatomy(table(anatomical()).drop(columns="code"))
