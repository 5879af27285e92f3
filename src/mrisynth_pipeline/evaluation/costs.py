"""What an imputation costs: multiplications and memory."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mrisynth_pipeline.models.door import Imputer

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Peak:
    """Most memory in use while something ran, beyond what was in use before."""

    mb: float | None = None
    """In MiB; ``None`` where the system does not tell (no GPU, and no Linux)."""


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the memory that what runs inside takes at most: of the GPU where the device is one, else of the process.

    The process first gives back what it no longer needs and sets its high-water mark back (Linux with glibc), so that
    measurements do not shadow each other. What another library keeps in pools of its own is reused unseen.

    Args:
        device: Where the work is done.
    """
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.mb = (torch.cuda.max_memory_allocated(device) - before) / 2**20
        return
    before = _resident_mb("VmRSS") if _reset_high_water_mark() else None
    yield peak
    highest = _resident_mb("VmHWM")
    if before is not None and highest is not None:
        peak.mb = max(highest - before, 0.0)


def giga_macs(method: Imputer, volumes: Float[Tensor, "modality z y x"], available: Bool[Tensor, " modality"]) -> float:
    """Multiply-accumulates of imputing one subject's volumes, in 10⁹.

    Those of convolutions and matrix products are counted, half of the floating-point operations that torch counts; what
    is done voxel by voxel is not. Of a 2D method those of one slice, times the slices that it is asked for.

    Args:
        method: Any imputer.
        volumes: Intensities in [0, 1].
        available: Which may be used.
    """
    device = next((weight.device for weight in method.parameters()), torch.device("cpu"))
    images, times = volumes[None], 1
    if method.spatial_dims == 2:
        slices = volumes.transpose(0, 1)
        inside = (slices[:, available] != 0).flatten(1).any(1)
        images, times = slices[inside][:1], int(inside.sum())
    # Not through `impute`: the counter does not get on with inference mode and normalised weights.
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        method.filled_in(images.to(device), available[None].to(device))
    return times * counter.get_total_flops() / 2e9


def _reset_high_water_mark() -> bool:
    """Whether the process's peak could be set back to what it uses now, which is no more than it needs."""
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def _resident_mb(name: str) -> float | None:
    """A line of the process's status, in MiB."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), None)
