"""Which subjects, availability subsets and slices the figures of all methods show."""

from typing import Any

from jaxtyping import Bool
from torch import Tensor

from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.pipelines.study import complete_subjects
from mrisynth_pipeline.sampling.availability import example_subsets, parse_subset, subset_name


def example_subjects(study: dict[str, Any], subjects: SubjectStore, count: int) -> list[str]:
    """The complete test subjects with the largest tumours (without labels: the first ones), for figures; maybe none."""

    def tumour_size(subject: str) -> int:
        labels = subjects.open(subject).segmentation()
        return 0 if labels is None else int((labels > 0).sum())

    return sorted(complete_subjects(study, "test", may_be_none=True), key=tumour_size, reverse=True)[:count]


def shown_cases(
    study: dict[str, Any], subjects: SubjectStore, parameters: EvaluationParameters
) -> list[tuple[str, Bool[Tensor, " modality"]]]:
    """Subject and available contrasts of every figure of imputations."""
    modalities = tuple(study["modalities"])
    subsets = [parse_subset(text, modalities) for text in parameters.example_inputs] or example_subsets(modalities)
    chosen = example_subjects(study, subjects, parameters.example_subjects)
    return [(subject, subset) for subject in chosen for subset in subsets]


def case_name(subject: str, subset: Bool[Tensor, " modality"], study: dict[str, Any]) -> str:
    """``{subject}_from_{inputs}``: by this the slices of one case are found again."""
    return f"{subject}_from_{subset_name(subset.tolist(), tuple(study['modalities']))}"


def missing_channel(study: dict[str, Any]) -> int:
    """The contrast filled in the figures of segmentations: the second (T1Gd in BraTS, which tumours need most)."""
    return min(1, len(study["modalities"]) - 1)
