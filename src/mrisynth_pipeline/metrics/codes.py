"""How much of a codebook is used, and what the codes of an image cost."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Num


def perplexity(counts: Num[np.ndarray, " codes"]) -> float:
    """Number of equally frequent codes that would carry the same information: exp of the entropy; 0 without any code.

    Args:
        counts: Occurrences per code; unused codes do not matter.
    """
    counts = np.asarray(counts, dtype=float)
    shares = counts[counts > 0] / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def summarise_codes(counts: pd.DataFrame) -> dict:
    """Use of the codebook and bits per voxel, of each method and of its modalities.

    Nominal bits are what a code costs if all are written alike, log2 of the codebook's size; entropy bits are what an
    ideal entropy coder, which knows how often each code occurs, would need at least. Entropies of samples are too low
    while there are not many more tokens than codes.

    Args:
        counts: From :func:`mrisynth_pipeline.evaluation.reconstruction.count_codes`; several methods concatenated.

    Returns:
        A JSON-ready dictionary: method → ``codebook_size``, and of all images ``n_tokens``, ``n_used``, ``usage``
        (share of the codebook), ``perplexity``, ``nominal_bits_per_voxel``, ``entropy_bits_per_voxel``; and
        ``by_modality``, modality → the same of its images.

    Raises:
        ValueError: Columns are missing, or there is no token at all.
    """
    _check(counts, ("method", "modality", "code", "count", "n_voxels"))
    summary = {}
    for method, rows in counts.groupby("method", sort=False):
        parts = {str(modality): part for modality, part in rows.groupby("modality", sort=False)}
        size = int(rows["code"].nunique())
        together = rows.groupby("code")["count"].sum().to_numpy()
        voxels = {modality: int(part["n_voxels"].iloc[0]) for modality, part in parts.items()}
        summary[str(method)] = (
            {"codebook_size": size}
            | _use(together, sum(voxels.values()))
            | {"by_modality": {name: _use(part["count"].to_numpy(), voxels[name]) for name, part in parts.items()}}
        )
    return summary


def _use(counts: np.ndarray, n_voxels: int) -> dict[str, float | int]:
    """Use of the codebook by some images that have so many voxels together."""
    effective, n_tokens, n_used = perplexity(counts), int(counts.sum()), int((counts > 0).sum())
    if not n_tokens:
        raise ValueError("no image has any code: there is nothing to summarise")
    return {
        "n_tokens": n_tokens,
        "n_used": n_used,
        "usage": n_used / len(counts),
        "perplexity": effective,
        "nominal_bits_per_voxel": n_tokens * float(np.log2(len(counts))) / n_voxels,
        "entropy_bits_per_voxel": n_tokens * float(np.log2(effective)) / n_voxels,
    }


def _check(table: pd.DataFrame, columns: Sequence[str]) -> None:
    absent = [column for column in columns if column not in table.columns]
    if absent or table.empty:
        raise ValueError(f"the table of codes has {len(table)} rows and lacks the columns {absent}")
