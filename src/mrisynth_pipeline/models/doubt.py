"""How far the answers of a method scatter: by its own draws, or where it draws none by small changes of the input."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mrisynth_pipeline.models.door import Imputer, SamplingImputer, impute_volume, sample_volume


@dataclass(frozen=True)
class Change:
    """A change of the input that should change nothing in what is imputed, once it is undone.

    Args:
        mirrored: Left and right are exchanged.
        moved: Voxels (y, x) by which the head is moved in-plane; what leaves on one side comes in on the other.
        gamma: Exponent on the intensities of the inputs, whose 0 and 1 stay.
    """

    mirrored: bool = False
    moved: tuple[int, int] = (0, 0)
    gamma: float = 1.0

    def apply(self, volumes: Float[Tensor, "modality z y x"]) -> Float[Tensor, "modality z y x"]:
        """The changed volumes."""
        changed = volumes.flip(-1) if self.mirrored else volumes
        return changed.roll(self.moved, (-2, -1)).clamp(min=0) ** self.gamma

    def undo(self, volumes: Float[Tensor, "modality z y x"]) -> Float[Tensor, "modality z y x"]:
        """What was imputed of the changed volumes, back in its place.

        The exponent is not undone: the target's intensities are to be what they always are.
        """
        back = volumes.roll(tuple(-step for step in self.moved), (-2, -1))
        return back.flip(-1) if self.mirrored else back


CHANGES: tuple[Change, ...] = (
    Change(),
    Change(mirrored=True),
    Change(moved=(2, 1), gamma=0.9),
    Change(moved=(-1, -2), gamma=1.1),
    Change(mirrored=True, moved=(-2, 1), gamma=1.1),
    Change(mirrored=True, moved=(1, -2), gamma=0.9),
    Change(moved=(3, -3)),
    Change(mirrored=True, moved=(-3, 3)),
)
"""Test-time augmentations in the order in which they are used (Wang et al., Neurocomputing 338, 2019). Voxels are moved
by whole ones, and by fewer than a network's strides: what it samples coarsely it samples elsewhere."""


def spread_volume(
    method: Imputer,
    volumes: Float[Tensor, "modality z y x"],
    available: Bool[Tensor, " modality"],
    n_samples: int = 8,
    batch_size: int = 16,
    seed: int = 0,
) -> Float[Tensor, "modality z y x"]:
    """Standard deviation per voxel of the answers of any method for one subject.

    A method that draws samples gives that of its draws at temperature 1, any other that of its answers to
    :data:`CHANGES` of the input. Neither is an error: see :mod:`mrisynth_pipeline.metrics.expected_error`.

    Args:
        method: In evaluation mode.
        volumes: Intensities in [0, 1]; channels of missing modalities are ignored, whatever they hold (NaN included).
        available: Which modalities may be used.
        n_samples: Draws, at least 2; or changes, of which there are no more than :data:`CHANGES`.
        batch_size: Slices per forward pass of a 2D method.
        seed: Of the draws; changes need no chance.

    Returns:
        In the unit of the intensities, on the CPU; 0 for available modalities.

    Raises:
        ValueError: There are fewer than two answers to compare; or as of :meth:`~.Imputer.impute`.
    """
    if isinstance(method, SamplingImputer) and method.can_draw:
        return sample_volume(method, volumes, available, 1.0, n_samples, batch_size, seed)[1]
    if n_samples < 2:
        raise ValueError(f"a spread needs n_samples >= 2; got {n_samples}")
    inputs = torch.where(available[:, None, None, None], volumes, torch.zeros_like(volumes))
    answers = torch.stack(
        [
            change.undo(impute_volume(method, change.apply(inputs), available, batch_size))[~available]
            for change in CHANGES[:n_samples]
        ]
    )
    spread = torch.zeros_like(inputs)
    spread[~available] = answers.std(0)
    return spread
