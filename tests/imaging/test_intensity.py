import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from mrisynth_pipeline.imaging.geometry import image_on
from mrisynth_pipeline.imaging.intensity import IntensityMap, correct_bias, from_unit, to_unit

BENT = IntensityMap((10.0, 20.0, 500.0, 4000.0), (0.0, 0.4, 0.5, 1.0))


@pytest.mark.parametrize("mapping", [IntensityMap.between(50, 3900), BENT], ids=["straight", "bent"])
class TestMapping:
    @pytest.fixture
    def volume(self) -> np.ndarray:
        return np.random.default_rng(0).uniform(1, 4200, (12, 12, 12)).astype(np.float32)

    def test_the_way_back_is_exact_where_nothing_was_clipped(self, mapping, volume):
        inside = (volume > mapping.scanner[0]) & (volume < mapping.scanner[-1])
        assert 0.5 < inside.mean() < 1
        back = from_unit(to_unit(volume, np.ones_like(inside), mapping), mapping)
        np.testing.assert_allclose(back[inside], volume[inside], rtol=2e-5, atol=1e-3)
        assert back.dtype == np.float32

    def test_brighter_stays_brighter_and_what_lies_beyond_is_clipped(self, mapping, volume):
        unit = to_unit(volume, np.ones(volume.shape, bool), mapping)
        assert unit.dtype == np.float32
        assert (np.diff(unit.ravel()[volume.ravel().argsort()]) >= 0).all()
        assert (unit[volume <= mapping.scanner[0]] == 0).all()
        assert (unit[volume >= mapping.scanner[-1]] == 1).all()

    def test_outside_the_mask_is_exactly_zero(self, mapping, volume):
        mask = np.zeros(volume.shape, bool)
        mask[3:9] = True
        unit = to_unit(volume, mask, mapping)
        assert not unit[~mask].any()
        np.testing.assert_array_equal(unit[mask], to_unit(volume, np.ones_like(mask), mapping)[mask])

    def test_it_survives_json(self, mapping, volume):
        import json

        assert IntensityMap.of(json.loads(json.dumps(mapping.record()))) == mapping


class TestKnots:
    def test_values_at_the_knots_are_those_of_the_map(self):
        volume = np.array([[[5, 10, 15, 20, 260, 500, 2250, 9000]]], np.float32)
        unit = to_unit(volume, np.ones(volume.shape, bool), BENT)
        np.testing.assert_allclose(unit[0, 0], [0, 0, 0.2, 0.4, 0.45, 0.5, 0.75, 1], rtol=1e-6)

    @pytest.mark.parametrize(
        ("scanner", "unit"),
        [
            ((1, 1), (0, 1)),
            ((1, 2, 2), (0, 0.5, 1)),
            ((1, 2, 3), (0, 0, 1)),
            ((1, 2), (0, 0.9)),
            ((1, np.nan), (0, 1)),
            ((1, 2, 3), (0, 1)),
            ((1,), (0,)),
        ],
    )
    def test_a_map_that_cannot_be_undone_is_refused(self, scanner, unit):
        with pytest.raises(ValueError, match="no increasing map"):
            IntensityMap(scanner, unit)

    @pytest.mark.parametrize(
        ("scanner", "unit", "kept"),
        [
            ((0, 0, 0, 5, 9), (0, 0.2, 0.4, 0.5, 1), ((0, 5, 9), (0, 0.5, 1))),  # many equal values at the bottom
            ((0, 5, 9, 9, 9), (0, 0.5, 0.6, 0.8, 1), ((0, 5, 9), (0, 0.5, 1))),  # and at the top
            ((0, 3, 3, 9), (0, 0.3, 0.4, 1), ((0, 3, 9), (0, 0.3, 1))),
            ((0, 3, 6, 9), (0, 0.5, 0.5, 1), ((0, 3, 9), (0, 0.5, 1))),  # a standard that does not rise
            ((7, 7, 7), (0, 0.5, 1), ((6, 7), (0, 1))),  # nothing but one value: it becomes 1
        ],
    )
    def test_knots_that_coincide_are_one(self, scanner, unit, kept):
        assert IntensityMap.through(scanner, unit) == IntensityMap(*kept)


def test_n4_flattens_a_smooth_field():
    z, y, x = np.indices((24, 24, 24))
    ball = (z - 12) ** 2 + (y - 12) ** 2 + (x - 12) ** 2 < 100
    tissue = np.where((x // 4 + y // 4 + z // 4) % 2, 100.0, 200.0)
    biased = np.where(ball, tissue * np.exp(0.03 * (x - 12)), 1.0).astype(np.float32)
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    flat = correct_bias(image_on(biased, affine), image_on(ball.astype(np.uint8), affine))
    bright = ball & (tissue == 200.0)
    corrected = sitk.GetArrayFromImage(flat)[bright]
    assert corrected.std() / corrected.mean() < 0.5 * biased[bright].std() / biased[bright].mean()
