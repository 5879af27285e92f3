"""Settings that do not fit, each tried here: the message is the one that docs/faults.md promises."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.evaluation.parameters import EvaluationParameters, RobustnessParameters
from mrisynth_pipeline.hooks import MissingProducts
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.models.aginet import AGINetArchitecture
from mrisynth_pipeline.models.codebrain import CodeBrainArchitecture
from mrisynth_pipeline.models.neuroquant import NeuroQuantArchitecture
from mrisynth_pipeline.pipelines.aginet.nodes import train_aginet
from mrisynth_pipeline.pipelines.aginet_ablation.nodes import run_variants
from mrisynth_pipeline.pipelines.aginet_ablation.parameters import AblationParameters
from mrisynth_pipeline.pipelines.neuroquant.nodes import train_autoencoder, train_code_predictor
from mrisynth_pipeline.pipelines.robustness.nodes import draw_misalignments
from mrisynth_pipeline.pipelines.stage1.nodes import train_autoencoder as learn_to_encode
from mrisynth_pipeline.pipelines.stage2.nodes import train_code_predictor as learn_codes
from mrisynth_pipeline.training.anatomical import AnatomicalParameters
from mrisynth_pipeline.training.autoencoding import AutoencodingParameters
from mrisynth_pipeline.training.code_prediction import CodePredictionParameters
from mrisynth_pipeline.training.index_prediction import IndexPredictionParameters
from mrisynth_pipeline.training.translation import TranslationParameters

SMALL = {"widths": (4, 8), "window": (16, 16, 8)}
QUANTISED = {
    **{"widths": (4, 8), "encoder_attention": (), "decoder_attention": (), "heads": 2, "window": (16, 16, 8)},
    **{"anatomical_channels": 4, "style_channels": 2, "film_hidden": 4, "codebook_size": 8, "codebook_dim": 4},
}
SLICES = TranslationParameters(discriminator_width=2)
BENT = SLICES.model_copy(update={"augmentation": SLICES.augmentation.model_copy(update={"elastic": True})})


class Bench:
    """What nodes are given: a study of t1, t2 and pd on a grid of 32×32×8 voxels."""

    def __init__(self, study: dict, subjects: Any, folder: Path, catalog: Any, nodes: dict) -> None:
        self.study, self.subjects, self.folder = study, subjects, folder
        self.catalog, self.nodes = catalog, nodes

    def train(self, architecture: dict, training: TranslationParameters = SLICES) -> None:
        sizes = AGINetArchitecture(**SMALL | architecture)
        train_aginet(self.study, self.subjects, self.folder, sizes, training)

    def ablate(self, variant: dict, **options) -> None:
        parameters = AblationParameters(
            variants={"conv": {"architecture": {"strategy": "none"}}, "gr": variant}, **options
        )
        split = pd.DataFrame({"subject": list("abcdef"), "patient": list("abcdef")})
        groups = AGINetArchitecture(**SMALL), SLICES, parameters, EvaluationParameters(), PreprocessingParameters()
        run_variants(self.study, split, self.subjects, self.folder, *groups)

    def quantise(self, architecture: dict, stage2: dict, stage1: dict | None = None) -> None:
        sizes = NeuroQuantArchitecture(**QUANTISED | architecture)
        steps = {"steps": 1, "batch_size": 1, "warmup_steps": 1, "precision": "32-true"}
        patches = {"patch_size": (16, 16, 8), "optimisation": steps}
        first = AnatomicalParameters(**patches | (stage1 or {}))
        autoencoder, _ = train_autoencoder(self.study, self.subjects, self.folder, sizes, first)
        second = IndexPredictionParameters(**patches | {"predictor_widths": (4, 8)} | stage2)
        train_code_predictor(autoencoder, self.study, self.subjects, self.folder, second)

    def learn_codes(self, complete: str, **switches: bool) -> None:
        study = self.study | {"complete": list(complete)}
        sizes = CodeBrainArchitecture(posterior_width=2, common_width=2, decoder_width=2, depth=1)
        steps = {"steps": 1, "batch_size": 1}
        first = AutoencodingParameters(optimisation=steps, adversarial_weight=0.0)
        autoencoder, _ = learn_to_encode(study, self.subjects, self.folder, sizes, first)
        second = CodePredictionParameters(optimisation=steps, **switches)
        learn_codes(autoencoder, study, self.subjects, self.folder, second)

    def quantise_alone(self) -> None:
        scans = {subject: {"t2", "pd"} for subject in self.study["train"]}
        self.subjects = self.subjects.without(scans)
        self.quantise({}, {})

    def misalign(self, modalities: tuple[str, ...], inputs: str = "") -> None:
        study = self.study | {"modalities": list(modalities)}
        draw_misalignments(study, self.subjects, RobustnessParameters(inputs=inputs), PreprocessingParameters())

    def ask_for(self, product: str, node: str) -> None:
        hook = MissingProducts()
        hook.after_catalog_created(self.catalog)
        hook.before_node_run(self.nodes[node], {product: None, "study": self.study})


FAULTS: dict[str, Callable[[Bench], None]] = {
    "a scenario with a contrast that the study lacks": lambda b: b.train({"scenario": "t1+t2->flair"}),
    "a scenario that says no target": lambda b: b.train({"scenario": "t1+t2"}),
    "a scenario that asks for what it is given": lambda b: b.train({"scenario": "t1+t2->t2"}),
    "groups that do not divide the channels": lambda b: b.train({"widths": (6, 12)}),
    "a 3D window that cannot be halved": lambda b: b.train({"spatial_dims": 3, "window": (16, 9, 8)}),
    "3D patches that are to be bent": lambda b: b.train({"spatial_dims": 3}, BENT),
    "a grid too small for the discriminator": lambda b: b.train({"spatial_dims": 3}),
    "a variant with an unknown option": lambda b: b.ablate({"architecture": {"attenton": False}}),
    "a variant that cannot be built": lambda b: b.ablate({"architecture": {"n_groups": 3}}),
    "more folds than patients": lambda b: b.ablate({}, folds=9),
    "two contrasts, of which one would be moved": lambda b: b.misalign(("t1", "t2")),
    "one input, which would be moved": lambda b: b.misalign(("t1", "t2", "pd"), "t1"),
    "a continuous autoencoder with a predictor of codes": lambda b: b.quantise({"quantise": False}, {}),
    "a predictor whose widths the heads do not divide": lambda b: b.quantise({}, {"predictor_widths": (4, 7)}),
    "patches smaller than the window of SSIM": lambda b: b.quantise({}, {}, {"patch_size": (16, 16, 4)}),
    "nobody complete to train on": lambda b: b.learn_codes(complete=""),
    "codes of incomplete stacks for an autoencoder that met none": lambda b: b.learn_codes("abcdef", incomplete=True),
    "nobody with two contrasts to train on": lambda b: b.quantise_alone(),
    "a method that has not been trained": lambda b: b.ask_for("aginet.model", "aginet.score"),
}
"""What is wrong (a row of docs/faults.md) → how to come upon it."""


@pytest.fixture
def bench(trio_study, trio, tmp_path, configured, registered) -> Bench:
    nodes = {node.name: node for node in registered["aginet"].nodes}
    return Bench(trio_study, trio, tmp_path / "work", configured("base").catalog, nodes)


def promised(project: Path) -> dict[str, str]:
    """Fault → message, as docs/faults.md says."""
    section = (project / "docs/faults.md").read_text().split("\n## ")[1]
    return dict(re.findall(r"^\| ([^|]+?) \| `` (.+?) `` \|$", section, flags=re.MULTILINE))


def test_the_page_lists_the_faults_tried_here_and_no_others(project):
    assert list(promised(project)) == list(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gives_the_message_that_the_page_promises(name, bench, project):
    with pytest.raises(InputError) as caught:
        FAULTS[name](bench)
    seen = str(caught.value).replace(str(project), "")
    assert "\n" not in seen
    assert seen == promised(project)[name]
