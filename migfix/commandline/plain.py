"""What a plain command line of ``check`` says, read without Typer, whose import takes longer than most checks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from migfix.cache import VARIABLE
from migfix.commandline.options import ColorChoice, Options, OutputFormat, Proving, Reporting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# The field and what it becomes, by the option; anything else is Typer's matter.
_FLAGS: dict[str, tuple[str, bool]] = {
    "--unsafe-fixes": ("unsafe_fixes", True),
    "--no-unsafe-fixes": ("unsafe_fixes", False),
    "--verbose": ("verbose", True),
    "-v": ("verbose", True),
    "--quiet": ("quiet", True),
    "-q": ("quiet", True),
    "--no-cache": ("no_cache", True),
    "--debug": ("debug", True),
    "--statistics": ("statistics", True),
    "--exit-zero": ("exit_zero", True),
}
_TEXTS = {
    "--since": "since",
    "--config": "config",
    "--stdin-filename": "stdin_filename",
    "--cache-dir": "cache_dir",
    "--settings": "settings",
    "--python": "python",
    "--output": "output",
    "-o": "output",
    "--output-format": "output_format",
    "--color": "color",
}
_LISTS = {"--only": "only", "--select": "select", "--ignore": "ignore", "--exclude": "exclude"}
_KINDS = {"output_format": OutputFormat, "color": ColorChoice}
_OF_REPORTING = frozenset({"output_format", "output", "statistics", "exit_zero"})


def plainly(arguments: Sequence[str]) -> tuple[Options, Proving, Reporting] | None:
    """What the options of ``check`` are by these arguments; None where Typer has to look.

    Typer has to for what is wrong, asks for help, is of another command, or may be meant in several ways.
    """
    if arguments[:1] != ["check"] or os.name == "nt" or _is_said_elsewhere():
        return None
    paths: list[str] = []
    said: dict[str, Any] = {}
    rest = [*reversed(arguments[1:])]
    while rest:
        each = rest.pop()
        if not each or not each.isprintable():
            return None
        if each == "-" or each[0] != "-":
            paths.append(each)
        elif each in _FLAGS:
            name, value = _FLAGS[each]
            said[name] = value
        elif not _takes(each, rest, said):
            return None
    if not paths:
        return None
    reporting = {name: said.pop(name) for name in _OF_REPORTING & said.keys()}
    return Options(paths, **said), Proving(), Reporting(**reporting)


def _takes(each: str, rest: list[str], said: dict[str, Any]) -> bool:
    """Note the value of an option that stands in the next argument or behind its ``=``."""
    option, equals, value = each.partition("=")
    if not equals:
        value = rest.pop() if rest else ""
    elif not option.startswith("--"):
        return False
    if not value or value[0] == "-" or not value.isprintable():
        return False
    if option in _LISTS:
        said.setdefault(_LISTS[option], []).append(value)
        return True
    name = _TEXTS.get(option)
    if name is None or name in said:
        return False
    kind = _KINDS.get(name)
    if kind is None:
        said[name] = value
        return True
    try:
        said[name] = kind(value)
    except ValueError:
        return False
    return True


def _is_said_elsewhere() -> bool:
    """May variables say something that Typer heeds: an option, or that a shell asks for completions?"""
    return VARIABLE in os.environ or any(
        name.startswith("_") and "COMPLETE" in name for name in os.environ
    )
