"""The templates of methods in two stages: an autoencoder, and a predictor of its codes."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline


def stage1_template(method: str, train_autoencoder: Callable[..., Any]) -> Pipeline:
    """Train the autoencoder of a method, in its namespace."""
    inputs = ["study", "subjects", "stage1_workspace", "params:architecture", "params:stage1"]
    return _stage(method, Node(train_autoencoder, inputs, ["autoencoder", "stage1_history"], name="train_autoencoder"))


def stage2_template(method: str, train_code_predictor: Callable[..., Any]) -> Pipeline:
    """Train the predictor of the frozen autoencoder's codes: the imputer is complete."""
    inputs = ["autoencoder", "study", "subjects", "stage2_workspace", "params:stage2"]
    return _stage(method, Node(train_code_predictor, inputs, ["model", "stage2_history"], name="train_code_predictor"))


def _stage(method: str, node: Node) -> Pipeline:
    return Pipeline([node], namespace=method, inputs={"study", "subjects"})
