"""Rewrites Django data migrations so that they need little memory and time."""

__version__ = "0.1.0"
