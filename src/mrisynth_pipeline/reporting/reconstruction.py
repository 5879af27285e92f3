"""What autoencoders keep of an image, at what cost: a verdict, tables, and the codebook over the training."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mrisynth_pipeline.metrics.measures import measures_of
from mrisynth_pipeline.metrics.reconstruction import BRAIN, VOLUME
from mrisynth_pipeline.reporting.style import (
    horizontal_grid,
    method_colours,
    method_label,
    modality_label,
    new_figure,
    styled,
)
from mrisynth_pipeline.reporting.table import Cell, Column, Row, Table, best_of, number, p_relation

_REGIONS = {VOLUME: "Whole volume", BRAIN: "Brain"}
_MEASURES = [measure for measure in measures_of("volume") if measure.name in ("psnr", "ssim")]
_CURVES = {
    "val_code_perplexity": ("Perplexity", "codes"),
    "val_codebook_usage": ("Codes in use", "% of the codebook"),
}


def reconstruction_verdict(summary: Mapping, codes: Mapping, method: str = "neuroquant") -> list[str]:
    """How well a method gives images back, for how many bits, and how it compares with every other.

    "Better" and "worse" are said only of differences that are significant after correction.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.reconstruction.summarise_reconstructions`.
        codes: From :func:`~mrisynth_pipeline.metrics.codes.summarise_codes`.
        method: Which the report is about.

    Raises:
        ValueError: It was not scored.
    """
    if method not in summary["methods"]:
        raise ValueError(f"{method} was not scored, only {', '.join(summary['methods'])}")
    entry = summary["methods"][method]
    psnr = {region: entry["overall"][region]["psnr"]["mean"] for region in _REGIONS}
    first = (
        f"{method_label(method)} gives the brain back with {number(psnr[BRAIN], 2)} dB PSNR "
        f"({number(psnr[VOLUME], 2)} dB over the whole volume, n = {_subjects(entry['n_subjects'])})"
    )
    if method in codes:
        use = codes[method]
        first += (
            f" at {number(use['nominal_bits_per_voxel'], 4)} bits per voxel, with {use['n_used']} of "
            f"{use['codebook_size']} codes in use"
        )
    return [f"{first}.", *(_comparison(test, method) for test in summary["comparisons"] if method in _both(test))]


def _both(test: Mapping) -> tuple[str, str]:
    return test["first"], test["second"]


def _comparison(test: Mapping, method: str) -> str:
    """One other method beside the one the report is about."""
    first = test["first"] == method
    gain = test["mean_difference"] if first else -test["mean_difference"]
    other = method_label(test["second"] if first else test["first"])
    if test["significant"]:
        word = "better" if gain > 0 else "worse"
        return (
            f"It is {word} than {other} by {number(abs(gain), 2)} dB inside the brain (p {p_relation(test['p_holm'])})."
        )
    sentence = f"No difference from {other} can be shown: {number(gain, 2)} dB inside the brain"
    return f"{sentence} (p {p_relation(test['p_holm'])}{'; ' + test['note'] if test['note'] else ''})."


def reconstruction_table(summary: Mapping) -> Table:
    """PSNR and SSIM of every autoencoder per modality, over the whole volume and inside the brain.

    Args:
        summary: From :func:`~mrisynth_pipeline.metrics.reconstruction.summarise_reconstructions`.
    """
    columns = [Column("Modality", numeric=False), Column("Autoencoder", numeric=False)]
    columns += [Column(measure.label, heading) for heading in _REGIONS.values() for measure in _MEASURES]
    rows = []
    for modality in [*summary["modalities"], None]:
        scores = {
            method: entry["overall"] if modality is None else entry["by_modality"].get(modality)
            for method, entry in summary["methods"].items()
        }
        values = {
            (region, measure.name): [
                found[region][measure.name]["mean"] if found else None for found in scores.values()
            ]
            for region in _REGIONS
            for measure in _MEASURES
        }
        best = {
            key: best_of(column, measure.decimals)
            for measure in _MEASURES
            for key, column in values.items()
            if key[1] == measure.name
        }
        for number_, method in enumerate(scores):
            name = "All" if modality is None else modality_label(modality)
            cells = [Cell(name if number_ == 0 else ""), Cell(method_label(method))]
            for region in _REGIONS:
                for measure in _MEASURES:
                    key = region, measure.name
                    cells.append(Cell(number(values[key][number_], measure.decimals), best[key][number_]))
            rows.append(Row(tuple(cells)))
    caption = f"Images given back by autoencoders (means over {_subjects(summary['n_subjects'])})."
    note = "SSIM is three-dimensional. All: the modalities of a subject averaged first."
    return Table(caption, tuple(columns), tuple(rows), (note, *(f"{line}." for line in summary["warnings"])))


def codes_table(codes: Mapping) -> Table:
    """Use of the codebook and bits per voxel, of all images and per modality.

    Args:
        codes: From :func:`~mrisynth_pipeline.metrics.codes.summarise_codes`.
    """
    columns = (
        Column("Autoencoder", numeric=False),
        Column("Modality", numeric=False),
        Column("Tokens"),
        Column("Codes in use"),
        Column("Perplexity"),
        Column("nominal", "Bits per voxel"),
        Column("entropy", "Bits per voxel"),
    )
    rows = []
    for method, entry in codes.items():
        for modality, use in [("All", entry), *entry["by_modality"].items()]:
            cells = (
                method_label(method) if modality == "All" else "",
                "All" if modality == "All" else modality_label(modality),
                f"{use['n_tokens']:,}",
                f"{use['n_used']:,} of {entry['codebook_size']:,} ({number(100 * use['usage'], 1)} %)",
                number(use["perplexity"], 1),
                number(use["nominal_bits_per_voxel"], 4),
                number(use["entropy_bits_per_voxel"], 4),
            )
            rows.append(Row(tuple(Cell(text) for text in cells)))
    note = (
        "Perplexity: how many equally frequent codes would carry the same information. Nominal bits: log2 of the "
        "codebook's size for each token; entropy bits: what an ideal entropy coder would need, too low where tokens "
        "are not many more than codes. The style of an image, a few numbers, is not counted."
    )
    return Table("Use of the codebook on whole volumes.", columns, tuple(rows), (note,))


def codebook_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Perplexity of the codes and share of the codebook in use, over the training.

    Args:
        histories: Autoencoder → its training history with a column ``step``; those that log neither
            ``val_code_perplexity`` nor ``val_codebook_usage`` (continuous ones) are passed over.

    Raises:
        ValueError: No history has a codebook.
    """
    drawn = {name: history for name, history in histories.items() if set(_CURVES) <= set(history.columns)}
    if not drawn:
        raise ValueError(f"none of the trainings of {', '.join(histories) or 'nothing'} logged {', '.join(_CURVES)}")
    colours = method_colours(drawn)
    with styled():
        figure = new_figure(2.5, width=6.0)
        figure.set_layout_engine("constrained")
        for axes, (column, (title, unit)) in zip(figure.subplots(1, 2), _CURVES.items(), strict=True):
            for name, history in drawn.items():
                curve = history[["step", column]].dropna()
                values = curve[column] * (100 if "%" in unit else 1)
                marker = "o" if len(curve) < 12 else ""  # a lone validation point would be invisible
                axes.plot(curve["step"], values, marker=marker, ms=3, color=colours[name], label=method_label(name))
            axes.set_title(title, loc="left", fontweight="bold")
            axes.set_ylabel(unit)
            axes.set_xlabel("Step")
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            horizontal_grid(axes)
        if len(drawn) > 1:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=len(drawn))
    return figure


def _subjects(count: int) -> str:
    return f"{count} subject{'' if count == 1 else 's'}"
