"""``match`` on literals as the ``if`` chain that it stands for."""

from __future__ import annotations

import ast
from collections.abc import Sequence


def as_if(statement: ast.Match) -> list[ast.stmt] | None:
    """The statement as ``if`` / ``elif`` / ``else``; None where a pattern takes a value apart."""
    following: list[ast.stmt] = []
    for case in reversed(statement.cases):
        test = _test(case.pattern, statement.subject)
        if test is None:
            return None
        if case.guard is not None:
            test = ast.copy_location(ast.BoolOp(ast.And(), [test, case.guard]), case.guard)
        if isinstance(test, ast.Constant):  # ``case _:``
            following = case.body
        else:
            following = [ast.copy_location(ast.If(test, case.body, following), statement)]
    return following


def _test(pattern: ast.pattern, subject: ast.expr) -> ast.expr | None:
    match pattern:
        case ast.MatchValue(value=value):
            return ast.copy_location(ast.Compare(subject, [ast.Eq()], [value]), subject)
        case ast.MatchSingleton(value=value):
            constant = ast.Constant(value)
            return ast.copy_location(ast.Compare(subject, [ast.Is()], [constant]), subject)
        case ast.MatchOr(patterns=patterns):
            return _any(patterns, subject)
        case ast.MatchAs(pattern=None, name=None):
            return ast.Constant(True)
    return None


def _any(patterns: Sequence[ast.pattern], subject: ast.expr) -> ast.expr | None:
    tests = [_test(pattern, subject) for pattern in patterns]
    known = [test for test in tests if test is not None]
    if len(known) != len(tests):
        return None
    return ast.copy_location(ast.BoolOp(ast.Or(), known), subject)
