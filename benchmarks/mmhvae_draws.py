"""What several answers of MMHVAE cost: encoded once and decoded many times, beside each as an imputation of its own.

python benchmarks/mmhvae_draws.py [--size 80 96] [--draws 8] [--release]

Both ways draw the same number of answers for the same batch in one process, in turn, and the ratio is what counts. Also
printed: multiply-accumulates of the encoders and of one descent per slice, counted by PyTorch.
"""

import argparse
import time
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from mrisynth_pipeline.models.mmhvae import MMHVAE, MMHVAEArchitecture

MODALITIES = ("t1", "t1c", "t2", "flair")
BASE = {
    "width": 8,
    "max_width": 64,
    "expansion": 3,
    "head_width": 4,
    "head_blocks": 1,
    "head_kernel": 3,
    "norm": "pixel",
}


def seconds(function) -> float:
    """Of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(80, 96), metavar=("X", "Y"))
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--release", action="store_true", help="the release's sizes in place of conf/base's")
    options = parser.parse_args()
    size = (options.size[1], options.size[0])
    torch.manual_seed(0)
    network = MMHVAE(MODALITIES, MMHVAEArchitecture(**({} if options.release else BASE)).for_grid(size)).eval()
    if any(length % network.divisor for length in size):
        parser.error(f"sizes must be divisible by {network.divisor}")
    images, available = torch.rand(options.batch, 4, *size), torch.tensor([[True, True, True, False]])
    available = available.expand(options.batch, -1)

    def once() -> None:
        stream = network.draw(images, available, 1.0, torch.Generator().manual_seed(0))
        for _ in range(options.draws):
            next(stream)

    def each() -> None:
        for number in range(options.draws):
            next(network.draw(images, available, 1.0, torch.Generator().manual_seed(number)))

    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            encodings = network.encode(images[:1], available[:1])
            encoding = counter.get_total_flops()
            network.decode(network.descend(encodings, available[:1], size, 0.0).finest)
            whole = counter.get_total_flops()
        once()
        pairs = [(seconds(once), seconds(each)) for _ in range(options.repeats)]
    own, other = (median(times) for times in zip(*pairs, strict=True))
    print(f"{sum(w.numel() for w in network.parameters()):,} weights, {size[1]}×{size[0]} voxels, 3 inputs")
    print(f"per slice: encoders {encoding / 2e9:.2f} GMAC, one descent {(whole - encoding) / 2e9:.2f} GMAC")
    print(f"{options.draws} draws of {options.batch} slices: encoded once {own:.2f} s, each time {other:.2f} s")
    print(f"ratio {other / own:.2f} (median of {options.repeats})")


if __name__ == "__main__":
    main()
