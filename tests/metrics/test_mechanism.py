"""Offsets that follow the shift are told from noise, from constants, and from those of another training."""

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.mechanism import summarise_offsets

N_SUBJECTS, N_CASES, N_CONTRASTS = 6, 60, 3


def made(offset_of, layer: int = 0, variant: str = "cagr", fold: int = 0, seed: int = 0) -> pd.DataFrame:
    """A table of probes; ``offset_of(shift, own, generator)`` gives the two offsets of a group."""
    generator = np.random.default_rng(100 * fold + seed)
    rows = []
    for subject in range(N_SUBJECTS):
        for case in range(N_CASES):
            moved, shift = case % N_CONTRASTS, generator.uniform(-4, 4, 2)
            for group in range(N_CONTRASTS):
                y, x = offset_of(shift, group == moved, generator)
                rows.append(
                    {"variant": variant, "seed": seed, "fold": fold, "subject": f"s{subject}{fold}", "case": case}
                    | {"moved": moved, "shift_y": shift[0], "shift_x": shift[1], "layer": layer, "group": group}
                    | {"offset_y": y, "offset_x": x}
                )
    return pd.DataFrame(rows)


def follows(shift, own, generator):
    return 0.1 * shift if own else 0.01 * generator.normal(size=2)


def noise(shift, own, generator):
    return generator.normal(size=2)


def frozen(shift, own, generator):
    return 0.25, 0.25


def test_offsets_that_are_the_shift_are_found():
    [entry] = summarise_offsets(made(follows))
    assert entry["own_r"] == pytest.approx(1.0)
    assert abs(entry["other_r"]) < 0.15
    assert entry["r2"] == pytest.approx(1.0, abs=1e-3)
    assert (entry["n_subjects"], entry["n_cases"]) == (N_SUBJECTS, N_SUBJECTS * N_CASES)


def test_an_opposite_offset_is_as_well_decodable():
    [entry] = summarise_offsets(made(lambda shift, own, generator: -follows(shift, own, generator)))
    assert entry["own_r"] == pytest.approx(-1.0)
    assert entry["r2"] == pytest.approx(1.0, abs=1e-3)


def test_the_shift_of_y_in_the_offset_of_x_is_no_own_correlation_but_decodable():
    [entry] = summarise_offsets(made(lambda shift, own, generator: follows(shift, own, generator)[::-1]))
    assert abs(entry["own_r"]) < 0.15
    assert entry["r2"] > 0.95


def test_noise_knows_nothing_of_it():
    [entry] = summarise_offsets(made(noise))
    assert abs(entry["own_r"]) < 0.15
    assert entry["r2"] < 0.05
    assert entry["spread"] == pytest.approx(1.0, abs=0.1)


def test_offsets_that_do_not_vary_count_as_nothing():
    [entry] = summarise_offsets(made(frozen))
    assert (entry["own_r"], entry["other_r"], entry["spread"]) == (0.0, 0.0, 0.0)
    assert entry["r2"] <= 0


def test_only_the_stem_has_a_group_per_contrast():
    entries = summarise_offsets(pd.concat([made(follows), made(follows, layer=1)]))
    assert [entry["layer"] for entry in entries] == [0, 1]
    assert entries[1]["own_r"] is None
    assert entries[1]["r2"] == pytest.approx(1.0, abs=1e-3)


def test_trainings_are_not_mixed():
    """Each fold's offsets carry the shift, but with opposite signs: one regression over both would find nothing."""
    other = made(lambda shift, own, generator: -follows(shift, own, generator), fold=1)
    entries = summarise_offsets(pd.concat([made(follows), other, made(noise, seed=1)]))
    assert [(entry["seed"], entry["fold"]) for entry in entries] == [(0, 0), (0, 1), (1, 0)]
    assert [round(entry["r2"]) for entry in entries] == [1, 1, 0]


def test_one_subject_cannot_tell_of_unseen_ones():
    table = made(follows)
    [entry] = summarise_offsets(table[table["subject"] == "s00"])
    assert entry["r2"] is None
    assert entry["own_r"] == pytest.approx(1.0)
