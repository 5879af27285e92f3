"""How far the same tissue's value differs between patients after each intensity method.

    python benchmarks/intensity_spread.py --kind brats --raw DIR       # or bids, mixed, ...

Every subject is prepared in MNI space; the tissue is the deep white matter of the MNI152 template (probability above
0.95, two voxels eroded, label maps excluded). Its median per scan is taken, and the standard deviation of that over the
subjects is given in units of the spread of tissue within a brain, so that a method that merely squeezes the range gains
nothing. Smaller is better. Nyúl's standard is learned on all subjects here.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_wm_template
from nilearn.image import resample_img
from scipy import ndimage

from mrisynth_pipeline.cohorts.archives.layouts import LAYOUTS, study_modalities
from mrisynth_pipeline.cohorts.manifest import build_manifest
from mrisynth_pipeline.imaging.cohort import preprocess_cohort
from mrisynth_pipeline.imaging.intensity_standard import learn_standard
from mrisynth_pipeline.imaging.parameters import IntensityParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.subject_file import SubjectFile, SubjectStore

METHODS = ("percentile", "zscore", "white_matter", "nyul")


def deep_white_matter(file: SubjectFile) -> np.ndarray:
    """White matter of the template on the subject's grid ``[z, y, x]``, without the subject's labels."""
    template = load_mni152_wm_template(resolution=1)
    affine, shape = np.asarray(file.metadata["grid_affine"]), file.shape[:0:-1]
    on_grid = resample_img(template, affine, shape, copy_header=True, force_resample=True).get_fdata()
    tissue = ndimage.binary_erosion(on_grid > 0.95, iterations=2).transpose(2, 1, 0) & file.mask()
    labels = file.segmentation()
    return tissue if labels is None else tissue & (labels == 0)


def measure(file: SubjectFile) -> list[dict]:
    """Median of the deep white matter and spread of all tissue, for every contrast of a subject."""
    tissue, mask, volumes = deep_white_matter(file), file.mask(), file.volumes()
    return [
        {"contrast": name, "white": float(np.median(volume[tissue])), "spread": float(volume[mask].std())}
        for name, present, volume in zip(file.metadata["modalities"], file.present, volumes, strict=True)
        if present
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder of the scans")
    parser.add_argument("--kind", choices=list(LAYOUTS), required=True, help="its layout")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    modalities = study_modalities(options.kind, options.raw)
    manifest = build_manifest("benchmark", options.kind, options.raw, modalities, options.workers)
    subjects = sorted(set(manifest.loc[manifest["problems"] == "", "subject"]))
    table = {}
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            intensity = IntensityParameters(method=method)
            parameters = PreprocessingParameters(workers=options.workers, space="mni", intensity=intensity)
            standard = learn_standard(manifest, subjects, parameters, modalities)["scale"] if method == "nyul" else {}
            store = SubjectStore(Path(folder) / method)
            preprocess_cohort(manifest, store, parameters, modalities, standard)
            found = pd.DataFrame([row for subject in store.subjects() for row in measure(store.open(subject))])
            groups = found.groupby("contrast")
            table[method] = groups["white"].std() / groups["spread"].mean()
    counts = found["contrast"].value_counts()
    print(f"\n{len(subjects)} subjects; scans: " + ", ".join(f"{name} {counts[name]}" for name in modalities))
    print(pd.DataFrame(table).T[list(modalities)].round(2).to_string())


if __name__ == "__main__":
    main()
