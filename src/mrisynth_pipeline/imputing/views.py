"""What was imputed, as its quality page shows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrisynth_pipeline import __version__
from mrisynth_pipeline.exporting.card_text import training_text
from mrisynth_pipeline.imputing.parameters import HowToImpute
from mrisynth_pipeline.imputing.ready_model import ReadyModel
from mrisynth_pipeline.imputing.subject import ImputedSubject
from mrisynth_pipeline.reporting.subject_view import FindingView, ImputedView, InputView, SubjectView


def view_of(
    result: ImputedSubject, files: Mapping[str, Mapping[str, str]], model: ReadyModel, how: HowToImpute
) -> SubjectView:
    """One subject's page, as plain values.

    Args:
        result: What was imputed.
        files: Contrast → names of its files.
        model: By which model.
        how: With which options.
    """
    subject = result.subject
    prepared = {
        name: subject.volumes[model.modalities.index(name)].astype(np.float32) for name in result.inputs
    }  # fmt: skip
    errors = {name: each.expected_error for name, each in result.imputed.items() if each.expected_error is not None}
    return SubjectView(
        subject=subject.subject,
        light=result.light,
        summary=result.summary,
        inputs=tuple(_input(name, subject.sources[name], subject.quality, subject.reference) for name in result.inputs),
        imputed=tuple(
            ImputedView(name, files[name]["image"], each.trust.light, each.trust.expected, _sentence(each))
            for name, each in result.imputed.items()
        ),
        findings=tuple(
            FindingView(each.severity, each.about or "all scans", each.sentence) for each in result.findings
        ),
        volumes=prepared | {name: each.volume for name, each in result.imputed.items()},
        truths={name: each.truth for name, each in result.imputed.items() if each.truth is not None},
        mask=subject.mask,
        spacing_mm=tuple(model.preprocessing.grid.spacing_mm),
        expected_error=errors,
        model={
            "Method": model.method.name,
            "Trained on": training_text(model.card),
            "Date": model.card.get("date", ""),
            "Trained by": model.card.get("software", ""),
            "Identity": model.identity[:16],
        },
        provenance={
            "Software": f"mrisynth_pipeline {__version__}",
            "Model": model.name,
            "Seconds": dict(result.seconds),
            "Options": how.model_dump(mode="json", include=set(HowToImpute.model_fields))
            | {"to": ", ".join(result.imputed)},
        },
    )


def _input(name: str, source: Mapping[str, Any], quality: Mapping[str, Any], reference: str) -> InputView:
    affine = np.asarray(source["affine"])
    alignment = ""
    if f"translation_mm_{name}" in quality:
        moved, turned = quality[f"translation_mm_{name}"], quality[f"rotation_deg_{name}"]
        alignment = f"Moved by {moved:.1f} mm and turned by {turned:.1f}° onto the reference."
    elif name != reference:
        alignment = "Taken as it lies."
    spacing = tuple(float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    return InputView(name, Path(source["path"]).name, source["sha256"], spacing, tuple(source["shape"]), alignment)


def _sentence(imputed: Any) -> str:
    if imputed.scores is None:
        return imputed.trust.sentence
    scores = imputed.scores
    beside = (
        f"Beside the real scan, which was not shown to it: PSNR {scores['psnr']:.1f} dB, SSIM {scores['ssim']:.0f} %"
    )
    return f"{imputed.trust.sentence} {beside}, mean error {scores['mae'] / 1000:.1%} of the range, inside the brain."
