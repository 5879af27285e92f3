"""Kedro only: thin nodes that call the rooms of the house."""
