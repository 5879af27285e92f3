"""Kedro datasets that do not exist elsewhere."""
