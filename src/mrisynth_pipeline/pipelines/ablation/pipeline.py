"""CodeBrain's published ablation, run here: each of its choices set otherwise, over several seeds."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.ablation.nodes import run_variants, summarise_variants, tabulate_variants, write_page

_TABLES = ["ablation.scores", "ablation.codes", "ablation.trials"]


def create_pipeline(**_: object) -> Pipeline:
    """Train and judge the variants, then write the ablation's page."""
    return Pipeline(
        [
            Node(
                run_variants,
                [
                    *("study", "split", "subjects", "ablation.trials_workspace", "params:codebrain"),
                    *("params:ablation", "params:evaluation"),
                ],
                _TABLES,
                name="train_codebrain_variants",
            ),
            Node(
                summarise_variants,
                [*_TABLES, "params:ablation", "params:evaluation"],
                "ablation_summary",
                name="summarise_codebrain_variants",
            ),
            Node(tabulate_variants, "ablation_summary", "ablation_table", name="tabulate_codebrain_variants"),
            Node(write_page, ["ablation_summary", "study"], "ablation_page", name="write_codebrain_ablation_page"),
        ]
    )
