"""Rows of downstream segmentation: how much was found, invented and missed, and whose brain is healthy."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.downstream import (
    COLUMNS,
    NOTHING_MISSING,
    TISSUE_COLUMNS,
    score_downstream,
    score_real,
    segmentation_rows,
    zero_filled,
)
from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject
from mrisynth_pipeline.models.segmenter import Segmenter

SHAPE = (8, 10, 12)
SPACING = (1.0, 2.0, 5.0)  # x, y, z: a voxel has 0.01 mL


@pytest.fixture
def truth() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2:6, 3:8] = 2
    labels[2, 3:5, 4:6] = 3
    return labels


def by_region(rows: list[dict]) -> dict[str, dict]:
    return {row["region"]: row for row in rows}


def test_volumes_are_in_ml(truth):
    drawn = np.roll(truth, 1, axis=1)  # the y of 4 voxels, so a quarter of the tumour lies wrong on either side
    rows = by_region(segmentation_rows("x", "s", "t1", torch.from_numpy(drawn), truth, SPACING))
    assert tuple(rows["WT"]) == COLUMNS
    assert rows["WT"] == {
        **{"method": "x", "subject": "s", "missing": "t1", "region": "WT", "healthy": False},
        **{"dice": pytest.approx(0.75), "hd95_mm": pytest.approx(2.0)},  # one voxel along y
        **{"predicted_ml": pytest.approx(0.6), "true_ml": pytest.approx(0.6)},
        **{"false_ml": pytest.approx(0.15), "missed_ml": pytest.approx(0.15)},
    }
    assert rows["ET"]["true_ml"] == pytest.approx(0.04)
    assert rows["ET"]["missed_ml"] == pytest.approx(0.02)


def test_a_part_mistaken_for_another_is_false_in_one_region_and_missed_in_the_other(truth):
    drawn = np.where(truth == 3, 2, truth)
    rows = by_region(segmentation_rows("x", "s", "t1", torch.from_numpy(drawn), truth, SPACING))
    assert rows["WT"]["false_ml"] == rows["WT"]["missed_ml"] == 0
    assert rows["ET"]["missed_ml"] == rows["ET"]["true_ml"] > 0


def test_all_that_is_found_in_a_healthy_subject_is_false(truth):
    rows = segmentation_rows("x", "s", "t1", torch.from_numpy(truth), np.zeros_like(truth), SPACING)
    assert all(row["healthy"] for row in rows)
    assert by_region(rows)["WT"]["false_ml"] == by_region(rows)["WT"]["predicted_ml"] == pytest.approx(0.6)
    assert all(row["true_ml"] == row["missed_ml"] == 0 for row in rows)


def test_nobody_is_healthy_for_want_of_a_label_map(tmp_path):
    store, mask = SubjectStore(tmp_path), np.ones(SHAPE, bool)
    for name, labels in (("unknown", None), ("healthy", np.zeros(SHAPE, np.uint8))):
        volumes = np.ones((1, *SHAPE), np.float32)
        subject = Subject(name, ("t1",), (True,), volumes, mask, labels, "t1", np.eye(4), {}, {}, {}, name)
        write_subject(store.path(name), subject)
    segmenter = Segmenter(("t1",), width=8, blocks_down=(1, 1)).eval()
    scores = score_real(segmenter, store, ["healthy"], SPACING)
    assert scores["healthy"].all()
    assert set(scores["missing"]) == {NOTHING_MISSING}
    with pytest.raises(InputError, match="no tumour label map"):
        score_real(segmenter, store, ["unknown"], SPACING)


def test_tissues_are_scored_against_the_maps(tmp_path):
    store, mask = SubjectStore(tmp_path), np.ones(SHAPE, bool)
    tissues = np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint8)
    volumes = np.stack([tissues / 3, tissues / 3]).astype(np.float32)
    subject = Subject("s", ("t1", "t2"), (True, True), volumes, mask, None, "t1", np.eye(4), {}, {}, {}, "s")
    write_subject(store.path("s"), subject)

    class ByT1(Segmenter):
        def segment(self, volumes):
            return (volumes[0] * 3).round().to(torch.uint8)

    segmenter = ByT1(("t1", "t2"), width=8, blocks_down=(1, 1), targets="tissue")
    real = score_real(segmenter, store, ["s"], SPACING, {"s": tissues})
    blank = score_downstream("zero", zero_filled, segmenter, store, ["s"], SPACING, tissues={"s": tissues})
    assert list(real.columns) == list(blank.columns) == list(TISSUE_COLUMNS)
    assert real["region"].tolist() == ["grey", "white", "csf"]
    assert (real["dice"] == 1).all()
    assert (blank.loc[blank["missing"] == "t1", "dice"] == 0).all()
    assert (blank.loc[blank["missing"] == "t2", "dice"] == 1).all()
    with pytest.raises(ValueError, match="needs tissue maps"):
        score_real(segmenter, store, ["s"], SPACING)
    tumours = Segmenter(("t1", "t2"), width=8, blocks_down=(1, 1))
    with pytest.raises(ValueError, match="of tumours got tissue maps"):
        score_real(tumours, store, ["s"], SPACING, {"s": tissues})
