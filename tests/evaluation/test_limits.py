"""Floor and ceiling of the protocol."""

import torch

from mrisynth_pipeline.evaluation.limits import blank, resampled_truth
from mrisynth_pipeline.metrics.image import volume_psnr


def smooth(shape=(3, 20, 22, 24)):
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.avg_pool3d(noise[None], 5, 1, 2)[0]


def test_the_floor_is_empty():
    assert not blank(smooth(), torch.tensor([True, False, True])).any()


def test_one_resampling_blurs_a_little_and_moves_nothing():
    volumes = smooth()
    again = resampled_truth(volumes, torch.tensor([True, False, True]))
    mask = torch.zeros(volumes.shape[1:], dtype=torch.bool)
    mask[4:-4, 4:-4, 4:-4] = True
    unmoved = volume_psnr(again[0], volumes[0], mask)
    moved = max(volume_psnr(again[0].roll(1, axis), volumes[0], mask) for axis in range(3))
    assert 25 < unmoved < 60
    assert unmoved > moved + 1
    inside = again[0][mask]
    assert inside.std() < volumes[0][mask].std(), "it is blurred"


def test_an_even_image_stays_what_it_is():
    even = torch.full((1, 8, 9, 10), 0.5)
    torch.testing.assert_close(resampled_truth(even, torch.tensor([True])), even)
