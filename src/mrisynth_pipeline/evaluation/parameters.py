"""Parameters of the evaluation."""

from pydantic import Field

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
    """Most test subjects on which the ceiling (Stage I with the true codes) is measured; ``None`` takes all."""
    example_subjects: int = Field(3, ge=0)
    """Test subjects that get figure grids: those with the largest tumours, or else the first."""
    example_inputs: tuple[str, ...] = ()
    """Availability subsets of the figure grids, such as ``t1+t2``; empty: the first contrast alone, and all but the
    second."""
    bootstrap_samples: int = Field(2000, ge=100)
    """Resamples behind each confidence interval."""
    seed: int = 0
    """Seed of the bootstrap."""
