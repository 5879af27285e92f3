"""ResUNet and AGI-Net: what goes in, what is replaced, what a fixed scenario sees, and volumes in windows."""

import pytest
import torch
from torch import nn

from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.blocks.cagr import CAGRConv
from mrisynth_pipeline.models.resunet import ResUNet

MODALITIES = ("t1", "t2", "pd")
AVAILABLE = torch.tensor([[True, False, True], [False, True, False]])


def unet(kind: type[ResUNet] = AGINet, **architecture) -> ResUNet:
    torch.manual_seed(0)
    return kind(MODALITIES, {"widths": (4, 8, 12), "window": (16, 16, 16), **architecture}).eval()


def images(*size: int) -> torch.Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("kind", [ResUNet, AGINet])
@pytest.mark.parametrize("size", [(16, 12), (13, 31), (9, 7, 5), (5, 18, 17)])
def test_any_size_is_imputed_whatever_missing_channels_hold(kind, size):
    method, stack = unet(kind, spatial_dims=len(size)), images(*size)
    imputed = method.impute(stack, AVAILABLE)
    assert imputed.shape == stack.shape
    assert torch.isfinite(imputed).all()
    stack[~AVAILABLE] = torch.nan
    assert torch.equal(method.impute(stack, AVAILABLE), imputed)


@pytest.mark.parametrize("kind", [ResUNet, AGINet])
@pytest.mark.parametrize("size", [(16, 24), (8, 16, 8)])
def test_every_weight_learns_from_a_batch_with_rubbish_in_missing_channels(kind, size):
    method, stack = unet(kind, spatial_dims=len(size)).train(), images(*size)
    stack[~AVAILABLE] = torch.nan
    out = method(stack, AVAILABLE)
    assert out.shape == stack.shape
    out.square().mean().backward()
    for name, weight in method.named_parameters():
        assert torch.isfinite(weight.grad).all(), name
        # Behind these comes an instance normalisation, which takes a constant out again.
        if not name.endswith("bias"):
            assert weight.grad.abs().sum() > 0, name


def test_each_contrast_is_followed_by_its_availability():
    stack = images(4, 4)
    channels = unet(ResUNet).channels(stack, AVAILABLE)
    assert torch.equal(channels[:, 0::2], stack * AVAILABLE[..., None, None])
    assert torch.equal(channels[:, 1::2], AVAILABLE[..., None, None].expand_as(stack).float())


def test_a_black_image_is_not_a_missing_one():
    """Instance normalisation takes constants out; the stem keeps it from swallowing the availability."""
    for kind in (ResUNet, AGINet):
        method, stack = unet(kind), images(16, 16)
        stack[:, 1] = 0
        there, missing = torch.ones(2, 3, dtype=torch.bool), torch.tensor([[True, False, True]] * 2)
        with torch.no_grad():
            assert (method(stack, there) - method(stack, missing)).abs().mean() > 1e-3


def test_none_is_exactly_the_plain_network():
    plain, adaptive = unet(ResUNet), unet(AGINet, strategy="none")
    assert set(plain.state_dict()) == set(adaptive.state_dict())
    assert torch.equal(plain.impute(images(16, 16), AVAILABLE), adaptive.impute(images(16, 16), AVAILABLE))
    assert adaptive.offsets(images(16, 16), AVAILABLE) == {}


@pytest.mark.parametrize(
    ("strategy", "where"),
    [
        ("all", {"down.0", "down.1", "down.2", "encoder.0", "encoder.1", "encoder.2", "decoder.0", "decoder.1"}),
        ("encoder", {"down.0", "down.1", "encoder.0", "encoder.1"}),
        ("bottleneck", {"down.2", "encoder.2"}),
    ],
)
def test_a_strategy_replaces_the_convolutions_it_names(strategy, where):
    method = unet(strategy=strategy)
    adaptive = {name for name, _ in method.adaptive_layers()}
    assert {".".join(name.split(".")[1:3]) for name in adaptive} == where
    plain = dict(unet(ResUNet).named_modules())
    for name, layer in method.named_modules():
        if name in adaptive:
            assert plain[name].kernel_size == (3, 3)
            assert plain[name].weight.shape == layer.weight.shape
            assert layer.n_groups == (3 if name == "network.down.0.0" else 4)
        elif getattr(layer, "kernel_size", None) == (3, 3):
            assert not any(name.startswith(f"network.{part}.") or name == f"network.{part}" for part in where)


@pytest.mark.parametrize("size", [(16, 16), (8, 16, 16)])
def test_offsets_of_every_adaptive_layer_are_told(size):
    method, stack = unet(spatial_dims=len(size)), images(*size)
    offsets = method.offsets(stack, AVAILABLE)
    assert set(offsets) == {name for name, _ in method.adaptive_layers()}
    assert list(offsets)[:2] == ["network.down.0.0", "network.encoder.0.layers.0"]  # in the order in which they run
    assert offsets["network.down.0.0"].shape == (2, 3, len(size))
    assert torch.equal(
        offsets["network.down.0.0"], method.network.down[0][0].route(method.channels(stack, AVAILABLE))[0]
    )
    assert all((values.abs() < 1).all() and (values != 0).any() for values in offsets.values())
    assert not any(layer._forward_pre_hooks for layer in method.modules())


@pytest.mark.parametrize("kind", [ResUNet, AGINet])
def test_a_fixed_scenario_sees_its_inputs_alone(kind):
    method, stack = unet(kind, scenario="t1->pd"), images(16, 16)
    every = torch.tensor([[True, True, False]] * 2)
    expected = method.impute(stack, every)[:, 2]
    stack[:, 1] = torch.rand_like(stack[:, 1])
    assert torch.equal(method.impute(stack, every)[:, 2], expected)
    stack[:, 0] = torch.rand_like(stack[:, 0])
    assert not torch.equal(method.impute(stack, every)[:, 2], expected)


def test_a_fixed_scenario_covers_what_it_was_made_for():
    method = unet(ResUNet, scenario="t1+t2->pd")
    both, one = torch.tensor([True, True, False]), torch.tensor([True, False, False])
    assert method.covers(both, 2)
    assert not method.covers(one, 2)
    assert not method.covers(torch.tensor([True, False, True]), 1)
    assert unet(ResUNet, scenario="t1->t2+pd").covers(one, 1)


def test_wrong_architectures_are_refused_in_words():
    with pytest.raises(ValueError, match="the study has t1, t2, pd"):
        unet(scenario="t1->flair")
    with pytest.raises(ValueError, match="n_groups=4 does not divide the 6 input channels"):
        unet(widths=(6, 12))
    with pytest.raises(ValueError, match="must be divisible by 4"):
        unet(spatial_dims=3, window=(16, 18, 16))


@pytest.mark.parametrize("kind", [ResUNet, AGINet])
def test_a_volume_of_one_window_is_one_pass(kind):
    method, stack = unet(kind, spatial_dims=3, window=(20, 16, 12)), images(12, 16, 20).clamp(min=0.01)
    with torch.no_grad():  # conf says x, y, z
        assert torch.allclose(method.predict(stack, AVAILABLE), method(stack, AVAILABLE), atol=1e-5)


def test_beyond_the_head_a_volume_stays_black_and_empty_windows_are_not_asked(monkeypatch):
    method, stack = unet(ResUNet, spatial_dims=3, window=(8, 8, 8)), images(16, 16, 32)
    head = torch.zeros(16, 16, 32, dtype=torch.bool)
    head[4:12, 4:12, 2:10] = True
    asked, forward = [], method.network.forward
    monkeypatch.setattr(method.network, "forward", lambda channels: asked.append(1) or forward(channels))
    out = method.impute(stack.clamp(min=0.01) * head, AVAILABLE)
    missing = out[~AVAILABLE]
    assert (missing[..., ~head] == 0).all()
    assert (missing[..., head] != 0).any()
    assert len(asked) < 2 * 3 * 3 * 7, "windows with half overlap, both samples"


def test_windows_never_exceed_their_size_and_know_their_own_sample(monkeypatch):
    method, stack = unet(ResUNet, spatial_dims=3, window=(8, 8, 4)), images(12, 16, 20)
    seen = []

    def network(channels):
        seen.append(tuple(channels.shape))
        return channels[:, 0::2] + channels[:, 1::2]

    monkeypatch.setattr(method.network, "forward", network)
    out = method.predict(stack, AVAILABLE)
    have = AVAILABLE[..., None, None, None].float()
    assert set(seen) == {(1, 6, 4, 8, 8)}
    assert torch.allclose(out, stack * have + have, atol=1e-5)


@pytest.mark.parametrize(
    ("adaptive", "plain"), [((16, 32, 64, 128), (17, 33, 67, 134)), ((64, 128, 256, 512), (66, 132, 264, 528))]
)
def test_widths_can_be_matched_in_parameters(adaptive, plain):
    """A comparison of the two is at equal parameters; these widths give it within 1 %."""
    with torch.device("meta"):
        ratio = count(ResUNet(("a", "b", "c", "d"), {"widths": plain})) / count(
            AGINet(("a", "b", "c", "d"), {"widths": adaptive})
        )
    assert abs(ratio - 1) < 0.01


def test_two_dimensions_and_three_share_one_class():
    flat, solid = unet(), unet(spatial_dims=3)
    assert set(flat.state_dict()) == set(solid.state_dict())
    assert all(isinstance(layer, CAGRConv) for _, layer in solid.adaptive_layers())
