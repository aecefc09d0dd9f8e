"""A value that is computed of the row: lifted, checked against its column, asked for doubts, written."""

from __future__ import annotations

import ast

from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.values.lifting import lift, own_column
from migfix.expressions.values.related import renderer
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState
from migfix.sql.databases import Impossible, doubts
from migfix.sql.nodes import Value, as_written, may_be_missing, reads
from migfix.sql.types import stores


def compile_computed(node: ast.expr, target: Target, context: Context) -> SqlValue | None:
    """The value that the row gives; None where there is no exact SQL for it. Raises ``Refused``."""
    value = lift(node, context)
    if value is None or not reads(value) or not stores(value.type, target.column):
        return None
    _check_present(value, context)
    try:
        differences = doubts(
            value, target.column, context.loop.databases.engines, renderer(context.loop)
        )
    except Impossible as impossible:
        if impossible.why:
            raise Refused(Reason.VALUE, impossible.why) from None
        return None
    return written(value, context.loop, differences)


def written(value: Value, loop: Loop, differences: tuple[Refusal, ...] = ()) -> SqlValue:
    """The value as ``update()`` takes it. Raises ``Refused`` where something has no name."""
    return SqlValue(as_written(value), renderer(loop).value(value), differences)


def column_value(column: FieldState, context: Context) -> SqlValue:
    """The row's column as it is stored. Raises ``Refused`` when ``F`` cannot be called by any name."""
    return written(own_column(column), context.loop)


def is_text(node: ast.expr, context: Context) -> bool:
    """Does the expression certainly give a text? Raises ``Refused`` where Python may stop."""
    value = lift(node, context)
    if value is None or value.type.family != "text":
        return False
    _check_present(value, context)
    return True


def _check_present(value: Value, context: Context) -> None:
    for column in may_be_missing(value, context.not_null):
        raise Refused(
            Reason.NULLABLE,
            f"`{column.name}` may be NULL: the loop would stop there, SQL would not",
        )
