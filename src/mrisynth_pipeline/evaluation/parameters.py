"""Parameters of the evaluation."""

from typing import Annotated

from pydantic import Field

from mrisynth_pipeline.imaging.planes import Planes
from mrisynth_pipeline.parameters import Parameters


class EvaluationParameters(Parameters):
    """How imputations are judged (``params:evaluation``)."""

    minimum_brain_area: float = Field(0.05, ge=0.0, lt=1.0)
    """Protocol ``slice`` scores the axial slices whose brain fills at least this share of the slice."""
    batch_size: int = Field(16, ge=1)
    """Slices per forward pass of a 2D method."""
    device: str = "auto"
    """Where methods run: auto (a GPU if there is one), cpu, cuda, cuda:1, mps."""
    ceiling_subjects: int | None = Field(None, ge=1)
    """Most test subjects on which autoencoders are measured (the ceiling, Stage I with the true codes; reconstructions;
    exchanged styles); ``None`` takes all."""
    example_subjects: int = Field(3, ge=0)
    """Test subjects that get figure grids: those with the largest tumours, or else the first."""
    example_inputs: tuple[str, ...] = ()
    """Availability subsets of the figure grids, such as ``t1+t2``; empty: the first contrast alone, and all but the
    second."""
    bootstrap_samples: int = Field(2000, ge=100)
    """Resamples behind each confidence interval."""
    seed: int = 0
    """Seed of the bootstrap."""


Amounts = tuple[Annotated[float, Field(gt=0.0, allow_inf_nan=False)], ...]


class RobustnessParameters(Parameters):
    """What misalignment of one input is measured (``params:robustness``)."""

    translations_mm: Amounts = (1.0, 2.0, 4.0, 8.0)
    """Lengths of shifts in random directions of space, in mm."""
    rotations_deg: Amounts = (2.0, 5.0, 10.0)
    """Angles about random axes through the middle of the grid, in degrees."""
    translations_pixels: Amounts = (1.0, 2.0, 4.0, 8.0)
    """Lengths of shifts along the axes of the axial plane, in pixels. Whole numbers need no interpolation."""
    repeats: int = Field(2, ge=1)
    """Motions per subject and amount."""
    subjects: int | None = Field(None, ge=1)
    """Most test subjects; ``None`` takes all."""
    inputs: str = ""
    """The contrasts given, such as ``t1+t2``, of which one is moved; empty: every contrast in turn is missing and
    one of all the others is moved. At least two are needed: the others hold still."""
    registration: bool = True
    """Measure also what the pipeline's own registration of the moved contrast leaves (about a second per case)."""
    workers: int | None = Field(None, ge=1)
    """Processes that register, each one subject at a time; ``None`` uses every core, 1 stays in this process."""
    seed: int = Field(0, ge=0)
    """Seed of the motions."""


class UncertaintyParameters(Parameters):
    """How a generative method's doubt is examined (``params:uncertainty``)."""

    subjects: int | None = Field(None, ge=1)
    """Most test subjects on whom standard deviations are measured; ``None`` takes all."""
    inputs: tuple[str, ...] = ()
    """Availability subsets, such as ``t1+t2``; empty: all of them."""
    n_samples: int = Field(8, ge=2)
    """Draws behind every mean and standard deviation."""
    temperature: float = Field(1.0, gt=0.0, allow_inf_nan=False)
    """At which the standard deviations are taken; 1 is the model's own belief."""
    temperatures: tuple[Annotated[float, Field(ge=0.0, allow_inf_nan=False)], ...] = (0.0, 0.25, 0.5, 0.7, 1.0)
    """At which quality is measured."""
    temperature_subjects: int | None = Field(2, ge=1)
    """Most test subjects of that sweep; ``None`` takes all."""
    temperature_inputs: tuple[str, ...] = ()
    """Its availability subsets; empty: those of the example figures."""
    latent_subjects: int | None = Field(8, ge=1)
    """Most complete test subjects whose finest latent is compared; ``None`` takes all."""
    components: int = Field(4, ge=2)
    """Principal components of the latent codes that are kept."""
    seed: int = Field(0, ge=0)
    """Seed of the draws."""


class PackagingParameters(Parameters):
    """What a packaged model knows of its own errors and of the scans it learned from (``params:packaging``)."""

    subjects: int | None = Field(2, ge=1)
    """Most validation subjects on whom the expected error is calibrated; ``None`` takes all."""
    training_subjects: int | None = Field(8, ge=0)
    """Most training subjects, evenly spread, that it is calibrated on too: few validation subjects differ too little;
    ``None`` takes all."""
    training_inputs: int | None = Field(1, ge=1)
    """So many of the availability subsets are asked of each of them, in turn; ``None``: all."""
    test_subjects: int | None = Field(8, ge=1)
    """Most test subjects, evenly spread, on whom the calibration is measured; ``None`` takes all."""
    test_inputs: int | None = Field(1, ge=1)
    """So many of the availability subsets are asked of each of them, in turn; ``None``: all."""
    inputs: tuple[str, ...] = ()
    """Availability subsets of both, such as ``t1+t2``; empty: every contrast alone, and all but one."""
    planes: Planes = "auto"
    """Planes that 2D methods are asked in, as when own scans are imputed: what is calibrated is what is handed out."""
    n_samples: int = Field(4, ge=2)
    """Answers behind every standard deviation."""
    slices: int | None = Field(6, ge=1)
    """Axial slices of each subject that are looked at, evenly spread over the brain; ``None`` takes all."""
    voxels: int = Field(2500, ge=100)
    """Voxels of the brain that are fitted on, and measured on, per imputed scan."""
    reference_subjects: int | None = Field(8, ge=1)
    """Most training subjects that say what is familiar, evenly spread over them; ``None`` takes all."""
    seed: int = Field(0, ge=0)
    """Seed of the draws and of the voxels."""
