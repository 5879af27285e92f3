"""What a training step costs with the adaptive convolution of AGI-Net, in steps of the plain one of equal width.

    OMP_NUM_THREADS=2 python benchmarks/cagr_cost.py        # on a GPU if there is one

First whole networks, then single layers (forward and backward), with the ways in which a batch can be convolved with a
kernel per sample: `groups` is the package's (one convolution, samples as groups), `loop` convolves sample by sample,
`taps` blends the taps of the input instead of the kernel and then shares one 1×1 convolution, `unfold` does that with
im2col and matrix products. `materialised` is the package's way with x ⊙ A written to memory. All ways take turns in one
loop; each number is the quickest of its turns, so that whatever else the machine does weighs little.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.blocks.cagr import CAGRConv, apply_matrices, blend_matrices
from mrisynth_pipeline.models.resunet import ResUNet

LAYERS = [
    (16, (96, 80)),
    (32, (48, 40)),
    (64, (24, 20)),
    (128, (12, 10)),
    (32, (96, 80)),
    (64, (96, 80)),
    (128, (48, 40)),
    (8, (32, 32, 32)),
    (16, (32, 32, 32)),
    (32, (16, 16, 16)),
]
"""Width and size: the levels of the small 2D network on 96×80 slices, three levels of the paper-size one, and 3D."""
NETWORKS = [((16, 32, 64, 128), (96, 80)), ((64, 128, 256, 512), (96, 80)), ((8, 16, 32), (32, 32, 32))]
MODALITIES = ("t1", "t1c", "t2", "flair")


class Variant(CAGRConv):
    """The same layer, the per-sample kernels applied in another way."""

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        attention = self.attend(x)
        offsets, scales = self.route(x, attention)
        gains = attention * scales.repeat_interleave(x.shape[1] // self.n_groups, dim=1)
        return blend_matrices(offsets, self.kernel_size), gains


class Loop(Variant):
    def forward(self, x: Tensor) -> Tensor:
        kernels = apply_matrices(self.weight, *self.parts(x))
        pairs = zip(x.split(1), kernels, strict=True)
        return torch.cat([self.convolution(image, kernel, self.bias, 1, self.padding) for image, kernel in pairs])


class Taps(Variant):
    def forward(self, x: Tensor) -> Tensor:
        matrices, gains = self.parts(x)
        per_channel = matrices.repeat_interleave(x.shape[1] // self.n_groups, dim=1) * gains[..., None, None]
        # Row q of a channel's matrix, as a small kernel, gathers what the weight's tap q is to see.
        kernels = per_channel.transpose(2, 3).reshape(-1, 1, *self.weight.shape[2:])
        together = x.reshape(1, -1, *x.shape[2:])
        taps = self.convolution(together, kernels, None, 1, self.padding, groups=together.shape[1])
        weight = self.weight.reshape(len(self.weight), -1, *(1,) * self.spatial_dims)
        return self.convolution(taps.reshape(len(x), -1, *taps.shape[2:]), weight, self.bias)


class Unfold(Variant):
    def forward(self, x: Tensor) -> Tensor:
        matrices, gains = self.parts(x)
        per_channel = matrices.repeat_interleave(x.shape[1] // self.n_groups, dim=1) * gains[..., None, None]
        taps = functional.unfold(x, self.kernel_size, padding=self.padding).unflatten(1, (x.shape[1], -1))
        blended = torch.matmul(per_channel.transpose(2, 3), taps).flatten(1, 2)
        out = torch.matmul(self.weight.flatten(1), blended) + self.bias[:, None]
        return out.unflatten(2, x.shape[2:])


class Materialised(Variant):
    def forward(self, x: Tensor) -> Tensor:
        attention = self.attend(x)
        weighted = x * attention.reshape(*attention.shape, *(1,) * self.spatial_dims)
        ones = torch.ones_like(attention)
        offsets, scales = self.route(weighted, ones)
        gains = scales.repeat_interleave(x.shape[1] // self.n_groups, dim=1)
        kernels = apply_matrices(self.weight, blend_matrices(offsets, self.kernel_size), gains).flatten(0, 1)
        together = weighted.reshape(1, -1, *x.shape[2:])
        out = self.convolution(together, kernels, self.bias.repeat(len(x)), 1, self.padding, groups=len(x))
        return out.reshape(len(x), -1, *out.shape[2:])


WAYS = {"groups": CAGRConv, "loop": Loop, "taps": Taps, "unfold": Unfold, "materialised": Materialised}


def quickest(steps: dict[str, Callable[[], None]], seconds: float, device: str) -> dict[str, float]:
    """Milliseconds of every step, the best of as many turns as fit."""

    def timed(step: Callable[[], None]) -> float:
        start = time.perf_counter()
        step()
        if device == "cuda":
            torch.cuda.synchronize()
        return 1000 * (time.perf_counter() - start)

    for step in steps.values():
        timed(step)
    best = dict.fromkeys(steps, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = {name: min(best[name], timed(step)) for name, step in steps.items()}
    return best


def layer_step(layer: nn.Module, x: Tensor, gradient: Tensor) -> None:
    layer(x).backward(gradient)


def network_step(network: ResUNet, images: Tensor, available: Tensor) -> None:
    functional.l1_loss(network(images, available), images).backward()


def layers(batch: int, seconds: float, device: str) -> None:
    print(
        f"{'layer':>20} {'plain ms':>9}  "
        + "  ".join(f"{name:>12}" for name in WAYS)
        + "  GR only  CGA only  plain, channels last"
    )
    for width, size in LAYERS:
        dims = len(size)
        x = torch.randn(batch, width, *size, device=device, requires_grad=True)
        gradient = torch.ones_like(x)
        last = torch.channels_last if dims == 2 else torch.channels_last_3d
        made: dict[str, nn.Module] = {"plain": {2: nn.Conv2d, 3: nn.Conv3d}[dims](width, width, 3, padding=1)}
        torch.manual_seed(0)
        reference = CAGRConv(dims, width, width, padding=1)
        for name, way in WAYS.items():
            if name == "unfold" and dims == 3:  # torch has no 3D one
                continue
            made[name] = way(dims, width, width, padding=1, dropout=0.0)
            made[name].load_state_dict(reference.state_dict())
        made["GR only"] = CAGRConv(dims, width, width, padding=1, attention=False)
        made["CGA only"] = CAGRConv(dims, width, width, padding=1, rolling="none")
        made = {name: layer.to(device) for name, layer in made.items()}
        expected = made["groups"](x)
        for name in WAYS:
            assert name not in made or torch.allclose(made[name](x), expected, atol=1e-3), (
                f"{name} computes another thing"
            )
        steps = {name: partial(layer_step, layer, x, gradient) for name, layer in made.items()}
        inner = x.detach().to(memory_format=last).requires_grad_()
        steps["last"] = partial(layer_step, made["plain"], inner, gradient.to(memory_format=last))
        ms = quickest(steps, seconds, device)
        ratios = {name: f"× {value / ms['plain']:.2f}" for name, value in ms.items()}
        name = f"{width} of " + "×".join(map(str, size))
        print(
            f"{name:>20} {ms['plain']:9.2f}  "
            + "  ".join(f"{ratios.get(way, '–'):>12}" for way in WAYS)
            + f"  {ratios['GR only']:>7}  {ratios['CGA only']:>8}  {ratios['last']:>20}",
            flush=True,
        )


def networks(batch: int, seconds: float, device: str) -> None:
    print(f"{'network':>42} {'ResUNet ms':>11} {'AGI-Net ms':>11}  ratio  encoder  bottleneck")
    for widths, size in NETWORKS:
        sizes = {"widths": widths, "spatial_dims": len(size)}
        made: dict[str, nn.Module] = {"plain": ResUNet(MODALITIES, sizes)}
        made |= {s: AGINet(MODALITIES, {**sizes, "strategy": s}) for s in ("all", "encoder", "bottleneck")}
        n = batch if len(size) == 2 else 2
        images = torch.rand(n, len(MODALITIES), *size, device=device)
        available = torch.tensor([[True, False, True, True]], device=device).expand(n, -1)
        made = {name: network.to(device) for name, network in made.items()}
        steps = {name: partial(network_step, network, images, available) for name, network in made.items()}
        ms = quickest(steps, 4 * seconds, device)
        name = f"{', '.join(map(str, widths))} on {n} of " + "×".join(map(str, size))
        others = "  ".join(f"{ms[s] / ms['plain']:{w}.2f}" for s, w in (("all", 5), ("encoder", 7), ("bottleneck", 10)))
        print(f"{name:>42} {ms['plain']:11.0f} {ms['all']:11.0f}  {others}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0, help="per layer")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    networks(options.batch, options.seconds, device)
    layers(options.batch, options.seconds, device)


if __name__ == "__main__":
    main()
