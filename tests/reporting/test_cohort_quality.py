"""The tables of what ingestion found, in the terminal and on a page."""

import pandas as pd

from mrisynth_pipeline.cohorts.findings import COLUMNS
from mrisynth_pipeline.reporting.cohort_quality import quality_page, quality_text

SUMMARY = {
    "cohort": "ixi",
    "subjects": 3,
    "patients": 2,
    "complete_subjects": 1,
    "modalities": ["t1", "t2"],
    "scans_per_modality": {"t1": 3, "t2": 0},
    "spacing_range_mm": {"t1": [0.94, 1.2]},
    "label_maps": 0,
    "subjects_per_site": {"Guys": 2, "": 1},
    "fingerprint": "0123456789abcdef",
}


def findings(count: int = 1) -> pd.DataFrame:
    rows = [("refused", f"s{i}", "t1", f"s{i}.nii", f"s{i}.nii: <b>broken</b>. Mend it") for i in range(count)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_the_terminal_shows_counts_sites_and_findings():
    text = quality_text(SUMMARY, findings())
    assert "3 subjects of 2 patients, 1 complete" in text
    assert "Guys 2, unknown 1" in text
    assert "0.94 to 1.20" in text
    assert "Refused: these files are not used (1)" in text
    assert "s0.nii: <b>broken</b>. Mend it" in text


def test_nothing_odd_is_said_in_words():
    assert "Nothing is odd about these scans." in quality_text(SUMMARY, findings(0))
    assert "Nothing is odd about these scans." in quality_page(SUMMARY, findings(0))


def test_the_terminal_names_a_dozen_and_counts_the_rest_but_the_page_has_all():
    text, page = quality_text(SUMMARY, findings(20)), quality_page(SUMMARY, findings(20))
    assert "s11.nii" in text
    assert "s12.nii" not in text
    assert "and 8 more" in text
    assert page.count("broken") == 20


def test_the_page_escapes_what_files_are_called():
    page = quality_page(SUMMARY, findings())
    assert "<b>broken" not in page
    assert "&lt;b&gt;broken" in page
