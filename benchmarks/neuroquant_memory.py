"""Memory of NeuroQuant's training: a small step on the CPU, measured, and the published size on a GPU, calculated.

python benchmarks/neuroquant_memory.py

The small step runs in a process of its own at 64³ voxels; its peak is what the operating system saw. The published
step (144×192×144 voxels, bfloat16, reconstruction, swap, and eight slices of each image) runs on fake tensors, which
have sizes but no contents: torch's own memory tracker adds up what would be allocated at any time. Group norms are
made to give float32, as they do under CUDA's autocast.
"""

import argparse
import resource
import subprocess
import sys

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from mrisynth_pipeline.models.neuroquant import NeuroQuantAutoencoder
from mrisynth_pipeline.training.anatomical import AnatomicalAutoencoding, AnatomicalParameters

BASE = {
    "widths": (8, 32),
    "encoder_attention": (),
    "decoder_attention": (),
    "heads": 4,
    "norm_groups": 1,
    "codebook_size": 256,
    "gradient_checkpointing": False,
}
MODALITIES = ("t1", "t1c", "t2", "flair")


class Step(AnatomicalAutoencoding):
    """One step in the middle of a training, when every term is there."""

    global_step = 50

    def log(self, *_, **__) -> None:
        pass


def step(architecture: dict, size: tuple[int, int, int], pairs: int, autocast: bool, checkpointing: bool) -> Step:
    """A training and one forward and backward pass of it, on random images of a size (z, y, x)."""
    network = NeuroQuantAutoencoder(MODALITIES, architecture | {"gradient_checkpointing": checkpointing})
    parameters = AnatomicalParameters(optimisation={"steps": 100, "precision": "32-true"}, slice_probability=1.0)
    module = Step(network, parameters)
    batch = {"images": torch.rand(pairs, 4, *size), "present": torch.ones(pairs, 4, dtype=torch.bool)}
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        module.training_step(batch, 0).backward()
    return module


def measured(size: int) -> None:
    """Print the peak of this process, in GB, over two steps of AdamW at the base size."""
    torch.manual_seed(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    module = step(BASE, (size, size, size), 1, autocast=False, checkpointing=False)
    torch.optim.AdamW(module.parameters()).step()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"base size at {size}³, fp32, one pair: {after / 1e6:.2f} GB peak, {before / 1e6:.2f} GB of it libraries")


class Sketch(Step):
    """The published step without what fake tensors cannot do: draws that depend on data, and the codebook's search."""

    def passes(self, images: torch.Tensor, flat: bool) -> torch.Tensor:
        """Reconstruction and swap of volumes or slices with all their losses."""
        self.autoencoder.quantise = lambda anatomy, learn=True: _Straight(anatomy)
        return self._losses(images, torch.zeros(len(images), dtype=torch.long), flat)


def exact_norm(self: torch.nn.GroupNorm, x: torch.Tensor) -> torch.Tensor:
    """A group norm as under CUDA's autocast."""
    return torch.nn.functional.group_norm(x.float(), self.num_groups, self.weight, self.bias, self.eps)


class _Straight:
    """Stands for the codes: the library's search needs distances of tokens × codes × 4 bytes, added by hand above."""

    indices = None

    def __init__(self, anatomy: torch.Tensor) -> None:
        self.values, self.loss = anatomy.float(), anatomy.float().square().mean()


def peak(images: tuple[int, ...], flat: bool, checkpointing: bool) -> dict[str, int]:
    """Most bytes in use during one step on images of a shape, by kind."""
    with FakeTensorMode():
        network = NeuroQuantAutoencoder(MODALITIES, {"gradient_checkpointing": checkpointing})
        module = Sketch(network, AnatomicalParameters())
        tracker = MemTracker()
        tracker.track_external(module)
        with tracker:
            with torch.autocast("cpu", torch.bfloat16):
                loss = module.passes(torch.rand(images), flat)
            loss.backward()
        snapshot = next(iter(tracker.get_tracker_snapshot("peak").values()))
    return {getattr(kind, "value", kind): size for kind, size in snapshot.items()}


def calculated(size: tuple[int, int, int], pairs: int, checkpointing: bool) -> None:
    """Print the peak of the published step, in GB. Slices are there while the volumes' backward pass begins."""
    volumes = peak((2 * pairs, 1, *size), flat=False, checkpointing=checkpointing)
    slices = peak((16 * pairs, 1, 1, *size[1:]), flat=True, checkpointing=checkpointing)
    weights = 36.43e6 * 4 * 4  # weights, gradients, AdamW's two moments
    average = 36.43e6 * 4
    tokens = 2 * pairs * size[0] * size[1] * size[2] // 16**3
    parts = {
        "activations of volumes": volumes["Activation"],
        "of slices": slices["Activation"],
        "temporary": volumes["Temp"],
        "weights, gradients, AdamW, average": weights + average,
        "code search": 2 * tokens * 4096 * 4,  # distances and one-hot rows
    }
    written = ", ".join(f"{name} {n / 1e9:.1f}" for name, n in parts.items())
    kind = "with" if checkpointing else "without"
    total = sum(parts.values()) / 1e9
    print(f"published size, bf16, {pairs} pair(s) {kind} checkpointing: {total:.1f} GB ({written})", flush=True)


def main() -> None:
    """Both."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--measure", type=int)
    chosen = arguments.parse_args()
    if chosen.measure:
        measured(chosen.measure)
        return
    torch.nn.GroupNorm.forward = exact_norm
    subprocess.run([sys.executable, __file__, "--measure", "64"], check=True)
    for pairs in (1, 2, 4):
        calculated((144, 192, 144), pairs, checkpointing=True)
    calculated((144, 192, 144), 1, checkpointing=False)


if __name__ == "__main__":
    main()
