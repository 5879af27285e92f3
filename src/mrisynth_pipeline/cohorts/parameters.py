"""Parameters of the cohort: where scans come from, the phantom's size, and the split."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.parameters import Parameters


class CohortParameters(Parameters):
    """Which scans the study is made of (``params:cohort``)."""

    kind: Literal["phantom", "brats", "ixi", "msd", "remind", "bids", "folder", "dicom", "mixed"] = "phantom"
    """``phantom`` fabricates the cohort; the others name the layout of the archive in ``raw_dir``. ``folder`` is any
    folder of scans whose file names say their contrast, ``dicom`` one with one folder of DICOM files per subject,
    ``mixed`` one that holds archives of several layouts."""
    raw_dir: Path | None = None
    """Folder of the archive, unpacked or as the ``.tar`` or ``.zip`` files that it came in, or one such file. Required
    unless ``kind`` is ``phantom`` or the archive is downloaded."""
    download: bool = False
    """Fetch what ``raw_dir`` lacks of IXI (``ixi`` only; 12 GB, resumable). Without ``raw_dir`` it goes into the data
    folder."""
    registered: bool | Literal["auto"] = "auto"
    """Whether a subject's contrasts share one grid and are skull-stripped already. ``auto``: true for
    BraTS and the Decathlon, false for IXI, ReMIND and the phantom (as from the scanner); where it depends on the
    subject (BIDS, folder, DICOM), the scans tell."""
    modalities: tuple[str, ...] | None = None
    """Contrasts of the study, in channel order, as a list or as ``t1+t2`` (on the command line); ``None`` takes those
    of the layout."""
    drop_fraction: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the scans to treat as if they had never been made, for experiments on incomplete cohorts; chosen at
    random, but every subject keeps one, and those of a smaller share are among those of a larger one."""
    drop_from: Literal["train", "all"] = "train"
    """Who loses scans: the training part alone, so that whatever the fraction validation and test ask for the same
    pairs; or each part, the training part the same scans as with ``train``."""
    drop_seed: int = 0
    """Seed of that choice."""

    @field_validator("modalities", mode="before")
    @classmethod
    def _modalities_may_be_one_word(cls, value: Any) -> Any:
        return tuple(value.split("+")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _archive_has_a_folder(self) -> "CohortParameters":
        if self.download and self.kind != "ixi":
            raise ValueError(f"cohort.download=true is for cohort.kind=ixi alone, not for {self.kind}")
        if self.kind != "phantom" and self.raw_dir is None and not self.download:
            way_out = ", or cohort.download=true" if self.kind == "ixi" else ""
            raise ValueError(f"cohort.kind={self.kind} needs cohort.raw_dir, the folder of the archive{way_out}")
        return self

    @model_validator(mode="after")
    def _modalities_are_known_and_distinct(self) -> "CohortParameters":
        names = self.modalities
        if names is None:
            return self
        if unknown := [name for name in names if name not in DISPLAY_NAMES]:
            raise ValueError(f"cohort.modalities: unknown {unknown}, the known ones are {list(DISPLAY_NAMES)}")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"cohort.modalities={list(names)} must name at least one contrast, each once")
        return self


class PhantomParameters(Parameters):
    """The built-in cohort (``params:phantom``)."""

    layout: Literal["brats", "ixi", "remind"] = "brats"
    """``brats``: glioma patients in the BraTS 2023 layout; ``ixi``: healthy volunteers in the IXI layout; ``remind``:
    glioma patients with an ultrasound sweep before resection, in the ReMIND layout."""
    lesions: bool = True
    """Whether the patients of ``brats`` and ``remind`` have a tumour. False: the same protocol on healthy people, each
    scanned once, whose label map is all 0. No effect on ``ixi``, whose volunteers are healthy."""
    n_subjects: int = Field(24, ge=1)
    """Number of subjects."""
    spacing_mm: float = Field(2.0, ge=1.0, le=8.0)
    """Voxel size of the digital anatomy in mm; scans have voxels of about this size."""
    max_translation_mm: float = Field(5.0, ge=0.0, le=20.0)
    """Largest head translation between two contrasts, per axis, in mm (0 when registered)."""
    max_rotation_deg: float = Field(5.0, ge=0.0, le=20.0)
    """Largest head rotation between two contrasts, per axis, in degrees (0 when registered)."""
    noise: float = Field(0.02, ge=0.0, le=0.2)
    """Standard deviation of the Rician noise's Gaussian parts, as a share of the white-matter signal."""
    bias: float = Field(0.15, ge=0.0, le=0.6)
    """Largest relative deviation of the smooth receive-coil bias field from 1 inside the head."""
    drop_fraction: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of scans left out at random; every subject keeps at least one MR scan, and its ultrasound."""
    seed: int = 2026
    """Seed of the whole cohort; each subject depends on (seed, subject number) alone."""
    workers: int | None = Field(None, ge=1)
    """Processes, each with one subject at a time and up to 2 GB (at 1 mm); ``None`` uses every core, 1 stays in this
    process. Changes no image."""


class SplitParameters(Parameters):
    """Who is trained on and who is tested on (``params:split``)."""

    name: str = "own"
    """``own`` draws a seeded split; ``codebrain`` takes the published list that fits the cohort."""
    validation_fraction: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of patients for validation (own split)."""
    test_fraction: float = Field(0.25, gt=0.0, lt=1.0)
    """Share of patients for testing (own split)."""
    seed: int = 0
    """Seed of the own split."""

    @model_validator(mode="after")
    def _someone_is_left_to_train_on(self) -> "SplitParameters":
        total = self.validation_fraction + self.test_fraction
        if total >= 1:
            raise ValueError(f"split.validation_fraction + split.test_fraction = {total:g} leaves nobody to train on")
        return self
