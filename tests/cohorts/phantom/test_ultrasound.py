"""The simulated sweep: its fan, its speckle, and the tissue in it."""

import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.acoustics import ACOUSTICS, AcousticMaps, acoustic_maps, tumour_centre
from mrisynth_pipeline.cohorts.phantom.acquisition import resample
from mrisynth_pipeline.cohorts.phantom.roster import enrol
from mrisynth_pipeline.cohorts.phantom.subject import build_patient, simulate_subject
from mrisynth_pipeline.cohorts.phantom.tissue import TISSUES
from mrisynth_pipeline.cohorts.phantom.ultrasound import _Beams, _echo, place_probe, simulate_ultrasound

COARSE = PhantomParameters(layout="remind", spacing_mm=3.0, drop_fraction=0.9)


@pytest.fixture(scope="module")
def case():
    """One patient's head, and what was scanned of it."""
    enrolment = enrol(COARSE, 0)
    return build_patient(COARSE, enrolment), simulate_subject(COARSE, False, enrolment)


def shares_there(case, *tissues):
    """A tissue's share on the voxels of the ultrasound."""
    head, subject = case
    share = head.shares.dense(*tissues)
    return resample(share, head.grid, subject.scans["us"].grid, subject.transforms["us"])


def test_every_tissue_has_its_acoustics():
    assert ACOUSTICS.keys() == TISSUES.keys()


def test_the_volume_is_a_fan_on_a_finer_oblique_grid(case):
    _, subject = case
    values, grid = subject.scans["us"].values, subject.scans["us"].grid
    np.testing.assert_allclose(nib.affines.voxel_sizes(grid.affine), 1.5)
    directions = grid.affine[:3, :3] / 1.5
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-9)
    assert np.abs(directions).max() < 0.999, "along no axis of the scanner"
    assert set(np.unique(values)) <= set(range(256))
    seen = values > 0
    assert 0.25 < seen.mean() < 0.6
    middle = values.shape[1] // 2
    widths = seen[:, middle].sum(axis=0)
    assert widths[8] < 0.4 * widths.max(), "beams diverge with depth"
    for face in (seen[0], seen[-1], seen[:, 0], seen[:, -1], seen[:, :, 0], seen[:, :, -1]):
        assert not face.any()


@pytest.mark.parametrize("number", range(4))
def test_the_probe_stands_on_the_brain_and_looks_at_the_tumour(number):
    head = build_patient(COARSE, enrol(COARSE, number))
    probe = place_probe(np.random.default_rng(number), head, tumour_centre(head))
    face = np.linalg.inv(head.grid.affine) @ probe.frame[:, 3]
    assert abs(head.depth[tuple(np.rint(face[:3]).astype(int))]) < 5
    there = np.linalg.inv(probe.frame) @ [*tumour_centre(head), 1.0]
    assert 5 < there[2] < probe.depth_mm - 20
    assert np.hypot(*there[:2]) < 0.6 * there[2]
    np.testing.assert_allclose(np.linalg.det(probe.frame[:3, :3]), 1.0)


def test_speckle_of_even_tissue_is_rayleigh_and_coarser_across_the_beam():
    beams = _Beams(60.0, 1.0)
    ones = np.ones(beams.shape, np.float32)
    even = AcousticMaps(ones, 1.6 * ones, 0.5 * ones, 0 * ones)
    echo = _echo(np.random.default_rng(0), beams, even, 60.0)[6:-6, 6:-6, 6:-6]
    assert (echo**2).mean() == pytest.approx(1.0, rel=0.03)
    assert echo.std() / echo.mean() == pytest.approx(np.sqrt(4 / np.pi - 1), rel=0.03)  # 0.52
    swallowed = AcousticMaps(ones, 1.6 * ones, 0.7 * ones, 0 * ones)
    echo = _echo(np.random.default_rng(0), beams, swallowed, 60.0)
    lost = 20 * np.log10(echo[-20:].mean() / echo[:20].mean())
    assert lost == pytest.approx(-2 * 5.0 * 0.2 * 5.5, abs=1.0), "two-way, beyond what the machine makes up for"


def test_an_interface_is_bright_if_it_faces_the_beam():
    beams = _Beams(60.0, 1.0)
    ones = np.ones(beams.shape, np.float32)

    def brightness(impedance, where):
        tissue = AcousticMaps(0.2 * ones, impedance, 0.5 * ones, 0 * ones)
        return _echo(np.random.default_rng(0), beams, tissue, 60.0)[where].mean()

    half, side = beams.shape[0] // 2, beams.shape[1] // 2
    facing, along = 1.5 * ones, 1.5 * ones
    facing[half:] = 1.6
    along[:, side:] = 1.6
    at_facing = brightness(facing, np.s_[half - 1 : half + 1])
    at_along = brightness(along, np.s_[half - 10 : half + 10, side - 1 : side + 1])
    assert at_facing > 2 * at_along > 2 * 0.2


def test_tissue_is_as_bright_as_surgeons_see_it(case):
    _, subject = case
    values = subject.scans["us"].values
    fan = values > 0
    brightness = {
        name: values[fan & (shares_there(case, name) > 0.9)].mean() for name in ("white", "enhancing", "oedema")
    }
    assert brightness["enhancing"] > brightness["oedema"] + 8 > brightness["white"] + 8


def test_a_ventricle_is_black():
    """The phantom's ventricles, in the maps and not where a sweep happens to meet them."""
    head = build_patient(COARSE, enrol(COARSE, 1))
    maps = acoustic_maps(np.random.default_rng(0), head)
    fluid = head.shares.dense("csf") > 0.95
    deep = fluid & (head.depth > 25)
    assert np.median(maps.amplitude[deep]) < 0.3
    white = head.shares.dense("white") > 0.95
    assert np.median(maps.amplitude[white]) == pytest.approx(1.0, rel=0.1)


def test_tissue_lies_where_the_truth_says(case):
    """The tumour's rim is brighter than what is around it where the transform puts it, not where others do."""
    head, subject = case
    values, grid = subject.scans["us"].values, subject.scans["us"].grid
    share = head.shares.dense("enhancing") - head.shares.dense("necrosis")

    def agreement(matrix):
        drawn, fan = resample(share, head.grid, grid, matrix), values > 0
        return np.corrcoef(drawn[fan], values[fan])[0, 1]

    true = subject.transforms["us"]
    stretch = np.linalg.svd(true[:3, :3], compute_uv=False)
    assert 0.97 < stretch.min() < stretch.max() < 1.03 and np.ptp(stretch) > 0.002
    assert agreement(true) > 0.25
    assert agreement(true) > agreement(np.eye(4)) + 0.05
    assert agreement(true) > agreement(np.linalg.inv(true)) + 0.05


def test_the_same_numbers_give_the_same_sweep(case):
    head, _ = case
    first, second, other = (
        simulate_ultrasound(np.random.default_rng(seed), head, tumour_centre(head), 2.0, np.eye(4))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1].affine, second[1].affine)
    assert first[0].shape != other[0].shape or not np.array_equal(first[0], other[0])
