"""What a model is worth on own scans: every contrast of every subject hidden in turn, imputed, and compared.

    python benchmarks/hidden_scans.py my_study --model codebrain [--subjects sub-01 sub-02]

Per hidden scan: PSNR inside the brain, expected and measured mean absolute error, traffic light, warnings and notes,
and how far affine and shape of the result are from those of the reference. Nothing is written.
"""

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np

from mrisynth_pipeline.exporting.shelf import resolve_model
from mrisynth_pipeline.imputing.native import to_own_space
from mrisynth_pipeline.imputing.own_scans import OwnScans, find_own_scans
from mrisynth_pipeline.imputing.parameters import HowToImpute
from mrisynth_pipeline.imputing.ready_model import open_model
from mrisynth_pipeline.imputing.run import told_of
from mrisynth_pipeline.imputing.subject import impute_subject


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", type=Path)
    parser.add_argument("--model", default="codebrain")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--subjects", nargs="*")
    options = parser.parse_args()
    model = open_model(resolve_model(options.model, options.data_dir))
    print("subject hidden: PSNR | expected, measured error | light, warnings, notes | affine off by, shape equal, type")
    for own in find_own_scans(OwnScans(options.input), model.modalities):
        present = [name for name in model.modalities if name in own.scans]
        if len(present) < 2 or (options.subjects and own.subject not in options.subjects):
            continue
        for target in present:
            how = HowToImpute(to=[target])
            result = impute_subject(own.subject, own.scans, own.registered, model, how, told_of(own))
            made, mask = result.imputed[target], result.subject.mask
            native = to_own_space(made, result.subject, units=model.units.get(target)).image
            reference = nib.load(result.subject.sources[result.subject.reference]["path"])
            off = np.abs(native.affine - reference.affine).max()
            expected = "–" if made.trust.expected is None else f"{made.trust.expected:.3f}"
            measured = np.abs(made.volume - made.truth)[mask].mean()
            counts = [sum(each.severity == kind for each in result.findings) for kind in ("warning", "note")]
            print(
                f"{own.subject} {target}: {made.scores['psnr']:.2f} | {expected}, {measured:.3f} | {made.trust.light}, "
                f"{counts[0]}, {counts[1]} | {off:.1e}, {native.shape == reference.shape}, {native.get_data_dtype()}",
                flush=True,
            )


if __name__ == "__main__":
    main()
