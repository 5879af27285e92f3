"""The architecture is the published one, and the switches of its ablations do what they say."""

import pytest
import torch

from mrisynth_pipeline.models.blocks.cagr import CAGRConv
from mrisynth_pipeline.models.blocks.discriminators import PatchDiscriminator
from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture, CodeBrainAutoencoder, CodePredictor

SMALL = {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1}


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("n_modalities", "posterior", "common", "decoder", "stage1", "grader", "discriminator"),
    [
        (3, 3_136_038, 27_853_920, 104_695_107, 135_685_065, 27_879_297, 2_784_192),
        (4, 3_136_326, 27_854_784, 104_695_972, 135_687_082, 27_880_161, 2_794_432),
    ],
)
def test_parameter_counts_are_the_published_ones(
    n_modalities, posterior, common, decoder, stage1, grader, discriminator
):
    with torch.device("meta"):
        network = CodeBrainAutoencoder(n_modalities, CodeBrainArchitecture())
        predictor = CodePredictor(n_modalities, CodeBrainArchitecture())
        critic = PatchDiscriminator(2 * n_modalities, n_modalities)
    assert count(network.posterior_encoder) == posterior
    assert count(network.common_encoder) == common
    assert count(network.decoder) == decoder
    assert count(network) == stage1
    assert count(predictor) == grader
    assert count(critic) == discriminator


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"common_features": False},
        {"quantise": False},
        {"code_objective": "classification"},
        {"levels": [5, 3]},
        {"encoder_conv": "cagr"},
        {"quantiser": "vq", "codebook_size": 16, "codebook_dim": 5},
        {"quantiser": "vq", "quantise": False},
    ],
)
def test_every_switch_imputes_and_learns(switches):
    torch.manual_seed(0)
    method = CodeBrain(("t1", "t2", "pd"), CodeBrainArchitecture(**SMALL, **switches))
    images = torch.rand(2, 3, 24, 32)
    available = torch.tensor([[True, False, False], [True, True, False]])
    assert method.impute(images, available).shape == images.shape
    logits = method.predictor(images, available)
    assert logits.shape == (2, sum(method.predictor.channel_sizes), 3, 4)
    with torch.no_grad():
        values = method.autoencoder.encode(images)
    loss = method.predictor.loss(logits, values)
    loss.backward()
    assert loss > 0
    assert all(w.grad is not None for w in method.predictor.parameters())


def test_adaptive_encoders_add_to_the_plain_ones_and_leave_the_decoder_alone():
    plain = CodeBrain(("t1", "t2", "pd"), CodeBrainArchitecture(**SMALL))
    adaptive = CodeBrain(("t1", "t2", "pd"), CodeBrainArchitecture(**SMALL, encoder_conv="cagr"))
    unknown = adaptive.load_state_dict(plain.state_dict(), strict=False)
    assert not unknown.unexpected_keys
    for part in ("autoencoder.posterior_encoder", "autoencoder.common_encoder", "predictor.encoder"):
        layers = [m for m in adaptive.get_submodule(part).modules() if isinstance(m, CAGRConv)]
        assert len(layers) == 5  # the stem and four blocks
        assert layers[0].n_groups == 3
        assert any(key.startswith(part) for key in unknown.missing_keys)
    assert not any("decoder" in key for key in unknown.missing_keys)


def test_without_common_features_the_decoder_sees_the_codes_alone():
    torch.manual_seed(0)
    network = CodeBrainAutoencoder(2, CodeBrainArchitecture(**SMALL, common_features=False))
    values = torch.rand(1, 6, 2, 2)
    one, other = torch.rand(2, 1, 2, 16, 16)
    available = torch.tensor([[True, False]])
    assert torch.equal(network.decode(values, one, available), network.decode(values, other, available))


def test_logits_that_answer_every_question_right_have_no_loss_and_give_the_codes_back():
    for objective in ("grading", "classification"):
        architecture = CodeBrainArchitecture(**SMALL, code_objective=objective)
        predictor = CodePredictor(2, architecture)
        levels = torch.stack([torch.randint(n, (2, 3, 3)) for n in architecture.levels], dim=1)
        parts = []
        for channel, n in enumerate(architecture.levels):
            level = levels[:, channel, None]
            if objective == "grading":
                parts.append(torch.where(level > torch.arange(n - 1)[:, None, None], 30.0, -30.0))
            else:
                parts.append(torch.where(level == torch.arange(n)[:, None, None], 30.0, -30.0))
        logits = torch.cat(parts, dim=1)
        values = predictor.codes.to_values(levels).float()
        assert predictor.loss(logits, values) < 1e-6
        assert torch.equal(predictor.predicted_levels(logits), levels)
        assert torch.allclose(predictor.predicted_values(logits), values)


def test_grading_counts_the_yeses_even_where_they_contradict_each_other():
    predictor = CodePredictor(2, CodeBrainArchitecture(**SMALL, levels=[4]))
    logits = torch.tensor([-1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)  # "above 0? no. above 1? yes. above 2? yes."
    assert predictor.predicted_levels(logits).item() == 2
