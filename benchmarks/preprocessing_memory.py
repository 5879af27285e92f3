"""Peak memory of preprocessing with few and with many subjects: it must not grow with the cohort.

    python benchmarks/preprocessing_memory.py            # 5 against 25 phantom subjects

Each run is a fresh process; the peak is that of it and its workers together, sampled every 50 ms.
"""

import argparse
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path

import psutil
from family_memory import family_memory

from mrisynth_pipeline.cohorts.manifest import build_manifest
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom import fabricate_cohort
from mrisynth_pipeline.imaging.cohort import preprocess_cohort
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore

MODALITIES = ("t1", "t1c", "t2", "flair")


def prepare(raw: Path, out: Path, workers: int, results) -> None:
    """Preprocess a cohort and report (subjects, seconds, peak bytes)."""
    manifest = build_manifest("phantom-brats", "brats", raw, MODALITIES, workers=1, registered=False)
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, family_memory(psutil.Process()))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    index = preprocess_cohort(
        manifest, SubjectStore(out), PreprocessingParameters(workers=workers), modalities=MODALITIES
    )
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    results.put((len(index), seconds, peak))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, nargs="+", default=[5, 25])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--spacing", type=float, default=2.0, help="voxel size of the phantom in mm")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print(f"{'subjects':>8} {'seconds':>8} {'per subject':>11} {'peak MiB':>9}")
    for n_subjects in options.subjects:
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "raw"
            phantom = PhantomParameters(n_subjects=n_subjects, spacing_mm=options.spacing)
            fabricate_cohort(phantom, False, raw, workers=options.workers)
            results = context.Queue()
            process = context.Process(target=prepare, args=(raw, Path(folder) / "subjects", options.workers, results))
            process.start()
            done, seconds, peak = results.get()
            process.join()
            print(f"{done:8d} {seconds:8.1f} {seconds / done:11.2f} {peak / 2**20:9.0f}", flush=True)


if __name__ == "__main__":
    main()
