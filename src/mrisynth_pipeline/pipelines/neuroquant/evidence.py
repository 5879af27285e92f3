"""What NeuroQuant's codes keep of an image, and whether they are anatomical: measured on the test subjects."""

from typing import Any

import numpy as np
import pandas as pd
from kedro.pipeline import Node, Pipeline

from mrisynth_pipeline.evaluation.anatomy import collect_codes, score_swaps, swap_example
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.evaluation.reconstruction import count_codes, score_reconstructions
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.device import usable_device
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.examples import example_subjects
from mrisynth_pipeline.pipelines.products import marked

METHOD = "neuroquant"


def score_autoencoder(
    autoencoder: TrainedModel, study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """PSNR and SSIM of every scan given back, and of every contrast in the style of every other."""
    network = autoencoder.network.to(usable_device(parameters.device))
    reconstructions = score_reconstructions(METHOD, network, subjects, study["test"], parameters)
    swaps = score_swaps(network, subjects, study["test"], parameters)
    return marked(reconstructions, study), marked(swaps, study)


def examine_codes(
    autoencoder: TrainedModel, study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How often each code is used, and the codes of the brain; both empty for continuous anatomy."""
    network = autoencoder.network.to(usable_device(parameters.device))
    if not network.architecture.quantise:
        return pd.DataFrame({"method": [], "code": []}), pd.DataFrame({"subject": [], "code": []})
    counts = count_codes(METHOD, network, subjects, study["test"])
    return marked(counts, study), marked(collect_codes(network, subjects, study["test"]), study)


def exchange_example(
    autoencoder: TrainedModel, study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> dict[str, np.ndarray]:
    """For the figures, of one complete test subject: ``{subject}/originals`` and ``{subject}/swapped``."""
    network, slices = autoencoder.network.to(usable_device(parameters.device)), {}
    for subject in example_subjects(study, subjects, 1):
        exchange = swap_example(network, subjects, subject)
        slices[f"{subject}/originals"] = exchange.originals
        slices[f"{subject}/swapped"] = exchange.swapped
    return slices


def evidence_pipeline() -> Pipeline:
    """Measure what the autoencoder gives back, and what its codes tell of anatomy and contrast."""
    inputs = ["autoencoder", "study", "subjects", "params:evaluation"]
    return Pipeline(
        [
            Node(score_autoencoder, inputs, ["reconstruction_scores", "swap_scores"], name="score_autoencoder"),
            Node(examine_codes, inputs, ["code_counts", "brain_codes"], name="examine_codes"),
            Node(exchange_example, inputs, "exchanged_slices", name="exchange_example"),
        ],
        namespace="neuroquant",
        inputs={"study", "subjects"},
        parameters={"params:evaluation"},
    )
