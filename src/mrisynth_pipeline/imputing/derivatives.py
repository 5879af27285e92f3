"""Results on disk: BIDS derivatives, each image with a sidecar that says what it was made of."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from mrisynth_pipeline import __version__
from mrisynth_pipeline.cohorts.archives.bids import SUFFIXES
from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.imputing.native import to_own_space
from mrisynth_pipeline.imputing.parameters import HowToImpute
from mrisynth_pipeline.imputing.ready_model import ReadyModel
from mrisynth_pipeline.imputing.subject import ImputedContrast, ImputedSubject
from mrisynth_pipeline.imputing.trust import COMPUTED

SYNTHETIC, ERROR = "synth", "synthError"
"""``desc-`` of an imputed contrast, and of its expected error."""


@dataclass(frozen=True)
class Place:
    """Where one subject's results belong inside the output."""

    label: str
    """Of the subject: letters and digits."""
    session: str = ""
    """Of the session, "" without one."""

    @classmethod
    def of(cls, subject: str, patient: str = "", session: str = "") -> "Place":
        """The place of a subject, however it is called: BIDS allows letters and digits alone.

        Args:
            subject: Identifier in its cohort.
            patient: The person, where several subjects are sessions of one.
            session: The time point.
        """
        person = patient if session else subject
        return cls(_label(person.removeprefix("sub-")), _label(session.removeprefix("ses-")))

    @property
    def stem(self) -> str:
        """``sub-01`` or ``sub-01_ses-02``."""
        return f"sub-{self.label}" + (f"_ses-{self.session}" if self.session else "")

    @property
    def folder(self) -> Path:
        """Relative to the output."""
        return Path(f"sub-{self.label}", *([f"ses-{self.session}"] if self.session else []), "anat")

    def file(self, contrast: str, description: str, ending: str) -> str:
        """Name of a file: ``sub-01_ce-gadolinium_desc-synth_T1w.nii.gz``; ultrasound, unknown to BIDS, as here."""
        agent = "_ce-gadolinium" if contrast == "t1c" else ""
        return f"{self.stem}{agent}_desc-{description}_{SUFFIXES.get(contrast, contrast)}{ending}"


def _label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", name)


def write_derivatives(
    result: ImputedSubject, place: Place, folder: Path, model: ReadyModel, how: HowToImpute, origin: Path
) -> dict[str, dict[str, str]]:
    """Write images and sidecars of one subject.

    Args:
        result: What was imputed.
        place: How its files are called.
        folder: Where they go; must exist.
        model: By which model, for the sidecars.
        how: With which options.
        origin: Folder of the input, which sources are named relative to.

    Returns:
        Contrast → its files: ``image``, ``sidecar``, and ``error`` where an expected error is known.
    """
    written = {}
    for contrast, imputed in result.imputed.items():
        native = to_own_space(imputed, result.subject, how.like, model.units.get(contrast))
        files = {"image": place.file(contrast, SYNTHETIC, ".nii.gz")}
        nib.save(native.image, folder / files["image"])
        about = _sidecar(result, contrast, imputed, model, how, origin)
        about["Units"] = "as of a typical training scan" if contrast in model.units else "arbitrary, from 0 to 1"
        if native.expected_error is not None:
            files["error"] = place.file(contrast, ERROR, ".nii.gz")
            nib.save(native.expected_error, folder / files["error"])
            inside = np.asarray(native.expected_error.dataobj)
            about["ExpectedAbsoluteError"]["MeanInImageUnits"] = _rounded(
                inside[inside > 0].mean() if inside.any() else 0
            )
            error = {
                "Description": f"Expected absolute error of {files['image']}, in the unit of that image, per voxel",
                "Sources": [files["image"]],
                "NotForDiagnosticUse": True,
            }
            _write_json(error, folder / place.file(contrast, ERROR, ".json"))
        files["sidecar"] = place.file(contrast, SYNTHETIC, ".json")
        _write_json(about, folder / files["sidecar"])
        written[contrast] = files
    return written


def _sidecar(
    result: ImputedSubject, contrast: str, imputed: ImputedContrast, model: ReadyModel, how: HowToImpute, origin: Path
) -> dict[str, Any]:
    """What a user of the image must know."""
    subject, training = result.subject, model.card.get("training_data", {})
    sources = {name: subject.sources[name] for name in subject.sources}
    about = {
        "Description": f"{DISPLAY_NAMES[contrast]} imputed from "
        + ", ".join(DISPLAY_NAMES[name] for name in result.inputs),
        "Synthetic": True,
        "NotForDiagnosticUse": True,
        "Warning": COMPUTED,
        "SkullStripped": True,
        "SpatialReference": _relative(sources[how.like or subject.reference]["path"], origin),
        "Sources": [_relative(source["path"], origin) for source in sources.values()],
        "SourceHashes": {_relative(source["path"], origin): source["sha256"] for source in sources.values()},
        "EffectiveVoxelSizeMM": list(model.preprocessing.grid.spacing_mm),
        "Model": {
            "Method": model.method.name,
            "Identity": model.identity,
            "TrainedOn": {name: training.get(name) for name in ("cohort", "synthetic", "subjects", "fingerprint")},
            "Date": model.card.get("date"),
            "Software": model.card.get("software"),
        },
        "Software": {"Name": "mrisynth_pipeline", "Version": __version__},
        "Parameters": how.model_dump(mode="json", include=set(HowToImpute.model_fields)),
        "TrafficLight": imputed.trust.light,
        "Trust": imputed.trust.sentence,
        "ExpectedAbsoluteError": {
            "MeanShareOfRange": _rounded(imputed.trust.expected),
            "CalibratedOn": "validation and training subjects of the training cohort"
            if imputed.trust.expected is not None
            else None,
        },
        "Findings": [
            {"Severity": each.severity, "About": each.about, "Text": each.sentence} for each in result.findings
        ],
    }
    if imputed.scores is not None:
        about["BesideTheWithheldScan"] = {
            "PSNR": _rounded(imputed.scores["psnr"]),
            "SSIM": _rounded(imputed.scores["ssim"] / 100),
            "MeanAbsoluteErrorShareOfRange": _rounded(imputed.scores["mae"] / 1000),
        }
    return about


def write_description(output: Path, model: ReadyModel) -> None:
    """The ``dataset_description.json`` of the derivative dataset, and what BIDS validators should pass over."""
    about = {
        "Name": "Imputed MRI contrasts",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "mrisynth_pipeline", "Version": __version__, "Description": COMPUTED}],
        "HowToAcknowledge": f"Contrasts imputed by {model.method.name}. {COMPUTED}",
    }
    _write_json(about, output / "dataset_description.json")
    (output / ".bidsignore").write_text("*.html\nrecords/\nsummary.tsv\n")


def _relative(path: str, origin: Path) -> str:
    """A source relative to the input, so that no one's folders are published."""
    found = Path(path).absolute()
    return found.relative_to(origin.absolute()).as_posix() if found.is_relative_to(origin.absolute()) else found.name


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _write_json(about: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
