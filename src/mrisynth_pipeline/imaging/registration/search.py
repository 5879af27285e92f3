"""Registration of two contrasts of one head by Mattes mutual information: found, measured, doubted, tried again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name everyone knows it by)
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.geometry import grid_of, itk_transform, ras_matrix
from mrisynth_pipeline.imaging.masks import head_mask
from mrisynth_pipeline.imaging.parameters import RegistrationParameters
from mrisynth_pipeline.imaging.registration.doubts import Alignment, suspicious
from mrisynth_pipeline.imaging.registration.pyramid import Level, as_affine, prepared, with_rim
from mrisynth_pipeline.imaging.registration.starts import mirrored, mirrored_start, usual_starts, wide_starts
from mrisynth_pipeline.imaging.threads import one_itk_thread

# Skull and scalp move with the brain, and without them registration slides off where two contrasts have little in
# common inside the brain (T1 after gadolinium and T2). Skin is soft and its fat is displaced by a voxel in some
# sequences: the finer levels see less of it.
_COARSE_RIM_MM = 10.0
_RIM_MM = 6.0
_GAIN_TO_DISTRUST_HEADERS = 1.1  # where the headers are right, both starts end within 1 % of each other
_WIDE_MM, _WIDE_BLUR, _WIDE_SAMPLES, _WIDE_ITERATIONS = 8.0, 0.75, 4_000, 60
_WIDE_KEPT, _WIDE_FINISHED = 8, 3
# A mirrored scan only has to come near enough to be compared: a third of the search's work.
_MIRRORED_SAMPLES, _MIRRORED_COARSE, _MIRRORED_FINE = 4_000, 30, 8
_OVERLAP_POINTS = 5_000
_SHIPPED_SHARE = 0.98  # half a millimetre, which nobody can judge, moves mutual information by less than that


@dataclass(frozen=True)
class _Moving:
    """A scan on every level, coarse to fine, and its head."""

    levels: Sequence[sitk.Image]
    head: sitk.Image


class Registration:
    """Finds how the head lies in other scans than the reference.

    Scans of one session share scanner coordinates, so the search starts from where the headers put them; a
    second start, from the scans' centres of mass, wins only if it explains them clearly better (scans of
    another session, or with broken headers). Coarse to fine; at each level both images are averaged to its
    voxel size and blurred by half of that. A result that raises doubts (:mod:`.doubts`) is searched for once
    more, from many starts; the better one is kept, with the doubts that remain.
    """

    def __init__(self, reference: sitk.Image, mask: sitk.Image, parameters: RegistrationParameters) -> None:
        """Prepare the reference once for all scans.

        Args:
            reference: The scan whose space is kept.
            mask: uint8, in the reference's space: the brain. Mutual information is measured there and in a rim.
            parameters: Levels, samples, iterations, seed, what is doubted.
        """
        self._parameters = parameters
        self._reference, self._mask = reference, mask
        rims = [_COARSE_RIM_MM] + [_RIM_MM] * (len(parameters.levels_mm) - 1)
        inside = {rim_mm: with_rim(mask, rim_mm) for rim_mm in set(rims)}
        self._levels = [
            Level.of(prepared(reference, mm), inside[rim_mm], mm, parameters)
            for mm, rim_mm in zip(parameters.levels_mm, rims, strict=True)
        ]
        self._whole = prepared(reference, parameters.levels_mm[0])
        size = np.asarray(self._levels[0].mask.GetSize(), dtype=float)
        self._centre = np.asarray(
            self._levels[0].mask.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist())
        )

    @one_itk_thread()
    def align(self, scan: sitk.Image, shipped: NDArray | None = None) -> Alignment:
        """Find how the head lies in one scan.

        Args:
            scan: Any contrast of the same head, RAS+ axes.
            shipped: 4×4 RAS matrix from reference world points to the scan's that came with the scan. It is taken
                as it is, and measured, unless it explains the scans clearly worse than their headers do.

        Returns:
            The alignment. If nothing explains the scans better than the headers do, the headers win (identity).
        """
        moving = self._prepare(scan)
        if shipped is None:
            return self._searched(moving)
        given = self._measured(moving, [itk_transform(shipped)], tries=0)
        if given.information_after >= _SHIPPED_SHARE * given.information_before:
            return given
        note = (
            "came with a transform that explains it worse than its header does (mutual information "
            f"{given.information_after:.2f} against {given.information_before:.2f}): registered instead"
        )
        return replace(self._searched(moving), note=note)

    def _searched(self, moving: _Moving) -> Alignment:
        """The usual search, and a wide one where its result raises doubts."""
        level, image = self._levels[0], moving.levels[0]
        starts = usual_starts(self._whole, image, self._centre)
        for start in starts:
            level.descend(image, start)
        by_headers, by_mass = starts
        for_headers, for_mass = level.informations(image, starts)
        chosen = by_mass if for_mass > _GAIN_TO_DISTRUST_HEADERS * for_headers else by_headers
        apart = np.subtract(by_headers.TransformPoint(self._centre), by_mass.TransformPoint(self._centre))
        found = replace(self._finished(moving, chosen), starts_apart_mm=float(np.linalg.norm(apart)))
        if not suspicious(found, self._parameters):
            return found
        again = replace(self._search_widely(moving), starts_apart_mm=found.starts_apart_mm)
        # Overlap counts, too: where few points meet, chance alone makes them look alike.
        better = again.information_after * again.overlap > found.information_after * found.overlap
        return replace(again if better else found, tries=2)

    def _prepare(self, scan: sitk.Image) -> _Moving:
        """The scan on every level."""
        images = [prepared(scan, level.spacing_mm) for level in self._levels]
        return _Moving(images, head_mask(images[0]))

    def _finished(self, moving: _Moving, transform: sitk.Transform) -> Alignment:
        """Descend from the second level to the finest; open all degrees of freedom if they are wanted; measure."""
        for level, image in zip(self._levels[1:], moving.levels[1:], strict=True):
            level.descend(image, transform)
        options = [sitk.Euler3DTransform(), transform]
        if self._parameters.transform == "affine":
            affine = as_affine(transform)
            # Twelve parameters that each take a step of half a voxel run off; a twentieth finds 3 % of stretch.
            self._levels[-1].descend(moving.levels[-1], affine, step_mm=self._levels[-1].spacing_mm / 20)
            options.append(affine)
        return self._measured(moving, options)

    def _search_widely(self, moving: _Moving) -> Alignment:
        """The best of many starts: all are measured, the best few descend, and of those the best one to the end."""
        level, image = self._wide_level, prepared(moving.levels[0], self._wide_level.spacing_mm, _WIDE_BLUR)
        starts = wide_starts(self._whole, moving.levels[0], self._centre)
        starts = self._best(moving, level, image, starts, _WIDE_KEPT)
        for start in starts:
            level.descend(image, start, _WIDE_SAMPLES, _WIDE_ITERATIONS)
        starts = self._best(moving, level, image, starts, _WIDE_FINISHED)
        level, image = self._levels[0], moving.levels[0]
        for start in starts:
            level.descend(image, start)
        return self._finished(moving, self._best(moving, level, image, starts, 1)[0])

    def _best(
        self, moving: _Moving, level: Level, image: sitk.Image, transforms: Iterable[sitk.Transform], count: int
    ) -> list[sitk.Transform]:
        """Those that explain a scan best, best first.

        Overlap counts, too: where few points meet, chance alone makes them look alike.
        """
        transforms = list(transforms)
        information = level.informations(image, transforms, _WIDE_SAMPLES)
        scores = [
            value * self._overlap(moving, ras_matrix(transform))
            for value, transform in zip(information, transforms, strict=True)
        ]
        return [transforms[position] for position in np.argsort(scores, kind="stable")[::-1][:count]]

    @cached_property
    def _wide_level(self) -> Level:
        """A level coarser than the search's own, for the many starts."""
        spacing_mm = max(_WIDE_MM, self._parameters.levels_mm[0])
        fixed = prepared(self._reference, spacing_mm, _WIDE_BLUR)
        return Level.of(fixed, with_rim(self._mask, _COARSE_RIM_MM), spacing_mm, self._parameters)

    def _measured(self, moving: _Moving, options: Sequence[sitk.Transform], tries: int = 1) -> Alignment:
        """The best of some transforms, with all that is measured about it."""
        information = self._levels[-1].informations(moving.levels[-1], [sitk.Euler3DTransform(), *options])
        best = int(np.argmax(information[1:]))
        matrix = ras_matrix(options[best])
        return Alignment(
            matrix=matrix,
            information_before=information[0],
            information_after=information[1 + best],
            information_mirrored=self._mirrored(moving, options[best]) if self._parameters.check_mirrored else None,
            overlap=self._overlap(moving, matrix),
            centre=self._centre * [-1, -1, 1],
            tries=tries,
        )

    def _mirrored(self, moving: _Moving, transform: sitk.Transform) -> float:
        """Mutual information of the mirrored scan, from the place of its mirror image after a short search."""
        there = mirrored_start(transform, self._reference, moving.levels[0], self._centre)
        self._levels[0].descend(mirrored(moving.levels[0]), there, _MIRRORED_SAMPLES, _MIRRORED_COARSE)
        image = mirrored(moving.levels[-1])
        self._levels[-1].descend(image, there, _MIRRORED_SAMPLES, _MIRRORED_FINE)
        return self._levels[-1].information(image, there)

    def _overlap(self, moving: _Moving, matrix: NDArray) -> float:
        """Share of the mask's points that lie in the scan's head."""
        array = sitk.GetArrayViewFromImage(moving.head)
        to_voxel = np.linalg.inv(grid_of(moving.head).affine) @ matrix
        voxels = np.rint(self._points @ to_voxel[:3, :3].T + to_voxel[:3, 3]).astype(int)
        seen = ((voxels >= 0) & (voxels < moving.head.GetSize())).all(axis=1)
        return float(array[tuple(voxels[seen, ::-1].T)].sum() / len(self._points))

    @cached_property
    def _points(self) -> NDArray[np.float64]:
        """Some of the mask's voxels, RAS mm ``[point, 3]``."""
        index = np.argwhere(sitk.GetArrayViewFromImage(self._mask))[:, ::-1]
        index = index[:: max(1, len(index) // _OVERLAP_POINTS)]
        affine = grid_of(self._mask).affine
        return index @ affine[:3, :3].T + affine[:3, 3]
