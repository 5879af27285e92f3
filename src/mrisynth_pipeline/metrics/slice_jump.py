"""Does a volume hang together along the axis it was made slice by slice along?"""

import numpy as np
from jaxtyping import Bool, Float


def slice_jump(volume: Float[np.ndarray, "z y x"], mask: Bool[np.ndarray, "z y x"]) -> float:
    """How much more a volume changes from one axial slice to the next than from voxel to voxel within slices.

    The mean absolute difference of neighbours along z, over the mean of those along y and x; only pairs inside the
    mask count. Meant for cubic voxels, and to be compared with the value of a real scan on the same voxels, which is
    about 1: well above the real one, slices disagree; below it, the volume is blurred across them. The measure is ours.

    Args:
        volume: Any intensities.
        mask: Where to look.

    Returns:
        The ratio; NaN where the mask holds no two neighbours along an axis, or nothing changes within the slices.
    """
    changes = []
    for axis in range(3):
        low, high = (np.take(mask, np.arange(start, mask.shape[axis] - 1 + start), axis) for start in (0, 1))
        both = low & high
        if not both.any():
            return float("nan")
        changes.append(float(np.abs(np.diff(volume.astype(np.float64), axis=axis))[both].mean()))
    along, *within = changes
    return along / np.mean(within) if sum(within) else float("nan")
