"""Rows of downstream segmentation: how much was found, invented and missed, and whose brain is healthy."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.downstream import COLUMNS, NOTHING_MISSING, score_real, segmentation_rows
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
