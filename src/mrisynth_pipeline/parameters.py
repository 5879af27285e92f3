"""The base of every typed parameter group: strict, frozen, and validated before any node runs."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """A group of parameters read from ``conf/*/parameters_*.yml``.

    Unknown keys are refused (a misspelt option is an error, not a silent default) and values cannot
    change during a run. Subclasses document each field with a docstring under it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def plain(value: Any) -> Any:
    """Parameters, typed or not, as nested dictionaries of JSON values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value
