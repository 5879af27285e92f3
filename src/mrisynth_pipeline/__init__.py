"""Multimodal brain MRI synthesis: raw scans in, a judged any-to-any synthesis model out."""

from importlib import import_module

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``load_model``, looked up when it is asked for: importing the package stays cheap, and knows no room."""
    if name == "load_model":
        return import_module("mrisynth_pipeline.imputing.python_api").load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
