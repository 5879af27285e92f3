import io

import numpy as np

from mrisynth_pipeline.imaging.montage import _title, registration_montage
from mrisynth_pipeline.imaging.subject_file import SubjectStore


def test_a_row_per_subject_and_a_panel_per_contrast(write_archive, small, tmp_path):
    from mrisynth_pipeline.imaging.cohort import preprocess_cohort

    manifest = write_archive(("a", "b"))
    manifest = manifest.drop(manifest[(manifest["subject"] == "b") & (manifest["modality"] == "t2")].index)
    store = SubjectStore(tmp_path / "store")
    preprocess_cohort(manifest, store, small, ("t1", "t2"))
    figure = registration_montage(store, ["a", "b"], ("t1", "t2"))
    panels = figure.axes
    assert len(panels) == 4
    assert [len(panel.images) for panel in panels] == [1, 1, 1, 0]
    assert panels[3].texts[0].get_text() == "not scanned"
    shown = np.asarray(panels[0].images[0].get_array())
    assert any(np.array_equal(shown, slice_) for slice_ in store.open("a").volumes()[0])
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")


def test_no_subjects_is_an_empty_page(tmp_path):
    assert not any(panel.images for panel in registration_montage(SubjectStore(tmp_path), [], ("t1",)).axes)


def test_a_title_says_how_far_a_contrast_was_moved_and_whether_it_is_doubted():
    measures = {"translation_mm": 3.21, "rotation_deg": 1.04, "information_before": 0.2, "information_after": 0.45}
    quality = {f"{measure}_{name}": value for measure, value in measures.items() for name in ("t1", "t1c")}
    about = {"reference": "t2", "quality": {**quality, "warnings": "the mask is small; t1c fits better mirrored"}}
    assert _title("t1", about).splitlines()[1] == "3.2 mm, 1.0°, information 0.20 → 0.45"
    assert "LOOK AT IT" not in _title("t1", about)
    assert "LOOK AT IT" in _title("t1c", about)
    by_transform = {"translation_mm_t2": 12.0, "rotation_deg_t2": 4.0, "warnings": ""}
    title = _title("t2", {"reference": "us", "quality": by_transform})
    assert title.splitlines()[1] == "12.0 mm, 4.0°, as its transform or header says"
