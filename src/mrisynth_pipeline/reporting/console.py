"""What a run prints when it is done: one table, understandable without the report."""

from collections.abc import Mapping

from mrisynth_pipeline.metrics.segmentation_statistics import REAL, ZERO, telling_contrast
from mrisynth_pipeline.reporting.style import method_label, modality_label
from mrisynth_pipeline.reporting.table import ABSENT, Cell, Column, Row, Table, best_of, interval, number


def console_table(scores: Mapping, segmentation: Mapping | None = None, width: int = 100) -> str:
    """The leaderboard in plain text, best method first.

    Args:
        scores: From :func:`~mrisynth_pipeline.metrics.statistics.summarise_scores`.
        segmentation: From :func:`~mrisynth_pipeline.metrics.segmentation_statistics.summarise_segmentation`;
            adds the Dice of the tumour core with the most telling contrast imputed.
        width: Characters per line.
    """
    methods = scores["methods"]
    competitors = [name for name, entry in methods.items() if not entry["reference"]]
    competitors.sort(key=lambda name: -methods[name]["overall"]["slice"]["psnr"])
    names = [*competitors, *(name for name, entry in methods.items() if entry["reference"])]
    columns = [Column("Method", numeric=False), Column("Slice PSNR (dB)"), Column("Slice SSIM ×100")]
    columns += [Column("Slice MAE ×1000"), Column("Volume PSNR (dB)"), Column(f"{scores['confidence']:.0%} CI")]
    dice, contrast, region = _telling_dice(segmentation)
    if dice:
        columns.append(Column(f"{region} Dice, {modality_label(contrast)} imputed"))
        names += [name for name in (ZERO, REAL) if name in dice]

    starred = {}
    for measure, better in (("psnr", True), ("ssim", True), ("mae", False)):
        values = [methods[name]["overall"]["slice"][measure] for name in competitors]
        starred["slice", measure] = best_of(values, 2, higher_is_better=better)
    volume = [methods[name]["overall"]["volume"]["psnr"]["mean"] for name in competitors]
    starred["volume"] = best_of(volume, 2)
    starred["dice"] = best_of([dice.get(name) for name in competitors], 3)

    rows = []
    for position, name in enumerate(names):

        def cell(text: str, key: object, position: int = position) -> Cell:
            return Cell(text, position < len(competitors) and starred[key][position])

        cells = [Cell(method_label(name))]
        if name in methods:
            overall = methods[name]["overall"]
            cells += [cell(number(overall["slice"][m], 2), ("slice", m)) for m in ("psnr", "ssim", "mae")]
            psnr = overall["volume"]["psnr"]
            cells.append(cell(number(psnr["mean"], 2), "volume"))
            cells.append(Cell(interval(psnr["ci_low"], psnr["ci_high"], 2)))
        else:
            cells += [Cell(ABSENT)] * 5
        if dice:
            cells.append(cell(number(dice.get(name), 3), "dice"))
        rows.append(Row(tuple(cells)))
    n = scores["n_subjects"]
    caption = (
        f"Test results: {n} subject{'' if n == 1 else 's'}, {scores['n_slices']} slices, {scores['n_pairs']} pairs"
    )
    note = "PSNR, SSIM, MAE: whole axial slices. Volume PSNR: inside the brain, mean over subjects. * best method."
    return Table(caption, tuple(columns), tuple(rows), (note, *scores["warnings"])).to_text(width)


def _telling_dice(segmentation: Mapping | None) -> tuple[dict[str, float], str, str]:
    """Method → mean Dice of the tumour core where blanking one contrast costs most; that contrast; region."""
    if segmentation is None or not segmentation["missing"]:
        return {}, "", ""
    region = "TC" if "TC" in segmentation["regions"] else segmentation["regions"][0]
    rows = [row for row in segmentation["rows"] if row["region"] == region]
    contrast = telling_contrast(segmentation, region)
    shown = [row for row in rows if row["missing"] == contrast or row["method"] == REAL]
    return {row["method"]: row["dice"]["mean"] for row in shown}, contrast, region
