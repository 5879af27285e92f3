"""The rolled convolution against its definition: explicit rolls, explicit loops, finite differences."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional

from mrisynth_pipeline.models.blocks.cagr import CAGRConv, roll_kernels

PLAIN = {2: nn.Conv2d, 3: nn.Conv3d}


def layer(dims: int = 2, channels: int = 8, out: int = 6, **options) -> CAGRConv:
    """A layer in evaluation mode whose heads say something else for every sample."""
    torch.manual_seed(0)
    made = CAGRConv(dims, channels, out, **{"padding": 1, **options}).eval()
    for name, weight in made.named_parameters():
        if "head" in name or "attention" in name:
            nn.init.normal_(weight, std=1.0)
    return made


def images(dims: int = 2, channels: int = 8, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, channels, *(7, 6, 5)[:dims], generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dims", [2, 3])
def test_no_offset_and_no_scale_leave_the_kernel_alone(dims):
    weight = torch.randn(5, 8, *(3,) * dims)
    kernels = roll_kernels(weight, torch.zeros(2, 4, dims), torch.ones(2, 4))
    assert torch.equal(kernels, weight.expand(2, *weight.shape))


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("dims", [2, 3])
def test_whole_offsets_roll_each_group_as_torch_does(dims, size):
    weight = torch.randn(4, 6, *(size,) * dims)
    axes = tuple(range(2, 2 + dims))
    for step in product((-2, -1, 0, 1, 3), repeat=dims):
        offsets = torch.tensor([[step, [0] * dims]], dtype=torch.float32)
        kernels = roll_kernels(weight, offsets, torch.tensor([[2.0, -1.0]]))[0]
        assert torch.allclose(kernels[:, :3], 2 * weight[:, :3].roll(step, axes), atol=1e-6)
        assert torch.allclose(kernels[:, 3:], -weight[:, 3:], atol=1e-6)


@pytest.mark.parametrize("dims", [2, 3])
def test_real_offsets_blend_the_neighbouring_rolls(dims):
    """Four rolls in 2D, eight in 3D, each weighted by the product of its distances."""
    weight = torch.randn(4, 2, *(3,) * dims)
    offset = torch.tensor([0.3, -0.6, -0.1])[:dims]
    blend = torch.zeros_like(weight)
    for corner in product((0, 1), repeat=dims):
        step = offset.floor() + torch.tensor(corner)
        share = (1 - (offset - step).abs()).prod()
        blend += share * weight.roll([int(s) for s in step], tuple(range(2, 2 + dims)))
    kernels = roll_kernels(weight, offset.expand(1, 1, dims), torch.ones(1, 1))
    assert torch.allclose(kernels[0], blend, atol=1e-6)


def test_zero_fill_drops_what_rolling_would_bring_round():
    weight = torch.rand(1, 1, 3, 3) + 1
    kernel = roll_kernels(weight, torch.tensor([[[1.0, 0.0]]]), torch.ones(1, 1), wrap=False)[0]
    assert (kernel[0, 0, 0] == 0).all()
    assert torch.equal(kernel[0, 0, 1:], weight[0, 0, :2])
    half = roll_kernels(weight, torch.tensor([[[0.0, -0.5]]]), torch.ones(1, 1), wrap=False)[0, 0, 0]
    assert torch.allclose(half[:, 2], weight[0, 0, :, 2] / 2)


def test_offsets_have_a_gradient_also_at_zero():
    offsets = torch.zeros(1, 1, 2, requires_grad=True)
    kernel = roll_kernels(torch.rand(1, 1, 3, 3), offsets, torch.ones(1, 1))
    (kernel * torch.arange(9.0).reshape(3, 3)).sum().backward()
    assert (offsets.grad != 0).all()


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"dilation": 2, "padding": 2}, {"groups": 2}, {"bias": False}])
@pytest.mark.parametrize("dims", [2, 3])
def test_without_attention_and_routing_it_is_the_plain_convolution(dims, options):
    made, x = layer(dims, attention=False, rolling="none", **options), images(dims)
    plain = PLAIN[dims](8, 6, 3, **{"padding": 1, **options})
    assert set(made.state_dict()) == set(plain.state_dict())
    plain.load_state_dict(made.state_dict())
    assert torch.equal(made(x), plain(x))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2},
        {"dilation": 2, "padding": 2},
        {"groups": 2},
        {"groups": 8, "out": 8},
        {"groups": 8, "out": 16},
        {"kernel_size": 5, "padding": 2},
        {"attention": False},
        {"rolling": "zero_fill"},
        {"rolling": "frozen"},
        {"rolling": "none"},
        {"bias": False, "n_groups": 1},
    ],
)
@pytest.mark.parametrize("dims", [2, 3])
def test_it_is_attention_then_a_convolution_with_each_samples_own_kernel(dims, options):
    """Spelled out: x ⊙ A, the weight of each input channel's group rolled with torch.roll, sample by sample."""
    made, x = layer(dims, **options), images(dims)
    offsets, scales = made.route(x)
    attention = made.attend(x)
    assert offsets.shape == (3, made.n_groups, dims)
    expected = []
    for sample in range(3):
        weight = torch.zeros_like(made.weight)
        for out, slot in product(*map(range, made.weight.shape[:2])):
            channel = out // (len(weight) // made.groups) * weight.shape[1] + slot
            group = channel // (8 // made.n_groups)
            rolled = roll_kernels(
                made.weight[out, slot][None, None],
                offsets[sample, group][None, None],
                scales[sample, group][None, None],
                wrap=made.rolling != "zero_fill",
            )
            weight[out, slot] = rolled[0, 0, 0]
        weighted = x[sample, None] * attention[sample].reshape(1, -1, *(1,) * dims)
        convolution = {2: functional.conv2d, 3: functional.conv3d}[dims]
        expected.append(convolution(weighted, weight, made.bias, made.stride, made.padding, made.dilation, made.groups))
    assert torch.allclose(made(x), torch.cat(expected), atol=1e-5)


def test_the_controls_do_what_their_names_say():
    x = images()
    results = {rolling: layer(rolling=rolling) for rolling in ("circular", "zero_fill", "frozen", "none")}
    offsets, scales = results["circular"].route(x)
    assert offsets.abs().max() > 0.1
    assert offsets.abs().max() < 1
    assert not torch.equal(offsets[0], offsets[1])
    assert (scales - 1).abs().max() > 0.1
    for control in ("frozen", "none"):
        assert (results[control].route(x)[0] == 0).all()
    assert (results["frozen"].route(x)[1] - 1).abs().max() > 0.1
    assert (results["none"].route(x)[1] == 1).all()
    assert not any("head" in name for name, _ in results["none"].named_parameters())
    for control in ("zero_fill", "frozen", "none"):
        assert not torch.allclose(results["circular"](x), results[control](x), atol=1e-3)


def test_attention_lets_groups_see_each_other():
    """Group 0's weights depend on group 3's channels through the shuffled descriptors alone."""
    made, x = layer(channels=16), images(channels=16)
    before = made.attend(x)
    x[:, 12:] += 5
    assert not torch.allclose(made.attend(x)[:, :4], before[:, :4])
    assert (layer(attention=False).attend(x) == 1).all()


def test_a_new_layer_is_nearly_a_plain_convolution():
    torch.manual_seed(0)
    made = CAGRConv(2, 32, 32, padding=1).eval()
    x = torch.randn(2, 32, 24, 24)
    plain = functional.conv2d(x, made.weight, made.bias, padding=1)
    ratio = torch.linalg.vector_norm(made(x) - plain) / torch.linalg.vector_norm(plain)
    assert 0 < ratio < 0.35
    assert (made.route(x)[0].abs() < 0.25).all()


@pytest.mark.parametrize("rolling", ["circular", "zero_fill", "frozen", "none"])
@pytest.mark.parametrize("groups", [1, 4])
def test_gradients_agree_with_finite_differences(rolling, groups):
    made = layer(channels=4, out=4, groups=groups, rolling=rolling, stride=2, n_groups=2).double()
    x = torch.randn(2, 4, 5, 4, dtype=torch.float64, requires_grad=True)
    names, weights = zip(*made.named_parameters(), strict=True)

    def run(x, *weights):
        return torch.func.functional_call(made, dict(zip(names, weights, strict=True)), x)

    assert torch.autograd.gradcheck(run, (x, *weights), eps=1e-6, atol=1e-6)


def test_gradients_agree_with_finite_differences_in_3d():
    made = layer(3, channels=2, out=2, n_groups=2).double()
    x = torch.randn(2, 2, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(made, (x,), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 8])
def test_samples_of_a_batch_do_not_see_each_other(groups):
    made, x = layer(out=8, groups=groups), images()
    assert torch.allclose(made(x), torch.cat([made(sample[None]) for sample in x]), atol=1e-5)


def test_memory_layout_does_not_matter():
    made, x = layer(), images()
    assert torch.allclose(made(x.to(memory_format=torch.channels_last)), made(x), atol=1e-5)


def test_half_precision_routes_in_single():
    made, x = layer(), images()
    with torch.autocast("cpu", torch.bfloat16):
        offsets, scales = made.route(x.bfloat16())
        out = made(x.bfloat16())
        out.float().sum().backward()
    assert offsets.dtype == scales.dtype == torch.float32
    assert out.dtype == torch.bfloat16
    exact = made(x)
    assert torch.linalg.vector_norm(out.float() - exact) < 0.03 * torch.linalg.vector_norm(exact)
    assert all(torch.isfinite(weight.grad).all() for weight in made.parameters())


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match="n_groups=4 does not divide the 6 input channels"):
        CAGRConv(2, 6, 8)
    with pytest.raises(ValueError, match="odd size, got 2"):
        CAGRConv(2, 8, 8, kernel_size=2)


def test_offsets_can_be_learned():
    """The target is the layer's own kernel rolled: descent on the offset head alone finds by how much."""
    made = layer(channels=4, out=4, attention=False, n_groups=1, dropout=0.0)
    nn.init.normal_(made.offset_head.weight, std=0.05)
    nn.init.zeros_(made.scale_head.weight)
    nn.init.zeros_(made.scale_head.bias)
    x = torch.randn(4, 4, 16, 16)
    wanted = torch.tensor([0.5, -0.4])
    kernel = roll_kernels(made.weight.detach(), wanted.expand(1, 1, 2), torch.ones(1, 1))[0]
    target = functional.conv2d(x, kernel, made.bias.detach(), padding=1)
    optimiser = torch.optim.Adam([made.offset_head.weight], lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        functional.mse_loss(made(x), target).backward()
        optimiser.step()
    assert torch.allclose(made.route(x)[0][:, 0], wanted.expand(4, 2), atol=0.1)
