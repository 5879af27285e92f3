"""A package is the model with its card in words, whole or not at all."""

import zipfile

import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting import package
from mrisynth_pipeline.exporting.card_text import readme, title_of
from mrisynth_pipeline.exporting.package import write_package, write_zip
from mrisynth_pipeline.models.packaging import CARD, WEIGHTS, load_card


def test_the_files_are_those_of_the_model_and_a_readme(model, tmp_path):
    target = write_package(model, tmp_path / "out" / "mine")
    assert sorted(path.name for path in target.iterdir()) == ["README.md", CARD, WEIGHTS]
    assert all((target / name).read_bytes() == (model / name).read_bytes() for name in (CARD, WEIGHTS))
    assert [path.name for path in target.parent.iterdir()] == ["mine"]  # nothing temporary left


def test_the_readme_says_what_a_user_must_know(model):
    text = readme(load_card(model), "mine")
    for said in (
        "Not for diagnostic use",
        "`t1` (T1), `t2` (T2), `flair` (FLAIR)",
        "20×24×16 voxels (x, y, z) of 4×4×4 mm",
        "3 synthetic (simulated) subjects of phantom-test",
        "mrisynth impute SCANS --output OUT --model mine",
        "**Doubt**: not calibrated",
        "Apache-2.0",
    ):
        assert said in text


def test_a_calibrated_package_says_so(data):
    assert "**Doubt**: calibrated" in readme(load_card(data / "06_models" / "resunet" / "package"), "mine")


def test_a_cohort_cannot_lead_out_of_the_folder(model):
    card = load_card(model)
    card["training_data"]["cohort"] = "../../elsewhere"
    assert "/" not in title_of(card)


def test_an_archive_holds_one_folder_of_its_name(model, tmp_path):
    with zipfile.ZipFile(write_zip(model, tmp_path / "mine.zip")) as archive:
        assert archive.namelist() == ["mine/README.md", f"mine/{CARD}", f"mine/{WEIGHTS}"]
        assert archive.read(f"mine/{WEIGHTS}") == (model / WEIGHTS).read_bytes()


@pytest.mark.parametrize("write", [write_package, write_zip])
def test_what_is_there_is_replaced_only_when_asked(model, tmp_path, write):
    target = tmp_path / "mine.zip"
    target.write_text("old")
    with pytest.raises(InputError, match=r"already there.*--overwrite"):
        write(model, target)
    assert target.read_text() == "old"
    write(model, target, overwrite=True)
    assert target.is_dir() if write is write_package else zipfile.is_zipfile(target)


def test_a_failed_export_leaves_the_old_one(model, tmp_path, monkeypatch):
    target = write_package(model, tmp_path / "mine")
    before = (target / CARD).read_bytes()

    def fails(card, name):
        raise RuntimeError("no space left")

    monkeypatch.setattr(package, "readme", fails)
    with pytest.raises(RuntimeError, match="no space left"):
        write_package(model, target, overwrite=True)
    assert (target / CARD).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "project"]


def test_damaged_weights_are_not_passed_on(model, tmp_path):
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        write_package(model, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
