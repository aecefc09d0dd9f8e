"""Values that depend on a condition: ``a if test else b``, ``a or b``, ``a == b`` as a value."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from migfix.expressions.conditions.compiling import compile_test
from migfix.expressions.path import Path, branches
from migfix.reading.names.scopes import COMPREHENSIONS, walk
from migfix.source import children

Alternative: TypeAlias = tuple[Path, ast.expr]
"""A path and the expression whose value it gives there."""


def alternatives(node: ast.expr, path: Path) -> list[Alternative]:
    """The value on every path that its conditions lead to. Raises ``Refused``."""
    chooser = _TABLE.get(type(node))
    chosen = chooser(node, path) if chooser else None
    if chosen is not None:
        return chosen
    inner = next(_choices(node), None)
    if inner is None:
        return [(path, node)]
    return [
        each
        for under, value in alternatives(inner, path)
        for each in alternatives(_replaced(node, inner, value), under)
    ]


def _choices(node: ast.AST) -> Iterator[ast.IfExp]:
    """``a if test else b`` inside of a larger expression that is evaluated at once and whole."""
    lazy = (ast.Lambda, *COMPREHENSIONS, ast.BoolOp)
    for child in children(node):
        if isinstance(child, ast.IfExp):
            yield child
        elif not isinstance(child, lazy):
            yield from _choices(child)


def _replaced(node: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """``node`` with ``new`` in the place of ``old``; only what holds ``old`` is made anew.

    What is new has no place in the source: its text is written out.
    """
    if node is old:
        return new
    made = _InField(old, new).made(node) if any(each is old for each in walk(node)) else node
    assert isinstance(made, ast.expr)
    return made


@dataclass(frozen=True)
class _InField:
    old: ast.expr
    new: ast.expr

    def made(self, node: ast.AST) -> ast.AST:
        fields = {name: self._replaced(value) for name, value in ast.iter_fields(node)}
        make: Callable[..., ast.AST] = type(node)
        return make(**fields)

    def _replaced(self, value: object) -> object:
        if isinstance(value, list):
            return [self._replaced(item) for item in value]
        if isinstance(value, (ast.keyword, ast.FormattedValue)):
            return self.made(value)
        return _replaced(value, self.old, self.new) if isinstance(value, ast.expr) else value


def _ternary(node: ast.expr, path: Path) -> list[Alternative]:
    assert isinstance(node, ast.IfExp)
    return _chosen(path, node.test, node.body, node.orelse)


def _chosen(path: Path, test: ast.expr, yes: ast.expr, no: ast.expr) -> list[Alternative]:
    holds, fails = branches(path, compile_test(test, path.context))
    found = [] if holds is None else alternatives(yes, holds)
    return found if fails is None else found + alternatives(no, fails)


def _operator(node: ast.expr, path: Path) -> list[Alternative]:
    """``a or b`` is ``a if a else b``, ``a and b`` is ``b if a else a``."""
    assert isinstance(node, ast.BoolOp)
    first, *others = node.values
    rest = others[0] if len(others) == 1 else ast.BoolOp(node.op, others)
    if isinstance(node.op, ast.Or):
        return _chosen(path, first, first, rest)
    return _chosen(path, first, rest, first)


def _answer(node: ast.expr, path: Path) -> list[Alternative]:
    """A comparison as a value."""
    return _chosen(path, node, ast.Constant(True), ast.Constant(False))


def _negation(node: ast.expr, path: Path) -> list[Alternative] | None:
    assert isinstance(node, ast.UnaryOp)
    return _answer(node, path) if isinstance(node.op, ast.Not) else None


def _call(node: ast.expr, path: Path) -> list[Alternative] | None:
    """``bool(...)`` of anything, ``int(...)`` of a test, ``text.startswith(...)``."""
    assert isinstance(node, ast.Call)
    builtin = path.context.loop.module.is_builtin
    match node:
        case ast.Call(func=ast.Name(id="bool"), args=[_], keywords=[]) if builtin("bool"):
            return _answer(node, path)
        case ast.Call(func=ast.Name(id="int"), args=[test], keywords=[]) if builtin("int"):
            return _counted(test, path)
        case ast.Call(func=ast.Attribute(attr="startswith" | "endswith")):
            return _answer(node, path)
    return None


def _counted(test: ast.expr, path: Path) -> list[Alternative] | None:
    """``int(row.flag)``"""
    column = path.context.row_column(test)
    boolean = column is not None and column.kind == "BooleanField"
    if column is None or not boolean or not path.context.is_not_null(column):
        return None
    return _chosen(path, test, ast.Constant(1), ast.Constant(0))


_TABLE: dict[type[ast.expr], Callable[[ast.expr, Path], list[Alternative] | None]] = {
    ast.IfExp: _ternary,
    ast.BoolOp: _operator,
    ast.Compare: _answer,
    ast.UnaryOp: _negation,
    ast.Call: _call,
}
