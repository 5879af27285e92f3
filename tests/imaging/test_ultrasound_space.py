"""Subjects in the space of their ultrasound: MR led there by shipped transforms, a fan for a mask."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.manifest import build_manifest
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom.cohort import fabricate_cohort
from mrisynth_pipeline.imaging.cohort import preprocess_cohort, subject_tasks
from mrisynth_pipeline.imaging.geometry import Grid, image_on, resample
from mrisynth_pipeline.imaging.masks import fan_mask
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.scan import read_scan
from mrisynth_pipeline.imaging.subject import preprocess_subject
from mrisynth_pipeline.imaging.subject_file import SubjectStore

STUDY = ("us", "t2", "t1c", "flair")
PARAMETERS = PreprocessingParameters(
    reference_preference=STUDY,
    mask="fan",
    grid=GridParameters(size=(64, 64, 64), spacing_mm=(1.5, 1.5, 1.5)),
    workers=1,
)


@dataclass(frozen=True)
class Cases:
    """Fabricated ReMIND cases and what is true of them."""

    raw_dir: Path
    manifest: pd.DataFrame

    def sources(self, case, parameters=PARAMETERS):
        tasks = {task.subject: task for task in subject_tasks(self.manifest, parameters, STUDY, {})}
        return dict(tasks[case].scans)

    def error_mm(self, case, subject, contrast):
        """How far the fan's points are put from where they belong in a contrast, on average."""
        truth = json.loads((self.raw_dir.with_name("remind-truth") / case / "transforms.json").read_text())[
            "transforms"
        ]
        true = np.asarray(truth[contrast]) @ np.linalg.inv(truth["us"])
        points = nib.affines.apply_affine(subject.grid_affine, np.argwhere(subject.mask)[::50, ::-1])
        found = nib.affines.apply_affine(subject.transforms[contrast], points)
        return np.linalg.norm(found - nib.affines.apply_affine(true, points), axis=1).mean()


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Two complete cases of 3 mm voxels (ultrasound 1.5 mm) with motion of up to 5 mm and 5° per axis."""
    raw_dir = tmp_path_factory.mktemp("phantom") / "remind"
    fabricate_cohort(PhantomParameters(layout="remind", n_subjects=2, spacing_mm=3.0), False, raw_dir, workers=1)
    return Cases(raw_dir, build_manifest("phantom", "remind", raw_dir, STUDY))


@pytest.fixture(scope="module")
def prepared(cases):
    return preprocess_subject("Case901", cases.sources("Case901"), STUDY, PARAMETERS, False)


def test_shipped_transforms_lay_the_contrasts_on_each_other(cases, prepared):
    for contrast in ("t2", "t1c", "flair"):
        assert cases.error_mm("Case901", prepared, contrast) < 0.001, contrast
        assert prepared.quality[f"overlap_{contrast}"] > 0.95
        assert f"information_after_{contrast}" not in prepared.quality, "means nothing between MR and ultrasound"
    headers = replace(prepared, transforms={name: np.eye(4) for name in STUDY})
    assert min(cases.error_mm("Case901", headers, contrast) for contrast in ("t2", "t1c", "flair")) > 2.0
    assert prepared.reference == "us"
    assert prepared.quality["warnings"] == ""


def test_pictures_agree_with_that(cases, prepared):
    """The enhancing rim of the T1Gd is bright in the ultrasound too, if and only if it lies where it should."""
    labels = read_scan(cases.raw_dir.with_name("remind-truth") / "Case901" / "labels.nii.gz").image
    grid = Grid(prepared.mask.shape[::-1], prepared.grid_affine)

    def contrast(matrix):
        rim = (resample(labels, grid, matrix, "nearest") == 3) & prepared.mask
        core = (resample(labels, grid, matrix, "nearest") == 1) & prepared.mask
        return prepared.volumes[0][rim].mean() - prepared.volumes[0][core].mean()

    there = prepared.transforms["t2"]
    assert contrast(there) > 0.15
    assert contrast(there) > contrast(np.eye(4)) + 0.02
    assert contrast(there) > contrast(np.linalg.inv(there)) + 0.02


def test_the_mask_is_the_fan_and_nothing_is_outside(cases, prepared):
    assert not prepared.volumes[:, ~prepared.mask].any()
    assert prepared.volumes.max() == 1
    sweep = read_scan(cases.sources("Case901")["us"].path).image
    seen = resample(sweep, Grid(prepared.mask.shape[::-1], prepared.grid_affine), None, "nearest") > 0
    assert (seen & prepared.mask).sum() / seen.sum() > 0.99
    assert seen.sum() / prepared.mask.sum() > 0.9, "the rest is fluid without an echo"
    for channel, name in enumerate(STUDY):
        inside = prepared.volumes[channel][prepared.mask].astype(float)
        assert 0.003 < (inside == inside.max()).mean() < 0.02, name
        assert 0.1 < np.median(inside) < 0.8, name


def test_mr_without_a_transform_is_registered_onto_mr_that_has_one(cases):
    sources = cases.sources("Case901")
    sources["flair"] = replace(sources["flair"], transform="")
    subject = preprocess_subject("Case901", sources, STUDY, PARAMETERS, False)
    assert cases.error_mm("Case901", subject, "t1c") < 0.001
    assert cases.error_mm("Case901", subject, "flair") < 0.8
    assert subject.quality["information_after_flair"] > 1.2 * subject.quality["information_before_flair"]
    assert subject.quality["tries_flair"] >= 1
    assert subject.quality["warnings"] == ""


def test_without_any_transform_the_headers_count_and_that_is_said(cases):
    sources = {name: replace(source, transform="") for name, source in cases.sources("Case901").items()}
    subject = preprocess_subject("Case901", sources, STUDY, PARAMETERS, False)
    np.testing.assert_array_equal(subject.transforms["t2"], np.eye(4))
    assert cases.error_mm("Case901", subject, "t2") > 2.0
    warnings = subject.quality["warnings"]
    assert (
        "t2 came with no transform to the ultrasound, and the two are not registered by their intensities" in warnings
    )
    assert "t1c follows t2, which lies by its header alone" in warnings
    between = subject.transforms["flair"] @ np.linalg.inv(subject.transforms["t1c"])
    assert np.abs(between - np.eye(4)).max() > 0.01, "MR is still registered onto MR"


def test_ultrasound_may_be_brought_onto_mr_instead(cases):
    whole = PreprocessingParameters(grid=GridParameters(size=(48, 56, 48), spacing_mm=(4, 4, 4)), workers=1)
    sources = {name: source for name, source in cases.sources("Case901", whole).items() if name in ("us", "t2")}
    subject = preprocess_subject("Case901", sources, STUDY, whole, False)
    truth = json.loads((cases.raw_dir.with_name("remind-truth") / "Case901" / "transforms.json").read_text())
    np.testing.assert_allclose(subject.transforms["us"], truth["transforms"]["us"], atol=1e-6)
    assert subject.reference == "t2"
    shown = (subject.volumes[0] > 0.02).sum() / subject.mask.sum()
    assert 0.02 < shown < 0.35


def test_bias_correction_passes_the_ultrasound_by(cases, prepared):
    corrected = PARAMETERS.model_copy(update={"bias_correction": True})
    sources = {name: source for name, source in cases.sources("Case901").items() if name in ("us", "t1c")}
    subject = preprocess_subject("Case901", sources, STUDY, corrected, False)
    np.testing.assert_array_equal(subject.volumes[0], prepared.volumes[0])
    assert np.abs(subject.volumes[2].astype(float) - prepared.volumes[2]).max() > 0.01


def test_a_case_without_ultrasound_fails_alone(cases, tmp_path):
    manifest = cases.manifest[~((cases.manifest["subject"] == "Case902") & (cases.manifest["modality"] == "us"))]
    index = preprocess_cohort(manifest, SubjectStore(tmp_path / "store"), PARAMETERS, STUDY).set_index("subject")
    assert index["status"].to_dict() == {"Case901": "done", "Case902": "failed"}
    assert index.loc["Case902", "reason"] == (
        "Case902: has no ultrasound: preprocessing.mask=fan is where that is not zero. "
        "Leave the subject out, or prepare a study without ultrasound for it"
    )


def test_an_ultrasound_alone_has_no_brain(cases):
    sources = {"us": cases.sources("Case901")["us"]}
    with pytest.raises(InputError, match="no brain can be found in an ultrasound"):
        preprocess_subject("Case901", sources, STUDY, PreprocessingParameters(), False)


def test_white_matter_is_not_looked_for_in_speckle(cases):
    intensity = PARAMETERS.intensity.model_copy(update={"method": "white_matter"})
    sources = {"us": cases.sources("Case901")["us"]}
    with pytest.raises(InputError, match=r"speckle has no peak of white matter.*percentile"):
        preprocess_subject("a", sources, STUDY, PARAMETERS.model_copy(update={"intensity": intensity}), False)


class TestFanMask:
    def fan(self):
        """A cone of ones, 60 voxels deep, with noise of its own."""
        z, y, x = np.indices((64, 48, 48))
        cone = (np.hypot(x - 24, y - 24) < 3 + z / 3) & (z > 1) & (z < 62)
        return cone, np.where(cone, np.random.default_rng(0).integers(1, 255, cone.shape), 0).astype(np.uint8)

    @pytest.mark.parametrize("spacing", [0.5, 1.0])
    def test_fluid_at_the_border_and_inside_belongs_to_it(self, spacing):
        cone, values = self.fan()
        ventricle = np.linalg.norm(np.indices(cone.shape) - np.reshape((40, 24, 24), (3, 1, 1, 1)), axis=0) < 8
        vein = (np.abs(np.indices(cone.shape)[0] - 30) < 0.9 / spacing) & (np.indices(cone.shape)[2] > 24)
        speck = np.zeros_like(cone)
        speck[2:4, 2:4, 2:4] = True  # writing on the screen
        image = image_on(
            np.where(ventricle | vein, 0, values) + 9 * speck.astype(np.uint8), np.diag([spacing] * 3 + [1])
        )
        found = sitk.GetArrayFromImage(fan_mask(sitk.Cast(image, sitk.sitkFloat32))) > 0
        assert not found[speck].any()
        assert 2 * (found & cone).sum() / (found.sum() + cone.sum()) > 0.97

    def test_nothing_is_nothing(self):
        empty = image_on(np.zeros((16, 16, 16), np.float32), np.eye(4))
        assert not sitk.GetArrayFromImage(fan_mask(empty)).any()
