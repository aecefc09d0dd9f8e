"""Add the imports that rewrites need, where the file's author would have put them."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from migfix.rewriting.formatting import formatted
from migfix.settings import Style
from migfix.source import Source, split_lines


def with_imports(text: str, source: Source, needed: Iterable[tuple[str, str]], style: Style) -> str:
    """``text`` with ``from module import name`` for every ``(module, name)`` that it lacks."""
    for module, name in needed:
        text = _with_import(text, module, name, source.newline, style)
    return text


def _with_import(text: str, module: str, name: str, newline: str, style: Style) -> str:
    lines = split_lines(text)
    header = _header(ast.parse(text))
    same = next((s for s in header if _joins(s, module)), None)
    if same is not None:
        assert isinstance(same, ast.ImportFrom)
        first, last = same.lineno - 1, same.end_lineno or same.lineno
        if "#" not in "".join(lines[first:last]) and same.end_lineno == _last_line(header, same):
            new = _statement(module, _merged(same, name), newline, style)
            return "".join([*lines[:first], new, *lines[last:]])
    at, before, after = _place(header, module)
    new = _statement(module, [name], newline, style)
    blank_before = newline if before else ""
    blank_after = newline if after else ""
    return "".join([*lines[:at], blank_before, new, blank_after, *lines[at:]])


def _header(tree: ast.Module) -> list[ast.stmt]:
    """The statements that imports stand among: docstring and imports at the top of the file."""
    header: list[ast.stmt] = []
    for statement in tree.body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not docstring and not isinstance(statement, (ast.Import, ast.ImportFrom)):
            break
        header.append(statement)
    return header


def _joins(statement: ast.stmt, module: str) -> bool:
    return (
        isinstance(statement, ast.ImportFrom)
        and "." * statement.level + (statement.module or "") == module
        and statement.names[0].name != "*"
    )


def _last_line(header: list[ast.stmt], statement: ast.stmt) -> int | None:
    """The statement's last line, None where another shares its lines (``import a; import b``)."""
    shared = any(
        other is not statement and other.lineno in {statement.lineno, statement.end_lineno}
        for other in header
    )
    return None if shared else statement.end_lineno


def _merged(statement: ast.ImportFrom, name: str) -> list[str]:
    written = [f"{a.name} as {a.asname}" if a.asname else a.name for a in statement.names]
    in_order = written == sorted(written, key=str.lower)
    return sorted([*written, name], key=str.lower) if in_order else [*written, name]


def _statement(module: str, names: list[str], newline: str, style: Style) -> str:
    line = f"from {module} import {', '.join(names)}"
    return formatted(line, style, 0).replace("\n", newline)


def _place(header: list[ast.stmt], module: str) -> tuple[int, bool, bool]:
    """The line to insert at, and whether a blank line goes before and after it."""
    imports = [s for s in header if isinstance(s, (ast.Import, ast.ImportFrom))]
    if not imports:
        return (header[-1].end_lineno or 0 if header else 0), bool(header), True
    relative = [s for s in imports if isinstance(s, ast.ImportFrom) and s.level]
    if module.startswith("."):
        last = imports[-1]
        return last.end_lineno or last.lineno, last not in relative, False
    package = module.partition(".")[0]
    family = [
        s
        for s in imports
        if isinstance(s, ast.ImportFrom)
        and not s.level
        and (s.module or "").partition(".")[0] == package
    ]
    earlier = [s for s in family if (s.module or "") < module]
    if earlier:
        return earlier[-1].end_lineno or 0, False, False
    if family:
        return family[0].lineno - 1, False, False
    last = next((s for s in reversed(imports) if s not in relative), imports[-1])
    return last.end_lineno or last.lineno, False, False
