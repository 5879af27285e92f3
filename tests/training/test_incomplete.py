"""CodeBrain on stacks that lack contrasts: what is absent changes nothing, and complete stacks train as ever."""

import lightning
import pytest
import torch
from torch.utils.data import Dataset

from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture
from mrisynth_pipeline.training.autoencoding import Autoencoding, AutoencodingParameters
from mrisynth_pipeline.training.code_prediction import CodePrediction, CodePredictionParameters
from mrisynth_pipeline.training.fit import fit
from mrisynth_pipeline.training.imputation import ImputationTraining
from mrisynth_pipeline.training.parameters import OptimisationParameters

ARCHITECTURE = CodeBrainArchitecture(posterior_width=4, common_width=4, decoder_width=4, depth=1)
OPTIMISATION = OptimisationParameters(
    steps=4, batch_size=3, learning_rate=2e-3, validate_every=2, validation_samples=6, accelerator="cpu"
)


class Stacks(Dataset):
    """Slices of three contrasts; every third lacks one of them, whose channel holds ``filling``, unless complete."""

    def __init__(self, filling: float = 0.0, complete: bool = False) -> None:
        self.filling, self.complete = filling, complete

    def __len__(self) -> int:
        return 9

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(key[0]))
        present = torch.ones(3, dtype=torch.bool)
        if key[0] % 3 == 0 and not self.complete:
            present[key[0] % 2] = False
            image[~present] = self.filling
        return {"images": image, "present": present}


def autoencoding(incomplete: bool) -> ImputationTraining:
    lightning.seed_everything(0, verbose=False)
    method = CodeBrain(("t1", "t2", "pd"), ARCHITECTURE)
    parameters = AutoencodingParameters(
        optimisation=OPTIMISATION, discriminator_width=4, adversarial_start=0.0, incomplete=incomplete
    )
    return Autoencoding(method.autoencoder, 3, parameters)


def code_prediction(incomplete: bool) -> ImputationTraining:
    lightning.seed_everything(0, verbose=False)
    method = CodeBrain(("t1", "t2", "pd"), ARCHITECTURE)
    return CodePrediction(method, CodePredictionParameters(optimisation=OPTIMISATION, incomplete=incomplete))


@pytest.fixture(params=[autoencoding, code_prediction])
def trained(request, tmp_path):
    """Weights and history after a few steps on a data set."""

    def train(data: Dataset, incomplete: bool = True):
        module = request.param(incomplete)
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        history = fit(module, data, data, module.optimisation, folder, "same", [])
        return module.state_dict(), history

    return train


def same(first, second) -> bool:
    weights = all(torch.equal(first[0][name], value) for name, value in second[0].items())
    return weights and first[1].equals(second[1])


@pytest.mark.parametrize("filling", [0.7, float("nan")])
def test_what_stands_in_an_absent_channel_changes_nothing(trained, filling):
    assert same(trained(Stacks(0.0)), trained(Stacks(filling)))


def test_complete_stacks_train_alike_whether_or_not_incomplete_ones_may_come(trained):
    assert same(trained(Stacks(complete=True), incomplete=False), trained(Stacks(complete=True)))
    assert not same(trained(Stacks(complete=True)), trained(Stacks()))


class TestWhatIsAvailable:
    PRESENT = torch.tensor([[True, True, True], [True, False, True], [False, True, True]])

    @pytest.fixture
    def module(self) -> ImputationTraining:
        return ImputationTraining(3, OPTIMISATION)

    def test_complete_samples_draw_as_they_would_without_the_others(self, module):
        images = torch.zeros(3, 3, 4, 4)
        for seed in range(20):
            as_ever = module.draw_available(images, torch.Generator().manual_seed(seed))
            available = module.draw_available(images, torch.Generator().manual_seed(seed), self.PRESENT)
            assert torch.equal(available[0], as_ever[0])

    @pytest.mark.parametrize("repeats", [1, 5])
    def test_it_is_some_but_not_all_of_what_a_sample_has(self, module, repeats):
        present = self.PRESENT.repeat(repeats, 1)
        images = torch.zeros(len(present), 3, 4, 4)
        draws = [module.draw_available(images, torch.Generator().manual_seed(seed), present) for seed in range(20)]
        for available in (*draws, module.validation_available(images, present)):
            assert not (available & ~present).any()
            assert available.any(1).all()
            assert (present & ~available).any(1).all()

    def test_complete_samples_are_validated_on_the_same_subsets(self, module):
        images = torch.zeros(3, 3, 4, 4)
        assert torch.equal(module.validation_available(images, self.PRESENT)[0], module.validation_available(images)[0])


def test_a_discriminator_is_not_shown_what_was_made_of_an_absent_contrast():
    module = autoencoding(incomplete=True)
    shown = []
    module.step_in_turn = lambda loss, exhibit: shown.append(exhibit)
    module.log = lambda *args, **options: None
    samples = [Stacks(0.3)[index, 0] for index in range(3)]
    batch = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
    module.step_generator = lambda: torch.Generator().manual_seed(0)
    module.training_step(batch, 0)
    (exhibit,) = shown
    absent = ~batch["present"]
    assert absent.any()
    assert torch.equal(exhibit.judged, batch["present"])
    for stack in (exhibit.made, exhibit.real, exhibit.condition):
        assert not stack[absent].any()
