"""What a MONAI bundle's ``inference.json`` is put together from: data list, preprocessing, network, postprocessing."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.card_text import NOT_FOR_DIAGNOSIS, contrasts_of
from mrisynth_pipeline.exporting.preparation import preparation
from mrisynth_pipeline.exporting.reading import load_imputer, require_imputer
from mrisynth_pipeline.exporting.whole import appearing
from mrisynth_pipeline.imaging.native import contrast_to_native
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject
from mrisynth_pipeline.imaging.subject_file import SubjectFile, write_subject
from mrisynth_pipeline.models.door import impute_volume
from mrisynth_pipeline.models.packaging import CARD

NIFTI = (".nii.gz", ".nii")


def subjects_in(dataset_dir: str) -> list[dict[str, str]]:
    """The data list: every folder of NIfTI scans and every prepared subject file, sorted.

    Args:
        dataset_dir: Folder of subjects.

    Returns:
        ``subject`` (its name) and ``path`` of each.

    Raises:
        InputError: There are none.
    """
    folder = Path(dataset_dir)
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [
        {"subject": path.name.removesuffix(".safetensors"), "path": str(path)}
        for path in entries
        if path.suffix == ".safetensors" or (path.is_dir() and any(path.glob("*.nii*")))
    ]
    if not found:
        problem = "holds neither folders of NIfTI scans nor prepared subject files (*.safetensors)"
        raise InputError(folder, problem, "Name another folder with --dataset_dir")
    return found


class BundledImputer(nn.Module):
    """The door with one input, as MONAI's inferers want it.

    Args:
        package: Model folder.
    """

    def __init__(self, package: str) -> None:
        super().__init__()
        self.method = load_imputer(Path(package)).network

    def forward(self, image: Float[Tensor, "batch modality z y x"]) -> Float[Tensor, "batch modality z y x"]:
        """All contrasts in [0, 1], of volumes in which a contrast that is NaN throughout is missing.

        Raises:
            ValueError: As of :meth:`~mrisynth_pipeline.models.door.Imputer.impute`.
        """
        available = ~image.isnan().flatten(2).all(2)
        imputed = [impute_volume(self.method, *sample) for sample in zip(image, available, strict=True)]
        return torch.stack(imputed).to(image.device)


class Prepare:
    """Preprocessing transform: scans or a subject file in, the network's image out.

    Args:
        package: Model folder; its card says how scans are prepared.
        registered: The scans of a subject share one space and are skull-stripped.
    """

    def __init__(self, package: str, registered: bool = False) -> None:
        self.package, self.registered = Path(package), registered
        self.card = require_imputer(self.package)

    def __call__(self, item: Mapping[str, str]) -> dict[str, Any]:
        """Prepare one subject.

        Args:
            item: Of :func:`subjects_in`.

        Returns:
            ``image`` ``[modality, z, y, x]`` in [0, 1], NaN where a contrast is missing; ``subject``; and ``about``,
            the subject file's metadata as JSON, and ``mask``, for the way back.

        Raises:
            InputError: The card has no preprocessing, or a scan cannot be used.
        """
        path, contrasts = Path(item["path"]), contrasts_of(self.card)
        with tempfile.TemporaryDirectory() as workplace:
            if path.is_dir():
                path = self._prepared(item["subject"], path, contrasts, Path(workplace))
            file = SubjectFile(path)
            if tuple(file.metadata["modalities"]) != contrasts:
                problem = f"has the contrasts {', '.join(file.metadata['modalities'])}, not {', '.join(contrasts)}"
                raise InputError(path, problem, "Prepare it for this model")
            volumes, mask = file.volumes(), file.mask()
        volumes[~file.present] = np.nan
        return {
            "image": torch.from_numpy(volumes),
            "mask": torch.from_numpy(mask),
            "subject": item["subject"],
            "about": json.dumps(file.metadata),
        }

    def _prepared(self, subject: str, folder: Path, contrasts: tuple[str, ...], workplace: Path) -> Path:
        """The subject file made from a folder of scans."""
        if "preprocessing" not in self.card:
            problem = "does not say how scans are prepared: it is of a model as trained, not of a package"
            raise InputError(self.package / CARD, problem, "Name prepared subject files instead, or export a package")
        parameters, standard = preparation(self.card["preprocessing"], self.card, self.package / CARD)
        scans = {
            contrast: ScanSource.of(path)
            for contrast in contrasts
            for ending in NIFTI
            if (path := folder / f"{contrast}{ending}").is_file()
        }
        made = preprocess_subject(subject, scans, contrasts, parameters, self.registered, standard)
        return write_subject(workplace / f"{subject}.safetensors", made)


class SaveImputed:
    """Postprocessing transform: what a subject lacked, as NIfTI files on the grid of its reference scan, in [0, 1].

    Args:
        package: Model folder.
        output_dir: Where ``<subject>/<subject>_<contrast>_imputed.nii.gz`` go.
    """

    def __init__(self, package: str, output_dir: str) -> None:
        self.contrasts = contrasts_of(require_imputer(Path(package)))
        self.output_dir = Path(output_dir)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Write one subject's files.

        Args:
            item: Of :class:`Prepare`, with ``pred`` ``[modality, z, y, x]``.

        Returns:
            The item, with the paths as ``saved``.
        """
        about, mask = json.loads(item["about"]), item["mask"].numpy().astype(bool)
        folder = self.output_dir / item["subject"]
        saved = []
        for contrast, volume, present in zip(self.contrasts, item["pred"], about["present"], strict=True):
            if present:
                continue
            image = contrast_to_native(volume.cpu().numpy() * mask, mask, about, contrast)
            image.header["descrip"] = f"imputed {contrast}. {NOT_FOR_DIAGNOSIS}".encode()
            with appearing(folder / f"{item['subject']}_{contrast}_imputed.nii.gz", overwrite=True) as path:
                nib.save(image, path)
            saved.append(str(folder / path.name))
        return item | {"saved": saved}
