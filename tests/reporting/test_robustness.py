import pytest
from matplotlib.text import Text

from mrisynth_pipeline.reporting.robustness import cost_table, misalignment_cost, robustness_curves
from mrisynth_pipeline.reporting.style import png_bytes


def test_a_panel_per_kind_a_line_per_method_and_dashes_after_registration(robustness_summary):
    figure = robustness_curves(robustness_summary)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Shift in the slice", "Shift in space", "Rotation in space"]
    pixels, space, _ = figure.axes
    assert len([line for line in pixels.lines if len(line.get_xdata())]) == 2
    resunet, registered, *_ = space.lines
    assert resunet.get_xydata().tolist() == [[0, 27], [1, 26.5], [4, 25]]
    assert registered.get_ydata() == pytest.approx([26.8] * 3)
    assert not resunet.is_dashed()
    assert registered.is_dashed()
    assert len(space.collections) == 2
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {"ResUNet", "Mean image", "After registration", "pixels", "degrees", "Volume PSNR (dB)"} <= words
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_other_measures_have_their_own_axis(robustness_summary):
    figure = robustness_curves(robustness_summary, "slice", "ssim")
    assert figure.axes[0].get_ylabel() == "Slice SSIM ×100"
    assert figure.axes[1].lines[0].get_ydata()[0] == pytest.approx(2 * 27 + 5)


def test_without_registration_nothing_speaks_of_it(robustness_summary):
    rows = [row for row in robustness_summary["rows"] if not row["registered"]]
    plain = robustness_summary | {"rows": rows, "registered": False}
    for figure in (robustness_curves(plain), misalignment_cost(plain)):
        assert not any("egistration" in text.get_text() for text in figure.findobj(Text))
    assert "Registered" not in cost_table(plain).to_text()


def test_losses_lie_over_the_displacement_whatever_the_motion(robustness_summary):
    axes = misalignment_cost(robustness_summary).axes[0]
    points = {tuple(point) for line in axes.lines[1:] for point in line.get_xydata().round(6).tolist()}
    assert {(0, 0), (1, 0.5), (4, 2), (3, 1.5), (2, 1), (0.4, 0.2), (3, 0)} <= points


def test_the_table_states_cost_and_what_registration_leaves(robustness_summary):
    table = cost_table(robustness_summary)
    resunet, mean = (dict(zip(table.headings(), (cell.text for cell in row.cells), strict=True)) for row in table.rows)
    assert resunet["Method"] == "ResUNet"
    assert resunet["Aligned PSNR (dB)"] == "27.00"
    assert resunet["Loss at 0.5 mm"] == "0.25 [0.25 to 0.25]"
    assert resunet["Loss at 2 mm"] == "1.00 [1.00 to 1.00]"
    assert (resunet["Registered mm left"], resunet["Registered Loss"]) == ("0.40", "0.20")
    assert mean["Loss at 2 mm"] == "0.00 [0.00 to 0.00]"
    assert "n = 3 test subjects" in table.caption
    assert not any(cell.best for row in table.rows for cell in row.cells)


def test_a_displacement_beyond_what_was_measured_has_no_cost(robustness_summary):
    unknown = {"n": 0, "mean": None, "sd": None, "ci_low": None, "ci_high": None}
    costs = [entry | {"volume": {"psnr": unknown}} for entry in robustness_summary["costs"]]
    assert [cell.text for cell in cost_table(robustness_summary | {"costs": costs}).rows[0].cells[2:5]] == ["–"] * 3


def test_another_motion_has_a_table_of_its_own(robustness_summary):
    table = cost_table(robustness_summary, "rotation_deg")
    assert "rotation in space" in table.caption
    assert table.rows[0].cells[4].text == "1.00 [1.00 to 1.00]"
