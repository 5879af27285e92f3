"""The whole way, tiny, on a cohort that has lost scans in every part: what is not there is not scored, and is said."""

import json

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.manifest import CSV_LOAD_ARGUMENTS
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.pipelines.slot import default_methods

INCOMPLETE = {
    "phantom": {"n_subjects": 6},
    "cohort": {"drop_fraction": 0.4, "drop_from": "all", "drop_seed": 1},
    "codebrain": {"stage1": {"incomplete": True}, "stage2": {"incomplete": True}},
}


@pytest.fixture(scope="module")
def incomplete(tmp_path_factory, finished_project):
    made = type(finished_project)(tmp_path_factory.mktemp("incomplete") / "project")
    made.run(INCOMPLETE)
    return made


def read(project, name: str):
    return json.loads((project.data / name).read_text())


def test_withheld_scans_are_in_nobodys_file(incomplete):
    found, manifest = (
        pd.read_csv(incomplete.data / "02_intermediate" / name, **CSV_LOAD_ARGUMENTS)
        for name in ("found_scans.csv", "manifest.csv")
    )
    lost = manifest[(manifest["problems"] != "") & (found["problems"] == "")]
    assert len(lost[lost["modality"] != "seg"]) == pytest.approx(0.4 * 24, abs=1.5)
    store = SubjectStore(incomplete.data / "05_model_input" / "subjects")
    modalities = read(incomplete, "05_model_input/study.json")["modalities"]
    for subject in store.subjects():
        file = store.open(subject)
        gone = set(lost.loc[lost["subject"] == subject, "modality"]) - {"seg"}
        assert {name for name, there in zip(modalities, file.present, strict=True) if not there} == gone
        assert file.metadata["reference"] not in gone, "another scan takes over"
        assert not file.volumes()[~file.present].any()


@pytest.mark.parametrize("method", default_methods())
def test_what_does_not_exist_is_neither_given_nor_scored(incomplete, method):
    scores = pd.read_parquet(incomplete.data / "07_model_output" / method / "scores.parquet")
    store = SubjectStore(incomplete.data / "05_model_input" / "subjects")
    modalities = np.array(read(incomplete, "05_model_input/study.json")["modalities"])
    assert not scores.empty
    for subject, rows in scores.groupby("subject"):
        has = set(modalities[store.open(subject).present])
        assert set(rows["target"]) <= has
        assert set("+".join(rows["inputs"]).split("+")) <= has


def test_page_and_cards_say_what_was_withheld(incomplete):
    study = read(incomplete, "05_model_input/study.json")
    count = sum(study["withheld_scans"].values())
    assert count
    card = read(incomplete, "06_models/codebrain/model/model_card.json")["training_data"]
    assert card["needs"] == "two or more contrasts"
    assert card["subjects"] + card["left_out"] == len(study["train"])
    assert card["withheld_scans"] == count
    report = (incomplete.data / "08_reporting" / "report.html").read_text()
    assert "withheld" in report
    assert "No downstream segmentation" in report, "the one test subject is not complete"
    assert "cohort.drop_fraction" in (incomplete.data / "08_reporting" / "cohort_quality.txt").read_text()


def test_another_fraction_prepares_only_those_whose_scans_changed(incomplete, tmp_path):
    again = incomplete.copy(tmp_path / "again")
    store = SubjectStore(again.data / "05_model_input" / "subjects")

    def state() -> dict[str, tuple]:
        return {s: (store.path(s).stat().st_mtime_ns, tuple(store.open(s).present)) for s in store.subjects()}

    before = state()
    changed = INCOMPLETE | {"cohort": {**INCOMPLETE["cohort"], "drop_fraction": 0.2}}
    again.run(changed, pipeline_names=["ingestion", "preprocessing"])
    after = state()
    more = {s for s in before if before[s][1] != after[s][1]}
    assert more
    assert {s for s in before if before[s][0] != after[s][0]} == more
    assert all(np.array(after[s][1])[np.array(before[s][1])].all() for s in before), "less is lost, and nothing else"
