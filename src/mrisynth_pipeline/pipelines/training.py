"""What the nodes that train have in common: fit, and keep what was trained with its card."""

from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn
from torch.utils.data import Dataset

from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.study import model_card, parameter_count, trackers
from mrisynth_pipeline.training.fit import fit, last_validation
from mrisynth_pipeline.training.schedule import ScheduledTraining


def trained(
    training: ScheduledTraining,
    network: nn.Module,
    samples: tuple[Dataset, Dataset],
    study: dict[str, Any],
    members: list[str],
    workspace: Path,
    identity: str,
    tracked_as: str,
    stage1: TrainedModel | None = None,
    needs: str = "",
) -> tuple[TrainedModel, pd.DataFrame]:
    """Train a network.

    Args:
        training: Losses and schedule around the network.
        network: What is kept: that which learns, or a whole of which it is a part.
        samples: Of the training, and of the validation subjects.
        study: What the card says of the data.
        members: Who is trained on.
        workspace: Folder of checkpoints and early looks.
        identity: Fingerprint of data and settings; only a run with the same one, on the same Stage I, is resumed.
        tracked_as: Prefix of the metrics in MLflow.
        stage1: What a Stage II is trained on.
        needs: What the members have that others of the training part lack, for the card.

    Returns:
        The network with its card, and the history of the training.
    """
    if stage1 is not None:
        identity += stage1.card["training_identity"]
    history = fit(training, *samples, training.optimisation, workspace, identity, trackers(tracked_as))
    validation = last_validation(history)
    card = model_card(
        study,
        members,
        needs,
        parameters=parameter_count(network),
        validation=validation if stage1 is None else {"stage1": stage1.card["validation"], "stage2": validation},
        training_identity=identity,
    )
    return TrainedModel(network, card), history
