"""Dates, times and durations: ``row.day + timedelta(days=1)``, ``row.when.date()``."""

from __future__ import annotations

import ast
from datetime import timedelta

from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.kinds import INTEGERS
from migfix.expressions.operands import Operand, found_operand
from migfix.expressions.references import column_value, function, imports
from migfix.findings import Reason

_MOVED = frozenset({"DateField", "DateTimeField", "DurationField"})
# What Django takes the sum of a date and a duration for.
_COMBINED = {"DateField": "DateTimeField"}


def compile_moment(node: ast.expr, target: Target, context: Context) -> SqlValue | None:
    """The moment that the node computes of the row; None where there is no exact SQL for it."""
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            return _moved(left, "+" if isinstance(op, ast.Add) else "-", right, target, context)
        case ast.Call(
            func=ast.Attribute(value=owner, attr="date" | "time" as part), args=[], keywords=[]
        ):
            return _part(owner, part, target, context)
        case ast.Attribute(value=owner, attr="year" | "month" | "day" as part):
            return _part(owner, part, target, context)
    return None


def _moved(
    left: ast.expr, operator: str, right: ast.expr, target: Target, context: Context
) -> SqlValue | None:
    """``row.day + timedelta(days=1)``"""
    step = context.constant(right)
    operand = _column(left, context)
    if operand is None or not isinstance(step, timedelta) or operand.column.kind not in _MOVED:
        return None
    kind = operand.column.kind
    if kind != target.column.kind or (kind == "DateField" and step % timedelta(days=1)):
        return None
    if kind == "DurationField" and operator == "-":
        return None
    operand.check_not_null()
    value = column_value(operand.column, context)
    text = f"{value.text} {operator} {context.text(right)}"
    return SqlValue(text, value.reads, imports=value.imports, kind=_COMBINED.get(kind, kind))


_PARTS: dict[str, tuple[str, str]] = {
    "date": ("TruncDate", "DateField"),
    "time": ("TruncTime", "TimeField"),
    "year": ("ExtractYear", "IntegerField"),
    "month": ("ExtractMonth", "IntegerField"),
    "day": ("ExtractDay", "IntegerField"),
}


def _part(owner: ast.expr, part: str, target: Target, context: Context) -> SqlValue | None:
    """``row.when.date()``: Django loads aware datetimes in UTC."""
    operand = _column(owner, context)
    name, kind = _PARTS[part]
    wanted = (
        target.column.kind in INTEGERS if kind == "IntegerField" else kind == target.column.kind
    )
    if operand is None or not wanted:
        return None
    if operand.column.kind == "DateField" and kind == "IntegerField":
        more, doubt = "", False
    elif operand.column.kind == "DateTimeField":
        more, doubt = _in_utc(context), True
    else:
        return None
    operand.check_not_null()
    reference = function(name, context)
    quoted = context.loop.names.quoted(operand.column.name)
    needed = (
        *imports(reference),
        *([("datetime", "timezone")] if more.endswith("=timezone.utc") else []),
    )
    value = SqlValue(
        f"{reference.text}({quoted}{more})",
        frozenset({operand.column.name}),
        imports=needed,
        kind=kind,
    )
    if not doubt:
        return value
    return value.but(
        Reason.VALUE,
        f"`{operand.column.name}` is loaded in UTC only where the project has USE_TZ = True",
    )


def _in_utc(context: Context) -> str:
    """The argument that keeps a database from turning to the project's time zone first."""
    utc = context.loop.names.utc()
    if utc is None:
        raise Refused(Reason.NAME_CLASH, "every name for `timezone.utc` means something else here")
    return f", tzinfo={utc.text}"


def _column(node: ast.expr, context: Context) -> Operand | None:
    node, context = context.settled(node)
    operand = found_operand(node, context) if isinstance(node, ast.Attribute) else None
    return None if operand is None or operand.links or not operand.column.verified else operand
