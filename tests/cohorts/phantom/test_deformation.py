import numpy as np
import pytest

from mrisynth_pipeline.cohorts.phantom.atlas import load_atlas
from mrisynth_pipeline.cohorts.phantom.deformation import (
    coarse_grid,
    compose,
    individual_displacement,
    jacobian_determinant,
    mass_effect,
)
from mrisynth_pipeline.cohorts.phantom.grid import HeadGrid, resize
from mrisynth_pipeline.cohorts.phantom.random_fields import random_field


@pytest.mark.parametrize("seed", range(6))
def test_individual_with_the_strongest_mass_effect_does_not_fold(seed):
    generator = np.random.default_rng(seed)
    displacement = individual_displacement(generator, load_atlas(5.0))
    centre = np.array([35.0, -20.0, 25.0]) + generator.uniform(-15, 15, 3)
    depth = np.full(coarse_grid().shape, 30.0, np.float32)
    for radius in (11.0, 23.0):  # cores of 5 and 50 mL
        pushed = mass_effect(centre, radius, 50.0, depth)
        both = compose(displacement, pushed)
        assert np.abs(pushed).max() > 3.0
        assert jacobian_determinant(pushed).min() > 0.1
        assert jacobian_determinant(both).min() > 0.02


def test_jacobian_determinant_finds_a_fold():
    displacement = np.zeros((3, *coarse_grid().shape), np.float32)
    displacement[0, 20:30] = -1.5 * 4.0 * np.arange(10)[:, None, None]  # x runs backwards
    assert jacobian_determinant(displacement).min() < 0


def test_people_differ_by_millimetres_and_the_same_seed_gives_the_same_person():
    atlas = load_atlas(5.0)
    first, again, other = (individual_displacement(np.random.default_rng(seed), atlas) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    difference = np.linalg.norm(first - other, axis=0)
    assert 1.5 < difference.mean() < 20.0


def test_mass_effect_pushes_tissue_away_from_the_centre():
    centre = np.array([30.0, 0.0, 20.0])
    displacement = mass_effect(centre, 15.0, 5.0, np.full(coarse_grid().shape, 30.0, np.float32))
    offset = coarse_grid().mesh() - centre.reshape(3, 1, 1, 1)
    # A pull-back that reads nearer to the centre moves tissue outwards.
    assert ((displacement * offset).sum(0) <= 0).all()


def test_random_field_is_the_same_at_every_voxel_size():
    coarse, fine = HeadGrid(4.0), HeadGrid(2.0)
    on_coarse, on_fine = (random_field(np.random.default_rng(3), grid.axes, 20.0) for grid in (coarse, fine))
    np.testing.assert_allclose(on_fine[::2, ::2, ::2], on_coarse[: on_fine.shape[0]], atol=1e-5)
    assert abs(on_fine.std() - 1.0) < 0.15


def test_resize_is_exact_for_linear_maps():
    source, target = HeadGrid(4.0), HeadGrid(2.5)
    weights = np.array([0.3, -0.2, 0.5], np.float32)
    ramp, wanted = (np.tensordot(weights, grid.mesh(), 1) for grid in (source, target))
    inside = target.axes[2] <= source.axes[2][-1]
    np.testing.assert_allclose(resize(ramp, source, target)[..., inside], wanted[..., inside], atol=1e-3)
