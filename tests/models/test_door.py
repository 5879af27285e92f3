"""The promises of ``impute(images, available)``, for every method that a model folder may hold."""

import pytest
import torch

from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.baselines import LinearRegression, MeanImage
from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture
from mrisynth_pipeline.models.door import Imputer, impute_volume
from mrisynth_pipeline.models.mmhvae import MMHVAE
from mrisynth_pipeline.models.neuroquant import NeuroQuant
from mrisynth_pipeline.models.packaging import NETWORKS
from mrisynth_pipeline.models.resunet import ResUNet

MODALITIES = ("t1", "t2", "flair")
GRID = (6, 10, 12)


def codebrain() -> CodeBrain:
    torch.manual_seed(0)
    small = CodeBrainArchitecture(posterior_width=4, common_width=4, decoder_width=4, depth=1)
    method = CodeBrain(MODALITIES, small)
    for name, weight in method.named_parameters():
        if name.endswith("_scale"):
            torch.nn.init.normal_(weight)
    return method.eval()


def unet(kind: type[ResUNet], **architecture) -> ResUNet:
    torch.manual_seed(0)
    return kind(MODALITIES, {"widths": (4, 8, 12), **architecture}).eval()


def mmhvae() -> MMHVAE:
    torch.manual_seed(0)
    sizes = {"levels": 3, "width": 4, "max_width": 8, "head_width": 4, "head_blocks": 1, "head_kernel": 3}
    return MMHVAE(MODALITIES, sizes).eval()


def neuroquant() -> NeuroQuant:
    torch.manual_seed(0)
    sizes = {"widths": (4, 8), "heads": 2, "encoder_attention": (2,), "decoder_attention": (1,), "norm_groups": 4}
    method = NeuroQuant(MODALITIES, {**sizes, "codebook_size": 16, "gradient_checkpointing": False})
    method.autoencoder(torch.rand(2, 1, 8, 8, 8), torch.tensor([0, 1]))  # the codebook starts from data
    method.autoencoder.mean_styles.normal_()
    method.autoencoder.styles_remembered.fill_(True)
    return method.eval()


def fitted(method: LinearRegression | MeanImage) -> LinearRegression | MeanImage:
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        method.accumulate(torch.rand(3, *GRID, generator=generator), torch.ones(3, dtype=torch.bool))
    return method


METHODS = {
    "aginet": lambda: unet(AGINet),
    "codebrain": codebrain,
    "linear": lambda: fitted(LinearRegression(MODALITIES)),
    "mean": lambda: fitted(MeanImage(MODALITIES, GRID)),
    "mmhvae": mmhvae,
    "neuroquant": neuroquant,
    "resunet": lambda: unet(ResUNet, spatial_dims=3, window=(8, 8, 8)),
}


def test_every_imputer_is_held_to_the_promises():
    assert {name for name, network in NETWORKS.items() if issubclass(network, Imputer)} == set(METHODS)


@pytest.fixture(params=METHODS)
def method(request) -> Imputer:
    return METHODS[request.param]()


def batch(method: Imputer) -> tuple[torch.Tensor, torch.Tensor]:
    spatial = GRID[-method.spatial_dims :]
    images = torch.rand(3, 3, *spatial, generator=torch.Generator().manual_seed(2))
    available = torch.tensor([[True, False, False], [False, True, True], [True, True, False]])
    return images, available


def test_available_modalities_come_back_as_they_were(method):
    images, available = batch(method)
    assert torch.equal(method.impute(images, available)[available], images[available])


@pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), -5.0, 1e9])
def test_missing_inputs_are_ignored_whatever_they_hold(method, rubbish):
    images, available = batch(method)
    expected = method.impute(images, available)
    images[~available] = rubbish
    assert torch.equal(method.impute(images, available), expected)


def test_outputs_lie_in_the_unit_interval(method):
    images, available = batch(method)
    imputed = method.impute(images, available)
    assert imputed.dtype == torch.float32
    assert imputed.min() >= 0
    assert imputed.max() <= 1


def test_samples_of_a_batch_do_not_see_each_other(method):
    images, available = batch(method)
    together = method.impute(images, available)
    alone = torch.cat([method.impute(i[None], a[None]) for i, a in zip(images, available, strict=True)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_nothing_to_go_by_is_refused(method):
    images, available = batch(method)
    available[1] = False
    with pytest.raises(ValueError, match="at least one modality"):
        method.impute(images, available)


def test_another_number_of_modalities_is_refused_by_name(method):
    images, available = batch(method)
    with pytest.raises(ValueError, match="t1, t2, flair"):
        method.impute(images[:, :2], available[:, :2])


def test_another_number_of_axes_is_refused(method):
    images, available = batch(method)
    with pytest.raises(ValueError, match="spatial axes"):
        method.impute(images[..., 0], available)


def test_a_volume_is_imputed_whatever_the_method_works_on(method):
    volumes = torch.rand(3, *GRID)
    available = torch.tensor([True, False, True])
    imputed = impute_volume(method, volumes, available, batch_size=4)
    assert imputed.shape == volumes.shape
    assert torch.equal(imputed[available], volumes[available])
    assert torch.allclose(imputed, impute_volume(method, volumes, available, batch_size=1), atol=1e-5)


def test_a_method_covers_everything_unless_it_says_otherwise(method):
    assert all(method.covers(torch.tensor([True, False, False]), target) for target in range(3))


def test_slices_beyond_the_head_stay_empty():
    volumes = torch.rand(3, *GRID)
    volumes[:, 0] = 0
    volumes[1, -1] = torch.nan  # hidden: whatever it holds must not count as signal
    available = torch.tensor([True, False, True])
    volumes[available, -1] = 0
    imputed = impute_volume(codebrain(), volumes, available, batch_size=4)
    assert (imputed[:, 0] == 0).all()
    assert (imputed[:, -1] == 0).all()
    assert imputed[1, 1:-1].abs().sum() > 0
