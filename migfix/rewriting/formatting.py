"""Lay out new statements as the project's own formatter would. The only module that imports black."""

from __future__ import annotations

from functools import cache, lru_cache

import black
from black.mode import Mode, TargetVersion
from black.parsing import InvalidInput

from migfix.settings import Style


@lru_cache(maxsize=256)  # many files get the same import
def formatted(statement: str, style: Style, indent: int) -> str:
    """One statement (or several lines of them) in black's layout, to stand ``indent`` columns deep.

    Only the new statement goes through black, so no other line of the file can move. Text that
    black cannot handle comes back as it is.
    """
    try:
        return black.format_str(statement, mode=_mode(style, indent))
    except (InvalidInput, AssertionError):
        return statement if statement.endswith("\n") else f"{statement}\n"


@cache
def _mode(style: Style, indent: int) -> Mode:
    versions = {TargetVersion[name.upper()] for name in style.target_versions if _known(name)}
    return Mode(
        target_versions=versions,
        line_length=max(style.line_length - indent, 20),
        string_normalization=style.string_normalization,
        magic_trailing_comma=style.magic_trailing_comma,
        preview=style.preview,
    )


def _known(name: str) -> bool:
    return name.upper() in TargetVersion.__members__
