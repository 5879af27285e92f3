import itertools

import numpy as np
import pandas as pd
import pytest
import torch


@pytest.fixture
def brain_pair():
    """A smooth truth with a zero background, an imputation that is off by noise, and the brain mask."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.meshgrid(*[torch.linspace(-1, 1, n) for n in (20, 36, 28)], indexing="ij")
    mask = sum(axis**2 for axis in axes) < 0.8
    coarse = torch.rand(1, 1, 5, 9, 7, generator=generator)
    target = torch.nn.functional.interpolate(coarse, size=mask.shape, mode="trilinear")[0, 0] * mask
    prediction = target + 0.1 * torch.randn(mask.shape, generator=generator)
    return prediction, target, mask


@pytest.fixture
def make_scores():
    """Score tables over all subsets of three contrasts; ``gain`` is added to a method's PSNR and SSIM."""

    def build(gains: dict[str, float], n_subjects: int = 4, seed: int = 0, modalities=("t1", "t2", "pd")):
        generator = np.random.default_rng(seed)
        levels = 20 + generator.normal(size=n_subjects)
        rows = []
        for method, gain in gains.items():
            for number, level in enumerate(levels):
                for size in range(1, len(modalities)):
                    for subset in itertools.combinations(modalities, size):
                        for target in modalities:
                            if target in subset:
                                continue
                            value = level + gain + generator.normal(scale=0.01)
                            rows.append(
                                {"method": method, "subject": f"sub-{number:03}", "inputs": "+".join(subset)}
                                | {"n_inputs": size, "target": target, "n_slices": 10 + number}
                                | {"slice_psnr": value, "slice_ssim": 60 + value, "slice_mae": 50 - value}
                                | {"volume_psnr": value, "volume_ssim": 50 + value, "volume_mae": 70 - value}
                            )
        return pd.DataFrame(rows)

    return build
