"""CodeBrain with vector codes: in all but the quantiser it is CodeBrain, and only the training moves the codebook."""

import copy
import json

import pytest
import torch

from mrisynth_pipeline.models.blocks.quantisers import PlanarVectorCodes
from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture, CodePredictor
from mrisynth_pipeline.models.packaging import TrainedModel, load_model, save_model

MODALITIES = ("t1", "t2", "pd")
SMALL = {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1}
VECTORS = SMALL | {"quantiser": "vq", "codebook_size": 16, "codebook_dim": 5}
AVAILABLE = torch.tensor([[True, False, False], [True, True, False]])


@pytest.fixture
def codes() -> PlanarVectorCodes:
    torch.manual_seed(0)
    made = PlanarVectorCodes(size=16, dim=5, decay=0.9)
    made.learn(torch.randn(4, 5, 6, 6))
    return made


@pytest.fixture
def method() -> CodeBrain:
    """In training mode, the codebook started from features."""
    torch.manual_seed(0)
    method = CodeBrain(MODALITIES, VECTORS)
    method.autoencoder.learn(torch.rand(2, 3, 32, 32), AVAILABLE)
    return method


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class TestQuantiser:
    def test_levels_and_values_are_inverse_for_every_code(self, codes):
        assert codes.levels == (16,)
        levels = torch.arange(16).view(1, 1, 4, 4)
        assert torch.equal(codes.to_levels(codes.to_values(levels)), levels)
        assert torch.equal(codes.to_indices(levels), levels[:, 0])

    @pytest.mark.parametrize("training", [True, False])
    def test_values_are_the_nearest_codes_as_the_library_has_them(self, codes, training):
        features = torch.randn(2, 5, 3, 4)
        indices = codes.eval().vectors(features[:, :, None])[1][:, 0]
        codes.train(training)
        assert torch.equal(codes.to_levels(features)[:, 0], indices)
        torch.testing.assert_close(codes(features), codes.vectors.vq.codebook[indices].movedim(-1, 1))
        assert torch.equal(codes.to_levels(codes(features)), codes.to_levels(features)), "a value is nearest to itself"

    def test_the_gradient_passes_through(self, codes):
        features = torch.randn(1, 5, 2, 2, requires_grad=True)
        codes(features).sum().backward()
        assert torch.equal(features.grad, torch.ones_like(features))

    def test_the_commitment_loss_is_the_squared_distance_and_draws_features_to_their_codes(self, codes):
        features = torch.randn(2, 5, 3, 4, requires_grad=True)
        nearest = codes(features).detach()
        _, loss = codes.learn(features)
        assert loss.item() == pytest.approx((features - nearest).square().mean().item(), rel=1e-5)
        loss.backward()
        assert (features.grad * (features - nearest) >= 0).all()
        assert codes.eval().learn(features)[1] == 0

    def test_it_stays_in_single_precision_under_autocast(self, codes):
        features = torch.randn(1, 5, 8, 8).bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            values, learned = codes(features), codes.learn(features)[0]
        assert values.dtype == learned.dtype == torch.float32

    def test_only_learning_in_training_moves_the_codebook(self, codes):
        before, features = state(codes), 3 + torch.randn(2, 5, 4, 4)
        for ask in (codes, codes.to_levels, codes.eval().learn, codes):
            ask(features)
            assert same(state(codes), before)
        codes.train().learn(features)
        assert not same(state(codes), before)

    def test_a_codebook_that_has_learned_nothing_does_not_start_in_evaluation(self):
        codes = PlanarVectorCodes(size=16, dim=5, decay=0.9)
        before = state(codes)
        codes.eval().learn(torch.randn(1, 5, 4, 4))
        codes(torch.randn(1, 5, 4, 4))
        assert same(state(codes), before)

    def test_it_starts_from_fewer_features_than_codes(self):
        torch.manual_seed(0)
        codes, features = PlanarVectorCodes(size=64, dim=5, decay=0.9), torch.randn(1, 5, 3, 2)
        for _ in range(3):
            values, loss = codes.learn(features)
        assert values.isfinite().all()
        assert loss < 1e-3, "six features and 64 codes: each has its own"
        assert len(codes.to_levels(features).unique()) == 6


class TestMethod:
    def test_codes_are_classes_whatever_the_objective(self):
        for objective in ("grading", "classification"):
            predictor = CodeBrain(MODALITIES, VECTORS | {"code_objective": objective}).predictor
            assert predictor.objective == "classification"
            assert predictor.channel_sizes == [16]

    def test_logits_that_name_every_code_have_no_loss_and_give_the_codes_back(self, method):
        levels = torch.randint(16, (2, 1, 3, 3))
        logits = torch.where(levels == torch.arange(16)[:, None, None], 30.0, -30.0)
        values = method.autoencoder.codes.to_values(levels)
        assert method.predictor.loss(logits, values) < 1e-6
        assert torch.equal(method.predictor.predicted_levels(logits), levels)
        assert torch.equal(method.predictor.predicted_values(logits), values)

    def test_there_is_one_codebook_and_the_predictor_follows_it(self, method):
        assert not any("predictor" in name and "codes" in name for name in method.state_dict())
        for one in (method, copy.deepcopy(method)):
            assert one.predictor.codes is one.autoencoder.codes
        with pytest.raises(ValueError, match="give its codes"):
            CodePredictor(3, CodeBrainArchitecture.model_validate(VECTORS))

    def test_to_encode_leaves_the_codebook_as_it_is_in_training_too(self, method):
        before = state(method)
        method.autoencoder.encode(torch.rand(2, 3, 32, 32))
        method.autoencoder(torch.rand(2, 3, 32, 32), AVAILABLE)
        method.impute(torch.rand(2, 3, 32, 32), AVAILABLE)
        assert same(state(method), before)

    @pytest.mark.parametrize("part", ["method", "autoencoder"])
    def test_it_is_the_same_after_a_round_trip(self, method, tmp_path, part):
        network = method.eval() if part == "method" else method.autoencoder.eval()
        save_model(TrainedModel(network, {}), tmp_path / "model")
        loaded = load_model(tmp_path / "model").network
        assert same(state(loaded), state(network))
        images = torch.rand(2, 3, 24, 24)
        ask = (lambda n: n.impute(images, AVAILABLE)) if part == "method" else (lambda n: n(images, AVAILABLE)[0])
        assert torch.equal(ask(loaded), ask(network))
        card = json.loads((tmp_path / "model" / "model_card.json").read_text())
        assert card["construction"]["architecture"]["quantiser"] == "vq"

    def test_without_quantisation_there_is_no_codebook_whatever_the_quantiser(self):
        plain, asked = (CodeBrain(MODALITIES, SMALL | {"quantise": False, "quantiser": q}) for q in ("fsq", "vq"))
        assert plain.state_dict().keys() == asked.state_dict().keys()
        assert asked.predictor.objective == "regression"


def test_a_card_from_before_vector_codes_is_read_as_fsq():
    old = {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1, "levels": [8, 5, 5]}
    method = CodeBrain(MODALITIES, old)
    assert method.autoencoder.codes.levels == (8, 5, 5)
    assert not any("codes" in name for name in method.state_dict())
