"""One column that gets different values in different rows: ``Case(When(...), default=...)``.

https://docs.djangoproject.com/en/stable/ref/models/conditional-expressions/
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from migfix.expressions.context import Context, Refused, SqlValue
from migfix.expressions.decisions import Decision, Fork
from migfix.expressions.values.constants import UNKNOWN
from migfix.expressions.values.references import imports, model_class
from migfix.expressions.values.related import renderer
from migfix.expressions.values.types import is_value_of
from migfix.findings import Reason
from migfix.history.state import FieldState
from migfix.sql import filters
from migfix.sql.kinds import FOREIGN_KEYS
from migfix.sql.logic import all_of
from migfix.sql.nodes import Condition, columns, named, reads

# The field that ``Value`` takes a constant for.
_VALUE_KINDS: dict[type, str] = {
    str: "CharField",
    bool: "BooleanField",
    int: "IntegerField",
    float: "FloatField",
    Decimal: "DecimalField",
    date: "DateField",
    datetime: "DateTimeField",
    time: "TimeField",
    timedelta: "DurationField",
    UUID: "UUIDField",
}


def value_kind(constant: object) -> str | None:
    """The field class that ``Value(constant)`` is of; None for what it takes none for."""
    return _VALUE_KINDS.get(type(constant))


def as_expression(value: SqlValue, column: FieldState, context: Context) -> SqlValue | None:
    """The value as a part of a larger expression; None where its stored form would not be certain.

    A constant there is prepared as the field that its own type stands for, not as the column.
    """
    if value.kind is not None:
        return value
    kind = value.typed or value_kind(value.literal)
    if (value.literal is UNKNOWN and value.typed != column.kind) or (
        value.literal is not None and kind is None
    ):
        return None
    known = value.literal is not UNKNOWN and value.literal is not None
    if known and not is_value_of(value.literal, column, context):
        return None
    reference = model_class("Value", context)
    return dataclasses.replace(
        value,
        text=f"{reference.text}({value.text})",
        imports=(*value.imports, *imports(reference)),
        kind=kind,
    )


def output_field(
    kinds: Collection[str | None], column: FieldState, context: Context
) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """``output_field=...`` where the branches are of several field classes, and its imports."""
    known = {kind for kind in kinds if kind is not None}
    if len(known) < 2 and not known & FOREIGN_KEYS:
        return [], ()
    key = context.key_of(column) if column.kind in FOREIGN_KEYS else column
    name = _STORED_AS.get(str(key.kind), str(key.kind)) if key else "BigIntegerField"
    reference = model_class(name, context)
    return [f"output_field={reference.text}()"], imports(reference)


_STORED_AS = {
    "AutoField": "IntegerField",
    "SmallAutoField": "SmallIntegerField",
    "BigAutoField": "BigIntegerField",
}


def case_value(decision: Decision[SqlValue], column: FieldState, context: Context) -> SqlValue:
    """The decision as one expression. Raises ``Refused`` where a branch has no certain form."""
    if not isinstance(decision, Fork):
        return decision
    whens, default = _whens(decision)
    branches = [_branch(value, column, context) for _, value in whens]
    otherwise = _branch(default, column, context)
    case, when = model_class("Case", context), model_class("When", context)
    write = renderer(context.loop)
    parts = [
        f"{when.text}({filters.when(condition, write)}, then={branch.text})"
        for (condition, _), branch in zip(whens, branches, strict=True)
    ]
    field, needed = output_field({b.kind for b in (*branches, otherwise)}, column, context)
    text = f"{case.text}({', '.join([*parts, f'default={otherwise.text}', *field])})"
    values, conditions = (*branches, otherwise), [condition for condition, _ in whens]
    return SqlValue(
        text,
        frozenset().union(*(v.reads for v in values), *map(reads, conditions)),
        tuple(dict.fromkeys(c for v in values for c in v.caveats)),
        (
            *imports(case, when),
            *needed,
            *(i for v in values for i in v.imports),
            *write.imports,
        ),
        kind=column.kind,
        attribute=column.name,
        aliases=tuple(alias for c in conditions for alias in named(c)),
    )


def _whens(decision: Decision[SqlValue]) -> tuple[list[tuple[Condition, SqlValue]], SqlValue]:
    """The branches in the order of the source, the first that holds decides; and the last one."""
    if not isinstance(decision, Fork):
        return [], decision
    inner, yes = _whens(decision.yes)
    others, no = _whens(decision.no)
    own = [(all_of(decision.condition, c), value) for c, value in inner]
    return [*own, (decision.condition, yes), *others], no


def _branch(value: SqlValue, column: FieldState, context: Context) -> SqlValue:
    expression = as_expression(value, column, context)
    if expression is None:
        raise Refused(
            Reason.BRANCHES,
            f"different rows get different values, and `{value.text}` is no constant of the type of "
            f"`{column.name}`",
        )
    return expression


def check_own_columns(conditions: Collection[Condition]) -> None:
    """The conditions of a ``When`` in an ``update()`` cannot reach other tables. Raises ``Refused``."""
    for condition in conditions:
        if any(column.links for column in columns(condition)):
            raise Refused(
                Reason.BRANCHES, "different rows get different values by columns of another table"
            )
