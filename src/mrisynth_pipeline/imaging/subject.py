"""From one subject's scans to its model-ready volumes: every step, in order."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, SEGMENTATION, ULTRASOUND
from mrisynth_pipeline.imaging.brain_extraction import brain_mask
from mrisynth_pipeline.imaging.foreground import GivenMask, find_foreground, read_given_mask
from mrisynth_pipeline.imaging.geometry import Grid, grid_of, image_on, resample, smooth_for
from mrisynth_pipeline.imaging.intensity import IntensityMap, correct_bias, to_unit
from mrisynth_pipeline.imaging.intensity_methods import Standard, clipped_share, intensity_map
from mrisynth_pipeline.imaging.model_grid import place_grid
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.quality import quality_columns
from mrisynth_pipeline.imaging.registration.placing import Placing, place_scans
from mrisynth_pipeline.imaging.registration.shipped import Way, files_of, shipped_matrix
from mrisynth_pipeline.imaging.registration.standard_space import StandardPlace, mni_template, place_in_mni
from mrisynth_pipeline.imaging.scan import Scan, read_scan
from mrisynth_pipeline.imaging.subject_file import Subject
from mrisynth_pipeline.imaging.threads import one_itk_thread

METHOD_VERSION = 3
"""Raised whenever the steps below change what they write: files made before are then made anew."""

_NO_STANDARD: Standard = MappingProxyType({})

USUAL_LABELS = {0: 0, 1: 1, 2: 2, 3: 3, 4: 3}
"""BraTS' label values, old and new, → internal labels."""


@dataclass(frozen=True)
class ScanSource:
    """A scan on disk.

    Args:
        path: The file.
        sha256: Its hash as ingestion saw it.
        volume: Which volume of a 4-D file, from 0; ``None`` for a 3-D file.
        labels: For a label map: value in the file → internal label.
        transform: ITK files that one after another map this scan's points to a space that the subject's scans share,
            ``"identity"`` for the scan that is that space, ``""`` where no transform came with the scan.
    """

    path: Path
    sha256: str
    volume: int | None = None
    labels: Mapping[int, int] = field(default_factory=lambda: dict(USUAL_LABELS))
    transform: Way = ""

    @classmethod
    def of(cls, path: str | Path) -> "ScanSource":
        """A file that no manifest lists: hashed here.

        Raises:
            InputError: It cannot be read.
        """
        try:
            with Path(path).open("rb") as file:
                return cls(Path(path), hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise InputError(path, f"the file cannot be read ({error})", "Check its name and place") from error

    def facts(self) -> dict[str, Any]:
        """What the source contributes to a subject's file, JSON-ready: its bytes and how they are read."""
        steps = files_of(self.transform)
        shipped = "".join(ScanSource.of(step).sha256 for step in steps) if steps else self.transform
        return {
            "sha256": self.sha256,
            "volume": self.volume,
            "labels": sorted(self.labels.items()),
            "transform": shipped,
        }


def fingerprint(
    scans: Mapping[str, ScanSource],
    modalities: Sequence[str],
    parameters: PreprocessingParameters,
    registered: bool,
    standard: Standard = _NO_STANDARD,
) -> str:
    """What a subject's file depends on, as one hash: sources, channel order, parameters, standard, version."""
    facts = {
        "sources": {name: source.facts() for name, source in sorted(scans.items())},
        "modalities": list(modalities),
        "registered": bool(registered),
        "parameters": parameters.result_fields(),
        "standard": {name: list(scale) for name, scale in sorted(standard.items())},
        "version": METHOD_VERSION,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@one_itk_thread()
def preprocess_subject(
    subject: str,
    scans: Mapping[str, ScanSource],
    modalities: Sequence[str],
    parameters: PreprocessingParameters,
    registered: bool,
    standard: Standard = _NO_STANDARD,
) -> Subject:
    """Bring one subject's scans onto the model grid.

    Read → check → RAS+ → mask → registration onto the reference → optional bias correction → optional
    registration of the reference onto MNI's template → one resampling → intensities to [0, 1]. The same code
    serves training cohorts and a user's own patients.

    Args:
        subject: Subject identifier.
        scans: Contrast (or ``seg``) → file. Contrasts of the study that are missing become all-zero channels.
        modalities: Channel order of the study.
        parameters: How.
        registered: The scans share one space and are skull-stripped: nothing is registered, and the mask is
            where they are not zero.
        standard: What the landmarks of each contrast's histogram become (``intensity.method: nyul``).

    Returns:
        The subject, with its quality measures.

    Raises:
        InputError: No contrast of the study is there, or a scan cannot be used.
    """
    names = [name for name in modalities if name in scans]
    if not names:
        raise InputError(subject, f"has none of the contrasts {list(modalities)}", "Leave the subject out")
    clock = _Clock()
    reference = next((name for name in parameters.reference_preference if name in names), names[0])
    with clock("read"):
        read = {name: read_scan(scans[name].path, volume=scans[name].volume) for name in names}
    images = {name: scan.image for name, scan in read.items()}
    with clock("mask"):
        given = _given_mask(scans, read, reference, parameters, registered)
        foreground = find_foreground(subject, images, reference, given, parameters, registered)
    with clock("register"):
        alignments, matrices = _place(scans, images, reference, foreground, parameters, registered)
    if given is not None and given.drawn_on != reference and not registered:
        foreground = given.carried(images[reference], matrices[given.drawn_on])
    if parameters.bias_correction:
        with clock("bias"):
            for name in set(names) - {ULTRASOUND}:  # it has no receive coil
                images[name] = correct_bias(images[name], _carried(foreground, matrices[name]))
    place: StandardPlace | None = None
    frame = (images[reference], foreground)
    if parameters.space == "mni":
        with clock("mni"):
            place = place_in_mni(images[reference], _brain(images[reference], foreground, parameters, registered))
        frame = mni_template()
        matrices = {name: matrix @ place.matrix for name, matrix in matrices.items()}
    with clock("resample"):
        placed = place_grid(*frame, parameters.grid)
        mask = resample(sitk.Cast(foreground, sitk.sitkFloat32), placed.grid, matrices[reference]) >= 0.5
        volumes, intensity, clipped = _volumes(images, matrices, placed.grid, mask, modalities, parameters, standard)
        shared_world = registered or not parameters.registration.enabled
        labels = _segmentation(scans, read, matrices, reference, placed.grid, shared_world)
    sources = {name: _source(scans[name], scan.native) for name, scan in read.items()}
    if labels is not None:
        matrices[SEGMENTATION] = labels.matrix
        sources[SEGMENTATION] = _source(scans[SEGMENTATION], labels.scan.native)
    if given is not None:
        matrices[BRAIN_MASK] = matrices[given.drawn_on]
        sources[BRAIN_MASK] = _source(scans[BRAIN_MASK], given.scan.native)
    return Subject(
        subject=subject,
        modalities=tuple(modalities),
        present=tuple(name in names for name in modalities),
        volumes=volumes.astype(parameters.storage),
        mask=mask,
        segmentation=labels.volume if labels else None,
        reference=reference,
        grid_affine=placed.grid.affine,
        transforms=matrices,
        intensity={name: mapping.record() for name, mapping in intensity.items()},
        sources=sources,
        fingerprint=fingerprint(scans, modalities, parameters, registered, standard),
        quality=clipped
        | quality_columns(
            reference=reference,
            foreground_ml=_volume_ml(foreground),
            foreground_is_brain=_is_brain(parameters, registered),
            cut_mm=placed.cut_mm,
            alignments=alignments,
            registration=parameters.registration,
            labels_left_out=SEGMENTATION in scans and labels is None,
            seconds=clock.seconds,
            mni_overlap=place.overlap if place else None,
        ),
        space=parameters.space,
    )


class _Clock:
    """Wall seconds per step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)


def _given_mask(
    scans: Mapping[str, ScanSource],
    read: Mapping[str, Scan],
    reference: str,
    parameters: PreprocessingParameters,
    registered: bool,
) -> GivenMask | None:
    """The brain mask that came with the scans, if there is one and it is wanted."""
    wanted = parameters.use_given_mask and _is_brain(parameters, registered)
    if BRAIN_MASK not in scans or not wanted:
        return None
    return read_given_mask(scans[BRAIN_MASK].path, scans[BRAIN_MASK].volume, read, reference)


def _place(
    scans: Mapping[str, ScanSource],
    images: Mapping[str, sitk.Image],
    reference: str,
    foreground: sitk.Image,
    parameters: PreprocessingParameters,
    registered: bool,
) -> Placing:
    """Where every contrast lies; as the headers say, and nothing found, where no registration is wanted."""
    if registered or not parameters.registration.enabled:
        return {}, {name: np.eye(4) for name in images}
    ways = {name: scans[name].transform for name in images}
    return place_scans(images, ways, reference, foreground, parameters)


def _is_brain(parameters: PreprocessingParameters, registered: bool) -> bool:
    """Whether the foreground is a brain."""
    return parameters.mask != "fan" and (registered or parameters.mask != "head")


def _brain(
    image: sitk.Image, foreground: sitk.Image, parameters: PreprocessingParameters, registered: bool
) -> sitk.Image:
    """The brain of the reference, uint8: its foreground, unless that is the whole head."""
    return foreground if registered or parameters.mask != "head" else brain_mask(image)


def _carried(mask: sitk.Image, matrix: NDArray) -> sitk.Image:
    """A mask of the reference's space, moved to where the same tissue lies in a scan's world; not resampled."""
    grid = grid_of(mask)
    return image_on(sitk.GetArrayFromImage(mask), matrix @ grid.affine)


def _volumes(
    images: Mapping[str, sitk.Image],
    matrices: Mapping[str, NDArray],
    grid: Grid,
    mask: NDArray[np.bool_],
    modalities: Sequence[str],
    parameters: PreprocessingParameters,
    standard: Standard,
) -> tuple[NDArray[np.float32], dict[str, IntensityMap], dict[str, float]]:
    """All channels ``[modality, z, y, x]`` in [0, 1], the maps behind them, and the shares of tissue they clip."""
    volumes = np.zeros((len(modalities), *mask.shape), dtype=np.float32)
    intensity, clipped = {}, {}
    for channel, name in enumerate(modalities):
        if name in images:
            stretch = np.linalg.norm(matrices[name][:3, :3], axis=0)  # 1, unless the matrix is affine
            image = smooth_for(images[name], stretch * parameters.grid.spacing_mm)
            volume = resample(image, grid, matrices[name], parameters.interpolation)
            intensity[name] = intensity_map(name, volume, mask, parameters.intensity, standard)
            volumes[channel] = to_unit(volume, mask, intensity[name])
            clipped[f"clipped_{name}"] = round(clipped_share(volume, mask, intensity[name]), 4)
    return volumes, intensity, clipped


@dataclass(frozen=True)
class _LabelMap:
    """A label map on the grid ``[z, y, x]`` in internal labels, as read, and the way from the grid's world to it."""

    volume: NDArray[np.uint8]
    scan: Scan
    matrix: NDArray[np.float64]


def _segmentation(
    scans: Mapping[str, ScanSource],
    read: Mapping[str, Scan],
    matrices: Mapping[str, NDArray],
    reference: str,
    grid: Grid,
    shared_world: bool,
) -> _LabelMap | None:
    """The label map on the grid.

    Labels are drawn on one contrast and lie on its voxels: they move with it. Where the head moved between
    scans, no contrast has the label map's voxels, and no transform came with it, nobody can say where the
    labels belong: there are none.
    """
    if SEGMENTATION not in scans:
        return None
    source = scans[SEGMENTATION]
    labels = read_scan(source.path, constant_allowed=True, volume=source.volume)
    drawn_on = [name for name, scan in read.items() if scan.native.matches(labels.native)]
    shipped = None if shared_world else shipped_matrix(scans[reference].transform, source.transform)
    if drawn_on or shared_world:
        matrix = matrices[reference if reference in drawn_on or not drawn_on else drawn_on[0]]
    elif shipped is not None:
        matrix = shipped @ matrices[reference]
    else:
        return None
    volume = np.rint(resample(labels.image, grid, matrix, "nearest")).astype(np.uint8)
    internal = np.zeros(256, dtype=np.uint8)
    internal[list(source.labels)] = list(source.labels.values())
    return _LabelMap(internal[volume], labels, matrix)


def _source(source: ScanSource, native: Grid) -> dict[str, Any]:
    """Where a channel came from, JSON-ready."""
    return {
        "path": str(source.path),
        "sha256": source.sha256,
        "affine": native.affine.tolist(),
        "shape": list(native.size),
    }


def _volume_ml(mask: sitk.Image) -> float:
    """Volume of a mask in millilitres."""
    return float(np.count_nonzero(sitk.GetArrayViewFromImage(mask)) * np.prod(mask.GetSpacing())) / 1000
