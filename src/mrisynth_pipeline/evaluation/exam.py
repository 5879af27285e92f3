"""The whole examination of one method in one pass: every imputation is made once and then asked everything."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from tqdm import tqdm

from mrisynth_pipeline.evaluation.downstream import segmentation_rows, tissue_rows
from mrisynth_pipeline.evaluation.harness import Covers, Predict
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.metrics.brasyn import TrueBrasyn
from mrisynth_pipeline.metrics.image import TrueVolume
from mrisynth_pipeline.metrics.perceptual import PerceptualDistance
from mrisynth_pipeline.metrics.regions import TrueRegions, regions_of
from mrisynth_pipeline.models.segmenter import Segmenter
from mrisynth_pipeline.sampling.availability import all_subsets, subset_name
from mrisynth_pipeline.sampling.slices import SliceWindows, brain_slices

logger = logging.getLogger(__name__)

SEGMENTED = "segmentations"
"""Table of the examination that holds segmentations; the other is ``scores``."""


@dataclass(frozen=True)
class Exam:
    """What every method is asked, on whom."""

    store: SubjectStore
    subjects: Sequence[str]
    """Whose missing contrasts are imputed."""
    modalities: tuple[str, ...]
    windows: SliceWindows
    spacing_mm: Sequence[float]
    """Voxel size (x, y, z)."""
    parameters: EvaluationParameters
    subsets: tuple[str, ...] = ()
    """Sets of inputs that are asked, such as ``t1+t2``; empty: all."""
    segmenters: Mapping[str, Segmenter] = field(default_factory=dict)
    """Name → segmenter that is shown complete stacks with one imputed contrast; may be none."""
    segmented: Sequence[str] = ()
    """Whose stacks it is shown: those with a truth to hold against it."""
    tissues: Mapping[str, UInt8[np.ndarray, "z y x"]] = field(default_factory=dict)
    """Subject → tissue map (see :mod:`mrisynth_pipeline.imaging.tissues`), for errors by region."""
    healthy: tuple[SubjectStore, Sequence[str]] | None = None
    """Subjects without a tumour: whatever a segmenter finds there is false."""
    perceptual: PerceptualDistance | None = None

    def take(self, name: str, predict: Predict, covers: Covers) -> dict[str, pd.DataFrame]:
        """Examine one method; a subject on which it fails is reported and left out.

        Args:
            name: Name of the method in the tables.
            predict: The method.
            covers: Which (inputs, target) it is to be asked for.

        Returns:
            ``scores``: one row per subject, inputs and covered target, with the scores of the protocols ``slice``,
            ``volume`` and ``brasyn``, errors by region and the ``seconds`` of the imputation (of all targets of these
            inputs together); and, where there is a segmenter, ``segmentations``.

        Raises:
            RuntimeError: If it fails on every subject, or is asked for nothing.
        """
        rows: dict[str, list[dict]] = {"scores": [], SEGMENTED: []}
        failures = []
        patients = [(self.store, subject, False) for subject in self.subjects]
        healthy = [(self.healthy[0], subject, True) for subject in self.healthy[1]] if self.healthy else []
        for store, subject, is_healthy in tqdm([*patients, *healthy], desc=f"Examining {name}", unit="subject"):
            try:
                of_subject = list(self._rows(name, predict, covers, store.open(subject), subject, is_healthy))
            except Exception as error:
                logger.exception("%s failed on subject %s: it is left out of the method's rows", name, subject)
                failures.append(f"{subject}: {error}")
                continue
            for table, row in of_subject:
                rows[table].append(row)
        if not rows["scores"]:
            reason = "; ".join(failures[:3]) or "no test subject has both inputs and a target of it"
            raise RuntimeError(f"{name} could not be examined: {reason}")
        return {table: pd.DataFrame(found) for table, found in rows.items() if found}

    def _rows(
        self, name: str, predict: Predict, covers: Covers, file: SubjectFile, subject: str, healthy: bool
    ) -> Iterator[tuple[str, dict]]:
        """Rows of one subject, each with the table it belongs to."""
        volumes, present = torch.from_numpy(file.volumes()), torch.from_numpy(np.asarray(file.present))
        truths = {} if healthy else self._truths(subject, file, volumes, present)
        labels = file.segmentation()
        for available in self._asked(only_one_missing=healthy):
            if (available & ~present).any():
                continue
            missing = (~available).nonzero()[:, 0].tolist()
            targets = [channel for channel in missing if channel in truths and covers(available, channel)]
            segmented = self.segmenters and len(missing) == 1 and (healthy or subject in self.segmented)
            if not targets and not (segmented and covers(available, missing[0])):
                continue
            start = time.perf_counter()
            imputed = predict(volumes, available)
            seconds = time.perf_counter() - start
            inputs = subset_name(available.tolist(), self.modalities)
            about = {"method": name, "subject": subject, "inputs": inputs, "n_inputs": int(available.sum())}
            for channel in targets:
                target = {"target": self.modalities[channel], "seconds": seconds}
                yield "scores", about | target | truths[channel](imputed[channel])
            for segmenter in self.segmenters if segmented else ():
                found = self.segmenters[segmenter].segment(imputed)
                modality = self.modalities[missing[0]]
                of_tissues = self.segmenters[segmenter].targets == "tissue"
                truth, rows_of = (self.tissues[subject], tissue_rows) if of_tissues else (labels, segmentation_rows)
                for row in rows_of(name, subject, modality, found, truth, self.spacing_mm):
                    yield SEGMENTED, {"healthy": healthy} | row | {"segmenter": segmenter}

    def asked(self) -> list[str]:
        """Names of the sets of inputs."""
        return [subset_name(available.tolist(), self.modalities) for available in self._asked(only_one_missing=False)]

    def _asked(self, only_one_missing: bool) -> Iterator[Bool[Tensor, " modality"]]:
        """The sets of inputs, in the order of all tables."""
        for available in all_subsets(len(self.modalities)):
            if only_one_missing and int(available.sum()) < len(self.modalities) - 1:
                continue
            if not self.subsets or subset_name(available.tolist(), self.modalities) in self.subsets:
                yield available

    def _truths(
        self, subject: str, file: SubjectFile, volumes: Float[Tensor, "modality z y x"], present: Tensor
    ) -> dict[int, Callable[[Tensor], dict[str, float]]]:
        """Channel → what scores an imputation of it."""
        mask, labels = torch.from_numpy(file.mask()), file.segmentation()
        tumour = None if labels is None else torch.from_numpy(labels > 0)
        slices = brain_slices(file.mask(), self.parameters.minimum_brain_area, self.windows.get(subject))
        regions = regions_of(file.mask(), self.tissues.get(subject), labels)
        found = {}
        for channel in present.nonzero()[:, 0].tolist():
            target = volumes[channel]
            scorers = [
                TrueVolume(target, mask, slices),
                TrueBrasyn(target, mask, tumour),
                TrueRegions(target, regions),
            ]
            if self.perceptual is not None:
                scorers.append(self.perceptual.to(target, slices))
            found[channel] = _together(scorers)
        return found


def _together(scorers: Sequence) -> Callable[[Tensor], dict[str, float]]:
    """All scores of one imputation in one row."""

    def score(imputed: Tensor) -> dict[str, float]:
        return {key: value for scorer in scorers for key, value in scorer.score(imputed).items()}

    return score
