"""One look for every figure, and the names people read."""

import io
from collections.abc import Iterable

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mrisynth_pipeline.cohorts.modalities import DISPLAY_NAMES

PAGE_WIDTH = 7.2
"""Width of a figure in inches: the text width of an A4 or letter page."""

DOTS_PER_INCH = 170

INK, QUIET, RULE = "#1d2327", "#68727a", "#d9dee2"
"""Text, secondary text, and hairlines on white."""
NIGHT, NIGHT_INK = "#0b0d0f", "#e8ebed"
"""Background and text of figures that show scans: grey values are judged against black, as at a viewer."""
HIGHLIGHT = "#ffb000"
"""Outlines drawn over scans."""

METHOD_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#999933")
"""Colours that the common forms of colour blindness keep apart (Okabe and Ito 2008; the last one is Tol's olive)."""

TUMOUR_COLOURS = {1: "#e4572e", 2: "#2ec4b6", 3: "#ffd23f"}
"""Internal tumour label → overlay colour: necrotic core, oedema, enhancing tumour."""

METHOD_NAMES = {
    "codebrain": "CodeBrain",
    "linear": "Linear regression",
    "mean": "Mean image",
    "resunet": "ResUNet",
    "neuroquant": "NeuroQuant",
    "aginet": "AGI-Net",
    "mmhvae": "MMHVAE",
    "codebrain_vq": "CodeBrain, VQ codes",
    "stage1": "Stage I, true codes",
    "truth_copy": "Copy of the truth",
    # Variants of AGI-Net; the four that are drawn together follow each other, so that their colours differ.
    "conv": "Plain network",
    "cagr": "AGI-Net (both)",
    "conv_misaligned": "Plain, trained misaligned",
    "cagr_misaligned": "AGI-Net, trained misaligned",
    "cga": "Attention alone",
    "gr": "Rolling alone",
    "frozen": "AGI-Net, offsets frozen",
    "zero_fill": "AGI-Net, zero-filled shift",
    # Rows of the benchmark that are no methods.
    "blank": "Blank image (floor)",
    "resampled": "Truth resampled once",
    "codebrain_true_codes": "CodeBrain, true codes",
    "codebrain_vq_true_codes": "CodeBrain VQ, true codes",
    "real": "Real",
    "zero": "Blank (zero)",
    # Contestants of the experiment on incomplete cohorts.
    "mmhvae_no_pool": "MMHVAE, no pool",
    "mmhvae_no_gan": "MMHVAE, no GAN",
    "codebrain_incomplete": "CodeBrain, masked",
    # Variants of CodeBrain.
    "full": "CodeBrain",
    "no_common": "Without F_c",
    "classification": "Classification",
    "l1": "L1 loss",
    "continuous_codes": "Continuous codes",
    "vq_codes": "VQ codes (ours)",
    # Autoencoders that NeuroQuant's is measured against.
    "continuous": "NeuroQuant, continuous",
    "monai_vqvae": "VQ-VAE (MONAI)",
    "monai_vqvae_longer": "VQ-VAE, as much time",
    "monai_vqvae_same_decay": "VQ-VAE, our decay",
    "monai_vqvae_faster": "VQ-VAE, twice the rate",
    "unvaried": "Contrasts not varied",
    "style_of_everything": "Style with background",
    "small_patches": "Patches of 32 voxels",
    "more_swap": "Four times the swap",
    "joint": "NeuroQuant",
    "volumes_only": "NeuroQuant, 3D alone",
    "slices_always": "Slices in every step",
    "no_attention": "Without attention",
    "all_attention": "Attention everywhere",
    "no_adversary": "Without adversary",
    "no_swap": "Without swap",
    "concat": "Concatenation for FiLM",
    "codes_64": "64 codes",
    "codes_1024": "1024 codes",
}
"""Internal name → the name in tables. A method that is not listed appears under its own name."""

_COMMON_NOUNS = {"linear", "truth_copy", "real", "zero"}

_SETTINGS = {
    "font.family": "sans-serif",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
}


def styled():
    """Context in which axes must be created: the project's matplotlib settings, restored afterwards."""
    return mpl.rc_context(_SETTINGS)


def new_figure(height: float, *, width: float = PAGE_WIDTH, dark: bool = False) -> Figure:
    """An empty figure (no pyplot state, safe in worker threads), sizes in inches."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=NIGHT if dark else "white")
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG file, its own background kept."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
    return buffer.getvalue()


def horizontal_grid(axes: Axes) -> None:
    """Hairlines behind the data, along the value axis."""
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def modality_label(modality: str) -> str:
    """Radiological name of one contrast (``t1c`` → ``T1Gd``)."""
    return DISPLAY_NAMES.get(modality, modality)


def subset_label(inputs: str) -> str:
    """Radiological names of a subset (``t1+t2`` → ``T1 + T2``)."""
    return " + ".join(modality_label(name) for name in inputs.split("+"))


def method_label(method: str) -> str:
    """Name of a method in tables and figures."""
    return METHOD_NAMES.get(method, method)


def method_in_sentence(method: str) -> str:
    """The same inside a sentence: common nouns lose their capital, names keep it; the mean image takes its article."""
    if method == "mean":
        return "the mean image"
    label = method_label(method)
    return label[:1].lower() + label[1:] if method in _COMMON_NOUNS else label


def method_colours(methods: Iterable[str]) -> dict[str, str]:
    """One colour per method: the known ones keep theirs in every figure, others follow by order."""
    known = {name: number for number, name in enumerate(METHOD_NAMES)}
    numbers = {name: known.get(name, position) for position, name in enumerate(methods)}
    return {name: METHOD_COLOURS[number % len(METHOD_COLOURS)] for name, number in numbers.items()}
