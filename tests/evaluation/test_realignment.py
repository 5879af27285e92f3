"""Registration in front of a method brings a displaced contrast back, and what is left is measured."""

import numpy as np
import pandas as pd
import pytest
import torch

from mrisynth_pipeline.evaluation.misalignment import displaced_inputs, draw_cases, motion_of, score_misaligned
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, RobustnessParameters
from mrisynth_pipeline.evaluation.realignment import register_cases
from mrisynth_pipeline.imaging.parameters import RegistrationParameters

MODALITIES = ("t1", "t2", "pd")
SPACING = (4.0, 3.0, 3.0)
LEVELS = RegistrationParameters(levels_mm=(8.0, 4.0), samples=6000)
FEW = RobustnessParameters(
    translations_mm=(8.0,), rotations_deg=(10.0,), translations_pixels=(2.0,), repeats=1, inputs="t1+t2", workers=1
)


@pytest.fixture(scope="module")
def registered(brains) -> pd.DataFrame:
    cases = draw_cases(("anna", "bert"), MODALITIES, FEW, SPACING)
    return register_cases(cases, brains, FEW, LEVELS)


def test_every_case_is_there_as_it_is_and_those_in_space_again_registered(registered):
    counts = registered.groupby(["subject", "kind", "registered"]).size()
    assert (counts == 1).all()
    assert ("anna", "translation_pixels", True) not in counts.index
    assert len(counts) == 2 * (4 + 3)


def test_the_imposed_motion_is_measured_in_millimetres(registered):
    imposed = registered[~registered["registered"]].set_index(["subject", "kind"])["residual_mm"]
    for subject in ("anna", "bert"):
        assert imposed[subject, "none"] == 0
        assert imposed[subject, "translation_mm"] == pytest.approx(8.0)
        assert imposed[subject, "translation_pixels"] == pytest.approx(2 * 3.0)
        assert 3 < imposed[subject, "rotation_deg"] < 9


def test_registration_brings_the_contrast_back_within_half_a_voxel(registered):
    left = registered[registered["registered"]]
    assert (left["residual_mm"] < 1.5).all()
    assert (left.loc[left["kind"] != "none", "residual_mm"] > 0).all()


def test_the_residual_motion_leaves_the_contrast_where_it_was(brains, registered):
    """Not a number about matrices: the voxels themselves are back."""
    volumes = torch.from_numpy(brains.open("anna").volumes())
    rows = registered.query("subject == 'anna' and kind == 'translation_mm'").sort_values("registered")
    displaced, back = (displaced_inputs(volumes, row, MODALITIES, SPACING) for row in rows.to_dict("records"))
    channel = MODALITIES.index(rows["moved"].iloc[0])
    error = [(moved - volumes)[channel].abs().mean() for moved in (displaced, back)]
    assert error[1] < 0.2 * error[0]


def test_a_method_that_copies_its_inputs_gains_from_registration(brains, registered):
    def mean(volumes, available):
        return volumes[available].mean(0).expand_as(volumes)

    scores = score_misaligned("x", mean, brains, registered, MODALITIES, EvaluationParameters(), {})
    assert {"residual_mm", "registered"} <= set(scores)
    psnr = scores[scores["kind"] == "translation_mm"].groupby("registered")["volume_psnr"].mean()
    assert psnr[True] > psnr[False]


def test_without_registration_the_motions_are_only_measured(brains):
    parameters = FEW.model_copy(update={"registration": False})
    cases = draw_cases(("anna",), MODALITIES, parameters, SPACING)
    measured = register_cases(cases, brains, parameters, LEVELS)
    pd.testing.assert_frame_equal(measured.drop(columns="residual_mm"), cases)


def test_the_same_cases_are_registered_the_same_way(brains, registered):
    cases = draw_cases(("anna",), MODALITIES, FEW, SPACING)
    again = register_cases(cases, brains, FEW, LEVELS)
    pd.testing.assert_frame_equal(again, registered[registered["subject"] == "anna"].reset_index(drop=True))
    assert np.isfinite([motion_of(row).translation for row in again.to_dict("records")]).all()


def test_a_subject_without_a_file_is_left_out_and_said(brains, caplog):
    cases = draw_cases(("nobody", "anna"), MODALITIES, FEW, SPACING)
    unregistered = FEW.model_copy(update={"registration": False})
    assert set(register_cases(cases, brains, unregistered, LEVELS)["subject"]) == {"anna"}
    assert "nobody" in caplog.text
    with pytest.raises(RuntimeError, match="nobody"):
        register_cases(cases.query("subject == 'nobody'"), brains, unregistered, LEVELS)
