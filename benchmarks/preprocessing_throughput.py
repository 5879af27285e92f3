"""What preparing a cohort costs: volumes per minute with one and two workers, and which step takes the time.

    python benchmarks/preprocessing_throughput.py                # 4 phantom subjects of IXI's size, 1 and 2 workers
    python benchmarks/preprocessing_throughput.py --raw DIR --kind brats

The default is the phantom in the IXI layout with voxels of about 1 mm (T1, T2, PD; heads on, contrasts misaligned) on
the grid of conf/ixi. Both worker counts run one after the other in one go: compare them with each other, not with
numbers of another machine.
"""

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

from mrisynth_pipeline.cohorts.archives.layouts import get_layout
from mrisynth_pipeline.cohorts.manifest import build_manifest
from mrisynth_pipeline.cohorts.parameters import PhantomParameters
from mrisynth_pipeline.cohorts.phantom import fabricate_cohort
from mrisynth_pipeline.imaging.cohort import preprocess_cohort
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectStore

PROJECT = Path(__file__).resolve().parents[1]


def settings(env: str, workers: int) -> PreprocessingParameters:
    """The preprocessing parameters of an environment over those of base."""
    base = yaml.safe_load((PROJECT / "conf/base/parameters_preprocessing.yml").read_text())["preprocessing"]
    own = yaml.safe_load((PROJECT / f"conf/{env}/parameters.yml").read_text()).get("preprocessing", {})
    return PreprocessingParameters(**(base | own | {"workers": workers}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=4, help="phantom subjects")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--raw", type=Path, help="folder of real scans instead of the phantom")
    parser.add_argument("--kind", default="ixi", help="layout, and environment of conf/ whose grid is used")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = options.raw or Path(folder) / "raw"
        if options.raw is None:
            phantom = PhantomParameters(n_subjects=options.subjects, spacing_mm=1.0, layout=options.kind)
            fabricate_cohort(phantom, False, raw, workers=max(options.workers))
        start = time.perf_counter()
        registered = False if options.raw is None else None
        manifest = build_manifest("benchmark", options.kind, raw, workers=max(options.workers), registered=registered)
        checking = time.perf_counter() - start
        volumes = len(manifest)
        print(f"\ningestion, {max(options.workers)} workers: {60 * volumes / checking:.0f} files per minute")
        modalities = get_layout(options.kind).modalities
        indices = {}
        rates = {}
        for workers in options.workers:
            store = SubjectStore(Path(folder) / f"subjects-{workers}")
            start = time.perf_counter()
            indices[workers] = preprocess_cohort(manifest, store, settings(options.kind, workers), modalities)
            rates[workers] = 60 * volumes / (time.perf_counter() - start)
    first = options.workers[0]
    for workers, rate in rates.items():
        print(f"preprocessing, {workers} worker(s): {rate:.1f} volumes per minute (x {rate / rates[first]:.2f})")
    print(f"\nseconds per subject by step ({first} worker(s), mean of {len(indices[first])} subjects):")
    steps = indices[first].filter(like="seconds_").mean().sort_values(ascending=False)
    steps["other (writing, hashing)"] = indices[first]["seconds"].mean() - steps.sum()
    table = pd.DataFrame({"seconds": steps.round(2), "share %": (100 * steps / steps.sum()).round(0)})
    table.index = table.index.str.removeprefix("seconds_")
    print(table.to_string())


if __name__ == "__main__":
    main()
