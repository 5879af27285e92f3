"""What a scan loses on its way to the model grid and back, without a network: geometry and resolution alone.

    python benchmarks/there_and_back.py scan.nii.gz [--skull-stripped] [--spacing 2 2 2]

Intensities are not clipped. Without --spacing the grid has the scan's own voxels.
"""

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np

from mrisynth_pipeline.imaging.intensity import IntensityMap, from_unit
from mrisynth_pipeline.imaging.native import masked_to_native
from mrisynth_pipeline.imaging.parameters import GridParameters, IntensityParameters, PreprocessingParameters
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject

EXTENT_MM = (200, 230, 190)
"""Room for any brain."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", type=Path)
    parser.add_argument("--skull-stripped", action="store_true")
    parser.add_argument("--spacing", type=float, nargs=3, metavar=("X", "Y", "Z"))
    options = parser.parse_args()
    image = nib.load(options.scan)
    own = nib.affines.voxel_sizes(nib.as_closest_canonical(image).affine)
    spacing = tuple(float(size) for size in (options.spacing or own))
    size = tuple(int(np.ceil(extent / step)) for extent, step in zip(EXTENT_MM, spacing, strict=True))
    parameters = PreprocessingParameters(
        grid=GridParameters(size=size, spacing_mm=spacing),
        intensity=IntensityParameters(lower_percentile=0.0, upper_percentile=100.0),
        storage="float32",
    )
    sources = {"t1": ScanSource.of(options.scan)}
    subject = preprocess_subject("scan", sources, ("t1",), parameters, options.skull_stripped)
    values = from_unit(subject.volumes[0], IntensityMap.of(subject.intensity["t1"]))
    back, inside = masked_to_native(values, subject.mask, subject.metadata(), "t1")
    real = np.asarray(image.dataobj, dtype=float)[inside]
    lost = np.abs(np.asarray(back.dataobj, dtype=float)[inside] - real).mean()
    voxels = " × ".join(f"{step:.3g}" for step in spacing)
    print(f"grid of {voxels} mm: {100 * lost / np.ptp(real):.2f} % of the range lost")
    print(f"affine off by {np.abs(back.affine - image.affine).max():.1e}, shape equal: {back.shape == image.shape}")


if __name__ == "__main__":
    main()
