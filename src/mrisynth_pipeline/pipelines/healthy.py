"""Healthy people scanned and prepared as the patients of a phantom study were, to see what is found in them."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.parameters import CohortParameters, PhantomParameters
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.pipelines.ingestion.nodes import list_scans, provide_raw_cohort
from mrisynth_pipeline.pipelines.phantom.nodes import provide_phantom
from mrisynth_pipeline.pipelines.preprocessing.nodes import prepare_subjects

logger = logging.getLogger(__name__)


def healthy_phantoms(
    phantom: PhantomParameters,
    preprocessing: PreprocessingParameters,
    study: Mapping[str, Any],
    standard: Mapping[str, Any] | None,
    n: int,
    folder: Path,
    seed: int,
    registered: bool = False,
) -> SubjectStore:
    """Fabricate healthy people with every contrast of a study of the phantom, and prepare them as its subjects were.

    They go through the functions of the pipelines ``phantom``, ``ingestion`` and ``preprocessing``, without a run of
    their own. Whoever is there already, made from the same parameters, is kept; a call that was killed goes on where it
    was.

    Args:
        phantom: How the study's patients were made. Its ``lesions``, ``n_subjects``, ``seed`` and ``drop_fraction``
            count for nothing here: nobody has a tumour, and nobody lacks a scan.
        preprocessing: How the study's subjects were prepared.
        study: The study (``describe_study``): its cohort, modalities and grid.
        standard: The study's intensity standard (``learn_intensity_standard``); nothing or empty where it has none.
        n: How many people.
        folder: Where their scans and files go, of no other use; ``<folder>/phantom`` holds the scans and the truth
            beside them, ``<folder>/subjects`` the files.
        seed: Seed of these people; not that of the cohort, whose patients they would be.
        registered: Whether the study's scans came aligned and skull-stripped (``registered`` of the raw cohort).

    Returns:
        The prepared people, each with a label map that is all 0.

    Raises:
        InputError: The study is not of glioma phantoms or was prepared otherwise, the seed is the cohort's, or nobody
            could be prepared.
    """
    _check(phantom, preprocessing, study, seed)
    people = phantom.model_copy(update={"lesions": False, "n_subjects": n, "seed": seed, "drop_fraction": 0.0})
    cohort = CohortParameters(registered=registered, modalities=tuple(study["modalities"]))
    logger.info("Healthy phantoms: %d, by the %s protocol", n, phantom.layout)
    made = provide_phantom(cohort, people, folder / "phantom")
    raw_cohort = provide_raw_cohort(cohort, made, folder / "archives")
    (folder / "ingestion").mkdir(parents=True, exist_ok=True)
    manifest = list_scans(raw_cohort, folder / "ingestion")
    store = SubjectStore(folder / "subjects")
    index = prepare_subjects(raw_cohort, manifest, store, dict(standard or {}), preprocessing)
    for stranger in set(store.subjects()) - set(index["subject"]):  # of an earlier call for more people
        store.remove(stranger)
    return store


def _check(
    phantom: PhantomParameters, preprocessing: PreprocessingParameters, study: Mapping[str, Any], seed: int
) -> None:
    """Refuse what would not be comparable."""
    if study["cohort"] != f"phantom-{phantom.layout}" or phantom.layout == "ixi":
        problem = f"healthy people can be fabricated for studies of glioma phantoms, and this one is {study['cohort']}"
        raise InputError("study", problem, "Use cohort.kind=phantom with phantom.layout=brats or remind")
    if seed == phantom.seed:
        problem = "is the seed of the cohort's own patients: the healthy would be the same people"
        raise InputError(f"seed={seed}", problem, "Take another seed")
    if preprocessing.result_fields() != study["preprocessing"]:
        problem = "its subjects were prepared with other parameters than these"
        raise InputError("params:preprocessing", problem, "Run the preprocessing pipeline again, or undo the change")
