"""Training of MMHVAE: from incomplete studies, every observed image and no other; a GAN for what was not observed."""

import copy

import pytest
import torch
from torch.utils.data import Dataset

from mrisynth_pipeline.models.blocks.gaussian_experts import kl_divergence
from mrisynth_pipeline.models.mmhvae import MMHVAE, MMHVAEArchitecture
from mrisynth_pipeline.sampling.subset_groups import draw_group
from mrisynth_pipeline.training.fit import fit
from mrisynth_pipeline.training.hierarchical import HierarchicalParameters, HierarchicalTraining

NAMES = ("t1", "t2", "pd")
ARCHITECTURE = MMHVAEArchitecture(
    levels=3, width=4, max_width=8, expansion=2, head_width=4, head_blocks=0, head_kernel=3
)
SIZE = (32, 36)
OPTIMISATION = {
    "steps": 10, "batch_size": 3, "learning_rate": 5e-3, "final_learning_rate": 1e-4, "ema_decay": 0.5,
    "validate_every": 5, "validation_samples": 3, "checkpoint_every": 2, "accelerator": "cpu",
}  # fmt: skip
PRESENT = torch.tensor([[True, True, True], [True, False, True], [False, True, False]])


class Studies(Dataset):
    """Slices whose contrasts follow from one hidden smooth image; sample k has what ``PRESENT`` says."""

    def __init__(self, fill: float = 0.0, complete: bool = False, broken_after: int | None = None) -> None:
        self.fill, self.complete, self.left = fill, complete, broken_after

    def __len__(self) -> int:
        return 9

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("power cut")
        coarse = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(key[0]))
        image = torch.nn.functional.interpolate(coarse, size=SIZE, mode="bilinear")[0, 0] * 0.8 + 0.1
        present = torch.ones(3, dtype=torch.bool) if self.complete else PRESENT[key[0] % 3]
        stack = torch.stack([image, 1 - image, image**2])
        return {"images": torch.where(present[:, None, None], stack, torch.tensor(self.fill)), "present": present}


def training(**options) -> HierarchicalTraining:
    torch.manual_seed(0)
    options = {"discriminator_width": 4, "pool_size": 4, "optimisation": OPTIMISATION} | options
    return HierarchicalTraining(MMHVAE(NAMES, ARCHITECTURE), HierarchicalParameters(**options), SIZE)


def batch(fill: float = 0.0) -> dict[str, torch.Tensor]:
    samples = [Studies(fill)[number, 0] for number in range(3)]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


class Watched(HierarchicalTraining):
    """Keeps the loss and the fakes of a step instead of learning; the step can be chosen."""

    global_step = 0

    def step_network(self, loss):
        self.loss = loss

    def step_discriminators(self, images, present, made, generator):
        self.made = made

    def log(self, *_, **__):
        pass


def watched(step: int = 0, **options) -> Watched:
    made = training(**options)
    module = Watched(made.network, made.settings, SIZE)
    module.load_state_dict(made.state_dict())
    module.global_step = step
    return module


def gradient(module: Watched, data: dict[str, torch.Tensor]) -> torch.Tensor:
    module.training_step(data, 0)
    module.loss.backward()
    grads = [w.grad.flatten() for w in module.network.parameters() if w.grad is not None]
    module.network.zero_grad()
    return torch.cat(grads)


class TestLoss:
    @pytest.mark.parametrize("fill", [7.0, float("nan")])
    def test_what_a_missing_channel_holds_changes_no_gradient(self, fill):
        expected = gradient(watched(step=9), batch())
        assert torch.isfinite(expected).all()
        assert torch.equal(gradient(watched(step=9), batch(fill)), expected)

    def test_is_the_error_of_what_is_there_and_the_divergence_of_all_levels(self):
        module = watched(step=5, subset_groups=("all",), kl_weight=0.5, adversarial_weight=0.0)
        data = batch()
        module.training_step(data, 0)
        images = torch.where(PRESENT[:, :, None, None], data["images"], 0.0)
        descent = module.network.descend(
            module.network.encode(images, PRESENT), PRESENT, SIZE, generator=_after_draws(module)
        )
        made = module.network.decode(descent.finest)
        l1 = torch.stack([(made - images)[s, m].abs().mean() for s, m in PRESENT.nonzero().tolist()]).mean()
        nats = sum(kl_divergence(level.posterior, level.prior).sum() for level in descent.levels) / 3
        expected = l1 + 0.5 * nats / (3 * SIZE[0] * SIZE[1])
        torch.testing.assert_close(module.loss, expected)

    def test_the_divergence_is_ramped(self):
        data = batch()
        losses = []
        for step in (0, 5):
            module = watched(step=step, kl_weight=10.0, kl_ramp=1.0, adversarial_weight=0.0)
            module.step_generator = lambda shared=False: torch.Generator().manual_seed(0)
            module.training_step(data, 0)
            losses.append(module.loss.item())
        assert losses[1] > losses[0]

    def test_free_bits_are_a_floor_for_each_level(self):
        module = watched(step=5, adversarial_weight=0.0, free_bits=1e3, kl_weight=1.0)
        module.training_step(batch(), 0)
        images = batch()["images"]
        descent = module.network.descend(
            module.network.encode(images, PRESENT), PRESENT.repeat(2, 1), SIZE, generator=torch.Generator()
        )
        variables = sum(level.prior.mean[0].numel() for level in descent.levels)
        kl = module.divergence(descent, images, torch.tensor([0.5, 0.5]))
        assert kl.item() == pytest.approx(1e3 * variables / images[0].numel(), rel=1e-4)

    def test_agreement_is_zero_only_where_a_subset_says_what_all_say(self):
        module = watched(agreement_weight=1.0)
        images = batch()["images"]
        alone = torch.tensor([[True, False, False]] * 3)
        encodings = module.network.encode(images, alone)
        descent = module.network.descend(encodings, alone.repeat(2, 1), SIZE, generator=torch.Generator())
        assert module.disagreement(descent).item() == pytest.approx(0.0, abs=1e-5)
        everyone = torch.ones(3, 3, dtype=torch.bool)
        encodings = module.network.encode(images, everyone)
        descent = module.network.descend(encodings, everyone.repeat(2, 1), SIZE, generator=torch.Generator())
        assert module.disagreement(descent).item() > 0.1

    @pytest.mark.parametrize(
        ("weights", "words"), [((1.0,), "2 subset_groups"), ((0.0, 0.0), "not all 0"), ((1.0, -1.0), "0 or more")]
    )
    def test_weights_must_fit_the_groups(self, weights, words):
        with pytest.raises(ValueError, match=words):
            HierarchicalParameters(group_weights=weights)

    def test_a_group_must_fit_the_study(self):
        with pytest.raises(ValueError, match="'us' names"):
            training(subset_groups=("all", "us"))


def _after_draws(module: Watched) -> torch.Generator:
    """The generator of a step's latents."""
    generator = module.step_generator()
    for group in module.settings.subset_groups:
        draw_group(group, PRESENT, NAMES, generator)
    torch.rand((), generator=generator)
    return torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=generator)))


class TestGAN:
    def test_with_the_pool_contrasts_that_a_subject_lacks_are_judged_too(self):
        made = {}
        for pool in (True, False):
            module = watched(step=9, pool=pool, subset_groups=("all",))
            module.training_step(batch(), 0)
            made[pool] = [len(fakes) for fakes in module.made]
        assert made[True] == [1, 1, 1]  # what each of the three lacks: pd and t1 one each, t2 one
        assert made[False] == [0, 0, 0]

    def test_fakes_are_of_subsets_that_lack_the_contrast(self):
        module = watched(step=9, subset_groups=("t1",))
        module.training_step({"images": batch()["images"], "present": torch.ones(3, 3, dtype=torch.bool)}, 0)
        assert [len(fakes) for fakes in module.made] == [0, 3, 3]

    def test_it_comes_in_late(self):
        module = watched(step=5)
        module.training_step(batch(), 0)
        assert not hasattr(module, "made")

    def test_it_reaches_the_network_through_contrasts_that_nobody_in_the_batch_has(self):
        data = batch()
        data["present"] = torch.tensor([[True, False, False]] * 3)
        head = {}
        for pool in (True, False):
            module = watched(step=9, pool=pool, subset_groups=("all",))
            module.training_step(data, 0)
            module.loss.backward()
            head[pool] = module.network.heads[1].layers[-1].weight.grad
        assert head[True].abs().sum() > 0
        assert head[False] is None or head[False].abs().sum() == 0


class TestFit:
    def test_learns_from_incomplete_studies(self, tmp_path):
        module = training(optimisation=OPTIMISATION | {"steps": 60, "validate_every": 30}, agreement_weight=1e-3)
        before = copy.deepcopy(module).eval()
        held_out = [Studies(complete=True)[number, 0] for number in range(9)]
        images = torch.stack([sample["images"] for sample in held_out])
        available = torch.tensor([[True, False, False]]).expand(9, -1)

        def error(trained: HierarchicalTraining) -> float:
            return (trained.network.impute(images, available) - images).abs()[:, 1:].mean().item()

        history = fit(module, Studies(), Studies(), module.optimisation, tmp_path, "x", [])
        assert error(module) < 0.7 * error(before)
        assert {"val_psnr_missing", "val_psnr_reconstruction", "train_kl"} <= set(history)
        assert not list(tmp_path.glob("*.ckpt"))

    def test_a_killed_training_ends_as_if_it_had_not_been(self, tmp_path):
        whole = training()
        fit(whole, Studies(), Studies(), whole.optimisation, tmp_path / "whole", "x", [])
        with pytest.raises(RuntimeError, match="power cut"):
            fit(training(), Studies(broken_after=27), Studies(), whole.optimisation, tmp_path / "cut", "x", [])
        resumed = training()
        fit(resumed, Studies(), Studies(), whole.optimisation, tmp_path / "cut", "x", [])
        for name, value in whole.state_dict().items():
            assert torch.equal(value, resumed.state_dict()[name]), name

    def test_the_best_weights_of_the_last_phase_are_kept(self, tmp_path, monkeypatch):
        scores = iter([30.0, 10.0, 25.0, 20.0])
        seen = {}

        class Scored(HierarchicalTraining):
            def validation_step(self, data, batch_idx):
                self.log(self.best_metric, next(scores), batch_size=3)
                seen[self.global_step] = copy.deepcopy(self.network.state_dict())

        made = training(adversarial_start=0.4, optimisation=OPTIMISATION | {"steps": 8, "validate_every": 2})
        module = Scored(made.network, made.settings, SIZE)
        fit(module, Studies(), Studies(), module.optimisation, tmp_path, "x", [])
        for name, value in seen[6].items():  # step 2 was better, but before the GAN came in
            assert torch.equal(value, module.network.state_dict()[name]), name

    def test_validation_is_the_same_each_time(self):
        module = training().eval()
        found = []
        module.log = lambda name, value, **_: found.append((name, float(value)))
        for _ in range(2):
            module.validation_step(batch(), 0)
        assert found[:2] == found[2:]
        assert {name for name, _ in found} == {"val_psnr_missing", "val_psnr_reconstruction"}
