"""Which contrast a converted DICOM series is, or why it is none: from its sidecar and the size of its volume.

The words of the series' name decide, then echo, repetition and inversion time. A series about which both are silent is
left out: a contrast under a wrong name would teach a model something wrong.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mrisynth_pipeline.cohorts.archives.sequence_words import (
    AGENT_WORDS,
    FLAIR_WORDS,
    NATIVE_WORDS,
    OTHER_WORDS,
    PD_WORDS,
    T1_WORDS,
    WITHOUT_WORDS,
)

MIN_SLICES = 10
"""Fewer along an axis is a localiser or a planning scan."""

_DERIVED_IMAGE_TYPES = {"DERIVED", "ADC", "TRACEW", "FA", "MPR", "MIP", "MIN IP", "PROJECTION IMAGE", "PHASE", "P"}


def classify(sidecar: Mapping[str, Any], shape: Sequence[int], contrast_agent: str = "") -> tuple[str, str]:
    """The contrast of a series.

    Args:
        sidecar: What dcm2niix wrote beside the volume (times in seconds).
        shape: Voxels along (x, y, z[, volume]).
        contrast_agent: ``ContrastBolusAgent`` of the DICOM header, ``""`` where it names none.

    Returns:
        Internal contrast name and ``""``, or ``""`` and why the series is left out.
    """
    if reason := _why_no_contrast(sidecar, shape):
        return "", reason
    names, words = _names(sidecar), _words(sidecar)
    contrast = _by_words(words, sidecar) or _by_times(sidecar)
    if not contrast:
        return "", f"its name ({names or 'none'}) and its times do not tell its contrast"
    if contrast == "t1" and _with_agent(names, words, contrast_agent):
        contrast = "t1c"
    return contrast, ""


def _why_no_contrast(sidecar: Mapping[str, Any], shape: Sequence[int]) -> str:
    if (modality := str(sidecar.get("Modality", "MR"))) != "MR":
        return f"is {modality}, not MR"
    if len(shape) != 3:
        return f"has {len(shape)} axes ({'x'.join(map(str, shape))}): a time or diffusion series"
    if derived := sorted({str(part).upper() for part in sidecar.get("ImageType", ())} & _DERIVED_IMAGE_TYPES):
        return f"is calculated from another series (image type {', '.join(derived)})"
    if min(shape) < MIN_SLICES:
        return f"has only {min(shape)} slices"
    words = _words(sidecar)
    if other := [word for word in words if word in OTHER_WORDS]:
        return f"its name says {other[0]}, no contrast of this project"
    if "T2*" in _names(sidecar).upper() or {"T2", "STAR"} <= set(words):
        return "its name says T2*, no contrast of this project"
    return ""


def _by_words(words: Sequence[str], sidecar: Mapping[str, Any]) -> str:
    t1, t2, pd, flair = (
        any(word.startswith(starts) for word in words) for starts in (T1_WORDS, ("T2",), PD_WORDS, FLAIR_WORDS)
    )
    inversion = float(sidecar.get("InversionTime") or 0)
    if t1 and not t2:
        return "t1"  # "T1 FLAIR" included: inverted for T1 weighting
    if flair or (t2 and not t1 and inversion > 1.6):
        return "flair"
    if t2 and pd and (echo := float(sidecar.get("EchoTime") or 0)):
        return "pd" if echo < 0.05 else "t2"  # a dual-echo scan, one volume per echo
    if t1 == t2 == pd or t1:
        return ""
    return "t2" if t2 else "pd"


def _by_times(sidecar: Mapping[str, Any]) -> str:
    """Contrast from echo, repetition and inversion time, with the gaps between the usual ranges left open."""
    echo, repetition, inversion = (
        float(sidecar.get(name) or 0) for name in ("EchoTime", "RepetitionTime", "InversionTime")
    )
    if not echo or not repetition:
        return ""
    if inversion > 1.6:
        return "flair" if echo > 0.07 else ""
    if echo < 0.03 and (repetition < 1.0 or 0.3 <= inversion <= 1.5):
        return "t1"
    if repetition > 1.8 and not inversion:
        return "t2" if echo > 0.07 else "pd" if echo < 0.05 else ""
    return ""


def _with_agent(names: str, words: Sequence[str], contrast_agent: str) -> bool:
    """Whether gadolinium was given; the series' own name overrules a header field that is kept for a whole study."""
    without = any(word in WITHOUT_WORDS and after in AGENT_WORDS for word, after in pairwise(words))
    if without or any(word in NATIVE_WORDS for word in words):
        return False
    if any(word in AGENT_WORDS for word in words):
        return True
    if re.search(r"\+\s*C\b|\bC\+", names, re.IGNORECASE):
        return True
    return contrast_agent.strip().upper() not in ("", "NONE", "NO", "N")


def _names(sidecar: Mapping[str, Any]) -> str:
    """What the people at the scanner called it."""
    given = dict.fromkeys(str(sidecar[name]) for name in ("SeriesDescription", "ProtocolName") if sidecar.get(name))
    return " ".join(given)


def _words(sidecar: Mapping[str, Any]) -> list[str]:
    return [word for word in re.split(r"[^A-Z0-9]+", _names(sidecar).upper()) if word]
