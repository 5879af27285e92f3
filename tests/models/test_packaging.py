"""Model folders: what comes back is what was saved, and nothing else is ever read."""

import json
import pickle

import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.models.aginet import AGINet
from mrisynth_pipeline.models.baselines import LinearRegression, MeanImage
from mrisynth_pipeline.models.codebrain import CodeBrain, CodeBrainArchitecture, CodeBrainAutoencoder
from mrisynth_pipeline.models.mmhvae import MMHVAE
from mrisynth_pipeline.models.neuroquant import NeuroQuant, NeuroQuantAutoencoder
from mrisynth_pipeline.models.packaging import CARD, NETWORKS, WEIGHTS, TrainedModel, load_model, save_model
from mrisynth_pipeline.models.resunet import ResUNet
from mrisynth_pipeline.models.segmenter import Segmenter
from mrisynth_pipeline.models.vqvae import MonaiVQVAE

SMALL = CodeBrainArchitecture(posterior_width=4, common_width=4, decoder_width=4, depth=1)
UNET = {"widths": (4, 8), "spatial_dims": 3, "window": (16, 8, 8), "scenario": "t1->t2"}
QUANT = {"widths": (8, 8), "encoder_attention": (2,), "decoder_attention": (), "heads": 2, "codebook_size": 16}
EXAMPLES = {
    "aginet": lambda: AGINet(("t1", "t2"), {**UNET, "strategy": "encoder", "n_groups": 2}),
    "codebrain": lambda: CodeBrain(("t1", "t2"), SMALL),
    "codebrain_autoencoder": lambda: CodeBrainAutoencoder(2, SMALL),
    "linear": lambda: LinearRegression(("t1", "t2")),
    "mean": lambda: MeanImage(("t1", "t2"), (3, 4, 5)),
    "mmhvae": lambda: MMHVAE(("t1", "t2"), {"levels": 2, "width": 4, "max_width": 4, "head_blocks": 1}),
    "monai_vqvae": lambda: MonaiVQVAE(("t1", "t2"), {"channels": (4, 6), "codebook_size": 16, "window": (16, 8, 8)}),
    "neuroquant": lambda: NeuroQuant(("t1", "t2"), {**QUANT, "window": (16, 8, 8)}, predictor_widths=(4, 8)),
    "neuroquant_autoencoder": lambda: NeuroQuantAutoencoder(("t1", "t2"), {**QUANT, "conditioning": "concat"}),
    "resunet": lambda: ResUNet(("t1", "t2"), UNET),
    "segmenter": lambda: Segmenter(("t1", "t2"), width=8, blocks_down=(1, 1)),
}


def test_every_network_has_an_example():
    assert set(EXAMPLES) == set(NETWORKS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_network_comes_back_as_it_was(name, tmp_path):
    network = EXAMPLES[name]()
    save_model(TrainedModel(network, {"cohort": "phantom"}), tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert type(loaded.network) is type(network)
    assert not loaded.network.training
    assert loaded.card["cohort"] == "phantom"
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]  # nothing temporary left


def test_saving_again_replaces_the_folder(tmp_path):
    for cohort in ("first", "second"):
        save_model(TrainedModel(EXAMPLES["linear"](), {"cohort": cohort}), tmp_path / "model")
    assert load_model(tmp_path / "model").card["cohort"] == "second"


@pytest.fixture
def folder(tmp_path):
    save_model(TrainedModel(EXAMPLES["linear"](), {}), tmp_path / "model")
    return tmp_path / "model"


def test_who_may_read_the_card_may_read_the_weights(folder):
    assert (folder / WEIGHTS).stat().st_mode == (folder / CARD).stat().st_mode


def test_a_folder_without_a_card_is_no_model(tmp_path):
    with pytest.raises(InputError, match=r"holds no model_card\.json"):
        load_model(tmp_path)


def test_an_unknown_network_is_refused(folder):
    (folder / CARD).write_text(json.dumps({"network": "os.system", "construction": {}}))
    with pytest.raises(InputError, match="names no known network"):
        load_model(folder)


def test_a_pickle_in_disguise_is_never_unpickled(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (folder / WEIGHTS).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        load_model(folder)
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_size_are_refused(folder, tmp_path):
    save_model(TrainedModel(LinearRegression(("t1", "t2", "pd")), {}), tmp_path / "other")
    (tmp_path / "other" / WEIGHTS).replace(folder / WEIGHTS)
    with pytest.raises(InputError, match="do not fit together"):
        load_model(folder)
