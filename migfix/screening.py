"""Which files have nothing to look into: those are done without the pipeline, whose import takes longer.

A file says so itself where it holds no ``for``, no comment for migfix, and imports nothing that may hold one for it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.disk.files import Unreadable
from migfix.findings import FileOutcome
from migfix.project.discovery import discover
from migfix.settings import known_codes
from migfix.source import Source, UnreadableSource, nodes_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migfix.disk.files import Files
    from migfix.selection import Selection
    from migfix.settings import Settings

MENTION = b"RunPython"  # which no file does without whose loops matter
STDIN = Path("stdin.py")  # what is on standard input, where nobody says what it is
_FOR = re.compile(rb"^[ \t]*for\b", re.MULTILINE)


def outcomes_without_a_look(
    paths: Sequence[Path], settings: Settings, files: Files, selection: Selection
) -> list[FileOutcome] | None:
    """What the pipeline would say of the paths, where none of their files has anything to look into; else None."""
    if selection.files is not None or not _may_screen(settings):
        return None
    found = discover(paths, files, settings.exclude)
    named = frozenset(paths)
    outcomes = [FileOutcome(path, error=problem) for path, problem in found.problems]
    for path in found.files:
        data = files.read(path)
        if isinstance(data, Unreadable):
            return None
        if MENTION not in data and path not in named:
            outcomes.append(FileOutcome(path, is_migration=b"Migration" in data))
        elif has_nothing(path, data):
            outcomes.append(FileOutcome(path))
        else:
            return None
    return sorted(outcomes, key=lambda outcome: outcome.path)


def outcome_without_a_look(path: Path, data: bytes, settings: Settings) -> FileOutcome | None:
    """The same for one file that is named and has these bytes."""
    return FileOutcome(path) if _may_screen(settings) and has_nothing(path, data) else None


def _may_screen(settings: Settings) -> bool:
    """Not where statements count as well as loops, or any import may be that of a helper."""
    return settings.helper is None and settings.codes <= known_codes().keys()


def has_nothing(path: Path, data: bytes) -> bool:
    """Does the file surely hold no loop, nor one of another module that it calls?"""
    if _FOR.search(data) or b"migfix" in data.lower():
        return False
    try:
        tree = Source.of(path, data).tree
    except UnreadableSource:
        return False
    return not any(isinstance(n, ast.For) or _leads_to_migrations(n) for n in nodes_in(tree))


def calls_no_module(path: Path, data: bytes) -> bool:
    """Does the file surely call nothing of a module beside it, or of another package of migrations?"""
    try:
        tree = Source.of(path, data).tree
    except UnreadableSource:
        return False
    return not any(map(_leads_to_migrations, nodes_in(tree)))


def _leads_to_migrations(node: ast.AST) -> bool:
    """A part of what a function of a migrations package may be called by."""
    match node:
        case ast.ImportFrom(module="django.db", level=0):
            return False
        case ast.ImportFrom(module=module, level=level, names=names):
            named = [module or "", *(each.name for each in names)]
            return level > 0 or any("migrations" in name for name in named)
        case ast.Import(names=names):
            return any("migrations" in each.name for each in names)
        case ast.Attribute(attr=attr):
            return "migrations" in attr
    return False
