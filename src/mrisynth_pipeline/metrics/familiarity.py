"""Is a scan like those that a model learned from? What it was trained on in numbers, and what lies outside of it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.metrics.scan_features import FEATURES, Feature

Description = Mapping[str, float]
"""What a subject's scans look like: ``flair/slice_mm``, ``/brain_ml`` (of no contrast), ``t1/unlikeness/t2+flair``
(of t1 imputed from those) → value; see :func:`mrisynth_pipeline.evaluation.description.describe_subject`."""

NOTE, WARNING = 0.99, 0.999
"""Coverage of the prediction intervals outside of which a value is noted, and warned of."""
PRIOR_SCANS = 4
"""How many scans' worth of evidence the usual spread of a feature is."""


@dataclass(frozen=True)
class Strangeness:
    """One way in which a subject is not like those that a model was trained on.

    Args:
        contrast: Of which scan; ``""`` for the subject as a whole.
        feature: Key of :data:`~mrisynth_pipeline.metrics.scan_features.FEATURES`.
        value: What was measured.
        low: Smallest value that would have been familiar (the prediction interval of :data:`NOTE`); 0 where only
            large values are strange.
        high: Largest such value.
        severity: ``warning`` where it lies outside the interval of :data:`WARNING` too.
        sentence: The same in words, with units; the range in it is that of the training scans.
    """

    contrast: str
    feature: str
    value: float
    low: float
    high: float
    severity: Literal["note", "warning"]
    sentence: str


@dataclass(frozen=True)
class Reference:
    """One feature of the training scans, of those with a ratio scale its logarithm.

    Args:
        n: Scans, at least one.
        mean: Over them.
        sd: Over them (n − 1 in the denominator), 0 for one scan.
        least: Smallest value, not its logarithm.
        most: Largest value.
    """

    n: int
    mean: float
    sd: float
    least: float
    most: float

    @classmethod
    def to(cls, values: Iterable[float], feature: Feature) -> "Reference":
        """The reference that these values of training scans make."""
        measured = np.asarray(list(values), dtype=float)
        scaled = np.array([_scaled(value, feature) for value in measured])
        sd = float(scaled.std(ddof=1)) if len(scaled) > 1 else 0.0
        return cls(len(scaled), float(scaled.mean()), sd, float(measured.min()), float(measured.max()))

    def interval(self, coverage: float, feature: Feature) -> tuple[float, float]:
        """Where a further scan of the same cohort is expected to lie, in the unit of the feature.

        A prediction interval of the t distribution whose variance is moderated by that of the feature's usual spread
        (Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004) and never falls below it: three scans that happen to be alike do
        not make a fourth strange, and of three hundred the usual spread says next to nothing if theirs is wider.
        """
        freedom = PRIOR_SCANS + self.n - 1
        moderated = (PRIOR_SCANS * feature.usual**2 + (self.n - 1) * self.sd**2) / freedom
        deviation = math.sqrt(max(moderated, feature.usual**2) * (1 + 1 / self.n))
        half = float(stats.t.ppf(coverage if feature.one_sided else (1 + coverage) / 2, freedom)) * deviation
        low, high = self.mean - half, self.mean + half
        low, high = (math.exp(low), math.exp(high)) if feature.ratio else (low, high)
        return (0.0 if feature.one_sided else low), high


@dataclass(frozen=True)
class Familiarity:
    """What the training scans of a model look like.

    Args:
        references: As in :data:`Description` → what it is in the training scans.
        subjects: Training subjects it was taken from.
    """

    references: Mapping[str, Reference]
    subjects: int

    @classmethod
    def to(cls, descriptions: Iterable[Description]) -> "Familiarity":
        """Familiarity with some subjects."""
        descriptions = list(descriptions)
        keys = sorted({key for description in descriptions for key in description})
        references = {
            key: Reference.to([d[key] for d in descriptions if key in d], FEATURES[feature_of(key)]) for key in keys
        }
        return cls(references, len(descriptions))

    def compare(self, description: Description) -> list[Strangeness]:
        """In what a subject is not like the training subjects, warnings first.

        What nobody of them has is not compared: the absence of a reference says nothing about a scan.
        """
        found = []
        for key, value in description.items():
            if key in self.references and (finding := _finding(key, value, self.references[key])):
                found.append(finding)
        return sorted(found, key=lambda finding: finding.severity != "warning")

    def record(self) -> dict[str, Any]:
        """What is familiar, JSON-ready."""
        return {"subjects": self.subjects, "references": {key: asdict(r) for key, r in self.references.items()}}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Familiarity":
        """What was recorded; features that this version does not know are left out.

        Raises:
            ValueError: It is no such record.
        """
        try:
            references = {
                key: Reference(int(r["n"]), *(float(r[name]) for name in ("mean", "sd", "least", "most")))
                for key, r in record["references"].items()
                if feature_of(key) in FEATURES
            }
            subjects = int(record["subjects"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"no record of familiar scans ({type(error).__name__}: {error})") from error
        if not all(r.n >= 1 and np.isfinite([r.mean, r.sd, r.least, r.most]).all() for r in references.values()):
            raise ValueError("no record of familiar scans: a number is not finite, or of no scan")
        return cls(references, subjects)


def feature_of(key: str) -> str:
    """The feature that a key of a description names."""
    return [*key.split("/"), ""][1]


def _scaled(value: float, feature: Feature) -> float:
    return math.log(max(value, 1e-6)) if feature.ratio else value


def _finding(key: str, value: float, reference: Reference) -> Strangeness | None:
    contrast, name, *inputs = key.split("/")
    feature = FEATURES[name]
    low, high = reference.interval(NOTE, feature)
    if low <= value <= high:
        return None
    far_low, far_high = reference.interval(WARNING, feature)
    given = " and ".join(DISPLAY_NAMES.get(part, part) for part in "".join(inputs).split("+"))
    shown, least, most = (feature.shown.format(number) for number in (value, reference.least, reference.most))
    unit = shown[len(shown.rstrip("abcdefghijklmnopqrstuvwxyz ")) :]
    about = f"{DISPLAY_NAMES.get(contrast, contrast)}: " if contrast else ""
    sentence = (
        f"{about}{feature.says.format(value=shown, inputs=given)}; {feature.those} {least.removesuffix(unit)} to {most}"
    )
    severity = "note" if far_low <= value <= far_high else "warning"
    return Strangeness(contrast, name, float(value), low, high, severity, sentence)
