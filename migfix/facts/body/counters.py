"""Which names do nothing but count the turns of a loop: ``count = 0`` before it, ``count += 1`` in it."""

from __future__ import annotations

import ast

from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.plain import Type
from migfix.reading.names.scopes import Binding
from migfix.reading.rows.querysets import Resolver

_WHOLE_NUMBER = Type("int")
_GIVING_NUMBERS = frozenset({"len", "int"})


def counters_in(node: ast.For, resolver: Resolver) -> frozenset[str]:
    """Names that hold whole numbers before the loop ``node``, which does nothing to them but add to them.

    An object's own ``+=`` may do anything, and a sum of floats depends on how it is put together. What the loop
    adds is for others to look at.
    """
    found = resolver.scope.names_bound_in(node) - resolver.scope.shared
    return frozenset(name for name in found if _counts(name, node, resolver))


def _counts(name: str, node: ast.For, resolver: Resolver) -> bool:
    scope = resolver.scope
    inside: list[Binding] = []
    outside: list[Binding] = []
    for binding in scope.bindings[name]:
        (inside if scope.is_inside(binding.statement, node) else outside).append(binding)
    return (
        bool(outside)
        and all(_adds(binding) for binding in inside)
        and all(_is_whole(binding, resolver) for binding in outside)
    )


def _adds(binding: Binding) -> bool:
    return isinstance(binding.statement, ast.AugAssign) and isinstance(
        binding.statement.op, ast.Add
    )


def _is_whole(binding: Binding, resolver: Resolver) -> bool:
    """Does the binding leave a whole number, and never None, in the name?"""
    match binding.statement, binding.value:
        case ast.AugAssign(value=value), _:
            return _adds(binding) and _is_number(value, resolver)
        case ast.Assign(targets=targets), ast.Tuple(elts=values) if binding.position is not None:
            flat = all(_takes_each(target, len(values)) for target in targets)
            return flat and _is_number(values[binding.position], resolver)
        case ast.Assign() | ast.AnnAssign(), ast.expr() as value:
            return _is_number(value, resolver)
    return False


def _takes_each(target: ast.expr, count: int) -> bool:
    """``a, b = 0, 1``: a name for each of so many values, or one for all."""
    each = target.elts if isinstance(target, (ast.Tuple, ast.List)) else []
    named = all(isinstance(part, ast.Name) for part in each)
    return isinstance(target, ast.Name) or (named and len(each) == count)


def _is_number(value: ast.expr, resolver: Resolver) -> bool:
    match value:
        # Of what is put together of several values it is not known that none is None.
        case ast.Call(func=ast.Name(id=name)):
            known = name in _GIVING_NUMBERS and resolver.module.is_builtin(name)
            return known and kind_of(value, resolver) == _WHOLE_NUMBER
        case ast.Constant() | ast.Call(func=ast.Attribute(attr="count" | "update")):
            return kind_of(value, resolver) == _WHOLE_NUMBER
    return False
