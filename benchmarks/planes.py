"""What asking a 2D method in three planes is worth: PSNR in the brain and slice jump, each contrast from all others.

    python benchmarks/planes.py MODEL data/05_model_input --subjects BraTS-GLI-90003-000 BraTS-GLI-90005-000

MODEL is a model folder, the second argument holds prepared subjects; name some that the model has not learned from.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from mrisynth_pipeline.exporting.reading import load_imputer
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.metrics.image import volume_psnr
from mrisynth_pipeline.metrics.slice_jump import slice_jump
from mrisynth_pipeline.models.planes import impute_in_planes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--subjects", nargs="+", required=True)
    options = parser.parse_args()
    method, store = load_imputer(options.model).network, SubjectStore(options.prepared / "subjects")
    print("contrast: axial PSNR, jump | three planes PSNR, jump | real scan's jump")
    for channel, name in enumerate(method.modalities):
        rows = []
        for subject in options.subjects:
            file = store.open(subject)
            volumes, mask = torch.from_numpy(file.volumes()), file.mask()
            available, row = torch.arange(len(volumes)) != channel, []
            for planes in ("axial", "three"):
                made = impute_in_planes(method, volumes, available, planes, (1.0, 1.0, 1.0))[channel]
                psnr = volume_psnr(made, volumes[channel], torch.from_numpy(mask))
                row += [psnr, slice_jump(made.numpy(), mask)]
            rows.append([*row, slice_jump(volumes[channel].numpy(), mask)])
        print("{}: {:.2f}, {:.2f} | {:.2f}, {:.2f} | {:.2f}".format(name, *np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
