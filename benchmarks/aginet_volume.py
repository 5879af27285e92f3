"""A whole volume through a 3D network, window by window: peak memory, seconds, and whether the windows' borders show.

    python benchmarks/aginet_volume.py                       # 240×240×155 voxels, four contrasts
    python benchmarks/aginet_volume.py --overlap 0           # the yardstick: windows side by side
    python benchmarks/aginet_volume.py --model data/06_models/aginet/model --subject FILE --picture seams.png

Without ``--model`` the network has random weights, without ``--subject`` the volume is made up. The seam measure
compares neighbouring voxels across the borders of windows (mean absolute difference of the output) with neighbouring
voxels elsewhere: 1 means that borders cannot be told.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch
from monai.data.utils import dense_patch_slices
from PIL import Image
from scipy import ndimage

from mrisynth_pipeline.imaging.subject_file import open_subject
from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.packaging import load_model
from mrisynth_pipeline.models.resunet import ResUNet

MODALITIES = ("t1", "t1c", "t2", "flair")


def head(size: tuple[int, int, int]) -> torch.Tensor:
    """Smooth random contrasts ``[modality, z, y, x]`` in an ellipsoid, background 0."""
    noise = np.random.default_rng(0).standard_normal((len(MODALITIES), *size), dtype=np.float32)
    smooth = np.stack([ndimage.gaussian_filter(n, 2.0) for n in noise])
    grid = np.meshgrid(*(np.linspace(-1.2, 1.2, n, dtype=np.float32) for n in size), indexing="ij", sparse=True)
    inside = sum(axis**2 for axis in grid) < 1
    return torch.from_numpy(np.clip(0.5 + 2 * smooth, 0.05, 1) * inside)


def seam(volume: torch.Tensor, inside: torch.Tensor, axis: int, borders: list[int], period: int) -> float:
    """Mean difference across the borders of an axis, relative to that across other planes; inside the head alone.

    Up-sampling gives a network without training a texture of this period, which must not be taken for a seam: the other
    planes are those a whole number of periods away.
    """
    within = inside.narrow(axis, 1, inside.shape[axis] - 1)
    others = [d for d in range(volume.ndim) if d != axis]
    steps = (volume.diff(dim=axis).abs() * within).sum(others) / within.sum(others).clamp(min=1)
    filled = within.sum(others) > 0.3 * within.sum(others).max()
    planes = [p for p in range(period, volume.shape[axis], period) if filled[p - 1]]
    at, off = ([p - 1 for p in planes if (p in borders) is border] for border in (True, False))
    return float(steps[at].mean() / steps[off].mean())


def network(options: argparse.Namespace) -> ResUNet:
    """The trained network of a folder, or one with random weights."""
    if options.model:
        method = load_model(Path(options.model)).network
        method.architecture = method.architecture.model_copy(
            update={"window": tuple(options.window), "overlap": options.overlap}
        )
        return method
    kind = {"aginet": AGINet, "resunet": ResUNet}[options.method]
    sizes = {name: tuple(getattr(options, name)) for name in ("widths", "window")}
    method = kind(MODALITIES, {"spatial_dims": 3, "overlap": options.overlap, **sizes}).eval()
    torch.nn.init.constant_(method.network.head.bias, 0.5)  # so that little is clamped
    return method


def picture(truth: torch.Tensor, imputed: torch.Tensor) -> Image.Image:
    """Middle planes along z, y and x, superior and anterior up: the truth above, the imputed contrast below."""
    rows = []
    for volume in (truth, imputed):
        planes = [volume.select(axis, n // 2).flip(0).numpy() for axis, n in enumerate(volume.shape)]
        height = max(len(plane) for plane in planes)
        rows.append(np.concatenate([np.pad(plane, ((0, height - len(plane)), (0, 0))) for plane in planes], axis=1))
    return Image.fromarray((np.concatenate(rows) * 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=["aginet", "resunet"], default="aginet")
    parser.add_argument("--size", type=int, nargs=3, default=(240, 240, 155), metavar=("X", "Y", "Z"))
    parser.add_argument("--widths", type=int, nargs="+", default=(16, 32, 64, 128))
    parser.add_argument("--window", type=int, nargs=3, default=(96, 96, 96), metavar=("X", "Y", "Z"))
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--model", help="model folder of a trained 3D network, instead of method and widths")
    parser.add_argument("--subject", help="prepared subject file with as many contrasts, instead of a made-up volume")
    parser.add_argument("--picture", help="PNG of the middle planes: truth above, imputed below")
    options = parser.parse_args()
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method = network(options).to(device)
    volumes = torch.from_numpy(open_subject(options.subject).volumes()) if options.subject else head(options.size[::-1])
    volumes = volumes[None].to(device)
    available = torch.arange(volumes.shape[1], device=device)[None] != 1
    padded = [size + -size % method.divisor for size in volumes.shape[2:]]
    window = [min(pair) for pair in zip(options.window[::-1], padded, strict=True)]
    step = [n if n == size else int(n * (1 - options.overlap)) for n, size in zip(window, padded, strict=True)]
    places = dense_patch_slices(padded, window, step)  # as MONAI's sliding window does

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    imputed = method.impute(volumes, available)[0, 1].cpu()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = "×".join(str(n) for n in reversed(volumes.shape[2:]))
    print(f"{method.name} {method.architecture.widths}, {size}, {device}, {len(places)} windows")
    print(f"{seconds:.0f} s; peak of the process {peak / 2**20:.2f} GiB (before imputing {before / 2**20:.2f})")
    if device.type == "cuda":
        print(f"peak on the GPU {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
    unclamped = (imputed > 0) & (imputed < 1)
    print(f"{100 * unclamped.float().mean():.0f} % of the output are strictly between 0 and 1")
    for axis, name in enumerate("zyx"):
        borders = sorted({edge for place in places for edge in (place[axis].start, place[axis].stop)})
        print(f"seams along {name}: × {seam(imputed, volumes[0, 0].cpu() > 0, axis, borders, method.divisor):.3f}")
    if options.picture:
        picture(volumes[0, 1].cpu(), imputed).save(options.picture)


if __name__ == "__main__":
    main()
