import itertools

import numpy as np
import pandas as pd
import pytest

from mrisynth_pipeline.metrics.robustness import summarise_robustness
from mrisynth_pipeline.metrics.segmentation_statistics import summarise_segmentation
from mrisynth_pipeline.metrics.statistics import summarise_scores
from mrisynth_pipeline.reporting.subject_view import FindingView, ImputedView, InputView, SubjectView

BRATS = ("t1", "t1c", "t2", "flair")
LEVELS = {"codebrain": 26.0, "linear": 23.5, "mean": 19.0, "truth_copy": 80.0, "stage1": 33.0}


@pytest.fixture(scope="session")
def summary_of():
    """Summaries of made-up scores: method → slice PSNR; every subject agrees to a hundredth of a dB."""

    def build(levels=LEVELS, n_subjects=6, modalities=BRATS):
        generator = np.random.default_rng(0)
        rows = []
        for (method, level), number, size in itertools.product(
            levels.items(), range(n_subjects), range(1, len(modalities))
        ):
            for subset in itertools.combinations(modalities, size):
                for target in [name for name in modalities if name not in subset]:
                    psnr = level + 0.3 * number + 0.5 * size + generator.normal(scale=0.01)
                    mae = 1000 * 10 ** (-psnr / 20)
                    rows.append(
                        {"method": method, "subject": f"sub-{number:03}", "inputs": "+".join(subset)}
                        | {"n_inputs": size, "target": target, "n_slices": 60}
                        | {"slice_psnr": psnr, "slice_ssim": min(70 + psnr / 3, 99.9), "slice_mae": mae}
                        | {"volume_psnr": psnr - 5, "volume_ssim": min(60 + psnr / 3, 99.9), "volume_mae": 2 * mae}
                    )
        return summarise_scores(pd.DataFrame(rows), n_resamples=50)

    return build


@pytest.fixture(scope="session")
def summary(summary_of):
    return summary_of()


@pytest.fixture(scope="session")
def segmentation_summary():
    """Dice: real 0.8; with T1Gd missing blank 0.2, CodeBrain 0.5, linear 0.3; nothing lost with T1 missing."""
    rows = []
    for number, region in itertools.product(range(4), ("WT", "TC", "ET")):
        subject = f"sub-{number:03}"
        rows.append(("real", subject, "none", region, 0.8, 4.0))
        for method, dice in (("zero", 0.2), ("codebrain", 0.5), ("linear", 0.3)):
            rows.append((method, subject, "t1c", region, dice, np.nan if method == "zero" else 9.0))
            rows.append((method, subject, "t1", region, 0.8, 4.0))
    columns = ["method", "subject", "missing", "region", "dice", "hd95_mm"]
    return summarise_segmentation(pd.DataFrame(rows, columns=columns), n_resamples=50)


@pytest.fixture
def head_slice():
    """Four contrasts of one axial slice [modality, y, x] with a zero background, and tumour labels [y, x]."""
    y, x = np.mgrid[-1:1:40j, -1:1:32j]
    head = (y**2 + x**2) < 0.7
    images = np.stack([head * level for level in (0.4, 0.6, 0.8, 0.5)])
    labels = np.zeros(head.shape, np.uint8)
    labels[20:28, 18:26] = 2
    labels[22:26, 20:24] = 3
    return images, labels


@pytest.fixture(scope="session")
def robustness_summary():
    """ResUNet loses 0.5 dB per mm from 26 dB, the mean image (19 dB) nothing; registration leaves 0.4 mm."""
    motions = [("none", 0.0, 0.0), ("translation_mm", 1.0, 1.0), ("translation_mm", 4.0, 4.0)]
    motions += [("rotation_deg", 5.0, 3.0), ("translation_pixels", 2.0, 2.0)]
    rows = []
    for (method, level, slope), number in itertools.product((("resunet", 26.0, 0.5), ("mean", 19.0, 0.0)), range(3)):
        for (kind, amount, imposed), registered in itertools.product(motions, (False, True)):
            if registered and kind == "translation_pixels":
                continue
            mm = 0.4 if registered else imposed
            psnr = level + number - slope * mm
            rows.append(
                {"method": method, "subject": f"sub-{number}", "inputs": "t1+t2", "target": "pd", "kind": kind}
                | {"amount": amount, "repeat": 0, "registered": registered, "residual_mm": mm}
                | {"volume_psnr": psnr, "volume_ssim": 2 * psnr, "slice_psnr": psnr + 5, "slice_ssim": 2 * psnr + 5}
            )
    return summarise_robustness(pd.DataFrame(rows), n_resamples=50)


@pytest.fixture(scope="session")
def subject_view():
    """T1Gd and FLAIR imputed from T1 and T2, T1Gd with an expected error; a bright block right, in front and above."""
    z, y, x = np.mgrid[-1:1:24j, -1:1:40j, -1:1:32j]
    mask = z**2 + y**2 + x**2 < 0.5
    anatomy = np.where(mask, 0.4 + 0.2 * np.cos(4 * x) * np.cos(3 * y), 0).astype(np.float32)
    anatomy[14:17, 25:29, 20:24] = 1.0
    names = ("t1", "t2", "t1c", "flair")
    return SubjectView(
        subject="sub-07",
        light="amber",
        summary="Two contrasts were imputed from two scans.",
        inputs=(
            InputView("t1", "sub-07_T1w.nii.gz", "ab" * 32, (1.0, 1.0, 1.0), (240, 240, 155)),
            InputView("t2", "sub-07_T2w.nii.gz", "cd" * 32, (0.9, 0.9, 3.0), (256, 256, 48), "Moved by 1.2 mm."),
        ),
        imputed=(
            ImputedView("t1c", "sub-07_desc-imputed_ceT1w.nii.gz", "amber", 0.062, "Its rim is doubtful."),
            ImputedView("flair", "sub-07_desc-imputed_FLAIR.nii.gz", "green", None, "As usual."),
        ),
        findings=(
            FindingView("note", "subject", "The header gives no echo time."),
            FindingView("warning", "t2", "Slices are 3 mm thick."),
        ),
        volumes={name: anatomy * level for name, level in zip(names, (1.0, 0.8, 0.9, 0.6), strict=True)},
        mask=mask,
        spacing_mm=(1.0, 1.0, 2.0),
        expected_error={"t1c": (0.3 * anatomy**2).astype(np.float32)},
        model={"name": "CodeBrain", "training cohort": "phantom"},
        provenance={"command": "mrisynth impute x", "run": {"time": "41 s"}},
    )
