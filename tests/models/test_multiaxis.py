"""NeuroQuant's blocks: what a flat pass skips, what starts as the identity, and attention against a naive one."""

import math

import pytest
import torch
from torch import nn

from mrisynth_pipeline.models.blocks.axial_attention import AxisAttention, MultiAxisAttention
from mrisynth_pipeline.models.blocks.factorised_conv import FactorisedConv, SliceableConv
from mrisynth_pipeline.models.blocks.film import FiLM, modulate
from mrisynth_pipeline.models.blocks.modality_adversary import ModalityAdversary, reverse_gradient
from mrisynth_pipeline.models.blocks.multiaxis import MultiAxisDecoder, MultiAxisEncoder, MultiAxisResidualBlock
from mrisynth_pipeline.models.blocks.quantisers import VectorCodes
from mrisynth_pipeline.models.blocks.scaling import Double, Halve

TRUNK = {"widths": (4, 8), "heads": 2, "attention": (2,), "middle_attention": True, "norm_groups": 4}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def shaken(module: nn.Module) -> nn.Module:
    """The module with random weights wherever it starts from zeros or the identity."""
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.3)
    return module


def test_a_new_factorised_convolution_does_to_a_volume_what_it_does_to_its_slices():
    convolution, x = FactorisedConv(3, 5), torch.rand(2, 3, 4, 6, 7)
    volume = convolution(x)
    for z in range(4):
        assert torch.allclose(volume[:, :, z : z + 1], convolution(x[:, :, z : z + 1], flat=True), atol=1e-6)


def test_a_factorised_convolution_is_the_two_convolutions_of_its_name():
    convolution, x = shaken(FactorisedConv(3, 5)), torch.rand(2, 3, 4, 6, 7)
    plane = nn.functional.conv3d(x, convolution.in_plane.weight, convolution.in_plane.bias, padding=(0, 1, 1))
    depth = convolution.along_depth
    whole = nn.functional.conv3d(plane, depth.weight[..., None], depth.bias, padding=(1, 0, 0))
    assert torch.allclose(convolution(x), whole, atol=1e-5)
    assert torch.allclose(convolution(x, flat=True), plane, atol=1e-5)


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_attention_along_an_axis_is_the_textbook_s_line_by_line(axis):
    channels, heads = 6, 2
    attention, x = shaken(AxisAttention(channels, heads, axis, norm_groups=3)), torch.randn(2, channels, 3, 4, 5)
    out = attention(x)
    normed = attention.norm(x)
    others = [a for a in (2, 3, 4) if a != axis]
    for sample in range(2):
        for i in range(x.shape[others[0]]):
            for j in range(x.shape[others[1]]):
                place = [sample, slice(None), slice(None), slice(None), slice(None)]
                place[others[0]], place[others[1]] = i, j
                line = normed[tuple(place)].T  # [length, channel]
                query, key, value = (line @ attention.qkv.weight.T + attention.qkv.bias).chunk(3, dim=1)
                mixed = []
                for h in range(heads):
                    part = slice(h * channels // heads, (h + 1) * channels // heads)
                    scores = query[:, part] @ key[:, part].T / math.sqrt(channels // heads)
                    mixed.append(scores.softmax(1) @ value[:, part])
                added = torch.cat(mixed, 1) @ attention.projection.weight.T + attention.projection.bias
                assert torch.allclose(out[tuple(place)], x[tuple(place)] + added.T, atol=1e-4)


def test_multi_axis_attention_goes_depth_height_width_and_a_flat_pass_skips_depth():
    attention, x = shaken(MultiAxisAttention(4, 2, 2)), torch.randn(1, 4, 3, 4, 5)
    assert torch.equal(attention(x), attention.width(attention.height(attention.depth(x))))
    assert torch.equal(attention(x, flat=True), attention.width(attention.height(x)))
    one_by_one = torch.cat([attention(x[:, :, z : z + 1], flat=True) for z in range(3)], dim=2)
    assert not torch.allclose(attention(x), one_by_one, atol=1e-3)


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match="3 attention heads do not divide 4 channels"):
        MultiAxisAttention(4, 3, 2)


def test_film_starts_as_the_identity_and_then_scales_and_shifts():
    film, x = FiLM(6, 5, (3, 2)), torch.randn(2, 3, 2, 2, 2)
    assert torch.equal(modulate(x, film(torch.randn(2, 6))[0]), x)
    shaken(film)
    first, second = film(torch.randn(2, 6))
    assert first[0].shape == (2, 3)
    assert second[1].shape == (2, 2)
    assert torch.allclose(modulate(x, first)[1, 2], x[1, 2] * first[0][1, 2] + first[1][1, 2])


def test_resolution_halves_and_doubles_in_plane_alone_where_flat():
    x = torch.rand(1, 4, 2, 6, 8)
    assert Halve(4)(x).shape == (1, 4, 1, 3, 4)
    assert Double(4)(x).shape == (1, 4, 4, 12, 16)
    half = Halve(4)(x, flat=True)
    assert torch.allclose(half, nn.functional.interpolate(x, scale_factor=(1, 0.5, 0.5), mode="trilinear"), atol=1e-6)
    double = Double(4)
    in_plane = nn.functional.interpolate(x[:, :, :1], scale_factor=(1, 2, 2), mode="trilinear")
    assert torch.allclose(double(x[:, :, :1], flat=True), double.convolution(in_plane), atol=1e-5)


def test_a_slice_between_zeros_meets_the_middle_plane_of_a_kernel_alone():
    convolution, image = SliceableConv(3, 5), torch.randn(2, 3, 1, 6, 7)
    assert torch.allclose(convolution(image, flat=True), convolution(image), atol=1e-5)


def test_a_new_residual_block_treats_a_volume_constant_along_depth_as_its_slice():
    block, image = MultiAxisResidualBlock(4, 6, 2), torch.rand(2, 4, 1, 8, 8)
    volume = block(image.expand(-1, -1, 5, -1, -1))
    assert torch.allclose(volume, block(image, flat=True).expand_as(volume), atol=1e-5)


def test_the_decoder_makes_of_codes_constant_along_depth_the_image_it_makes_of_their_slice():
    """Holds where depth has not been learned yet: depth attention adds nothing, 3×3×3 layers see their own plane."""
    decoder = MultiAxisDecoder(3, **TRUNK, checkpointing=False).eval()
    with torch.no_grad():
        for module in decoder.modules():
            if isinstance(module, MultiAxisAttention):
                nn.init.zeros_(module.depth.projection.weight)
                nn.init.zeros_(module.depth.projection.bias)
            elif isinstance(module, nn.Conv3d) and module.kernel_size == (3, 3, 3):
                module.weight[:, :, [0, 2]] = 0
        modulations = [(torch.rand(1, n) + 1, torch.rand(1, n)) for n in decoder.modulated_channels]
        codes = torch.randn(1, 3, 1, 3, 4)
        image = decoder(codes, modulations, flat=True)
        volume = decoder(codes.expand(-1, -1, 2, -1, -1), modulations)
    assert image.shape == (1, 1, 1, 12, 16)
    assert image.std() > 1e-3
    assert torch.allclose(volume, image.expand(-1, -1, 8, -1, -1), atol=1e-5)


def test_a_flat_pass_leaves_the_weights_of_depth_alone_and_keeps_slices_apart():
    encoder, slices = MultiAxisEncoder(1, **TRUNK, checkpointing=False), torch.rand(3, 1, 1, 8, 8)
    features = encoder(slices, flat=True)
    assert features.shape == (3, 8, 1, 2, 2)
    features.square().mean().backward()
    skipped = {name for name, weight in encoder.named_parameters() if weight.grad is None}
    depth = {name for name, _ in encoder.named_parameters() if ".along_depth." in name or ".depth." in name}
    halving = {
        f"{name}.{weight}"
        for name, module in encoder.named_modules()
        if isinstance(module, Halve)
        for weight, _ in module.named_parameters()
    }
    assert skipped == depth | halving
    slices[1] = 0
    again = encoder(slices, flat=True)
    assert torch.allclose(again[[0, 2]], features[[0, 2]], atol=1e-6)


@pytest.mark.parametrize("flat", [False, True])
def test_checkpointing_changes_memory_and_nothing_else(flat):
    gradients, kept = [], []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        encoder, total = MultiAxisEncoder(1, **TRUNK, checkpointing=checkpointing), []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, t=total: t.append(x.numel()) or x, lambda x: x):
            features = encoder(torch.rand(1, 1, 1 if flat else 8, 8, 8), flat)
        features.square().mean().backward()
        gradients.append([weight.grad for weight in encoder.parameters() if weight.grad is not None])
        kept.append(sum(total))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))
    assert kept[1] < 0.5 * kept[0]


def codes(**options) -> VectorCodes:
    return VectorCodes(**{"channels": 4, "size": 8, "dim": 4, **options})


def test_codes_are_the_nearest_ones_and_come_back_from_certain_probabilities():
    quantiser, features = codes(), torch.randn(2, 4, 3, 4, 5)
    quantiser(features)
    quantiser.eval()
    values, indices, loss = quantiser(features)
    book = quantiser.vq.codebook
    distance = torch.cdist(features.movedim(1, -1).reshape(-1, 4), book)
    assert torch.equal(indices.flatten(), distance.argmin(1))
    certain = nn.functional.one_hot(indices, 8).movedim(-1, 1).float()
    assert torch.allclose(quantiser.expected(certain), values, atol=1e-6)
    assert torch.equal(quantiser.nearness(features).argmax(1), indices)
    assert torch.allclose(quantiser.nearness(features).mean(1), torch.tensor(-1.0))
    assert loss == 0


def test_gradients_pass_straight_through_the_codes_and_the_commitment_pulls():
    quantiser, features = codes(), torch.randn(2, 4, 3, 4, 5, requires_grad=True)
    weights = torch.randn(2, 4, 3, 4, 5)
    values, _, loss = quantiser(features)
    gradient = torch.autograd.grad((values * weights).sum(), features, retain_graph=True)[0]
    assert torch.allclose(gradient, weights)
    pull = torch.autograd.grad(loss, features)[0]
    assert torch.allclose(pull, 0.25 * 2 * (features - values).detach() / features.numel(), atol=1e-6)


def test_the_codebook_learns_only_where_it_should():
    quantiser, features = codes(), torch.randn(2, 4, 3, 4, 5)
    quantiser(features)
    before = quantiser.vq.codebook.clone()
    quantiser(features + 1, learn=False)
    quantiser.eval()(features + 1)
    assert torch.equal(quantiser.vq.codebook, before)
    quantiser.train()(features + 1)
    assert not torch.equal(quantiser.vq.codebook, before)


def test_dead_codes_come_back_to_life_and_none_explodes():
    """Features that settle in a far corner leave most codes behind; the release's own revival blows codes up here."""
    quantiser = codes(size=32, decay=0.9)
    quantiser(torch.randn(4, 4, 4, 4, 4))
    used = []
    for _ in range(60):
        features = 5 + 0.1 * torch.randn(4, 4, 4, 4, 4)
        used.append(len(quantiser(features)[1].unique()))
        assert quantiser.vq.codebook.abs().max() < 10
    assert used[0] < 4
    assert used[-1] > 24
    stale = codes(size=32, decay=0.9, dead_code_threshold=0.0)
    stale(torch.randn(4, 4, 4, 4, 4))
    for _ in range(60):
        indices = stale(5 + 0.1 * torch.randn(4, 4, 4, 4, 4))[1]
    assert len(indices.unique()) < 8


def test_distances_are_exact_in_a_training_of_mixed_precision():
    quantiser, features = codes(), 100 + 0.01 * torch.randn(2, 4, 3, 4, 5)
    quantiser(features)
    quantiser.eval()
    with torch.autocast("cpu", torch.bfloat16):
        indices = quantiser(features)[1]
    assert torch.equal(indices, quantiser(features)[1])
    assert len(indices.unique()) > 1


def test_continuous_features_go_through_as_they_are():
    quantiser, features = codes(quantise=False), torch.randn(1, 4, 2, 2, 2)
    values, indices, loss = quantiser(features)
    assert torch.equal(values, features)
    assert indices is None
    assert loss == 0
    with pytest.raises(ValueError, match="no codes"):
        quantiser.expected(torch.zeros(1, 8, 2, 2, 2))


def test_a_reversed_gradient_is_minus_its_strength_times_the_gradient():
    x = torch.randn(3, requires_grad=True)
    reverse_gradient(x, 0.25).square().sum().backward()
    assert torch.allclose(x.grad, -0.25 * 2 * x.detach())


def test_the_adversary_judges_every_position_on_its_own():
    adversary, features = ModalityAdversary(4, 3), torch.randn(2, 4, 2, 3, 4)
    logits = adversary(features)
    assert logits.shape == (2, 3, 2, 3, 4)
    features[0, :, 1, 1, 1] = 0
    changed = (adversary(features) != logits).any(1)
    assert changed.sum() == 1
