"""The harness: every pair once, truth out of reach, incomplete subjects scored where they can be."""

import numpy as np
import pandas as pd
import pytest
import torch

from mrisynth_pipeline.evaluation.downstream import COLUMNS, score_downstream, score_real, zero_filled
from mrisynth_pipeline.evaluation.harness import hidden, score_cohort, score_subject, through_the_door
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject
from mrisynth_pipeline.models.baselines import MeanImage
from mrisynth_pipeline.models.segmenter import Segmenter

MODALITIES = ("t1", "t2", "flair")
SHAPE = (12, 16, 24)
PARAMETERS = EvaluationParameters(device="cpu")


def write(store: SubjectStore, name: str, present=(True, True, True)) -> None:
    generator = np.random.default_rng(len(name))
    mask = np.zeros(SHAPE, bool)
    mask[2:-2, 3:-3, 4:-4] = True
    volumes = generator.random((3, *SHAPE), dtype=np.float32) * mask * np.array(present)[:, None, None, None]
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:8, 5:9, 10:16] = 2
    labels[5:7, 6:8, 11:14] = 3
    write_subject(
        store.path(name),
        Subject(name, MODALITIES, present, volumes, mask, labels, "t1", np.eye(4), {}, {}, {}, name),
    )


@pytest.fixture
def store(tmp_path) -> SubjectStore:
    store = SubjectStore(tmp_path)
    write(store, "whole")
    return store


def peek(volumes, available):
    """A method that knows the truth."""
    return volumes


def test_every_pair_once(store):
    rows = pd.DataFrame(score_subject("x", peek, store.open("whole"), MODALITIES, PARAMETERS))
    assert len(rows) == 9
    assert not rows.duplicated(["inputs", "target"]).any()
    assert not any(row.target in row.inputs.split("+") for row in rows.itertuples())
    assert set(rows["n_slices"]) == {8}
    assert (rows["slice_psnr"] == 100).all()


def test_a_published_window_says_which_slices_are_scored(store):
    rows = score_cohort("x", peek, store, ["whole"], MODALITIES, PARAMETERS, {"whole": (1, 3)})
    assert set(rows["n_slices"]) == {3}


def test_a_method_cannot_see_what_is_missing(store):
    seen = []

    class Spy(MeanImage):
        def predict(self, images, available):
            seen.append(images)
            return super().predict(images, available)

    method = Spy(MODALITIES, SHAPE)
    available = torch.tensor([True, False, True])
    volumes = torch.from_numpy(store.open("whole").volumes())
    through_the_door(method, PARAMETERS)(volumes, available)
    assert (seen[0][0, 1] == 0).all()
    assert hidden(volumes, available)[1].isnan().all()


def test_a_contrast_that_was_never_scanned_is_neither_given_nor_scored(store):
    write(store, "lacks_t2", present=(True, False, True))
    rows = pd.DataFrame(score_subject("x", peek, store.open("lacks_t2"), MODALITIES, PARAMETERS))
    assert sorted(zip(rows["inputs"], rows["target"], strict=True)) == [("flair", "t1"), ("t1", "flair")]


def t1_and_t2_to_flair(available, target):
    return bool(available[:2].all()) and target == 2


def test_what_a_method_does_not_cover_is_neither_run_nor_scored(store):
    asked = []

    def predict(volumes, available):
        asked.append(available.tolist())
        return volumes

    scores = score_cohort("x", predict, store, ["whole"], MODALITIES, PARAMETERS, {}, covers=t1_and_t2_to_flair)
    assert scores[["inputs", "target"]].values.tolist() == [["t1+t2", "flair"]]
    assert asked == [[True, True, False]]
    everything = score_cohort("x", peek, store, ["whole"], MODALITIES, PARAMETERS, {})
    same = everything[(everything["inputs"] == "t1+t2") & (everything["target"] == "flair")].reset_index(drop=True)
    pd.testing.assert_frame_equal(scores, same)


def test_a_method_whose_inputs_nobody_has_is_said(store):
    write(store, "lacks_t2", present=(True, False, True))
    with pytest.raises(RuntimeError, match="x cannot be scored"):
        score_cohort("x", peek, store, ["lacks_t2"], MODALITIES, PARAMETERS, {}, covers=t1_and_t2_to_flair)


def test_a_subject_on_which_a_method_fails_is_left_out_and_said(store, caplog):
    write(store, "bad")

    def fragile(volumes, available):
        if torch.equal(volumes, torch.from_numpy(store.open("bad").volumes())):
            raise RuntimeError("out of luck")
        return volumes

    scores = score_cohort("x", fragile, store, ["bad", "whole"], MODALITIES, PARAMETERS, {})
    assert set(scores["subject"]) == {"whole"}
    assert "failed on subject bad" in caplog.text
    with pytest.raises(RuntimeError, match="out of luck"):
        score_cohort("x", fragile, store, ["bad"], MODALITIES, PARAMETERS, {})


def test_downstream_segmentation_replaces_one_contrast_at_a_time(store):
    class BySum(Segmenter):
        """Calls enhancing what the rater called so, but only if the second contrast is not blank."""

        def segment(self, volumes):
            labels = torch.from_numpy(store.open("whole").segmentation())
            return labels if volumes[1].any() else torch.zeros_like(labels)

    segmenter = BySum(MODALITIES, width=8, blocks_down=(1, 1))
    real = score_real(segmenter, store, ["whole"], (1.0, 1.0, 1.0))
    blank = score_downstream("zero", zero_filled, segmenter, store, ["whole"], (1.0, 1.0, 1.0))
    imputed = score_downstream("x", peek, segmenter, store, ["whole"], (1.0, 1.0, 1.0))
    assert list(real.columns) == list(blank.columns) == list(COLUMNS)
    assert (real["dice"] == 1).all()
    assert (imputed["dice"] == 1).all()
    assert set(imputed["missing"]) == set(MODALITIES)
    assert (blank.loc[blank["missing"] == "t2", "dice"] == 0).all()
    assert (blank.loc[blank["missing"] != "t2", "dice"] == 1).all()


def test_downstream_segmentation_asks_a_method_only_for_what_it_covers(store):
    segmenter = Segmenter(MODALITIES, width=8, blocks_down=(1, 1)).eval()
    scores = score_downstream("x", peek, segmenter, store, ["whole"], (1.0, 1.0, 1.0), covers=t1_and_t2_to_flair)
    assert set(scores["missing"]) == {"flair"}
    nothing = score_downstream("x", peek, segmenter, store, ["whole"], (1.0, 1.0, 1.0), covers=lambda *_: False)
    assert nothing.empty
    assert list(nothing.columns) == list(COLUMNS)
