"""Parameters of the ablation."""

from typing import ClassVar

from pydantic import ValidationError

from mrisynth_pipeline.evaluation.mechanism import MechanismParameters
from mrisynth_pipeline.evaluation.parameters import RobustnessParameters
from mrisynth_pipeline.models.aginet import AGINetArchitecture
from mrisynth_pipeline.pipelines.variants import TrainingVariantsParameters, changed, refusal
from mrisynth_pipeline.training.translation import TranslationParameters


class AblationParameters(TrainingVariantsParameters):
    """Which variants are compared, and on whom (``params:aginet_ablation``).

    They change options of ``aginet.architecture`` and ``aginet.training``; ``conv``, the plain network, is what the
    others are compared with.
    """

    group: ClassVar[str] = "aginet_ablation"

    robustness: RobustnessParameters = RobustnessParameters()
    """The misaligned inputs on which every training is judged, beside the aligned ones."""
    mechanism: MechanismParameters = MechanismParameters()
    """How the learned offsets are probed."""


def settings_of(
    name: str,
    seed: int,
    parameters: AblationParameters,
    architecture: AGINetArchitecture,
    training: TranslationParameters,
) -> tuple[AGINetArchitecture, TranslationParameters]:
    """The options of one training of one variant.

    Raises:
        InputError: The variant changes an option that does not exist, or to a wrong value.
    """
    changes = parameters.variants[name]
    try:
        return (
            changed(AGINetArchitecture, architecture.model_dump(), changes.architecture),
            changed(TranslationParameters, training.model_dump(), changes.training, parameters.schedule(seed)),
        )
    except ValidationError as error:
        remedy = "Name options of aginet.architecture and aginet.training"
        raise refusal(f"aginet_ablation.variants.{name}", error, remedy) from error
