"""The per-subject file: one safetensors file, read slice by slice without loading the rest."""

import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mrisynth_pipeline.cohorts.errors import InputError

FORMAT = 2
"""Version of the file's layout; a reader refuses any other."""

_REQUIRED = {
    "subject",
    "modalities",
    "present",
    "reference",
    "grid_affine",
    "transforms",
    "intensity",
    "sources",
    "fingerprint",
}


@dataclass(frozen=True)
class Subject:
    """One subject, ready for a model.

    Args:
        subject: Subject identifier.
        modalities: Channel order.
        present: Per channel whether it was scanned; absent channels are all 0.
        volumes: ``[modality, z, y, x]`` in [0, 1], background exactly 0, float16 or float32.
        mask: Foreground ``[z, y, x]`` bool.
        segmentation: Labels ``[z, y, x]`` uint8, or ``None``.
        reference: The contrast whose axes the grid follows.
        grid_affine: 4×4, voxel index (x, y, z) → RAS world mm of the reference, or of MNI space.
        transforms: Per scan (contrasts, label map, given mask) 4×4 RAS matrix, world points of the grid (the
            reference's or MNI's) → that scan's world points.
        intensity: Per contrast the knots of its increasing, piecewise-linear map: ``scanner`` values and what they
            became (``unit``, from 0 to 1); values beyond the first and last knot were clipped.
        sources: Per file read: path, sha256, affine (native, RAS), shape (native).
        fingerprint: What the file was made from and how.
        quality: Measures of how well it went (columns of the preprocessing index).
        space: World of the grid: ``native`` (the reference's) or ``mni``.
    """

    subject: str
    modalities: tuple[str, ...]
    present: tuple[bool, ...]
    volumes: NDArray
    mask: NDArray[np.bool_]
    segmentation: NDArray[np.uint8] | None
    reference: str
    grid_affine: NDArray[np.float64]
    transforms: Mapping[str, NDArray[np.float64]]
    intensity: Mapping[str, Mapping[str, Sequence[float]]]
    sources: Mapping[str, Mapping[str, Any]]
    fingerprint: str
    quality: Mapping[str, Any] = field(default_factory=dict)
    space: str = "native"

    def metadata(self) -> dict[str, Any]:
        """All but the voxels, JSON-ready: what :attr:`SubjectFile.metadata` gives once it is written."""
        return {
            "format": FORMAT,
            "subject": self.subject,
            "modalities": list(self.modalities),
            "present": [bool(value) for value in self.present],
            "reference": self.reference,
            "grid_affine": np.asarray(self.grid_affine).tolist(),
            "transforms": {name: np.asarray(matrix).tolist() for name, matrix in self.transforms.items()},
            "intensity": {
                name: {side: [float(value) for value in knots] for side, knots in mapping.items()}
                for name, mapping in self.intensity.items()
            },
            "sources": {name: dict(source) for name, source in self.sources.items()},
            "fingerprint": self.fingerprint,
            "quality": dict(self.quality),
            "space": self.space,
        }


def write_subject(path: str | Path, subject: Subject) -> Path:
    """Write a subject's file; it appears whole or not at all.

    Args:
        path: Where to; parent folders are made.
        subject: What to write.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "volumes": np.ascontiguousarray(subject.volumes),
        "mask": np.ascontiguousarray(subject.mask, dtype=np.uint8),
    }
    if subject.segmentation is not None:
        tensors["segmentation"] = np.ascontiguousarray(subject.segmentation, dtype=np.uint8)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(tensors, unfinished, metadata={"subject": json.dumps(subject.metadata())})
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


class SubjectFile:
    """A subject's file on disk, memory-mapped: what is not asked for is not read.

    Pickling keeps only the path and what is hidden, so instances may be handed to data-loader workers.
    """

    def __init__(self, path: str | Path, hidden: Collection[str] = ()) -> None:
        """Open a file and check its layout.

        Args:
            path: A file written by :func:`write_subject`.
            hidden: Contrasts to treat as never scanned: not ``present``, and all 0. Mask, label map and grid stay,
                also where a hidden scan gave them.

        Raises:
            InputError: The file is missing, damaged, or of another layout; or it has no such contrast to hide.
        """
        self.path, self.hidden = Path(path), frozenset(hidden)
        remedy = "Delete it and run the preprocessing pipeline again"
        if not self.path.is_file():
            raise InputError(self.path, "there is no such subject file", "Run the preprocessing pipeline first")
        try:
            self._tensors = safe_open(self.path, framework="numpy")
            about = json.loads((self._tensors.metadata() or {})["subject"])
            volumes = self._tensors.get_slice("volumes").get_shape()
            mask = self._tensors.get_slice("mask").get_shape()
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise InputError(self.path, f"this is not a whole subject file ({error})", remedy) from error
        lacking = sorted(_REQUIRED - set(about))
        if about.get("format") != FORMAT or lacking:
            problem = f"layout {about.get('format')} instead of {FORMAT}" + (f", without {lacking}" if lacking else "")
            raise InputError(self.path, problem, remedy)
        if len(volumes) != 4 or volumes[1:] != mask or volumes[0] != len(about["modalities"]):
            raise InputError(self.path, f"volumes {volumes} do not fit mask {mask} and {about['modalities']}", remedy)
        if strangers := sorted(self.hidden - set(about["modalities"])):
            raise InputError(
                self.path, f"it has no {', '.join(strangers)} to hide", f"Hide some of {', '.join(about['modalities'])}"
            )
        self._hidden_channels = [position for position, name in enumerate(about["modalities"]) if name in self.hidden]
        for channel in self._hidden_channels:
            about["present"][channel] = False
        self.metadata: dict[str, Any] = about
        self.shape: tuple[int, int, int, int] = tuple(volumes)

    def __reduce__(self) -> tuple:
        return type(self), (self.path, self.hidden)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Per channel whether it was scanned, ``[modality]``."""
        return np.asarray(self.metadata["present"], dtype=bool)

    def volumes(self) -> NDArray[np.float32]:
        """All contrasts ``[modality, z, y, x]`` in [0, 1]."""
        return self._shown(self._tensors.get_tensor("volumes"))

    def slice(self, z: int) -> NDArray[np.float32]:
        """One axial slice of every contrast ``[modality, y, x]``; z grows upwards."""
        return self._shown(self._tensors.get_slice("volumes")[:, int(z)])

    def crop(self, z: slice, y: slice, x: slice) -> NDArray[np.float32]:
        """A block of every contrast ``[modality, z, y, x]``: patches and slabs."""
        return self._shown(self._tensors.get_slice("volumes")[:, z, y, x])

    def _shown(self, stored: NDArray) -> NDArray[np.float32]:
        """What was read, as float32 and with hidden contrasts at 0; ``stored`` itself is not changed."""
        stack = stored.astype(np.float32)
        stack[self._hidden_channels] = 0
        return stack

    def mask(self) -> NDArray[np.bool_]:
        """Foreground ``[z, y, x]``."""
        return self._tensors.get_tensor("mask").astype(bool)

    def segmentation(self) -> NDArray[np.uint8] | None:
        """Labels ``[z, y, x]``, or ``None`` where the subject has none."""
        return self._tensors.get_tensor("segmentation") if "segmentation" in self._tensors.keys() else None  # noqa: SIM118


def open_subject(path: str | Path, hidden: Collection[str] = ()) -> SubjectFile:
    """Open a subject's file for lazy reading; see :class:`SubjectFile`."""
    return SubjectFile(path, hidden)


@dataclass(frozen=True)
class SubjectStore:
    """A folder of subject files, or a view of it that hides some scans.

    Args:
        directory: The folder; made on the first write.
        hidden: Subject → contrasts that its file is opened without; see :meth:`without`.
    """

    directory: Path
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)

    def without(self, scans: Mapping[str, Iterable[str]]) -> "SubjectStore":
        """The same files as if some scans had never been made, for experiments: nothing is prepared or copied.

        What was made *with* a hidden scan stays: the grid and mask of a hidden reference, and the transforms onto it.
        (``cohort.drop_fraction`` withholds scans before preparation.)

        Args:
            scans: Subject → contrasts to hide, beside those that this view hides already.

        Returns:
            A view on this folder; may be pickled for data-loader workers.
        """
        hidden = {subject: frozenset(names) | self.hidden.get(subject, frozenset()) for subject, names in scans.items()}
        return SubjectStore(self.directory, {**self.hidden, **hidden})

    def path(self, subject: str) -> Path:
        """Where a subject's file lies or would lie."""
        if not subject or Path(subject).name != subject:
            raise InputError("subject", f"{subject!r} cannot be a file name", "Rename the subject")
        return Path(self.directory) / f"{subject}.safetensors"

    def transforms(self, subject: str) -> Path:
        """Folder of a subject's ITK transforms (see :func:`.transform_files.write_transforms`)."""
        return Path(self.directory) / "transforms" / self.path(subject).stem

    def remove(self, subject: str) -> None:
        """Remove all that is there of a subject."""
        self.path(subject).unlink(missing_ok=True)
        shutil.rmtree(self.transforms(subject), ignore_errors=True)

    def open(self, subject: str) -> SubjectFile:
        """Open a subject's file.

        Raises:
            InputError: It is missing or damaged, or lacks a contrast that is to be hidden.
        """
        return open_subject(self.path(subject), self.hidden.get(subject, ()))

    def done(self, subject: str, fingerprint: str) -> bool:
        """Whether a sound file made from exactly these sources and parameters is there."""
        try:
            return self.open(subject).metadata["fingerprint"] == fingerprint
        except InputError:
            return False

    def subjects(self) -> list[str]:
        """Identifiers of all subjects in the folder, sorted."""
        return sorted(path.stem for path in Path(self.directory).glob("*.safetensors"))
