"""Every place that names a function, or may: by a text, by an import in another file."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from migfix.reading.names.scopes import walk

if TYPE_CHECKING:
    from migfix.reading.names.module import Module


def mentions_of(name: str, module: Module) -> Sequence[ast.expr]:
    """Every expression of the file that stands, or may stand, for what has the name."""
    return _by_name(module).get(name, ())


@lru_cache(maxsize=256)
def _by_name(module: Module) -> Mapping[str, Sequence[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in walk(module.tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                found.setdefault(name, []).append(node)
            case ast.Constant(value=str(text)) if _gets_by_text(node, module):
                found.setdefault(text, []).append(node)
    return found


def _gets_by_text(node: ast.AST, module: Module) -> bool:
    """``getattr(module, "name")``, ``globals()["name"]``"""
    parent = module.scope.parents.get(node)
    match parent:
        case ast.Call(
            func=ast.Name(id="getattr") | ast.Attribute(attr="attrgetter" | "methodcaller")
        ):
            return True
    return isinstance(parent, ast.Subscript) and isinstance(parent.value, ast.Call)


def is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


def imported_as(name: str, importer: Module) -> Iterator[str]:
    imported = _imports_by_name(importer)
    yield from imported.get(name, ())
    if "*" in imported:
        yield name


@lru_cache(maxsize=256)
def _imports_by_name(importer: Module) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for node in walk(importer.tree):
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            found.setdefault(alias.name, []).append(alias.asname or alias.name)
    return found
