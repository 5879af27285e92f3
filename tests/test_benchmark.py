"""The benchmark from end to end, tiny: every method in all tables, nothing done twice, one's own method for free."""

import importlib.util
import json
import re

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from monai.metrics import PSNRMetric
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.door import impute_volume
from mrisynth_pipeline.models.packaging import NETWORKS, load_model
from mrisynth_pipeline.pipelines.recipes import RECIPES
from mrisynth_pipeline.sampling.availability import parse_subset
from mrisynth_pipeline.sampling.slices import brain_slices

CONTESTANTS = {"brightest": {"method": "brightest"}}


@pytest.fixture(scope="module")
def toy_method(project):
    """The documented method, registered as a user registers one."""
    source = project / "tests" / "toy_method.py"
    lines = [line for line in source.read_text().splitlines()[1:] if line.strip()]
    assert len(lines) < 40, "as promised"
    specification = importlib.util.spec_from_file_location("toy_method", source)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    yield module
    del RECIPES["brightest"], NETWORKS["brightest"]


@pytest.fixture(scope="module")
def benchmark(finished_project, toy_method, tmp_path_factory):
    made = finished_project.copy(tmp_path_factory.mktemp("benchmark") / "project")
    made.run(
        {"benchmark": {"only": "codebrain+resunet+linear+mean+brightest", "contestants": CONTESTANTS}},
        pipeline_names=["benchmark"],
    )
    return made


@pytest.fixture(scope="module")
def summary(benchmark):
    return json.loads((benchmark.data / "08_reporting" / "benchmark.json").read_text())


@pytest.fixture(scope="module")
def page(benchmark):
    return (benchmark.data / "08_reporting" / "benchmark.html").read_text()


NAMES = ("codebrain", "resunet", "linear", "mean", "brightest")


class TestTables:
    def test_every_method_stands_in_all_of_them(self, summary):
        assert set(NAMES) <= set(summary["scores"]["methods"])
        assert set(NAMES) == set(summary["trainings"])
        assert set(NAMES) <= set(summary["details"])
        for ranking in summary["ranking"].values():
            assert set(ranking["mean_ranks"]) == set(NAMES)
        dice = summary["downstream"]["segmenter"]["segmentation"]
        assert {*NAMES, "real", "zero"} == set(dice["methods"])
        found = summary["downstream"]["segmenter"]["hallucinations"]
        assert {*NAMES, "zero"} == set(found["methods"])
        assert all(set(NAMES) == set(of_subject) for of_subject in summary["subjects"].values())

    def test_floor_and_ceilings_are_no_competitors(self, summary):
        methods = summary["scores"]["methods"]
        limits = {name for name, entry in methods.items() if entry["reference"]}
        assert limits == {"blank", "resampled", "codebrain_true_codes"}
        psnr = {name: entry["overall"]["volume"]["psnr"]["mean"] for name, entry in methods.items()}
        assert psnr["blank"] < min(psnr[name] for name in NAMES)
        assert psnr["resampled"] > max(psnr[name] for name in NAMES)

    def test_seeds_are_averaged_and_told_but_are_no_samples(self, summary, benchmark):
        assert summary["seeds"] == 2
        scores = pd.read_parquet(benchmark.data / "07_model_output" / "benchmark" / "scores.parquet")
        assert scores.groupby(["variant", "seed"]).ngroups == 2 * len(NAMES)
        n = scores["subject"].nunique()
        assert summary["scores"]["n_subjects"] == n
        assert all(entry["n"] == n for entry in summary["scores"]["comparisons"])
        own = scores[scores["variant"] == "resunet"]
        assert own["volume_psnr"].mean() == pytest.approx(
            summary["scores"]["methods"]["resunet"]["overall"]["volume"]["psnr"]["mean"]
        )
        by_seed = own.groupby("seed")["volume_psnr"].mean()
        assert by_seed.std(ddof=1) == pytest.approx(summary["trainings"]["resunet"]["seed_sd"])
        assert by_seed.nunique() == 2, "another seed is another network"

    def test_costs_are_measured(self, summary):
        for name in ("codebrain", "resunet"):
            entry = summary["trainings"][name]
            assert entry["giga_macs"] > 0
            assert entry["seconds"] > 0
            assert entry["parameters"] > 1000
            assert entry["seconds_per_volume"] > 0

    def test_baselines_are_asked_of_every_trained_method(self, summary):
        pairs = {(entry["first"], entry["second"]) for entry in summary["asked"]}
        assert pairs == {(name, base) for name in ("codebrain", "resunet", "brightest") for base in ("linear", "mean")}

    def test_healthy_subjects_are_searched_for_tumour(self, summary):
        found = summary["downstream"]["segmenter"]["hallucinations"]
        assert found["n_healthy"] == 1
        false = [row["false_ml"] for row in found["healthy"] if row["method"] == "resunet"]
        assert len(false) == 4 * 3, "every contrast, every region"
        assert all(entry["n"] == 1 and entry["mean"] >= 0 for entry in false)

    def test_the_worst_are_named_with_what_is_usual_and_who_does_better(self, summary):
        assert len(summary["worst"]) == 2
        for case in summary["worst"]:
            assert case["psnr"] <= case["usual"] + 1e-9
            assert case["rival"] != summary["leader"]


class TestHandRecomputation:
    """Two cells of the table from the images themselves, by other people's code."""

    @pytest.mark.parametrize(("name", "inputs", "target"), [("resunet", "t1", "t2"), ("linear", "t1+t2+flair", "t1c")])
    def test_slice_and_volume_scores(self, benchmark, name, inputs, target):
        study = json.loads((benchmark.data / "05_model_input" / "study.json").read_text())
        modalities = tuple(study["modalities"])
        scores = pd.read_parquet(benchmark.data / "07_model_output" / "benchmark" / "scores.parquet")
        rows = scores[(scores["variant"] == name) & (scores["inputs"] == inputs) & (scores["target"] == target)]
        row = rows[rows["seed"] == 1].iloc[0]
        workspace = benchmark.data / "06_models" / "benchmark" / "trials_workspace"
        network = load_model(workspace / name / "seed_1" / "fold_0" / "model").network
        file = SubjectStore(benchmark.data / "05_model_input" / "subjects").open(row["subject"])
        volumes, channel = torch.from_numpy(file.volumes()).float(), modalities.index(target)
        imputed = impute_volume(network, volumes, parse_subset(inputs, modalities))[channel]
        truth, mask = volumes[channel], torch.from_numpy(file.mask())

        chosen = brain_slices(file.mask(), 0.05)
        made, real = imputed[chosen][:, None], truth[chosen][:, None]
        psnr = PSNRMetric(max_val=1.0, reduction="none")(made, real).mean().item()
        assert row["slice_psnr"] == pytest.approx(psnr, abs=1e-3)
        ssim = structural_similarity_index_measure(made, real, data_range=1.0, reduction="none").mean().item()
        assert row["slice_ssim"] == pytest.approx(100 * ssim, abs=0.05)
        assert row["slice_mae"] == pytest.approx(1000 * (made - real).abs().mean().item(), rel=1e-4)
        inside = peak_signal_noise_ratio(imputed[mask], truth[mask], data_range=1.0).item()
        assert row["volume_psnr"] == pytest.approx(inside, abs=1e-3)


class TestPage:
    def test_it_needs_nothing_but_itself(self, page):
        assert not re.search(r"(src|href)=\"(https?:)?//", page)
        assert "Phantom data" in page

    def test_it_has_every_section(self, page):
        for anchor in ("results", "statistics", "examples", "pairs", "regions", "downstream", "failures", "costs"):
            assert f'<section id="{anchor}">' in page

    def test_it_says_of_every_baseline_whether_it_is_beaten(self, page):
        for name in ("linear regression", "the mean image"):
            assert re.search(rf"(Every trained method is ahead of|Not ahead of) {name}", page)

    def test_it_says_what_is_missing(self, page):
        assert "No LPIPS" in page


class TestRuns:
    def test_each_trial_is_a_nested_run_with_its_numbers(self, benchmark, summary):
        with benchmark.entered():
            client = mlflow.tracking.MlflowClient(f"sqlite:///{benchmark.folder / 'mlflow.db'}")
            experiments = [experiment.experiment_id for experiment in client.search_experiments()]
            runs = client.search_runs(experiments, "tags.variant = 'resunet'")
        assert {run.data.tags["seed"] for run in runs} == {"0", "1"}
        assert len({run.data.tags["mlflow.parentRunId"] for run in runs}) == 1
        assert all(run.info.status == "FINISHED" for run in runs)
        psnr = np.mean([run.data.metrics["volume_psnr"] for run in runs])
        assert psnr == pytest.approx(summary["scores"]["methods"]["resunet"]["overall"]["volume"]["psnr"]["mean"])
        assert runs[0].data.params["training.optimisation.steps"] == "3"
        assert any(name.startswith("dice.segmenter.") for name in runs[0].data.metrics)

    def test_nothing_is_trained_or_examined_again(self, benchmark, toy_method, summary, monkeypatch):
        def refuse(*_):
            raise AssertionError("a trial was begun again")

        monkeypatch.setattr("mrisynth_pipeline.pipelines.trials._do", refuse)
        benchmark.run(
            {"benchmark": {"only": "codebrain+resunet+linear+mean+brightest", "contestants": CONTESTANTS}},
            pipeline_names=["benchmark"],
        )
        again = json.loads((benchmark.data / "08_reporting" / "benchmark.json").read_text())
        assert again == summary

    def test_a_further_seed_is_trained_alone_in_processes_if_asked(self, benchmark, toy_method):
        asked = {"only": "resunet+linear", "seeds": 3, "workers": 2, "forecast": False, "failures": 0}
        benchmark.run({"benchmark": asked}, pipeline_names=["benchmark"])
        with benchmark.entered():
            client = mlflow.tracking.MlflowClient(f"sqlite:///{benchmark.folder / 'mlflow.db'}")
            experiments = [experiment.experiment_id for experiment in client.search_experiments()]
            [run] = client.search_runs(experiments, "tags.variant = 'resunet' and tags.seed = '2'")
            parent = client.get_run(run.data.tags["mlflow.parentRunId"])
        assert run.info.status == "FINISHED"
        assert run.data.metrics["training_seconds"] > 0
        assert parent.info.run_name == "benchmark"
        summary = json.loads((benchmark.data / "08_reporting" / "benchmark.json").read_text())
        assert summary["trainings"]["resunet"]["seeds"] == 3
        assert summary["worst"] == []

    def test_a_method_that_fails_leaves_the_others_standing_and_is_named(self, benchmark, toy_method, monkeypatch):
        def broken(*_):
            raise RuntimeError("out of memory")

        monkeypatch.setitem(
            RECIPES, "resunet", type(RECIPES["resunet"])(RECIPES["resunet"].parts, RECIPES["resunet"].members, broken)
        )
        only = {
            "benchmark": {"only": "resunet+linear+mean", "seeds": 1, "contestants": {"resunet": {"method": "resunet"}}}
        }
        options = {"resunet": {"training": {"l1_weight": 50.0}}}  # another training than the one that is kept
        benchmark.run(only | options, pipeline_names=["benchmark"])
        table = (benchmark.data / "08_reporting" / "benchmark.html").read_text()
        assert "ResUNet, seed 0, fold 0: not trained (out of memory)" in table
        summary = json.loads((benchmark.data / "08_reporting" / "benchmark.json").read_text())
        assert {"linear", "mean"} <= set(summary["scores"]["methods"])
        assert "resunet" not in summary["scores"]["methods"]
