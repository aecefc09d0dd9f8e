"""Calls of functions of the file as what these do: what their parameters stand for, what is left when they return."""

from __future__ import annotations

import ast
import dataclasses

from migfix.expressions.context import Bound, Context
from migfix.expressions.path import Path
from migfix.expressions.totality import is_total
from migfix.reading.names.scopes import FunctionNode


def back(end: Path, caller: Path) -> Path:
    """Where the function has returned: its own names are gone, what it learnt of the row stays."""
    context = dataclasses.replace(
        caller.context,
        assigned=end.context.assigned,
        not_null=end.context.not_null,
        facts=end.context.facts,
    )
    return dataclasses.replace(end, context=context, ended=False, returned=None)


def arguments(function: FunctionNode, call: ast.Call, context: Context) -> dict[str, Bound] | None:
    """What each parameter is bound to; None where a call passes more than plain arguments."""
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args)]
    plain = not (given.vararg or given.kwarg or given.kwonlyargs or given.defaults)
    if isinstance(function, ast.AsyncFunctionDef) or not plain or _is_generator(function):
        return None
    if any(isinstance(a, ast.Starred) for a in call.args) or any(not k.arg for k in call.keywords):
        return None
    passed = dict(zip(names, call.args, strict=False))
    passed |= {str(k.arg): k.value for k in call.keywords}
    if set(passed) != set(names) or len(call.args) + len(call.keywords) != len(names):
        return None
    if not all(context.is_row(value) or is_total(value, context) for value in passed.values()):
        return None
    return {name: Bound(value, context) for name, value in passed.items()}


def _is_generator(function: FunctionNode) -> bool:
    decorated = isinstance(function, ast.FunctionDef) and bool(function.decorator_list)
    return decorated or any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in ast.walk(function))
