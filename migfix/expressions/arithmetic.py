"""``row.n + 1``: sums, differences and products that every database computes as Python does."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from migfix.expressions.constants import constant_of
from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.kinds import INTEGERS, UNSIGNED, bits_of
from migfix.expressions.references import column_value
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


@dataclass(frozen=True, slots=True)
class _Operand:
    """A column of the row or a number of the migration."""

    value: SqlValue
    column: FieldState | None = None
    number: int | float = 0


def compile_arithmetic(node: ast.BinOp, target: Target, context: Context) -> SqlValue | None:
    """The sum, difference or product of two operands; None where there is no exact SQL for it.

    Only one operator: PostgreSQL fails when a result in between leaves the type of its operands.
    """
    kind = target.column.kind
    operator = _OPERATORS.get(type(node.op))
    if operator is None or (kind not in INTEGERS and kind != "FloatField"):
        return None
    left, right = (_operand(side, target, context) for side in (node.left, node.right))
    if left is None or right is None:
        return None
    columns = [side.column for side in (left, right) if side.column is not None]
    if not columns or (kind in INTEGERS and not _keeps_type(node, (left, right), target, context)):
        return None
    return SqlValue(
        f"{left.value.text} {operator} {right.value.text}",
        left.value.reads | right.value.reads,
        caveats=_big_on_sqlite(columns, context),
        imports=(*left.value.imports, *right.value.imports),
    )


def _operand(node: ast.expr, target: Target, context: Context) -> _Operand | None:
    column = context.row_column(node)
    if column is None:
        return _number(node, target, context)
    same = (
        column.kind in INTEGERS if target.column.kind in INTEGERS else column.kind == "FloatField"
    )
    if column.name in context.assigned or not same or not column.verified:
        return None
    if not context.is_not_null(column):
        raise Refused(
            Reason.NULLABLE,
            f"`{column.name}` may be NULL: the loop would stop there, SQL would not",
        )
    return _Operand(column_value(column, context), column)


def _number(node: ast.expr, target: Target, context: Context) -> _Operand | None:
    number = constant_of(node, context.loop)
    allowed = int if target.column.kind in INTEGERS else (int, float)
    if not isinstance(number, allowed) or isinstance(number, bool):
        return None
    if number and not 2**-31 < abs(number) < 2**31:  # far from where floats overflow
        return None
    return _Operand(SqlValue(context.loop.text(node)), number=number)


def _keeps_type(
    node: ast.BinOp, operands: tuple[_Operand, _Operand], target: Target, context: Context
) -> bool:
    """Does SQL fail on a result only where storing it fails as well?"""
    columns = [side.column for side in operands if side.column is not None]
    if bits_of(str(target.column.kind)) > max(bits_of(str(c.kind)) for c in columns):
        return False  # PostgreSQL computes in the type of the operands
    unsigned = any(column.kind in UNSIGNED for column in columns)
    if not unsigned or not context.loop.databases.any("mysql", "mariadb"):
        return True
    # MySQL and MariaDB fail on a negative result as soon as one operand is unsigned.
    counts_up = isinstance(node.op, (ast.Add, ast.Mult)) and all(
        side.column.kind in UNSIGNED if side.column else side.number >= 0 for side in operands
    )
    return counts_up or target.column.kind in UNSIGNED


def _big_on_sqlite(columns: list[FieldState], context: Context) -> tuple[Refusal, ...]:
    big = [c.name for c in columns if c.kind in INTEGERS and bits_of(str(c.kind)) == 64]
    if not big or not context.loop.databases.any("sqlite"):
        return ()
    return (
        Refusal(
            Reason.VALUE,
            f"SQLite makes a rounded float of a result beyond 64 bits, `{big[0]}` may be that large",
        ),
    )
