"""The registered pipelines; ``kedro run`` chains them all."""

import warnings

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

from mrisynth_pipeline.pipelines.slot import two_stage_method

DEFAULT = (
    "phantom",
    "ingestion",
    "preprocessing",
    "stage1",
    "stage2",
    "evaluation",
    "segmentation",
    "reporting",
)
"""The pipelines of the default run, in the order of the data's way; of ``packaging`` one method comes with them."""


def register_pipelines() -> dict[str, Pipeline]:
    """Every pipeline by name; its nodes carry the name as a tag, which is what run times are kept by."""
    # Names such as `codebrain.scores` are meant: nodes outside a namespace read and write what is inside.
    warnings.filterwarnings("ignore", message="One or more dataset names contain '.'")
    pipelines = {
        name: pipeline.tag(name)
        for name, pipeline in find_pipelines(raise_errors=True).items()
        if name != "__default__"
    }
    # Selective runs (`--pipelines stage2`) import only what they name.
    default = [pipelines[name] for name in DEFAULT if name in pipelines]
    if "packaging" in pipelines:
        default.append(pipelines["packaging"].only_nodes_with_namespaces([two_stage_method()]))
    return pipelines | {"__default__": sum(default, Pipeline([]))}
