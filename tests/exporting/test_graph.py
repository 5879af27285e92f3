"""A graph is the model, whatever is available; what cannot be one says why."""

import copy
import importlib.util
import json
import sys

import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting import graph
from mrisynth_pipeline.exporting.graph import TOLERANCE, export_onnx, export_torch
from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.baselines import LinearRegression, MeanImage
from mrisynth_pipeline.models.codebrain import CodeBrain
from mrisynth_pipeline.models.mmhvae import MMHVAE
from mrisynth_pipeline.models.neuroquant import NeuroQuant
from mrisynth_pipeline.models.packaging import CARD, TrainedModel
from mrisynth_pipeline.models.resunet import ResUNet

CONTRASTS = ("t1", "t2", "flair")
CARD_OF_ALL = {"grid": {"size": [12, 20, 16], "spacing_mm": [4.0, 4.0, 4.0]}}  # y is not divisible by 8
SMALL = {"posterior_width": 4, "common_width": 4, "decoder_width": 4, "depth": 1}
UNET = {"widths": (4, 8), "spatial_dims": 2}
VOLUMES = {"widths": (4, 8), "spatial_dims": 3, "window": (16, 8, 8)}
QUANT = {"widths": (8, 8), "encoder_attention": (2,), "decoder_attention": (), "heads": 2, "codebook_size": 16}


def with_vector_codes() -> CodeBrain:
    method = CodeBrain(CONTRASTS, SMALL | {"quantiser": "vq", "codebook_size": 16, "codebook_dim": 5})
    method.autoencoder.codes.vectors.vq.codebook.normal_()  # a codebook that has learned nothing is all zeros
    return method


WITH_A_GRAPH = {
    "codebrain": lambda: CodeBrain(CONTRASTS, SMALL),
    "codebrain, vectors": with_vector_codes,
    "resunet": lambda: ResUNet(CONTRASTS, UNET),
    "aginet": lambda: AGINet(CONTRASTS, {**UNET, "strategy": "encoder", "n_groups": 2}),
    "mean": lambda: MeanImage(CONTRASTS, (16, 20, 12)),
}
WITHOUT = {
    "resunet, volumes": lambda: ResUNet(CONTRASTS, VOLUMES),
    "aginet, volumes": lambda: AGINet(CONTRASTS, {**VOLUMES, "strategy": "encoder", "n_groups": 2}),
    "linear": lambda: LinearRegression(CONTRASTS),
    "mmhvae": lambda: MMHVAE(CONTRASTS, {"levels": 2, "width": 4, "max_width": 4, "head_blocks": 1}),
    "neuroquant": lambda: NeuroQuant(CONTRASTS, QUANT),
}
needs_onnx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript"))), reason="the extra onnx is missing"
)


def seeded(make):
    torch.manual_seed(0)
    return TrainedModel(make().eval(), CARD_OF_ALL)


def asked(method, batch=1):
    """Images in which what is missing is NaN, and every subset in turn."""
    shape = (16, 20, 12)[3 - method.spatial_dims :]
    for number in range(1, 2 ** len(CONTRASTS)):
        available = torch.tensor([[bool(number >> bit & 1) for bit in range(len(CONTRASTS))]] * batch)
        images = torch.rand(batch, len(CONTRASTS), *shape, generator=torch.Generator().manual_seed(number))
        images[~available] = torch.nan
        yield images, available


@pytest.mark.parametrize("name", WITH_A_GRAPH)
def test_a_program_is_the_model_for_every_subset(name, tmp_path):
    model = seeded(WITH_A_GRAPH[name])
    made = export_torch(model, tmp_path / "model.pt2")
    program = torch.export.load(made.path).module()
    for images, available in asked(model.network, batch=3 if made.input_shape[0] == "batch" else 1):
        assert torch.allclose(program(images, available), model.network.impute(images, available), atol=1e-5)
    assert made.difference <= 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]


def test_the_card_goes_with_the_program(tmp_path):
    made = export_torch(seeded(WITH_A_GRAPH["mean"]), tmp_path / "model.pt2")
    extra = {CARD: ""}
    torch.export.load(made.path, extra_files=extra)
    assert json.loads(extra[CARD]) == CARD_OF_ALL


@pytest.mark.parametrize("name", WITHOUT)
def test_what_has_no_graph_is_right_about_it(name, tmp_path, monkeypatch):
    model = seeded(WITHOUT[name])
    obstacle = model.network.graph_obstacle
    with pytest.raises(InputError, match="cannot become a graph") as refused:
        export_torch(model, tmp_path / "model.pt2")
    assert obstacle in str(refused.value)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(type(model.network), "graph_obstacle", "")
    with pytest.raises(Exception) as failed:  # torch has one of its own for each of them
        graph._traced(model)
    assert not isinstance(failed.value, InputError)


@needs_onnx
@pytest.mark.parametrize("name", ["codebrain", "codebrain, vectors", "resunet", "aginet", "mean"])
def test_onnx_is_the_model_for_every_subset(name, tmp_path):
    import onnx
    import onnxruntime

    model = seeded(WITH_A_GRAPH[name])
    made = export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(made.path, providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["images", "available"]
    for images, available in asked(model.network):
        (imputed,) = session.run(None, {"images": images.numpy(), "available": available.numpy()})
        assert abs(imputed - model.network.impute(images, available).numpy()).max() < 1e-5
    assert made.difference < 1e-5
    about = {entry.key: entry.value for entry in onnx.load(made.path).metadata_props}
    assert json.loads(about[CARD]) == CARD_OF_ALL
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_graph_that_is_not_the_model_is_not_written(tmp_path, monkeypatch):
    model = seeded(WITH_A_GRAPH["mean"])
    trace = graph._traced

    def wrong(model):
        model.network.total.add_(2 * TOLERANCE)
        try:
            return trace(model)
        finally:
            model.network.total.sub_(2 * TOLERANCE)

    def copied(core, *arguments, **options):
        return torch.export.export(copy.deepcopy(core), *arguments, **options)

    monkeypatch.setattr(graph, "trace", copied)  # so that the graph keeps the other mean
    monkeypatch.setattr(graph, "_traced", wrong)
    with pytest.raises(InputError, match=r"differs from the model by up to 0\.002"):
        export_torch(model, tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_a_card_without_a_grid(tmp_path):
    model = TrainedModel(WITH_A_GRAPH["resunet"]().eval(), {})
    with pytest.raises(InputError, match="names no grid"):
        export_torch(model, tmp_path / "model.pt2")


def test_without_the_extra_packages(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"not installed.*mrisynth_pipeline\[onnx\]"):
        export_onnx(seeded(WITH_A_GRAPH["mean"]), tmp_path / "model.onnx")
