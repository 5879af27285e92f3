"""Products of Gaussian experts against the analytic result, KL against torch.distributions."""

import itertools

import pytest
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as reference_kl

from mrisynth_pipeline.models.blocks.gaussian_experts import (
    Expert,
    Gaussian,
    kl_divergence,
    product_of_experts,
    soft_clamp,
)


def gaussian(batch: int, *shape: int, seed: int = 0) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    return Gaussian(*(torch.randn(batch, *shape, generator=generator, dtype=torch.float64) for _ in range(2)))


def log_density(value: float, *factors: Gaussian) -> torch.Tensor:
    return sum(Normal(factor.mean, factor.log_scale.exp()).log_prob(torch.tensor(value)) for factor in factors)


class TestProduct:
    def test_is_the_precision_weighted_mean(self):
        prior = Gaussian(torch.tensor([[0.0]]), torch.tensor([[0.0]]))
        opinion = Gaussian(torch.tensor([[3.0]]), torch.tensor([[2.0]]).log() * -1)  # σ = 1/2: four times the precision
        product = product_of_experts(prior, [Expert(torch.tensor([0]), opinion)])
        assert product.mean.item() == pytest.approx(3.0 * 4 / 5)
        assert product.log_scale.exp().item() == pytest.approx(5**-0.5)

    def test_its_density_is_that_of_the_factors_but_for_a_constant(self):
        factors = [gaussian(4, 3, seed=seed) for seed in range(4)]
        experts = [Expert(torch.arange(4), factor) for factor in factors[1:]]
        product = product_of_experts(factors[0], experts)
        differences = [log_density(value, *factors) - log_density(value, product) for value in (-2.0, -0.3, 0.0, 1.7)]
        for difference in differences[1:]:
            torch.testing.assert_close(difference, differences[0])

    def test_an_expert_speaks_for_its_rows_alone(self):
        prior, opinion = gaussian(3, 2, 5, 4), gaussian(2, 2, 5, 4, seed=1)
        product = product_of_experts(prior, [Expert(torch.tensor([2, 0]), opinion)])
        torch.testing.assert_close(product.mean[1], prior.mean[1])
        torch.testing.assert_close(product.log_scale[1], prior.log_scale[1])
        alone = product_of_experts(prior.rows(2, 1), [Expert(torch.tensor([0]), opinion.rows(0, 1))])
        torch.testing.assert_close(product.mean[2:], alone.mean)

    def test_an_expert_that_is_not_used_is_not_there(self):
        prior, first, second = (gaussian(2, 3, seed=seed) for seed in range(3))
        both = [Expert(torch.arange(2), first), Expert(torch.arange(2), second)]
        masked = product_of_experts(prior, both, torch.tensor([[True, False], [False, False]]))
        alone = product_of_experts(prior, both[:1])
        torch.testing.assert_close(masked.mean[0], alone.mean[0])
        torch.testing.assert_close(masked.log_scale[1], prior.log_scale[1])

    def test_more_experts_are_never_less_sure(self):
        prior = gaussian(5, 7)
        experts = [Expert(torch.arange(5), gaussian(5, 7, seed=seed)) for seed in range(1, 5)]
        scales = [product_of_experts(prior, experts[:n]).log_scale for n in range(5)]
        assert all((after < before).all() for before, after in itertools.pairwise(scales))

    def test_gradients_stay_finite_at_the_limits_of_the_clamp(self):
        raw = torch.tensor([[-1e4, 1e4, 1e4, -1e4]], requires_grad=True)
        product = product_of_experts(
            Gaussian.standard(torch.zeros(1, 2)), [Expert(torch.tensor([0]), Gaussian.of(raw))]
        )
        (product.mean.sum() + kl_divergence(product, Gaussian.standard(product.mean)).sum()).backward()
        assert torch.isfinite(raw.grad).all()
        assert soft_clamp(raw).abs().max() <= 10


class TestRows:
    def test_of_an_expert_are_counted_anew(self):
        opinion = gaussian(3, 2)
        expert = Expert(torch.tensor([1, 4, 6]), opinion).within(4, 3)
        assert expert.rows.tolist() == [0, 2]
        torch.testing.assert_close(expert.opinion.mean, opinion.mean[1:])


class TestKL:
    def test_agrees_with_torch(self):
        q, p = gaussian(3, 4, 2), gaussian(3, 4, 2, seed=1)
        expected = reference_kl(Normal(q.mean, q.log_scale.exp()), Normal(p.mean, p.log_scale.exp()))
        torch.testing.assert_close(kl_divergence(q, p), expected)

    def test_of_equals_is_zero(self):
        q = gaussian(3, 4)
        torch.testing.assert_close(kl_divergence(q, q), torch.zeros_like(q.mean))


class TestDraws:
    def test_have_the_mean_and_the_deviation_times_the_temperature(self):
        wide = Gaussian(torch.full((40_000, 1), 2.0), torch.full((40_000, 1), 0.5).log())
        drawn = wide.draw(0.5, torch.Generator().manual_seed(0))
        assert drawn.mean().item() == pytest.approx(2.0, abs=0.01)
        assert drawn.std().item() == pytest.approx(0.25, abs=0.01)

    def test_are_the_mean_at_temperature_zero(self):
        wide = gaussian(2, 3)
        assert wide.draw(0.0) is wide.mean
