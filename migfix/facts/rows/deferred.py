"""Which columns a loop's body may load of rows that were read before, where a query has left them out.

They are read when they are asked for, as the table is by then:
https://docs.djangoproject.com/en/stable/ref/models/querysets/#defer
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from migfix.facts.body.changes import shares_table
from migfix.facts.body.reached import named_by_text, reached
from migfix.facts.loop import Loop
from migfix.history.state import FieldState, ModelState
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import Model, RawRows, Row, Rows
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import statements_of_scope, walk
from migfix.reading.rows.querysets import Resolver

_LEAVING_OUT = frozenset({"only", "defer", "raw"})


def loads_of_others(loop: Loop, model: ModelState) -> Iterator[tuple[ast.AST, str]]:
    """Where the body may load a column of a row of the model that is not the one of the turn, and which."""
    columns = loop.columns_of(model.key) or {}
    deferred = frozenset(_deferred(loop, model, columns))
    if not deferred:
        return
    own = {use.node for use in loop.uses}
    for node, resolver in reached(loop.region, loop.resolver):
        for name in _read(node, resolver, loop, model) if node not in own else ():
            column = columns.get(name or "")
            if name is None or (column is not None and column.name in deferred):
                yield node, name or "a column"


def _read(node: ast.AST, resolver: Resolver, loop: Loop, model: ModelState) -> Iterator[str | None]:
    """The attributes of rows of the model that the node may read; None where a text may name any."""
    yield from named_by_text(node, resolver)
    match node:
        case ast.Attribute(value=owner, attr=name, ctx=ast.Load()):
            kind = kind_of(owner, resolver)
            other = isinstance(kind, Row) and not shares_table(loop, model, kind.model.key)
            if kind is None or (isinstance(kind, Row) and not other):
                shown = re.fullmatch(r"get_(\w+)_display", name)
                yield shown[1] if shown else name


def _deferred(loop: Loop, model: ModelState, columns: Mapping[str, FieldState]) -> Iterator[str]:
    """The columns that a row of the model may lack which was read outside of the loop's own query."""
    every = {column.name for column in columns.values() if column.primary_key is not True}
    yield from (c.name for c in columns.values() if c.kind == "GeneratedField")  # of a new row
    yield from taken_away(loop, columns)
    scope = loop.resolver.scope
    for node in _nodes_leaving_out(loop):
        match node:
            case ast.Call(func=ast.Attribute(attr=method)) if not scope.is_inside(
                node, loop.node.iter
            ):
                lacking = left_out(node, method, every, columns)
                if lacking and _may_be_of_model(node, loop, model):
                    yield from lacking


def taken_away(loop: Loop, columns: Mapping[str, FieldState]) -> Iterator[str]:
    """The columns that code may take away from a row that has them: ``del row.name``, ``delattr(row, name)``."""
    for node in _nodes_leaving_out(loop):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Del()):
                yield from (columns[name].name,) if name in columns else ()
            case ast.Attribute() | ast.Name():
                yield from (c.name for c in columns.values() if c.primary_key is not True)


def _nodes_leaving_out(loop: Loop) -> Iterator[ast.AST]:
    return (node for module in _modules(loop.resolver) for node in _leaving_out(module.tree))


def _modules(resolver: Resolver) -> frozenset[Module]:
    """The modules of the function and of those that it calls."""
    if "modules" not in resolver.own:
        found = reached(statements_of_scope(resolver.scope), resolver)
        resolver.own["modules"] = frozenset({resolver.module, *(here.module for _, here in found)})
    modules: frozenset[Module] = resolver.own["modules"]
    return modules


@lru_cache(maxsize=256)
def _leaving_out(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Where rows may get to lack a column: the calls of such methods, ``del row.name`` and what does the same."""
    return tuple(node for node in walk(tree) if _may_leave_out(node))


def _may_leave_out(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(ctx=ast.Del()) | ast.Attribute(attr="__dict__" | "__delattr__"):
            return True
        case ast.Name(id="delattr" | "vars", ctx=ast.Load()):
            return True
        case ast.Call(func=ast.Attribute(attr=method)):
            return method in _LEAVING_OUT
    return False


def left_out(
    call: ast.Call, method: str, every: set[str], columns: Mapping[str, FieldState]
) -> set[str]:
    """The columns that ``only()``, ``defer()`` or ``raw()`` may leave out."""
    given = [each.value if isinstance(each, ast.Constant) else ... for each in call.args]
    if method == "raw" or ... in given or call.keywords:
        return every
    parts = {part for name in given if isinstance(name, str) for part in name.split("__")}
    named = {columns[part].name for part in parts if part in columns}
    return every - named if method == "only" else named & every


def _may_be_of_model(call: ast.Call, loop: Loop, model: ModelState) -> bool:
    """May it leave out columns of the model: of rows of the call, or of those that these are joined with?"""
    names = [each.value for each in call.args if isinstance(each, ast.Constant)]
    here = loop.resolver.scope.is_inside(call, loop.resolver.scope.node)
    if not here or any("__" in name for name in names if isinstance(name, str)):
        return True
    match loop.resolver.value(call):
        case Rows(model=Model(key=key)) | RawRows(model=Model(key=key)):
            return shares_table(loop, model, key)
    return True
