"""What the report says of expected errors is what was measured."""

from mrisynth_pipeline.metrics.uncertainty import SHARES
from mrisynth_pipeline.reporting.expected_error import expected_error_table, expected_error_verdict


def row(target, ordered_by, falls):
    left = [1.0 - 0.5 * share for share in SHARES]
    bins = [{"voxels": 1.0, "expected": 0.04, "error": 0.05}]
    return {
        "target": target, "ordered_by": ordered_by, "error": 0.05, "expected": 0.04, "spearman": 0.3, "ause": 0.6,
        "left": left, "falls": int(falls), "bins": bins, "calibration_error": 0.01,
    }  # fmt: skip


def found(falls):
    rows = [row(name, kind, fell) for name, fell in falls.items() for kind in ("spread", "expected_error")]
    overall = [{name: value for name, value in each.items() if name != "target"} for each in rows[:2]]
    return {"subjects": 1, "scans": 12, "rows": rows, "overall": overall}


def test_a_curve_that_does_not_fall_is_named():
    falls = {"t2": True, "t1c": False, "t1": True}
    [sentence] = expected_error_verdict({"codebrain": found(falls)})
    assert "falls at every share (of single contrasts not at every one for T1Gd)" in sentence
    assert "without the more doubtful half 75 % of it is left" in sentence
    assert "Expected are 40.0 thousandths of the intensity range, measured 50.0 (1 subject, 12 scans)" in sentence
    [sentence] = expected_error_verdict({"codebrain": found(dict.fromkeys(falls, True))})
    assert "falls at every share; without" in sentence
    [sentence] = expected_error_verdict({"codebrain": found(dict.fromkeys(falls, False))})
    assert "does not fall at every share (of single contrasts not at every one for T1, T1Gd and T2)" in sentence


def test_every_contrast_has_a_row_by_the_expected_error_and_one_by_the_spread():
    table = expected_error_table({"codebrain": found({"t2": True, "t1": False}), "mmhvae": found({"t1": True})})
    cells = [[cell.text for cell in each.cells] for each in table.rows]
    assert [each[:3] for each in cells] == [
        ["CodeBrain", "T1", "expected error"],
        ["", "", "spread alone"],
        ["", "T2", "expected error"],
        ["", "", "spread alone"],
        ["", "All", "expected error"],
        ["", "", "spread alone"],
        ["MMHVAE", "T1", "expected error"],
        ["", "", "spread alone"],
        ["", "All", "expected error"],
        ["", "", "spread alone"],
    ]
    assert cells[0][3:] == ["0.30", "0.60", "75.0", "no", "50.0", "40.0", "10.0"]
