"""Whether a dict of rows, and each row in it, is only looked at."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migfix.facts.body.uses import Kind as UseKind
from migfix.facts.body.uses import Place, is_only_looked_at, uses_at
from migfix.reading.kinds.values import Rows
from migfix.reading.names.scopes import walk
from migfix.reading.rows.querysets import Resolver

if TYPE_CHECKING:
    pass


# Builtins that look at the keys of a dict and keep nothing of what it holds.
_LOOKING = frozenset("len bool list tuple set frozenset sorted min max print str repr".split())
# Methods of collections that change nothing, and give no more than the values themselves.
_READING = frozenset("get items keys values index count copy".split())


@dataclass(frozen=True)
class Container:
    """A dict of rows. ``immutable`` are the attributes of a row that only reading them can reach.

    None for a dict of values that do not change.
    """

    resolver: Resolver
    immutable: frozenset[str] | None

    def is_left(self, load: ast.Name) -> bool:
        """Does the place leave the dict, and every object in it, as they are?"""
        parents = self.resolver.scope.parents
        parent = parents[load]
        match parent:
            case ast.Subscript(value=value, ctx=ast.Load()) if value is load:
                return self._is_row_left(parent)
            case ast.Attribute(attr=method):
                made = self.resolver.scope.method_call(load)
                return made is not None and self._is_method_left(method, made)
            case ast.For() | ast.comprehension():
                return True  # keys, or whether there are any
            case ast.Call(func=ast.Name(id=function)):
                return function in _LOOKING and self.resolver.module.is_builtin(function)
            case ast.keyword():
                call = parents[parent]
                return isinstance(call, ast.Call) and isinstance(self.resolver.value(call), Rows)
        return is_only_looked_at(load, parents)

    def _is_method_left(self, method: str, call: ast.Call) -> bool:
        if self.immutable is None:
            return method in _READING
        if method == "get":
            return self._is_row_left(call)
        holder = self.resolver.scope.parents[call]
        match method, getattr(holder, "target", None):
            case "keys", _:
                return True
            case "values", ast.Name(id=name):
                return self._are_rows_left(name, holder)
            case "items", ast.Tuple(elts=[_, ast.Name(id=name)]):
                return self._are_rows_left(name, holder)
        return False

    def _are_rows_left(self, name: str, holder: ast.AST) -> bool:
        """The same of the variable of a ``for`` or of a comprehension."""
        scope = self.resolver.scope
        if isinstance(holder, ast.comprehension):
            nodes = walk(scope.parents[holder])
            loads = [n for n in nodes if isinstance(n, ast.Name) and n.id == name]
            return all(self._is_row_left(n) for n in loads if isinstance(n.ctx, ast.Load))
        return isinstance(holder, ast.For) and all(
            self._is_row_left(load)
            for load in scope.loads(name, ast.Del)
            if may_stand_for(load, holder, self.resolver)
        )

    def _is_row_left(self, node: ast.expr) -> bool:
        return self.immutable is None or is_only_read(node, self.resolver, self.immutable)


def may_stand_for(load: ast.Name, made: ast.AST, resolver: Resolver) -> bool:
    binding = resolver.scope.binding(load.id, load)
    return binding is None or binding.statement is made


def is_only_read(node: ast.expr, resolver: Resolver, attributes: frozenset[str]) -> bool:
    """Is nothing done with the row behind the expression but to read these attributes, or to compare it?"""
    function = resolver.scope.node
    assert isinstance(function.body, list)
    uses = uses_at(node, Place(tuple(function.body), resolver))
    return all(
        use.kind is UseKind.KEY or (use.kind is UseKind.READ and use.field in attributes)
        for use in uses
    )
