"""What all databases do alike with text."""

from __future__ import annotations

from migfix.sql.databases.page import Answer, Doubt
from migfix.sql.nodes import Operation

PIECES = "concat slice replace"
CASES = "lower upper"
TRIMS = "strip lstrip rstrip"
SHOWN = "integer, date, integer key, date key"
_WRITTEN = {"strip": "trim", "lstrip": "ltrim", "rstrip": "rtrim"}


def ascii_case(node: Operation) -> Answer:
    return Doubt(f"`{node.name}()` of letters beyond ASCII differs from that of the databases")


def spaces(node: Operation) -> Answer:
    if len(node.arguments) == 2:  # strip(" ")
        return None
    name = _WRITTEN[node.name]
    return Doubt(f"`{name}()` of a database takes off spaces, not tabs or newlines")
