"""MMHVAE: the release's size, any grid, any subset, and doubt that falls as experts are added."""

import itertools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mrisynth_pipeline.models.door import impute_volume, sample_volume
from mrisynth_pipeline.models.mmhvae import MMHVAE, MMHVAEArchitecture, levels_for
from mrisynth_pipeline.models.packaging import TrainedModel, load_model, save_model

NAMES = ("t1", "t1c", "t2", "flair")
SMALL = {"width": 4, "max_width": 8, "expansion": 2, "head_width": 4, "head_blocks": 1, "head_kernel": 3}


def small(levels: int = 3, **options: object) -> MMHVAE:
    torch.manual_seed(0)
    return MMHVAE(NAMES, MMHVAEArchitecture(levels=levels, **SMALL, **options)).eval()


def brain(batch: int = 2, size: tuple[int, int] = (24, 20)) -> torch.Tensor:
    images = torch.rand(batch, len(NAMES), *size, generator=torch.Generator().manual_seed(1)) * 0.9 + 0.1
    images[..., :3] = 0.0
    return images


ALL = torch.ones(2, 4, dtype=torch.bool)
SOME = torch.tensor([[True, False, True, False], [False, False, False, True]])


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


class TestArchitecture:
    def test_has_the_size_of_the_release(self):
        with torch.device("meta"):
            network = MMHVAE(("us", "t2", "t1c", "flair"), MMHVAEArchitecture().for_grid((192, 192)))
        assert network.architecture.levels == 7
        assert count(network) == 13_774_770
        assert count(network.encoders[0]) == pytest.approx(1.83e6, rel=0.01)

    def test_with_one_block_less_in_each_head_it_has_that_of_the_paper(self):
        with torch.device("meta"):
            network = MMHVAE(NAMES, MMHVAEArchitecture(head_blocks=5).for_grid((192, 192)))
        assert count(network) == 13_770_098

    def test_has_the_work_of_the_release(self):
        network = MMHVAE(NAMES, MMHVAEArchitecture().for_grid((192, 192)))
        available = torch.ones(1, 4, dtype=torch.bool)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            encodings = network.encode(torch.zeros(1, 4, 192, 192), available)
            network.decode(network.descend(encodings, available, (192, 192), 0.0).finest)
        assert counter.get_total_flops() / 2e9 == pytest.approx(12.65, rel=0.01)  # multiply-accumulates

    def test_latents_are_those_of_the_paper(self):
        with torch.device("meta"):
            network = MMHVAE(NAMES, MMHVAEArchitecture().for_grid((192, 192)))
            images = torch.zeros(1, 4, 192, 192)
            available = torch.ones(1, 4, dtype=torch.bool, device="cpu")
        sizes = [(256,), (64, 6, 6), (64, 12, 12), (64, 24, 24), (32, 48, 48), (16, 96, 96), (8, 192, 192)]
        network = network.to_empty(device="cpu")
        found = network.descend(network.encode(torch.zeros(images.shape), available), available, (192, 192), 0.0)
        assert [tuple(level.prior.mean.shape[1:]) for level in found.levels] == sizes

    @pytest.mark.parametrize(
        ("size", "levels"),
        [((192, 192), 7), ((240, 240), 7), ((96, 80), 5), ((160, 192), 6), ((16, 20), 3), ((4, 4), 2)],
    )
    def test_levels_follow_the_grid(self, size, levels):
        assert levels_for(size) == levels

    def test_needs_to_know_its_levels(self):
        with pytest.raises(ValueError, match="levels"):
            MMHVAE(NAMES, MMHVAEArchitecture())

    def test_given_levels_stay(self):
        assert MMHVAEArchitecture(levels=3).for_grid((192, 192)).levels == 3


class TestImputation:
    @pytest.mark.parametrize("size", [(24, 20), (33, 18), (16, 48)])
    def test_takes_any_grid_and_any_subset_of_each_sample(self, size):
        images = brain(size=size)
        imputed = small().impute(images, SOME)
        assert imputed.shape == images.shape
        assert torch.equal(imputed[SOME], images[SOME])
        assert ((imputed >= 0) & (imputed <= 1)).all()

    def test_what_a_missing_channel_holds_changes_nothing(self):
        network, images = small(), brain()
        spoilt = torch.where(SOME[:, :, None, None], images, torch.nan)
        assert torch.equal(network.impute(spoilt, SOME), network.impute(images, SOME))
        encodings = network.encode(spoilt, SOME)  # also inside: no zero-filled image is encoded in its place
        assert [len(encoding.features) for encoding in encodings] == [3, 0, 3, 3]
        found = network.descend(encodings, SOME, (24, 20), 1.0, torch.Generator().manual_seed(0))
        assert all(torch.isfinite(level.posterior.mean).all() for level in found.levels)

    def test_a_sample_does_not_depend_on_the_others_of_the_batch(self):
        network, images = small(), brain()
        together = network.impute(images, SOME)
        alone = network.impute(images[1:], SOME[1:])
        torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=0)

    def test_background_is_exactly_zero(self):
        assert (small().impute(brain(), SOME)[..., :3] == 0).all()

    def test_is_the_same_every_time_at_any_temperature(self):
        network = small(temperature=0.7, n_samples=3)
        assert torch.equal(network.impute(brain(), SOME), network.impute(brain(), SOME))

    def test_temperature_and_samples_are_those_of_the_architecture(self):
        cold, warm = small(), small(temperature=1.0, n_samples=2)
        warm.load_state_dict(cold.state_dict())
        assert not torch.equal(cold.impute(brain(), SOME), warm.impute(brain(), SOME))

    def test_survives_a_model_folder(self, tmp_path):
        network = small()
        save_model(TrainedModel(network), tmp_path / "model")
        again = load_model(tmp_path / "model").network
        assert torch.equal(again.impute(brain(), SOME), network.impute(brain(), SOME))


class TestLadder:
    def test_several_subsets_of_a_batch_are_decoded_from_one_encoding(self):
        network, images = small(), brain()
        encodings = network.encode(images, ALL)
        both = network.descend(encodings, torch.cat([ALL, SOME]), (24, 20), 0.0).finest
        torch.testing.assert_close(both[:2], network.descend(encodings, ALL, (24, 20), 0.0).finest)
        torch.testing.assert_close(both[2:], network.descend(encodings, SOME, (24, 20), 0.0).finest)

    def test_posteriors_are_the_products_of_their_experts(self):
        found = small().descend(small().encode(brain(), ALL), ALL, (24, 20), 0.0)
        for level in found.levels:
            precision = (-2 * level.prior.log_scale).exp() + sum(
                (-2 * expert.opinion.log_scale).exp() for expert in level.experts
            )
            torch.testing.assert_close(level.posterior.log_scale, -0.5 * precision.log())

    def test_the_top_posterior_is_surer_the_more_is_there(self):
        network, images = small(), brain()
        encodings = network.encode(images, ALL)
        scales = [
            network.descend(encodings, torch.arange(4).expand(2, -1) < n, (24, 20), 0.0).levels[0].posterior.log_scale
            for n in (1, 2, 3, 4)
        ]
        assert all((after < before).all() for before, after in itertools.pairwise(scales))


class TestDoubt:
    def test_is_zero_where_the_contrast_is_there_and_positive_where_it_is_not(self):
        images = brain()
        mean, spread = small().sample(images, SOME, temperature=1.0, n_samples=4)
        assert torch.equal(mean[SOME], images[SOME])
        assert (spread[SOME] == 0).all()
        assert (spread[~SOME].mean((1, 2)) > 0).all()

    def test_is_zero_at_temperature_zero(self):
        _, spread = small().sample(brain(), SOME, temperature=0.0, n_samples=3)
        assert (spread < 1e-6).all()

    def test_is_mean_and_deviation_of_the_draws(self):
        network, images = small(), brain()
        mean, spread = network.sample(images, SOME, temperature=1.0, n_samples=5, seed=3)
        shown = torch.where(SOME[:, :, None, None], images, 0.0)
        with torch.inference_mode():
            stream = network.draw(shown, SOME, 1.0, torch.Generator().manual_seed(3))
            draws = torch.stack([next(stream) for _ in range(5)])
        torch.testing.assert_close(mean[~SOME], draws.mean(0)[~SOME])
        torch.testing.assert_close(spread[~SOME], draws.std(0)[~SOME], atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("options", [{"n_samples": 1}, {"temperature": -0.1}])
    def test_of_one_draw_or_a_negative_temperature_is_refused(self, options):
        with pytest.raises(ValueError, match="n_samples"):
            small().sample(brain(), SOME, **options)

    def test_of_a_volume_is_that_of_its_slices(self):
        network, volume = small(), brain(3).transpose(0, 1)
        volume[:, 0] = 0.0
        mean, spread = sample_volume(network, volume, SOME[0], n_samples=3, seed=5)
        expected = network.sample(volume.transpose(0, 1)[1:], SOME[:1].expand(2, -1), n_samples=3, seed=5)
        torch.testing.assert_close(mean[:, 1:], expected[0].transpose(0, 1))
        torch.testing.assert_close(spread[:, 1:], expected[1].transpose(0, 1))
        assert (mean[:, 0] == 0).all()
        assert impute_volume(network, volume, SOME[0]).shape == volume.shape


class TestLatent:
    def test_has_the_size_of_the_images_and_tells_subsets_apart(self):
        network, images = small(), brain(size=(22, 19))
        latent = network.latent(images, ALL)
        assert latent.shape == (2, 2, 22, 19)
        assert not torch.allclose(latent, network.latent(images, SOME))
