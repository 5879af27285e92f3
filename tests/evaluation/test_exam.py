"""One pass over the test subjects: each imputation made once and asked everything."""

import numpy as np
import pytest
import torch

from mrisynth_pipeline.evaluation.exam import SEGMENTED, Exam
from mrisynth_pipeline.evaluation.harness import everything, score_cohort
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject
from mrisynth_pipeline.models.segmenter import Segmenter

MODALITIES = ("t1", "t2", "flair")
SHAPE = (12, 16, 24)
PARAMETERS = EvaluationParameters(device="cpu")


def write(store: SubjectStore, name: str, present=(True, True, True), tumour: bool = True) -> None:
    generator = np.random.default_rng(len(name))
    mask = np.zeros(SHAPE, bool)
    mask[2:-2, 3:-3, 4:-4] = True
    volumes = generator.random((3, *SHAPE), dtype=np.float32) * mask * np.array(present)[:, None, None, None]
    labels = np.zeros(SHAPE, np.uint8)
    if tumour:
        labels[4:8, 5:9, 10:16] = 2
        labels[5:7, 6:8, 11:14] = 3
    write_subject(
        store.path(name),
        Subject(name, MODALITIES, present, volumes, mask, labels, "t1", np.eye(4), {}, {}, {}, name),
    )


class Counting:
    """A method that gives the truth a little darker, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[bool, ...]] = []

    def __call__(self, volumes, available):
        self.asked.append(tuple(available.tolist()))
        return 0.9 * volumes


@pytest.fixture
def store(tmp_path) -> SubjectStore:
    store = SubjectStore(tmp_path / "patients")
    write(store, "whole")
    write(store, "lacking", present=(True, True, False))
    return store


@pytest.fixture
def exam(store, tmp_path) -> Exam:
    healthy = SubjectStore(tmp_path / "healthy")
    write(healthy, "well", tumour=False)
    torch.manual_seed(0)
    tissues = np.full(SHAPE, 2, np.uint8)
    tissues[:6] = 1
    return Exam(
        store,
        ["whole", "lacking"],
        MODALITIES,
        {},
        (1.0, 1.0, 1.0),
        PARAMETERS,
        segmenters={"segmenter": Segmenter(MODALITIES, 8, (1, 1)).eval()},
        segmented=["whole"],
        tissues={"whole": tissues},
        healthy=(healthy, ["well"]),
    )


def test_every_pair_is_scored_as_the_harness_scores_it(exam, store):
    scores = exam.take("x", Counting(), everything)["scores"]
    harness = score_cohort("x", Counting(), store, ["whole", "lacking"], MODALITIES, PARAMETERS, {})
    keys = ["subject", "inputs", "target"]
    columns = [name for name in harness.columns if name.startswith(("slice_", "volume_"))]
    both = scores.set_index(keys)[columns], harness.set_index(keys)[columns]
    assert len(both[0]) == 9 + 2
    np.testing.assert_allclose(both[0].sort_index(), both[1].sort_index())


def test_an_imputation_is_made_once_whatever_it_is_asked(exam):
    method = Counting()
    exam.take("x", method, everything)
    of_whole, of_lacking, of_well = method.asked[:6], method.asked[6:8], method.asked[8:]
    assert len(set(of_whole)) == 6
    assert of_lacking == [(True, False, False), (False, True, False)]
    assert len(of_well) == 3, "the healthy are asked for one missing contrast alone"
    assert all(sum(available) == 2 for available in of_well)


def test_regions_and_brasyn_stand_beside_the_scores(exam):
    scores = exam.take("x", Counting(), everything)["scores"].set_index("subject")
    whole, lacking = scores.loc["whole"], scores.loc["lacking"]
    assert whole[["grey_mae", "white_mae", "tumour_mae", "enhancing_mae", "brasyn_ssim_tumour"]].notna().all(axis=None)
    assert lacking["grey_mae"].isna().all(), "its tissues are not known"
    assert lacking["tumour_mae"].notna().all()
    assert (scores["seconds"] > 0).all()


def test_patients_with_a_truth_and_the_healthy_are_segmented(exam):
    rows = exam.take("x", Counting(), everything)[SEGMENTED]
    assert set(zip(rows["subject"], rows["healthy"], strict=True)) == {("whole", False), ("well", True)}
    assert len(rows) == 2 * 3 * 3, "subject, missing contrast, region"
    assert set(rows["segmenter"]) == {"segmenter"}
    assert (rows.loc[rows["healthy"], "true_ml"] == 0).all()


def test_few_subsets_are_asked_if_named(exam, store):
    few = Exam(store, ["whole"], MODALITIES, {}, (1.0,) * 3, PARAMETERS, subsets=("t1", "t1+flair"))
    method = Counting()
    tables = few.take("x", method, everything)
    assert few.asked() == ["t1", "t1+flair"]
    assert set(tables["scores"]["inputs"]) == {"t1", "t1+flair"}
    assert SEGMENTED not in tables


def test_a_method_of_a_fixed_scenario_is_asked_no_other(exam):
    method = Counting()
    tables = exam.take("x", method, lambda available, target: target == 1 and bool(available[0]))
    assert set(tables["scores"]["target"]) == {"t2"}
    assert set(tables[SEGMENTED]["missing"]) == {"t2"}
    assert (False, True, True) not in method.asked


def test_a_subject_on_which_it_fails_is_left_out(exam, caplog):
    def fails(volumes, available):
        if not volumes[2].any():
            raise RuntimeError("cannot do without FLAIR")
        return volumes

    scores = exam.take("x", fails, everything)["scores"]
    assert set(scores["subject"]) == {"whole"}
    assert "x failed on subject lacking" in caplog.text


def test_one_that_fails_on_all_is_an_error(exam):
    def fails(*_):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match=r"x could not be examined: whole: out of memory"):
        exam.take("x", fails, everything)
