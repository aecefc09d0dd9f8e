"""Values that are there before a loop: whether they are plain data, which a column takes in any query.

The loop looks at them where a row asks for it. One query does so once, and also where no row does: then
nothing may fail, and nothing be asked of the database.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from migfix.expressions.context import Context
from migfix.expressions.values.constants import UNKNOWN, fits
from migfix.expressions.values.types import copies
from migfix.history.state import FieldState
from migfix.reading.kinds import plain
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.plain import DATA, NOTHING, Known, Type
from migfix.reading.kinds.values import Manager, Row, Rows, Value
from migfix.reading.names.scopes import Scope, walk
from migfix.reading.rows.lookups import stays_in_table
from migfix.reading.rows.methods import Does, methods
from migfix.sql.kinds import BOOLEANS, FOREIGN_KEYS, INTEGERS, TEXTS

_WHOLE = frozenset({"int", "bool", "number"})
# By the class of a column: the types of which it takes every value, but for one that is too long or too big.
_TAKEN: dict[str, frozenset[str]] = {
    **dict.fromkeys(INTEGERS, _WHOLE),
    **dict.fromkeys(BOOLEANS, frozenset({"bool"})),
    **dict.fromkeys(TEXTS, frozenset({"str", "data"})),
    "FloatField": _WHOLE | {"float"},
    "DecimalField": _WHOLE | {"Decimal"},
    "DateField": frozenset({"date", "datetime"}),
    "DateTimeField": frozenset({"date", "datetime"}),
    "TimeField": frozenset({"time"}),
    "DurationField": frozenset({"timedelta"}),
    "UUIDField": frozenset({"UUID"}),
    "BinaryField": frozenset({"bytes"}),
    "JSONField": frozenset({"str", "int", "float", "bool", "data"}),
}


def kind_before(node: ast.expr, context: Context) -> Known:
    """What the expression is known to be in front of the loop; None where it may be anything."""
    written = None
    if isinstance(node, ast.Name) and context.resolver.scope.binds_around(node.id):
        written = context.resolver.written(node, context.place or node)
    return kind_of(written.node, written.resolver) if written else kind_of(node, context.resolver)


def is_taken(node: ast.expr, column: FieldState, context: Context) -> bool:
    """Does the expression certainly have a value that the column takes, whether there are rows or none?"""
    literal = context.constant(node)
    if literal is not UNKNOWN:
        return fits(literal, column, context.key_of)
    if not context.reads_outside(node):
        return False
    match node:
        case ast.Name(id=name):
            there = not may_be_unbound(name, context)
            return there and holds(kind_before(node, context), column, context)
        case ast.Attribute():
            return reads_like(node, column, context)
    return False


def holds(kind: Known, column: FieldState, context: Context) -> bool:
    """Does the column take every value of the kind?"""
    if column.kind in FOREIGN_KEYS:
        key = context.key_of(column)
        return key is not None and holds(kind, key, context)
    if not isinstance(kind, Type) or column.kind is None:
        return False
    taken = _TAKEN.get(column.kind, frozenset())
    if column.kind == "JSONField" and kind.name in {"list", "dict"}:
        keyed = kind.name == "list" or kind.key in (NOTHING, Type("str"))
        return keyed and (kind.item == NOTHING or holds(kind.item, column, context))
    return kind == NOTHING or kind.name in taken


def may_be_unbound(name: str, context: Context) -> bool:
    """Could reading the name fail, which the loop does for rows only?"""
    scope, module = context.loop.resolver.scope, context.loop.module
    if name in scope.bindings:
        binding = scope.binding(name, context.loop.node)
        return binding is None or isinstance(binding.statement, ast.Delete)
    if scope.outer is not None and name in scope.outer.bindings:
        return scope.outer.bound_once(name) is None
    if module.is_builtin(name) or module.starred(name):
        return False
    return name not in module.scope.bindings


def reads_like(node: ast.Attribute, target: FieldState, context: Context) -> bool:
    """``other.field`` of a row that is there: no query, no failure, and a value that ``target`` takes."""
    owner = context.resolver.value(node.value, context.place)
    if not isinstance(owner, Row) or owner.may_be_none or owner.model.key is None:
        return False
    columns = context.loop.columns_of(owner.model.key)
    read = None if columns is None else columns.get(node.attr)
    if columns is not None and node.attr == "pk":
        read = next((c for c in columns.values() if c.primary_key is True), None)
    if read is None or (read.is_relation and node.attr != read.attname):
        return False
    if not plain.is_value(kind_of(node, context.resolver)) or not _is_set_to_data(node, context):
        return False
    if read.primary_key is not True and not _is_loaded(node.value, owner, context):
        return False
    left, right = _stored_as(read, context), _stored_as(target, context)
    return left is not None and right is not None and copies(left, right)


def _is_set_to_data(attribute: ast.Attribute, context: Context) -> bool:
    """Does the function give no attribute of the name an expression? What the loop's own row gets is left out."""
    resolver = context.resolver
    return all(
        value is not None and plain.is_value(kind_of(value, resolver))
        for owner, name, value in _attributes_set(resolver.scope)
        if name in (attribute.attr, None) and not context.is_row(owner)
    )


def _attributes_set(
    scope: Scope,
) -> Iterator[tuple[ast.expr, str | None, ast.expr | None]]:
    """The owner, name and value of every attribute that the function sets; None for what it does not say."""
    for node in walk(scope.node):
        match node:
            case ast.Attribute(value=owner, attr=name, ctx=ast.Store() | ast.Del()):
                statement = scope.parents[node]
                said = isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign))
                yield owner, name, statement.value if said else None  # type: ignore[attr-defined]
            case ast.Call(
                func=ast.Name(id="setattr"), args=[owner, ast.Constant(value=str(name)), value]
            ):
                yield owner, name, value
            case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[owner, *_]):
                yield owner, None, None


def _stored_as(column: FieldState, context: Context) -> FieldState | None:
    return context.key_of(column) if column.kind in FOREIGN_KEYS else column


# Which leave it to the queryset before them which columns are loaded.
_LOADING_ALL = (
    methods(Does.CHAINS | Does.LEAVES_COLUMNS) | {"annotate", "alias", "[]", "list()", "db_manager"}
) - {"only", "defer"}
_READING = methods(Does.GIVES_ROW) | methods(Does.GIVES_ROW_OR_NONE)


def _is_loaded(owner: ast.expr, row: Row, context: Context) -> bool:
    """Was the row read with all of its columns by a query of the function?"""
    if not isinstance(owner, ast.Name) or not _has_plain_managers(row, context):
        return False
    resolver = context.resolver
    binding = resolver.scope.binding(owner.id, context.place or owner)
    match binding and (binding.statement, binding.value):
        case (ast.For(target=ast.Name(), iter=iterated), _):
            return _loads_all(resolver.unwrapped(iterated)[0])
        case (statement, ast.Call(func=ast.Attribute(value=rows, attr=method))):
            return method in _READING and _loads_all(resolver.value(rows, statement))
        case (statement, ast.Subscript(value=rows)):
            return _loads_all(resolver.value(rows, statement))
    return False


def _has_plain_managers(row: Row, context: Context) -> bool:
    model = context.loop.state.model(*row.model.key) if row.model.key else None
    return getattr(model, "has_plain_managers", False) is True


def _loads_all(rows: Value) -> bool:
    if isinstance(rows, Manager):
        return True
    return isinstance(rows, Rows) and all(step.name in _LOADING_ALL for step in rows.steps)


# --- tests of columns -----------------------------------------------------------------------------

_ORDERS = frozenset({"gt", "gte", "lt", "lte"})
_PARTS = frozenset("contains icontains startswith istartswith endswith iendswith".split())
_OF_DAYS = {"year": range(1, 10000), "month": range(1, 13), "day": range(1, 32)}


def is_fixed_test(
    lookup: str | None, value: ast.expr, columns: Mapping[str, FieldState], context: Context
) -> bool:
    """Is ``lookup=value`` one test for all rows of the loop, which certainly does not fail?

    It looks at no other table than that of ``columns``, which go by name and attname.
    """
    if lookup is None or not stays_in_table(lookup, columns) or context.reads_row(value):
        return False
    first, _, suffix = lookup.partition("__")
    column = columns.get(first)
    if column is None:  # the key
        column = next((c for c in columns.values() if c.primary_key is True), None)
    return column is not None and _is_answered(column, first, suffix, value, context)


def _is_answered(
    column: FieldState, name: str, suffix: str, value: ast.expr, context: Context
) -> bool:
    constant = context.constant(value)
    match suffix:
        case "" | "exact":
            is_row = name == column.name and _is_row_for(column, value, context)
            return is_row or is_taken(value, column, context)
        case "in":
            return _are_taken(value, column, context)
        case "isnull":
            return isinstance(constant, bool)
    if suffix in _ORDERS:
        return constant is not None and is_taken(value, column, context)
    if suffix in _PARTS:
        return (
            column.kind in TEXTS
            and isinstance(constant, str)
            and fits(constant, column, context.key_of)
        )
    days = column.kind in {"DateField", "DateTimeField"} and suffix in _OF_DAYS
    return days and type(constant) is int and constant in _OF_DAYS[suffix]


def _is_row_for(column: FieldState, value: ast.expr, context: Context) -> bool:
    """A name for a row of the model that the foreign key points to, or for None."""
    if not isinstance(value, ast.Name) or not context.reads_outside(value):
        return False
    row = context.resolver.value(value, context.place)
    return isinstance(row, Row) and not row.model.real and row.model.key == column.target


def _are_taken(value: ast.expr, column: FieldState, context: Context) -> bool:
    if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
        return all(is_taken(each, column, context) for each in value.elts)
    if not isinstance(value, ast.Name) or not context.reads_outside(value):
        return False
    if may_be_unbound(value.id, context):
        return False
    kind = kind_before(value, context)
    listed = isinstance(kind, Type) and kind.name in {"list", "tuple", "set", "frozenset"}
    item = plain.item_of(kind) if listed else None
    return item not in (None, DATA) and holds(item, column, context)
