"""Whether a name may stand for a queryset that was made by code which is not known."""

from __future__ import annotations

import ast

from migfix.facts.body.effects import is_logger
from migfix.facts.loop import Loop
from migfix.reading.kinds import known
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import Model
from migfix.reading.names.scopes import Binding, walk
from migfix.reading.rows.querysets import Resolver


def is_of_unknown_code(load: ast.Name, resolver: Resolver, loop: Loop) -> bool:
    """May the name stand for a queryset that code made which is not known?"""
    if not isinstance(load.ctx, ast.Load) or _is_called(load, resolver):
        return False
    if resolver.value(load) is not None or resolver.scope.is_of_inner(load):
        return False
    bindings = resolver.scope.bindings.get(load.id)
    if bindings is None:
        return False
    if resolver.scope is not loop.resolver.scope:  # what the body hands over is looked at there
        bindings = [each for each in bindings if not isinstance(each.statement, ast.arg)]
    return any(_is_from_unknown(binding, load.id, resolver) for binding in bindings)


def _is_called(load: ast.Name, resolver: Resolver) -> bool:
    """Calls are effects, and so are those of its methods that are not Python's own."""
    match resolver.scope.parents.get(load):
        case ast.Call(func=function):
            return function is load
        case ast.Attribute() as method:
            called = isinstance(resolver.scope.parents.get(method), ast.Call)
            return called and is_logger(load, resolver)
    return False


def _is_from_unknown(binding: Binding, name: str, resolver: Resolver) -> bool:
    match binding.statement:
        case ast.arg():
            return resolver.parameters.get(name) is None and name not in {"self", "cls"}
        case ast.NamedExpr(value=value) | ast.AugAssign(value=value) | ast.For(iter=value):
            return _is_made_by_unknown(value, resolver)
    return binding.value is not None and _is_made_by_unknown(binding.value, resolver)


def _is_made_by_unknown(value: ast.expr, resolver: Resolver) -> bool:
    """Does a function make it that is neither Python's own nor in this file?"""
    match value:
        case ast.Call(func=ast.Name(id=name) as function):
            own = resolver.module.is_builtin(name) or resolver.function(function) is not None
            own = own or isinstance(resolver.value(function), Model)
            return not own and not _holds_nothing(value, resolver)
        case ast.Call(func=ast.Attribute(value=owner) as function):
            if resolver.module.path_of(function) is not None:
                return not _holds_nothing(value, resolver)
            return kind_of(owner, resolver) is None
        case ast.IfExp() | ast.BoolOp() | ast.Tuple() | ast.List() | ast.Dict() | ast.NamedExpr():
            parts = [node for node in walk(value) if isinstance(node, ast.Call)]
            return any(_is_made_by_unknown(part, resolver) for part in parts)
    return False


def _holds_nothing(call: ast.Call, resolver: Resolver) -> bool:
    """Is what the call gives certainly no query that is not sent yet? Lazy arguments are seen elsewhere."""
    path = resolver.module.path_of(call.func) or ""
    if known.is_pure(path):
        return True
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return known.hands_on(path) and not any(_is_made_by_unknown(each, resolver) for each in given)
