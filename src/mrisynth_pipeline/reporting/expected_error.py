"""What error is to be expected of packaged methods, for a person: does it order the errors, and is it true?"""

from collections.abc import Mapping

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES
from mrisynth_pipeline.metrics.uncertainty import SHARES
from mrisynth_pipeline.reporting.style import method_label, modality_label
from mrisynth_pipeline.reporting.table import Cell, Column, Row, Table, number

_HALF = SHARES.index(0.5)
_ORDERED_BY = {"expected_error": "expected error", "spread": "spread alone"}


def expected_error_verdict(methods: Mapping[str, Mapping]) -> list[str]:
    """A sentence per method: whether its curves fall at every share, and by how much it misses the mean error.

    Args:
        methods: Method → from :func:`~mrisynth_pipeline.metrics.reliability.summarise_expected_errors`.
    """
    sentences = []
    for method, found in methods.items():
        rows, whole = _rows(found, "expected_error"), _overall(found, "expected_error")
        rising = [row["target"] for row in rows if not row["falls"]]
        orders = "falls at every share" if whole["falls"] else "does not fall at every share"
        if rising:
            orders += f" (of single contrasts not at every one for {_and(rising)})"
        sentences.append(
            f"{method_label(method)}: set aside the most doubtful voxels, and the error of the rest {orders}; without "
            f"the more doubtful half {number(100 * whole['left'][_HALF], 0)} % of it is left. Expected are "
            f"{number(1000 * whole['expected'], 1)} thousandths of the intensity range, measured "
            f"{number(1000 * whole['error'], 1)} ({_counted(found)})."
        )
    return sentences


def expected_error_table(methods: Mapping[str, Mapping]) -> Table:
    """Every contrast of every method, by the expected error and by the spread alone.

    Args:
        methods: Method → from ``summarise_expected_errors``.
    """
    rows = []
    for method, found in methods.items():
        spread = {row["target"]: row for row in _rows(found, "spread")}
        pairs = [(modality_label(row["target"]), row, spread[row["target"]]) for row in _rows(found, "expected_error")]
        pairs.append(("All", _overall(found, "expected_error"), _overall(found, "spread")))
        for name, *both in pairs:
            for each in both:
                first = each is both[0]
                texts = [
                    method_label(method) if first and (not rows or rows[-1][0] != method) else "",
                    name if first else "",
                    _ORDERED_BY[each["ordered_by"]],
                    number(each["spearman"], 2),
                    number(each["ause"], 2),
                    number(100 * each["left"][_HALF], 1),
                    "yes" if each["falls"] else "no",
                    number(1000 * each["error"], 1),
                    number(1000 * each["expected"], 1),
                    number(1000 * each["calibration_error"], 1),
                ]
                rows.append((method, Row(tuple(map(Cell, texts)), "" if first else "context")))
    columns = (
        Column("Method", numeric=False),
        Column("Imputed", numeric=False),
        Column("Ordered by", numeric=False),
        Column("Correlation"),
        Column("Area to the oracle"),
        Column("Left at 50 % (%)"),
        Column("Falls at every share", numeric=False),
        Column("measured", "Mean error ×1000"),
        Column("said", "Mean error ×1000"),
        Column("Off by (×1000)"),
    )
    note = (
        "Means over scans; correlation: Spearman's over the voxels of a scan. Area between the curve and that of the "
        "errors themselves, over the same of a random order: 0 is perfect, 1 as good as chance. Left at 50 %: mean "
        "error without the more doubtful half. Off by: distance of said and measured error over ten bins of voxels."
    )
    counts = "; ".join(f"{method_label(method)} {_counted(found)}" for method, found in methods.items())
    caption = f"Expected error of packaged methods, calibrated on others, measured on test subjects ({counts})."
    return Table(caption, columns, tuple(row for _, row in rows), (note,))


def _rows(found: Mapping, ordered_by: str) -> list[Mapping]:
    """In the order of the project's contrasts."""
    known = list(DISPLAY_NAMES)
    chosen = [row for row in found["rows"] if row["ordered_by"] == ordered_by]
    return sorted(chosen, key=lambda row: known.index(row["target"]) if row["target"] in known else len(known))


def _overall(found: Mapping, ordered_by: str) -> Mapping:
    return next(row for row in found["overall"] if row["ordered_by"] == ordered_by)


def _and(targets: list[str]) -> str:
    *most, last = map(modality_label, targets)
    return f"{', '.join(most)} and {last}" if most else last


def _counted(found: Mapping) -> str:
    return f"{found['subjects']} subject{'' if found['subjects'] == 1 else 's'}, {found['scans']} scans"
