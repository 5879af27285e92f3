"""Groups of input subsets that a training learns from in turn, by name."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from mrisynth_pipeline.sampling.availability import draw_inputs

ALL, ANY = "all", "any"
"""All that a sample has; a random part of it."""


def check_groups(groups: Sequence[str], modalities: tuple[str, ...]) -> None:
    """Refuse a group that names what the study lacks.

    Raises:
        ValueError: If there is one.
    """
    for group in groups:
        if group not in (ALL, ANY) and (unknown := sorted(set(group.split("+")) - set(modalities))):
            raise ValueError(
                f"the group {group!r} names {unknown}; groups are {ALL}, {ANY}, or contrasts such as t1+t2 out of "
                f"{', '.join(modalities)}"
            )


def draw_group(
    group: str, present: Bool[Tensor, "batch modality"], modalities: tuple[str, ...], generator: torch.Generator
) -> Bool[Tensor, "batch modality"]:
    """One subset of what each sample has.

    Args:
        group: ``all``: everything. ``any``: some but not all of it, every such subset as likely (its only modality, if
            it has one alone). ``us``: that modality; ``t1+t2``: a non-empty subset of these, every one as likely.
            A sample with none of the named modalities gets one of ``any``.
        present: What each sample has, at least one modality.
        modalities: Names of the channels.
        generator: What to draw from.

    Raises:
        ValueError: If a sample has no modality.
    """
    anything = draw_inputs(present, generator)
    if group == ANY:
        return anything
    if group == ALL:
        return present.cpu()
    named = present.cpu() & torch.tensor([name in group.split("+") for name in modalities])
    # draw_inputs leaves out the full subset, which counts here: as one more of the 2^n − 1.
    n = named.sum(1)
    full = torch.rand(len(n), generator=generator) < 1.0 / (2.0**n - 1.0).clamp(min=1.0)
    some = n > 0
    drawn = anything.clone()
    if some.any():
        drawn[some] = torch.where(full[some, None], named[some], draw_inputs(named[some], generator))
    return drawn
