"""Stage II: predicting the codes from what is available."""

from kedro.pipeline import Pipeline

from mrisynth_pipeline.pipelines.neuroquant import nodes as neuroquant
from mrisynth_pipeline.pipelines.slot import two_stage_method
from mrisynth_pipeline.pipelines.stage2 import nodes as codebrain
from mrisynth_pipeline.pipelines.two_stages import stage2_template


def create_pipeline(**_: object) -> Pipeline:
    """Stage II of the method that ``stage1.quantiser`` asks for."""
    method = two_stage_method()
    nodes = {"codebrain": codebrain, "neuroquant": neuroquant}[method]
    return stage2_template(method, nodes.train_code_predictor)
