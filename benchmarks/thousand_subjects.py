"""Ingestion and preprocessing of many subjects: constant memory, and a kill in the middle that costs nothing twice.

    python benchmarks/thousand_subjects.py                  # 100 against 1000 tiny subjects, then kill -9 and resume

Subjects are skull-stripped balls of 24³ voxels in the BraTS layout, four contrasts and a label map each: what is
measured is the machinery, not the image processing. Each run is `kedro run` in a fresh process; memory is the largest
sum over it and its workers (unique set size), sampled every 100 ms.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import psutil
from family_memory import family_memory

from mrisynth_pipeline.cohorts.manifest import CSV_LOAD_ARGUMENTS, validate_manifest

PROJECT = Path(__file__).resolve().parents[1]
SIZE = 24


def fabricate(raw: Path, subjects: int) -> None:
    """Write subjects ``BraTS-GLI-00000-000`` and on."""
    index = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    radius = np.linalg.norm(index, axis=0)
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    for number in range(subjects):
        generator = np.random.default_rng(number)
        folder = raw / f"BraTS-GLI-{number:05d}-000"
        folder.mkdir(parents=True)
        for contrast in ("t1n", "t1c", "t2w", "t2f"):
            brain = np.where(radius < 0.4 * SIZE, generator.uniform(100, 1000, radius.shape), 0).astype(np.int16)
            nib.save(nib.Nifti1Image(brain, affine), folder / f"{folder.name}-{contrast}.nii.gz")
        labels = np.where(radius < 4, generator.integers(1, 4, radius.shape), 0).astype(np.uint8)
        nib.save(nib.Nifti1Image(labels, affine), folder / f"{folder.name}-seg.nii.gz")


def start(raw: Path, out: Path) -> psutil.Popen:
    """``kedro run`` of ingestion and preprocessing in a process group of its own."""
    parameters = {
        "cohort.kind": "brats",
        "cohort.raw_dir": raw,
        "data_dir": out,
        "preprocessing.workers": 2,
    }
    command = [sys.executable, "-m", "kedro", "run", "--env", "test"]  # its grid is small
    command += ["--pipelines", "ingestion,preprocessing", "--params"]
    command.append(",".join(f"{name}={value}" for name, value in parameters.items()))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return psutil.Popen(command, cwd=PROJECT, start_new_session=True, **quiet)


def watch(process: psutil.Popen, done, limit: float = 3600) -> tuple[float, float]:
    """Wait until a process ends or ``done()`` holds; returns seconds and peak bytes of it and its children."""
    peak, begin = 0, time.perf_counter()
    while process.poll() is None and not done():
        peak = max(peak, family_memory(process))
        if time.perf_counter() - begin > limit:
            raise TimeoutError("the run takes too long")
        time.sleep(0.1)
    return time.perf_counter() - begin, peak


def files_of(out: Path) -> dict[str, int]:
    """Finished subject files → time of writing."""
    return {path.name: path.stat().st_mtime_ns for path in (out / "05_model_input/subjects").glob("*.safetensors")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, nargs=2, default=[100, 1000], help="few, many")
    few, many = parser.parse_args().subjects
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fabricate(folder / "few", few)
        fabricate(folder / "many", many)
        print(f"{'subjects':>8} {'seconds':>8} {'peak MiB':>9}")
        for label, count in (("few", few), ("many", many)):
            seconds, peak = watch(start(folder / label, folder / f"out-{label}"), lambda: False)
            assert len(files_of(folder / f"out-{label}")) == count, "subjects are missing"
            print(f"{count:8d} {seconds:8.1f} {peak / 2**20:9.0f}", flush=True)

        out = folder / "out-killed"
        journal, manifest = (
            out / "02_intermediate/ingestion_workspace/checks.jsonl",
            out / "02_intermediate/manifest.csv",
        )
        process = start(folder / "many", out)
        watch(process, lambda: journal.is_file() and journal.read_bytes().count(b"\n") > 2 * many)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        checked = journal.read_bytes().count(b"\n")
        print(f"\nkilled in ingestion after {checked} of {5 * many} files; manifest there: {manifest.exists()}")
        process = start(folder / "many", out)
        watch(process, lambda: len(files_of(out)) > many // 2)
        kept = journal.read_bytes().count(b"\n")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        rows = len(validate_manifest(pd.read_csv(manifest, **CSV_LOAD_ARGUMENTS)))
        before = files_of(out)
        print(f"resumed: {kept} checks in the journal; manifest whole with {rows} rows")
        print(f"killed in preprocessing after {len(before)} of {many} subjects")
        seconds, _ = watch(start(folder / "many", out), lambda: False)
        after = files_of(out)
        repeated = sum(after[file] != written for file, written in before.items())
        print(f"resumed in {seconds:.1f} s: {len(after)} subjects, {repeated} finished ones repeated")


if __name__ == "__main__":
    main()
