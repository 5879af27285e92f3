"""Trainings learn, resume exactly, and never go on from a foreign checkpoint."""

from collections.abc import Callable
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Dataset

from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture
from mrisynth_pipeline.training.autoencoding import Autoencoding, AutoencodingParameters
from mrisynth_pipeline.training.code_prediction import CodePrediction, CodePredictionParameters
from mrisynth_pipeline.training.fit import fit, last_validation
from mrisynth_pipeline.training.translation import Translation, TranslationParameters

ARCHITECTURE = CodeBrainArchitecture(posterior_width=4, common_width=4, decoder_width=4, depth=1)
OPTIMISATION = {
    "steps": 12,
    "batch_size": 2,
    "learning_rate": 2e-3,
    "ema_decay": 0.5,
    "validate_every": 4,
    "validation_samples": 4,
    "checkpoint_every": 2,
    "accelerator": "cpu",
}


class Blobs(Dataset):
    """Slices whose three contrasts follow from one hidden smooth image."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(key[0])
        coarse = torch.rand(1, 1, 4, 4, generator=generator)
        image = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")[0, 0]
        return {"images": torch.stack([image, 1 - image, image**2]), "present": torch.ones(3, dtype=torch.bool)}


class PowerCutError(Exception):
    """Stands for the power cut."""


class Interrupted(Blobs):
    """Fails in the middle of a training, after a number of samples."""

    def __init__(self, samples: int) -> None:
        self.left = samples

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        self.left -= 1
        if self.left < 0:
            raise PowerCutError
        return super().__getitem__(key)


VECTORS = ARCHITECTURE.model_copy(update={"quantiser": "vq", "codebook_size": 24, "codebook_dim": 5})


def autoencoding(architecture: CodeBrainArchitecture = ARCHITECTURE, **options) -> Autoencoding:
    lightning.seed_everything(0, verbose=False)
    method = CodeBrain(("t1", "t2", "pd"), architecture)
    optimisation = OPTIMISATION | options
    parameters = AutoencodingParameters(optimisation=optimisation, discriminator_width=4, adversarial_start=0.5)
    return Autoencoding(method.autoencoder, 3, parameters)


def train(module, data: Dataset, work_dir: Path, fingerprint: str = "same") -> pd.DataFrame:
    return fit(module, data, Blobs(), module.optimisation, work_dir, fingerprint, [])


@pytest.fixture(params=["autoencoding", "vectors", "translation"])
def make_training(request, translator) -> Callable[[], lightning.LightningModule]:
    """The trainings that step two networks, which Lightning does not do by itself."""
    if request.param != "translation":
        return lambda: autoencoding(VECTORS if request.param == "vectors" else ARCHITECTURE)

    def translation() -> Translation:
        lightning.seed_everything(0, verbose=False)
        misalignment = {"translation_mm": 2.0, "rotation_deg": 5.0}
        parameters = TranslationParameters(
            optimisation=OPTIMISATION, discriminator_width=4, l1_weight=10.0, misalignment=misalignment
        )
        return Translation(translator(), parameters, (1.0, 1.0, 1.0))

    return translation


def test_a_killed_training_resumes_as_if_nothing_had_happened(make_training, tmp_path):
    whole = make_training()
    history = train(whole, Blobs(), tmp_path / "whole")

    with pytest.raises(PowerCutError):
        train(make_training(), Interrupted(samples=15), tmp_path / "killed")  # dies in step 8, checkpoint after 6
    assert (tmp_path / "killed" / "resume.ckpt").exists()
    resumed = make_training()
    resumed_history = train(resumed, Blobs(), tmp_path / "killed")

    for name, value in whole.state_dict().items():
        assert torch.allclose(value, resumed.state_dict()[name], atol=1e-6), name
    columns = ["step", "train_loss", "train_discriminator_loss", "val_psnr_missing"]
    np.testing.assert_allclose(history[columns].to_numpy(), resumed_history[columns].to_numpy(), rtol=1e-4)
    assert not (tmp_path / "killed" / "resume.ckpt").exists()


@pytest.mark.parametrize("fingerprint", ["same", "other"])
def test_only_a_checkpoint_of_the_same_training_is_resumed(tmp_path, fingerprint):
    with pytest.raises(PowerCutError):
        train(autoencoding(), Interrupted(samples=15), tmp_path)
    counted = Interrupted(samples=10_000)
    train(autoencoding(), counted, tmp_path, fingerprint)
    samples = 10_000 - counted.left
    assert samples == (12 if fingerprint == "same" else 24)


@pytest.mark.parametrize("architecture", [ARCHITECTURE, VECTORS], ids=["fsq", "vq"])
def test_autoencoder_and_predictor_learn(architecture, tmp_path):
    module = autoencoding(architecture, steps=60, validate_every=20)
    history = train(module, Blobs(), tmp_path / "one")
    assert history["train_psnr_missing"].tail(5).mean() > history["train_psnr_missing"].head(5).mean() + 3
    assert {"val_psnr_missing", "val_code_perplexity", "val_codebook_usage"} <= set(last_validation(history))
    assert ("train_commitment" in history) == architecture.vector_codes
    assert last_validation(history)["val_codes_used"] > 1
    assert len(list((tmp_path / "one").glob("step_*.png"))) == 3

    method = CodeBrain(("t1", "t2", "pd"), architecture)
    method.autoencoder.load_state_dict(module.autoencoder.state_dict())
    frozen = {name: value.clone() for name, value in method.autoencoder.state_dict().items()}
    parameters = CodePredictionParameters(optimisation=OPTIMISATION | {"steps": 60, "validate_every": 20})
    history = train(CodePrediction(method, parameters), Blobs(), tmp_path / "two")
    assert history["train_loss"].tail(5).mean() < 0.8 * history["train_loss"].head(5).mean()
    for name, value in method.autoencoder.state_dict().items():
        assert torch.equal(value, frozen[name]), f"Stage II changed the autoencoder: {name}"


def test_the_discriminator_learns_from_the_start_and_the_autoencoder_feels_it_later(tmp_path):
    module = autoencoding(steps=2, validate_every=2, checkpoint_every=2)
    before = [weight.clone() for weight in module.discriminator.parameters()]
    train(module, Blobs(), tmp_path)
    assert any(not torch.equal(a, b) for a, b in zip(before, module.discriminator.parameters(), strict=True))


def test_nothing_to_train_on_is_said(tmp_path):
    class Nobody(Blobs):
        def __len__(self) -> int:
            return 0

    with pytest.raises(ValueError, match="nothing to train on"):
        train(autoencoding(), Nobody(), tmp_path)
