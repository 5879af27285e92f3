"""Do the learned offsets of AGI-Net follow a shift of its inputs?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from mrisynth_pipeline.imaging.displacement import displace
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.door import padded
from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.sampling.slices import brain_slices


class MechanismParameters(Parameters):
    """How offsets are probed."""

    largest_shift: float = Field(4.0, gt=0)
    """Shifts of one input are uniform within ± this, along each axis of the axial plane, in pixels."""
    slices: int = Field(8, ge=1)
    """Slices per subject, evenly spread over the brain."""
    shifts: int = Field(4, ge=1)
    """Shifts per slice and moved contrast."""
    seed: int = 0
    """Seed of the shifts."""


@torch.inference_mode()
def probe_offsets(
    network: AGINet, store: SubjectStore, subjects: Sequence[str], parameters: MechanismParameters
) -> pd.DataFrame:
    """Offsets of every adaptive layer while one input is shifted and the others hold still.

    All contrasts but one, drawn at random, are given, and one of the given ones is shifted in the axial plane. Offsets
    are in taps of the kernel, shifts in pixels; both positive towards higher indices.

    Args:
        network: A 2D network, in evaluation mode.
        store: The subject files.
        subjects: Held-out subjects with every contrast.
        parameters: How many shifts, how far.

    Returns:
        One row per shifted slice, layer and group: ``subject``, ``case``, ``moved`` (channel), ``shift_y``,
        ``shift_x``, ``layer`` (its order from the input; 0 is the stem, whose groups are the contrasts), ``group``,
        ``offset_y``, ``offset_x``.
    """
    rows: list[pd.DataFrame] = []
    device = next(network.parameters()).device
    for number, subject in enumerate(tqdm(subjects, desc="Probing offsets", unit="subject")):
        generator = np.random.default_rng((parameters.seed, number))
        images, available, moved, shifts = _shifted_slices(store.open(subject), parameters, generator)
        for start in range(0, len(images), 16):
            part = slice(start, start + 16)
            shown = padded(images[part], network.divisor).to(device)
            offsets = network.offsets(shown, available[part].to(device))
            cases = np.arange(len(images))[part]
            for layer, found in enumerate(offsets.values()):
                rows.append(_table(subject, cases, moved[part], shifts[part], layer, found))
    return pd.concat(rows, ignore_index=True)


def _shifted_slices(
    file: SubjectFile, parameters: MechanismParameters, generator: np.random.Generator
) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Slices [case, modality, y, x] with one input shifted, what is available, which was moved, and how far (y, x)."""
    where = brain_slices(file.mask(), 0.05)
    chosen = where[np.linspace(0, len(where) - 1, min(parameters.slices, len(where))).astype(int)]
    n = len(file.present)
    stacks, have, moved, shifts = [], [], [], []
    for z in chosen:
        images = torch.from_numpy(file.slice(int(z)))
        for channel in range(n):
            for _ in range(parameters.shifts):
                hidden = generator.choice([other for other in range(n) if other != channel])
                shift = generator.uniform(-parameters.largest_shift, parameters.largest_shift, 2)
                stack = images.clone()
                stack[channel] = displace(
                    images[channel : channel + 1], torch.from_numpy(shift).float()[None], torch.zeros(1, 1)
                )[0]
                stacks.append(stack)
                have.append(torch.arange(n) != int(hidden))
                moved.append(channel)
                shifts.append(shift)
    return torch.stack(stacks), torch.stack(have), np.asarray(moved), np.asarray(shifts)


def _table(
    subject: str, cases: np.ndarray, moved: np.ndarray, shifts: np.ndarray, layer: int, offsets: Tensor
) -> pd.DataFrame:
    batch, groups, _ = offsets.shape
    values = offsets.float().cpu().numpy().reshape(batch * groups, -1)
    return pd.DataFrame(
        {
            "subject": subject,
            "case": cases.repeat(groups),
            "moved": moved.repeat(groups),
            "shift_y": shifts[:, 0].repeat(groups),
            "shift_x": shifts[:, 1].repeat(groups),
            "layer": layer,
            "group": np.tile(np.arange(groups), batch),
            "offset_y": values[:, 0],
            "offset_x": values[:, 1],
        }
    )
