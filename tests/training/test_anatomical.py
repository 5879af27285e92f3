"""NeuroQuant's training: what each loss sees and when, incomplete subjects, resuming, and learning at all."""

from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import Dataset

from mrisynth_pipeline.models.neuroquant import NeuroQuant, NeuroQuantAutoencoder
from mrisynth_pipeline.sampling.availability import draw_pairs
from mrisynth_pipeline.sampling.patches import patch_samples, subjects_with
from mrisynth_pipeline.sampling.planes import draw_slices
from mrisynth_pipeline.training.anatomical import AnatomicalAutoencoding, AnatomicalParameters
from mrisynth_pipeline.training.fit import fit, last_validation
from mrisynth_pipeline.training.index_prediction import IndexPrediction, IndexPredictionParameters
from mrisynth_pipeline.training.styles import remember_styles
from mrisynth_pipeline.training.volumetric_autoencoding import foreground_error

MODALITIES = ("t1", "t2", "pd")
SMALL = {
    "widths": (4, 8),
    "heads": 2,
    "encoder_attention": (),
    "decoder_attention": (),
    "norm_groups": 2,
    "anatomical_channels": 8,
    "style_channels": 4,
    "film_hidden": 16,
    "codebook_size": 16,
    "codebook_dim": 8,
    "codebook_decay": 0.9,
    "gradient_checkpointing": False,
}
OPTIMISATION = {
    "steps": 10,
    "batch_size": 2,
    "learning_rate": 1e-2,
    "final_learning_rate": 1e-3,
    "warmup_steps": 2,
    "ema_decay": 0.5,
    "validate_every": 5,
    "validation_samples": 2,
    "checkpoint_every": 2,
    "accelerator": "cpu",
    "precision": "32-true",
}


class Blobs(Dataset):
    """Patches of 12 subjects whose contrasts follow from one hidden smooth image; every third subject lacks one.

    Args:
        lacking: What a channel holds that a subject lacks. Nobody is to look at it, but for pictures of validations.
    """

    def __init__(self, lacking: float = torch.nan) -> None:
        self.lacking = lacking

    def __len__(self) -> int:
        return 12

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        coarse = torch.rand(1, 1, 3, 3, 3, generator=torch.Generator().manual_seed(key[0]))
        image = torch.nn.functional.interpolate(coarse, size=(8, 12, 12), mode="trilinear")[0, 0]
        images, present = torch.stack([image, 1 - image, image**2]), torch.ones(3, dtype=torch.bool)
        if key[0] % 3 == 0:
            lacking = (key[0] // 3) % 3
            present[lacking], images[lacking] = False, self.lacking
        return {"images": images, "present": present}


class PowerCutError(Exception):
    """Stands for the power cut."""


class Interrupted(Blobs):
    """Fails in the middle of a training, after a number of samples."""

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.left = samples

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        self.left -= 1
        if self.left < 0:
            raise PowerCutError
        return super().__getitem__(key)


class Watched(AnatomicalAutoencoding):
    """At a step of one's choice; keeps what it logs."""

    global_step = 0
    global_rank = 0

    def log(self, name, value, **_) -> None:
        self.logged = {**getattr(self, "logged", {}), name: float(torch.as_tensor(value).detach())}


def training(kind=AnatomicalAutoencoding, architecture=None, **options) -> AnatomicalAutoencoding:
    lightning.seed_everything(0, verbose=False)
    network = NeuroQuantAutoencoder(MODALITIES, {**SMALL, **(architecture or {})})
    optimisation = {**OPTIMISATION, **options.pop("optimisation", {})}
    return kind(network, AnatomicalParameters(optimisation=optimisation, slices=3, **options))


def train(module, data: Dataset, work_dir: Path) -> pd.DataFrame:
    return fit(module, data, Blobs(lacking=0.0), module.optimisation, work_dir, "same", [])


def batch(*indices: int) -> dict[str, torch.Tensor]:
    samples = [Blobs()[index, 0] for index in indices]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def test_the_foreground_weighs_more():
    target = torch.tensor([0.0, 0.0, 0.0, 0.5]).reshape(1, 1, 1, 2, 2)
    prediction = torch.tensor([0.1, 0.0, 0.0, 0.3]).reshape(1, 1, 1, 2, 2)
    error = foreground_error(prediction, target, 5.0)
    assert torch.isclose(error, torch.tensor(2 * (0.1 + 5 * 0.2) / 8))  # 2: the images' range is −1 to 1 in the paper


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 0.0), (39, 0.0), (40, 0.0), (50, 0.25), (60, 0.5), (99, 0.5)], ids=str
)
def test_the_swap_comes_in_on_a_ramp(step, weight):
    module = training(Watched, swap_start=0.4, swap_ramp=0.2, optimisation={"steps": 100})
    module.global_step = step
    assert module.swap_weight() == pytest.approx(weight)
    module.training_step(batch(1, 2), 0)
    assert ("train_volumes_swap_error" in module.logged) == (weight > 0)


def test_a_swap_decodes_the_partner_s_anatomy_in_one_s_own_style(monkeypatch):
    module = training(Watched, swap_start=0.0, swap_ramp=0.0, slice_probability=0.0)
    decoded, encoded = [], []
    decode, encode = module.autoencoder.decode, module.autoencoder.encode
    monkeypatch.setattr(module.autoencoder, "decode", lambda *a: decoded.append(a) or decode(*a))
    monkeypatch.setattr(module.autoencoder, "encode", lambda *a: encoded.append(a[0]) or encode(*a))
    module.training_step(batch(0, 1), 0)
    (codes, styles, modality, _), (partner, same_styles, same_modality, _) = decoded
    assert torch.equal(partner[:2], codes[2:])
    assert torch.equal(partner[2:], codes[:2])
    assert torch.equal(styles, same_styles)
    assert torch.equal(modality, same_modality)
    assert (modality[:2] != modality[2:]).all()
    images = batch(0, 1)["images"]
    for row, (image, m) in enumerate(zip(encoded[0], modality, strict=True)):
        assert torch.equal(image[0], images[row % 2, m])


def test_the_anatomy_hides_from_the_adversary_only_after_its_start():
    gradients = {}
    for step in (0, 60):
        module = training(Watched, adversary_weight=0.5, adversary_start=0.5, optimisation={"steps": 100})
        module.global_step = step
        features = torch.randn(2, 8, 2, 2, 2, requires_grad=True)
        module.autoencoder.encode = lambda *_, features=features: (features, torch.zeros(2, 4))
        module.autoencoder.quantise = lambda x, n=module.autoencoder.quantise: n(x)._replace(
            values=torch.zeros_like(x), loss=torch.zeros(())
        )
        module._losses(torch.rand(2, 1, 8, 8, 8), torch.tensor([0, 1]), flat=False).backward()
        gradients[step] = features.grad
        assert module.adversary.layers[0].weight.grad.abs().sum() > 0  # it learns from the start
    assert (gradients[0] == 0).all()
    assert (gradients[60] != 0).any()
    assert training(adversary_weight=0.0).adversary is None


@pytest.mark.parametrize(("probability", "steps"), [(0.0, 0), (1.0, 10), (0.5, None)])
def test_slices_come_at_random_with_their_probability(probability, steps):
    module, count = training(Watched, slice_probability=probability), 0
    for step in range(10):
        module.global_step, module.logged = step, {}
        module.training_step(batch(1), 0)
        count += "train_slices_error" in module.logged
    assert count == steps if steps is not None else 2 <= count <= 8


def test_processes_draw_their_own_pairs_and_meet_in_the_same_slice_steps():
    """They share a codebook, so that a pass of one without the others would hang a distributed training."""
    drawn = {}
    for rank in (0, 1):
        module, drawn[rank] = training(Watched, slice_probability=0.5), []
        module.global_rank = rank
        for step in range(8):
            module.global_step, module.logged = step, {}
            pairs = draw_pairs(torch.ones(4, 3, dtype=torch.bool), module.step_generator())
            module.training_step(batch(1), 0)
            drawn[rank].append(("train_slices_error" in module.logged, pairs))
    assert [slices for slices, _ in drawn[0]] == [slices for slices, _ in drawn[1]]
    assert any(not torch.equal(a, b) for (_, a), (_, b) in zip(drawn[0], drawn[1], strict=True))


@pytest.mark.parametrize(("plane", "axis"), [("axial", 2), ("coronal", 3), ("sagittal", 4)])
def test_slices_of_partners_lie_at_the_same_places(plane, axis):
    images = torch.rand(4, 1, 6, 7, 8)
    slices = draw_slices(images, 3, plane, torch.Generator().manual_seed(0)).reshape(
        4, 3, *images.movedim(axis, 2).shape[3:]
    )
    places = torch.zeros(4, 3)
    for row in range(4):
        volume = images[row, 0].movedim(axis - 2, 0)
        for k in range(3):
            places[row, k] = int((volume == slices[row, k]).flatten(1).all(1).nonzero())
    assert torch.equal(places[:2], places[2:])
    assert len(places[0].unique()) == 3
    assert draw_slices(images, 9, plane, torch.Generator()).shape[0] == 36


def test_what_a_subject_lacks_is_never_looked_at_and_one_modality_is_no_pair():
    module = training(Watched, slice_probability=1.0)
    for step in range(12):
        module.global_step = step
        assert torch.isfinite(module.training_step(batch(0, 3), 0))
    lonely = batch(0)
    lonely["present"][:] = torch.tensor([False, True, False])
    with pytest.raises(ValueError, match="fewer than two modalities"):
        module.training_step(lonely, 0)


def test_a_step_draws_the_same_again_whatever_was_drawn_before():
    losses = []
    for before in range(2):
        module = training(Watched, slice_probability=1.0)
        torch.rand(before)
        state = torch.get_rng_state()
        losses.append(module.training_step(batch(1, 2), 0))
        assert torch.equal(torch.get_rng_state(), state)  # what the codebook draws is nobody else's business
    assert torch.equal(*losses)


def test_a_patch_that_the_network_cannot_halve_is_padded():
    module, sample = training(Watched), batch(1, 2)
    sample["images"] = sample["images"][..., :-2, :-3]
    assert torch.isfinite(module.training_step(sample, 0))
    module.eval().validation_step(sample, 0)
    assert module.look(sample).shape == sample["images"].shape
    assert np.isfinite(module.logged["val_psnr_pd"])


def test_a_killed_training_resumes_as_if_nothing_had_happened(tmp_path):
    whole = training(slice_probability=0.5, swap_start=0.2)
    history = train(whole, Blobs(), tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train(training(slice_probability=0.5, swap_start=0.2), Interrupted(samples=13), tmp_path / "killed")
    resumed = training(slice_probability=0.5, swap_start=0.2)
    torch.rand(5)
    resumed_history = train(resumed, Blobs(), tmp_path / "killed")
    for name, value in whole.state_dict().items():
        assert torch.allclose(value.float(), resumed.state_dict()[name].float(), atol=1e-6), name
    columns = ["step", "train_loss", "train_psnr", "val_psnr", "val_code_perplexity"]
    np.testing.assert_allclose(history[columns].to_numpy(), resumed_history[columns].to_numpy(), rtol=1e-5)


@torch.no_grad()
def loss_of_hidden_codes(stage2: IndexPrediction) -> torch.Tensor:
    """Cross-entropy of the codes of the last contrast of complete subjects, when the others are shown."""
    images = torch.stack([Blobs()[index, 0]["images"] for index in (1, 2, 4, 5)])
    anatomies, truth = stage2.truth(images, torch.ones(4, 3, dtype=torch.bool))
    available = torch.tensor([True, True, False]).expand(4, 3)
    anatomies[:, 2] = 0
    return F.cross_entropy(stage2.method.code_logits(anatomies, available)[:, 2], truth[:, 2])


@pytest.mark.parametrize("quantise", [True, False])
def test_both_stages_learn_and_impute(tmp_path, quantise):
    options = {"steps": 30, "validate_every": 30, "warmup_steps": 0}
    module = training(architecture={"quantise": quantise}, optimisation=options, slice_probability=0.2)
    history = train(module, Blobs(), tmp_path / "one")
    assert history["train_psnr"].tail(5).mean() > history["train_psnr"].head(3).mean() + 1
    assert history["train_volumes_error"].tail(5).mean() < 0.9 * history["train_volumes_error"].head(3).mean()
    last = last_validation(history)
    assert {f"val_{score}_{m}" for score in ("psnr", "ssim") for m in MODALITIES} <= set(last)
    assert ("val_code_perplexity" in last) == quantise
    assert np.isfinite(last["val_psnr_swap"])
    assert (tmp_path / "one" / "step_000030.png").exists()
    if not quantise:
        return
    assert 1 < last["val_code_perplexity"] <= last["val_codes_used"] <= 16
    assert last["val_codebook_usage"] == last["val_codes_used"] / 16

    method = NeuroQuant(MODALITIES, module.autoencoder.architecture, predictor_widths=(4, 8))
    method.autoencoder.load_state_dict(remember_styles(module.autoencoder, Blobs()).state_dict())
    frozen = {name: value.clone() for name, value in method.autoencoder.state_dict().items()}
    stage2 = IndexPrediction(method, IndexPredictionParameters(optimisation=OPTIMISATION | options))
    before = loss_of_hidden_codes(stage2)
    history = train(stage2, Blobs(), tmp_path / "two")
    assert loss_of_hidden_codes(stage2) < 0.9 * before
    assert {"val_loss", "val_code_accuracy", "val_psnr_missing"} <= set(last_validation(history))
    for name, value in method.autoencoder.state_dict().items():
        assert torch.equal(value, frozen[name]), f"Stage II changed the autoencoder: {name}"
    imputed = method.impute(batch(0, 1)["images"], torch.tensor([[False, True, False], [True, False, True]]))
    assert torch.isfinite(imputed[1]).all()


def test_stage_two_needs_a_predictor():
    with pytest.raises(ValueError, match="predictor_widths"):
        IndexPrediction(NeuroQuant(MODALITIES, SMALL), IndexPredictionParameters())


def test_the_truth_of_stage_two_are_the_codes_of_what_is_there():
    method = NeuroQuant(MODALITIES, SMALL, predictor_widths=(4, 8))
    module, sample = IndexPrediction(method, IndexPredictionParameters(optimisation=OPTIMISATION)), batch(0, 1)
    _, indices = module.train().truth(sample["images"], sample["present"])
    for row, modality in sample["present"].nonzero().tolist():
        alone = method.autoencoder.tokens(sample["images"][row : row + 1, modality : modality + 1])
        assert torch.equal(indices[row : row + 1, modality], alone)


def test_stage_two_is_asked_for_nothing_that_it_is_shown():
    method = NeuroQuant(MODALITIES, SMALL, predictor_widths=(4, 8))
    module = IndexPrediction(method, IndexPredictionParameters(optimisation=OPTIMISATION, subsets=3))
    module.log, asked = (lambda *_, **__: None), []
    inner = method.code_logits

    def keep(anatomies: torch.Tensor, available: torch.Tensor) -> torch.Tensor:
        asked.append((anatomies, available))
        return inner(anatomies, available)

    method.code_logits = keep
    sample = batch(0, 1)
    assert torch.isfinite(module.training_step(sample, 0))
    ((anatomies, available),) = asked
    assert available.shape == (6, 3)
    assert (available.sum(1) >= 1).all()
    assert (available & ~sample["present"].repeat_interleave(3, 0)).sum() == 0
    assert not anatomies[~available].any()
    assert anatomies[available].flatten(1).any(1).all()


def test_mean_styles_are_means_over_what_is_there():
    network = training().autoencoder
    assert not network.styles_remembered
    remember_styles(network.train(), Blobs())
    assert network.training
    alone = [Blobs()[index, 0] for index in range(12)]
    styles = [network.encode(s["images"][None, :1])[1][0] for s in alone if s["present"][0]]
    assert len(styles) == 10
    assert torch.allclose(network.mean_styles[0], torch.stack(styles).mean(0), atol=1e-5)

    class WithoutPd(Blobs):
        def __getitem__(self, key):
            sample = super().__getitem__(key)
            sample["present"][2] = False
            return sample

    with pytest.raises(ValueError, match="no training subject has pd"):
        remember_styles(network, WithoutPd())


def test_patches_of_a_store_are_learnt_from(store, tmp_path):
    parameters = AnatomicalParameters(patch_size=(16, 12, 96), slices=2, optimisation=OPTIMISATION | {"steps": 2})
    module = AnatomicalAutoencoding(NeuroQuantAutoencoder(MODALITIES, SMALL), parameters)
    members = subjects_with(store, ["a", "b", "c"], at_least=2)
    assert members == ["a", "b", "c"]
    assert subjects_with(store, members, at_least=4) == []
    validation = patch_samples(store, ["c"], parameters, augmented=False)
    history = fit(
        module, patch_samples(store, members, parameters), validation, module.optimisation, tmp_path / "work", "", []
    )
    assert np.isfinite(last_validation(history)["val_psnr"])
