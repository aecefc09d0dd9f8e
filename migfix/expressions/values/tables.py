"""Dicts that a migration builds of a table to look rows up in: ``{t.code: t for t in T.objects.all()}``.

What such a dict gives for ``row.code`` is what ``T.objects.filter(code=row.code).first()`` would
give, as long as the column is unique, nothing writes the table before the loop, and nothing changes
the objects that the dict holds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

from migfix.expressions.context import Context, Refused
from migfix.expressions.values.elsewhere import Query, query_by_column, query_of
from migfix.facts.body import changes
from migfix.facts.loop import Loop
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelState
from migfix.reading.kinds.values import Manager, Rows, Step
from migfix.reading.names.scopes import Binding, walk
from migfix.reading.rows.lookups import stays_in_table
from migfix.reading.rows.methods import Does, methods
from migfix.sql.databases import Trait
from migfix.sql.kinds import TEXTS

_KEEPING = methods(Does.KEEPS_ROWS)


@dataclass(frozen=True, slots=True)
class Entry:
    """The query that stands for a key of the dict, and which attribute of its row the dict holds.

    ``attribute`` is empty where it holds the rows themselves.
    """

    query: Query
    attribute: str


@dataclass(frozen=True, slots=True)
class _Table:
    """The queryset, and which columns of its rows are the keys and the values. ``value`` is empty for
    the rows themselves; ``of_rows``: they are gone over one by one, not by ``values_list()``.
    """

    rows: ast.expr
    key: str
    value: str
    of_rows: bool = True


def entry_of(node: ast.expr, context: Context) -> Entry | None:
    """``ids[row.code]``, ``ids.get(row.code)``; None for all else. Raises ``Refused``."""
    node, context = context.settled(node)
    match node:
        case ast.Subscript(value=ast.Name() as name, slice=key, ctx=ast.Load()):
            end = "get"
        case ast.Call(
            func=ast.Attribute(value=ast.Name() as name, attr="get"), args=[key], keywords=[]
        ):
            end = "first"
        case _:
            return None
    return _entry(name, key, end, context)


def row_query(node: ast.expr, context: Context) -> Query | None:
    """The query whose row the expression holds, be it run for the row or kept in a dict."""
    if (query := query_of(node, context)) is not None:
        return query
    entry = entry_of(node, context)
    return entry.query if entry is not None and not entry.attribute else None


def membership(key: ast.expr, name: ast.expr, context: Context) -> Query | None:
    """``row.code in ids``"""
    found = _entry(name, key, "first", context) if isinstance(name, ast.Name) else None
    return found.query if found else None


def orphans(loop: Loop) -> list[ast.stmt]:
    """The statements that build dicts of tables for nothing but the loop."""
    scope = loop.resolver.scope
    context = Context.of(loop, {})
    read = {
        n.id for statement in loop.node.body for n in walk(statement) if isinstance(n, ast.Name)
    }
    found: list[ast.stmt] = []
    for name in sorted(read & scope.bindings.keys()):
        binding = scope.bound_once(name)
        statement = binding.statement if binding else None
        alone = all(scope.is_inside(load, loop.node) for load in scope.loads(name))
        if not isinstance(statement, ast.Assign) or not alone or not loop.stands_alone(statement):
            continue
        if _table(ast.Name(name, ast.Load()), context) is not None:
            found.append(statement)
    return found


def _entry(name: ast.Name, key: ast.expr, end: str, context: Context) -> Entry | None:
    table = _table(name, context)
    if table is None:
        return None
    found = context.resolver.value(table.rows, context.place)
    manager = found.manager if isinstance(found, Rows) else found
    if not isinstance(manager, Manager) or not _is_plain(table.rows, found, context):
        return None
    query = query_by_column(manager, _rows_text(table.rows, context), table.key, key, context)
    if query is None or not query.is_one:
        return None
    column = query.model.field(table.key)
    exact = context.loop.databases.have(Trait.COMPARES_LETTERS)
    if column is not None and column.kind in TEXTS and not exact:
        raise Refused(
            Reason.TEXT_COMPARISON,
            f"`{name.id}` is looked up letter by letter, a database would go by its collation",
        )
    return Entry(replace(query, end=end), table.value)


def _is_plain(node: ast.expr, found: object, context: Context) -> bool:
    """Does the queryset choose rows by their own columns, and by what still is the same at the loop?"""
    if not changes.means_the_same(node, context.loop):
        return False
    if not isinstance(found, Rows):
        return True
    columns = context.loop.columns_of(found.model.key) if found.model.key else None
    return columns is not None and all(_chooses(step, columns) for step in found.steps)


def _chooses(step: Step, columns: Mapping[str, FieldState]) -> bool:
    if step.name in _KEEPING:
        return True
    if step.name not in {"filter", "exclude"} or step.call is None or step.call.args:
        return False
    calls = any(isinstance(n, ast.Call) for k in step.call.keywords for n in walk(k.value))
    return not calls and all(stays_in_table(k.arg, columns) for k in step.call.keywords)


def _rows_text(node: ast.expr, context: Context) -> str:
    """The queryset without what only matters to those who go over it."""
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _KEEPING
    ):
        node = node.func.value
    return context.text(node)


def _table(name: ast.Name, context: Context) -> _Table | None:
    """What the dict of that name holds, where it is as it was built when the loop begins."""
    scope = context.loop.resolver.scope
    binding = scope.bound_once(name.id) if not context.depth else None
    if binding is None or scope.binding(name.id, context.loop.node) is None:
        return None
    table = _built_by(binding, context.loop)
    kept = table is not None and _is_as_built(name.id, table, binding, context.loop)
    return table if kept else None


def _built_by(binding: Binding, loop: Loop) -> _Table | None:
    match binding.value:
        case ast.DictComp(
            key=ast.Attribute(value=ast.Name(id=row), attr=key),
            value=value,
            generators=[ast.comprehension(target=ast.Name(id=target), iter=rows, ifs=[])],
        ) if (
            row == target
        ):
            attribute = _attribute_of(value, row)
            return None if attribute is None else _Table(rows, key, attribute)
        case ast.Call(
            func=ast.Name(id="dict"),
            args=[
                ast.Call(
                    func=ast.Attribute(value=rows, attr="values_list"),
                    args=[ast.Constant(value=str(key)), ast.Constant(value=str(attribute))],
                    keywords=[],
                )
            ],
            keywords=[],
        ) if loop.module.is_builtin("dict"):
            return _Table(rows, key, attribute, of_rows=False)
    return None


def _is_as_built(name: str, table: _Table, binding: Binding, loop: Loop) -> bool:
    """Was the dict built beside the loop, of rows that nobody else has, and does nothing change it since?"""
    statement = binding.statement
    model = _model_of(table, binding, loop)
    if model is None or not _is_the_only_name(statement):
        return False
    if table.of_rows and not changes.is_read_anew(table.rows, loop.resolver):
        return False
    if table.of_rows and table.value not in {"", *changes.immutable_attributes(model, loop)}:
        return False
    if not changes.holds_what_was_read(name, statement, None if table.value else model, loop):
        return False
    return changes.is_quiet(statement, loop)


def _is_the_only_name(statement: ast.AST) -> TypeGuard[ast.stmt]:
    """``name = ...``, not ``name = other = ...``"""
    return isinstance(statement, ast.AnnAssign) or (
        isinstance(statement, ast.Assign) and len(statement.targets) == 1
    )


def _model_of(table: _Table, binding: Binding, loop: Loop) -> ModelState | None:
    found = loop.resolver.value(table.rows, binding.statement)
    key = found.model.key if isinstance(found, (Manager, Rows)) else None
    model = loop.state.model(*key) if key else None
    return model if isinstance(model, ModelState) else None


def _attribute_of(node: ast.expr, row: str) -> str | None:
    match node:
        case ast.Name(id=name) if name == row:
            return ""
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == row:
            return attribute
    return None
