"""Figures that show scans: imputations beside the truth, and tumour outlines over them.

Arrays are axial slices ``[y, x]`` of RAS+ volumes, so with the origin at the lower left the patient's left is
on the left: neurological orientation, which every figure states.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from mrisynth_pipeline.cohorts.modalities import TUMOUR_LABELS
from mrisynth_pipeline.reporting.scans import (
    HEAD,
    ORIENTATION,
    QUIET_INK,
    TITLE_WIDTH,
    WIDEST,
    column_title,
    corner_text,
    error_scale,
    head_window,
    heading,
    mark_sides,
    outline_of,
    psnr_text,
    scan,
    show,
    title_of,
)
from mrisynth_pipeline.reporting.style import (
    HIGHLIGHT,
    NIGHT_INK,
    PAGE_WIDTH,
    TUMOUR_COLOURS,
    method_label,
    modality_label,
    new_figure,
    styled,
    subset_label,
)


def imputation_grid(
    truth: Float[np.ndarray, "modality y x"],
    modalities: Sequence[str],
    inputs: Sequence[str],
    imputations: Mapping[str, Float[np.ndarray, "modality y x"]],
    *,
    subject: str = "",
    segmentation: Integer[np.ndarray, "y x"] | None = None,
    largest_error: float = 0.3,
) -> Figure:
    """One axial slice: the inputs, and for each missing contrast the truth, every imputation and its error.

    Args:
        truth: Real contrasts in [0, 1], channels as ``modalities``.
        modalities: Internal names, in channel order.
        inputs: The contrasts that the methods were given.
        imputations: Method → imputed contrasts; channels of ``inputs`` are not looked at.
        subject: Shown in the title.
        segmentation: Internal tumour labels; the outline of the whole tumour is then drawn.
        largest_error: Absolute error (of the unit range) at the bright end of the one colour scale.

    Raises:
        ValueError: No contrast is missing, or there is no imputation to show.
    """
    targets = [name for name in modalities if name not in inputs]
    if not targets or not imputations:
        raise ValueError(f"nothing to show: {len(targets)} missing contrasts, {len(imputations)} methods")
    window = head_window(truth)
    outline = None if segmentation is None or not (segmentation > 0).any() else segmentation[window] > 0
    pictures = {name: channel[window] for name, channel in zip(modalities, truth, strict=True)}
    aspect = pictures[targets[0]].shape[0] / pictures[targets[0]].shape[1]

    n_columns, n_rows = 2 + len(imputations), 2 * len(targets)
    cell = 0.96 * PAGE_WIDTH / n_columns
    height = HEAD + n_rows * (cell * aspect + 0.05) + 0.15
    with styled():
        figure = new_figure(height, dark=True)
        heading(figure, height, f"{subject}  " if subject else "", subset_label("+".join(inputs)))
        layout = {"top": 1 - HEAD / height, "bottom": 0.15 / height, "wspace": 0.04, "hspace": 0.04}
        grid = figure.add_gridspec(n_rows, n_columns, left=0.02, right=0.98, **layout)

        stack = grid[:, 0].subgridspec(max(len(inputs), n_rows), 1, hspace=0.04)
        for row, name in enumerate(inputs):
            axes = scan(figure.add_subplot(stack[row, 0]), pictures[name])
            axes.set_anchor("NW")
            corner_text(axes, modality_label(name))
            if row == 0:
                column_title(axes, "Input" if len(inputs) == 1 else "Inputs")
                mark_sides(axes)

        for number, target in enumerate(targets):
            axes = scan(figure.add_subplot(grid[2 * number, 1]), pictures[target], outline)
            corner_text(axes, modality_label(target))
            if number == 0:
                column_title(axes, "Truth")
            for column, (method, images) in enumerate(imputations.items(), start=2):
                imputed = np.clip(images[list(modalities).index(target)], 0, 1)
                axes = scan(figure.add_subplot(grid[2 * number, column]), imputed[window])
                corner_text(axes, psnr_text(imputed, truth[list(modalities).index(target)]))
                if number == 0:
                    column_title(axes, method_label(method))
                error = np.abs(imputed[window] - pictures[target])
                axes = figure.add_subplot(grid[2 * number + 1, column])
                picture = show(axes, error, cmap="inferno", vmax=largest_error)
            error_scale(figure, figure.add_subplot(grid[2 * number + 1, 1]), picture, largest_error)
    return figure


def misaligned_examples(
    inputs: Mapping[str, Float[np.ndarray, "y x"]],
    displaced: Mapping[str, Float[np.ndarray, "y x"]],
    truth: Float[np.ndarray, "y x"],
    target: str,
    imputations: Mapping[str, tuple[Float[np.ndarray, "y x"], Float[np.ndarray, "y x"]]],
    *,
    subject: str = "",
    motion: str = "",
    largest_error: float = 0.3,
) -> Figure:
    """One axial slice, aligned in the upper half and with one input displaced in the lower.

    In each half: the inputs, the truth, and for every method what it made of them with its error below. The outline
    of the head as it should lie is drawn over the displaced input.

    Args:
        inputs: Contrast → slice in [0, 1], as prepared.
        displaced: The same contrasts, of which one was moved.
        truth: The contrast that is missing.
        target: Its name.
        imputations: Method → what it made of the aligned and of the displaced inputs.
        subject: Shown in the title.
        motion: How the input was moved, in words (``shifted by 4 mm``); shown in the title.
        largest_error: Absolute error (of the unit range) at the bright end of the one colour scale.

    Raises:
        ValueError: There is no imputation to show, or no input was moved.
    """
    moved = [name for name in inputs if not np.array_equal(inputs[name], displaced[name])]
    if not imputations or not moved:
        raise ValueError(f"nothing to show: {len(imputations)} methods, {len(moved)} inputs that were moved")
    window = head_window(np.stack([truth, *inputs.values(), *displaced.values()]))
    head = np.any([image[window] > 0 for image in inputs.values()], axis=0)
    aspect = head.shape[0] / head.shape[1]
    n_columns = 2 + len(imputations)
    cell = 0.96 * PAGE_WIDTH / n_columns
    gap = 0.2
    height = HEAD + 4 * (cell * aspect + 0.05) + gap + 0.15
    with styled():
        figure = new_figure(height, dark=True)
        title = f"{modality_label(moved[0])} {motion}".strip()
        heading(figure, height, f"{subject}  {title}, " if subject else f"{title}, ", subset_label("+".join(inputs)))
        outer = figure.add_gridspec(2, 1, left=0.02, right=0.98, top=1 - HEAD / height, bottom=0.15 / height,
                                    hspace=2 * gap / (height - HEAD - 0.15 - gap))  # fmt: skip
        for half, given in enumerate((inputs, displaced)):
            grid = outer[half].subgridspec(2, n_columns, wspace=0.04, hspace=0.04)
            stack = grid[:, 0].subgridspec(max(len(given), 2), 1, hspace=0.04)
            for row, (name, image) in enumerate(sorted(given.items(), key=lambda item: item[0] not in moved)):
                is_moved = half == 1 and name in moved
                axes = scan(figure.add_subplot(stack[row, 0]), image[window], head if is_moved else None)
                axes.set_anchor("NW")
                corner_text(axes, f"{modality_label(name)} moved" if is_moved else modality_label(name))
                if row == 0:
                    column_title(axes, "Displaced" if half else "Aligned")
                    mark_sides(axes)
            axes = scan(figure.add_subplot(grid[0, 1]), truth[window])
            corner_text(axes, modality_label(target))
            if half == 0:
                column_title(axes, "Truth")
            for column, (method, both) in enumerate(imputations.items(), start=2):
                imputed = np.clip(both[half], 0, 1)
                axes = scan(figure.add_subplot(grid[0, column]), imputed[window])
                corner_text(axes, psnr_text(imputed, truth))
                if half == 0:
                    column_title(axes, method_label(method))
                error = np.abs(imputed - truth)[window]
                picture = show(figure.add_subplot(grid[1, column]), error, cmap="inferno", vmax=largest_error)
            error_scale(figure, figure.add_subplot(grid[1, 1]), picture, largest_error)
    return figure


def segmentation_grid(
    image: Float[np.ndarray, "y x"],
    label_maps: Mapping[str, Integer[np.ndarray, "y x"]],
    *,
    title: str = "",
    backgrounds: Mapping[str, Float[np.ndarray, "y x"]] | None = None,
) -> Figure:
    """Tumour label maps over one axial slice, side by side.

    Args:
        image: Slice in [0, 1] under every map that has no background of its own; shown alone at first.
        label_maps: Heading → internal labels, e.g. ``{"Rater": …, "real": …, "zero": …, "codebrain": …}``.
        title: Heading of the figure.
        backgrounds: Heading → slice in [0, 1] to show under that map instead (e.g. the imputed contrast).
    """
    backgrounds = dict(backgrounds or {})
    window = head_window(image[None])
    aspect = image[window].shape[0] / image[window].shape[1]
    n_pictures = 1 + len(label_maps)
    n_rows = -(-n_pictures // 4)
    n_columns = -(-n_pictures // n_rows)
    cell = PAGE_WIDTH * 0.96 / n_columns
    height = HEAD + n_rows * (cell * aspect + 0.22) + 0.3
    colours = ListedColormap(["#00000000", *(to_rgba(TUMOUR_COLOURS[label], 0.55) for label in (1, 2, 3))])
    with styled():
        figure = new_figure(height, dark=True)
        figure.text(0.02, 1 - 0.2 / height, title, color=NIGHT_INK, va="center", fontweight="bold")
        layout = {"top": 1 - HEAD / height, "bottom": 0.42 / height, "wspace": 0.04, "hspace": 0.12}
        grid = figure.add_gridspec(n_rows, n_columns, left=0.02, right=0.98, **layout)
        for position, (name, labels) in enumerate([("Image", None), *label_maps.items()]):
            axes = figure.add_subplot(grid[position // n_columns, position % n_columns])
            scan(axes, backgrounds.get(name, image)[window])
            column_title(axes, method_label(name))
            if labels is None:
                mark_sides(axes)
                continue
            cut = np.asarray(labels)[window]
            show(axes, cut, cmap=colours, vmax=3, interpolation="nearest")
            for label, colour in TUMOUR_COLOURS.items():
                outline_of(axes, cut == label, colour)
        patches = [Patch(color=TUMOUR_COLOURS[label], label=name) for label, name in TUMOUR_LABELS.items()]
        figure.legend(handles=patches, loc="lower left", ncols=3, labelcolor=NIGHT_INK, borderaxespad=0.6)
        figure.text(0.98, 0.16 / height, ORIENTATION, color=QUIET_INK, ha="right", va="center", fontsize=7)
    return figure


def reconstruction_grid(
    originals: Float[np.ndarray, "modality y x"],
    modalities: Sequence[str],
    made: Mapping[str, Float[np.ndarray, "modality y x"]],
    *,
    subject: str = "",
    largest_error: float = 0.3,
) -> Figure:
    """One axial slice as it is and as autoencoders give it back: a row per modality, reconstruction beside its error.

    Args:
        originals: Real slices in [0, 1], channels as ``modalities``.
        modalities: Internal names.
        made: Method → what it made of them.
        subject: Shown in the title.
        largest_error: Absolute error (of the unit range) at the bright end of the one colour scale.

    Raises:
        ValueError: There is nothing to show.
    """
    if not made or not len(modalities):
        raise ValueError(f"nothing to show: {len(modalities)} modalities, {len(made)} autoencoders")
    window = head_window(originals)
    pictures = [image[window] for image in originals]
    n_columns = 1 + 2 * len(made)
    cell = min(0.96 * PAGE_WIDTH / n_columns, WIDEST)
    height = HEAD + len(pictures) * (cell * pictures[0].shape[0] / pictures[0].shape[1] + 0.02) + 0.5
    with styled():
        figure = new_figure(height, width=max(cell * n_columns / 0.96, TITLE_WIDTH), dark=True)
        title_of(figure, height, subject)
        layout = {"top": 1 - HEAD / height, "bottom": 0.5 / height, "wspace": 0.04, "hspace": 0.04}
        grid = figure.add_gridspec(len(pictures), n_columns, left=0.02, right=0.98, **layout)
        for row, name in enumerate(modalities):
            axes = scan(figure.add_subplot(grid[row, 0]), pictures[row])
            corner_text(axes, modality_label(name))
            if row == 0:
                column_title(axes, "Original")
                mark_sides(axes)
            for number, (method, images) in enumerate(made.items()):
                image = np.clip(images[row], 0, 1)
                axes = scan(figure.add_subplot(grid[row, 1 + 2 * number]), image[window])
                corner_text(axes, psnr_text(image, originals[row]))
                if row == 0:
                    column_title(axes, method_label(method))
                axes = figure.add_subplot(grid[row, 2 + 2 * number])
                picture = show(axes, np.abs(image[window] - pictures[row]), cmap="inferno", vmax=largest_error)
        error_scale(figure, figure.add_axes((0, 0, 0.96 / n_columns, 0.5 / height)), picture, largest_error)
    return figure


def swap_grid(
    originals: Float[np.ndarray, "modality y x"],
    modalities: Sequence[str],
    swapped: Float[np.ndarray, "anatomy contrast y x"],
    *,
    subject: str = "",
) -> Figure:
    """One axial slice with anatomy and contrast exchanged: row = anatomy from, column = contrast to.

    The first row and column show the originals. Pictures carry the PSNR of their slice against the original of their
    contrast; the diagonal, outlined, is the reconstruction.

    Args:
        originals: Real slices in [0, 1], channels as ``modalities``.
        modalities: Internal names.
        swapped: What the network made, rows and columns as ``modalities``.
        subject: Shown in the title.
    """
    window = head_window(originals)
    n = 1 + len(modalities)
    cell = min(0.94 * PAGE_WIDTH / n, WIDEST)
    aspect = originals[0][window].shape[0] / originals[0][window].shape[1]
    height = 0.7 * HEAD + n * (cell * aspect + 0.02) + 0.1
    with styled():
        figure = new_figure(height, width=max(cell * n / 0.94, TITLE_WIDTH), dark=True)
        title_of(figure, height, subject)
        layout = {"top": 1 - 0.7 * HEAD / height, "bottom": 0.1 / height, "wspace": 0.04, "hspace": 0.04}
        grid = figure.add_gridspec(n, n, left=0.04, right=0.98, **layout)
        corner = figure.add_subplot(grid[0, 0])
        corner.set_axis_off()
        for x, y, text in ((0.95, 0.8, "contrast to →"), (0.95, 0.1, "anatomy from ↓")):
            corner.text(x, y, text, transform=corner.transAxes, color=QUIET_INK, ha="right", fontsize=7.5)
        for number, name in enumerate(modalities):
            for place in (grid[0, 1 + number], grid[1 + number, 0]):
                axes = scan(figure.add_subplot(place), originals[number][window])
                corner_text(axes, f"{modality_label(name)} original")
            for column, contrast in enumerate(originals):
                image = np.clip(swapped[number, column], 0, 1)
                axes = scan(figure.add_subplot(grid[1 + number, 1 + column]), image[window])
                corner_text(axes, psnr_text(image, contrast))
                if number == column:
                    frame = {"transform": axes.transAxes, "fill": False, "edgecolor": HIGHLIGHT, "linewidth": 1.2}
                    axes.add_patch(Rectangle((0, 0), 1, 1, **frame))
        mark_sides(figure.axes[1])
    return figure
