"""What AGI-Net's parts are worth: its variants and controls, trained alike, over several seeds."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.aginet_ablation.nodes import (
    run_variants,
    summarise_variants,
    tabulate_variants,
    write_page,
)


def create_pipeline(**_: object) -> Pipeline:
    """Train and judge the variants, then write the ablation's page."""
    return Pipeline(
        [
            Node(
                run_variants,
                [
                    *("study", "split", "subjects", "aginet_ablation.trials_workspace"),
                    *("params:aginet.architecture", "params:aginet.training"),
                    *("params:aginet_ablation", "params:evaluation", "params:preprocessing"),
                ],
                ["aginet_ablation.scores", "aginet_ablation.offsets", "aginet_ablation.trials"],
                name="train_variants",
            ),
            Node(
                summarise_variants,
                [
                    *("aginet_ablation.scores", "aginet_ablation.offsets", "aginet_ablation.trials"),
                    "params:evaluation",
                ],
                "aginet_ablation_summary",
                name="summarise_variants",
            ),
            Node(tabulate_variants, "aginet_ablation_summary", "aginet_ablation_table", name="tabulate_variants"),
            Node(write_page, ["aginet_ablation_summary", "study"], "aginet_ablation_page", name="write_ablation_page"),
        ]
    )
