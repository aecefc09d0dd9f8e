"""Conditions and values that a database computes of nothing but constants and columns of the row itself.

What is listed here the helper takes as well (``_is_of_row``), which would refuse anything else when the migration runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from migfix.facts.statements import Statement
from migfix.findings import Reason, Refused
from migfix.history.state import FieldState
from migfix.reading.kinds import plain
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import Row, Step
from migfix.sql.kinds import FOREIGN_KEYS

Columns: TypeAlias = Mapping[str, FieldState]

KEYS = frozenset(
    "AutoField BigAutoField SmallAutoField IntegerField BigIntegerField UUIDField".split()
)
"""Keys that every database sorts as it compares them, whatever its collation. The helper has the same."""

_LOOKUPS = frozenset(
    "exact iexact in lt lte gt gte range isnull contains icontains startswith istartswith endswith iendswith".split()
)
_LOOKUPS_OF_KEYS = frozenset({"exact", "in", "isnull"})
_COMPARED = KEYS | frozenset(
    "BooleanField CharField DateField DateTimeField DecimalField EmailField FloatField PositiveBigIntegerField "
    "PositiveIntegerField PositiveSmallIntegerField SlugField SmallIntegerField TextField TimeField URLField".split()
)
_NUMBERS = frozenset(
    "IntegerField BigIntegerField SmallIntegerField PositiveIntegerField PositiveBigIntegerField "
    "PositiveSmallIntegerField FloatField DecimalField".split()
)
_F = frozenset({"django.db.models.F", "django.db.models.expressions.F"})
_VALUE = frozenset({"django.db.models.Value", "django.db.models.expressions.Value"})
# Functions of columns, which a text among the arguments names.
_OF_COLUMNS = frozenset(
    f"django.db.models.functions.{name}"
    for name in "Coalesce Concat Left Length Lower LTrim Right RTrim Substr Trim Upper".split()
)


def check_condition(step: Step, columns: Columns, statement: Statement) -> None:
    assert step.call is not None
    for lookup in step.lookups:
        name, *rest = (lookup or "").split("__")
        column = _key(columns) if name == "pk" else columns.get(name)
        known = _LOOKUPS_OF_KEYS if column and column.kind in FOREIGN_KEYS else _LOOKUPS
        kinds = _COMPARED | FOREIGN_KEYS
        if (
            column is None
            or column.kind not in kinds
            or len(rest) > 1
            or not known.issuperset(rest)
        ):
            raise Refused(
                Reason.CONDITION,
                f"`{lookup or 'a condition'}` may read more than columns of the row itself",
            )
    for given in _given(step.call):
        if not is_constant(given, statement):
            reads(given, columns, statement, Reason.CONDITION)


def _given(call: ast.Call) -> Iterator[ast.expr]:
    """The values in ``filter(Q(name=1) | ~Q(other=2), third=3)``, whose names are known."""
    waiting: list[ast.expr] = [*call.args]
    yield from (keyword.value for keyword in call.keywords)
    while waiting:
        match waiting.pop():
            case ast.UnaryOp(operand=inner):
                waiting.append(inner)
            case ast.BinOp(left=left, right=right):
                waiting += [left, right]
            case ast.Call() as q:
                waiting += q.args
                yield from (keyword.value for keyword in q.keywords)


def is_constant(node: ast.expr, statement: Statement) -> bool:
    """Is it one value, known before the first window: data of Python's own, or a row that a foreign key points to?"""
    kind = kind_of(node, statement.resolver)
    return plain.is_value(kind) or isinstance(kind, Row)


def _is_number(node: ast.expr, statement: Statement) -> bool:
    kind = kind_of(node, statement.resolver)
    return isinstance(kind, plain.Type) and kind.name in plain.NUMBERS


def reads(node: ast.expr, columns: Columns, statement: Statement, reason: Reason) -> set[str]:
    """The columns of the row that an expression of the database is computed of. Raises ``Refused``."""
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            parts = [each for each in (left, right) if not _is_number(each, statement)]
            names = {name for each in parts for name in reads(each, columns, statement, reason)}
            if all(
                columns[name].kind in _NUMBERS for name in names
            ):  # of dates it is not plain SQL
                return names
        case ast.Call(func=called, args=args, keywords=[]):
            path = statement.module.path_of(called)
            texts = [
                a.value for a in args if isinstance(a, ast.Constant) and isinstance(a.value, str)
            ]
            if path in _VALUE and all(is_constant(each, statement) for each in args):
                return set()
            if path in _F | _OF_COLUMNS and columns.keys() >= {*texts}:
                others = [a for a in args if not isinstance(a, ast.Constant)]
                inside = {n for a in others for n in reads(a, columns, statement, reason)}
                return inside | {columns[name].name for name in texts}
    raise Refused(
        reason,
        f"`{statement.text(node)}` may be more than a constant or a value of the row's own columns",
        statement.at(node),
    )


def _key(columns: Columns) -> FieldState | None:
    return next((column for column in columns.values() if column.primary_key is not False), None)
