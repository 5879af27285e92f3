"""Multimodal brain MRI synthesis: raw scans in, a judged any-to-any synthesis model out."""

__version__ = "0.1.0"
