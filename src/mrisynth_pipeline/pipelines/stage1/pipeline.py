"""Stage I: the autoencoder and its codes."""

from kedro.pipeline import Pipeline

from mrisynth_pipeline.pipelines.neuroquant import nodes as neuroquant
from mrisynth_pipeline.pipelines.slot import two_stage_method
from mrisynth_pipeline.pipelines.stage1 import nodes as codebrain
from mrisynth_pipeline.pipelines.two_stages import stage1_template


def create_pipeline(**_: object) -> Pipeline:
    """Stage I of the method that ``stage1.quantiser`` asks for."""
    method = two_stage_method()
    nodes = {"codebrain": codebrain, "neuroquant": neuroquant}[method]
    return stage1_template(method, nodes.train_autoencoder)
