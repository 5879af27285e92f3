"""Which modalities a method may see: the subsets, how they are drawn, and how they are written."""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def all_subsets(n_modalities: int) -> Bool[Tensor, "subset modality"]:
    """The 2^M − 2 subsets with something available and something missing, fewest inputs first.

    Args:
        n_modalities: Number of contrasts M, at least 2.
    """
    if n_modalities < 2:
        raise ValueError(f"imputation needs at least two modalities, got {n_modalities}")
    numbers = torch.arange(1, 2**n_modalities - 1)
    subsets = (numbers[:, None] >> torch.arange(n_modalities)) & 1
    order = sorted(range(len(subsets)), key=lambda i: (int(subsets[i].sum()), [-int(v) for v in subsets[i]]))
    return subsets[order].bool()


def draw_subsets(batch: int, n_modalities: int, generator: torch.Generator) -> Bool[Tensor, "batch modality"]:
    """One subset per sample, uniform over :func:`all_subsets`.

    The published CodeBrain run draws one subset per batch; one per sample is ours (less noisy at small batches).
    """
    subsets = all_subsets(n_modalities)
    return subsets[torch.randint(len(subsets), (batch,), generator=generator)]


def draw_pairs(present: Bool[Tensor, "batch modality"], generator: torch.Generator) -> Int[Tensor, "batch 2"]:
    """Two different modalities (index) of those that each sample has, in random order.

    Raises:
        ValueError: If a sample has fewer than two.
    """
    if (lacking := (present.sum(1) < 2).nonzero()[:, 0]).numel():
        raise ValueError(
            f"{len(lacking)} of the {len(present)} samples have fewer than two modalities: train on subjects with two"
        )
    return torch.stack(
        [row.nonzero()[torch.randperm(int(row.sum()), generator=generator)[:2], 0] for row in present.cpu()]
    )


def draw_inputs(present: Bool[Tensor, "batch modality"], generator: torch.Generator) -> Bool[Tensor, "batch modality"]:
    """Some but not all of the modalities that each sample has, uniform over all such subsets; its only one stays.

    Raises:
        ValueError: If a sample has none.
    """
    drawn = torch.zeros_like(present, device="cpu")
    for row, chosen in zip(present.cpu(), drawn, strict=True):
        n = int(row.sum())
        if n == 0:
            raise ValueError("a sample has no modality at all")
        chosen[row] = draw_subsets(1, n, generator)[0] if n > 1 else True
    return drawn


def subset_name(available: Iterable[bool], modalities: tuple[str, ...]) -> str:
    """``"t1+t2"`` for the available modalities, in channel order."""
    return "+".join(m for m, have in zip(modalities, available, strict=True) if have)


def parse_subset(text: str, modalities: tuple[str, ...]) -> Bool[Tensor, " modality"]:
    """The subset that ``"t1+t2"`` names.

    Raises:
        ValueError: If it names an unknown contrast, none, or all of them.
    """
    names = text.split("+")
    if unknown := set(names) - set(modalities):
        raise ValueError(f"{text!r} names {sorted(unknown)}, which the study lacks; it has {', '.join(modalities)}")
    subset = torch.tensor([m in names for m in modalities])
    if subset.all():
        raise ValueError(f"{text!r} names every contrast of the study: there would be nothing to impute")
    return subset


def example_subsets(modalities: tuple[str, ...]) -> list[Bool[Tensor, " modality"]]:
    """What the figures show by default: the first contrast alone, and all but the second (T1Gd in BraTS, T2 in IXI)."""
    first = torch.zeros(len(modalities), dtype=torch.bool)
    first[0] = True
    all_but_second = torch.ones(len(modalities), dtype=torch.bool)
    all_but_second[1] = False
    return [first] if torch.equal(first, all_but_second) else [first, all_but_second]
