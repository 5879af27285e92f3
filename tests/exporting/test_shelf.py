"""A name means one model; what is none is refused with a word on why."""

import json
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import load_file

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.package import write_zip
from mrisynth_pipeline.exporting.reading import load_imputer
from mrisynth_pipeline.exporting.shelf import resolve_model, shelved_models
from mrisynth_pipeline.models.codebrain import CodeBrainArchitecture, CodeBrainAutoencoder
from mrisynth_pipeline.models.packaging import CARD, WEIGHTS, TrainedModel, save_model
from mrisynth_pipeline.models.segmenter import Segmenter

SMALL = CodeBrainArchitecture(posterior_width=4, common_width=4, decoder_width=4, depth=1)


class TestWhatANameMeans:
    def test_a_method_is_its_package_before_its_bare_model(self, data):
        assert resolve_model("resunet", data) == data / "06_models" / "resunet" / "package"
        assert resolve_model("linear", data) == data / "06_models" / "linear" / "model"

    @pytest.mark.parametrize("name", ["model", "model/model_card.json", "model/weights.safetensors"])
    def test_a_folder_and_its_files(self, data, name):
        methods = data / "06_models"
        assert resolve_model(str(methods / "linear" / name), data) == methods / "linear" / "model"

    def test_the_folder_of_a_method(self, data):
        assert resolve_model(str(data / "06_models" / "resunet"), data).name == "package"

    def test_an_unknown_name_is_answered_with_those_at_hand(self, data):
        with pytest.raises(InputError, match=r"no such model.* has linear, resunet"):
            resolve_model("codebrain", data)

    def test_an_archive_is_unpacked_into_the_cache_once(self, data, model, tmp_path):
        archive = write_zip(model, tmp_path / "sent.zip")
        folder = resolve_model(str(archive), data)
        assert folder.is_relative_to(tmp_path / "cache")
        for name, value in load_file(model / WEIGHTS).items():
            assert torch.equal(load_imputer(folder).network.state_dict()[name], value)
        before = (folder / WEIGHTS).stat().st_mtime_ns
        assert resolve_model(str(archive), data) == folder
        assert (folder / WEIGHTS).stat().st_mtime_ns == before


class TestWhatIsRefused:
    @pytest.fixture
    def trap(self, tmp_path):
        """A pickle that would leave a file behind."""

        class Trap:
            def __reduce__(self):
                return (open, (str(tmp_path / "sprung"), "w"))

        yield Trap()
        assert not (tmp_path / "sprung").exists()

    @pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
    def test_a_pickle_under_the_name_of_the_weights(self, model, data, trap, write):
        write(trap, model / WEIGHTS)
        with pytest.raises(InputError, match=r"weights\.safetensors: .*will not be unpickled"):
            resolve_model(str(model), data)

    def test_a_pickle_in_place_of_the_weights(self, model, data, trap):
        (model / WEIGHTS).unlink()
        torch.save(trap, model / "pytorch_model.bin")
        with pytest.raises(InputError, match=r"pytorch_model\.bin: .*will not be unpickled"):
            resolve_model(str(model), data)

    def test_a_folder_or_file_or_archive_of_pickles(self, tmp_path, data, trap):
        (tmp_path / "stranger").mkdir()
        checkpoint = tmp_path / "stranger" / "best.ckpt"
        torch.save(trap, checkpoint)
        with zipfile.ZipFile(tmp_path / "stranger.zip", "w") as archive:
            archive.write(checkpoint, "stranger/best.ckpt")
        for name in (checkpoint.parent, checkpoint, tmp_path / "stranger.zip"):
            with pytest.raises(InputError, match=r"best\.ckpt: .*will not be unpickled"):
                resolve_model(str(name), data)

    def test_weights_that_are_missing(self, model, data):
        (model / WEIGHTS).unlink()
        with pytest.raises(InputError, match="is missing"):
            resolve_model(str(model), data)

    @pytest.mark.parametrize(
        ("network", "name"),
        [
            (lambda: CodeBrainAutoencoder(2, SMALL), "codebrain_autoencoder"),
            (lambda: Segmenter(("t1", "t2"), width=8, blocks_down=(1, 1)), "segmenter"),
        ],
    )
    def test_what_imputes_nothing(self, tmp_path, data, network, name):
        save_model(TrainedModel(network()), tmp_path / "other")
        with pytest.raises(InputError, match=f"holds a {name}, which imputes nothing"):
            resolve_model(str(tmp_path / "other"), data)

    def test_an_archive_that_reaches_out_of_its_folder(self, tmp_path, data):
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
            archive.writestr("../model_card.json", "{}")
        with pytest.raises(InputError, match="is unsafe"):
            resolve_model(str(tmp_path / "evil.zip"), data)
        assert not list((tmp_path / "cache").rglob(CARD))

    def test_an_archive_of_something_else(self, tmp_path, data):
        with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
            archive.writestr("cat.jpg", b"cat")
        with pytest.raises(InputError, match="holds nothing to read"):
            resolve_model(str(tmp_path / "photos.zip"), data)

    def test_graphs_and_other_files(self, tmp_path, data):
        for name, problem in (("model.onnx", "without preprocessing"), ("notes.txt", "is no model")):
            (tmp_path / name).touch()
            with pytest.raises(InputError, match=problem):
                resolve_model(str(tmp_path / name), data)


class TestTheList:
    def test_only_imputers_are_listed_each_once(self, data):
        save_model(TrainedModel(Segmenter(("t1",), 8, (1, 1))), data / "06_models" / "segmenter" / "model")
        shelved, problems = shelved_models(data)
        assert [(model.name, model.kind) for model in shelved] == [("linear", "model"), ("resunet", "package")]
        assert problems == []

    def test_a_damaged_folder_does_not_hide_the_others(self, data):
        (data / "06_models" / "linear" / "model" / CARD).write_text(json.dumps({"network": "unheard of"}))
        shelved, problems = shelved_models(data)
        assert [model.name for model in shelved] == ["resunet"]
        assert "names no known network" in str(problems[0])

    def test_no_data_folder(self, tmp_path):
        with pytest.raises(InputError, match="no such folder"):
            shelved_models(tmp_path / "nowhere")
