"""Rows of other tables that a body looks up for its row: ``T.objects.get(code=row.code)``, ``row.items.first()``.

SQL looks them up in a subquery of the one statement. That is the same where the other table is not
the one that changes, the columns compare alike, and the row's own column is not NULL (``get(code=None)``
finds NULLs, a comparison of columns does not).
https://docs.djangoproject.com/en/stable/ref/models/expressions/#subquery-expressions
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from migfix.expressions.context import Context, Refused, SqlValue, Test
from migfix.expressions.values.beforehand import is_fixed_test
from migfix.expressions.values.computed import written
from migfix.expressions.values.operands import Operand, found_operand
from migfix.expressions.values.related import may_be_updated
from migfix.facts.body import changes
from migfix.facts.rows.bases import reading_caveats
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelKey, ModelState, Unknown
from migfix.reading.kinds.values import Manager
from migfix.sql.kinds import FOREIGN_KEYS, INTEGERS, TEXTS
from migfix.sql.nodes import Counted, Exists, Found, Outer, OuterRef, Select, Type, Value, reads
from migfix.sql.types import constant

_ENDS = frozenset({"get", "first", "exists", "count"})


@dataclass(frozen=True, slots=True)
class Query:
    """A query for rows of ``model`` that belong to the row.

    ``compared`` are its columns that are compared with those of the row, ``own`` the foreign keys among them
    that point to the row;
    ``is_one``: no two rows can match;
    ``ordered`` tells that ``order_by`` was called; ``end`` is the method that runs it.
    """

    model: ModelState
    rows: Select
    is_one: bool = False
    ordered: bool = False
    end: str = ""
    compared: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()

    @property
    def is_sorted(self) -> bool:
        """Does ``first()`` take the rows in the order that they have, instead of that of their keys?"""
        return self.is_one or self.ordered or bool(self.model.options.get("ordering"))

    @property
    def first(self) -> Select:
        """The query whose first row is the one that ``first()`` gives."""
        return self.rows if self.is_sorted else self.rows.then("order_by", ("", _BY_KEY))


_BY_KEY = constant('"pk"', "pk")


def query_of(node: ast.expr, context: Context) -> Query | None:
    """The query that the expression runs; None where it is none for the row. Raises ``Refused``."""
    node, context = context.settled(node)
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=end)) if end in _ENDS:
            found = _queryset(owner, context)
        case _:
            return None
    if found is None:
        return None
    if end == "get":
        found = _filtered(found, node, context)
    elif node.args or node.keywords:
        return None
    if (
        found is None
        or not reads(found.rows)
        or may_be_updated(found.model.key, context, found.own)
    ):
        return None
    return replace(found, end=end)


def query_by_column(
    manager: Manager, source: str, name: str, value: ast.expr, context: Context
) -> Query | None:
    """The rows of the queryset written as ``source`` whose column ``name`` is ``value`` of the row."""
    model = None if manager.related else _other_model(manager.model.key, context)
    columns = context.loop.columns_of(model.key) if model else None
    if model is None or columns is None:
        return None
    added = _condition(name, value, Query(model, Select(source)), columns, context)
    if added is None:
        return None
    compared, query = added
    found = replace(query, rows=query.rows.then("filter", (name, compared)))
    changing = may_be_updated(model.key, context, found.own)
    return found if reads(found.rows) and not changing else None


def _queryset(node: ast.expr, context: Context) -> Query | None:
    """``T.objects``, ``row.items``, and what is chained to them."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="all"), args=[], keywords=[]):
            return _queryset(owner, context)
        case ast.Call(func=ast.Attribute(value=owner, attr="filter"), args=[]):
            found = _queryset(owner, context)
            return _filtered(found, node, context) if found else None
        case ast.Call(func=ast.Attribute(value=owner, attr="order_by"), args=names, keywords=[]):
            found = _queryset(owner, context)
            if found is None or not names or not all(_is_order(n, found, context) for n in names):
                return None
            given = [("", Outer(context.loop.text(name))) for name in names]
            return replace(found, rows=found.rows.then("order_by", *given), ordered=True)
        case ast.Attribute(value=owner) if context.is_row(owner):
            return _related(node, context)
        case ast.Attribute():
            return _manager(node, context)
    return None


def _manager(node: ast.Attribute, context: Context) -> Query | None:
    found = context.resolver.value(node, context.place)
    if not isinstance(found, Manager) or found.related or found.model.real:
        return None
    model = _other_model(found.model.key, context)
    return Query(model, Select(context.text(node))) if model else None


def _related(node: ast.Attribute, context: Context) -> Query | None:
    """``row.items``: the rows whose foreign key points to the row."""
    row = context.loop.model
    if isinstance(row, Unknown) or changes.prefetches_objects(context.loop):
        return None
    found = [
        (model, field)
        for model, field in context.loop.state.pointing_to(row.key)
        if field.kind in FOREIGN_KEYS and _accessor(model, field) == node.attr
    ]
    if len(found) != 1 or found[0][1].kind == "OneToOneField":
        return None
    model = _other_model(found[0][0].key, context)
    name = context.loop.model_text(found[0][0].key) if model else None
    if model is None or name is None:
        return None
    to_field = found[0][1].options.get("to_field")
    key = to_field if isinstance(to_field, str) else "pk"
    link = found[0][1].name
    rows = Select(f"{name}.objects").then("filter", (link, OuterRef(key)))
    return Query(model, rows, compared=(link,), own=frozenset({link}))


def _accessor(model: ModelState, field: FieldState) -> str | None:
    """https://docs.djangoproject.com/en/stable/topics/db/queries/#following-relationships-backward"""
    name = field.options.get("related_name", f"{model.name.lower()}_set")
    if not isinstance(name, str) or name.endswith("+"):
        return None
    return name.replace("%(class)s", model.name.lower()).replace("%(app_label)s", model.app_label)


def _other_model(key: ModelKey | None, context: Context) -> ModelState | None:
    """The model, where its plain manager gives all rows of it."""
    model = context.loop.state.model(*key) if key else Unknown("")
    if isinstance(model, Unknown) or not model.has_plain_managers:
        return None
    return None if any(reading_caveats(model, context.loop)) else model


def _filtered(found: Query, call: ast.expr, context: Context) -> Query | None:
    """``.filter(code=row.code, kind=1)``"""
    assert isinstance(call, ast.Call)
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        return None
    columns = context.loop.columns_of(found.model.key) or {}
    given: list[tuple[str, Value]] = []
    for keyword in call.keywords:
        added = _condition(str(keyword.arg), keyword.value, found, columns, context)
        if added is None:
            return None
        value, found = added
        given.append((str(keyword.arg), value))
    return replace(found, rows=found.rows.then("filter", *given))


def _condition(
    name: str, value: ast.expr, found: Query, columns: object, context: Context
) -> tuple[Value, Query] | None:
    """What the column is compared with, and what is then known of the query."""
    assert isinstance(columns, dict)
    if not context.reads_row(value):
        fixed = is_fixed_test(name, value, columns, context)
        return (Outer(context.text(value)), found) if fixed else None
    column = columns.get(name)
    if name in {"pk", "id"} and column is None:
        column = next((c for c in columns.values() if c.primary_key is True), None)
    reference = _reference(column, value, context) if column is not None else None
    if column is None or reference is None:
        return None
    is_one = found.is_one or column.unique is True
    is_own = reference == "pk"  # the row itself
    return OuterRef(reference), replace(
        found,
        is_one=is_one,
        compared=(*found.compared, column.name),
        own=found.own | {column.name} if is_own else found.own,
    )


def _is_order(name: ast.expr, found: Query, context: Context) -> bool:
    """``"-day"``: a column of the table itself."""
    columns = context.loop.columns_of(found.model.key) or {}
    text = name.value if isinstance(name, ast.Constant) else None
    return isinstance(text, str) and text.removeprefix("-") in {"pk", *columns}


def _reference(column: FieldState, value: ast.expr, context: Context) -> str | None:
    """What of the row the other table's column is compared with, by its attribute."""
    value, inside = context.settled(value)
    if inside.is_row(value):
        model = context.loop.model
        points = not isinstance(model, Unknown) and column.target == model.key
        return "pk" if points and "to_field" not in column.options else None
    operand = found_operand(value, inside) if isinstance(value, ast.Attribute) else None
    if operand is None or operand.links or not _compare_alike(column, operand, context):
        return None
    if not operand.not_null:
        raise Refused(
            Reason.NULLABLE,
            f"`{operand.name}` may be NULL: the query then finds NULL, a comparison of columns none",
        )
    return operand.attribute


def _compare_alike(column: FieldState, operand: Operand, context: Context) -> bool:
    other = operand.column
    if not column.verified or not other.verified:
        return False
    if column.kind in FOREIGN_KEYS and other.kind in FOREIGN_KEYS:
        same = column.options.get("to_field") == other.options.get("to_field")
        return isinstance(column.target, tuple) and column.target == other.target and same
    key = context.key_of(other) if other.kind in FOREIGN_KEYS else other
    if key is None or operand.is_instance:
        return False
    if {column.kind, key.kind} <= TEXTS:
        return not {"db_collation"} & (column.options.keys() | key.options.keys())
    whole = {column.kind, key.kind} <= INTEGERS
    return whole or (column.kind == key.kind and column.kind in {"UUIDField", "DateField"})


def looked_up(query: Query, attribute: str, kind: str | None, context: Context) -> SqlValue:
    """The column of the row that the query finds, as a value. Raises ``Refused``."""
    found = Found(query.first, (attribute,), Type("other", kind))
    return _with_caveats(written(found, context.loop), query, context)


def _with_caveats(value: SqlValue, query: Query, context: Context) -> SqlValue:
    if query.end == "first" and query.is_sorted and not query.is_one:
        value = value.but(
            Reason.VALUE,
            f"which {query.model.label} is the first is not certain where several are of equal order",
        )
    if query.end != "get":
        return value
    if not query.is_one:
        value = value.but(Reason.VALUE, "get() stops the loop where several rows match")
    if exists(query).condition not in context.facts:
        value = value.but(Reason.NOT_TOTAL, f"the loop stops where no {query.model.label} matches")
    return value


def exists(query: Query) -> Test:
    """Whether the query finds a row."""
    return Test(Exists(query.rows))


def existence_caveats(query: Query) -> tuple[Refusal, ...]:
    """The other table is read once, before anything changes."""
    return (
        Refusal(
            Reason.CONDITION,
            f"whether rows of {query.model.label} exist is asked once for all rows, not row by row",
        ),
    )


def count(query: Query, context: Context) -> SqlValue | None:
    """``row.items.count()``"""
    row = context.loop.model
    if query.end != "count" or isinstance(row, Unknown) or query.ordered:
        return None
    grouped = _grouping(query, row)
    if grouped is None:
        return None
    return written(Counted(query.rows, grouped), context.loop).but(
        Reason.VALUE, f"rows of {query.model.label} are counted once for all rows, not row by row"
    )


def _grouping(query: Query, row: ModelState) -> str | None:
    """The foreign key by which the counted rows belong to the row."""
    names = (f.name for f in query.model.fields if f.target == row.key)
    return next((name for name in names if name in query.compared), None)
