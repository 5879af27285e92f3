import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.cohort import preprocess_cohort
from mrisynth_pipeline.imaging.intensity_methods import nyul
from mrisynth_pipeline.imaging.intensity_standard import learn_standard
from mrisynth_pipeline.imaging.parameters import IntensityParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore

CONTRASTS = ("t1", "t2")


@pytest.fixture
def parameters(small):
    return small.model_copy(update={"intensity": IntensityParameters(method="nyul"), "storage": "float32"})


@pytest.fixture
def manifest(write_archive):
    return write_archive(subjects=("a", "b", "c", "d", "e"))


def learn(manifest, parameters, training=("a", "b", "c")):
    return learn_standard(manifest, training, parameters, CONTRASTS)


def test_it_is_the_mean_of_the_training_subjects_landmarks(manifest, parameters, tmp_path):
    learned = learn(manifest, parameters)
    percentiles = nyul(parameters.intensity).percentiles
    assert learned["subjects"] == ["a", "b", "c"]
    assert learned["percentiles"] == percentiles.tolist()
    plain = parameters.model_copy(update={"intensity": IntensityParameters()})
    store = SubjectStore(tmp_path / "plain")
    preprocess_cohort(manifest, store, plain, CONTRASTS)
    for channel, name in enumerate(CONTRASTS):
        files = [store.open(subject) for subject in "abc"]
        landmarks = [np.percentile(file.volumes()[channel][file.mask()], percentiles) for file in files]
        expected = np.mean(landmarks, axis=0)
        np.testing.assert_allclose(learned["scale"][name], expected, atol=0.002)
        assert (learned["scale"][name][0], learned["scale"][name][-1]) == (0, 1)


def test_other_subjects_are_not_looked_at(manifest, parameters):
    before = learn(manifest, parameters)
    for row in manifest[manifest["subject"].isin(["d", "e"])].itertuples():
        with open(f"{row.raw_dir}/{row.path}", "wb") as file:  # noqa: PTH123
            file.write(b"another patient")
    assert learn(manifest, parameters) == before
    assert learn(manifest, parameters, training=("a", "b")) != before


def test_some_training_subjects_spread_over_all_of_them_are_enough(manifest, parameters):
    few = parameters.intensity.model_copy(update={"standard_subjects": 3})
    learned = learn(manifest, parameters.model_copy(update={"intensity": few}), training=tuple("abcde"))
    assert learned["subjects"] == ["a", "c", "e"]


def test_processes_learn_what_one_learns(manifest, parameters):
    assert learn(manifest, parameters.model_copy(update={"workers": 2})) == learn(manifest, parameters)


def test_a_training_subject_that_cannot_be_prepared_is_left_out(manifest, parameters, caplog):
    row = manifest[(manifest["subject"] == "b") & (manifest["modality"] == "t1")].iloc[0]
    with open(f"{row.raw_dir}/{row.path}", "wb") as file:  # noqa: PTH123
        file.write(b"no scan")
    assert learn(manifest, parameters)["subjects"] == ["a", "c"]
    assert "goes without subject b" in caplog.text
    with pytest.raises(InputError, match="none of 1 training subjects"):
        learn(manifest, parameters, training=("b",))
    with pytest.raises(InputError, match="none of 0 training subjects"):
        learn(manifest, parameters, training=())


def test_a_changed_standard_makes_files_anew(manifest, parameters, tmp_path):
    store = SubjectStore(tmp_path / "store")
    scale = learn(manifest, parameters)["scale"]

    def prepare(standard):
        preprocess_cohort(manifest, store, parameters, CONTRASTS, standard)
        return store.path("a").stat().st_mtime_ns, store.open("a")

    first, file = prepare(scale)
    assert file.metadata["intensity"]["t1"]["unit"] == scale["t1"]
    assert prepare(scale)[0] == first
    bent = {name: [0, *(np.asarray(values[1:-1]) ** 1.1).tolist(), 1] for name, values in scale.items()}
    again, file = prepare(bent)
    assert again != first
    assert file.metadata["intensity"]["t1"]["unit"] == bent["t1"]
