"""The same in Python: ``load_model(folder).impute({"t1": "t1.nii.gz", "flair": "flair.nii.gz"})``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.shelf import resolve_model
from mrisynth_pipeline.imputing.derivatives import Place, write_description
from mrisynth_pipeline.imputing.native import to_own_space
from mrisynth_pipeline.imputing.orders import as_how
from mrisynth_pipeline.imputing.own_scans import OwnScans, find_own_scans
from mrisynth_pipeline.imputing.parameters import HowToImpute
from mrisynth_pipeline.imputing.ready_model import ReadyModel, open_model
from mrisynth_pipeline.imputing.run import Order, check_writable, told_of, write_results
from mrisynth_pipeline.imputing.subject import ImputedSubject, impute_subject
from mrisynth_pipeline.imputing.trust import Finding, Light


@dataclass(frozen=True)
class Imputation:
    """What a model made of one subject's scans."""

    result: ImputedSubject
    """On the model grid, with everything that is known."""
    images: dict[str, nib.Nifti1Image]
    """Contrast → image on the voxels of the subject's own scan."""
    expected_errors: dict[str, nib.Nifti1Image]
    """Contrast → expected absolute error per voxel, in the unit of the image; empty without a calibration."""
    _how: HowToImpute
    _model: ReadyModel

    @property
    def light(self) -> Light:
        """``green``, ``amber`` or ``red``: how far to trust the worst of them."""
        return self.result.light

    @property
    def summary(self) -> str:
        """One or two sentences."""
        return self.result.summary

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a person should know."""
        return self.result.findings

    def save(self, folder: str | Path) -> list[Path]:
        """Write images, expected errors and sidecars as BIDS derivatives; see ``mrisynth impute`` for many subjects.

        Returns:
            The files written.
        """
        folder, place = Path(folder), Place.of(self.result.subject.subject)
        check_writable(folder)
        write_description(folder, self._model)
        origin = Path(self.result.subject.sources[self.result.inputs[0]]["path"]).absolute().parent
        order = Order(self._model, self._how, origin, folder, pages=False)
        _, written = write_results(self.result, place, "", order)
        return [folder / place.folder / name for files in written.values() for name in files.values()]


class Model:
    """An imputer that takes files. Make one by :func:`load_model`."""

    def __init__(self, ready: ReadyModel) -> None:
        self.ready = ready

    def __repr__(self) -> str:
        """What it is."""
        return f"<{self.ready.method.name} for {', '.join(self.modalities)}: {self.ready.name}>"

    @property
    def modalities(self) -> tuple[str, ...]:
        """Contrasts that it knows, in channel order."""
        return self.ready.modalities

    @property
    def card(self) -> Mapping[str, Any]:
        """The model card."""
        return self.ready.card

    def impute(
        self,
        scans: Mapping[str, str | Path],
        to: str | list[str] | None = None,
        subject: str = "subject",
        registered: bool | None = None,
        **options: Any,
    ) -> Imputation:
        """Impute what one subject lacks.

        Args:
            scans: Contrast → NIfTI file; contrasts as BIDS (``T1w``), BraTS (``t1ce``) or this project (``t1c``) spell
                them.
            to: Contrasts to impute; ``None``: those of the model that are missing.
            subject: Its name.
            registered: Whether the scans share one grid and are skull-stripped; ``None``: the scans tell.
            options: Those of :class:`~mrisynth_pipeline.imputing.parameters.HowToImpute`, such as ``doubt=False``.

        Returns:
            Images in the subject's own space, expected errors, and how far to trust them.

        Raises:
            InputError: A scan or an option cannot be used.
        """
        how = as_how(options | {"to": to})
        given = OwnScans(files={name: Path(path) for name, path in scans.items()}, subject=subject)
        [own] = find_own_scans(given, self.modalities, registered)
        if own.problems:
            raise InputError(subject, "; ".join(own.problems), "Mend the scans or leave them out")
        result = impute_subject(own.subject, own.scans, own.registered, self.ready, how, told_of(own))
        natives = {
            name: to_own_space(each, result.subject, how.like, self.ready.units.get(name))
            for name, each in result.imputed.items()
        }
        return Imputation(
            result,
            {name: native.image for name, native in natives.items()},
            {name: native.expected_error for name, native in natives.items() if native.expected_error is not None},
            how,
            self.ready,
        )


def load_model(model: str | Path, data_dir: str | Path = "data") -> Model:
    """A trained model, ready for files.

    Args:
        model: A model folder or its zip, a method that this project has trained (``codebrain``), or
            ``models:/name/version``.
        data_dir: Where this project's models are.

    Raises:
        InputError: There is no such model, or it cannot be read.
    """
    return Model(open_model(resolve_model(str(model), Path(data_dir)), str(model)))
