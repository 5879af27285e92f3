"""The cases are the same for all methods, and a method pays for exactly what it copies."""

import numpy as np
import pandas as pd
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.harness import through_the_door
from mrisynth_pipeline.evaluation.misalignment import (
    displaced_inputs,
    draw_cases,
    motion_of,
    score_misaligned,
    voxel_spacing,
)
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, RobustnessParameters
from mrisynth_pipeline.metrics.misalignment import CASE_KEYS, ROTATION_COLUMNS, TRANSLATION_COLUMNS
from mrisynth_pipeline.models.baselines import MeanImage

MODALITIES = ("t1", "t2", "pd")
SPACING = (4.0, 3.0, 3.0)
PARAMETERS = EvaluationParameters(device="cpu")
FEW = RobustnessParameters(translations_mm=(2.0, 6.0), rotations_deg=(8.0,), translations_pixels=(1.0, 4.0), repeats=1)


def cases_of(parameters=FEW, subjects=("anna",), modalities=MODALITIES) -> pd.DataFrame:
    return draw_cases(subjects, modalities, parameters, SPACING)


def lengths(cases: pd.DataFrame, spacing=SPACING) -> np.ndarray:
    return np.linalg.norm(cases[list(TRANSLATION_COLUMNS)] * spacing, axis=1)


class TestCases:
    def test_every_amount_of_every_kind_for_every_missing_contrast(self):
        cases = cases_of(RobustnessParameters(), ("anna", "bert"))
        assert len(cases) == 2 * 3 * (1 + 2 * (4 + 3 + 4))
        assert not cases.duplicated(list(CASE_KEYS)).any()
        assert not any(row.target in row.inputs.split("+") for row in cases.itertuples())
        assert all(row.moved in row.inputs.split("+") for row in cases.itertuples())

    def test_motions_have_the_size_asked_for(self):
        cases = cases_of()
        by_kind = dict(list(cases.groupby("kind")))
        assert (lengths(by_kind["none"]) == 0).all()
        np.testing.assert_allclose(lengths(by_kind["translation_mm"]), by_kind["translation_mm"]["amount"])
        np.testing.assert_allclose(
            lengths(by_kind["translation_pixels"], (1, 1, 1)), by_kind["translation_pixels"]["amount"]
        )
        assert (by_kind["translation_pixels"]["translation_z"] == 0).all()
        for row in by_kind["rotation_deg"].to_dict("records"):
            matrix = motion_of(row).matrix((9, 9, 9), SPACING)[:3, :3]
            assert np.degrees(np.arccos((np.trace(matrix) - 1) / 2)) == pytest.approx(8.0)
        others = by_kind["translation_mm"][list(ROTATION_COLUMNS)]
        assert (others == 0).all(axis=None)

    def test_shifts_by_whole_pixels_stay_whole(self):
        cases = cases_of().query("kind == 'translation_pixels'")
        shifts = cases[list(TRANSLATION_COLUMNS)].to_numpy()
        np.testing.assert_array_equal(shifts, shifts.round())

    def test_a_larger_study_sees_the_same_motions(self):
        alone = cases_of(subjects=("bert",))
        larger = FEW.model_copy(update={"repeats": 3, "translations_mm": (1.0, 2.0, 6.0)})
        together = cases_of(larger, subjects=("anna", "bert")).query("subject == 'bert'")
        both = alone.merge(together, on=list(alone.columns))
        assert len(both) == len(alone)

    def test_subject_amount_repeat_and_seed_draw_other_motions(self):
        twice = FEW.model_copy(update={"repeats": 2})
        cases = pd.concat(
            [cases_of(twice, ("anna", "bert")), cases_of(twice.model_copy(update={"seed": 1}), ("anna",))]
        ).query("kind == 'translation_mm' and target == 't1'")
        direction = cases[list(TRANSLATION_COLUMNS)].div(cases["amount"], axis=0).round(6)
        assert not direction.duplicated().any()

    def test_repeats_move_every_contrast_in_turn(self):
        cases = cases_of(FEW.model_copy(update={"repeats": 2})).query("kind != 'none'")
        assert (cases.groupby(["kind", "amount", "target"])["moved"].nunique() == 2).all()

    def test_a_fixed_scenario_asks_for_all_it_lacks(self):
        cases = cases_of(FEW.model_copy(update={"inputs": "pd+t1"}), modalities=("t1", "t2", "pd", "flair"))
        assert set(cases["inputs"]) == {"t1+pd"}
        assert set(cases["target"]) == {"t2", "flair"}

    def test_the_number_of_subjects_is_bounded(self):
        assert set(cases_of(FEW.model_copy(update={"subjects": 1}), ("anna", "bert"))["subject"]) == {"anna"}

    @pytest.mark.parametrize(
        ("inputs", "modalities", "words"),
        [("t1", MODALITIES, "only t1"), ("", ("t1", "t2"), "third contrast"), ("t1+swi", MODALITIES, "swi")],
    )
    def test_what_cannot_be_misaligned_is_said(self, inputs, modalities, words):
        with pytest.raises(InputError, match=words):
            cases_of(FEW.model_copy(update={"inputs": inputs}), modalities=modalities)


def mean_of_inputs(volumes, available):
    """Perfect where all contrasts are alike and in place."""
    return volumes[available].mean(0).expand_as(volumes)


class TestScores:
    @pytest.fixture(scope="class")
    @staticmethod
    def cases():
        return cases_of()

    def scored(self, brains, cases, predict) -> pd.DataFrame:
        return score_misaligned("x", predict, brains, cases, MODALITIES, PARAMETERS, {})

    def test_a_method_that_knows_the_truth_loses_nothing(self, brains, cases):
        truth = torch.from_numpy(brains.open("anna").volumes())
        scores = self.scored(brains, cases, lambda volumes, available: truth)
        assert len(scores) == len(cases)
        assert (scores["volume_psnr"] == 100).all()
        assert set(scores["n_inputs"]) == {2}

    def test_a_method_that_looks_at_what_holds_still_loses_nothing(self, brains, cases):
        def still(volumes, available):
            """The mean of the contrasts that lie as they were prepared."""
            prepared = torch.from_numpy(brains.open("anna").volumes())
            holds = [torch.equal(volumes[c], prepared[c]) and bool(available[c]) for c in range(3)]
            return prepared[holds][-1].expand_as(volumes) if any(holds) else volumes

        scores = self.scored(brains, cases.query("moved == 't1' and target == 't2'"), still)
        assert scores["volume_psnr"].nunique() == 1

    def test_a_method_behind_the_door_that_ignores_its_inputs_loses_nothing(self, brains, cases):
        method = MeanImage(MODALITIES, brains.open("anna").shape[1:])
        method.accumulate(torch.from_numpy(brains.open("bert").volumes()), torch.ones(3, dtype=torch.bool))
        scores = self.scored(brains, cases, through_the_door(method, PARAMETERS))
        assert (scores.groupby("target")[["volume_psnr", "slice_psnr"]].nunique() == 1).all(axis=None)

    @pytest.mark.parametrize("kind", ["translation_mm", "translation_pixels"])
    def test_a_method_that_copies_its_inputs_loses_more_the_further_one_went(self, brains, kind):
        cases = cases_of(subjects=("same",))
        scores = self.scored(brains, cases[cases["kind"].isin([kind, "none"])], mean_of_inputs)
        psnr = scores.groupby("amount")[["volume_psnr", "volume_ssim", "slice_psnr", "slice_ssim"]].mean()
        assert len(psnr) == 3
        assert (psnr.loc[0.0] == 100).all()
        assert (psnr.diff().dropna() < -1).all(axis=None)

    def test_only_the_moved_contrast_moves(self, brains, cases):
        volumes = torch.from_numpy(brains.open("anna").volumes())
        [case] = cases.query("kind == 'rotation_deg' and target == 'pd'").to_dict("records")
        displaced = displaced_inputs(volumes, case, MODALITIES, SPACING)
        same = [torch.equal(displaced[c], volumes[c]) for c in range(3)]
        assert same == [name != case["moved"] for name in MODALITIES]

    def test_cases_that_differ_in_their_target_alone_are_imputed_once(self, brains, cases):
        asked = []
        cases = draw_cases(("anna",), MODALITIES, FEW.model_copy(update={"inputs": "t1+t2"}), SPACING)
        both = pd.concat([cases, cases.assign(target="t1")])
        self.scored(brains, both, lambda volumes, available: asked.append(0) or volumes)
        assert len(asked) == len(cases)

    def test_a_subject_on_which_a_method_fails_is_left_out_and_said(self, brains, caplog):
        cases = cases_of(subjects=("anna", "bert"))
        prepared = torch.from_numpy(brains.open("bert").volumes())

        def fragile(volumes, available):
            if any(torch.equal(volume, other) for volume, other in zip(volumes, prepared, strict=True)):
                raise RuntimeError("out of luck")
            return volumes

        assert set(self.scored(brains, cases, fragile)["subject"]) == {"anna"}
        assert "failed on subject bert" in caplog.text
        with pytest.raises(RuntimeError, match="out of luck"):
            self.scored(brains, cases.query("subject == 'bert'"), fragile)

    def test_the_spacing_is_the_grids_in_the_order_of_the_axes(self, brains):
        assert voxel_spacing(brains.open("anna")) == SPACING
