"""Translation learns from what it is asked for, sees what it is given, and lives with displaced inputs."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from mrisynth_pipeline.models.blocks.discriminators import PatchDiscriminator
from mrisynth_pipeline.sampling.patches import patch_samples
from mrisynth_pipeline.sampling.slices import slice_samples
from mrisynth_pipeline.training.adversarial import Exhibit, deceiving_loss, judging_loss
from mrisynth_pipeline.training.fit import fit
from mrisynth_pipeline.training.misalignment import MisalignmentParameters, misalign
from mrisynth_pipeline.training.translation import Translation, TranslationParameters

SPACING = (1.0, 1.0, 1.0)
SIZES = {2: (32, 40), 3: (32, 32, 40)}


class Watched(Translation):
    """Keeps what a step would learn from, instead of learning; the step can be chosen."""

    global_step = 0

    def step_in_turn(self, loss: torch.Tensor, exhibit: Exhibit) -> None:
        self.loss, self.exhibit = loss, exhibit

    def log(self, *_, **__) -> None:
        pass


def watched(network, **options) -> Watched:
    return Watched(network, TranslationParameters(discriminator_width=2, **options), SPACING)


def stacks(spatial_dims: int = 2, batch: int = 4) -> torch.Tensor:
    return torch.rand(batch, 3, *SIZES[spatial_dims], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_the_loss_is_the_weighted_absolute_error_of_what_is_missing(translator, spatial_dims):
    module, images = watched(translator("any", spatial_dims), l1_weight=7.0), stacks(spatial_dims, batch=6)
    module.training_step({"images": images}, 0)
    inputs, available = module.network.calls[0]
    prediction = module.network(inputs, available)
    errors = []
    for modality in range(3):
        lacking = [sample for sample in range(6) if not available[sample, modality]]
        each = [(prediction[s, modality] - images[s, modality]).abs().mean().item() for s in lacking]
        errors.append(sum(each) / len(each))
    assert len(available.unique(dim=0)) > 1  # one subset per sample
    assert math.isclose(module.loss.item(), 7.0 * sum(errors) / 3, rel_tol=1e-5)


def test_a_fixed_scenario_is_given_its_inputs_and_learns_from_its_targets_alone(translator):
    results = []
    for changed in (False, True):
        images = stacks()
        if changed:
            images[:, 1] = 7.0  # t2 is neither input nor target: it does not matter what it holds
        module = watched(translator("t1->pd"))
        module.training_step({"images": images}, 0)
        module.loss.backward()
        inputs, available = module.network.calls[0]
        assert available.tolist() == [[True, False, False]] * 4
        assert torch.equal(inputs[:, 0], images[:, 0])
        assert (inputs[:, 1:] == 0).all()
        gradient = module.network.layers[-1].weight.grad
        assert (gradient[:2] == 0).all()
        assert gradient[2].abs().sum() > 0
        exhibit = module.exhibit
        assert exhibit.judged.tolist() == [[False, False, True]] * 4
        results.append((module.loss, exhibit.made, exhibit.real, exhibit.condition))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("scenario", ["any", "t1+t2->pd"])
def test_the_discriminator_sees_inputs_and_stacks_that_differ_only_in_what_was_made(translator, scenario):
    options = {"misalignment": {"translation_mm": 4.0}}
    module, images = watched(translator(scenario), **options), stacks()
    module.training_step({"images": images}, 0)
    (inputs, available), exhibit = module.network.calls[0], module.exhibit
    assert torch.equal(exhibit.condition, inputs)
    assert torch.equal(exhibit.judged, ~available)
    assert torch.equal(exhibit.made[available], inputs[available])
    assert torch.equal(exhibit.real[available], inputs[available])
    assert torch.equal(exhibit.made[~available], module.network(inputs, available)[~available])
    assert torch.equal(exhibit.real[~available], images[~available])


def exhibit_of_two() -> Exhibit:
    """Two modalities; the first is available, the second one was made (and says 0.5 where 0.9 were right)."""
    made, real, condition = (torch.tensor(pair).reshape(1, 2, 1, 1) for pair in ([0.2, 0.5], [0.2, 0.9], [0.2, 0.0]))
    available = torch.tensor([[True, False]])
    return Exhibit(made.requires_grad_(), real, condition, available, judged=~available)


class FirstHalf(torch.nn.Module):
    """A discriminator whose realness maps are the stack, times a weight, plus the mean of the condition."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.weight * x[:, :2] + x[:, 2:].mean()


def test_gan_losses_by_hand():
    exhibit, discriminator = exhibit_of_two(), FirstHalf()
    # Maps of the second modality: made 2 · 0.5 + 0.1 = 1.1, real 2 · 0.9 + 0.1 = 1.9.
    assert math.isclose(deceiving_loss(discriminator, exhibit).item(), (1.1 - 1) ** 2, rel_tol=1e-5)
    assert math.isclose(judging_loss(discriminator, exhibit).item(), 0.5 * ((1.9 - 1) ** 2 + 1.1**2), rel_tol=1e-5)
    # With all maps judged, the first one's 2 · 0.2 + 0.1 = 0.5 is to be called real in either stack.
    both = Exhibit(exhibit.made, exhibit.real, exhibit.condition, exhibit.available, torch.ones(1, 2, dtype=torch.bool))
    real, made = (0.5**2 + 0.9**2) / 2, (0.5**2 + 1.1**2) / 2
    assert math.isclose(judging_loss(discriminator, both).item(), 0.5 * (real + made), rel_tol=1e-5)


def test_each_of_the_two_learns_from_its_own_loss_alone():
    exhibit, discriminator = exhibit_of_two(), FirstHalf()
    deceiving_loss(discriminator, exhibit).backward()
    assert discriminator.weight.grad is None
    assert exhibit.made.grad[0, 1] != 0
    exhibit.made.grad = None
    judging_loss(discriminator, exhibit).backward()
    assert discriminator.weight.grad != 0
    assert exhibit.made.grad is None


def test_the_verdict_depends_on_the_condition(translator):
    module, images = watched(translator()), stacks()
    module.training_step({"images": images}, 0)
    e = module.exhibit
    other = Exhibit(e.made, e.real, e.condition.flip(0), e.available, e.judged)
    assert not torch.isclose(deceiving_loss(module.discriminator, e), deceiving_loss(module.discriminator, other))


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_misalignment_moves_inputs_and_never_targets(translator, spatial_dims):
    options = {"misalignment": {"translation_mm": 3.0, "rotation_deg": 5.0, "moved": "all_but_first"}}
    module, images = watched(translator("t1+t2->pd", spatial_dims), **options), stacks(spatial_dims)
    module.training_step({"images": images}, 0)
    inputs, _ = module.network.calls[0]
    assert torch.equal(inputs[:, 0], images[:, 0])  # the first input says where the targets are
    for moved, still in zip(inputs[:, 1], images[:, 1], strict=True):
        assert not torch.equal(moved, still)
    assert not torch.equal(inputs[0, 1] - images[0, 1], inputs[1, 1] - images[1, 1])
    assert torch.equal(module.exhibit.real[:, 2], images[:, 2])
    module.validation_step({"images": images}, 0)
    assert torch.equal(module.network.calls[0][0][:, :2], images[:, :2])


def test_a_step_draws_the_same_again_and_other_steps_draw_anew(translator):
    calls = []
    for step in (5, 5, 6):
        module = watched(translator(), misalignment={"translation_mm": 3.0})
        module.global_step = step
        module.training_step({"images": stacks(batch=8)}, 0)
        calls.append(module.network.calls[0])
    (inputs, available), (again, available_again), (other, other_available) = calls
    assert torch.equal(inputs, again)
    assert torch.equal(available, available_again)
    assert not torch.equal(available, other_available)
    assert not torch.equal(inputs, other)


def test_shifts_are_in_millimetres_up_to_the_largest():
    """A dot's way, on voxels of 1 mm in x and 2 mm in y (and 8 mm between slices, which do not move)."""
    dots = torch.zeros(200, 2, 33, 33)
    dots[:, :, 16, 16] = 1.0
    available = torch.ones(200, 2, dtype=torch.bool)
    parameters = MisalignmentParameters(translation_mm=6.0, moved="all_but_first")
    moved = misalign(dots, available, parameters, (1.0, 2.0, 8.0), torch.Generator().manual_seed(0))
    assert torch.equal(moved[:, 0], dots[:, 0])
    ways = torch.stack([(moved[:, 1].sum(axis) * (torch.arange(33) - 16)).sum(1) for axis in (1, 2)], 1)  # (x, y)
    assert (ways.abs().max(0).values <= torch.tensor([6.0, 3.0]) + 1e-3).all()
    assert (ways.abs().max(0).values > torch.tensor([5.5, 2.75])).all()
    assert (ways.mean(0).abs() < torch.tensor([1.0, 0.5])).all()  # standard errors: 0.25 and 0.12


def test_one_available_contrast_moves_if_another_holds_still():
    images, available = torch.rand(300, 3, 8, 8), torch.rand(300, 3) < 0.6
    available[:, 0] |= ~available.any(1)
    moved = misalign(
        images, available, MisalignmentParameters(translation_mm=2.0), SPACING, torch.Generator().manual_seed(0)
    )
    changed = (moved != images).flatten(2).any(2)
    assert not (changed & ~available).any()
    assert torch.equal(changed.sum(1), (available.sum(1) > 1).long())
    shares = changed[available.all(1)].float().mean(0)
    assert (shares > 0.15).all(), "each of them at times"


def test_displacements_are_exact_in_a_training_of_mixed_precision():
    images, available = stacks(), torch.ones(4, 3, dtype=torch.bool)
    arguments = (images, available, MisalignmentParameters(translation_mm=3.0, rotation_deg=5.0), SPACING)
    exact = misalign(*arguments, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(misalign(*arguments, torch.Generator().manual_seed(0)), exact)


def test_any_size_is_padded_as_at_the_door(translator):
    module = watched(translator())
    images = torch.rand(2, 3, 33, 46)
    module.training_step({"images": images}, 0)
    assert module.network.calls[0][0].shape == (2, 3, 40, 48)
    assert module.exhibit.made.shape == images.shape


def test_images_too_small_for_the_discriminator_are_refused_with_the_options_named(translator, tmp_path):
    with pytest.raises(ValueError, match=r"patch_size=\(16, 96, 96\).*adversarial_weight"):
        TranslationParameters(patch_size=(16, 96, 96))
    module = Translation(translator("any", 3), TranslationParameters(discriminator_width=2, **quick(2)), SPACING)
    images = [{"images": torch.rand(3, 24, 40, 40)}] * 4

    class Flat(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, key):
            return images[key[0]]

    with pytest.raises(ValueError, match=r"24×40×40.*grid.*patch_size.*adversarial_weight"):
        fit(module, Flat(), Flat(), module.optimisation, tmp_path, "", [])
    assert TranslationParameters(patch_size=(16, 16, 16), adversarial_weight=0.0).patch_size == (16, 16, 16)


def test_nothing_judges_where_the_adversarial_weight_is_zero(translator):
    assert watched(translator(), adversarial_weight=0.0).discriminator is None
    assert isinstance(watched(translator()).discriminator, PatchDiscriminator)


def quick(steps: int) -> dict:
    every = {"validate_every": steps, "validation_samples": 2, "checkpoint_every": steps}
    options = {"steps": steps, "batch_size": 2, "learning_rate": 1e-2, "ema_decay": 0.0, "accelerator": "cpu"}
    return {"optimisation": options | every}


@pytest.mark.parametrize("scenario", ["any", "t1+t2->pd"])
def test_slices_of_a_store_are_learnt_from(translator, store, tmp_path, scenario):
    parameters = TranslationParameters(discriminator_width=2, minimum_brain_area=0.3, **quick(60))
    module = Translation(translator(scenario), parameters, SPACING)
    before = [weight.clone() for weight in module.discriminator.parameters()]
    training = slice_samples(store, ["a", "b"], parameters, {})
    validation = slice_samples(store, ["c"], parameters, {}, augmented=False)
    history = fit(module, training, validation, parameters.optimisation, tmp_path / "work", "", [])
    assert history["train_loss"].tail(10).mean() < 0.5 * history["train_loss"].head(5).mean()
    assert history["train_psnr_missing"].tail(10).mean() > history["train_psnr_missing"].head(5).mean() + 3
    assert history["val_psnr_missing"].notna().sum() == 1
    assert {"train_discriminator_loss"} <= set(history.columns)
    assert any(not torch.equal(a, b) for a, b in zip(before, module.discriminator.parameters(), strict=True))


def test_patches_of_a_store_are_learnt_from_and_looked_at(translator, store, tmp_path):
    parameters = TranslationParameters(discriminator_width=2, patch_size=(32, 36, 96), **quick(20))
    module = Translation(translator("t1+t2->pd", 3), parameters, SPACING)
    training = patch_samples(store, ["a", "b"], parameters)
    validation = patch_samples(store, ["c", "a"], parameters, augmented=False)
    history = fit(module, training, validation, parameters.optimisation, tmp_path / "work", "", [])
    assert history["train_loss"].tail(3).mean() < 0.6 * history["train_loss"].head(3).mean()
    with Image.open(tmp_path / "work" / "step_000020.png") as picture:
        assert picture.size == (6 * 32, 2 * 36)  # three contrasts, truth and prediction; two samples; slices of 32 × 36
        shown = np.asarray(picture)
    middles = [validation[index, 0]["images"][0, 34 // 2].numpy() for index in (0, 1)]
    assert any(np.array_equal(shown[:36, :32], (middle[::-1] * 255).astype(np.uint8)) for middle in middles)
