"""Queries that a function keeps for later: querysets, generators and expressions, not evaluated yet.

https://docs.djangoproject.com/en/stable/topics/db/queries/#querysets-are-lazy
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from migfix.reading.kinds import known
from migfix.reading.kinds.values import Manager, Pages, RawRows, Rows
from migfix.reading.names.scopes import FunctionNode, walk
from migfix.reading.rows.methods import CHAINING
from migfix.reading.rows.querysets import Resolver

# Methods of sets, dicts and lists as well: what has them may be no queryset.
_OF_COLLECTIONS = frozenset("values union intersection difference reverse".split())
_CONSUMING = frozenset(
    "list tuple set frozenset dict sorted len bool any all sum min max str repr print isinstance "
    "type next".split()
)
_HANDING_ON = frozenset("iter zip enumerate reversed".split())
_MAX_DEPTH = 20


def _may_return_lazy(function: FunctionNode, resolver: Resolver) -> bool:
    """May what a function of the project returns or yields be lazy? One that calls itself may."""
    memory = resolver.memory
    if "lazy" not in resolver.own:
        if memory.depth > _MAX_DEPTH:
            return True
        resolver.own["lazy"] = True
        memory.depth += 1
        try:
            resolver.own["lazy"] = any(map(Lazies(resolver).is_lazy, _returned(function)))
        finally:
            memory.depth -= 1
    return bool(resolver.own["lazy"])


def _returned(function: FunctionNode) -> Iterator[ast.expr]:
    if isinstance(function, ast.Lambda):
        yield function.body
        return
    for node in walk(function):
        if isinstance(node, (ast.Yield, ast.YieldFrom)):  # runs when it is asked for more
            yield ast.GeneratorExp(ast.Constant(None), [])
        elif isinstance(node, ast.Return) and node.value is not None:
            yield node.value


def lazies_of(resolver: Resolver) -> Lazies:
    """What is lazy in the function of the resolver, found once."""
    if "lazies" not in resolver.own:
        resolver.own["lazies"] = Lazies(resolver)
    found: Lazies = resolver.own["lazies"]
    return found


@dataclass
class Lazies:
    """What is lazy in one function. ``names`` are those that may stand for something lazy."""

    resolver: Resolver
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        before = -1
        while before != len(self.names):
            before = len(self.names)
            for node in walk(self.resolver.scope.node):
                if isinstance(node, ast.expr) and self.is_lazy(node):
                    self.names.update(self._names_given(node))

    def is_lazy(self, node: ast.expr) -> bool:
        """May the expression be a query that is not sent yet, or give one on, whatever its table?"""
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                return name in self.names
            case ast.Attribute(ctx=ast.Load()):
                return isinstance(self.resolver.value(node), Manager)
            case ast.GeneratorExp():
                return True
            case ast.IfExp(body=first, orelse=second):
                return self.is_lazy(first) or self.is_lazy(second)
            case ast.BoolOp(values=values):
                return any(map(self.is_lazy, values))
            case ast.NamedExpr(value=value):
                return self.is_lazy(value)
            case ast.Subscript(value=value, slice=ast.Slice()):
                return self.is_lazy(value)
            case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd(), right=right):
                return self.is_lazy(left) or self.is_lazy(right)
            case ast.Call():
                return self._is_lazy_call(node)
        return False

    def _is_lazy_call(self, call: ast.Call) -> bool:
        match self.resolver.value(call):
            case Rows() as rows:
                return not rows.has("list()")
            case RawRows(model=model):
                return model is not None
            case Pages():
                return True
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        path = self.resolver.module.path_of(call.func) or ""
        if path.startswith("django.db.models."):
            return True
        if known.puts_off(path):
            return any(map(self.is_lazy, given))
        if (found := self.resolver.called(call)) is not None:
            return _may_return_lazy(*found)
        match call.func:
            case ast.Name(id="map" | "filter"):
                return True
            case ast.Name(id=name) if name in _HANDING_ON:
                return any(map(self.is_lazy, given))
            case ast.Attribute(value=owner, attr=method) if method in CHAINING and not path:
                if method in _OF_COLLECTIONS:
                    return self.is_lazy(owner)
                return self.resolver.value(owner) is None
        return False

    def _names_given(self, node: ast.expr) -> Iterator[str]:
        """The names that the statement around the expression gives it."""
        match self.resolver.scope.parents.get(node):
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case (
                ast.AnnAssign(target=ast.Name(id=name))
                | ast.AugAssign(target=ast.Name(id=name))
                | ast.NamedExpr(target=ast.Name(id=name))
            ):
                yield name

    def is_kept(self, node: ast.expr) -> bool:
        """Does it go where it can no longer be followed: into a container, an attribute, other code?

        What runs it at once does not keep it, nor does a name.
        """
        parent = self.resolver.scope.parents.get(node)
        if isinstance(parent, ast.expr) and self.is_lazy(parent):
            return False
        match parent:
            case ast.Assign(targets=targets):
                return not all(isinstance(t, (ast.Name, ast.Tuple, ast.List)) for t in targets)
            case ast.Attribute() | ast.Compare() | ast.UnaryOp() | ast.FormattedValue():
                return False
            case ast.Subscript() | ast.Starred() | ast.comprehension() | ast.BinOp():
                return False
            case ast.keyword():
                return self._keeps(self.resolver.scope.parents.get(parent))
            case ast.Call():
                return self._keeps(parent)
            case ast.stmt():
                return False
        return True

    def _keeps(self, call: ast.AST | None) -> bool:
        match call:
            case ast.Call(func=ast.Name(id=name)):
                known = name in _CONSUMING or self.resolver.function(call.func) is not None
                return not known
            case ast.Call(func=ast.Attribute(value=owner, attr=method)):
                queries = isinstance(self.resolver.value(owner), (Manager, Rows))
                return not queries and method not in {"join", "format", "extend", "update"}
        return True
