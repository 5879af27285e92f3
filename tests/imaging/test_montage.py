import io

import numpy as np

from mrisynth_pipeline.imaging.montage import registration_montage
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
