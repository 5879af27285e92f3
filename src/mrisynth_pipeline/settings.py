"""Kedro project settings: hooks and how configuration is read."""

import os
from pathlib import Path

from kedro.utils import find_kedro_project

from mrisynth_pipeline.context import PlainContext
from mrisynth_pipeline.hooks import Artifacts, MissingProducts, PlainErrors, Results, RunTimes, Tracking, TwoStageSlot

# No telemetry: MLflow listens to these very words, the others to any value.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")


def project_path() -> str:
    """The project's folder, so that the tracking database does not depend on the working directory."""
    return str(find_kedro_project(Path.cwd()) or Path(__file__).resolve().parents[2])


CONTEXT_CLASS = PlainContext
HOOKS = (TwoStageSlot(), Tracking(), Artifacts(), RunTimes(), MissingProducts(), PlainErrors(), Results())
# With a dash instead of the underscore the name is silently ignored, and every run is logged twice.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "globals": "soft", "mlflow": "soft"},
    "custom_resolvers": {"project": project_path},
}
