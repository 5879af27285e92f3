import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from mrisynth_pipeline.reporting import provenance
from mrisynth_pipeline.reporting.charts import scores_by_inputs
from mrisynth_pipeline.reporting.report import ReportContext, ReportFigure, render_report
from mrisynth_pipeline.reporting.style import png_bytes

ATTACK = "<script>alert('x')</script> & \"quoted\""


class Page(HTMLParser):
    """Elements of a page, with every element that must be closed checked to be closed in order."""

    VOID = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def cohort_summary():
    refused = {"subject": "sub-007", "modality": "t2", "path": "sub-007/t2w.nii.gz", "problems": ATTACK}
    counts = {"subjects": 24, "patients": 23, "complete_subjects": 22, "label_maps": 24}
    return counts | {
        "modalities": ["t1", "t1c"],
        "refused_scans": [refused],
        "unrecognised_files": {"count": 3, "examples": []},
        "fingerprint": "9f86d081884c",
    }


@pytest.fixture
def full_context(summary, segmentation_summary, cohort_summary):
    chart = scores_by_inputs(summary)
    return ReportContext(
        cohort="phantom",
        run_id=ATTACK,
        created="30 July 2026",
        method="codebrain",
        scores=summary,
        segmentation=segmentation_summary,
        figures=[
            ReportFigure(chart, ATTACK),
            *(ReportFigure(png_bytes(chart), s, s) for s in ("examples", "segmentation", "training", "cohort")),
        ],
        cohort_summary=cohort_summary,
        failed_subjects=[{"subject": "sub-011", "reason": ATTACK}],
        doubtful_subjects=[{"subject": "sub-012", "warnings": ATTACK}],
        split_sizes={"train": 14, "validation": 3, "test": 6},
        leaks=[],
        parameters={"model": {"levels": [8, 8, 5], ATTACK: ATTACK}, "seed": 0, "empty": {}},
        versions={"torch": "2.13.0"},
        stage_seconds={"stage1": 3725.0, "evaluation": 59.94},
        git_commit="0e3a1c9d44aa",
        warnings=[ATTACK],
    )


@pytest.fixture
def full_report(full_context):
    return render_report(full_context)


def test_needs_nothing_but_itself(full_report):
    page = Page(full_report)
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "iframe", "object"}
        for name in ("src", "href", "srcset", "action", "poster"):
            assert re.match(r"#|data:image/png;base64,", attributes.get(name) or "#")
    assert not re.search(r"https?://|url\(|@import", full_report)


def test_every_value_is_escaped(full_report):
    assert "<script" not in full_report
    assert full_report.count("&lt;script&gt;") >= 8
    assert all("onerror" not in attributes for _, attributes in Page(full_report).elements)


def test_contents_lead_somewhere(full_report):
    elements = Page(full_report).elements
    anchors = [attributes["id"] for _, attributes in elements if "id" in attributes]
    links = [attributes["href"][1:] for tag, attributes in elements if tag == "a"]
    assert len(anchors) == len(set(anchors))
    assert set(links) <= set(anchors)
    assert {"leaderboard", "examples", "pairs", "segmentation", "training", "cohort", "glossary"} <= set(links)


def test_contains_the_numbers_handed_in(full_report, summary, segmentation_summary):
    text = Page(full_report).text
    for method in summary["methods"].values():
        for value in method["overall"]["slice"].values():
            assert f"{value:.2f}" in text
        for entry in method["by_pair"]:
            assert f"{entry['slice']['psnr']:.2f}" in text
    for row in segmentation_summary["rows"]:
        assert f"{row['dice']['mean']:.3f}" in text
    for expected in ("2.13.0", "0e3a1c9d44aa", "9f86d081884c", "1 h 02 min", "59.9 s", "1 h 03 min", "[8, 8, 5]"):
        assert expected in text


def test_verdict_and_warnings_come_first(full_report):
    text = Page(full_report).text
    head = text[: text.index("Leaderboard", text.index("Slice protocol") - 500)]
    assert "CodeBrain is 2.5 dB ahead of linear regression (n = 6 test subjects)." in head
    assert "Phantom data: the scans are computed, not measured" in head
    assert "not for diagnostic use" in head
    assert "1 subject was lost in preprocessing" in head


def test_a_real_cohort_is_not_called_a_phantom(summary):
    report = render_report(ReportContext(cohort="brats", run_id="r", scores=summary))
    assert "Phantom data" not in report
    assert "Any-to-any imputation on BraTS" in report
    assert "Published, other data" in report


def test_leaks_are_an_alarm(summary):
    report = render_report(ReportContext(cohort="ixi", run_id="r", scores=summary, leaks=["IXI017"]))
    assert "Patients in more than one split: IXI017. The test numbers are too good." in report
    assert "no patient is in more than one split" not in report


def test_whatever_is_absent_is_said(summary):
    reason = "IXI volunteers have no tumour."
    report = render_report(ReportContext(cohort="ixi", run_id="r", segmentation_absent=reason))
    text = Page(report).text
    for sentence in (reason, "No imputation has been scored", "No summary of the cohort", "commit not known"):
        assert sentence in text


def test_figures_are_embedded_at_the_size_they_were_drawn(full_context, summary):
    chart = scores_by_inputs(summary)
    report = render_report(ReportContext(cohort="ixi", run_id="r", figures=[ReportFigure(chart, "Seen.")]))
    [image] = [attributes for tag, attributes in Page(report).elements if tag == "img"]
    assert image["alt"] == "Seen."
    assert int(image["width"]) == pytest.approx(110 * chart.get_figwidth(), abs=1)
    assert int(image["height"]) == pytest.approx(110 * chart.get_figheight(), abs=1)


def test_only_png_files_are_embedded():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, format="JPEG")
    with pytest.raises(ValueError, match="must be a PNG, not JPEG"):
        render_report(ReportContext(cohort="ixi", run_id="r", figures=[ReportFigure(buffer.getvalue(), "")]))


class TestProvenance:
    def test_versions_name_what_is_installed(self):
        versions = provenance.library_versions()
        assert {"python", "torch", "monai", "numpy"} <= set(versions)

    def test_no_repository_no_commit(self, tmp_path):
        assert provenance.git_commit(tmp_path) == ""
        assert provenance.git_commit(tmp_path / "absent") == ""
