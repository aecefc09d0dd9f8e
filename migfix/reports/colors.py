"""Colours for a terminal, written by hand: nothing needs to be imported for a handful of escapes."""

from __future__ import annotations

from enum import Enum


class Color(Enum):
    BOLD = "1"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"


def paint(text: str, color: Color, *, enabled: bool) -> str:
    """``text`` in ``color``, or as it is."""
    return f"\x1b[{color.value}m{text}\x1b[0m" if enabled else text
