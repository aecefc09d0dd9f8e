"""Which lines of a project decide what a module holds: its own, and those that give meaning to the names it imports."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

_ALL = "*"


class ProjectImports:
    """``asking`` says which lines of files ask for what is otherwise elsewhere. Those of ``settings`` may: they are meant
    to be as they are.
    """

    def __init__(self, asking: Mapping[str, Mapping[int, str]], settings: str) -> None:
        self._asking = asking
        self._settings = _file(settings)
        self._clean: set[tuple[str, str]] = set()
        self._own: dict[str, bool] = {}
        self._library = os.path.realpath(sysconfig.get_paths()["stdlib"]) + os.sep

    def asking(self, module: str) -> str | None:
        """What a module asks, or some line of another that gives meaning to what it uses; None where none does."""
        seen: set[tuple[str, str]] = set()
        waiting = [(module, _ALL)]
        while waiting:
            module, name = each = waiting.pop()
            if each in seen or each in self._clean or not self._is_of_project(module):
                continue
            seen.add(each)
            file = _file(module)
            for statement in _statements(file, name):
                if file != self._settings and (why := self._asked(file, statement)):
                    return f"{file} asks for {why}"
                waiting += _used(module, file, statement)
        self._clean |= seen
        return None

    def _asked(self, file: str, statement: ast.stmt) -> str | None:
        decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(each.lineno for each in decorators)])
        lines = self._asking.get(file, {})
        last = statement.end_lineno or first
        return next((why for line, why in lines.items() if first <= line <= last), None)

    def _is_of_project(self, module: str) -> bool:
        if module not in self._own:
            file = _file(module)
            installed = "-packages" in file or file.startswith(self._library)
            self._own[module] = bool(file) and not installed
        return self._own[module]


def _file(module: str) -> str:
    file = getattr(sys.modules.get(module), "__file__", None)
    return os.path.realpath(file) if isinstance(file, str) else ""


@cache
def _tree(file: str) -> ast.Module:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])


def _statements(file: str, name: str) -> list[ast.stmt]:
    """Those at the top of a module that name it, for any reason but to define something else; all of them for ``*``."""
    if name == _ALL:
        return _tree(file).body
    found = _index(file)
    return [*found.get(name, ()), *found.get(_ALL, ())] if name in found or _ALL in found else []


@cache
def _index(file: str) -> Mapping[str, list[ast.stmt]]:
    """The statements at the top of a module by the names that they define or, where they define nothing, mention."""
    found: dict[str, list[ast.stmt]] = {}
    for each in _tree(file).body:
        names: Iterable[str]
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = [each.name]
        elif isinstance(each, (ast.Import, ast.ImportFrom)):
            names = [alias.asname or alias.name.partition(".")[0] for alias in each.names]
        else:
            names = _names(each)
        for name in names:
            found.setdefault(name, []).append(each)
    return found


@cache
def _names(statement: ast.stmt) -> frozenset[str]:
    inside = [*ast.walk(statement)]
    bound = {
        alias.asname or alias.name.partition(".")[0]
        for node in inside
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    return frozenset(bound.union(node.id for node in inside if isinstance(node, ast.Name)))


def _used(module: str, file: str, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """What else gives meaning to what the statement names: in its module, and in those that it imports from."""
    for name in _names(statement):
        yield module, name
    is_package = os.path.basename(file) == "__init__.py"
    for node in ast.walk(statement):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, _ALL
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            above = parts[: len(parts) - node.level + is_package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield base, alias.name
                yield f"{base}.{alias.name}", _ALL
