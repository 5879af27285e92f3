"""Parameters of preprocessing: from scans as they are to one model-ready file per subject."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES, MR_CONTRASTS, ULTRASOUND
from mrisynth_pipeline.parameters import Parameters


class GridParameters(Parameters):
    """The voxel grid every subject is brought to (``params:preprocessing.grid``).

    x grows to the right, y to the front, z upwards.
    """

    size: tuple[int, int, int] = (80, 96, 80)
    """Number of voxels (x, y, z). Networks halve it several times: multiples of 16 keep that exact."""
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0)
    """Voxel size (x, y, z) in mm."""

    @field_validator("size", "spacing_mm", mode="before")
    @classmethod
    def _three_numbers_may_be_one_word(cls, value: Any) -> Any:
        """``96x96x64``, or one number for all axes: the command line knows no lists."""
        if isinstance(value, int | float):
            return (value,) * 3
        return tuple(value.split("x")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_a_grid(self) -> "GridParameters":
        if min(self.size) < 8:
            raise ValueError(f"preprocessing.grid.size={self.size} needs at least 8 voxels on every axis")
        if min(self.spacing_mm) < 0.2 or max(self.spacing_mm) > 10:
            raise ValueError(f"preprocessing.grid.spacing_mm={self.spacing_mm} must lie between 0.2 and 10 mm")
        extent = [n * mm for n, mm in zip(self.size, self.spacing_mm, strict=True)]
        if min(extent) < 40:
            raise ValueError(
                f"preprocessing.grid spans only {min(extent):g} mm on one axis (size × spacing_mm): "
                "too small for a head; raise preprocessing.grid.size"
            )
        return self


class RegistrationParameters(Parameters):
    """Registration of contrasts onto the reference (``params:preprocessing.registration``)."""

    enabled: bool = True
    """Off: scanner coordinates are trusted as they are. Cohorts marked registered never run it."""
    transform: Literal["rigid", "affine"] = "rigid"
    """What one head may do between two scans: move (6 degrees of freedom), or also be stretched and sheared a
    little (12), as by gradients of different scale. Two scanners need ``affine``, one session does not."""
    levels_mm: tuple[float, ...] = (4.0, 2.0)
    """Resolutions of the pyramid in mm, coarse to fine. Axes already coarser are left as they are."""
    samples: int = Field(20_000, ge=500)
    """Points at which mutual information is measured, per level: a share of the mask's voxels is drawn so
    that about this many remain. Time grows in proportion; below 10 000 the histogram gets too thin."""
    max_iterations: int = Field(100, ge=1)
    """Optimiser steps per level at most."""
    histogram_bins: int = Field(32, ge=8, le=256)
    """Bins of the joint histogram behind Mattes mutual information."""
    seed: int = Field(0, ge=0)
    """Seed of the sampling; the same seed gives the same transforms, bit for bit."""
    max_translation_mm: float = Field(30.0, gt=0)
    """A head that moved further than this is searched for again from other starts and warned about."""
    max_rotation_deg: float = Field(25.0, gt=0)
    """The same for its rotation."""
    check_mirrored: bool = True
    """Compare every aligned scan with its mirror image, and warn where that fits as well or better: left and
    right swapped in its header, or a scan of another patient. Adds about a fifth to the time."""

    @model_validator(mode="after")
    def _levels_go_fine(self) -> "RegistrationParameters":
        if not self.levels_mm or min(self.levels_mm) <= 0:
            raise ValueError("preprocessing.registration.levels_mm needs at least one positive resolution in mm")
        if list(self.levels_mm) != sorted(self.levels_mm, reverse=True):
            raise ValueError(f"preprocessing.registration.levels_mm={self.levels_mm} must go from coarse to fine")
        return self


class IntensityParameters(Parameters):
    """From scanner units to [0, 1] (``params:preprocessing.intensity``)."""

    method: Literal["percentile", "zscore", "white_matter", "nyul"] = "percentile"
    """What is brought onto the same values in every scan: the ends of the histogram (``percentile``), its mean
    and spread (``zscore``), white matter (``white_matter``), or its whole shape (``nyul``)."""
    lower_percentile: float = Field(0.5, ge=0.0, lt=50.0)
    """Percentile inside the mask that becomes 0 (``percentile``, ``nyul``)."""
    upper_percentile: float = Field(99.5, gt=50.0, le=100.0)
    """Percentile inside the mask that becomes 1 (``percentile``, ``nyul``)."""
    lower_sd: float = Field(4.0, gt=0.0)
    """``zscore``: this many standard deviations below the mean become 0. In seven patients of two archives the
    darkest 0.5 % of the brain lay 1.8 to 4.0 below."""
    upper_sd: float = Field(5.0, gt=0.0)
    """``zscore``: this many standard deviations above the mean become 1. In the same patients the brightest 0.5 %
    (fluid in T2, enhancement, vessels) lay 1.4 to 4.8 above."""
    white_matter_value: dict[str, Annotated[float, Field(gt=0.0, le=1.0)]] = Field(
        default_factory=lambda: {"t1": 0.65, "t1c": 0.5, "t2": 0.25, "flair": 0.5, "pd": 0.6}
    )
    """``white_matter``: what white matter becomes, per contrast. The defaults keep 99.5 % of the brain below 1 in
    the same patients, where that percentile was up to 1.46 (t1), 1.83 (t1c), 3.70 (t2), 1.88 (flair) times white
    matter; 1.3 in the phantom's pd."""
    standard_subjects: int = Field(30, ge=1)
    """``nyul``: of how many training subjects, evenly spread over them, the standard is the mean."""

    @model_validator(mode="after")
    def _white_matter_is_named_for_known_contrasts(self) -> "IntensityParameters":
        unknown = sorted(set(self.white_matter_value) - set(MR_CONTRASTS))
        if unknown:
            raise ValueError(
                f"preprocessing.intensity.white_matter_value names unknown contrasts {unknown}; "
                f"known: {list(MR_CONTRASTS)}"
            )
        return self


class PreprocessingParameters(Parameters):
    """What happens to a scan before any network sees it (``params:preprocessing``)."""

    reference_preference: tuple[str, ...] = ("t1c", "t2", "t1", "flair", "pd")
    """The first of these a subject has is its reference: the others are registered onto it, and its axes
    are the axes of the subject's grid. As a list or as ``us+t2`` (on the command line)."""
    grid: GridParameters = GridParameters()
    """The common voxel grid."""
    registration: RegistrationParameters = RegistrationParameters()
    """How contrasts are brought onto the reference."""
    bias_correction: bool = False
    """N4 bias-field correction of every MR contrast inside the mask (adds a second or two per scan)."""
    mask: Literal["brain", "head", "hd-bet", "synthstrip", "fan"] = "brain"
    """What counts as foreground in scans that are not skull-stripped: the ``brain`` (by the MNI template), the
    whole ``head``, or the brain as HD-BET or SynthStrip see it, where their programs are installed. Skull-stripped
    cohorts always use their non-zero voxels. ``fan``: where the ultrasound is not zero, whatever the cohort; the
    ultrasound is then the reference."""
    use_given_mask: bool = True
    """A brain mask that came with a subject's scans goes before all of these but ``head`` and ``fan``."""
    mask_timeout_s: float = Field(1800.0, gt=0.0)
    """Seconds after which HD-BET or SynthStrip are stopped; on a slow CPU they take minutes per subject."""
    mask_gpu: bool = False
    """HD-BET or SynthStrip run on the GPU."""
    mask_weights: str | None = None
    """File of SynthStrip's weights; only ``nipreps-synthstrip`` needs it, the other programs bring their own."""
    interpolation: Literal["linear", "bspline"] = "linear"
    """Kernel of the one resampling of images; label maps always use the nearest voxel."""
    space: Literal["native", "mni"] = "native"
    """Where the grid is laid: along the ``native`` axes of the reference, or in ``mni`` space, onto whose template
    brain the reference's brain is then registered (12 degrees of freedom)."""
    intensity: IntensityParameters = IntensityParameters()
    """How intensities are mapped to [0, 1]."""
    storage: Literal["float16", "float32"] = "float16"
    """Number format on disk. float16 halves the files; its rounding in [0, 1] is below 0.0003."""
    workers: int | None = Field(None, ge=1)
    """Processes that each prepare one subject at a time; ``None`` uses every core, 1 stays in
    this process."""
    scheduler: str | None = None
    """Address of a running ``dask.distributed`` scheduler (``tcp://host:8786``): subjects are sent there
    instead of to local processes. All machines must see the same files under the same paths and have this package
    installed (``pip install -e ".[dask]"``)."""

    @field_validator("reference_preference", mode="before")
    @classmethod
    def _preference_may_be_one_word(cls, value: Any) -> Any:
        return tuple(value.split("+")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _reference_is_known(self) -> "PreprocessingParameters":
        unknown = [name for name in self.reference_preference if name not in DISPLAY_NAMES]
        if unknown or not self.reference_preference:
            raise ValueError(
                f"preprocessing.reference_preference names unknown contrasts {unknown}; known: {list(DISPLAY_NAMES)}"
            )
        if len(set(self.reference_preference)) != len(self.reference_preference):
            raise ValueError("preprocessing.reference_preference names a contrast twice")
        if self.scheduler is not None and self.workers is not None:
            raise ValueError(
                "preprocessing.workers and preprocessing.scheduler exclude each other: "
                "the scheduler knows its own workers"
            )
        return self

    @model_validator(mode="after")
    def _a_fan_is_an_ultrasounds(self) -> "PreprocessingParameters":
        first = self.reference_preference[0]
        if (self.mask == "fan") != (first == ULTRASOUND):
            raise ValueError(
                f"preprocessing.mask={self.mask} does not go with preprocessing.reference_preference, whose first is "
                f"{first}: mask=fan and {ULTRASOUND} as the first reference need each other"
            )
        if self.mask == "fan" and self.space == "mni":
            raise ValueError("preprocessing.space=mni needs a whole brain, preprocessing.mask=fan has a part of one")
        return self

    def result_fields(self) -> dict:
        """The parameters that change a subject's file, JSON-ready: all but who does the work."""
        return self.model_dump(mode="json", exclude={"workers", "scheduler", "mask_timeout_s"})
