"""Statements of a body that only tell: prints, logs, progress, and what is computed for them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable

from migfix.expressions.context import Context
from migfix.facts.body import effects, uses
from migfix.findings import Reason, Refusal
from migfix.reading.names.scopes import walk


def output_caveat(statement: ast.stmt, context: Context) -> Refusal | None:
    """What is lost with the statement, where all that it does is to tell; None where it does more."""
    found = _effects(statement, context)
    kinds = {effect.kind for effect in found}
    if effects.Kind.OUTPUT not in kinds or kinds - {effects.Kind.OUTPUT, effects.Kind.READS}:
        return None
    if _writes_row(statement, context) or _gives_row_away(statement, found, context):
        return None
    return _lost(statement, context)


def local_caveat(statement: ast.stmt, name: str, context: Context) -> Refusal | None:
    """The same for a local name that nothing but output reads."""
    scope = context.resolver.scope
    loads = [load for load in scope.loads(name) if not scope.is_inside(load, statement)]
    if not loads or not all(_may_be_told(load, context) for load in loads):
        return None  # asked first, as it asks of no effects
    found = _effects(statement, context)
    if {effect.kind for effect in found} - {effects.Kind.READS} or _writes_row(statement, context):
        return None
    if _gives_row_away(statement, found, context):
        return None
    return _lost(statement, context) if all(_is_told(load, context) for load in loads) else None


def _lost(statement: ast.stmt, context: Context) -> Refusal:
    at = context.loop.at(statement)
    return Refusal(Reason.OUTPUT, f"what {at} prints or logs of each row is lost", at)


def _may_be_told(load: ast.AST, context: Context) -> bool:
    scope = context.resolver.scope
    statement = scope.statement_of(load)
    return isinstance(statement, ast.Expr) and scope.is_inside(statement, context.loop.node)


def _is_told(load: ast.AST, context: Context) -> bool:
    statement = context.resolver.scope.statement_of(load)
    assert isinstance(statement, ast.Expr)
    return output_caveat(statement, context) is not None


def _effects(statement: ast.stmt, context: Context) -> list[effects.Effect]:
    return list(effects.effects_of([statement], context.loop.row, context.resolver))


def _writes_row(statement: ast.stmt, context: Context) -> bool:
    """Is there anything that a call of ``effects_of`` leaves to others to see?"""
    for node in walk(statement):
        if isinstance(node, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
            return True
        if isinstance(node, ast.Attribute) and node.attr in {"save", "delete"}:
            return True
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            return True
    return False


def _gives_row_away(statement: ast.stmt, found: Iterable[effects.Effect], context: Context) -> bool:
    """May something that the statement calls with the row set its fields?"""
    told = {effect.node for effect in found if effect.kind is effects.Kind.OUTPUT}
    names = {node.id for node in walk(statement) if context.is_row(node)}  # type: ignore[attr-defined]
    return any(
        use.kind not in {uses.Kind.READ, uses.Kind.KEY} and not _is_logged(use.node, told, context)
        for name in names
        for use in uses.uses_of(name, [statement], context.resolver)
    )


def _is_logged(node: ast.AST, told: Collection[ast.AST], context: Context) -> bool:
    """Is the row an argument of the call that logs it, and no function of the project in between?"""
    call = context.resolver.scope.parents.get(node)
    if not isinstance(call, ast.Call) or call not in told:
        return False
    return context.resolver.called(call) is None
