"""What imputed scans leave of a segmentation, at a glance."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mrisynth_pipeline.metrics.segmentation_statistics import NONE_MISSING, REAL, ZERO
from mrisynth_pipeline.reporting.heat_map import heat_map, outline_cell
from mrisynth_pipeline.reporting.style import method_label, modality_label, new_figure, styled


def dice_map(segmentation: Mapping, methods: Sequence[str]) -> Figure:
    """Mean Dice of every method by missing contrast, one panel per region, under the row of blank scans.

    The best method of every column is outlined; the colours end at the Dice of real, complete scans.

    Args:
        segmentation: From :func:`~mrisynth_pipeline.metrics.segmentation_statistics.summarise_segmentation`.
        methods: In the order of the rows; those that were not scored are left out.
    """
    dice = {(row["method"], row["missing"], row["region"]): row["dice"]["mean"] for row in segmentation["rows"]}
    scored = {name for name, *_ in dice}
    names = [name for name in (ZERO, *methods) if name in scored]
    missing, regions = list(segmentation["missing"]), segmentation["regions"]
    with styled():
        figure = new_figure(0.9 + 0.22 * len(names))
        figure.set_layout_engine("constrained")
        panels = figure.subplots(1, len(regions), squeeze=False)[0]
        for number, (axes, region) in enumerate(zip(panels, regions, strict=True)):
            values = np.array([[dice.get((name, m, region)) for m in missing] for name in names], dtype=float)
            real = dice.get((REAL, NONE_MISSING, region))
            heat_map(
                axes,
                values,
                [method_label(name) for name in names] if number == 0 else [""] * len(names),
                [modality_label(name) for name in missing],
                text="{:.2f}".format,
                limits=(0.0, real or 1.0),
            )
            for column in range(len(missing)):
                if not np.isnan(values[1:, column]).all():
                    outline_cell(axes, 1 + int(np.nanargmax(values[1:, column])), column)
            axes.axhline(0.5, color="white", lw=2)
            known = "" if real is None else f"   real scans {real:.2f}"
            axes.set_title(f"{region}{known}", loc="left", fontweight="bold", pad=6)
    return figure
