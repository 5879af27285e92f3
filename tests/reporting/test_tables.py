import pytest

from mrisynth_pipeline.reporting import tables
from mrisynth_pipeline.reporting.console import console_table
from mrisynth_pipeline.reporting.table import Cell, Column, Row, Table, best_of, interval, number, p_value


def row_of(table, *lead):
    [row] = [row for row in table.rows if tuple(cell.text for cell in row.cells[: len(lead)]) == lead]
    return dict(zip(table.headings(), row.cells, strict=True)), row.kind


class TestLeaderboard:
    def test_holds_the_numbers_of_the_summary(self, summary):
        cells, _ = row_of(tables.leaderboard(summary), "CodeBrain")
        overall = summary["methods"]["codebrain"]["overall"]
        assert cells["Slice protocol PSNR (dB)"].text == f"{overall['slice']['psnr']:.2f}"
        psnr = overall["volume"]["psnr"]
        assert cells["Volume protocol PSNR (dB)"].text == f"{psnr['mean']:.2f}"
        assert cells["Volume protocol SD"].text == f"{psnr['sd']:.2f}"
        assert cells["Volume protocol 95 % CI"].text == f"{psnr['ci_low']:.2f} to {psnr['ci_high']:.2f}"

    def test_marks_the_best_competitor_never_a_reference(self, summary):
        table = tables.leaderboard(summary)
        best = {row.cells[0].text for row in table.rows for cell in row.cells if cell.best}
        assert best == {"CodeBrain"}
        assert [row.cells[0].text for row in table.rows[:3]] == ["CodeBrain", "Linear regression", "Mean image"]
        assert row_of(table, "Copy of the truth")[1] == "reference"

    def test_low_errors_win(self, summary_of):
        table = tables.leaderboard(summary_of({"new": 20.0, "old": 25.0}, n_subjects=2))
        assert row_of(table, "old")[0]["Slice protocol MAE ×1000"].best
        assert not row_of(table, "new")[0]["Slice protocol MAE ×1000"].best

    def test_says_what_was_counted(self, summary):
        assert tables.leaderboard(summary).caption.startswith(
            "Imputation of missing contrasts: 6 test subjects, 360 axial slices, 28 pairs"
        )

    @pytest.mark.parametrize(("cohort", "rows"), [("ixi", 6), ("brats", 2), ("phantom", 0), ("", 0)])
    def test_published_numbers_only_for_their_own_cohort(self, summary, cohort, rows):
        table = tables.leaderboard(summary, cohort)
        assert sum(row.kind == "published" for row in table.rows) == rows
        assert ("published, other data" in table.to_markdown()) == (rows > 0)


class TestBreakdown:
    def test_pairs_of_ixi_stand_beside_the_published_ones(self, summary_of):
        scores = summary_of({"codebrain": 26.0, "linear": 23.0}, 2, ("t1", "t2", "pd"))
        table = tables.breakdown(scores, "pair", cohort="ixi")
        assert len(table.rows) == 9
        cells, _ = row_of(table, "T1 + T2", "PD")
        assert cells["CodeBrain, released run (published, other data)"].text == "34.74"
        assert cells["CodeBrain"].best and not cells["Linear regression"].best

    @pytest.mark.parametrize(("by", "rows"), [("n_inputs", 3), ("target", 4), ("pair", 28)])
    @pytest.mark.parametrize("column", ["slice_mae", "volume_psnr"])
    def test_rows(self, summary, by, rows, column):
        assert len(tables.breakdown(summary, by, column).rows) == rows


def test_rows_follow_the_channel_order(summary):
    pairs = [(row.cells[0].text, row.cells[1].text) for row in tables.breakdown(summary, "pair").rows]
    assert pairs[:4] == [("T1", "T1Gd"), ("T1", "T2"), ("T1", "FLAIR"), ("T1Gd", "T1")]
    assert pairs[-1] == ("T1Gd + T2 + FLAIR", "T1")
    targets = [row.cells[0].text for row in tables.breakdown(summary, "target").rows]
    assert targets == ["T1", "T1Gd", "T2", "FLAIR"]


def test_comparisons_say_when_there_are_too_few_subjects(summary):
    table = tables.comparisons(summary)
    cells, _ = row_of(table, "CodeBrain", "Linear regression")
    assert (cells["n"].text, cells["Difference, PSNR (dB)"].text, cells["p, Holm"].text) == ("6", "2.50", "0.094")
    assert "6 subjects are too few" in table.notes[1]


def test_segmentation_table(segmentation_summary):
    table = tables.segmentation_table(segmentation_summary)
    leads = [(row.cells[0].text, row.cells[1].text) for row in table.rows]
    assert leads[:4] == [
        ("None", "Real"), ("T1Gd", "Blank (zero)"), ("T1Gd", "CodeBrain"), ("T1Gd", "Linear regression")
    ]  # fmt: skip
    cells, _ = row_of(table, "T1Gd", "CodeBrain")
    assert (cells["TC Dice"].text, cells["TC Gap closed"].text) == ("0.500", "50 %")
    assert cells["TC Dice"].best
    blank, kind = row_of(table, "T1Gd", "Blank (zero)")
    assert (blank["TC HD95 (mm)"].text, blank["TC Gap closed"].text, kind) == ("–", "–", "context")
    assert "12 distances are undefined" in table.notes[0]
    assert len(table.notes) == 1
    assert "published, other data" in tables.segmentation_table(segmentation_summary, "brats").notes[1]


class TestConsole:
    def test_one_line_per_method_with_the_most_telling_dice(self, summary, segmentation_summary):
        text = console_table(summary, segmentation_summary)
        lines = {line.strip().split("  ")[0]: line for line in text.splitlines() if line.strip()}
        overall = summary["methods"]["codebrain"]["overall"]
        for value in (f"{overall['slice']['psnr']:.2f}*", f"{overall['volume']['psnr']['mean']:.2f}*", "0.500*"):
            assert value in lines["CodeBrain"]
        assert "0.800" in lines["Real"] and "0.200" in lines["Blank (zero)"]
        assert "6 subjects, 360 slices, 28 pairs" in text
        assert max(map(len, text.splitlines())) <= 100

    def test_without_segmentation(self, summary):
        assert "Dice" not in console_table(summary)

    def test_uneven_coverage_is_repeated(self, summary):
        assert "only half was scored" in console_table(summary | {"warnings": ["only half was scored"]})


class TestTable:
    table = Table(
        "Caption.",
        (Column("Who", numeric=False), Column("Score", "Group")),
        (Row((Cell("a|b *x*"), Cell("1.0", best=True))), Row((Cell("c"), Cell("–")), "published")),
        ("Note.",),
    )

    def test_markdown(self):
        assert self.table.to_markdown().splitlines() == [
            "Caption.", "", "| Who | Group Score |", "| --- | ---: |", r"| a\|b \*x\* | **1.0** |",
            "| c (published, other data) | – |", "", "Note.",
        ]  # fmt: skip

    def test_frame(self):
        assert self.table.to_frame().to_dict("list") == {
            "Who": ["a|b *x*", "c (published, other data)"], "Group Score": ["1.0", "–"]
        }  # fmt: skip

    def test_headings_fold_but_numbers_do_not(self):
        text = self.table.to_text(60)
        assert "1.0*" in text and "Caption." in text and "Note." in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(-1.234, 2), "−1.23"),
        (number(None, 2), "–"),
        (interval(1.0, 2.0, 1), "1.0 to 2.0"),
        (interval(None, None, 1), "–"),
        (p_value(0.0004), "< 0.001"),
        (p_value(0.03125), "0.031"),
    ],
)
def test_numbers_in_print(text, expected):
    assert text == expected


def test_values_that_print_alike_are_equally_good():
    assert best_of([1.001, 1.004, 0.5, None], 2) == [True, True, False, False]
    assert best_of([3.0, 1.0], 1, higher_is_better=False) == [False, True]
    assert best_of([3.0, None], 1) == [False, False]  # nothing to be better than
