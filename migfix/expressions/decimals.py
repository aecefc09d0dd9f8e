"""``row.net + row.tax``: sums and products of decimals, exact where the database keeps decimals."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from decimal import Decimal

from migfix.expressions.constants import UNKNOWN
from migfix.expressions.context import Context, SqlValue, Target
from migfix.expressions.operands import found_operand
from migfix.expressions.references import column_value
from migfix.findings import Reason

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


@dataclass(frozen=True, slots=True)
class _Decimal:
    """A term, and how many digits it has behind the point."""

    value: SqlValue
    places: int


def compile_decimal(node: ast.expr, target: Target, context: Context) -> SqlValue | None:
    """The decimal that the node computes of the row; None where storing it would round.

    Django rounds half to even before it stores, databases half up.
    """
    if target.column.kind != "DecimalField" or not isinstance(node, ast.BinOp):
        return None
    found = _term(node, context)
    places = target.column.options.get("decimal_places")
    if found is None or not found.value.reads or not isinstance(places, int):
        return None
    if found.places > places:
        return None
    if context.loop.databases.any("sqlite"):
        return found.value.but(
            Reason.VALUE, "SQLite keeps decimals as floats and calculates with these"
        )
    return found.value


def _term(node: ast.expr, context: Context) -> _Decimal | None:
    node, context = context.settled(node)
    constant = context.constant(node)
    if constant is not UNKNOWN:
        return _number(node, constant, context)
    if isinstance(node, ast.BinOp):
        return _combined(node, context)
    operand = found_operand(node, context) if isinstance(node, ast.Attribute) else None
    if operand is None or operand.links or not operand.column.verified:
        return None
    places = operand.column.options.get("decimal_places")
    if operand.column.kind != "DecimalField" or not isinstance(places, int):
        return None
    operand.check_not_null()
    return _Decimal(column_value(operand.column, context), places)


def _number(node: ast.expr, number: object, context: Context) -> _Decimal | None:
    if isinstance(number, bool) or not isinstance(number, (int, Decimal)):
        return None
    exponent = Decimal(number).normalize().as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else None
    return None if places is None else _Decimal(SqlValue(context.text(node)), places)


def _combined(node: ast.BinOp, context: Context) -> _Decimal | None:
    operator = _OPERATORS.get(type(node.op))
    left, right = _term(node.left, context), _term(node.right, context)
    if operator is None or left is None or right is None:
        return None
    places = left.places + right.places if operator == "*" else max(left.places, right.places)
    text = f"{_grouped(node.left, left)} {operator} {_grouped(node.right, right)}"
    return _Decimal(
        SqlValue(
            text,
            left.value.reads | right.value.reads,
            imports=tuple(dict.fromkeys((*left.value.imports, *right.value.imports))),
            kind="DecimalField",
        ),
        places,
    )


def _grouped(node: ast.expr, term: _Decimal) -> str:
    return f"({term.value.text})" if isinstance(node, ast.BinOp) else term.value.text
