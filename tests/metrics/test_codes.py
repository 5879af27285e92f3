"""Perplexity, use and bits of codes, where they can be worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.codes import perplexity, summarise_codes


def table(counts: dict[str, list[int]], n_voxels: int = 800, method: str = "neuroquant") -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame({"method": method, "modality": name, "code": range(len(found)), "count": found}).assign(
            n_voxels=n_voxels
        )
        for name, found in counts.items()
    )


@pytest.mark.parametrize(("counts", "expected"), [([5] * 16, 16), ([7, 0, 0], 1), ([3, 3, 0, 0], 2), ([0, 0], 0)])
def test_perplexity_is_the_number_of_codes_that_are_used_alike(counts, expected):
    assert perplexity(np.array(counts)) == pytest.approx(expected)


def test_unequal_use_lies_between():
    assert perplexity(np.array([3, 1])) == pytest.approx(2 ** (0.75 * np.log2(4 / 3) + 0.25 * 2))


def test_uniform_codes_cost_what_they_cost_nominally():
    use = summarise_codes(table({"t1": [25] * 8}))["neuroquant"]
    assert (use["codebook_size"], use["n_tokens"], use["n_used"], use["usage"]) == (8, 200, 8, 1.0)
    assert use["nominal_bits_per_voxel"] == pytest.approx(200 * 3 / 800)
    assert use["entropy_bits_per_voxel"] == pytest.approx(200 * 3 / 800)


def test_modalities_with_codes_of_their_own_use_half_the_codebook_each():
    use = summarise_codes(table({"t1": [50, 50, 0, 0], "t2": [0, 0, 50, 50]}))["neuroquant"]
    assert (use["usage"], use["perplexity"]) == (1.0, pytest.approx(4))
    assert [entry["usage"] for entry in use["by_modality"].values()] == [0.5, 0.5]
    assert use["by_modality"]["t1"]["perplexity"] == pytest.approx(2)
    assert use["by_modality"]["t1"]["nominal_bits_per_voxel"] == pytest.approx(100 * 2 / 800)
    assert use["by_modality"]["t1"]["entropy_bits_per_voxel"] == pytest.approx(100 * 1 / 800)
    assert use["nominal_bits_per_voxel"] == pytest.approx(100 * 2 / 800), "bits are per voxel, not per subject"


def test_a_collapsed_codebook_costs_nothing_to_write():
    use = summarise_codes(table({"t1": [100, 0, 0, 0]}))["neuroquant"]
    assert (use["entropy_bits_per_voxel"], use["nominal_bits_per_voxel"]) == (0.0, pytest.approx(0.25))


def test_methods_are_not_mixed():
    both = pd.concat([table({"t1": [1, 1]}), table({"t1": [1, 0, 0, 0]}, method="vqvae")])
    summary = summarise_codes(both)
    assert [(name, entry["codebook_size"]) for name, entry in summary.items()] == [("neuroquant", 2), ("vqvae", 4)]


def test_what_cannot_be_summarised_is_said():
    with pytest.raises(ValueError, match="lacks the columns \\['n_voxels'\\]"):
        summarise_codes(table({"t1": [1]}).drop(columns="n_voxels"))
    with pytest.raises(ValueError, match="no image has any code"):
        summarise_codes(table({"t1": [0, 0]}))
