"""What an alignment is, and what about it looks wrong."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrisynth_pipeline.imaging.parameters import RegistrationParameters


@dataclass(frozen=True)
class Alignment:
    """Where one contrast's points lie in another scan, and how well that explains the two.

    Args:
        matrix: 4×4 RAS matrix from reference world points to the scan's world points, in mm.
        information_before: Mutual information (nats) of the two as the scanner placed them; ``None``: not measured, as
            it says nothing about MR and ultrasound.
        information_after: The same with the matrix.
        information_mirrored: The best the scan does with left and right swapped; ``None``: not asked.
        overlap: Share of the reference's mask that lies inside the scan's field of view and, where information is
            measured, its head.
        centre: The point whose way is the translation, RAS mm: the middle of the mask.
        tries: 1: the first search was believed, 2: other starts were tried, 0: the matrix came with the scan.
        starts_apart_mm: How far apart the first search's two starts ended.
        note: What a person should know besides, or "".
    """

    matrix: NDArray[np.float64]
    information_before: float | None
    information_after: float | None
    information_mirrored: float | None
    overlap: float
    centre: NDArray[np.float64]
    tries: int
    starts_apart_mm: float = 0.0
    note: str = ""

    @property
    def translation_mm(self) -> float:
        """How far the middle of the mask moves."""
        return float(np.linalg.norm(self.matrix[:3, :3] @ self.centre + self.matrix[:3, 3] - self.centre))

    @property
    def rotation_deg(self) -> float:
        """Angle of the rotation about its axis; of the nearest rotation if the matrix also stretches."""
        left, _, right = np.linalg.svd(self.matrix[:3, :3])
        return float(np.degrees(np.arccos(np.clip((np.trace(left @ right) - 1) / 2, -1, 1))))

    @property
    def stretch(self) -> float:
        """The largest change of length along any direction, as a share."""
        return float(np.abs(np.linalg.svd(self.matrix[:3, :3], compute_uv=False) - 1).max())


# Measured on scans of one head (real patients with thick slices: 0.32 to 0.54; phantom: 0.37 to 0.88), of two heads
# (real: 0.13 to 0.30; phantom: 0.10 to 0.15) and noise (0.00). Two heads overlap with one; the mirror tells them apart.
_LEAST_INFORMATION = 0.2
# A scan of the same head has 1.2 to 1.9 times (phantom: 3 to 11) the information of its mirror image, one of another
# head 0.9 to 1.1 times.
_MIRROR_MARGIN = 1.15
_LEAST_GAIN = 1.05
_STARTS_APART_MM = 5.0
_LEAST_OVERLAP = 0.85
_MOST_STRETCH = 0.1


def suspicious(alignment: Alignment, parameters: RegistrationParameters) -> bool:
    """Whether to search again from other starts: doubts, or two starts that have not both found the head."""
    return alignment.starts_apart_mm > _STARTS_APART_MM or bool(doubts(alignment, parameters))


def doubts(alignment: Alignment, parameters: RegistrationParameters) -> list[str]:
    """What a person should know about an alignment, one clause each; empty where nothing looks wrong.

    Args:
        alignment: What was found.
        parameters: The largest motion that is believed.
    """
    after, before = alignment.information_after, alignment.information_before
    measured = after is not None and before is not None
    clauses = [alignment.note] if alignment.note else []
    clauses += _about_information(after, alignment.information_mirrored) if measured else []
    if measured and alignment.starts_apart_mm > _STARTS_APART_MM and after < _LEAST_GAIN * before:
        clauses.append("is explained no better by any motion than by its header, and the searches disagree")
    if alignment.overlap < _LEAST_OVERLAP:
        clauses.append(f"shows only {alignment.overlap:.0%} of the reference's foreground")
    moved, turned = alignment.translation_mm, alignment.rotation_deg
    # A tracked ultrasound has coordinates of its own: any way to it may be long.
    if measured and (moved > parameters.max_translation_mm or turned > parameters.max_rotation_deg):
        clauses.append(f"was moved by {moved:.0f} mm and {turned:.0f}°, more than a head moves within a session")
    if alignment.stretch > _MOST_STRETCH:
        clauses.append(f"was stretched by {alignment.stretch:.0%}, more than two scanners differ")
    return clauses


def _about_information(after: float, mirrored: float | None) -> list[str]:
    """Doubts about whether the two scans show one head, and the same way round."""
    if mirrored is not None and mirrored > max(_MIRROR_MARGIN * after, _LEAST_INFORMATION):
        return [
            "fits better mirrored: left and right may be swapped in its header or in the reference's, "
            "compare both with another scan of the patient"
        ]
    if after < _LEAST_INFORMATION:
        return [f"shares little with the reference (mutual information {after:.2f}): wrong place or wrong head"]
    if mirrored is not None and _MIRROR_MARGIN * mirrored > after:
        return ["fits no better than its mirror image: of another patient, or damaged"]
    return []
