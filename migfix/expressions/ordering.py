"""Whether a queryset gives its rows in the same order when it loads fewer columns."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from migfix.expressions import gates
from migfix.history.state import FieldState, ModelState
from migfix.loops import indexes
from migfix.loops.loop import Loop
from migfix.loops.values import Rows, Step

# Expressions of which each row has its own value, whatever the other rows are.
_OF_ONE_ROW = frozenset({"F", "Value", "Case", "When", "Q", "ExpressionWrapper"})
_OF_OTHER_QUERIES = frozenset({"Exists", "Subquery"})


def keeps_order(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], loaded: Iterable[str]
) -> bool:
    """Do the rows come in the same order when only ``loaded`` is asked for?

    Duplicates and groups are found by sorting or hashing all that is loaded, and a table of the
    parent is not read at all when nothing of it is loaded.
    """
    assert isinstance(loop.rows, Rows)
    grouped = any(_groups(step, loop) for step in loop.rows.steps)
    if grouped or loop.rows.has("distinct") or gates.inherited(loop) is not None:
        return indexes.is_ordered(loop, model, columns)
    return indexes.keeps_order(loop, model, columns, loaded)


def _groups(step: Step, loop: Loop) -> bool:
    """May an annotation be an aggregate or a window over several rows?"""
    if step.name not in {"annotate", "alias"} or step.call is None:
        return False
    values = [*step.call.args, *(keyword.value for keyword in step.call.keywords)]
    return not all(_is_of_one_row(value, loop) for value in values)


def _is_of_one_row(node: ast.expr, loop: Loop) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.BinOp(left=left, right=right):
            return _is_of_one_row(left, loop) and _is_of_one_row(right, loop)
        case ast.UnaryOp(operand=operand):
            return _is_of_one_row(operand, loop)
        case ast.Call(func=function, args=args, keywords=keywords):
            package, _, name = (loop.module.path_of(function) or "").rpartition(".")
            if package == "django.db.models" and name in _OF_OTHER_QUERIES | {"Value"}:
                return True
            known = package.startswith("django.db.models.functions") or (
                package == "django.db.models" and (name in _OF_ONE_ROW or name.endswith("Field"))
            )
            inner = [*args, *(keyword.value for keyword in keywords)]
            return known and all(_is_of_one_row(value, loop) for value in inner)
    return False
