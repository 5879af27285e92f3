"""Tissue maps: the phantom's own lie where its scans show the tissues; a mixture of Gaussians comes close."""

from dataclasses import replace

import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import TISSUES
from mrisynth_pipeline.imaging.cohort import preprocess_cohort
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.imaging.tissues import MIXTURE, TRUTH, mixture_tissues, tissue_map

GRID = GridParameters(size=(56, 64, 56), spacing_mm=(3.0, 3.0, 3.0))


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.fixture(scope="module", params=["t1c", "flair"])
def prepared(request, heads, tmp_path_factory):
    """Phantoms on the grid of the scan on which their truth was drawn, and of one for which they had moved."""
    store = SubjectStore(tmp_path_factory.mktemp("tissues"))
    parameters = PreprocessingParameters(grid=GRID, workers=1, reference_preference=(request.param,))
    preprocess_cohort(heads.manifest, store, parameters, ("t1", "t1c", "t2", "flair"))
    return store, heads.truth(heads.subjects[0]).parent


def test_the_phantoms_truth_lies_where_its_scans_show_it(prepared):
    store, truth = prepared
    for subject in store.subjects():
        file = store.open(subject)
        tissues, source = tissue_map(file, truth)
        healthy = file.segmentation() == 0
        assert source == TRUTH
        assert tissues.dtype == np.uint8
        assert not tissues[~file.mask()].any()
        assert dice((tissues > 0) | ~healthy, file.mask()) > 0.85
        t1 = file.volumes()[0]
        grey, white, csf = (t1[(tissues == label) & healthy].mean() for label in TISSUES.values())
        assert csf + 0.2 < grey < white - 0.2


def test_a_mixture_of_gaussians_comes_close_and_would_not_if_the_truth_lay_elsewhere(prepared):
    store, truth = prepared
    for subject in store.subjects():
        file = store.open(subject)
        known, _ = tissue_map(file, truth)
        found, source = tissue_map(file, None)
        healthy = file.segmentation() == 0
        assert source == MIXTURE
        assert not found[~healthy].any()
        inside = healthy & (known > 0)  # at 3 mm the rim of the mask holds more that is dark than there is CSF
        agreement = {n: dice((known == k) & inside, (found == k) & inside) for n, k in TISSUES.items()}
        assert agreement["white"] > 0.8
        assert agreement["grey"] > 0.7
        assert agreement["csf"] > 0.25
        for axis in range(3):
            moved = np.roll(known, 2, axis)  # 6 mm, as far as the head moved between its scans
            assert dice((moved == TISSUES["white"]) & healthy, found == TISSUES["white"]) < agreement["white"] - 0.1


def test_classes_are_known_by_their_brightness_and_the_seed_decides_the_rest():
    truth = np.random.default_rng(3).integers(0, 4, (20, 30, 40))
    values = np.array([0.0, 0.55, 0.8, 0.2])[truth] + np.random.default_rng(0).normal(0, 0.04, truth.shape)
    found = mixture_tissues(np.clip(values, 0, 1).astype(np.float32), truth > 0)
    assert (found == truth).mean() > 0.99
    np.testing.assert_array_equal(found, mixture_tissues(np.clip(values, 0, 1).astype(np.float32), truth > 0))


def test_without_a_t1_there_is_no_map_and_a_word_why(prepared):
    store, truth = prepared
    subject = store.subjects()[0]
    blind = replace(store).without({subject: ["t1"]}).open(subject)
    tissues, why = tissue_map(blind, None)
    assert tissues is None
    assert "no T1" in why
    assert tissue_map(blind, truth)[1] == TRUTH, "which asks no scan"


def test_a_truth_that_is_not_whole_is_refused(prepared, tmp_path):
    store, _ = prepared
    file = store.open(store.subjects()[0])
    (tmp_path / file.metadata["subject"]).mkdir()
    with pytest.raises(InputError, match="how the head lay"):
        tissue_map(file, tmp_path)
