"""Rigid motion on the grid: whole voxels, quarter turns, millimetres, and back."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from mrisynth_pipeline.imaging.displacement import displace, rotation_matrices


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def blobs(shape: tuple[int, ...], spacing: tuple[float, ...]) -> torch.Tensor:
    """Smooth content, its sizes in mm, well inside the grid."""
    axes = [(torch.arange(n) - (n - 1) / 2) * size for n, size in zip(shape, spacing, strict=True)]
    mesh = torch.meshgrid(*axes, indexing="ij")
    image = torch.zeros(shape)
    for number, centre in enumerate(((0.0, 4.0, 9.0), (-5.0, -8.0, 2.0), (4.0, 3.0, -7.0))):
        distance = sum((axis - c) ** 2 for axis, c in zip(mesh, centre[-len(shape) :], strict=True))
        image += (1 + number) / 3 * torch.exp(-distance / 40)
    return image


@pytest.mark.parametrize(("shape", "shift"), [((8, 11), (2, -3)), ((5, 8, 11), (-1, 3, 2))])
def test_whole_voxels_are_a_shift_and_zeros_come_in(shape, shift):
    image = noise(1, *shape)
    moved = displace(image, torch.tensor([shift], dtype=torch.float32))
    expected = torch.roll(image[0], shift, dims=tuple(range(len(shape))))
    for axis, by in enumerate(shift):
        expected.narrow(axis, 0 if by > 0 else shape[axis] + by, abs(by)).zero_()
    torch.testing.assert_close(moved[0], expected, atol=1e-5, rtol=0)


def test_half_a_voxel_is_the_mean_of_two():
    image = noise(1, 4, 6)
    moved = displace(image, torch.tensor([[0.0, 0.5]]))
    torch.testing.assert_close(moved[:, :, 1:], (image[:, :, 1:] + image[:, :, :-1]) / 2, atol=1e-6, rtol=0)
    torch.testing.assert_close(moved[:, :, 0], image[:, :, 0] / 2, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [6, 7])
def test_a_quarter_turn_carries_x_to_y_also_on_grids_with_an_even_number_of_voxels(size):
    image, angle = noise(1, size, size), torch.tensor([[math.pi / 2]])
    moved = displace(image, torch.zeros(1, 2), angle)
    torch.testing.assert_close(moved, torch.rot90(image, 1, dims=(2, 1)), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("which", "plane"), [(0, (3, 2)), (1, (1, 3)), (2, (2, 1))])
def test_quarter_turns_in_space_follow_the_right_hand_rule(which, plane):
    image, angles = noise(1, 6, 6, 6), torch.zeros(1, 3)
    angles[0, which] = math.pi / 2
    moved = displace(image, torch.zeros(1, 3), angles)
    torch.testing.assert_close(moved, torch.rot90(image, 1, dims=plane), atol=1e-5, rtol=0)


def test_the_order_of_three_angles_is_scipys_intrinsic_zyx():
    angles = torch.tensor([[0.3, -0.5, 0.7], [1.0, 0.2, -0.4]], dtype=torch.float64)
    expected = torch.from_numpy(Rotation.from_euler("ZYX", angles.numpy()).as_matrix())
    torch.testing.assert_close(rotation_matrices(angles), expected)


def test_a_turned_and_shifted_image_is_first_turned():
    image, shift, angle = noise(1, 9, 9), torch.tensor([[0.0, 2.0]]), torch.tensor([[math.pi / 2]])
    expected = displace(displace(image, torch.zeros(1, 2), angle), shift)
    torch.testing.assert_close(displace(image, shift, angle), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.0, 1.5)])
def test_thick_voxels_turn_in_millimetres(spacing):
    """The same head in mm, sampled on either grid, must still be the same head once turned."""
    shape = tuple(round(60 / size) | 1 for size in spacing)
    image = blobs(shape, spacing)[None]
    angles = torch.tensor([[0.2, -0.3, 0.4]])
    moved = displace(image, torch.tensor([[2 / s for s in spacing]]), angles, spacing)
    axes = [(torch.arange(n) - (n - 1) / 2) * size for n, size in zip(shape, spacing, strict=True)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    points = torch.stack([x, y, z], -1) - 2  # each mm back along every axis, then turned back
    matrix = torch.from_numpy(Rotation.from_euler("ZYX", angles[0].numpy()).as_matrix()).float()
    back = points @ matrix
    expected = torch.zeros(shape)
    for number, centre in enumerate(((0.0, 4.0, 9.0), (-5.0, -8.0, 2.0), (4.0, 3.0, -7.0))):
        distance = sum((back[..., 2 - axis] - c) ** 2 for axis, c in enumerate(centre))
        expected += (1 + number) / 3 * torch.exp(-distance / 40)
    # What is left is the blur of linear interpolation: at most h²/8 per axis times the blob's curvature, 2/40.
    blur = sum(size**2 for size in spacing) / 8 * 2 / 40
    assert (moved[0] - expected).abs().max() < blur
    if len(set(spacing)) > 1:
        assert (displace(image, torch.tensor([[2 / s for s in spacing]]), angles)[0] - expected).abs().max() > 3 * blur


def test_the_way_back_returns_the_image():
    image = blobs((41, 41, 41), (1.0, 1.0, 1.0))[None]
    shift, angles = torch.tensor([[1.5, -2.25, 0.5]]), torch.tensor([[0.1, -0.2, 0.15]])
    matrix = rotation_matrices(angles)
    returned = Rotation.from_matrix(matrix[0].T.numpy()).as_euler("ZYX")
    back = -(matrix[0].T @ shift[0].flip(0)).flip(0)
    again = displace(displace(image, shift, angles), back[None], torch.tensor(returned, dtype=torch.float32)[None])
    assert (again - image).abs().max() < 2 * 3 / 8 * 2 / 40  # the blur of interpolating twice


def test_what_does_not_move_comes_back_bit_for_bit():
    images = noise(3, 7, 10)
    still = torch.zeros(3, 2)
    assert displace(images, still, torch.zeros(3, 1)) is images
    still[1, 0] = 0.3
    moved = displace(images, still)
    assert torch.equal(moved[[0, 2]], images[[0, 2]])
    assert not torch.equal(moved[1], images[1])


def test_gradients_flow_and_the_number_type_stays():
    images = noise(2, 6, 6).double().requires_grad_()
    moved = displace(images, torch.tensor([[0.0, 0.0], [1.0, 0.5]]))
    moved.sum().backward()
    assert moved.dtype == torch.float64
    assert (images.grad != 0).any()
    assert displace(noise(1, 6, 6).half(), torch.ones(1, 2)).dtype == torch.float16


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one shift per image"):
        displace(noise(2, 6, 6), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="3 angle"):
        displace(noise(2, 6, 6, 6), torch.zeros(2, 3), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="positive"):
        displace(noise(2, 6, 6), torch.ones(2, 2), spacing=(1.0, 0.0))
