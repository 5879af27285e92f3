"""The words on doubt claim what the numbers show, and say it when it does not hold."""

import copy
import itertools

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.latent import distances_of, principal_components, summarise_latent
from mrisynth_pipeline.metrics.uncertainty import uncertainty_scores
from mrisynth_pipeline.metrics.uncertainty_statistics import summarise_temperatures, summarise_uncertainty
from mrisynth_pipeline.reporting.report import ReportContext, render_report
from mrisynth_pipeline.reporting.uncertainty import (
    doubt_table,
    doubt_verdict,
    latent_table,
    latent_verdict,
    section_title,
    sparsification_table,
    temperature_table,
    temperature_verdict,
)

MODALITIES = ("t1", "t2", "pd")
SUBSETS = ("t1", "t2", "pd", "t1+t2", "t1+pd", "t2+pd", "t1+t2+pd")


def doubt(deviation_of=lambda error, size: error, n_subjects=4) -> dict:
    """Errors 0.01 to 0.1 over the number of inputs, a little larger by subject."""
    rows = []
    for subject, inputs in itertools.product(range(n_subjects), SUBSETS[:-1]):
        size = 1 + inputs.count("+")
        for target in [name for name in MODALITIES if name not in inputs.split("+")]:
            error = (1 + 0.1 * subject) * np.linspace(0.01, 0.1, 100) / size
            rows.append(
                {"method": "mmhvae", "subject": f"s{subject}", "inputs": inputs, "n_inputs": size, "target": target}
                | {"temperature": 0.7, "n_samples": 8}
                | uncertainty_scores(error, deviation_of(error, size))
            )
    return summarise_uncertainty(pd.DataFrame(rows), n_resamples=100)


def temperatures() -> dict:
    rows = [
        {"method": "mmhvae", "subject": f"s{subject}", "inputs": "t1", "target": "t2", "temperature": t}
        | {"n_samples": 8, "mean_psnr": 25 - (t - 0.5) ** 2 + subject, "single_psnr": 24 - t, "deviation": 0.1 * t}
        for subject, t in itertools.product(range(3), (0.0, 0.5, 1.0))
    ]
    return summarise_temperatures(pd.DataFrame(rows), n_resamples=100)


def latent(subject_size=10.0, subset_size=1.0, n_subjects=4) -> dict:
    codes = np.zeros((n_subjects, len(SUBSETS), 2))
    codes[..., 0] = subject_size * np.arange(n_subjects)[:, None]
    codes[..., 1] = subset_size * np.arange(len(SUBSETS))
    _, explained = principal_components(codes.reshape(-1, 2), 2)
    components = pd.DataFrame({"subject": "s", "component": [1, 2], "explained": explained})
    tables = [pd.DataFrame(distances_of(codes, SUBSETS)).assign(code=code) for code in ("placed", "pooled")]
    return summarise_latent(components, pd.concat(tables), n_resamples=100)


def cells(table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


class TestDoubt:
    def test_what_holds_is_said_with_its_numbers(self):
        first, scale, steps, scans = doubt_verdict(doubt())
        assert first.startswith("The standard deviation orders the errors: over the voxels of the brain")
        assert "1.00 [1.00 to 1.00]" in first
        assert "lowers the mean error by 8.3 % (the 10 % most wrong ones: 8.3 %; n = 4 subjects" in first
        assert "8 draws at temperature 0.7" in first
        assert "1.3 times as large as" in scale, "|x| of a normal distribution is 0.8 standard deviations"
        assert "it believes too much in itself" in scale
        assert (
            steps
            == "With every further input the standard deviation falls: 63.2 with one, 31.6 with two (thousandths)."
        )
        assert "Over the 36 imputed scans" in scans
        assert "where only the subject makes the difference, with " in scans

    def test_what_does_not_hold_is_said_too(self):
        first, *_ = doubt_verdict(doubt(lambda error, size: 0.2 - error))
        assert first.startswith("The standard deviation points the wrong way")
        assert "raises the mean error by" in first
        _, scale, steps, _ = doubt_verdict(doubt(lambda error, size: 10 * error * size**2))
        assert "doubts too much" in scale
        assert steps.startswith("The standard deviation rises from one to two inputs: ")
        _, _, steps, _ = doubt_verdict(doubt(lambda error, size: np.linspace(0, 1, 100)))
        assert steps.startswith("The standard deviation is not shown to fall from one to two inputs")

    def test_one_subject_shows_nothing(self):
        first, _, steps, scans = doubt_verdict(doubt(n_subjects=1))
        assert first.startswith("It is not shown that the standard deviation orders the errors")
        assert "n = 1 subject," in first
        assert "is not shown to fall" in steps
        assert "only the subject" not in scans

    def test_a_constant_deviation_says_nothing(self):
        [sentence] = doubt_verdict(doubt(lambda error, size: np.full(100, 0.1)))
        assert "the same everywhere" in sentence
        assert cells(doubt_table({"mmhvae": doubt(lambda error, size: np.full(100, 0.1))}))[0][-1] == "–"

    def test_tables_have_inputs_and_targets_and_the_curve(self):
        rows = cells(doubt_table({"mmhvae": doubt()}))
        names = ["1 available", "2 available", "T1 missing", "T2 missing", "PD missing", "All"]
        assert [row[1] for row in rows] == names
        assert [row[0] for row in rows] == ["MMHVAE", *[""] * 5]
        assert rows[0][2].startswith("63.2 [")
        curve = cells(sparsification_table({"mmhvae": doubt()}))
        assert [row[0] for row in curve] == ["MMHVAE", "The errors themselves (oracle)", "At random"]
        assert curve[0][2].split()[0] == curve[1][2].split()[0] == "91.7"
        assert [row[-1].split()[0] for row in curve] == ["0.00", "0.00", "1.00"]


def test_temperatures_are_told_and_their_best_marked():
    sentence = temperature_verdict(temperatures())
    assert "The mean of 8 draws is best at temperature 0.5 (26.00 dB" in sentence
    assert "a draw alone at 0 (24.00 dB)" in sentence
    assert "at 1 they lose 0.25 [0.25 to 0.25] and 1.00 [1.00 to 1.00] dB (n = 3" in sentence
    table = temperature_table({"mmhvae": temperatures()})
    assert [row.cells[1].text for row in table.rows] == ["0", "0.5", "1"]
    assert [[cell.best for cell in row.cells[2:4]] for row in table.rows] == [[False, True], [True, False], [False] * 2]


class TestLatent:
    @pytest.mark.parametrize(
        ("sizes", "words"),
        [
            (
                (10.0, 1.0),
                ("The latents follow the subject: what one", "Any two sets of inputs of one subject lie closer"),
            ),
            ((0.1, 5.0), ("keep the subject, but the inputs too", "Two subjects with the same inputs lie closer")),
            ((0.0, 1.0), ("It is not shown that the latents follow the subject", "no difference is shown there")),
        ],
    )
    def test_the_verdict_follows_the_distances(self, sizes, words):
        sentence = latent_verdict(latent(*sizes))
        for part in words:
            assert part in sentence
        assert "chance is 25 %" in sentence

    def test_farther_is_said(self):
        found = copy.deepcopy(latent())
        found["codes"]["placed"]["one_to_all"]["finding"] = "farther"
        assert latent_verdict(found).startswith(
            "The latents do not follow the subject: what one contrast tells lies far"
        )

    def test_one_subject_leaves_it_open(self):
        assert "stays open" in latent_verdict(latent(n_subjects=1))
        assert cells(latent_table({"mmhvae": latent(n_subjects=1)}))[0][4] == "–"

    def test_the_table_compares_in_two_ways(self):
        rows = cells(latent_table({"mmhvae": latent()}))
        assert [row[1] for row in rows] == ["Place by place", "", "Mean over the brain", ""]
        assert [row[6] for row in rows] == ["own closer"] * 4
        assert [row[7] for row in rows] == ["100 %", "", "100 %", ""]


class TestReport:
    def test_the_section_has_words_and_tables(self):
        methods = {"mmhvae": {"uncertainty": doubt(), "temperature": temperatures(), "latent": latent()}}
        page = render_report(ReportContext(cohort="ixi", run_id="r", uncertainty=methods))
        for words in ("How sure MMHVAE is", "orders the errors", "best at temperature 0.5", "follow the subject:"):
            assert words in page
        assert page.count("<figcaption>What setting the most uncertain voxels aside") == 1

    def test_without_latent_there_is_no_word_of_it(self):
        methods = {"mmhvae": {"uncertainty": doubt(), "temperature": temperatures()}}
        page = render_report(ReportContext(cohort="ixi", run_id="r", uncertainty=methods))
        assert "How far latents lie apart" not in page

    def test_it_is_one_line_where_nothing_was_asked(self):
        page = render_report(ReportContext(cohort="ixi", run_id="r", uncertainty_absent="Nobody was asked."))
        assert page.count("Nobody was asked.") == 1
        assert "How sure the imputations are" in page

    def test_several_methods_are_told_apart(self):
        both = {name: {"uncertainty": doubt(), "temperature": temperatures()} for name in ("mmhvae", "other")}
        page = render_report(ReportContext(cohort="ixi", run_id="r", uncertainty=both))
        assert section_title(list(both)) == "How sure MMHVAE and other are"
        assert "other: The standard deviation orders" in page
