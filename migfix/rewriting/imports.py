"""Add the imports that rewrites need, where the file's author would have put them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from migfix.rewriting.formatting import formatted
from migfix.rewriting.lines import line_range
from migfix.rewriting.style import Style
from migfix.source import Source, comments_in, logical_lines, parsed, split_lines


def with_imports(
    text: str,
    needed: Iterable[tuple[str, str]],
    style: Style,
    own: Collection[str] = (),
    head: str = "",
) -> str:
    """``text`` with ``from module import name`` for every ``(module, name)`` that it lacks.

    ``own`` are the top packages of the project, whose imports stand below those of others. ``head`` is what the text
    begins with, above its first statement that is no import, where that is known: no more is read of it.
    """
    if not head or not text.startswith(head):
        for module, name in needed:
            text = _with_import(text, module, name, style, own)
        return text
    below = text.removeprefix(head)
    text = f"{head}{_STATEMENT}"
    for module, name in needed:
        text = _with_import(text, module, name, style, own)
    return text.removesuffix(_STATEMENT) + below


_STATEMENT = "pass\n"  # in place of all that stands below the imports


def head_of(source: Source) -> str:
    """What stands above the first statement of the file that is no import; empty where they share a line."""
    above = _header(source.tree, source.rows).statements
    first, _ = line_range(source.tree.body[above], source.rows)
    apart = any(row[0] == first for row in source.rows)
    return "".join(split_lines(source.plain)[:first]) if apart else ""


def _with_import(text: str, module: str, name: str, style: Style, own: Collection[str]) -> str:
    lines = split_lines(text)
    rows = list(logical_lines(text))
    header = _header(parsed(text), rows)
    same = next((s for s in header.imports[header.hiding :] if _joins(s, module)), None)
    if same is not None:
        assert isinstance(same, ast.ImportFrom)
        first, last = header.lines_of(same)
        if header.is_alone(same) and not comments_in("".join(lines[first:last])):
            new = _statement(module, _merged(same, name), style)
            return "".join([*lines[:first], new, *lines[last:]])
    at, before, after = _place(header, module, lines, own)
    new = _statement(module, [name], style)
    blank_before = "\n" if before else ""
    blank_after = "\n" if after else ""
    return "".join([*lines[:at], blank_before, new, blank_after, *lines[at:]])


@dataclass(frozen=True)
class _Header:
    """The statements at the top of a file, among which imports stand, and the file's logical lines."""

    docstring: ast.stmt | None
    imports: tuple[ast.Import | ast.ImportFrom, ...]
    rows: Sequence[tuple[int, int]]
    statements: int  # how many, texts that are no docstring included

    @property
    def hiding(self) -> int:
        """How many of the imports are followed by ``from module import *``, which may hide theirs."""
        stars = [n for n, s in enumerate(self.imports) if s.names[0].name == "*"]
        return stars[-1] + 1 if stars else 0

    def lines_of(self, statement: ast.stmt) -> tuple[int, int]:
        """The first line, from 0, and the one after the last of the logical line that holds it."""
        return next(row for row in self.rows if row[0] < statement.lineno <= row[1])

    def is_alone(self, statement: ast.stmt) -> bool:
        """Does no other import share its line (``import a; import b``)?"""
        return [self.lines_of(other) for other in self.imports].count(self.lines_of(statement)) == 1


def _header(tree: ast.Module, rows: Sequence[tuple[int, int]]) -> _Header:
    docstring: ast.stmt | None = None
    imports: list[ast.Import | ast.ImportFrom] = []
    statements = 0
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            imports.append(statement)
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            docstring = docstring or statement
        else:
            break
        statements += 1
    return _Header(docstring, tuple(imports), rows, statements)


def _joins(statement: ast.stmt, module: str) -> bool:
    return (
        isinstance(statement, ast.ImportFrom)
        and "." * statement.level + (statement.module or "") == module
        and statement.names[0].name != "*"
    )


def _merged(statement: ast.ImportFrom, name: str) -> list[str]:
    written = [f"{a.name} as {a.asname}" if a.asname else a.name for a in statement.names]
    in_order = written == sorted(written, key=str.lower)
    return sorted([*written, name], key=str.lower) if in_order else [*written, name]


def _statement(module: str, names: list[str], style: Style) -> str:
    return formatted(f"from {module} import {', '.join(names)}", style, 0)


def _place(
    header: _Header, module: str, lines: Sequence[str], own: Collection[str]
) -> tuple[int, bool, bool]:
    """The line to insert at, and whether a blank line goes before and after it."""
    imports = header.imports
    if not imports:
        return _top(header, lines)
    relative = [s for s in imports if isinstance(s, ast.ImportFrom) and s.level]
    if module.startswith("."):
        return header.lines_of(imports[-1])[1], imports[-1] not in relative, False
    package = module.partition(".")[0]
    visible = imports[header.hiding :]
    family = [
        s
        for s in visible
        if isinstance(s, ast.ImportFrom)
        and not s.level
        and (s.module or "").partition(".")[0] == package
    ]
    earlier = [s for s in family if (s.module or "") < module]
    if earlier:
        return header.lines_of(earlier[-1])[1], False, False
    if family:
        return header.lines_of(family[0])[0], False, False
    last = next((s for s in reversed(visible) if s not in relative), imports[-1])
    end = header.lines_of(last)[1]
    apart = not _is_installed(package, own) and _is_installed(_package(last), own)
    followed = apart and end < len(lines) and bool(lines[end].strip())
    return end, apart, followed


def _package(statement: ast.Import | ast.ImportFrom) -> str:
    """The top package that is imported from."""
    named = statement.module if isinstance(statement, ast.ImportFrom) else statement.names[0].name
    return (named or "").partition(".")[0]


def _is_installed(package: str, own: Collection[str]) -> bool:
    """Is it of others, whose imports stand above those of the project's own code?"""
    known = package == "django" or package in sys.stdlib_module_names
    return known or (bool(own) and package not in own)


def _top(header: _Header, lines: Sequence[str]) -> tuple[int, bool, bool]:
    """Below the docstring, else below the comments that head the file (its licence, ``# coding``)."""
    if header.docstring is not None:
        return header.lines_of(header.docstring)[1], True, True
    end = header.rows[0][0] if header.rows else len(lines)
    comments = [n for n in range(end) if lines[n].strip()]
    above = [n for n in comments if n + 1 < end and not lines[n + 1].strip()]
    # Comments without a blank line below them belong to the statement there, unless nothing is above.
    at = (above or comments)[-1] + 1 if comments else 0
    blank = at < end and not lines[at].strip()
    return at, bool(comments), not blank
