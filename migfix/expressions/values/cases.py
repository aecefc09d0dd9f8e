"""One column that gets different values in different rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from migfix.expressions.context import Context, Refused, SqlValue
from migfix.expressions.decisions import Decision, Fork
from migfix.expressions.values.computed import written
from migfix.expressions.values.types import is_value_of
from migfix.findings import Reason
from migfix.history.state import FieldState
from migfix.sql.kinds import FOREIGN_KEYS
from migfix.sql.logic import all_of
from migfix.sql.nodes import (
    Clock,
    Condition,
    Conditional,
    Constant,
    Outer,
    Type,
    Value,
    columns,
)


def is_certain_part(value: Value, column: FieldState, context: Context) -> bool:
    """May it stand in a larger expression that is stored in the column?

    A value of Python is prepared there as the field that its own type stands for, not as the column.
    """
    match value:
        case Constant(value=None):
            return True
        case Constant(value=known):
            return value.type.field is not None and is_value_of(known, column, context)
        case Outer() | Clock():
            return value.type.field == column.kind
    return value.type.field is not None


def output_field(types: Collection[Type], column: FieldState, context: Context) -> str | None:
    """The field class to name where the values are of several."""
    known = {each.field for each in types} - {None}
    if len(known) < 2 and not known & FOREIGN_KEYS:
        return None
    key = context.key_of(column) if column.kind in FOREIGN_KEYS else column
    return _STORED_AS.get(str(key.kind), str(key.kind)) if key else "BigIntegerField"


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
    values = [*(value for _, value in whens), default]
    for value in values:
        _check_branch(value, column, context)
    output = output_field([value.node.type for value in values], column, context)
    branches = tuple((condition, value.node) for condition, value in whens)
    node = Conditional(branches, default.node, Type("other", column.kind), output)
    found = written(node, context.loop, tuple(dict.fromkeys(c for v in values for c in v.caveats)))
    return replace(found, attribute=column.name)


def _whens(decision: Decision[SqlValue]) -> tuple[list[tuple[Condition, SqlValue]], SqlValue]:
    """The branches in the order of the source, the first that holds decides; and the last one."""
    if not isinstance(decision, Fork):
        return [], decision
    inner, yes = _whens(decision.yes)
    others, no = _whens(decision.no)
    own = [(all_of(decision.condition, c), value) for c, value in inner]
    return [*own, (decision.condition, yes), *others], no


def _check_branch(value: SqlValue, column: FieldState, context: Context) -> None:
    if not is_certain_part(value.node, column, context):
        raise Refused(
            Reason.BRANCHES,
            f"different rows get different values, and `{value.text}` is no constant of the type of "
            f"`{column.name}`",
        )


def check_own_columns(conditions: Collection[Condition]) -> None:
    """The conditions of a ``When`` in an ``update()`` cannot reach other tables. Raises ``Refused``."""
    for condition in conditions:
        if any(column.links for column in columns(condition)):
            raise Refused(
                Reason.BRANCHES, "different rows get different values by columns of another table"
            )
