"""The page of one imputed subject: what it says, what it must not load, and which voxels it carries."""

import base64
import dataclasses
import json
import re
import zlib

import numpy as np
import pytest

from mrisynth_pipeline.reporting.mosaic import radiological, slice_mosaic
from mrisynth_pipeline.reporting.quality_page import in_words, quality_page
from mrisynth_pipeline.reporting.subject_view import FindingView
from mrisynth_pipeline.reporting.viewer_data import as_bytes, bounding_box, colours, error_top, pack, viewer_data


def unpacked(text, shape):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(shape)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="viewer-data">(.*?)</script>', page, re.S)[1])


@pytest.fixture(scope="module")
def page(subject_view):
    return quality_page(subject_view)


def test_the_page_needs_nothing_but_itself(page):
    assert not re.search(r"https?:|url\(|@import|\bimport\(|fetch\(|XMLHttpRequest", page)
    assert set(re.findall(r'(?:src|href)="([^"]{0,22})', page)) == {"data:image/png;base64,"}
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_it_says_everything_that_it_was_given(page, subject_view):
    said = [subject_view.summary, *(entry.sentence for entry in (*subject_view.findings, *subject_view.imputed))]
    said += [entry.file_name for entry in (*subject_view.inputs, *subject_view.imputed)]
    said += [entry.sha256 for entry in subject_view.inputs] + ["Moved by 1.2 mm.", "0.9 × 0.9 × 3", "mrisynth impute x"]
    said += ["T1Gd and FLAIR imputed", "Warning, T2:", "Amber", "Green", "6.2 %", "0.062 of 1", "phantom", "41 s"]
    for text in said:
        assert text in page, text
    assert page.count("Not for diagnostic use") >= 3


def test_a_contrast_without_calibration_says_so(page, subject_view):
    assert "FLAIR: no expected error" in page
    bare = quality_page(dataclasses.replace(subject_view, expected_error={}))
    assert "T1Gd and FLAIR: no expected error" in bare
    assert "It was calibrated on" not in bare


def test_warnings_come_before_notes(page):
    assert page.index("Warning, T2:") < page.index("Note, subject:")


def test_no_findings_are_said_in_words(subject_view):
    assert "Nothing was found" in quality_page(dataclasses.replace(subject_view, findings=()))


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", '"><u>'])
def test_names_cannot_become_markup(subject_view, hostile):
    inputs = (dataclasses.replace(subject_view.inputs[0], file_name=hostile, alignment=hostile), subject_view.inputs[1])
    finding = FindingView("warning", hostile, hostile)
    view = dataclasses.replace(subject_view, subject=hostile, summary=hostile, inputs=inputs, findings=(finding,))
    view = dataclasses.replace(view, model={hostile: hostile}, provenance={hostile: {"command": hostile}})
    page = quality_page(view)
    assert hostile not in page
    assert page.count("<script") == 2, "the viewer and its data"


def test_the_page_carries_the_voxels_to_half_a_step(page, subject_view):
    data, box = data_of(page), bounding_box(subject_view.mask)
    assert data["spacing"] == list(subject_view.spacing_mm)
    assert [entry["label"] for entry in data["volumes"]] == [
        "T1, scanned",
        "T2, scanned",
        "T1Gd, imputed",
        "FLAIR, imputed",
    ]
    for entry in data["volumes"]:
        decoded = unpacked(entry["voxels"], data["shape"]) / 255
        np.testing.assert_allclose(decoded, subject_view.volumes[entry["name"]][box], atol=0.5 / 255 + 1e-6)
    doubt = unpacked(data["volumes"][2]["error"], data["shape"]) / 255 * data["errorTop"]
    expected = np.minimum(subject_view.expected_error["t1c"][box], data["errorTop"])
    np.testing.assert_allclose(doubt, expected, atol=data["errorTop"] / 255)
    assert "error" not in data["volumes"][0]
    assert "error" not in data["volumes"][3]


def test_only_the_brain_is_carried(subject_view):
    box = bounding_box(subject_view.mask)
    assert all(part.stop - part.start < size for part, size in zip(box, subject_view.mask.shape, strict=True))
    assert subject_view.mask[box].sum() == subject_view.mask.sum()
    assert bounding_box(np.zeros((3, 4, 5), bool)) == (slice(None),) * 3


def test_a_page_has_a_bound(subject_view):
    """Above it, voxels get larger and the extent in mm stays."""
    whole, bound = viewer_data(subject_view), 40_000
    small = viewer_data(subject_view, voxels_per_page=bound)
    assert np.prod(whole["shape"]) * 5 > bound, "the bound is met in this test"
    assert np.prod(small["shape"]) * 5 <= bound
    extents = [np.multiply(data["shape"][::-1], data["spacing"]) for data in (whole, small)]
    np.testing.assert_allclose(*extents)
    before, after = (unpacked(data["volumes"][0]["voxels"], data["shape"]) for data in (whole, small))
    assert after.mean() == pytest.approx(before.mean(), rel=0.03)


def test_the_page_says_when_it_shows_larger_voxels(subject_view, monkeypatch):
    assert "on the model's grid, voxels of 1 × 1 × 2 mm" in quality_page(subject_view)
    monkeypatch.setattr(viewer_data, "__defaults__", (40_000,))
    page = quality_page(subject_view)
    assert re.search(r"Shown with voxels of 1\.\d+ × 1\.\d+ × [23]\.?\d* mm to keep the page small", page)


def test_noise_packs_no_worse_than_base64():
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 30), dtype=np.uint8)
    assert len(pack(noise)) < 1.34 * noise.size


def test_bytes_clip_what_is_beyond_and_what_is_no_number():
    assert as_bytes(np.array([-1.0, 0.5, 2.0, np.nan])).tolist() == [0, 128, 255, 0]


@pytest.mark.parametrize(("error", "top"), [(0.0, 0.02), (0.04, 0.05), (0.21, 0.3), (1.0, 1.0)])
def test_the_scale_of_errors_is_round_and_covers_them(subject_view, error, top):
    errors = {"t1c": np.full(subject_view.mask.shape, error, np.float32)}
    assert error_top(dataclasses.replace(subject_view, expected_error=errors)) == top


def test_the_colours_grow_brighter_evenly():
    """Luma, a stand-in for lightness that needs no colour library, never falls along the scale."""
    luma = colours() @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luma) > -1).all()
    assert luma[-1] - luma[0] > 200


def test_the_stills_show_the_patients_right_on_the_left(subject_view):
    volume = np.zeros((4, 5, 6))
    volume[1, 3, 5] = 1  # far right, towards the front
    axial, coronal, sagittal = radiological(volume, 0, 1), radiological(volume, 1, 3), radiological(volume, 2, 5)
    assert axial[3, 0] == 1  # rows grow to anterior, the patient's right is in the first column
    assert coronal[1, 0] == 1
    assert sagittal[1, 1] == 1  # the front is on the left
    texts = [text.get_text() for axes in slice_mosaic(subject_view).axes for text in axes.texts]
    assert texts.count("R") == 4
    assert "T1Gd\nimputed" in texts


def test_views_that_contradict_themselves_are_refused(subject_view):
    volumes = dict(subject_view.volumes)
    with pytest.raises(ValueError, match="volumes"):
        dataclasses.replace(subject_view, volumes={"t1": volumes["t1"]})
    with pytest.raises(ValueError, match="not imputed"):
        dataclasses.replace(subject_view, expected_error={"t1": volumes["t1"]})
    with pytest.raises(ValueError, match="shape"):
        dataclasses.replace(subject_view, volumes={**volumes, "t2": np.zeros((2, 2, 2))})
    with pytest.raises(ValueError, match="light"):
        dataclasses.replace(subject_view, light="blue")


def test_names_in_a_sentence():
    assert [in_words(names) for names in ([], ["t1c"], ["t1", "t1c", "t2"])] == ["", "T1Gd", "T1, T1Gd and T2"]
