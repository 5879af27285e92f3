"""What NeuroQuant's autoencoder is worth: its peer, its ceiling and its own switches, over several seeds."""

from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.pipelines.neuroquant_ablation.nodes import (
    run_variants,
    summarise_variants,
    tabulate_variants,
    write_page,
)

_TABLES = ["neuroquant_ablation.scores", "neuroquant_ablation.codes", "neuroquant_ablation.trials"]


def create_pipeline(**_: object) -> Pipeline:
    """Train and judge the variants, then write the comparison's page."""
    return Pipeline(
        [
            Node(
                run_variants,
                [
                    *("study", "split", "subjects", "neuroquant_ablation.trials_workspace"),
                    *("params:neuroquant.architecture", "params:neuroquant.stage1"),
                    *("params:neuroquant_ablation", "params:evaluation"),
                ],
                _TABLES,
                name="train_autoencoders",
            ),
            Node(
                summarise_variants,
                [*_TABLES, "params:evaluation"],
                "neuroquant_ablation_summary",
                name="summarise_autoencoders",
            ),
            Node(
                tabulate_variants,
                "neuroquant_ablation_summary",
                "neuroquant_ablation_table",
                name="tabulate_autoencoders",
            ),
            Node(
                write_page,
                ["neuroquant_ablation_summary", "study"],
                "neuroquant_ablation_page",
                name="write_autoencoder_page",
            ),
        ]
    )
