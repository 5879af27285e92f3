"""What each method brings onto the same values, and that every map can be undone."""

import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.intensity import from_unit, to_unit
from mrisynth_pipeline.imaging.intensity_methods import (
    DESCRIPTIONS,
    clipped_share,
    intensity_map,
    nyul,
    white_matter_peak,
)
from mrisynth_pipeline.imaging.parameters import IntensityParameters

METHODS = tuple(DESCRIPTIONS)
STANDARD = {"t1": [0, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 1]}


def brain(scale: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fluid at 200, grey at 500, white at 800 (each times ``scale``) in a block of zeros, and its mask."""
    generator = np.random.default_rng(seed)
    tissue = generator.choice([200.0, 500.0, 800.0], (20, 20, 20), p=[0.15, 0.45, 0.4])
    mask = np.zeros((24, 24, 24), bool)
    mask[2:22, 2:22, 2:22] = True
    volume = np.zeros(mask.shape, np.float32)
    volume[mask] = (tissue + generator.normal(0, 40, tissue.shape)).ravel() * scale
    return volume, mask


def mapped(volume, mask, method, standard=STANDARD, **settings):
    return intensity_map("t1", volume, mask, IntensityParameters(method=method, **settings), standard)


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_values_come_back_where_nothing_was_clipped(self, method):
        volume, mask = brain()
        mapping = mapped(volume, mask, method)
        inside = mask & (volume > mapping.scanner[0]) & (volume < mapping.scanner[-1])
        assert inside.sum() > 0.97 * mask.sum()
        back = from_unit(to_unit(volume, mask, mapping), mapping)
        np.testing.assert_allclose(back[inside], volume[inside], rtol=1e-4)

    def test_scanner_gain_does_not_matter(self, method):
        results = []
        for scale in (1.0, 0.013, 70.0):
            volume, mask = brain(scale)
            results.append(to_unit(volume, mask, mapped(volume, mask, method)))
        np.testing.assert_allclose(results[1], results[0], atol=1e-4)
        np.testing.assert_allclose(results[2], results[0], atol=1e-4)

    def test_a_constant_foreground_becomes_one(self, method):
        mask = np.zeros((8, 8, 8), bool)
        mask[2:6] = True
        volume = np.where(mask, 7.0, 0.0).astype(np.float32)
        unit = to_unit(volume, mask, mapped(volume, mask, method))
        np.testing.assert_array_equal(unit, mask.astype(np.float32))

    def test_a_foreground_of_two_values_has_an_increasing_map(self, method):
        volume, mask = brain()
        volume = np.where(mask, np.where(volume > 650, 3.0, 2.0), 0.0).astype(np.float32)
        unit = to_unit(volume, mask, mapped(volume, mask, method))
        assert unit[volume == 3].max() > unit[volume == 2].max()

    def test_the_mask_alone_counts(self, method):
        volume, mask = brain()
        outside = np.where(mask, volume, 5000.0).astype(np.float32)
        assert mapped(outside, mask, method) == mapped(volume, mask, method)


def test_percentiles_give_the_values_they_always_gave():
    volume, mask = brain()
    low, high = np.percentile(volume[mask], [0.5, 99.5])
    expected = np.where(mask, np.clip((volume - float(low)) / (float(high) - float(low)), 0.0, 1.0), 0.0)
    mapping = mapped(volume, mask, "percentile")
    np.testing.assert_array_equal(to_unit(volume, mask, mapping), expected.astype(np.float32))
    np.testing.assert_array_equal(
        from_unit(expected.astype(np.float32), mapping),
        (float(low) + expected.astype(np.float32) * (float(high) - float(low))).astype(np.float32),
    )
    assert clipped_share(volume, mask, mapping) == pytest.approx(0.01, abs=0.001)


def test_zscore_lays_mean_and_spread_at_fixed_values():
    volume, mask = brain()
    mapping = mapped(volume, mask, "zscore", lower_sd=3.0, upper_sd=5.0)
    unit = to_unit(volume, mask, mapping)[mask]
    assert unit.mean() == pytest.approx(3 / 8, abs=1e-3)
    assert unit.std() == pytest.approx(1 / 8, abs=1e-3)
    assert clipped_share(volume, mask, mapping) == 0


class TestWhiteMatter:
    def test_it_gets_its_value(self):
        volume, mask = brain()
        mapping = mapped(volume, mask, "white_matter", white_matter_value={"t1": 0.7})
        assert np.interp(800.0, mapping.scanner, mapping.unit) == pytest.approx(0.7, rel=0.03)
        assert (mapping.scanner[0], mapping.unit[1]) == (0.0, 0.7)

    @pytest.mark.parametrize("contrast", ["t1", "t1c", "t2", "flair"])
    def test_the_peak_is_the_tissue_of_the_phantom(self, heads, contrast):
        subject = heads.subjects[0]
        scan = nib.load(heads.scans(subject)[contrast])
        values = scan.get_fdata(dtype=np.float32)
        to_scan = np.linalg.inv(scan.affine) @ heads.motion(subject, "t1c", contrast)
        tissue = {}
        for name, share in (("brain", 0.5), ("white", 0.95), ("grey", 0.9)):
            truth = nib.load(heads.truth(subject) / f"{name}.nii.gz")
            index = nib.affines.apply_affine(to_scan @ truth.affine, np.argwhere(truth.get_fdata() > share))
            tissue[name] = values[tuple(np.clip(np.rint(index).astype(int), 0, np.array(values.shape) - 1).T)]
        peak, white, grey = (
            white_matter_peak(contrast, tissue["brain"]),
            *map(np.median, (tissue["white"], tissue["grey"])),
        )
        if contrast in ("t1", "t1c"):  # a coil field of 20 % and voxels of 3 mm blur it
            assert peak == pytest.approx(white, rel=0.06)
        else:  # the one big peak of both
            assert 0.95 * white < peak < 1.05 * grey

    def test_fluid_around_a_dark_brain_is_not_taken_for_it(self):
        volume, mask = brain()
        proton_density = np.where(mask, 1200 - volume, 0).astype(np.float32)  # white 400, grey 700, fluid 1000
        assert white_matter_peak("pd", proton_density[mask]) == pytest.approx(400, rel=0.05)
        generator = np.random.default_rng(1)
        bone = mask & (generator.random(mask.shape) < 0.02)
        proton_density[bone] = generator.uniform(50, 70, bone.sum())
        assert white_matter_peak("pd", proton_density[mask]) == pytest.approx(400, rel=0.05)

    def test_a_contrast_without_a_value_is_named(self):
        with pytest.raises(InputError, match=r"white_matter_value.*t1"):
            mapped(*brain(), "white_matter", white_matter_value={"t2": 0.3})

    def test_a_scan_without_positive_values_has_no_peak(self):
        volume, mask = brain()
        with pytest.raises(InputError, match="no peak of white matter"):
            mapped(volume - 10_000, mask, "white_matter")


class TestNyul:
    def test_landmarks_become_those_of_the_standard(self):
        volume, mask = brain()
        parameters = IntensityParameters(method="nyul")
        unit = to_unit(volume, mask, mapped(volume, mask, "nyul"))
        found = np.percentile(unit[mask], nyul(parameters).percentiles)
        np.testing.assert_allclose(found, STANDARD["t1"], atol=2e-3)

    def test_a_bent_copy_gets_the_values_of_the_straight_one(self):
        volume, mask = brain()
        bent = np.where(mask, volume**2 * 0.01, 0).astype(np.float32)
        straight, same = (to_unit(each, mask, mapped(each, mask, "nyul")) for each in (volume, bent))
        assert np.abs(straight - same).mean() < 0.005
        straight, other = (to_unit(each, mask, mapped(each, mask, "percentile")) for each in (volume, bent))
        assert np.abs(straight - other).mean() > 0.03

    def test_a_contrast_that_the_standard_does_not_know_is_named(self):
        with pytest.raises(InputError, match=r"t1.*knows t2.*no training subject"):
            mapped(*brain(), "nyul", standard={"t2": STANDARD["t1"]})
