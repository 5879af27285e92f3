"""NeuroQuant and its peer learn from the same draws, by the same reconstruction losses; the peer resumes as well."""

from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Dataset

from mrisynth_pipeline.models.image_autoencoder import ImageAutoencoder
from mrisynth_pipeline.models.neuroquant import NeuroQuantAutoencoder
from mrisynth_pipeline.models.vqvae import MonaiVQVAE
from mrisynth_pipeline.sampling.patches import patch_samples
from mrisynth_pipeline.training.anatomical import AnatomicalAutoencoding, AnatomicalParameters
from mrisynth_pipeline.training.fit import fit, last_validation
from mrisynth_pipeline.training.volumetric_autoencoding import VolumetricAutoencoding, VolumetricParameters

MODALITIES = ("t1", "t2", "pd")
CODEBOOK = {"codebook_size": 16, "codebook_dim": 8, "codebook_decay": 0.9}
OURS = CODEBOOK | {"widths": (4, 8), "heads": 2, "encoder_attention": (), "decoder_attention": (), "norm_groups": 1}
PEER = CODEBOOK | {"channels": (4, 8), "residual_layers": 1}
SHARED = {
    "patch_size": (16, 12, 12),
    "optimisation": {"steps": 6, "batch_size": 2, "learning_rate": 5e-3, "ema_decay": 0.5, "accelerator": "cpu",
                     "precision": "32-true", "validate_every": 6, "validation_samples": 2, "checkpoint_every": 2,
                     "warmup_steps": 0},
}  # fmt: skip


def training(of: str, gamma_spread: float = 0.0, gain_spread: float = 0.0, **optimisation) -> VolumetricAutoencoding:
    lightning.seed_everything(0, verbose=False)
    settings = SHARED | {"gamma_spread": gamma_spread, "gain_spread": gain_spread}
    settings["optimisation"] = SHARED["optimisation"] | optimisation
    if of == "peer":
        return VolumetricAutoencoding(MonaiVQVAE(MODALITIES, PEER), VolumetricParameters(**settings))
    network = NeuroQuantAutoencoder(MODALITIES, OURS)
    return AnatomicalAutoencoding(network, AnatomicalParameters(slice_probability=0.5, slices=2, **settings))


def seen_by(network: ImageAutoencoder) -> list[torch.Tensor]:
    """The volumes that go into a network's encoder while it learns, in their order."""
    seen: list[torch.Tensor] = []
    inner = network.encoder if isinstance(network, NeuroQuantAutoencoder) else network.network.encoder

    def keep(_, inputs: tuple) -> None:
        if network.training and inputs[0].shape[2] > 1:  # no slices
            # NeuroQuant's encoder gets −1 to 1
            seen.append((inputs[0] + 1) / 2 if isinstance(network, NeuroQuantAutoencoder) else inputs[0])

    inner.register_forward_pre_hook(keep)
    return seen


@pytest.mark.parametrize("gamma_spread", [0.0, 0.5])
def test_both_learn_from_the_same_images_in_the_same_order(store, tmp_path, gamma_spread):
    seen = {}
    for of in ("ours", "peer"):
        module = training(of, gamma_spread)
        seen[of] = seen_by(module.autoencoder)
        samples = patch_samples(store, ["a", "b", "c"], module.settings)
        fit(module, samples, patch_samples(store, [], module.settings), module.optimisation, tmp_path / of, "", [])
    assert len(seen["ours"]) == len(seen["peer"]) == 6
    for ours, peer in zip(seen["ours"], seen["peer"], strict=True):
        assert torch.allclose(ours, peer, atol=1e-6)
    assert not torch.allclose(seen["peer"][0], seen["peer"][1])


def test_contrasts_are_varied_by_a_power_and_a_factor_of_each_image_s_own():
    torch.manual_seed(0)
    images, seen = torch.rand(1, 2, 8, 8, 8) * 0.4 + 0.1, []
    images[:, :, :2] = 0.0
    batch = {"images": images, "present": torch.ones(1, 2, dtype=torch.bool)}
    for spreads in ({}, {"gamma_spread": 0.3, "gain_spread": 0.2}):
        module = training("peer", **spreads)
        module.log = lambda *_, **__: None
        module.losses = lambda shown, *_: seen.append(shown) or torch.zeros(())
        module.training_step(batch, 0)
    plain, varied = (shown[:, 0] for shown in seen)
    found = []
    for before, after in zip(plain, varied, strict=True):
        power, logarithm = np.polyfit(before[2:].log().flatten(), after[2:].log().flatten(), 1)
        assert torch.allclose(after, np.exp(logarithm) * before**power, atol=1e-4)
        found += [power, logarithm]
    assert len({round(value, 2) for value in (*found, 0.0, 1.0)}) == 6, "powers or factors are alike, or are none"


def test_a_factor_never_takes_an_image_beyond_1():
    module, shown = training("peer", gain_spread=1.0), torch.ones(64, 1, 2, 2, 2)
    varied = module._varied(shown, torch.Generator().manual_seed(0))
    assert varied.max() == 1
    assert 0.3 < (varied[:, 0, 0, 0, 0] == 1).float().mean() < 0.7


def test_both_are_told_alike_how_wrong_a_reconstruction_is():
    images = torch.rand(2, 1, 8, 8, 8)
    made = images.roll(1, 0)
    losses = []
    for of in ("ours", "peer"):
        module = training(of)
        module.log = lambda *_, **__: None
        codes = module.autoencoder(images, torch.tensor([0, 1]))[1]._replace(loss=torch.tensor(0.25))
        losses.append(module.reconstruction_loss(made, images, codes, "volumes"))
    assert torch.equal(*losses)


class PowerCutError(Exception):
    """Stands for the power cut."""


class Interrupted(Dataset):
    """Fails in the middle of a training, after a number of samples."""

    def __init__(self, samples: Dataset, left: int) -> None:
        self.samples, self.left = samples, left

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        self.left -= 1
        if self.left < 0:
            raise PowerCutError
        return self.samples[key]


def test_a_killed_training_of_the_peer_resumes_as_if_nothing_had_happened(store, tmp_path):
    def train(module: VolumetricAutoencoding, place: Path, left: int | None = None) -> pd.DataFrame:
        samples = patch_samples(store, ["a", "b"], module.settings)
        held_out = patch_samples(store, ["c"], module.settings, augmented=False)
        limited = samples if left is None else Interrupted(samples, left)
        return fit(module, limited, held_out, module.optimisation, place, "same", [])

    whole = training("peer")
    history = train(whole, tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train(training("peer"), tmp_path / "killed", left=7)
    resumed = training("peer")
    resumed_history = train(resumed, tmp_path / "killed")
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-6), name
    columns = ["step", "train_loss", "val_psnr"]
    np.testing.assert_allclose(history[columns].to_numpy(), resumed_history[columns].to_numpy(), rtol=1e-5)


def test_the_peer_learns_and_its_codes_are_counted(store, tmp_path):
    module = training("peer", steps=40, validate_every=40)
    samples = patch_samples(store, ["a", "b", "c"], module.settings)
    held_out = patch_samples(store, ["c"], module.settings, augmented=False)
    history = fit(module, samples, held_out, module.optimisation, tmp_path / "peer", "", [])
    assert history["train_volumes_error"].tail(5).mean() < 0.8 * history["train_volumes_error"].head(3).mean()
    last = last_validation(history)
    assert {f"val_{score}_{m}" for score in ("psnr", "ssim") for m in MODALITIES} <= set(last)
    assert 1 <= last["val_code_perplexity"] <= last["val_codes_used"] <= 16
    assert "val_psnr_swap" not in last
