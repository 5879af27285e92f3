"""Healthy phantoms end to end, at a tiny size, beside the glioma phantoms of the same study."""

import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.parameters import CohortParameters, PhantomParameters
from mrisynth_pipeline.cohorts.phantom.roster import enrol
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters, RegistrationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.imaging.tissues import TRUTH, tissue_map
from mrisynth_pipeline.pipelines.healthy import healthy_phantoms
from mrisynth_pipeline.pipelines.ingestion.nodes import list_scans, provide_raw_cohort
from mrisynth_pipeline.pipelines.phantom.nodes import provide_phantom
from mrisynth_pipeline.pipelines.preprocessing.nodes import prepare_subjects

PHANTOM = PhantomParameters(n_subjects=2, spacing_mm=6.0, workers=1, drop_fraction=0.3)
PREPROCESSING = PreprocessingParameters(
    workers=1,
    grid=GridParameters(size=(32, 40, 32), spacing_mm=(5.0, 5.0, 5.0)),
    registration=RegistrationParameters(levels_mm=(8.0, 6.0), samples=2000, max_iterations=10),
)
STUDY = {
    "cohort": "phantom-brats",
    "modalities": ["t1", "t1c", "t2", "flair"],
    "preprocessing": PREPROCESSING.result_fields(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("healthy")


@pytest.fixture(scope="module")
def people(folder) -> SubjectStore:
    return healthy_phantoms(PHANTOM, PREPROCESSING, STUDY, {}, 3, folder, seed=7)


def test_they_have_every_contrast_no_tumour_and_names_of_their_own(people):
    assert len(people.subjects()) == 3
    assert not set(people.subjects()) & {enrol(PHANTOM, number).subject for number in range(10)}
    for subject in people.subjects():
        file = people.open(subject)
        assert file.metadata["modalities"] == STUDY["modalities"]
        assert file.present.all()
        assert not file.segmentation().any()
        assert file.shape == (4, 32, 40, 32)
        assert 600 < file.mask().sum() * 0.125 < 2500, "mL"


def test_their_truth_is_where_the_patients_would_be(people, folder):
    for subject in people.subjects():
        tissues, source = tissue_map(people.open(subject), folder / "phantom" / "brats-truth")
        assert source == TRUTH
        inside = people.open(subject).mask()
        assert (tissues[inside] > 0).mean() > 0.6, "no hole where a tumour would be"


def test_they_are_prepared_as_the_patients_are(people, tmp_path):
    # The same person, once by this function and once by the nodes: a lesion-free cohort of that seed.
    cohort = CohortParameters()
    same = PHANTOM.model_copy(update={"lesions": False, "seed": 7, "n_subjects": 1, "drop_fraction": 0.0})
    raw_cohort = provide_raw_cohort(cohort, provide_phantom(cohort, same, tmp_path / "phantom"), tmp_path / "archives")
    store = SubjectStore(tmp_path / "subjects")
    (tmp_path / "work").mkdir()
    prepare_subjects(raw_cohort, list_scans(raw_cohort, tmp_path / "work"), store, {}, PREPROCESSING)
    (subject,) = store.subjects()
    twin = people.open(subject)
    assert twin.metadata["fingerprint"] == store.open(subject).metadata["fingerprint"]
    np.testing.assert_array_equal(twin.volumes(), store.open(subject).volumes())


def test_who_is_there_is_kept_and_who_is_not_wanted_goes(people, folder):
    before = {subject: people.path(subject).stat().st_mtime_ns for subject in people.subjects()}
    fewer = healthy_phantoms(PHANTOM, PREPROCESSING, STUDY, None, 2, folder, seed=7)
    kept = {subject: fewer.path(subject).stat().st_mtime_ns for subject in fewer.subjects()}
    assert kept == dict(list(before.items())[:2])
    healthy_phantoms(PHANTOM, PREPROCESSING, STUDY, None, 3, folder, seed=7)  # as the other tests found them
    assert people.subjects() == list(before)


def test_what_would_not_be_comparable_is_refused(tmp_path):
    arguments = {"n": 1, "folder": tmp_path, "standard": {}}
    with pytest.raises(InputError, match="this one is brats"):
        healthy_phantoms(PHANTOM, PREPROCESSING, STUDY | {"cohort": "brats"}, seed=7, **arguments)
    with pytest.raises(InputError, match="the same people"):
        healthy_phantoms(PHANTOM, PREPROCESSING, STUDY, seed=PHANTOM.seed, **arguments)
    other = PREPROCESSING.model_copy(update={"bias_correction": True})
    with pytest.raises(InputError, match="other parameters"):
        healthy_phantoms(PHANTOM, other, STUDY, seed=7, **arguments)
    assert not list(tmp_path.iterdir())
