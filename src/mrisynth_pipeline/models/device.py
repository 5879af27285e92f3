"""Where a network runs."""

import torch

from mrisynth_pipeline.cohorts.errors import InputError


def usable_device(wish: str) -> torch.device:
    """The device named, or for ``auto`` a GPU where there is one.

    Raises:
        InputError: A GPU is named, and there is none that torch can use.
    """
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wish)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device={wish}", "there is no GPU that torch can use", "Take auto or cpu")
    return device
