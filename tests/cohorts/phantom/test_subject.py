import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.acquisition import resample
from mrisynth_pipeline.cohorts.phantom.roster import enrol
from mrisynth_pipeline.cohorts.phantom.subject import build_patient, simulate_subject

COARSE = PhantomParameters(spacing_mm=5.0)


@pytest.fixture(scope="module")
def registered_subject():
    parameters = PhantomParameters(spacing_mm=4.0)
    return simulate_subject(parameters, True, enrol(parameters, 2))


def inside(subject, modality, share):
    """Mean signal where a tissue fills the voxel."""
    return float(subject.scans[modality].values[share].mean())


def test_tissue_shares_never_exceed_a_voxel():
    shares = build_patient(COARSE, enrol(COARSE, 1)).shares
    assert shares.dense(*shares.parts).max() < 1.03
    for _, _, share in shares:
        assert (share >= 0).all()


@pytest.mark.parametrize("number", [0, 1, 3])
def test_tumours_have_the_volumes_of_gliomas(number):
    shares = build_patient(COARSE, enrol(COARSE, number)).shares

    def volume_ml(*names):
        return shares.dense(*names).sum() * 5.0**3 / 1000

    core = volume_ml("necrosis", "enhancing", "tumour")
    assert 4 < core < 52
    assert 14 < core + volume_ml("oedema") < 115
    enhances = number % 5 != 3
    assert (volume_ml("enhancing") > 1) == enhances
    assert (volume_ml("tumour") > 1) != enhances


def test_every_contrast_orders_the_tissues_as_it_should(registered_subject):
    subject = registered_subject
    healthy = subject.segmentation == 0
    grey, white, csf = (healthy & (subject.tissues[name] > 0.85) for name in ("grey", "white", "csf"))
    assert min(grey.sum(), white.sum(), csf.sum()) > 20
    for modality, (high, middle, low) in {
        "t1": (white, grey, csf),
        "t1c": (white, grey, csf),
        "t2": (csf, grey, white),
        "flair": (grey, white, csf),
    }.items():
        assert inside(subject, modality, high) > 1.1 * inside(subject, modality, middle)
        assert inside(subject, modality, middle) > 1.1 * inside(subject, modality, low)


def test_tumour_looks_like_one(registered_subject):
    subject = registered_subject
    healthy = (subject.segmentation == 0) & (subject.tissues["white"] > 0.85)
    necrosis, oedema, enhancing = (subject.segmentation == label for label in (1, 2, 3))
    assert inside(subject, "flair", oedema) > 1.3 * inside(subject, "flair", healthy)
    assert inside(subject, "t2", necrosis) > 1.5 * inside(subject, "t2", healthy)
    assert inside(subject, "t1c", enhancing) > 1.2 * inside(subject, "t1c", healthy)
    assert inside(subject, "t1c", oedema) < inside(subject, "t1c", healthy)
    # Without contrast agent the rim is no brighter than the oedema around it.
    assert inside(subject, "t1", enhancing) < 1.1 * inside(subject, "t1", oedema)


def test_registered_scans_share_grid_and_are_stripped(registered_subject):
    outside = registered_subject.brain == 0
    for scan in registered_subject.scans.values():
        assert scan.values.shape == registered_subject.brain.shape == (60, 60, 39)
        assert not scan.values[outside].any()
        assert scan.values[~outside].mean() > 100
    assert not registered_subject.segmentation[outside].any()
    assert set(np.unique(registered_subject.segmentation)) == {0, 1, 2, 3}


def test_scans_as_from_the_scanner_keep_the_whole_head_and_differ_in_grid():
    subject = simulate_subject(COARSE, False, enrol(COARSE, 2))
    assert subject.reference == "t1c"
    np.testing.assert_array_equal(subject.transforms["t1c"], np.eye(4))
    grids = {(scan.values.shape, nib.aff2axcodes(scan.grid.affine)) for scan in subject.scans.values()}
    assert len(grids) >= 3
    for modality in ("t1", "t2", "flair"):
        shift = np.abs(nib.affines.apply_affine(subject.transforms[modality], [0.0, -16.0, 14.0]) - [0, -16, 14])
        assert 0.1 < shift.max() <= 5.0
    scalp = subject.scans["t1c"].values[subject.brain == 0]
    assert np.percentile(scalp, 95) > np.median(subject.scans["t1c"].values[subject.brain > 0])


def test_truth_transforms_are_those_the_scans_were_made_with():
    """White matter drawn through the true transform fits the T1 scan better than unmoved or moved backwards."""
    parameters = PhantomParameters(spacing_mm=4.0, noise=0.0, bias=0.0)
    enrolment = enrol(parameters, 1)
    subject = simulate_subject(parameters, False, enrolment)
    head = build_patient(parameters, enrolment)
    white = head.shares.dense("white")
    scan, motion = subject.scans["t1"], subject.transforms["t1"]

    def agreement(matrix):
        drawn = resample(white, head.grid, scan.grid, matrix)
        brain = resample(head.brain, head.grid, scan.grid, motion) > 0.9
        return np.corrcoef(drawn[brain], scan.values[brain])[0, 1]

    assert agreement(motion) > 0.8
    assert agreement(motion) > agreement(np.eye(4)) + 0.1
    assert agreement(motion) > agreement(np.linalg.inv(motion)) + 0.1


def test_no_noise_no_motion_no_bias_are_honoured():
    parameters = PhantomParameters(spacing_mm=6.0, noise=0.0, bias=0.0, max_translation_mm=0.0, max_rotation_deg=0.0)
    subject = simulate_subject(parameters, False, enrol(parameters, 0))
    for scan, motion in zip(subject.scans.values(), subject.transforms.values(), strict=True):
        np.testing.assert_allclose(motion, np.eye(4), atol=1e-12)
        air = scan.values[:, :2, -1]
        assert air.max() < 0.05 * scan.values.max()


def test_dual_echo_contrasts_are_one_acquisition():
    parameters = PhantomParameters(layout="ixi", spacing_mm=6.0)
    subject = simulate_subject(parameters, False, enrol(parameters, 1))
    assert subject.reference == "t2" and subject.segmentation is None
    np.testing.assert_array_equal(subject.scans["t2"].grid.affine, subject.scans["pd"].grid.affine)
    np.testing.assert_array_equal(subject.transforms["t2"], subject.transforms["pd"])
    assert np.abs(subject.transforms["t1"] - np.eye(4)).max() > 0.1


def test_second_visit_shows_the_same_brain_with_a_larger_tumour():
    first, second = (enrol(COARSE, number) for number in (4, 5))
    assert first.patient == second.patient and second.session == 1
    before, after = (build_patient(COARSE, enrolment) for enrolment in (first, second))
    tumour = [head.shares.dense("necrosis", "tumour", "enhancing", "oedema").sum() for head in (before, after)]
    assert tumour[1] > 1.15 * tumour[0]
    assert np.corrcoef(before.brain.ravel(), after.brain.ravel())[0, 1] > 0.99


def linear_r2(subject, target):
    """Share of a contrast's variance in the brain that a voxelwise linear regression on the others explains."""
    brain = subject.brain > 0
    y = subject.scans[target].values[brain]
    x = np.stack([scan.values[brain] for name, scan in subject.scans.items() if name != target] + [np.ones_like(y)], 1)
    return 1 - ((x @ np.linalg.lstsq(x, y, rcond=None)[0] - y) ** 2).mean() / y.var()


def test_contrasts_are_related_but_no_linear_function_of_each_other(registered_subject):
    for target in ("t1", "t1c", "t2", "flair"):
        assert 0.05 < linear_r2(registered_subject, target) < 0.97
    assert linear_r2(registered_subject, "flair") < 0.6
    assert linear_r2(registered_subject, "t1c") < 0.85


@pytest.mark.parametrize("layout", ["brats", "remind"])
def test_without_lesions_the_same_protocol_meets_a_healthy_brain(layout):
    ill = COARSE.model_copy(update={"layout": layout})
    well = ill.model_copy(update={"lesions": False})
    patient, person = (simulate_subject(parameters, False, enrol(parameters, 0)) for parameters in (ill, well))
    assert patient.segmentation.any()
    assert not person.segmentation.any()
    assert person.scans.keys() == patient.scans.keys()
    for modality in set(patient.scans) - {"us"}:
        np.testing.assert_allclose(person.transforms[modality], patient.transforms[modality])
        assert person.scans[modality].grid.shape == patient.scans[modality].grid.shape
    filled = sum(person.tissues.values())[person.brain > 0]
    assert np.mean(filled > 0.5) > np.mean(sum(patient.tissues.values())[patient.brain > 0] > 0.5) + 0.01


def test_healthy_people_come_once_under_names_of_their_own():
    well = COARSE.model_copy(update={"lesions": False})
    ours, theirs = ([enrol(parameters, number) for number in range(12)] for parameters in (well, COARSE))
    assert len({person.patient_number for person in ours}) == 12
    assert not {person.subject for person in ours} & {patient.subject for patient in theirs}
