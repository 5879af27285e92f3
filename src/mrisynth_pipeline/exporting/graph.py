"""Methods as graphs of tensor operations: ``torch.export`` programs and ONNX, for use without this software.

A graph stands for ``impute`` on one grid. What is available stays an input, so that one graph serves every subset.
"""

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export import export as trace

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.whole import appearing
from mrisynth_pipeline.models.door import Imputer
from mrisynth_pipeline.models.packaging import CARD, TrainedModel

TOLERANCE = 1e-3
"""Largest absolute difference, in [0, 1], between a graph and its model: four times float16's rounding in our files.
ONNX Runtime sums in another order than torch, which leaves about 1e-6; a graph that is wrong leaves 1e-1."""
BATCH = "batch"

Run = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Graph:
    """A graph on disk."""

    path: Path
    input_shape: tuple[int | str, ...]
    """Of ``images``; ``batch`` where any number will do."""
    difference: float
    """Largest absolute difference to the model on random images with several subsets available."""
    seconds: float
    """To make, check and write it."""


class _Core(nn.Module):
    """The door without its checks, which ask for values and thus cannot be in a graph."""

    def __init__(self, method: Imputer) -> None:
        super().__init__()
        self.method = method

    def forward(
        self, images: Float[Tensor, "batch modality *spatial"], available: Bool[Tensor, "batch modality"]
    ) -> Float[Tensor, "batch modality *spatial"]:
        return self.method.filled_in(images, available)


def export_torch(model: TrainedModel, target: Path, overwrite: bool = False) -> Graph:
    """Write a method as a ``torch.export`` program; the card lies in it as the extra file ``model_card.json``.

    Args:
        model: An imputer and its card.
        target: A ``.pt2`` file.
        overwrite: Whether it may replace what is there.

    Raises:
        InputError: The method has no fixed graph, the card names no grid, or the graph is not the model.
    """
    start = time.perf_counter()
    with appearing(target, overwrite) as path:
        program, shape = _traced(model)
        with _quiet():
            torch.export.save(program, path, extra_files={CARD: json.dumps(model.card)})
        difference = _checked(model, torch.export.load(path).module(), shape, target)
    return Graph(target, shape, difference, time.perf_counter() - start)


def export_onnx(model: TrainedModel, target: Path, overwrite: bool = False) -> Graph:
    """Write a method as one ONNX file; the card lies in its metadata under ``model_card.json``.

    Args:
        model: An imputer and its card.
        target: An ``.onnx`` file.
        overwrite: Whether it may replace what is there.

    Raises:
        InputError: As of :func:`export_torch`, or the optional packages are not installed.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (torch.onnx asks for it halfway)
    except ImportError as error:
        remedy = 'Install them: pip install "mrisynth_pipeline[onnx]"'
        raise InputError("--format onnx", f"needs packages that are not installed ({error.name})", remedy) from error
    onnxruntime.disable_telemetry_events()
    start = time.perf_counter()
    with appearing(target, overwrite) as path:
        program, shape = _traced(model)
        with _quiet():
            made = torch.onnx.export(program, dynamo=True, verbose=False)
        made.model.metadata_props[CARD] = json.dumps(model.card)
        made.save(path, external_data=False)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def run(images: Tensor, available: Tensor) -> Tensor:
            named = {"images": images.numpy(), "available": available.numpy()}
            return torch.from_numpy(session.run(None, named)[0])

        difference = _checked(model, run, shape, target)
    return Graph(target, shape, difference, time.perf_counter() - start)


def _traced(model: TrainedModel) -> tuple[ExportedProgram, tuple[int | str, ...]]:
    """The graph and the shape of its images; the batch is left open if the method allows it."""
    method = model.network
    if method.graph_obstacle:
        problem = f"cannot become a graph: {method.graph_obstacle}"
        raise InputError(method.name, problem, "Use the package, the MONAI bundle or MLflow (--register) instead")
    grid = getattr(method, "grid", None) or tuple(reversed(model.card.get("grid", {}).get("size", ())))
    if len(grid) != 3:
        raise InputError(method.name, "its card names no grid, which a graph is made for", "Train the model again")
    image = (len(method.modalities), *grid[3 - method.spatial_dims :])
    core, axes = _Core(method).eval(), {0: Dim(BATCH, min=1)}
    with torch.no_grad(), _quiet():
        try:
            program = trace(core, _examples(2, image), dynamic_shapes={"images": axes, "available": axes})
        except torch._dynamo.exc.UserError:  # some layer writes the batch size into the graph
            return trace(core, _examples(1, image)), (1, *image)
    return program, (BATCH, *image)


def _examples(batch: int, image: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random images and availability; the first contrast is always there."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, *image, generator=generator)
    available = torch.rand(batch, image[0], generator=generator) > 0.5
    available[:, 0] = True
    available[0, -1] = False
    return images, available


def _checked(model: TrainedModel, run: Run, shape: tuple[int | str, ...], target: Path) -> float:
    """The largest difference between graph and model.

    Raises:
        InputError: It is too large.
    """
    largest = 0.0
    for seed, batch in enumerate((1, 3) if shape[0] == BATCH else (1, 1, 1)):
        images, available = _examples(batch, shape[1:], seed=seed + 1)
        with torch.inference_mode():
            difference = run(images, available) - model.network.impute(images, available)
        largest = max(largest, difference.abs().max().item())
    if largest > TOLERANCE:
        problem = f"the graph differs from the model by up to {largest:.2g} of 1"
        raise InputError(target, problem, "Nothing was written; use the package instead")
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say to their own developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
