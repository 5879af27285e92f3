"""What `mrisynth impute` costs for one study of 240×240×155 voxels of 1 mm, from files to files.

    python benchmarks/impute_volume.py [--data-dir data] [--model codebrain]

Needs the project's demo (`make demo`): one of its patients, as from the scanner, is resampled to that grid. The FLAIR
is left out and imputed. Reported are wall seconds and the peak memory of the command, with and without doubt and planes.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.image import resample_img

SHAPE = (240, 240, 155)
INPUTS = ("t1", "t1c", "t2")
VARIANTS = {
    "as by default": [],
    "without doubt": ["--no-doubt"],
    "axial slices alone, without doubt": ["--planes", "axial", "--no-doubt"],
}


def large_study(data_dir: Path, folder: Path) -> None:
    """One test patient's scans on the grid of a BraTS study, its head in the middle."""
    split = pd.read_csv(data_dir / "02_intermediate" / "split.csv", dtype=str)
    manifest = pd.read_csv(data_dir / "02_intermediate" / "manifest.csv", dtype=str, keep_default_na=False)
    subject = split.loc[split["split"] == "test", "subject"].iloc[0]
    for row in manifest[(manifest["subject"] == subject) & manifest["modality"].isin(INPUTS)].itertuples():
        image = nib.load(Path(row.raw_dir) / row.path)
        middle = image.affine @ [*((np.array(image.shape) - 1) / 2), 1]
        affine = np.eye(4)
        affine[:3, 3] = middle[:3] - (np.array(SHAPE) - 1) / 2
        large = resample_img(image, affine, SHAPE, force_resample=True, copy_header=True)
        nib.save(nib.Nifti1Image(np.asarray(large.dataobj).astype(np.int16), affine), folder / f"{row.modality}.nii.gz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--model", default="codebrain")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        study = Path(temporary, "study")
        study.mkdir()
        large_study(arguments.data_dir, study)
        files = [part for name in INPUTS for part in (f"--{name}", str(study / f"{name}.nii.gz"))]
        print(f"{'x'.join(map(str, SHAPE))}, FLAIR from {', '.join(INPUTS)}, {os.cpu_count()} cores")
        for number, (label, options) in enumerate(VARIANTS.items()):
            command = [sys.executable, "-m", "mrisynth_pipeline", "impute", *files, "--subject", "P1", *options]
            command += ["--to", "flair", "--data-dir", str(arguments.data_dir), "-m", arguments.model]
            start = time.perf_counter()
            subprocess.run([*command, "-o", str(Path(temporary, str(number)))], check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - start
            # Of all commands so far: the largest comes first.
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
            print(f"{label}: {seconds:.0f} s" + (f", {peak:.1f} GB at most" if number == 0 else ""))


if __name__ == "__main__":
    main()
