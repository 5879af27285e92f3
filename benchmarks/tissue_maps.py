"""How well a mixture of Gaussians finds the tissues in the T1 of the phantom, whose tissues are known.

    kedro run --pipelines phantom,ingestion,preprocessing
    python benchmarks/tissue_maps.py --data data

Dice per tissue, outside the tumour, and that of the phantom's own brain with the mask that preprocessing found.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from mrisynth_pipeline.cohorts.modalities import TISSUES
from mrisynth_pipeline.cohorts.phantom import truth_dir
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore
from mrisynth_pipeline.imaging.tissues import mixture_tissues, true_tissues


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def measure(file: SubjectFile, truth: Path) -> dict:
    """Dice of the mixture's tissues with the true ones: in the mask, and where the phantom has a tissue at all."""
    tumour, t1 = file.segmentation() > 0, file.volumes()[file.metadata["modalities"].index("t1")]
    known = np.where(tumour, 0, true_tissues(file, truth))
    found = mixture_tissues(t1, file.mask() & ~tumour)
    row = {"subject": file.metadata["subject"], "brain": dice((known > 0) | tumour, file.mask())}
    for name, label in TISSUES.items():
        row[name] = dice(found == label, known == label)
        row[f"{name}_in_known"] = dice((found == label) & (known > 0), known == label)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder of a study of the phantom")
    options = parser.parse_args()
    cohort = json.loads((options.data / "01_raw/phantom_cohort.json").read_text())
    store, truth = SubjectStore(options.data / "05_model_input/subjects"), truth_dir(Path(cohort["raw_dir"]))
    table = pd.DataFrame([measure(store.open(subject), truth / subject) for subject in store.subjects()])
    print(table.set_index("subject").agg(["mean", "min", "max"]).round(3).to_string())


if __name__ == "__main__":
    main()
