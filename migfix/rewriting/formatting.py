"""Lay out new statements as the project's own formatter would. The only module that imports black."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from migfix.rewriting.plain import laid_out

if TYPE_CHECKING:
    from black.mode import Mode

    from migfix.rewriting.style import Style


@lru_cache(maxsize=256)  # many files get the same import
def formatted(statement: str, style: Style, indent: int) -> str:
    """One statement (or several lines of them) in black's layout, to stand ``indent`` columns deep.

    Only the new statement goes through black, so no other line of the file can move. Text that
    black cannot handle comes back as it is.
    """
    ended = statement if statement.endswith("\n") else f"{statement}\n"
    plain = laid_out(ended, _width(style, indent), quotes=style.string_normalization)
    if plain is not None and not style.preview:
        return plain
    import black
    from black.parsing import InvalidInput

    try:
        return black.format_str(statement, mode=_mode(style, indent))
    except (InvalidInput, AssertionError):
        return ended


def _width(style: Style, indent: int) -> int:
    return max(style.line_length - indent, 20)


@cache
def _mode(style: Style, indent: int) -> Mode:
    from black.mode import Mode, TargetVersion

    known = TargetVersion.__members__
    names = {name.upper() for name in style.target_versions}
    return Mode(
        target_versions={TargetVersion[name] for name in names if name in known},
        line_length=_width(style, indent),
        string_normalization=style.string_normalization,
        magic_trailing_comma=style.magic_trailing_comma,
        preview=style.preview,
    )
