"""The result in words, computed from the numbers: who is ahead, by how much, and what to beware of."""

from collections.abc import Mapping

from mrisynth_pipeline.metrics.measures import MEASURES
from mrisynth_pipeline.metrics.segmentation_statistics import NONE_MISSING, REAL, ZERO, telling_contrast
from mrisynth_pipeline.reporting.style import method_in_sentence, method_label, modality_label
from mrisynth_pipeline.reporting.table import number, p_relation

_LEVEL_DB = 0.05  # a PSNR difference that no one would see or print


def headline_method(scores: Mapping, method: str | None = None) -> str | None:
    """The method that the report is about: ``method`` if it was scored, else the first that competes."""
    competitors = [name for name, entry in scores["methods"].items() if not entry["reference"]]
    return method if method in competitors else next(iter(competitors), None)


def imputation_verdict(scores: Mapping | None, method: str | None = None) -> list[str]:
    """Sentences on how the method compares with the strongest other one; the first is the headline.

    "Beats" is said only of a difference that is significant after correction; otherwise a method is "ahead".

    Args:
        scores: From :func:`~mrisynth_pipeline.metrics.statistics.summarise_scores`, or ``None``.
        method: The method that the report is about; the first competitor by default.
    """
    name = headline_method(scores, method) if scores else None
    if name is None:
        return ["No imputation has been scored in this run."]
    own = scores["methods"][name]["overall"]
    n = f"n = {scores['n_subjects']} test subject{'' if scores['n_subjects'] == 1 else 's'}"
    rivals = {
        other: entry["overall"]["volume"]["psnr"]["mean"]
        for other, entry in scores["methods"].items()
        if other != name and not entry["reference"]
    }
    slice_sentence = (
        f"By the slice protocol of the literature: {own['slice']['psnr']:.2f} dB PSNR, "
        f"{own['slice']['ssim']:.2f} SSIM ×100, {own['slice']['mae']:.2f} MAE ×1000."
    )
    if not rivals:
        reached = f"{method_label(name)} reaches {own['volume']['psnr']['mean']:.1f} dB PSNR inside the brain ({n})"
        return [f"{reached}; no other method was scored.", slice_sentence]

    strongest = max(rivals, key=rivals.get)
    differences = {measure.column: _difference(scores, name, strongest, measure.column) for measure in MEASURES}
    psnr = differences["volume_psnr"]
    if psnr is None:
        return [f"{method_label(name)} and {method_in_sentence(strongest)} share no test subject.", slice_sentence]
    gain = psnr["difference"]
    strongest_name = method_in_sentence(strongest)
    if abs(gain) < _LEVEL_DB:
        outcome = f"{method_label(name)} is level with {strongest_name}"
    elif psnr["significant"]:
        outcome = f"{method_label(name)} {'beats' if gain > 0 else 'loses to'} {strongest_name} by {abs(gain):.1f} dB"
    else:
        outcome = f"{method_label(name)} is {abs(gain):.1f} dB {'ahead of' if gain > 0 else 'behind'} {strongest_name}"
    sentences = [f"{outcome} ({n})."]
    sentences.append(
        f"PSNR inside the brain: {own['volume']['psnr']['mean']:.2f} dB against {rivals[strongest]:.2f} dB of "
        f"{strongest_name}, the strongest other method; Wilcoxon p {p_relation(psnr['p_holm'])} after Holm's "
        f"correction{'' if psnr['significant'] else ', not significant'}."
    )
    if psnr["note"] and not psnr["significant"]:
        sentences.append(psnr["note"][:1].upper() + psnr["note"][1:] + ".")
    opposed = [
        "SSIM" if column == "volume_ssim" else "MAE"
        for column in ("volume_ssim", "volume_mae")
        if differences[column] and differences[column]["effect_size"] * gain < 0
    ]
    if opposed and abs(gain) >= _LEVEL_DB:
        sentences.append(f"By {' and '.join(opposed)} the order is the other way round.")
    return [*sentences, slice_sentence]


def segmentation_verdict(segmentation: Mapping | None, method: str | None) -> str | None:
    """One sentence on the tumour core with the most telling contrast imputed; ``None`` without scores."""
    if segmentation is None or method not in segmentation["methods"]:
        return None
    region = "TC" if "TC" in segmentation["regions"] else segmentation["regions"][0]
    contrast = telling_contrast(segmentation, region)
    found = {(row["method"], row["missing"]): row for row in segmentation["rows"] if row["region"] == region}
    imputed, blank, real = (found.get(key) for key in ((method, contrast), (ZERO, contrast), (REAL, NONE_MISSING)))
    if not (imputed and blank and real):
        return None
    name = {"TC": "Tumour-core", "WT": "Whole-tumour", "ET": "Enhancing-tumour"}.get(region, region)
    sentence = (
        f"{name} Dice with {modality_label(contrast)} imputed by {method_in_sentence(method)}: "
        f"{imputed['dice']['mean']:.2f} (real {real['dice']['mean']:.2f}, blank {blank['dice']['mean']:.2f})"
    )
    gap = imputed["gap_closed"]
    return f"{sentence}." if gap is None else f"{sentence}: {number(100 * gap, 0)} % of the gap closed."


def baseline_warning(scores: Mapping | None, method: str | None, baseline: str) -> str | None:
    """A sentence if the method does not beat the baseline that every working method must beat."""
    name = headline_method(scores, method) if scores else None
    if name is None or name == baseline or baseline not in scores["methods"]:
        return None
    found = _difference(scores, name, baseline, "volume_psnr")
    if found is None or found["difference"] > 0:
        return None
    return (
        f"{method_label(name)} does not beat {method_in_sentence(baseline)}: trained too briefly, or broken. "
        "Its images should not be used."
    )


def _difference(scores: Mapping, first: str, second: str, column: str) -> dict | None:
    """The comparison of two methods seen from ``first``."""
    for entry in scores["comparisons"]:
        if entry["measure"] != column or {entry["first"], entry["second"]} != {first, second}:
            continue
        sign = 1 if entry["first"] == first else -1
        return entry | {
            "difference": sign * entry["mean_difference"],
            "effect_size": sign * entry["effect_size"],
        }
    return None
