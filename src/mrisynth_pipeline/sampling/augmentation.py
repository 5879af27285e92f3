"""Random transforms of training slices and patches, the same for all modalities of a sample."""

import torch
from jaxtyping import Float
from monai.transforms import Compose, Rand2DElastic, RandAffine, RandFlip, RandRotate90
from monai.utils import convert_to_tensor
from pydantic import Field
from torch import Tensor

from mrisynth_pipeline.parameters import Parameters


class AugmentationParameters(Parameters):
    """Which transforms, each drawn on its own. CodeBrain's are all on, with probability 0.5.

    3D patches take the two flips alone: see :func:`patch_flips`.
    """

    probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability of each transform that is on."""
    flip_left_right: bool = True
    """Mirror images, left for right."""
    flip_anterior_posterior: bool = True
    """Mirror images, front for back."""
    rotate90: bool = True
    """Quarter turns (square slices only; not for patches)."""
    affine: bool = True
    """Rotation ±15°, translation ±10 % of the width, scale 0.9–1.1 (not for patches)."""
    elastic: bool = True
    """Smooth random displacement (not for patches). The paper gives no amplitude: control points every 32 pixels,
    moved by up to 2 pixels, is our choice."""


MIRRORED_ALONE = AugmentationParameters(flip_anterior_posterior=False, rotate90=False, affine=False, elastic=False)
"""Left for right and nothing else: what slices and patches can both take."""


class SliceAugmentation:
    """The augmentation of CodeBrain's training: elastic, flips, quarter turns, affine.

    Args:
        parameters: Which transforms are on.
        size: Slice size (y, x) in voxels.

    Raises:
        ValueError: If quarter turns are asked for on slices that are not square.
    """

    def __init__(self, parameters: AugmentationParameters, size: tuple[int, int]) -> None:
        p = parameters.probability
        steps: list = []
        if parameters.flip_left_right:
            steps.append(RandFlip(prob=p, spatial_axis=1))
        if parameters.flip_anterior_posterior:
            steps.append(RandFlip(prob=p, spatial_axis=0))
        if parameters.rotate90:
            if size[0] != size[1]:
                raise ValueError(
                    f"augmentation.rotate90 needs square slices and the grid has {size[0]}×{size[1]}: set it to false"
                )
            steps.append(RandRotate90(prob=p))
        if parameters.affine:
            shift = [0.1 * n for n in size]
            angle = 15.0 * torch.pi / 180.0
            steps.append(RandAffine(p, angle, translate_range=shift, scale_range=(0.1, 0.1), padding_mode="zeros"))
        if parameters.elastic:
            steps.append(Rand2DElastic(spacing=(32, 32), magnitude_range=(0, 2), prob=p, padding_mode="zeros"))
        self._transform = Compose(steps)

    def __call__(self, images: Float[Tensor, "modality y x"], seed: int) -> Float[Tensor, "modality y x"]:
        """Transform one slice stack in [0, 1]; what is drawn depends on ``seed`` alone."""
        self._transform.set_random_state(seed=seed % 2**32)
        # A bare tensor: MONAI's own would be carried through every layer of the network, at the cost of each operation.
        return convert_to_tensor(self._transform(images), track_meta=False).clamp(0.0, 1.0)


def patch_flips(parameters: AugmentationParameters) -> dict[int, float]:
    """The augmentation of 3D patches ``[modality, z, y, x]``: axis → probability of mirroring it.

    Moving and bending are for whole slices: within a patch they would bring in an empty border where the brain goes on.

    Raises:
        ValueError: If a transform is on that patches cannot have.
    """
    refused = [name for name in ("rotate90", "affine", "elastic") if getattr(parameters, name)]
    if refused:
        raise ValueError(
            "3D patches can be mirrored but not turned, moved or bent: set "
            + " and ".join(f"augmentation.{name}" for name in refused)
            + " to false"
        )
    wished = {-1: parameters.flip_left_right, -2: parameters.flip_anterior_posterior}
    return {axis: parameters.probability for axis, wish in wished.items() if wish}
