"""What happens around the nodes: one MLflow run per Kedro run, run times, and errors a person can read."""

import atexit
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import mlflow
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from pydantic import ValidationError

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.parameters import plain
from mrisynth_pipeline.pipelines.products import must_not_lack
from mrisynth_pipeline.pipelines.slot import SlotParameters, fill_slot
from mrisynth_pipeline.reporting.provenance import git_commit

logger = logging.getLogger(__name__)

CARD = "model_card.json"

RUN_TIMES = "run_times"
"""Dataset that keeps the seconds of every node's last run."""


DETAILS = {"n", "n_undefined", "sd", "ci_low", "ci_high", "confidence"}
"""Numbers of a summary that say how sure another one is: they stay in the artifact."""


def final_metrics(summary: Any, prefix: str) -> dict[str, float]:
    """The numbers of a nested summary as flat ``a.b.c`` metrics.

    Table ``rows`` are named by their texts (missing contrast, region, method: ``t1c.TC.zero.dice.mean``) and, where
    they have one, their amount (``resunet.translation_mm.4.volume.psnr.mean``, or ``….4.registered.…``); other lists
    and texts are left to the artifacts.
    """
    if isinstance(summary, dict):
        flat: dict[str, float] = {}
        for key, value in summary.items():
            if key == "rows":
                for row in value:
                    flat |= final_metrics(row, ".".join([prefix, *_row_name(row)]))
            elif key not in DETAILS:
                flat |= final_metrics(value, f"{prefix}.{key}")
        return flat
    is_number = isinstance(summary, int | float) and not isinstance(summary, bool)
    return {prefix.replace("+", "_"): float(summary)} if is_number else {}


def _row_name(row: dict[str, Any]) -> Iterator[str]:
    """What tells a row of a table from the others."""
    yield from (value for value in row.values() if isinstance(value, str))
    if "amount" in row:
        yield f"{row['amount']:g}"
    if row.get("registered"):
        yield "registered"


def end_killed_run() -> None:
    """Mark a run that is still open as killed."""
    while mlflow.active_run() is not None:
        mlflow.end_run("KILLED")


class TwoStageSlot:
    """Lets ``stage1.quantiser`` choose the method of the default run before the pipelines are made."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Read the parameter, and have the pipelines made anew where it says something new."""
        try:
            parameters = SlotParameters(**context.config_loader["parameters"].get("stage1", {}))
        except ValidationError:
            return  # the context itself tells what is wrong, together with all else that is
        if fill_slot(parameters):
            pipelines.configure("mrisynth_pipeline.pipeline_registry")


class Tracking(MlflowHook):
    """kedro-mlflow's hook, with typed parameters logged one by one: ``codebrain.stage1.optimisation.steps``."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Start the MLflow run, and say which code it is a run of."""
        super().before_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        # No hook hears of Ctrl-C, and MLflow itself takes a run that is open at the end of the process for finished.
        atexit.register(end_killed_run)
        if mlflow.active_run() is not None:
            mlflow.set_tag("git_commit", git_commit(Path(run_params["project_path"])) or "not under git")

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool) -> None:
        """Log the node's parameters as nested names."""
        parameters = {name: plain(value) for name, value in inputs.items() if name.startswith("params:")}
        super().before_node_run(node=node, catalog=catalog, inputs=parameters, is_async=is_async)


class Artifacts:
    """Logs what a person looks at to the MLflow run, so that the catalog stays plain files.

    Everything the catalog files under the layer ``reporting`` is logged when it is saved; of JSON summaries
    (``metadata: {mlflow: metrics}``) the numbers too; of models the card.
    """

    _catalog: CatalogProtocol

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol) -> None:
        """Keep the catalog, to find the file behind a saved dataset."""
        self._catalog = catalog

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log one dataset."""
        if mlflow.active_run() is None or dataset_name == RUN_TIMES:
            return
        dataset = self._catalog.get(dataset_name)
        metadata = getattr(dataset, "metadata", None) or {}
        layer = metadata.get("kedro-viz", {}).get("layer")
        path = Path(str(getattr(dataset, "_filepath", getattr(dataset, "_path", ""))))
        if metadata.get("mlflow") == "metrics":
            metrics = final_metrics(data, dataset_name.rpartition(".")[2])
            mlflow.log_metrics({name: value for name, value in metrics.items() if math.isfinite(value)})
        if layer == "reporting" and path.is_dir():
            mlflow.log_artifacts(str(path), f"reporting/{path.name}")
        elif layer == "reporting" and path.is_file():
            mlflow.log_artifact(str(path), "reporting")
        elif layer == "models" and (path / CARD).is_file():
            mlflow.log_artifact(str(path / CARD), f"model_cards/{dataset_name}")


class RunTimes:
    """Keeps how long every node took, for the report; a partial run renews only its own nodes."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    @hook_impl
    def before_pipeline_run(self, catalog: CatalogProtocol) -> None:
        """Begin the record; the report reads it even where all before it came out of a cache."""
        if RUN_TIMES in catalog and not catalog.exists(RUN_TIMES):
            catalog.save(RUN_TIMES, {})

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the node's clock, and say that it runs."""
        logger.info("%s: %s", min(node.tags, default="other"), node.short_name)
        self._started[node.name] = time.perf_counter()

    @hook_impl
    def after_node_run(self, node: Node, catalog: CatalogProtocol) -> None:
        """Write the node's seconds beside those of the others."""
        if RUN_TIMES not in catalog:
            return
        times = catalog.load(RUN_TIMES)
        stage = min(node.tags, default="other")
        seconds = time.perf_counter() - self._started[node.name]
        catalog.save(RUN_TIMES, times | {node.name: {"stage": stage, "seconds": round(seconds, 2)}})


class MissingProducts:
    """Says which pipeline must be run first, where a node needs what nobody has made.

    Nodes marked with :func:`~mrisynth_pipeline.pipelines.products.may_lack` do with what there is.
    """

    _catalog: CatalogProtocol

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol) -> None:
        """Keep the catalog, to name the file."""
        self._catalog = catalog

    @hook_impl
    def before_node_run(self, node: Node, inputs: dict[str, Any]) -> None:
        """Refuse a node that needs what is not there.

        Raises:
            InputError: Names the file and the pipelines that make it.
        """
        for name, value in inputs.items():
            if value is None and not name.startswith("params:") and must_not_lack(node.func, name):
                pipelines.set_requested(None)  # a run of some pipelines has loaded these alone; it ends here anyway
                makers = [key for key, each in pipelines.items() if key != "__default__" and name in each.all_outputs()]
                remedy = f"Make it first: kedro run --pipelines {' or '.join(makers)}"
                raise InputError(Path(str(self._catalog.get(name)._filepath)), "is not there", remedy)


class PlainErrors:
    """A fault of the input ends the run with one line instead of a traceback."""

    @hook_impl(trylast=True)  # after Tracking has marked the MLflow run as failed: nobody is called after an exception
    def on_pipeline_error(self, error: Exception) -> None:
        """Hand the message to the command line, which prints it and exits with 1."""
        for cause in _causes(error):  # Kedro wraps what goes wrong inside a dataset
            if isinstance(cause, InputError):
                raise click.ClickException(str(cause)) from error
            if isinstance(cause, FileNotFoundError) and isinstance(error, DatasetError):
                remedy = "Run the pipeline that makes it first; `kedro run` runs them all"
                raise click.ClickException(f"{cause.filename}: is not there. {remedy}") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


_LAST_WORDS = {
    "results_table": "report",
    "ablation_table": "ablation_page",
    "aginet_ablation_table": "aginet_ablation_page",
    "neuroquant_ablation_table": "neuroquant_ablation_page",
    "incomplete_cohorts_table": "incomplete_cohorts_page",
    "benchmark_table": "benchmark_page",
    "cohort_quality_table": "cohort_quality",
}
"""Table that ends a run → the page that says more; the first one that the run made is printed."""


class Results:
    """Ends a run by printing its last word: the result table, or after ingestion alone what is odd about the scans."""

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Print table and page, if this run made them."""
        for table, page in _LAST_WORDS.items():
            if table in pipeline.all_outputs():
                place = Path(str(catalog.get(page)._filepath))
                click.echo(f"\n{catalog.load(table)}\n\nReport: {place}")
                return
