"""A trial is done once: what is finished is taken over, what was killed goes on, what changed is made again."""

import os
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.models.baselines import MeanImage
from mrisynth_pipeline.models.packaging import TrainedModel
from mrisynth_pipeline.pipelines.trials import Trial, run_trials


class Bench:
    """Makes trials of a mean image, and counts what is done for them."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.judged: list[str] = []
        self.fails: dict[str, BaseException] = {}
        """``train x`` or ``judge x`` → what happens there."""

    def trial(self, name: str, seed: int = 0, identity: str = "data", judgement: str = "measures") -> Trial:
        def train(folder: Path) -> TrainedModel:
            self._do("train", name, self.trained)
            network = MeanImage(("t1", "t2"), (2, 3, 4))
            network.accumulate(torch.full((2, 2, 3, 4), 0.1 * (seed + 1)), torch.tensor([True, True]))
            return TrainedModel(network.eval(), {})

        def judge(model: TrainedModel) -> dict[str, pd.DataFrame]:
            self._do("judge", name, self.judged)
            images = model.network.impute(torch.zeros(1, 2, 2, 3, 4), torch.tensor([[True, False]]))
            return {"scores": pd.DataFrame({"subject": ["a", "b"], "level": images[0, 1, 0, 0, 0].item()})}

        return Trial(name, seed, 0, identity, judgement, train, judge)

    def _do(self, what: str, name: str, done: list[str]) -> None:
        if f"{what} {name}" in self.fails:
            raise self.fails[f"{what} {name}"]
        done.append(name)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_tables_stand_one_below_the_other_and_say_whose_they_are(bench, tmp_path):
    tables = run_trials([bench.trial("conv"), bench.trial("cagr", seed=1)], tmp_path)
    assert tables["scores"][["variant", "seed", "fold", "subject"]].to_numpy().tolist() == [
        ["conv", 0, 0, "a"], ["conv", 0, 0, "b"], ["cagr", 1, 0, "a"], ["cagr", 1, 0, "b"]
    ]  # fmt: skip
    assert tables["scores"]["level"].round(3).tolist() == [0.1, 0.1, 0.2, 0.2]
    assert list(tables["trials"]["variant"]) == ["conv", "cagr"]
    assert (tables["trials"]["parameters"] == 0).all(), "a mean image learns no weights"
    assert (tables["trials"]["seconds"] > 0).all()


def test_a_finished_trial_is_not_repeated(bench, tmp_path):
    first = run_trials([bench.trial("conv"), bench.trial("cagr")], tmp_path)
    again = run_trials([bench.trial("conv"), bench.trial("cagr")], tmp_path)
    assert (bench.trained, bench.judged) == (["conv", "cagr"], ["conv", "cagr"])
    pd.testing.assert_frame_equal(first["scores"], again["scores"])
    pd.testing.assert_frame_equal(first["trials"], again["trials"])


def test_other_data_or_settings_are_another_training(bench, tmp_path):
    run_trials([bench.trial("conv"), bench.trial("cagr")], tmp_path)
    run_trials([bench.trial("conv"), bench.trial("cagr", identity="more data")], tmp_path)
    assert (bench.trained, bench.judged) == (["conv", "cagr", "cagr"], ["conv", "cagr", "cagr"])


def test_judging_otherwise_repeats_no_training(bench, tmp_path):
    run_trials([bench.trial("conv")], tmp_path)
    tables = run_trials([bench.trial("conv", judgement="further shifts")], tmp_path)
    assert (bench.trained, bench.judged) == (["conv"], ["conv", "conv"])
    assert (tables["trials"]["seconds"] > 0).all(), "those of the training, kept"


@pytest.mark.parametrize("where", ["train", "judge"])
def test_a_killed_run_goes_on_where_it_was(bench, tmp_path, where):
    bench.fails[f"{where} cagr"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run_trials([bench.trial("conv"), bench.trial("cagr")], tmp_path)
    bench.fails.clear()
    tables = run_trials([bench.trial("conv"), bench.trial("cagr")], tmp_path)
    assert (bench.trained, bench.judged) == (["conv", "cagr"], ["conv", "cagr"])
    assert set(tables["scores"]["variant"]) == {"conv", "cagr"}


def test_a_model_whose_record_was_lost_is_made_again(bench, tmp_path):
    run_trials([bench.trial("conv")], tmp_path)
    (tmp_path / bench.trial("conv").place / "trained.json").unlink()
    run_trials([bench.trial("conv")], tmp_path)
    assert bench.trained == ["conv", "conv"]


def test_a_failing_trial_leaves_the_others_standing_and_is_tried_again(bench, tmp_path, caplog):
    bench.fails["train gr"] = RuntimeError("out of memory")
    trials = [bench.trial("conv"), bench.trial("gr"), bench.trial("cagr")]
    assert set(run_trials(trials, tmp_path)["scores"]["variant"]) == {"conv", "cagr"}
    assert "gr/seed_0/fold_0 failed" in caplog.text
    bench.fails.clear()
    assert set(run_trials(trials, tmp_path)["scores"]["variant"]) == {"conv", "gr", "cagr"}
    assert bench.trained == ["conv", "cagr", "gr"]


def test_a_training_that_fails_leaves_no_older_model_in_its_place(bench, tmp_path):
    run_trials([bench.trial("conv"), bench.trial("gr")], tmp_path)
    bench.fails["train gr"] = RuntimeError("out of memory")
    trials = [bench.trial("conv"), bench.trial("gr", identity="more data")]
    run_trials(trials, tmp_path)
    assert (tmp_path / trials[0].place / "model").is_dir()
    assert not (tmp_path / trials[1].place / "model").exists()


def test_if_all_fail_there_is_no_empty_success(bench, tmp_path):
    bench.fails = {"train conv": RuntimeError("out of memory"), "judge cagr": RuntimeError("no room")}
    with pytest.raises(RuntimeError, match=r"every trial failed: conv/seed_0/fold_0: out of memory; cagr.*no room"):
        run_trials([bench.trial("conv"), bench.trial("cagr")], tmp_path)


def test_what_the_user_must_mend_ends_the_run(bench, tmp_path):
    bench.fails["train conv"] = InputError("patch_size", "is too small", "Enlarge it")
    with pytest.raises(InputError, match="Enlarge it"):
        run_trials([bench.trial("conv"), bench.trial("cagr")], tmp_path)
    assert bench.trained == []


def _trials_of_which_one_ends_its_process(names: list[str], fatal: str) -> list[Trial]:
    bench = Bench()
    trials = [bench.trial(name) for name in names]

    def end(folder: Path) -> TrainedModel:
        os._exit(9)  # as the system does when memory runs out: no exception, no goodbye

    return [
        Trial(trial.variant, 0, 0, "data", "measures", end, trial.judge) if trial.variant == fatal else trial
        for trial in trials
    ]


def test_a_process_that_the_system_ends_takes_no_other_trial_with_it(tmp_path, caplog):
    remake = partial(_trials_of_which_one_ends_its_process, ["conv", "gr", "cagr"], "gr")
    tables = run_trials(remake(), tmp_path, 2, remake)
    assert set(tables["scores"]["variant"]) == {"conv", "cagr"}
    assert list(tables["failures"]["variant"]) == ["gr"]
    assert "one at a time" in caplog.text


def test_a_run_killed_while_it_wrote_a_record_starts_again(bench, tmp_path, monkeypatch):
    rename = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if target.name == "trained.json":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run_trials([bench.trial("conv")], tmp_path)
    run_trials([bench.trial("conv")], tmp_path)
    assert (bench.trained, bench.judged) == (["conv", "conv"], ["conv"])
