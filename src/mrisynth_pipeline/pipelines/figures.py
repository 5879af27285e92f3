"""Figure nodes that several pipelines share, and what takes the place of a figure that cannot be drawn."""

import pandas as pd
from matplotlib.figure import Figure

from mrisynth_pipeline.reporting.charts import training_curves
from mrisynth_pipeline.reporting.style import new_figure


def empty_figure(reason: str) -> Figure:
    """A figure that says why it is empty."""
    figure = new_figure(0.6)
    figure.text(0.5, 0.5, reason, ha="center", va="center")
    return figure


def draw_curves(history: pd.DataFrame) -> Figure:
    """Logged metrics of a training against its steps."""
    if history.empty:
        return empty_figure("There was no training.")
    return training_curves(history)
