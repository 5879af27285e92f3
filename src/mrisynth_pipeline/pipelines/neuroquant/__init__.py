"""NeuroQuant (arXiv 2604.05171)."""

from kedro.pipeline import Pipeline


def create_pipeline(**_: object) -> Pipeline:
    """Nothing yet beside the comparison of its autoencoder."""
    return Pipeline([])
