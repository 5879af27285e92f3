"""What is asked for when own scans are imputed."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.imaging.planes import Planes
from mrisynth_pipeline.imputing.given import SPELLINGS
from mrisynth_pipeline.parameters import Parameters


def spelt_contrasts(value: Any) -> Any:
    """``"T2w,flair"`` or ``"t2+flair"`` → (t2, flair); a name that is none stays, to be complained about."""
    if isinstance(value, str):
        value = [part for part in value.replace("+", ",").split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        return value
    return tuple(SPELLINGS.get(str(part).strip().lower(), str(part).strip().lower()) for part in value)


class HowToImpute(Parameters):
    """How one study is imputed, whoever asks: command line, Kedro, or Python."""

    to: tuple[str, ...] | None = None
    """Contrasts to impute, as a list, ``T2w,FLAIR`` or ``t2+flair``; ``None``: those of the model that are missing. One
    that is there is then not shown to the model, and what it makes is compared with it."""
    like: str | None = None
    """The input whose voxels the results lie on; ``None``: the reference that the others were registered onto."""
    planes: Planes = "auto"
    """``three``: axial, coronal and sagittal slices are imputed and averaged, so that slices do not jump; ``axial``: as
    in training, three times as fast; ``auto``: three where the model's voxels are nearly cubes. Not for 3D methods."""
    doubt: bool = True
    """Whether the expected error is estimated; it takes several times as long as imputing alone."""
    n_samples: int = Field(6, ge=2)
    """Draws or augmentations that the doubt is estimated from."""
    batch_size: int = Field(16, ge=1)
    """Slices per forward pass of a 2D method."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs; ``auto``: on a GPU if there is one."""

    @field_validator("to", mode="before")
    @classmethod
    def _to_may_be_one_word(cls, value: Any) -> Any:
        return spelt_contrasts(value)

    @field_validator("like", mode="before")
    @classmethod
    def _like_may_be_spelt_otherwise(cls, value: Any) -> Any:
        return spelt_contrasts(value)[0] if isinstance(value, str) and value.strip() else value or None

    @model_validator(mode="after")
    def _contrasts_are_known(self) -> "HowToImpute":
        for option, names in (("to", self.to or ()), ("like", (self.like,) if self.like else ())):
            if unknown := [name for name in names if name not in DISPLAY_NAMES]:
                known = ", ".join(DISPLAY_NAMES)
                raise ValueError(
                    f"impute.{option}: {unknown[0]!r} is no contrast; known: {known}, or as BIDS spells them"
                )
        if self.to is not None and (not self.to or len(set(self.to)) < len(self.to)):
            raise ValueError(f"impute.to={list(self.to)} must name at least one contrast, each once")
        return self


class ImputeParameters(HowToImpute):
    """Own scans, a model, and where the results go (``params:impute``)."""

    input: Path | None = None
    """A folder of scans: a BIDS dataset, an archive's layout, or files whose names tell their contrast; or one file."""
    output: Path | None = None
    """Folder of the results, a BIDS derivative dataset; made if it is not there."""
    model: str = "codebrain"
    """A method of this project that has been trained, a model folder or its zip, or ``models:/name/version``."""
    data_dir: Path = Path("data")
    """Where this project's models are."""
    names: str | None = None
    """What file names mean, where they do not say it: ``*mprage*=t1,*dark*=flair``, or a YAML or JSON file of such."""
    registered: bool | Literal["auto"] = "auto"
    """Whether the scans of a subject share one grid and are skull-stripped; ``auto``: the scans tell."""
    overwrite: bool = False
    """Impute again what has been done with the same scans, model and options."""
    pages: bool = True
    """Whether every subject gets a page to look at."""
