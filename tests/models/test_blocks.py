"""Building blocks against their definitions."""

import pytest
import torch
from torch.nn import functional as F

from mrisynth_pipeline.models.blocks.discriminators import PatchDiscriminator
from mrisynth_pipeline.models.blocks.nafnet import LayerNorm2d, NAFBlock, NAFDecoder, NAFEncoder
from mrisynth_pipeline.models.blocks.quantisers import ScalarCodes


def test_a_new_block_is_the_identity():
    x = torch.randn(2, 8, 5, 7)
    assert torch.equal(NAFBlock(8)(x), x)


def test_layer_norm_is_over_the_channels_of_each_pixel():
    norm = LayerNorm2d(6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(2, 6, 3, 4)
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    expected = (x - mean) / (variance + 1e-6).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    assert torch.allclose(norm(x), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (96, 80), (40, 16)])
def test_encoder_and_decoder_mirror_each_other(size):
    features = NAFEncoder(3, width=4, depth=2)(torch.rand(2, 3, *size))
    assert features.shape == (2, 32, size[0] // 8, size[1] // 8)
    assert NAFDecoder(32, width=4, depth=2, out_channels=3)(features).shape == (2, 3, *size)


def test_levels_and_values_are_inverse_for_every_code():
    codes = ScalarCodes((8, 5, 3))
    levels = torch.cartesian_prod(*(torch.arange(n) for n in codes.levels)).T[None, :, :, None]
    assert torch.equal(codes.to_levels(codes.to_values(levels)), levels)
    assert torch.equal(codes.to_indices(levels).flatten().unique(), torch.arange(codes.codebook_size))


def test_values_of_the_library_are_our_values():
    """Every output of the library's quantiser must be the value of one of our levels."""
    torch.manual_seed(0)
    codes = ScalarCodes((8, 8, 8, 5, 5, 5))
    values = codes(3 * torch.randn(4, 6, 9, 9))
    assert torch.allclose(codes.to_values(codes.to_levels(values)), values, atol=1e-6)
    library = codes.fsq.codes_to_indices(values.movedim(1, -1))
    assert torch.equal(library.long(), codes.to_indices(codes.to_levels(values)))


def test_rounding_lets_the_gradient_through():
    features = torch.randn(1, 6, 2, 2, requires_grad=True)
    ScalarCodes((8, 8, 8, 5, 5, 5))(features).sum().backward()
    assert (features.grad > 0).all()


def test_quantisation_stays_in_single_precision_under_autocast():
    codes = ScalarCodes((8, 5, 5))
    features = torch.randn(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        values = codes(features.bfloat16())
    assert values.dtype == torch.float32
    assert torch.allclose(codes.to_values(codes.to_levels(values)), values, atol=1e-6)


def test_continuous_codes_are_bounded_but_not_rounded():
    features = torch.randn(1, 3, 4, 4)
    assert torch.equal(ScalarCodes((8, 5, 5), quantise=False)(features), torch.tanh(features))


def test_codes_need_three_levels():
    with pytest.raises(ValueError, match="at least 3 levels"):
        ScalarCodes((8, 2))


def test_channels_last_is_only_a_layout():
    torch.manual_seed(0)
    encoder, x = NAFEncoder(2, width=4, depth=1), torch.rand(2, 2, 16, 16)
    for block in encoder.modules():
        if isinstance(block, NAFBlock):
            torch.nn.init.normal_(block.spatial_scale)
            torch.nn.init.normal_(block.channel_scale)
    expected = encoder(x)
    assert torch.allclose(encoder.to(memory_format=torch.contiguous_format)(x), expected, atol=1e-5)
    assert F.mse_loss(expected, torch.zeros_like(expected)) > 0


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_the_discriminator_scores_patches_of_slices_and_volumes(spatial_dims):
    discriminator = PatchDiscriminator(4, 2, width=2, spatial_dims=spatial_dims)
    smallest = discriminator.smallest_image
    assert discriminator(torch.rand(1, 4, *(smallest,) * spatial_dims)).shape == (1, 2) + (1,) * spatial_dims
    assert discriminator(torch.rand(3, 4, *(50, 64, 32)[:spatial_dims])).shape == (3, 2, *(2, 3, 1)[:spatial_dims])
    with pytest.raises((RuntimeError, ValueError)):
        discriminator(torch.rand(1, 4, *(smallest - 1,) * spatial_dims))
    assert list(discriminator.state_dict()) == [
        *(f"layers.{i}.{part}" for i in (0, 2, 5, 8) for part in ("weight", "bias")),
        "layers.11.weight",
    ]


def test_the_discriminator_in_3d_is_that_in_2d_where_nothing_changes_along_z():
    """Kernels that read one slice of the four: what is left is the discriminator of slices."""
    torch.manual_seed(0)
    flat, deep = PatchDiscriminator(3, 2, width=2), PatchDiscriminator(3, 2, width=2, spatial_dims=3)
    for wide, narrow in zip(deep.parameters(), flat.parameters(), strict=True):
        if narrow.ndim == 1:
            wide.data.copy_(narrow.data)
        else:
            wide.data.zero_()
            wide.data[:, :, 1] = narrow.data
    images = torch.rand(2, 3, 32, 48)
    volumes = images[:, :, None].expand(-1, -1, 64, -1, -1)
    maps = deep(volumes)
    assert torch.allclose(maps[:, :, 1], flat(images), atol=1e-4)
