"""What takes the place of a figure that cannot be drawn."""

from matplotlib.figure import Figure

from mrisynth_pipeline.reporting.style import new_figure


def empty_figure(reason: str) -> Figure:
    """A figure that says why it is empty."""
    figure = new_figure(0.6)
    figure.text(0.5, 0.5, reason, ha="center", va="center")
    return figure
