"""NeuroQuant: the release's size, any subset of modalities, windows, and answers to what cannot be."""

import pytest
import torch
from torch import nn

from mrisynth_pipeline.models.blocks.anatomy_predictor import shared_anatomy
from mrisynth_pipeline.models.blocks.modality_adversary import ModalityAdversary
from mrisynth_pipeline.models.neuroquant import (
    NeuroQuant,
    NeuroQuantArchitecture,
    NeuroQuantAutoencoder,
)
from mrisynth_pipeline.models.windows import in_windows, tokens_in_windows

MODALITIES = ("t1", "t2", "pd")
SMALL = {
    "widths": (4, 8),
    "heads": 2,
    "encoder_attention": (2,),
    "decoder_attention": (1,),
    "norm_groups": 4,
    "anatomical_channels": 6,
    "style_channels": 5,
    "film_hidden": 8,
    "codebook_size": 16,
    "codebook_dim": 6,
    "gradient_checkpointing": False,
}
ALL = torch.ones(2, 3, dtype=torch.bool)
SOME = torch.tensor([[True, False, True], [False, True, False]])


def architecture(**options) -> NeuroQuantArchitecture:
    return NeuroQuantArchitecture(**{**SMALL, **options})


def images(*size: int) -> torch.Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))


def autoencoder(**options) -> NeuroQuantAutoencoder:
    """Trained just so much that nothing is zero and the codebook has codes."""
    torch.manual_seed(0)
    network = NeuroQuantAutoencoder(MODALITIES, architecture(**options))
    if network.film is not None:
        nn.init.normal_(network.film.mlp[-1].weight, std=0.3)
    network(images(8, 8, 8)[:, :1], torch.tensor([0, 0]))
    network.mean_styles.normal_()
    network.styles_remembered.fill_(True)
    return network.eval()


def method(predictor_widths: tuple[int, ...] | None = None, **options) -> NeuroQuant:
    trained = autoencoder(**options)
    made = NeuroQuant(MODALITIES, trained.architecture, predictor_widths)
    made.autoencoder.load_state_dict(trained.state_dict())
    return made.eval()


def count(*modules: nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())


def test_the_size_is_the_release_s():
    with torch.device("meta"):
        network = NeuroQuantAutoencoder(("a", "b"), NeuroQuantArchitecture())
        adversary = ModalityAdversary(64, 2)
    assert network.architecture.reduction == 16
    parts = [
        count(network.encoder, network.to_anatomy, network.to_style),
        count(network.decoder),
        count(network.film),
        count(adversary),
        count(network.embedding),
        count(network.codes),
    ]
    assert parts == [16_600_096, 19_230_721, 575_872, 25_090, 64, 0]
    assert abs(sum(parts) / 36.43e6 - 1) < 0.001


@pytest.mark.parametrize("conditioning", ["film", "concat"])
@pytest.mark.parametrize("flat", [False, True])
def test_shapes_and_range(conditioning, flat):
    network = autoencoder(conditioning=conditioning)
    stack = images(1 if flat else 8, 12, 16)[:, :1]
    anatomy, styles = network.encode(stack, flat)
    codes = network.quantise(anatomy)
    assert anatomy.shape == (2, 6, 1 if flat else 2, 3, 4)
    assert codes.indices.shape == (2, 1 if flat else 2, 3, 4)
    assert styles.shape == (2, 5)
    made = network.decode(codes.values, styles, torch.tensor([0, 2]), flat)
    assert made.shape == stack.shape
    assert made.min() >= 0
    assert made.max() <= 1
    other = network.decode(codes.values, styles, torch.tensor([1, 2]), flat)
    assert not torch.allclose(made[0], other[0])
    assert torch.equal(made[1], other[1])


@pytest.mark.parametrize("flat", [False, True])
def test_the_style_of_the_foreground_is_a_mean_over_the_voxels_that_are_not_0(flat):
    everywhere, inside = autoencoder(), autoencoder(style_of="foreground")
    stack = images(1 if flat else 8, 8, 16)[:, :1]
    with torch.no_grad():
        whole = everywhere.encode(stack, flat)
        full = inside.encode(stack, flat)
        assert torch.equal(full[0], whole[0])
        assert torch.allclose(full[1], whole[1], atol=1e-6)
        stack[..., 8:] = 0
        features = inside.to_style(inside.encoder(2 * stack - 1, flat))
        assert torch.allclose(inside.encode(stack, flat)[1], features[..., :2].mean((2, 3, 4)), atol=1e-6)
        assert torch.isfinite(inside.encode(torch.zeros_like(stack), flat)[1]).all()


def test_every_weight_learns_from_a_volume():
    network = autoencoder().train()
    made, codes = network(images(8, 8, 16)[:, :1], torch.tensor([0, 1]))
    (made.square().mean() + codes.loss).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name


def test_continuous_anatomy_has_no_codes_and_reconstructs():
    network = autoencoder(quantise=False)
    made, codes = network(images(8, 8, 8)[:, :1], torch.tensor([0, 1]))
    assert codes.indices is None
    assert made.shape == (2, 1, 8, 8, 8)
    assert torch.isfinite(method(quantise=False).impute(images(8, 8, 8), SOME)).all()
    with pytest.raises(ValueError, match="no codes to predict"):
        method((4, 8), quantise=False)


@pytest.mark.parametrize("predictor_widths", [None, (4, 8)])
@pytest.mark.parametrize("size", [(8, 8, 8), (5, 9, 14)])
def test_any_subset_and_size_is_imputed_whatever_missing_channels_hold(predictor_widths, size):
    imputer, stack = method(predictor_widths), images(*size)
    imputed = imputer.impute(stack, SOME)
    assert imputed.shape == stack.shape
    assert torch.equal(imputed[SOME], stack[SOME])
    assert (imputed[~SOME] > 0).any()
    stack[~SOME] = torch.nan
    assert torch.equal(imputer.impute(stack, SOME), imputed)


def test_missing_modalities_are_never_looked_at_inside_either():
    imputer, stack = method((4, 8)), images(8, 8, 8)
    stack[~SOME] = torch.nan
    with torch.no_grad():
        assert torch.isfinite(imputer.autoencoder.anatomies(stack, SOME)).all()
        assert torch.isfinite(imputer.codes(stack, SOME)).all()
        assert torch.isfinite(imputer.autoencoder.reconstruct(stack, SOME)).all()


def test_the_shared_anatomy_is_the_mean_over_what_each_sample_has():
    network, stack = autoencoder(), images(8, 8, 8)
    with torch.no_grad():
        anatomies = network.anatomies(stack, SOME)
        alone = [network.encode(stack[:, m : m + 1])[0] for m in range(3)]
    assert torch.allclose(anatomies[0, 2], alone[2][0], atol=1e-5)
    assert not anatomies[~SOME].any()
    shared = shared_anatomy(anatomies, SOME)
    assert torch.allclose(shared[0], (alone[0][0] + alone[2][0]) / 2, atol=1e-5)
    assert torch.allclose(shared[1], alone[1][1], atol=1e-5)
    with pytest.raises(ValueError, match="at least one modality"):
        network.anatomies(stack, torch.zeros_like(SOME))


def test_an_imputed_modality_is_the_shared_codes_in_its_mean_style():
    imputer, stack = method(), images(8, 8, 8)
    network = imputer.autoencoder
    with torch.no_grad():
        codes = network.quantise(shared_anatomy(network.anatomies(stack, SOME), SOME))
        expected = network.decode(codes.values, network.mean_styles[[1, 1]], torch.tensor([1, 1]))
    assert torch.allclose(imputer.impute(stack, SOME)[0, 1], expected[0, 0], atol=1e-5)


def test_every_contrast_is_decoded_from_the_codes_that_are_near_its_predicted_anatomy():
    imputer, stack = method((4, 8)), images(8, 8, 8)
    network, wanted = imputer.autoencoder, torch.tensor([1, 1])
    with torch.no_grad():
        imputer.predictor.sharpness.fill_(1e4)  # the nearest code alone
        shared = shared_anatomy(network.anatomies(stack, SOME), SOME)
        shift = torch.linspace(-2.0, 2.0, 6)
        imputer.predictor.head.bias.unflatten(0, (3, 6))[1] = shift
        codes = network.quantise(shared + shift[:, None, None, None]).values
        assert not torch.equal(codes, network.quantise(shared).values)
        expected = network.decode(codes, network.mean_styles[wanted], wanted)
    assert torch.allclose(imputer.impute(stack, SOME)[0, 1], expected[0, 0], atol=1e-5)


def test_the_mean_of_the_codes_is_decoded_each_as_likely_as_it_is_near():
    imputer, stack = method((4, 8)), images(8, 8, 8)
    network, wanted = imputer.autoencoder, torch.tensor([1, 1])
    with torch.no_grad():
        imputer.predictor.sharpness.zero_()  # all alike
        codes = network.codes.expected(torch.full((2, 16, 2, 2, 2), 1 / 16))
        expected = network.decode(codes, network.mean_styles[wanted], wanted)
    assert torch.allclose(imputer.impute(stack, SOME)[0, 1], expected[0, 0], atol=1e-5)


def test_a_new_predictor_says_what_stage_one_does():
    imputer, stack = method((4, 8)), images(8, 8, 8)
    network = imputer.autoencoder
    with torch.no_grad():
        anatomies = network.anatomies(stack, SOME)
        nearest = network.quantise(shared_anatomy(anatomies, SOME)).indices
        likeliest = imputer.code_logits(anatomies, SOME).argmax(2)
    for modality in range(3):
        assert torch.equal(likeliest[:, modality], nearest)


def test_every_weight_of_the_predictor_learns():
    imputer, stack = method((4, 8)), images(8, 8, 8)
    nn.init.normal_(imputer.predictor.head.weight)
    with torch.no_grad():
        anatomies = imputer.autoencoder.anatomies(stack, SOME)
    imputer.code_logits(anatomies, SOME).square().mean().backward()
    for name, weight in imputer.predictor.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name


def test_without_mean_styles_imputation_says_what_to_do():
    imputer = method()
    imputer.autoencoder.styles_remembered.fill_(False)
    with pytest.raises(ValueError, match="call remember_styles"):
        imputer.impute(images(8, 8, 8), SOME)


def test_a_volume_of_one_window_is_one_pass_and_a_larger_one_is_seen_in_windows(monkeypatch):
    stack = images(8, 12, 16)
    assert torch.equal(method(window=(16, 12, 8)).impute(stack, SOME), method().impute(stack, SOME))
    imputer, seen = method(window=(8, 8, 4)), []
    whole = imputer.complete
    monkeypatch.setattr(imputer, "complete", lambda part, have: seen.append(part.shape) or whole(part, have))
    assert torch.isfinite(imputer.impute(stack, SOME)).all()
    assert set(seen) == {(1, 3, 4, 8, 8)}


def test_windows_blend_to_the_same_image_where_the_function_is_local():
    about = torch.tensor([2.0, 3.0])
    stack = images(7, 9, 13)
    for window in (None, (8, 8, 4)):
        made = in_windows(lambda part, factor: part[:, :1] * factor, stack, about, architecture(window=window))
        assert torch.allclose(made, stack[:, :1] * about[:, None, None, None, None], atol=1e-5)


def test_reconstruction_and_swap_are_the_passes_of_their_names():
    network, stack = autoencoder(), images(8, 8, 8)
    with torch.no_grad():
        made = network.reconstruct(stack, SOME)
        assert torch.allclose(made[0, 2], network(stack[:1, 2:], torch.tensor([2]))[0][0, 0], atol=1e-5)
        assert (made[~SOME] == 0).all()
        codes = network.quantise(network.encode(stack[:, :1])[0])
        expected = network.decode(codes.values, network.encode(stack[:, 1:2])[1], torch.tensor([1, 1]))
        swapped = network.transfer(stack[:, :1], stack[:, 1:2], torch.tensor([1, 1]))
    assert torch.allclose(swapped, expected, atol=1e-5)


def test_code_indices_are_those_of_the_encoded_images_and_absent_ones_are_none():
    network, stack = autoencoder(), images(8, 12, 16)
    stack[0, 1] = stack[1, 0] = stack[1, 2] = torch.nan
    found = network.indices(stack, SOME)
    assert found.shape == (2, 3, 2, 3, 4)
    assert (found >= 0).flatten(2).all(-1).tolist() == SOME.tolist()
    assert (found[~SOME] == -1).all()
    with torch.no_grad():
        alone = network.quantise(network.encode(stack[1:, 1:2])[0]).indices
    assert torch.equal(found[1, 1], alone[0])
    with pytest.raises(ValueError, match="no code indices"):
        autoencoder(quantise=False).indices(stack, SOME)


def test_counting_codes_leaves_the_codebook_as_it_is():
    network = autoencoder().train()
    before = network.codes.vq.codebook.clone()
    network.indices(images(8, 8, 8), SOME)
    assert torch.equal(network.codes.vq.codebook, before)


def test_windows_of_tokens_lie_side_by_side_and_the_last_is_flush_with_the_end():
    windows = architecture(window=(8, 8, 8))
    stack, seen = torch.arange(2.0)[:, None, None, None, None] + torch.rand(2, 1, 8, 11, 20), []

    def first_voxels(part, row):
        seen.append(tuple(part.shape[2:]))
        return (part[:, :, ::4, ::4, ::4] * 1000 + row[0]).long()

    tokens = tokens_in_windows(first_voxels, stack, torch.tensor([[0], [5]]), windows)
    assert seen == [(8, 8, 8)] * 2 * 1 * 2 * 3, "12 and 20 voxels take 2 and 3 windows"
    expected = torch.nn.functional.pad(stack, (0, 0, 0, 1))[:, :, ::4, ::4, ::4] * 1000
    assert torch.equal(tokens, (expected + torch.tensor([0, 5])[:, None, None, None, None]).long())


def test_tokens_of_small_volumes_and_without_windows_are_one_pass():
    for windows, stack in ((architecture(window=(16, 16, 16)), images(8, 12, 16)), (architecture(), images(8, 8, 40))):
        seen = []

        def token(part, row, seen=seen):
            seen.append(part)
            return part[:, :, ::4, ::4, ::4].long()

        tokens_in_windows(token, stack, ALL, windows)
        assert [part.shape[2:] for part in seen] == [stack.shape[2:]] * 2


def test_what_cannot_be_is_said_in_words():
    network = autoencoder()
    assert network.index_of("pd") == 2
    with pytest.raises(ValueError, match="knows t1, t2, pd and was asked for 'flair'"):
        network.index_of("flair")
    with pytest.raises(ValueError, match=r"divisible by 4, got \(8, 9, 8\)"):
        network.encode(torch.rand(1, 1, 8, 9, 8))
    with pytest.raises(ValueError, match=r"names stages \[3\], but widths make 2"):
        architecture(encoder_attention=(3,))
    with pytest.raises(ValueError, match=r"heads=3 does not divide the widths \[8\]"):
        architecture(heads=3)
    with pytest.raises(ValueError, match="must be divisible by 4"):
        architecture(window=(8, 10, 8))
    with pytest.raises(ValueError, match="heads do not divide 7 channels"):
        method((4, 7))


@pytest.mark.parametrize("options", [{}, {"encoder_attention": (), "decoder_attention": (), "middle_attention": ()}])
def test_attention_is_where_the_lists_say(options):
    network = autoencoder(**options)
    attended = [name for name, module in network.named_modules() if type(module).__name__ == "MultiAxisAttention"]
    parts = ["encoder.stages.1", "encoder.mid", "decoder.mid", "decoder.stages.0"]
    assert [name.rsplit(".parts", 1)[0] for name in attended] == (parts if not options else [])


def test_the_same_seed_makes_the_same_imputation():
    assert torch.equal(method((4, 8)).impute(images(8, 8, 8), SOME), method((4, 8)).impute(images(8, 8, 8), SOME))
