"""One subject through the whole of it, with a linear regression as the method."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.intensity import IntensityMap
from mrisynth_pipeline.imaging.subject import ScanSource
from mrisynth_pipeline.imputing.native import slope, to_own_space
from mrisynth_pipeline.imputing.parameters import HowToImpute
from mrisynth_pipeline.imputing.ready_model import open_model
from mrisynth_pipeline.imputing.subject import impute_subject, plan
from mrisynth_pipeline.models.resunet import ResUNet

UNITS = IntensityMap((0.0, 2000.0), (0.0, 1.0))


@pytest.fixture(scope="module")
def model(package):
    return open_model(package)


@pytest.fixture
def scans(lab):
    anat = lab({"01": ("t1", "t2", "flair")}) / "sub-01" / "anat"
    return {
        name: ScanSource.of(anat / f"sub-01_{suffix}.nii.gz") for name, suffix in {"t1": "T1w", "t2": "T2w"}.items()
    }


class TestPlan:
    def test_what_is_missing_is_imputed_from_what_is_there(self, model):
        assert plan("a", ["t1"], model, HowToImpute()) == (["t1"], ["t2", "flair"])
        assert plan("a", ["flair", "t1", "seg"], model, HowToImpute()) == (["t1", "flair"], ["t2"])
        assert plan("a", ["t1", "t2", "flair"], model, HowToImpute()) == (["t1", "t2", "flair"], [])

    def test_what_is_asked_for_is_not_shown_to_the_model(self, model):
        assert plan("a", ["t1", "t2", "flair"], model, HowToImpute(to="t2")) == (["t1", "flair"], ["t2"])

    @pytest.mark.parametrize(
        ("present", "to", "problem"),
        [
            (["pd"], None, "nothing to impute"),
            ([], None, "no usable scan"),
            (["t1"], "pd", "cannot be imputed"),
            (["t2"], "t2", "nothing to impute"),
        ],
    )
    def test_what_cannot_be_is_said_with_what_the_model_knows(self, model, present, to, problem):
        with pytest.raises(InputError, match=problem) as refused:
            plan("sub-01", present, model, HowToImpute(to=to))
        assert "t1, t2, flair" in str(refused.value)


class TestOnTheModelGrid:
    def test_an_imputed_contrast_is_near_the_withheld_one_and_knows_how_near(self, model, scans):
        result = impute_subject("a", scans, True, model, HowToImpute(to="t2"))
        imputed = result.imputed["t2"]
        assert result.inputs == ("t1",)
        assert imputed.scores["psnr"] > 20
        measured = np.abs(imputed.volume - imputed.truth)[result.subject.mask].mean()
        assert imputed.trust.expected == pytest.approx(measured, rel=0.5), "calibrated on heads of the same kind"
        assert not imputed.volume[~result.subject.mask].any()
        assert not imputed.expected_error[~result.subject.mask].any()

    def test_what_is_withheld_changes_nothing_but_the_scores(self, model, scans, put):
        before = impute_subject("a", scans, True, model, HowToImpute(to="t2"))
        other = put(scans["t2"].path.with_name("other_T2w.nii.gz"))
        after = impute_subject("a", scans | {"t2": ScanSource.of(other)}, True, model, HowToImpute(to="t2"))
        np.testing.assert_array_equal(before.imputed["t2"].volume, after.imputed["t2"].volume)
        np.testing.assert_array_equal(before.imputed["t2"].expected_error, after.imputed["t2"].expected_error)
        assert before.imputed["t2"].trust == after.imputed["t2"].trust
        assert before.imputed["t2"].scores != after.imputed["t2"].scores

    def test_without_doubt_nothing_is_expected_and_the_light_is_not_green(self, model, scans):
        result = impute_subject("a", {"t1": scans["t1"]}, True, model, HowToImpute(doubt=False))
        assert {each.trust.expected for each in result.imputed.values()} == {None}
        assert result.light != "green"

    @pytest.mark.parametrize(("planes", "remarked"), [("axial", True), ("three", False), ("auto", False)])
    def test_other_planes_than_the_calibration_had_are_remarked_on(self, model, scans, planes, remarked):
        by_slices = replace(model, method=ResUNet(model.modalities, {"widths": (4, 8)}).eval())
        result = impute_subject("a", {"t1": scans["t1"]}, True, by_slices, HowToImpute(planes=planes))
        sentences = [finding.sentence for finding in result.findings]
        assert any("expected error is that of three planes" in each for each in sentences) == remarked

    def test_thick_slices_are_found_strange(self, model, lab, tmp_path):
        anat = lab({"01": ("t1",)}, affine=np.diag([6.0, 6.0, 12.0, 1.0])) / "sub-01" / "anat"
        result = impute_subject("a", {"t1": ScanSource.of(anat / "sub-01_T1w.nii.gz")}, True, model, HowToImpute())
        assert any("12.0 mm" in finding.sentence for finding in result.findings)
        assert result.light in ("amber", "red")

    def test_a_reference_that_is_not_there_is_refused(self, model, scans):
        with pytest.raises(InputError, match="no flair among its inputs"):
            impute_subject("a", scans, True, model, HowToImpute(like="FLAIR"))


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SLA"])
def test_left_stays_left_whatever_the_order_of_the_voxels(model, scans, codes):
    """The heads carry a bright ball on the right; t2 shows it dark, flair bright."""
    image = nib.load(scans["t1"].path)
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes))
    turned = image.as_reoriented(turn)
    path = scans["t1"].path.with_name("turned_T1w.nii.gz")
    nib.save(turned, path)
    result = impute_subject("a", {"t1": ScanSource.of(path)}, True, model, HowToImpute(to="flair"))
    native = to_own_space(result.imputed["flair"], result.subject, units=UNITS).image
    assert native.shape == turned.shape
    np.testing.assert_allclose(native.affine, turned.affine, atol=1e-5)
    upright, real = (np.asarray(nib.as_closest_canonical(each).dataobj, dtype=float) for each in (native, image))
    right, left = upright[12:16, 8:12, 8:12].mean(), upright[4:8, 8:12, 8:12].mean()
    assert (right > left) == (real[12:16, 8:12, 8:12].mean() > real[4:8, 8:12, 8:12].mean())
    inside = real > 0
    assert np.corrcoef(upright[inside], real[inside])[0, 1] > 0.8
    mirrored = upright[::-1][inside & (upright[::-1] > 0)]
    assert np.corrcoef(mirrored, real[inside & (upright[::-1] > 0)])[0, 1] < 0.8


class TestOwnSpace:
    def test_whole_numbers_stay_whole_numbers_where_the_units_allow(self, model, scans):
        result = impute_subject("a", {"t1": scans["t1"]}, True, model, HowToImpute(to="t2"))
        fine = to_own_space(result.imputed["t2"], result.subject, units=UNITS)
        assert fine.image.get_data_dtype() == np.int16
        assert np.asarray(fine.image.dataobj).max() > 500
        coarse = to_own_space(result.imputed["t2"], result.subject, units=IntensityMap((0.0, 10.0), (0.0, 1.0)))
        unknown = to_own_space(result.imputed["t2"], result.subject)
        assert coarse.image.get_data_dtype() == unknown.image.get_data_dtype() == np.float32
        assert 0 <= np.asarray(unknown.image.dataobj).min() <= np.asarray(unknown.image.dataobj).max() <= 1

    def test_nothing_outside_the_head_is_touched_and_its_edge_is_not_darkened(self, model, scans):
        result = impute_subject("a", {"t1": scans["t1"]}, True, model, HowToImpute(to="t2"))
        native = to_own_space(result.imputed["t2"], result.subject, units=UNITS)
        head = np.asarray(nib.load(scans["t1"].path).dataobj) > 0
        voxels = np.asarray(native.image.dataobj, dtype=float)
        assert not voxels[~head].any()
        edge = head & ~_eroded(head)
        assert voxels[edge][voxels[edge] > 0].mean() > 0.7 * voxels[_eroded(head)].mean()

    def test_the_expected_error_is_in_the_unit_of_the_image(self, model, scans):
        result = impute_subject("a", {"t1": scans["t1"]}, True, model, HowToImpute(to="t2"))
        ten, one = (
            np.asarray(
                to_own_space(
                    result.imputed["t2"], result.subject, units=IntensityMap((0.0, top), (0.0, 1.0))
                ).expected_error.dataobj
            )
            for top in (1000.0, 100.0)
        )
        np.testing.assert_allclose(ten, 10 * one, rtol=1e-4, atol=1e-4)

    def test_one_unit_is_as_many_scanner_units_as_the_map_is_steep(self):
        bent = IntensityMap((0.0, 100.0, 1100.0), (0.0, 0.5, 1.0))
        np.testing.assert_allclose(slope(np.array([0.0, 0.2, 0.7, 1.0], np.float32), bent), [200, 200, 2000, 2000])


def _eroded(mask):
    from scipy.ndimage import binary_erosion

    return binary_erosion(mask)
