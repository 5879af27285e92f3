"""Which contrast a file name says, or why it says none for certain. Nothing is guessed.

A name is cut into words at everything but letters and digits, and words that are run together are cut further where
they consist of known ones alone: ``AxT2FLAIR`` is AX, T2, FLAIR, ``T1CE`` is T1, CE; ``PDGM`` and ``T10`` stay unknown.
FLAIR wins over T2. T1 before and after gadolinium look alike enough to be mistaken, so a word for the agent counts only
beside the word for T1, and "post" only after it: before it may as well be after an operation.
"""

import re
from dataclasses import dataclass
from itertools import takewhile

from mrisynth_pipeline.cohorts.archives.sequence_words import AGENT_WORDS, NATIVE_WORDS, OTHER_WORDS, WITHOUT_WORDS
from mrisynth_pipeline.cohorts.modalities import BRAIN_MASK, DISPLAY_NAMES

_T1, _T2, _FLAIR, _PD = "t1", "t2", "flair", "pd"
_AGENT, _NATIVE, _WITHOUT, _OTHER, _NEUTRAL = "agent", "native", "without", "other", "neutral"
_CONTRASTS = (_T1, _T2, _FLAIR, _PD)

_PROCESSED_WORDS = (
    *("MASK", "SEG", "SEGM", "SEGMENTATION", "DSEG", "LABEL", "LABELS", "ROI", "LESION", "LESIONS", "TUMOR", "TUMOUR"),
    *("PROB", "PROBSEG", "GM", "WM", "CSF", "PVE", "MAP", "RHO", "INV1", "INV2", "ERROR", "SYNTH", "SYNTHETIC"),
)
"""Label maps, masks, parametric and synthetic images: no scans."""
_NEUTRAL_WORDS = (
    *("W", "WI", "WEIGHTED", "2D", "3D", "AX", "AXIAL", "TRA", "TRANSVERSAL", "SAG", "SAGITTAL", "COR", "CORONAL"),
    *("ISO", "TSE", "FSE", "FFE", "SE", "GRE", "IR", "FS", "FAT", "SAT", "SPACE", "CUBE", "VISTA", "HR", "HIRES"),
    *("BRAIN", "HEAD", "ANAT", "BET", "STRIPPED", "REG", "REGISTERED", "N4", "RAW", "ORIG", "DEFACED"),
)
"""How a scan was made or treated: says nothing about its contrast."""

_MEANINGS: dict[str, str] = {
    **dict.fromkeys(_NEUTRAL_WORDS, _NEUTRAL),
    **dict.fromkeys(set(OTHER_WORDS) - {"SUB"}, _OTHER),  # in file names short for subject
    **dict.fromkeys(_PROCESSED_WORDS, _OTHER),
    **dict.fromkeys((word for word in AGENT_WORDS if not word.startswith("T1")), _AGENT),
    **dict.fromkeys(NATIVE_WORDS, _NATIVE),
    **dict.fromkeys(WITHOUT_WORDS, _WITHOUT),
    **dict.fromkeys(("T1", "T1N", "MPRAGE", "MPR3D", "SPGR", "FSPGR", "BRAVO", "TFL", "TFE", "VIBE", "MDEFT"), _T1),
    **{"T2": _T2, "T2F": _FLAIR, "FLAIR": _FLAIR, "TIRM": _FLAIR, "DARKFLUID": _FLAIR},
    **dict.fromkeys(("PD", "DP", "PROTONDENSITY"), _PD),
    **{"+C": _AGENT, "C+": _AGENT, "T2*": _OTHER},
}
"""Word → what it says."""

_LAST_ONLY = ("T1N", "T2F")
_ALONE_ONLY = ("GM", "WM", "CSF", "FA")
_ANYWHERE = sorted(_MEANINGS.keys() - {*_LAST_ONLY, *_ALONE_ONLY}, key=len, reverse=True)
_KNOWN = re.compile(
    "|".join(
        [
            *(f"{word}$" for word in _LAST_ONLY),
            *(f"^{word}$" for word in _ALONE_ONLY),
            *map(re.escape, _ANYWHERE),
            "(?<=T1)C$",
        ]
    )
)
"""A known word within a token, the longest that fits; a C only after T1."""
_TOKEN = re.compile(
    r"T2[ _-]?STAR|DARK[ _-]?FLUID|PROTON[ _-]?DENSITY|(?:PRE|POST|NON)[ _-]?CONTRAST"
    r"|(?:PRE|POST)[ _-]?OP(?:ERATIVE)?(?![A-Z])|T2\*|\+ ?C(?![A-Z0-9])|(?<![A-Z0-9])C\+|[A-Z0-9]+"
)
_MILLIMETRES = re.compile(r"\d+MM")
_BRAIN_MASK = re.compile(r"brain[ _-]?mask", re.IGNORECASE)
_ENTITIES = re.compile(r"(?:(?:sub|ses)-[A-Za-z0-9]+_)+")
"""Who and when, as BIDS writes it: no words about the scan."""


@dataclass(frozen=True)
class NameReading:
    """What a name says: a contrast or ``brain`` (a brain mask), or else why it does not say one."""

    contrast: str
    doubt: str = ""


@dataclass(frozen=True)
class _Word:
    text: str
    meaning: str
    """``""`` for an unknown word."""
    start: int
    """Where its token starts in the name."""


def read_contrast(stem: str) -> NameReading:
    """The contrast that a name says.

    Args:
        stem: File name without its ending, and without what names the subject where that is known.

    Returns:
        An internal contrast name or ``brain``, or the doubt as the rest of a sentence about the file.
    """
    if _BRAIN_MASK.search(stem):
        return NameReading(BRAIN_MASK)
    words = _words(stem)
    if other := [word.text for word in words if word.meaning == _OTHER]:
        return NameReading("", f"its name says {other[0]}, which is no scan of a contrast of this project")
    said = {word.meaning for word in words if word.meaning in _CONTRASTS}
    if _FLAIR in said:
        said.discard(_T2)
    if not said:
        return NameReading("", "its name says no contrast")
    if len(said) > 1:
        named = " and ".join(DISPLAY_NAMES[name] for name in _CONTRASTS if name in said)
        return NameReading("", f"its name says {named}")
    (contrast,) = said
    return _with_or_without_agent(words) if contrast == _T1 else NameReading(contrast)


def says_only_a_contrast(text: str) -> bool:
    """Whether a folder's name consists of words about a sequence, one of them a contrast: ``T1``, ``AX_T2_FLAIR``."""
    meanings = [word.meaning for word in _words(text)]
    return all(meanings) and any(meaning in _CONTRASTS for meaning in meanings)


def beginning(stem: str) -> str:
    """What a file name says before it comes to the scan: ``P01`` of ``P01_AX_T1``, ``""`` of ``AX_T1``."""
    words = _words(stem)
    contrast = next((place for place, word in enumerate(words) if word.meaning in _CONTRASTS), len(words))
    about_scan = len(list(takewhile(_is_no_name, reversed(words[:contrast]))))
    first = contrast - about_scan
    return (stem[: words[first].start] if first < len(words) else stem).strip(" _-.")


def _is_no_name(word: _Word) -> bool:
    """Whether a word is about the scan beyond doubt: FS, HR or SE may be somebody's initials."""
    return bool(word.meaning) and (len(word.text) > 2 or word.text in ("AX", "2D", "3D"))


def _words(stem: str) -> list[_Word]:
    entities = _ENTITIES.match(stem)
    words = []
    for token in _TOKEN.finditer(stem.upper(), entities.end() if entities else 0):
        text = re.sub(r"[ _-]", "", token[0])
        known = _KNOWN.findall(text)
        if "".join(known) == text:
            words += [_Word(part, _MEANINGS.get(part, _AGENT), token.start()) for part in known]
        else:
            words.append(_Word(text, _NEUTRAL if _MILLIMETRES.fullmatch(text) else "", token.start()))
    return words


def _with_or_without_agent(words: list[_Word]) -> NameReading:
    """T1 or T1 with gadolinium."""
    first, last = _extent(words)
    beside = words[first : last + 1]
    meanings = [word.meaning for word in beside]
    for place in range(len(beside) - 1, 0, -1):  # "pre Gd", "without contrast"
        if meanings[place] == _AGENT and meanings[place - 1] in (_NATIVE, _WITHOUT):
            meanings[place - 1 : place + 1] = [_NATIVE, _NATIVE]
    agents = [word for word, meaning in zip(beside, meanings, strict=True) if meaning == _AGENT]
    elsewhere = [word.text for word in words if word.meaning == _AGENT and word not in beside]
    if any(word.text == "C" and not word.meaning for word in words):
        return NameReading("", "its C may be for contrast agent or for coronal")
    if elsewhere or (agents and _NATIVE in meanings):
        return NameReading("", "its name does not say for certain whether contrast agent was given")
    if agents and all(word.text == "POST" for word in agents) and not _after_contrast(words, last, agents[0]):
        return NameReading("", "its POST may be for contrast agent or for treatment")
    return NameReading("t1c" if agents else _T1)


def _extent(words: list[_Word]) -> tuple[int, int]:
    """First and last of the known words that stand together with those for T1."""
    places = [place for place, word in enumerate(words) if word.meaning == _T1]
    first, last = places[0], places[-1]
    first -= len(list(takewhile(lambda word: word.meaning, reversed(words[:first]))))
    last += len(list(takewhile(lambda word: word.meaning, words[last + 1 :])))
    return first, last


def _after_contrast(words: list[_Word], last: int, post: _Word) -> bool:
    """Whether a POST means the agent: it stands after T1 and no word says after what else."""
    t1 = next(place for place, word in enumerate(words) if word.meaning == _T1)
    follower = words[last + 1].text if last + 1 < len(words) else ""
    return words.index(post) > t1 and not follower.isalpha()
