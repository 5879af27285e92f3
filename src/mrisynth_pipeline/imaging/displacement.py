"""Rigid motion of images on their own voxel grid: what is left when two contrasts were not aligned."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def displace(
    images: Float[Tensor, "batch *spatial"],
    translation: Float[Tensor, "batch dims"],
    rotation: Float[Tensor, "batch rotations"] | None = None,
    spacing: Sequence[float] | None = None,
) -> Float[Tensor, "batch *spatial"]:
    """Move what every image shows by a rigid motion of its own: turned about the middle of the grid, then shifted.

    Linear interpolation in one step; what comes in from outside the grid is 0. An image that does not move comes back
    bit for bit, and where none moves, so does the tensor. Gradients flow through.

    Args:
        images: 2D ``[batch, y, x]`` or 3D ``[batch, z, y, x]``, one contrast per entry, background 0.
        translation: Shift in voxels along the spatial axes in their own order, ``(y, x)`` or ``(z, y, x)``;
            positive towards higher indices.
        rotation: Angles in radians: one in 2D; in 3D three, about z, y and x, of which the one about x is applied
            first (see :func:`rotation_matrices`). ``None``: no rotation.
        spacing: Voxel size in mm along the spatial axes in their own order, so that a turned head stays rigid;
            ``None``: all alike.

    Raises:
        ValueError: The shapes do not fit one another, or a voxel size is not positive.
    """
    dims = images.ndim - 1
    if dims not in (2, 3) or translation.shape != (len(images), dims):
        raise ValueError(
            f"images [batch, (z,) y, x] need one shift per image and axis: got {tuple(images.shape)} and "
            f"{tuple(translation.shape)}"
        )
    if rotation is None:
        rotation = translation.new_zeros(len(images), 2 * dims - 3)
    if rotation.shape != (len(images), 2 * dims - 3):
        raise ValueError(f"{dims}D images take {2 * dims - 3} angle(s) each, got {tuple(rotation.shape)}")
    voxel = torch.ones(dims) if spacing is None else torch.tensor([float(size) for size in spacing])
    if voxel.shape != (dims,) or not (voxel > 0).all():
        raise ValueError(f"the spacing must be {dims} positive numbers, got {spacing}")
    moving = (translation != 0).any(1) | (rotation != 0).any(1)
    if not moving.any():
        return images
    # From here on (x, y, z), the order in which torch's grids write coordinates.
    number = torch.promote_types(images.dtype, torch.float32)
    half = (voxel * torch.tensor(images.shape[1:])).flip(0).to(images.device, number) / 2
    shift = (translation[moving].to(number) * voxel.to(translation.device, number)).flip(1)[..., None]
    # A voxel at q shows what was at Rᵀ(q − t), mm from the middle; torch counts half images instead of mm.
    back = rotation_matrices(rotation[moving].to(number)).mT
    theta = torch.cat([back * half, -back @ shift], dim=2) / half[:, None]
    source = images[moving][:, None].to(number)
    grid = nn.functional.affine_grid(theta, list(source.shape), align_corners=False)
    moved = images.clone()
    moved[moving] = nn.functional.grid_sample(source, grid, align_corners=False)[:, 0].to(images.dtype)
    return moved


def rotation_matrices(rotation: Float[Tensor, "batch rotations"]) -> Float[Tensor, "batch dims dims"]:
    """Rotations of vectors (x, y) or (x, y, z) by the right-hand rule.

    Args:
        rotation: Radians. One angle: x turns towards y. Three angles a, b, c about the z, y and x axis:
            ``Rz(a) · Ry(b) · Rx(c)``, the intrinsic Euler angles "ZYX".
    """
    turns = [_turn(angle) for angle in rotation.unbind(1)]
    if len(turns) == 1:
        return turns[0]
    matrices = []
    for turn, axes in zip(turns, ((0, 1), (2, 0), (1, 2)), strict=True):
        whole = torch.eye(3).to(turn).repeat(len(turn), 1, 1)
        for row in range(2):
            for column in range(2):
                whole[:, axes[row], axes[column]] = turn[:, row, column]
        matrices.append(whole)
    return matrices[0] @ matrices[1] @ matrices[2]


def _turn(angle: Float[Tensor, " batch"]) -> Float[Tensor, "batch 2 2"]:
    """Rotations of the plane: its first axis turns towards its second."""
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
