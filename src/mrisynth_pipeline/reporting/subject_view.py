"""What the quality page of one subject shows, as plain values: whoever imputed it fills this in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float

Light = Literal["green", "amber", "red"]
"""Traffic light: nothing speaks against using the imputation, look at the findings first, do not use it."""


@dataclass(frozen=True)
class InputView:
    """One scan that was handed in.

    Args:
        contrast: Internal name.
        file_name: As the user knows it.
        sha256: Of the file's content, hexadecimal.
        spacing_mm: Native voxel size along the file's own axes.
        shape: Native number of voxels along the same axes.
        alignment: One sentence on how it came onto the model grid; "" for the reference.
    """

    contrast: str
    file_name: str
    sha256: str
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    alignment: str = ""


@dataclass(frozen=True)
class ImputedView:
    """One contrast that was imputed.

    Args:
        contrast: Internal name.
        file_name: The file that was written.
        light: How far to trust this contrast.
        mean_expected_error: Expected absolute error, mean over the mask, intensities in [0, 1]; ``None`` if the
            model's doubt is not calibrated.
        sentence: Why the light is what it is.
    """

    contrast: str
    file_name: str
    light: Light
    mean_expected_error: float | None
    sentence: str


@dataclass(frozen=True)
class FindingView:
    """Something about the scans or the imputation that a person should know.

    Args:
        severity: ``warning`` if it speaks against the result, ``note`` if not.
        about: What it concerns: a contrast, a file, the whole subject.
        sentence: What was found.
    """

    severity: Literal["note", "warning"]
    about: str
    sentence: str


@dataclass(frozen=True)
class SubjectView:
    """One subject's imputation.

    Args:
        subject: Identifier.
        light: The worst that holds for the subject.
        summary: One or two sentences in plain language.
        inputs: The scans that were used.
        imputed: The contrasts that were imputed; at least one.
        findings: Whatever was found.
        volumes: Contrast → intensities in [0, 1] on the model grid, ``[z, y, x]``, RAS+; all inputs and all imputed.
        mask: Foreground ``[z, y, x]``.
        spacing_mm: Voxel size of the model grid (x, y, z).
        expected_error: Imputed contrast → expected absolute error per voxel, in the unit of ``volumes``; contrasts
            without a calibration are left out.
        truths: Imputed contrast → the real one ``[z, y, x]``, where it is there and was withheld from the model.
        model: Facts of the model card, by the words under which they are shown.
        provenance: Command, software version, seconds, parameters; may be nested.

    Raises:
        ValueError: Volumes are missing, of different shapes, or beside the contrasts that are named.
    """

    subject: str
    light: Light
    summary: str
    inputs: tuple[InputView, ...]
    imputed: tuple[ImputedView, ...]
    findings: tuple[FindingView, ...]
    volumes: Mapping[str, Float[np.ndarray, "z y x"]]
    mask: Bool[np.ndarray, "z y x"]
    spacing_mm: tuple[float, float, float]
    expected_error: Mapping[str, Float[np.ndarray, "z y x"]] = field(default_factory=dict)
    truths: Mapping[str, Float[np.ndarray, "z y x"]] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        imputed = [entry.contrast for entry in self.imputed]
        named = [*(entry.contrast for entry in self.inputs), *imputed]
        if not imputed or set(named) != set(self.volumes) or len(named) != len(set(named)):
            raise ValueError(f"{self.subject}: inputs and imputed are {named}, the volumes {list(self.volumes)}")
        if strangers := (set(self.expected_error) | set(self.truths)) - set(imputed):
            problem = f"expected errors or truths of {sorted(strangers)}, which were not imputed"
            raise ValueError(f"{self.subject}: {problem}")
        for name, array in [*self.volumes.items(), *self.expected_error.items(), *self.truths.items()]:
            if array.shape != self.mask.shape:
                raise ValueError(f"{self.subject}: {name} has shape {array.shape}, the mask {self.mask.shape}")
        if strange := {self.light, *(entry.light for entry in self.imputed)} - set(get_args(Light)):
            raise ValueError(f"{self.subject}: a light is one of {get_args(Light)}, not {sorted(strange)}")

    def contrasts(self) -> list[str]:
        """All contrasts, inputs first, in the order of the page."""
        return [*(entry.contrast for entry in self.inputs), *(entry.contrast for entry in self.imputed)]
