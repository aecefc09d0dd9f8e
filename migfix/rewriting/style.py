"""How a project formats its code: with black, else ruff, else flake8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migfix.disk.files import Files, Unreadable
from migfix.settings import folder_of, folders_up, read_toml, table_in

LONGEST_FLAKE8_LINE = 120  # a longer limit says "do not complain", not "write lines like this"


# -- how a project formats its code


@dataclass(frozen=True, slots=True)
class Style:
    """How a project formats its code, in black's words.

    ``black`` says that the project configures black. ``string_normalization`` is True only where
    black or ruff is configured to format: elsewhere nobody agreed to double quotes.
    ``target_versions`` are names like ``py310``, as they were written.
    """

    line_length: int = 88
    string_normalization: bool = False
    magic_trailing_comma: bool = True
    black: bool = False
    target_versions: tuple[str, ...] = ()
    preview: bool = False


def style_of(path: Path, files: Files) -> Style:
    """The style of the project that ``path`` belongs to: of black, else ruff, else flake8.

    The nearest folder that configures black or ruff counts, and black before ruff there. Values
    that make no sense count as absent. Raises SettingsError for a file that is not TOML.
    """
    return files.once(_style_in, folder_of(path, files))


def _style_in(files: Files, folder: Path) -> Style:
    for each in folders_up(folder, files):
        if style := _black_style(each, files) or _ruff_style(each, files):
            return style
    for each in folders_up(folder, files):
        if length := _flake8_line_length(each, files):
            return Style(line_length=length)
    return Style()


def _black_style(folder: Path, files: Files) -> Style | None:
    table = table_in(read_toml(folder / "pyproject.toml", "black", files), "tool", "black")
    if table is None:
        return None
    return Style(
        line_length=_line_length(table),
        string_normalization=table.get("skip-string-normalization") is not True,
        magic_trailing_comma=table.get("skip-magic-trailing-comma") is not True,
        black=True,
        target_versions=_words(table.get("target-version")),
        preview=table.get("preview") is True,
    )


def _ruff_style(folder: Path, files: Files) -> Style | None:
    table = _ruff_table(folder, files)
    if table is None:
        return None
    formatting = table_in(table, "format")
    quotes = None if formatting is None else formatting.get("quote-style", "double")
    return Style(
        line_length=_line_length(table),
        string_normalization=quotes == "double",
        magic_trailing_comma=(formatting or {}).get("skip-magic-trailing-comma") is not True,
        target_versions=_words(table.get("target-version")),
    )


def _ruff_table(folder: Path, files: Files) -> Mapping[str, Any] | None:
    for name in (".ruff.toml", "ruff.toml"):
        if files.has_file(folder / name):
            return read_toml(folder / name, "", files)
    return table_in(read_toml(folder / "pyproject.toml", "ruff", files), "tool", "ruff")


def _line_length(table: Mapping[str, Any]) -> int:
    length = table.get("line-length")
    return length if isinstance(length, int) and length > 1 else Style().line_length


def _words(value: object) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    return tuple(map(str, words)) if isinstance(words, list) else ()


def _flake8_line_length(folder: Path, files: Files) -> int | None:
    from configparser import ConfigParser, Error

    for name in ("setup.cfg", "tox.ini", ".flake8"):
        content = files.read(folder / name)
        if isinstance(content, Unreadable):
            continue
        parser = ConfigParser(interpolation=None)
        try:
            parser.read_string(content.decode())
            length = parser.getint("flake8", "max-line-length", fallback=0)
        except (Error, ValueError):
            continue
        if 0 < length <= LONGEST_FLAKE8_LINE:
            return length
    return None
