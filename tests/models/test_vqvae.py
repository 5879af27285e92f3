"""MONAI's VQ-VAE behind NeuroQuant's face: the same latent, about as many weights, blind for the modality."""

import pytest
import torch
from monai.networks.nets import VQVAE

from mrisynth_pipeline.models.neuroquant import NeuroQuantArchitecture, NeuroQuantAutoencoder
from mrisynth_pipeline.models.vqvae import MonaiVQVAE, VQVAEArchitecture, channels_for

SMALL = {"channels": (4, 6), "residual_layers": 1, "codebook_size": 16, "codebook_dim": 5}


def autoencoder(**options) -> MonaiVQVAE:
    torch.manual_seed(0)
    return MonaiVQVAE(("t1", "t2"), {**SMALL, **options}).eval()


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_it_is_monai_s_network_with_monai_s_quantiser():
    network = autoencoder(codebook_decay=0.9, commitment_weight=0.5)
    torch.manual_seed(0)
    theirs = VQVAE(3, 1, 1, (4, 6), 1, (4, 6), (2, 4, 1, 1), (2, 4, 1, 1, 0), 16, 5, commitment_cost=0.5, decay=0.9)
    images = torch.rand(2, 1, 8, 8, 12)
    for training in (True, False):
        made, codes = network.train(training)(images, torch.tensor([0, 1]))
        expected, loss = theirs.train(training)(images)
        assert torch.equal(made, expected)
        assert torch.equal(codes.loss, loss)
    for name, value in theirs.state_dict().items():
        assert torch.equal(network.network.state_dict()[name], value), f"the codebook followed otherwise: {name}"


def test_codes_lie_as_far_apart_as_neuroquant_s_and_are_as_long():
    ours = NeuroQuantArchitecture(widths=(8, 8, 8), codebook_dim=5, encoder_attention=(), decoder_attention=())
    network = autoencoder(channels=(4, 6, 6))
    assert network.architecture.reduction == ours.reduction == 8
    _, codes = network(torch.rand(1, 1, 8, 16, 24), torch.tensor([0]))
    assert codes.values.shape == (1, ours.codebook_dim, 1, 2, 3)
    assert codes.indices.shape == (1, 1, 2, 3)


def test_the_modality_is_not_looked_at():
    network, images = autoencoder(), torch.rand(2, 1, 8, 8, 8)
    first, second = (network(images, torch.full((2,), m))[0] for m in (0, 1))
    assert torch.equal(first, second)


def test_volumes_of_any_size_come_back_and_what_is_absent_is_0_and_never_looked_at():
    network = autoencoder(window=(8, 8, 8))
    images, present = torch.rand(2, 2, 10, 9, 13), torch.tensor([[True, False], [True, True]])
    images[0, 1] = torch.nan
    made = network.reconstruct(images, present)
    assert made.shape == images.shape
    assert torch.isfinite(made).all()
    assert (made[0, 1] == 0).all()
    found = network.indices(images, present)
    assert found.shape == (2, 2, 3, 3, 4)
    assert (found[0, 1] == -1).all()
    assert (found[1] >= 0).all()
    assert network.codebook_size == 16
    assert network.discrete


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match=r"must be divisible by 4, got \(8, 9, 8\)"):
        autoencoder()(torch.rand(1, 1, 8, 9, 8), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"window=\(8, 8, 9\) must be divisible by 4 with 2 channels"):
        VQVAEArchitecture(**SMALL, window=(8, 8, 9))


@pytest.mark.parametrize("widths", [(64, 128, 256, 256), (8, 32), (4, 8)])
def test_it_can_be_made_as_large_as_neuroquant(widths):
    architecture = NeuroQuantArchitecture(
        widths=widths, heads=4, encoder_attention=(), decoder_attention=(), codebook_size=64
    )
    with torch.device("meta"):
        weights = count(NeuroQuantAutoencoder(("t1", "t2"), architecture))
        channels = channels_for(weights, widths, {"codebook_size": 64})
        peer = MonaiVQVAE(("t1", "t2"), VQVAEArchitecture(channels=channels, codebook_size=64))
    assert abs(count(peer) / weights - 1) < 0.05
