"""Draws have the probabilities that the logits say, contradictions sorted out, and temperature 0 is the prediction."""

import itertools
from collections.abc import Iterator

import pytest
import torch

from mrisynth_pipeline.models.blocks.code_draws import draw_class, draw_level
from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture
from mrisynth_pipeline.models.door import impute_volume, sample_volume
from mrisynth_pipeline.models.neuroquant import NeuroQuant

MODALITIES = ("t1", "t2", "pd")
MANY = 40_000
SMALL = {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1}


def shares(levels: torch.Tensor, n: int) -> torch.Tensor:
    return torch.bincount(levels.flatten(), minlength=n) / levels.numel()


def evenly_spread(n: int = MANY) -> torch.Tensor:
    """Uniform numbers ``[1, n]`` without chance in them."""
    return ((torch.arange(n) + 0.5) / n)[None]


def everywhere(*values: float) -> torch.Tensor:
    """The same logits ``[1, n, position]`` for many positions."""
    return torch.tensor(values)[None, :, None].expand(1, -1, MANY)


class TestLevels:
    def test_are_as_likely_as_neighbouring_questions_differ(self):
        above = torch.tensor([0.9, 0.6, 0.2])
        drawn = draw_level(everywhere(*torch.logit(above).tolist()), evenly_spread(), 1.0)
        torch.testing.assert_close(shares(drawn, 4), torch.tensor([0.1, 0.3, 0.4, 0.2]), atol=2e-3, rtol=0)

    def test_of_contradicting_answers_are_those_of_the_sorted_ones(self):
        contradicting, sorted_ones = torch.logit(torch.tensor([[0.2, 0.9, 0.6], [0.9, 0.6, 0.2]])).tolist()
        drawn = [draw_level(everywhere(*logits), evenly_spread(), 1.0) for logits in (contradicting, sorted_ones)]
        assert torch.equal(*drawn)

    def test_either_end_at_even_odds_is_never_something_between(self):
        drawn = draw_level(everywhere(0.0, 0.0, 0.0), evenly_spread(), 1.0)
        torch.testing.assert_close(shares(drawn, 4), torch.tensor([0.5, 0.0, 0.0, 0.5]), atol=1e-3, rtol=0)

    def test_spread_with_the_temperature(self):
        spreads = [draw_level(everywhere(1.0, -1.0), evenly_spread(), t).float().std() for t in (0.0, 0.5, 1.0, 2.0)]
        assert spreads[0] == 0
        assert all(low < high for low, high in itertools.pairwise(spreads))


class TestClasses:
    @pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
    def test_are_as_likely_as_the_softmax_says(self, temperature):
        logits = (0.3, -1.0, 1.5)
        drawn = draw_class(everywhere(*logits), evenly_spread(), temperature)
        expected = (torch.tensor(logits) / temperature).softmax(0)
        torch.testing.assert_close(shares(drawn, 3), expected, atol=2e-3, rtol=0)

    def test_at_temperature_0_are_the_likeliest(self):
        assert (draw_class(everywhere(0.3, -1.0, 1.5), evenly_spread(), 0.0) == 2).all()

    def test_of_thousands_never_fall_out_of_range(self):
        drawn = draw_class(torch.zeros(1, 4096, 2), torch.tensor([[0.0, 1.0]]), 1.0)
        assert drawn.tolist() == [[0, 4095]]


VECTORS = {"quantiser": "vq", "codebook_size": 16, "codebook_dim": 5}


def codebrain(**switches) -> CodeBrain:
    torch.manual_seed(0)
    method = CodeBrain(MODALITIES, CodeBrainArchitecture(**SMALL, **switches))
    if method.architecture.vector_codes:
        method.autoencoder.codes.vectors.vq.codebook.normal_()
    for name, weight in method.named_parameters():
        if name.endswith("_scale"):
            torch.nn.init.normal_(weight)
    return method.eval()


def neuroquant(**options) -> NeuroQuant:
    torch.manual_seed(0)
    sizes = {"widths": (4, 8), "heads": 2, "encoder_attention": (), "decoder_attention": (), "middle_attention": ()}
    sizes |= {"norm_groups": 4, "anatomical_channels": 6, "codebook_dim": 6, "codebook_size": 16}
    method = NeuroQuant(MODALITIES, sizes | {"gradient_checkpointing": False} | options, (4, 8))
    method.autoencoder(torch.rand(2, 1, 8, 8, 8), torch.tensor([0, 1]))  # the codebook starts from data
    method.autoencoder.mean_styles.normal_()
    method.autoencoder.styles_remembered.fill_(True)
    return method.eval()


def draws_of(method, images, available, temperature=1.0, seed=0) -> Iterator[torch.Tensor]:
    with torch.inference_mode():
        yield from method.draw(images, available, temperature, torch.Generator().manual_seed(seed))


class TestCodeBrain:
    available = torch.tensor([[True, False, True], [True, False, False]])

    @pytest.mark.parametrize("switches", [{}, {"code_objective": "classification"}, VECTORS])
    def test_draws_differ_and_without_temperature_are_the_prediction(self, switches):
        method, images = codebrain(**switches), torch.rand(2, 3, 24, 16)
        images = images * self.available[:, :, None, None]
        first, second = itertools.islice(draws_of(method, images, self.available), 2)
        assert not torch.equal(first, second)
        cold = next(draws_of(method, images, self.available, temperature=0.0))
        torch.testing.assert_close(cold, method.predict(images, self.available))

    def test_encodes_once_for_all_draws(self, monkeypatch):
        method, seen = codebrain(), []
        for encoder in (method.predictor.encoder, method.autoencoder.common_encoder):
            forward = encoder.forward
            monkeypatch.setattr(encoder, "forward", lambda x, forward=forward: (seen.append(1), forward(x))[1])
        method.sample(torch.rand(2, 3, 16, 16), self.available, n_samples=5)
        assert len(seen) == 2

    def test_continuous_codes_have_no_distribution_and_say_so(self):
        method = codebrain(quantise=False)
        assert codebrain().can_draw
        assert not method.can_draw
        with pytest.raises(ValueError, match="no distribution"):
            method.sample(torch.rand(2, 3, 16, 16), self.available)
        with pytest.raises(ValueError, match="quantise=True"):
            next(draws_of(method, torch.rand(2, 3, 16, 16), self.available))

    def test_equal_slices_in_different_batches_are_drawn_differently(self):
        method = codebrain()
        volume = torch.rand(3, 1, 16, 16).expand(-1, 4, -1, -1)
        available = self.available[0]
        _, spread = sample_volume(method, volume, available, n_samples=3, batch_size=2)
        assert spread[1].amax() > 0
        assert not torch.equal(spread[1, :2], spread[1, 2:])
        again = sample_volume(method, volume, available, n_samples=3, batch_size=2)[1]
        assert torch.equal(spread, again), "the seed says it all"


class TestNeuroQuant:
    available = torch.tensor([[True, False, True]])

    def test_without_temperature_the_likeliest_codes_are_decoded(self):
        method, images = neuroquant(window=None), torch.rand(1, 3, 8, 8, 8) * self.available[:, :, None, None, None]
        with torch.inference_mode():
            anatomies = method.autoencoder.anatomies(images, self.available)
            likeliest = method.code_logits(anatomies, self.available).argmax(2)
            codes = method.autoencoder.codes.of(likeliest[:, 1])
            which = torch.tensor([1])
            expected = method.autoencoder.decode(codes, method.autoencoder.mean_style(which), which)[:, 0]
        torch.testing.assert_close(next(draws_of(method, images, self.available, 0.0))[:, 1], expected)

    def test_draws_differ_and_are_encoded_once(self, monkeypatch):
        method, encoded = neuroquant(window=(16, 16, 16), overlap=0.5), []
        monkeypatch.setattr(
            method.autoencoder, "anatomies", lambda *x, f=method.autoencoder.anatomies: (encoded.append(1), f(*x))[1]
        )
        images = torch.rand(1, 3, 16, 16, 24) * self.available[:, :, None, None, None]
        first, second = itertools.islice(draws_of(method, images, self.available), 2)
        assert not torch.equal(first, second)
        assert len(encoded) == 2, "two windows"

    def test_overlapping_windows_draw_the_same_codes(self, monkeypatch):
        # Where all codes are equally likely, windows believe the same: a decoder that shows the codes as they are must
        # give the same volume in windows as in one pass.
        made = []
        for window in (None, (8, 8, 8)):
            method = neuroquant(window=window, overlap=0.5)
            monkeypatch.setattr(method, "code_logits", lambda a, _: torch.zeros(*a.shape[:2], 16, *a.shape[3:]))
            monkeypatch.setattr(
                method,
                "_decoded",
                lambda codes, *_: (
                    codes[:, :, 0].repeat_interleave(4, 2).repeat_interleave(4, 3).repeat_interleave(4, 4)
                ),
            )
            made.append(next(draws_of(method, torch.rand(1, 3, 16, 16, 16), self.available)))
        torch.testing.assert_close(*made)

    def test_without_predictor_nothing_can_be_drawn(self):
        torch.manual_seed(0)
        options = {"widths": (4, 8), "heads": 2, "encoder_attention": (), "decoder_attention": (), "norm_groups": 4}
        method = NeuroQuant(MODALITIES, options)
        assert not method.can_draw
        with pytest.raises(ValueError, match="no distribution"):
            method.sample(torch.rand(1, 3, 8, 8, 8), self.available)

    def test_a_volume_is_sampled_and_imputed(self):
        method, volumes = neuroquant(window=None), torch.rand(3, 8, 8, 12)
        mean, spread = sample_volume(method, volumes, self.available[0], n_samples=3)
        assert mean.shape == spread.shape == impute_volume(method, volumes, self.available[0]).shape
        assert (spread[~self.available[0]] > 0).any()
        assert (spread[self.available[0]] == 0).all()
