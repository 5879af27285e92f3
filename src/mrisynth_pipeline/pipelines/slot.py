"""Which method fills Stage I and Stage II of the default run, as ``stage1.quantiser`` says.

Pipelines are made before any node runs, so this one parameter is read by the context, not by a node.
"""

from typing import Literal

from mrisynth_pipeline.parameters import Parameters
from mrisynth_pipeline.pipelines.methods import BASELINES


class SlotParameters(Parameters):
    """The method of the default run (``params:stage1``)."""

    quantiser: Literal["fsq", "vq"] = "fsq"
    """``fsq``: CodeBrain's scalar codes of slices; ``vq``: NeuroQuant's vector codes of volumes."""

    @property
    def method(self) -> str:
        """The method with this quantiser."""
        return {"fsq": "codebrain", "vq": "neuroquant"}[self.quantiser]


_filled_by = SlotParameters().method


def fill_slot(parameters: SlotParameters) -> bool:
    """Let the pipelines that are made from now on train and judge the method asked for; says whether that is new."""
    global _filled_by
    changed, _filled_by = parameters.method != _filled_by, parameters.method
    return changed


def two_stage_method() -> str:
    """The method in the slot."""
    return _filled_by


def default_methods() -> tuple[str, ...]:
    """Trained and judged by a plain ``kedro run``; every other method has a pipeline of its own name."""
    return (_filled_by, *BASELINES)
