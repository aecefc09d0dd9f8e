"""``row.n = F("n") + 1``: an expression that each save() sends for its own row.

It reads the row as it is stored at that moment, which is as it was before the loop as long as nothing
has been saved to it: not a second time through a join, nor earlier in the body.
https://docs.djangoproject.com/en/stable/ref/models/expressions/#f-expressions
"""

from __future__ import annotations

import ast

from migfix.expressions.context import Context, SqlValue, Target
from migfix.expressions.counting import may_repeat_rows
from migfix.expressions.values.computed import written
from migfix.expressions.values.constants import UNKNOWN
from migfix.expressions.values.lifting import own_column
from migfix.findings import Reason
from migfix.history.state import FieldState
from migfix.sql.kinds import INTEGERS
from migfix.sql.nodes import Type, Written

_OPERATORS = (ast.Add, ast.Sub, ast.Mult)


def compile_explicit(node: ast.expr, target: Target, context: Context) -> SqlValue | None:
    """The expression as it is written; None where it is more than ``F`` and constants."""
    names = _columns(node, context)
    if not names:
        return None
    columns = [context.column(name) for name in names]
    if context.assigned or not all(_is_like(column, target.column) for column in columns):
        return None
    own = tuple(map(own_column, columns))
    typed = Type("other", target.column.kind)
    found = Written(context.text(node), own, typed, copies=isinstance(node, ast.Call))
    value = written(found, context.loop)
    if not may_repeat_rows(context.loop):
        return value
    return value.but(
        Reason.VALUE, "a join may bring a row twice, and the loop then counts it twice"
    )


def _columns(node: ast.expr, context: Context) -> list[str] | None:
    """The names in ``F("a") + F("b") * 2``; None for any other expression."""
    match node:
        case ast.Call(
            args=[ast.Constant(value=str(name))], keywords=[]
        ) if context.loop.module.path_of(node.func) in {
            "django.db.models.F",
            "django.db.models.expressions.F",
        }:
            return [name] if "__" not in name else None
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
            sides = [_columns(left, context), _columns(right, context)]
            known = [side for side in sides if side is not None]
            return [name for side in known for name in side] if len(known) == 2 else None
    return [] if context.constant(node) is not UNKNOWN else None


def _is_like(column: FieldState, target: FieldState) -> bool:
    """Kinds that the expression is computed in and stored as alike, by save() and update()."""
    if column.kind in INTEGERS:
        return target.kind in INTEGERS
    return column.kind == target.kind and column.has_column is True and column.verified
