"""The base of every typed parameter group: strict, frozen, and validated before any node runs."""

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """A group of parameters read from ``conf/*/parameters_*.yml``.

    Unknown keys are refused (a misspelt option is an error, not a silent default) and values cannot
    change during a run. Subclasses document each field with a docstring under it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
