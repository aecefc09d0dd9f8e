"""Loops over things that the file writes out (models, names, pairs of them): what each turn is for."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from migfix.reading.names.module import Module
from migfix.reading.names.scopes import Scope, walk

_CHANGEABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.NamedExpr)
_VIEWS = frozenset({"items", "keys", "values"})
# Builtins that go over their argument, count it or copy it.
_GO_OVER = frozenset(
    "list tuple set frozenset sorted reversed enumerate iter len any all str repr print".split()
)


def items_of(display: ast.expr, method: str = "") -> Sequence[ast.expr]:
    """What ``for x in display`` (or ``in display.method()``) goes over; empty where that is not written out."""
    match display:
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items) if not method:
            return [] if any(isinstance(item, ast.Starred) for item in items) else items
        case ast.Dict(keys=keys, values=values):
            known = [key for key in keys if key is not None]
            if len(known) < len(keys):
                return []
            pairs = [ast.Tuple([k, v], ast.Load()) for k, v in zip(known, values, strict=True)]
            ways: dict[str, Sequence[ast.expr]] = {"": known, "keys": known, "values": values}
            return {**ways, "items": pairs}.get(method, [])
    return []


def unpacked(item: ast.expr, target: ast.expr, name: str) -> ast.expr | None:
    """The part of ``item`` that ``name`` gets when ``item`` is assigned to ``target``."""
    match target, item:
        case (
            ast.Tuple(elts=names) | ast.List(elts=names),
            ast.Tuple(elts=parts) | ast.List(elts=parts),
        ):
            found = [n.id for n in names if isinstance(n, ast.Name)]
            plain = not any(isinstance(part, ast.Starred) for part in parts)
            if plain and len(found) == len(names) == len(parts) and found.count(name) == 1:
                return parts[found.index(name)]
    return None


def stays_as_written(
    display: ast.expr, parent: ast.AST | None, name: str, scope: Scope, module: Module
) -> bool:
    """Does ``name`` still hold what was written when a loop goes over it, all items as they were?

    ``parent`` is the statement that gave it to the name. Text and tuples of it cannot change; a list
    does not where nothing but loops reads the name, and a list of lists where one loop alone does.
    """
    inside = [node for child in ast.iter_child_nodes(display) for node in walk(child)]
    nested = any(isinstance(node, _CHANGEABLE) for node in inside)
    if not nested and not isinstance(display, _CHANGEABLE):
        return True
    if isinstance(parent, ast.Assign) and len(parent.targets) > 1:
        return False
    loads = list(scope.loads(name))
    only_one = len(loads) == 1 or not nested
    return only_one and all(_goes_over(load, scope, module) for load in loads)


def _goes_over(load: ast.Name, scope: Scope, module: Module) -> bool:
    """Does the place only look at the items?"""
    parent = scope.parents.get(load)
    match parent:
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated):
            return iterated is load
        case ast.Compare(ops=ops):
            return all(isinstance(op, (ast.In, ast.NotIn)) for op in ops)
        case ast.Call(func=ast.Name(id=function), args=args):
            return load in args and function in _GO_OVER and module.is_builtin(function)
        case ast.Attribute(attr=method):
            return method in _VIEWS and isinstance(scope.parents.get(parent), ast.Call)
    return False
