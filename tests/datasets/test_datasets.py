"""The project's own datasets: what they promise to Kedro, to kedro-viz and to a killed run."""

import base64
import io
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DatasetError
from matplotlib.figure import Figure
from PIL import Image

from mrisynth_pipeline.datasets.arrays import OptionalArraysDataset
from mrisynth_pipeline.datasets.atomic import OptionalCSVDataset, OptionalJSONDataset, OptionalParquetDataset
from mrisynth_pipeline.datasets.figure import FigureDataset
from mrisynth_pipeline.datasets.folder import FolderDataset, SubjectStoreDataset
from mrisynth_pipeline.datasets.model import ModelDataset, OptionalModelDataset
from mrisynth_pipeline.imaging.subject_file import Subject, SubjectStore, write_subject
from mrisynth_pipeline.models.baselines import MeanImage
from mrisynth_pipeline.models.packaging import TrainedModel

LAYER = {"kedro-viz": {"layer": "models"}}


@pytest.fixture
def figure() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1])
    return figure


@pytest.fixture
def model() -> TrainedModel:
    mean = MeanImage(("t1", "t2"), (2, 3, 4))
    mean.accumulate(torch.full((2, 2, 3, 4), 0.25), torch.tensor([True, True]))
    return TrainedModel(mean, {"intended_use": "a test"})


class TestFigure:
    def test_it_loads_the_bytes_of_a_png(self, tmp_path, figure):
        dataset = FigureDataset(filepath=str(tmp_path / "new" / "figure.png"))
        dataset.save(figure)
        with Image.open(io.BytesIO(dataset.load())) as picture:
            assert picture.format == "PNG"
            assert picture.width > picture.height

    def test_resolution_is_that_of_the_catalog(self, tmp_path, figure):
        sizes = []
        for dpi in (50, 100):
            dataset = FigureDataset(filepath=str(tmp_path / f"{dpi}.png"), dpi=dpi)
            dataset.save(figure)
            with Image.open(io.BytesIO(dataset.load())) as picture:
                sizes.append(picture.width)
        assert sizes[1] == pytest.approx(2 * sizes[0], rel=0.05)

    def test_an_older_one_stays_whole_when_drawing_fails(self, tmp_path, figure):
        class Broken(Figure):
            def savefig(self, *arguments, **options):
                raise RuntimeError("out of ink")

        dataset = FigureDataset(filepath=str(tmp_path / "figure.png"))
        dataset.save(figure)
        before = dataset.load()
        with pytest.raises(DatasetError, match="out of ink"):
            dataset.save(Broken())
        assert dataset.load() == before
        assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]

    def test_the_preview_is_the_picture(self, tmp_path, figure):
        dataset = FigureDataset(filepath=str(tmp_path / "figure.png"))
        dataset.save(figure)
        assert base64.b64decode(dataset.preview()) == dataset.load()


class TestFolder:
    def test_a_folder_is_made_when_it_is_asked_for(self, tmp_path):
        dataset = FolderDataset(filepath=str(tmp_path / "a" / "b"))
        assert not dataset.exists()
        assert dataset.load() == tmp_path / "a" / "b"
        assert dataset.exists()

    def test_nothing_is_saved_through_it(self, tmp_path):
        with pytest.raises(DatasetError, match="nodes write into it themselves"):
            FolderDataset(filepath=str(tmp_path)).save(tmp_path)

    def test_a_file_of_that_name_is_no_folder(self, tmp_path):
        (tmp_path / "file").touch()
        assert not FolderDataset(filepath=str(tmp_path / "file")).exists()

    def test_a_subject_store_finds_its_subjects(self, tmp_path):
        volumes = np.full((1, 4, 5, 6), 0.5, np.float32)
        subject = Subject(
            subject="anna",
            modalities=("t1",),
            present=(True,),
            volumes=volumes,
            mask=np.ones((4, 5, 6), bool),
            segmentation=None,
            reference="t1",
            grid_affine=np.eye(4),
            transforms={},
            intensity={},
            sources={},
            fingerprint="f",
        )
        store = SubjectStoreDataset(filepath=str(tmp_path)).load()
        assert isinstance(store, SubjectStore)
        write_subject(store.path("anna"), subject)
        assert SubjectStoreDataset(filepath=str(tmp_path)).load().open("anna").volumes() == pytest.approx(volumes)


class TestModel:
    def test_network_and_card_come_back(self, tmp_path, model):
        dataset = ModelDataset(filepath=str(tmp_path / "model"))
        dataset.save(model)
        loaded = dataset.load()
        volumes, available = torch.zeros(1, 2, 2, 3, 4), torch.tensor([[True, False]])
        assert torch.equal(loaded.network.impute(volumes, available), model.network.impute(volumes, available))
        assert loaded.card["intended_use"] == "a test"
        assert not loaded.network.training

    def test_it_exists_only_when_it_is_whole(self, tmp_path, model):
        dataset = ModelDataset(filepath=str(tmp_path / "model"))
        assert not dataset.exists()
        dataset.save(model)
        assert dataset.exists()
        (tmp_path / "model" / "weights.safetensors").unlink()
        assert not dataset.exists()

    def test_the_preview_is_the_card(self, tmp_path, model):
        dataset = ModelDataset(filepath=str(tmp_path / "model"))
        dataset.save(model)
        assert json.loads(dataset.preview())["network"] == "mean"

    def test_a_folder_without_a_model_is_named(self, tmp_path):
        with pytest.raises(DatasetError, match=r"holds no model_card\.json"):
            ModelDataset(filepath=str(tmp_path)).load()


class TestArrays:
    def test_arrays_come_back_by_name_shape_and_type(self, tmp_path):
        arrays = {
            "anna_from_t1+t2": np.arange(6, dtype=np.float32).reshape(2, 3).T,
            "a/b/labels": np.eye(2, dtype=np.int64),
        }
        dataset = OptionalArraysDataset(filepath=str(tmp_path / "new" / "slices.safetensors"))
        dataset.save(arrays)
        loaded = dataset.load()
        assert set(loaded) == set(arrays)
        for name, array in arrays.items():
            assert loaded[name].dtype == array.dtype
            np.testing.assert_array_equal(loaded[name], array)

    def test_no_arrays_are_not_the_same_as_no_file(self, tmp_path):
        dataset = OptionalArraysDataset(filepath=str(tmp_path / "slices.safetensors"))
        assert dataset.load() is None
        assert not dataset.exists()
        dataset.save({})
        assert dataset.load() == {}
        assert dataset.exists()

    def test_an_older_file_stays_whole_when_writing_fails(self, tmp_path):
        dataset = OptionalArraysDataset(filepath=str(tmp_path / "slices.safetensors"))
        dataset.save({"a": np.ones(2)})
        with pytest.raises(DatasetError):
            dataset.save({"a": np.array(["a text"])})
        np.testing.assert_array_equal(dataset.load()["a"], np.ones(2))
        assert [path.name for path in tmp_path.iterdir()] == ["slices.safetensors"]


class TestOptional:
    @pytest.mark.parametrize(
        ("kind", "data"),
        [
            (OptionalCSVDataset, pd.DataFrame({"step": [1, 2]})),
            (OptionalParquetDataset, pd.DataFrame({"method": ["linear"]})),
            (OptionalJSONDataset, {"a": 1}),
        ],
    )
    def test_what_nobody_has_made_loads_as_nothing(self, tmp_path, kind, data):
        options = {"save_args": {"index": False}} if kind is OptionalCSVDataset else {}
        dataset = kind(filepath=str(tmp_path / "new" / "file"), **options)
        assert dataset.load() is None
        assert not dataset.exists()
        dataset.save(data)
        loaded = dataset.load()
        assert loaded.equals(data) if isinstance(data, pd.DataFrame) else loaded == data

    def test_a_table_keeps_what_it_says_of_itself(self, tmp_path):
        table = pd.DataFrame({"method": ["linear"]})
        table.attrs["study"] = "fingerprint"
        OptionalParquetDataset(filepath=str(tmp_path / "scores.parquet")).save(table)
        assert OptionalParquetDataset(filepath=str(tmp_path / "scores.parquet")).load().attrs == {
            "study": "fingerprint"
        }

    def test_an_untrained_model_is_nothing_but_half_a_one_is_an_error(self, tmp_path, model):
        dataset = OptionalModelDataset(filepath=str(tmp_path / "model"))
        assert dataset.load() is None
        dataset.save(model)
        assert dataset.load().card["intended_use"] == "a test"
        (tmp_path / "model" / "weights.safetensors").unlink()
        with pytest.raises(DatasetError, match=r"weights\.safetensors"):
            dataset.load()


@pytest.mark.parametrize(
    "kind",
    [FigureDataset, FolderDataset, SubjectStoreDataset, ModelDataset, OptionalModelDataset, OptionalArraysDataset],
)
class TestEveryDataset:
    def test_it_travels_to_other_processes(self, kind, tmp_path):
        dataset = pickle.loads(pickle.dumps(kind(filepath=str(tmp_path), metadata=LAYER)))
        assert str(tmp_path) in str(dataset)

    def test_it_keeps_the_layer_for_viz_and_tracking(self, kind, tmp_path):
        assert kind(filepath=str(tmp_path), metadata=LAYER).metadata == LAYER
