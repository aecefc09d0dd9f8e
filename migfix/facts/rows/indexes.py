"""Whether loading fewer columns may change the order of rows that nobody asked to sort."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from migfix.facts.loop import Loop
from migfix.history.fields import Is, fields
from migfix.history.state import FieldState, ModelState, Unknown, names_used
from migfix.reading.kinds.values import Manager, Rows
from migfix.reading.rows.querysets import Resolver

# Options of a model and of a field that make the database build an index.
_RULES = ("indexes", "index_together", "unique_together", "constraints")
_INDEXED_KINDS = fields(Is.INDEXED)


def is_ordered(loop: Loop, model: ModelState, columns: Mapping[str, FieldState]) -> bool:
    """Does the query itself leave no two rows in an order of the database's choice?"""
    return any(_is_unique(name, columns) for name in _ordered_by(loop, model))


def is_sorted(loop: Loop, model: ModelState) -> bool:
    """Does the query say any order, be it one that leaves ties?"""
    assert isinstance(loop.rows, Rows)
    given = _given_order(loop.rows, loop.resolver)
    if given is not None:
        return bool(given)
    return bool(model.options.get("ordering")) or "order_with_respect_to" in model.options


def sorted_by(loop: Loop, model: ModelState) -> str:
    """What the rows are sorted by, for messages."""
    names = " and ".join(f"`{name}`" for name in _ordered_by(loop, model))
    return names or "what is not written out"


def may_go_by_index(
    models: Iterable[ModelState], columns: Mapping[str, FieldState], names: Iterable[str]
) -> bool:
    """May a database use an index to find rows by these columns?"""
    by_name = {column.name: column for column in columns.values()}
    keys = {c.name for c in by_name.values() if c.primary_key is not False} | {"pk"}
    asked = {columns[name].name if name in columns else name for name in names}
    return bool(asked & keys) or any(
        isinstance(index, Unknown) or asked & index for index in _indexes(models, by_name.values())
    )


def keeps_order(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], loaded: Iterable[str]
) -> bool:
    """Do the rows come in the same order when only the columns ``loaded`` are asked for?

    Without ORDER BY a database that finds all columns of a query in one index reads that instead
    of the table, and answers in the order of the index: https://www.sqlite.org/queryplanner.html
    (section 1.7), https://www.postgresql.org/docs/current/indexes-index-only-scans.html.
    """
    if is_ordered(loop, model, columns):
        return True
    parents = loop.state.parents(model)
    return not isinstance(parents, Unknown) and reads_table(
        (model, *parents), columns, {*loaded, *_filtered_by(loop)}
    )


def reads_table(
    models: Iterable[ModelState], columns: Mapping[str, FieldState], names: Iterable[str]
) -> bool:
    """Does certainly no index hold all of these columns? Any may hold the key alone.

    ``models`` are those of the one table: a proxy stands for another model.
    """
    by_name = {column.name: column for column in columns.values()}
    read = {name for name in names if name in by_name and by_name[name].primary_key is not True}
    return bool(read) and not any(
        isinstance(index, Unknown) or read <= index for index in _indexes(models, by_name.values())
    )


def _indexes(
    models: Iterable[ModelState], columns: Iterable[FieldState]
) -> Iterator[frozenset[str] | Unknown]:
    """The names of the columns in each index; every index holds the key as well."""
    for column in columns:
        if not _is_unindexed(column):
            yield frozenset({column.name})
    for given in (model.options.get(rule, ()) for model in models for rule in _RULES):
        groups: tuple[object, ...] = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        if any(isinstance(group, str) for group in groups):  # unique_together = ("a", "b")
            groups = (groups,)
        for index in groups:
            names = list(names_used(index))
            unclear = next((name for name in names if isinstance(name, Unknown)), None)
            yield unclear or frozenset(name for name in names if isinstance(name, str))


def _ordered_by(loop: Loop, model: ModelState) -> list[str]:
    """The names that the rows are sorted by, as far as they are literals."""
    assert isinstance(loop.rows, Rows)
    ordering = model.options.get("ordering")
    names: list[object] = list(ordering) if isinstance(ordering, (list, tuple)) else []
    given = _given_order(loop.rows, loop.resolver)
    names = names if given is None else given
    return [name.removeprefix("-") for name in names if isinstance(name, str)]


def _given_order(rows: Rows, resolver: Resolver) -> list[object] | None:
    """What the query itself says that its rows are sorted by, with None for what is not a literal.

    None where it says nothing, so that the order of the model holds.
    """
    given: list[object] | None = None
    for step in rows.steps:
        if step.name == "order_by":
            given = [None] if step.call is None else [*map(_literal, step.call.args)]
        elif step.name == "extra" and _may_sort(step.call):
            given = [None]
        elif step.name == "|":
            given = _combined(given, rows, step.node, resolver)
    return given


def _combined(
    given: list[object] | None, rows: Rows, node: ast.expr, resolver: Resolver
) -> list[object] | None:
    """The order of ``left | right``: that of the right one where it says any, else that of the left one.

    A slice loses its own, and a queryset of no rows is not looked at: ``Query.combine``,
    ``QuerySet.__or__`` of ``django.db.models``.
    """
    right = resolver.value(node.right) if isinstance(node, ast.BinOp) else None
    right = Rows(right) if isinstance(right, Manager) else right
    if not isinstance(right, Rows) or right.has("[]", "none") or rows.has("[]", "none"):
        return [None]
    other = _given_order(right, resolver)
    unknown = [None] in (given, other)  # extra() may sort, which goes before all others
    return [None] if unknown else other or given


def _literal(argument: ast.expr) -> object:
    return argument.value if isinstance(argument, ast.Constant) else None


def _may_sort(call: ast.Call | None) -> bool:
    """``extra(order_by=["name"])``"""
    if call is None or call.args:
        return True
    return any(keyword.arg in {"order_by", None} for keyword in call.keywords)


def _is_unique(name: str, columns: Mapping[str, FieldState]) -> bool:
    """Does sorting by the column leave no two rows in an order of the database's choice?"""
    column = columns.get(name)
    if column is None or column.primary_key is True:
        return name == "pk" or column is not None
    return column.unique is True and column.null is False and column.verified


def _is_unindexed(column: FieldState) -> bool:
    plain = column.kind is not None and column.kind not in _INDEXED_KINDS
    return plain and column.unique is False and not column.options.get("db_index", False)


def _filtered_by(loop: Loop) -> Iterator[str]:
    """The columns of the model that the queryset's filters compare."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if step.name in {"filter", "exclude"} and isinstance(step.node, ast.Call):
            yield from (k.arg.partition("__")[0] for k in step.node.keywords if k.arg)
