"""What the report's words mean, for readers who did not build the pipeline."""

GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "Pair",
        "One subset of available contrasts and one missing contrast, e.g. T1 + T2 → FLAIR. All subsets "
        "with at least one and not all contrasts are tested: 28 pairs for four contrasts, 9 for three.",
    ),
    (
        "Slice protocol",
        "Comparable with published tables. The imputed volume is clamped to [0, 1]; every axial slice is scored on "
        "its own, whole image with its zero background, data range 1. Mean over slices, then over pairs.",
    ),
    (
        "Volume protocol",
        "The brain as one 3D object: only voxels of the brain mask count. One value per subject (mean over its "
        "pairs); mean, standard deviation and interval are over subjects. Values are lower than by slices, "
        "as no background flatters them.",
    ),
    (
        "PSNR",
        "Peak signal-to-noise ratio, −10 log₁₀ of the mean squared error, in dB; higher is better. The mean of "
        "slice PSNRs, not the PSNR of a mean error. Identical images count 100 dB.",
    ),
    (
        "SSIM ×100",
        "Structural similarity (Wang 2004), Gaussian window of 11 voxels (σ = 1.5), data range 1, times 100; "
        "higher is better. SSIM3D uses the window in three dimensions and is averaged over the brain.",
    ),
    (
        "Mean displacement",
        "By how many millimetres the voxels of the brain lie wrong on average after a shift or a turn. What a "
        "misalignment costs is the score with aligned inputs minus that with one of them moved.",
    ),
    (
        "Codes, style, exchanged contrasts",
        "NeuroQuant describes every block of voxels by one code of a codebook, the anatomy, and the whole image by "
        "a few numbers, the style. An exchange decodes the codes of one contrast in the style of another. Perplexity "
        "is how many equally frequent codes would carry as much information as those in use.",
    ),
    (
        "Draws, temperature, standard deviation",
        "A generative method has many answers. Their mean is its imputation, their standard deviation per voxel says "
        "how sure it is. The temperature is a factor on how widely it draws: 0 gives one answer, 1 the method's own "
        "belief. Setting the most uncertain voxels aside should lower the error of the rest (sparsification); the "
        "oracle sets aside the most wrong ones.",
    ),
    (
        "Latent",
        "The numbers per pixel from which a generative method makes every contrast. If they hold the subject and not "
        "the inputs, they are much the same from whatever contrasts they were inferred.",
    ),
    ("MAE ×1000", "Mean absolute error of intensities in [0, 1], times 1000; lower is better."),
    (
        "SD, CI",
        "Standard deviation over subjects; bootstrap (percentile) confidence interval of the mean over subjects. "
        "With few subjects such intervals are somewhat too narrow.",
    ),
    (
        "Wilcoxon, Holm",
        "Signed-rank test, paired over subjects, never over slices; p-values of all pairs of methods are corrected "
        "together by Holm's method.",
    ),
    (
        "Dice",
        "Overlap of two regions, 0 to 1. A region absent from both counts 1, a false alarm 0 (BraTS rule). "
        "WT whole tumour, TC tumour core (necrosis and enhancing tumour), ET enhancing tumour.",
    ),
    (
        "HD95",
        "95th percentile of the distances between the two outlines, in mm; lower is better. Undefined where a region "
        "was missed or falsely found.",
    ),
    (
        "Gap closed",
        "(imputed − blank)/(real − blank): which share of the Dice that is lost when the contrast is blanked comes "
        "back with its imputation.",
    ),
    (
        "Linear regression, mean image",
        "Baselines: per-voxel linear regression on the available contrasts, and the mean training image of the "
        "missing contrast. A method that does not beat the regression is broken.",
    ),
    (
        "Copy of the truth; Stage I, true codes",
        "Limits, not methods: what the protocol gives for the truth as stored on disk, and what the "
        "autoencoder gives when it is handed the codes of the true contrast.",
    ),
    (
        "Phantom",
        "Scans computed from a digital anatomy by signal equations. They test the pipeline; they are no evidence "
        "about patients.",
    ),
)
"""Terms and definitions, in the order of the report."""
