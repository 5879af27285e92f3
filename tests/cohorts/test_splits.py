"""Own splits never separate a patient's time points; published ones are kept and their leak is told."""

import json
from importlib import resources

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.parameters import SplitParameters
from mrisynth_pipeline.cohorts.splits import PUBLISHED_LISTS, make_split, split_report

LEAKING = {f"BraTS-GLI-{number}" for number in ("00095", "00520", "00548", "00608", "00774")}


def people(n_patients: int, n_sites: int = 1) -> list[tuple[str, str, str]]:
    return [(f"P{i:04d}-000", f"P{i:04d}", f"site{i % n_sites}") for i in range(n_patients)]


@st.composite
def cohorts(draw):
    """Patients with one to three time points, at one of three sites."""
    time_points = draw(st.lists(st.integers(1, 3), min_size=2, max_size=40))
    sites = draw(st.lists(st.sampled_from(["", "Guys", "HH"]), min_size=len(time_points), max_size=len(time_points)))
    return [
        (f"P{i:04d}-{session:03d}", f"P{i:04d}", site)
        for i, (count, site) in enumerate(zip(time_points, sites, strict=True))
        for session in range(count)
    ]


@st.composite
def fractions(draw):
    test = draw(st.floats(0.01, 0.95))
    return draw(st.one_of(st.just(0.0), st.floats(0.001, 0.98 - test) if test < 0.97 else st.just(0.0))), test


@settings(max_examples=60, deadline=None)
@given(cohorts(), fractions(), st.integers(0, 5), st.randoms())
def test_own_splits_group_by_patient_and_fill_every_part(table_of, cohort, fraction, seed, random):
    validation, test = fraction
    parameters = SplitParameters(validation_fraction=validation, test_fraction=test, seed=seed)
    manifest = table_of(cohort)
    split = make_split(manifest, parameters)

    assert sorted(split["subject"]) == sorted(subject for subject, _, _ in cohort)
    assert (split.groupby("patient")["split"].nunique() == 1).all()
    assert split_report(split, manifest)["leaks"] == []
    n_patients = split["patient"].nunique()
    counts = split.drop_duplicates("patient")["split"].value_counts()
    assert counts.get("train", 0) >= 1 and counts.get("test", 0) >= 1
    assert (counts.get("validation", 0) >= 1) == (validation > 0 and n_patients >= 3)

    shuffled = manifest.sample(frac=1, random_state=random.randrange(2**31))
    pd.testing.assert_frame_equal(make_split(shuffled, parameters), split)


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 120), st.integers(1, 4), st.integers(0, 9))
def test_own_splits_meet_the_fractions_and_share_out_the_sites(table_of, n_patients, n_sites, seed):
    split = make_split(table_of(people(n_patients, n_sites)), SplitParameters(seed=seed))
    counts = split["split"].value_counts()
    assert counts["test"] == round(0.25 * n_patients)
    assert counts["validation"] == round(0.1 * n_patients)
    for _, members in split.groupby("site"):
        share = len(members) / n_patients
        assert abs((members["split"] == "test").sum() - share * counts["test"]) <= 1
        assert abs((members["split"] == "validation").sum() - share * counts["validation"]) <= 2


def test_the_seed_decides_and_is_repeatable(table_of):
    manifest = table_of(people(40))
    splits = [make_split(manifest, SplitParameters(seed=seed)) for seed in (1, 1, 2)]
    assert splits[0].equals(splits[1])
    assert not splits[0].equals(splits[2])


def test_every_patient_is_tested_under_some_seed(table_of):
    manifest = table_of(people(12))
    tested = set()
    for seed in range(40):
        split = make_split(manifest, SplitParameters(seed=seed))
        tested |= set(split.loc[split["split"] == "test", "subject"])
    assert len(tested) == 12


def test_subjects_without_a_usable_scan_are_in_no_part(table_of):
    manifest = table_of(people(6))
    manifest.loc[manifest["patient"] == "P0003", "problems"] = "P0003-000-t1.nii.gz: broken. Mend it"
    assert "P0003" not in set(make_split(manifest, SplitParameters())["patient"])


def test_a_label_map_alone_makes_no_subject(table_of):
    manifest = table_of(people(6))
    manifest.loc[manifest["patient"] == "P0003", "modality"] = "seg"
    assert "P0003" not in set(make_split(manifest, SplitParameters())["patient"])


def test_one_patient_cannot_be_split_however_many_time_points(table_of):
    manifest = table_of([("P1-000", "P1", ""), ("P1-001", "P1", "")])
    with pytest.raises(InputError, match=r"split: 1 patient cannot be divided.*Add patients: at least 2"):
        make_split(manifest, SplitParameters())


def test_an_unknown_name_lists_the_known_ones(table_of):
    with pytest.raises(InputError, match=r"split\.name: there is no split 'paper'.*own, codebrain"):
        make_split(table_of(people(5)), SplitParameters(name="paper"))


def published_people(source: str) -> list[tuple[str, str, str]]:
    with (resources.files("mrisynth_pipeline.cohorts") / "published_splits" / f"{source}.csv").open() as file:
        subjects = pd.read_csv(file)["subject"]
    if source.endswith("ixi"):
        return [(name, name.split("-")[0], name.split("-")[1]) for name in subjects]
    return [(name, name.rsplit("-", 1)[0], "") for name in subjects]


@pytest.mark.parametrize(
    ("source", "train", "validation", "test"),
    [("codebrain_brats2023", 500, 40, 40), ("codebrain_ixi", 500, 37, 40)],
)
def test_the_published_list_that_fits_the_cohort_is_taken_whole(table_of, source, train, validation, test):
    manifest = table_of(published_people(source))
    split = make_split(manifest, SplitParameters(name="codebrain"))
    report = split_report(split, manifest)
    assert report["source"] == source
    assert report["subjects"] == {"train": train, "validation": validation, "test": test}
    assert report["listed_but_absent"] == report["present_but_not_listed"] == {"count": 0, "subjects": []}
    assert (split["first_slice"] < split["last_slice"]).all()
    assert json.loads(json.dumps(report)) == report


def test_published_ixi_counts_are_given_per_site(table_of):
    manifest = table_of(published_people("codebrain_ixi"))
    report = split_report(make_split(manifest, SplitParameters(name="codebrain")), manifest)
    assert set(report["subjects_per_site"]) == {"Guys", "HH", "IOP"}
    assert sum(sum(parts.values()) for parts in report["subjects_per_site"].values()) == 577
    assert report["leaks"] == []


def test_the_leak_of_the_published_brats_list_is_told(table_of, caplog):
    manifest = table_of(published_people("codebrain_brats2023"))
    report = split_report(make_split(manifest, SplitParameters(name="codebrain")), manifest)
    assert {leak["patient"] for leak in report["leaks"]} == LEAKING
    for leak in report["leaks"]:
        assert len(set(leak["subjects"].values())) == 2
    assert all(patient in caplog.text for patient in LEAKING)


def test_absent_and_unlisted_subjects_are_counted_and_left_out(table_of, caplog):
    listed = published_people("codebrain_ixi")
    stranger = ("IXI999-Guys-9999", "IXI999", "Guys")
    manifest = table_of([*listed[:-7], stranger])
    split = make_split(manifest, SplitParameters(name="codebrain"))
    report = split_report(split, manifest)
    assert report["listed_but_absent"]["count"] == 7
    assert set(report["listed_but_absent"]["subjects"]) == {name for name, _, _ in listed[-7:]}
    assert report["present_but_not_listed"] == {"count": 1, "subjects": [stranger[0]]}
    assert stranger[0] not in set(split["subject"])
    assert "7 listed subjects are absent" in caplog.text and "1 subjects are not listed" in caplog.text


@pytest.mark.parametrize("cohort", [people(5), published_people("codebrain_ixi")[:3]], ids=["strangers", "train only"])
def test_a_published_list_that_leaves_a_part_empty_is_refused(table_of, cohort):
    with pytest.raises(InputError, match=r"split\.name=codebrain.*leave nobody for .*test.*Use split\.name=own"):
        make_split(table_of(cohort), SplitParameters(name="codebrain"))


@pytest.mark.parametrize("source", [source for sources in PUBLISHED_LISTS.values() for source in sources])
def test_published_lists_name_each_subject_once(source):
    names = [name for name, _, _ in published_people(source)]
    assert len(names) == len(set(names)) > 500


def test_own_and_published_splits_survive_csv(table_of, tmp_path):
    for name, cohort in (("own", people(10, 2)), ("codebrain", published_people("codebrain_ixi"))):
        split = make_split(table_of(cohort), SplitParameters(name=name))
        split.to_csv(tmp_path / "split.csv", index=False)
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "split.csv", keep_default_na=False), split)
