"""Which assignment a name has at a given place of a function, decided without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


@dataclass(frozen=True, slots=True)
class Binding:
    """What gave a name its value: ``statement`` did, from ``value`` where that is one expression.

    ``position`` is the place in a tuple target (``obj, created = ...``), None for a plain name.
    A parameter has its ``ast.arg`` as the statement, a loop variable its ``ast.For``.
    """

    statement: ast.AST
    value: ast.expr | None
    position: int | None = None


class Scope:
    """The names of one function. Names that it does not bind belong to ``outer`` or the module."""

    def __init__(self, node: FunctionNode | ast.Module, outer: Scope | None = None) -> None:
        self.node = node
        self.outer = outer
        self.parents = dict(_parent_links(node))
        self.shared = {
            name
            for inner in ast.walk(node)
            if isinstance(inner, (ast.Global, ast.Nonlocal))
            for name in inner.names
        }
        self.bindings: dict[str, list[Binding]] = {}
        for name, binding in _bindings(node):
            self.bindings.setdefault(name, []).append(binding)

    def binding(self, name: str, at: ast.AST) -> Binding | None:
        """The one binding that ``name`` certainly has when ``at`` is evaluated, else None."""
        candidates = self.bindings.get(name, [])
        if not candidates or name in self.shared or self._shadowed(name, at):
            return None
        arguments = [b for b in candidates if isinstance(b.statement, ast.arg)]
        found: Binding | str | None = None
        for step, ancestor in self._blocks(at):
            if found := self._last_before(candidates, step, ancestor):
                break
        found = found or next(iter(arguments), None)
        if isinstance(found, Binding) and self._stable(found, candidates, at):
            return found
        return None

    def bound_once(self, name: str) -> Binding | None:
        """The binding of a name that is bound exactly once in the function."""
        candidates = self.bindings.get(name, [])
        return candidates[0] if len(candidates) == 1 and name not in self.shared else None

    def rebound_in(self, name: str, region: ast.AST) -> bool:
        """Does any statement inside ``region`` bind the name?"""
        return any(self.is_inside(b.statement, region) for b in self.bindings.get(name, []))

    def is_inside(self, node: ast.AST, region: ast.AST) -> bool:
        return node is region or region in self.ancestors(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while (node := self.parents.get(node)) is not None:  # type: ignore[assignment]
            yield node

    def statement_of(self, node: ast.AST) -> ast.AST:
        """The statement that holds ``node`` (itself, if it is one)."""
        while not isinstance(node, ast.stmt) and node in self.parents:
            node = self.parents[node]
        return node

    def loads(self, name: str) -> Iterator[ast.Name]:
        """Every place of the function, nested functions included, that reads the name."""
        for node in ast.walk(self.node):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                yield node

    def _shadowed(self, name: str, at: ast.AST) -> bool:
        """Is ``at`` in a comprehension or nested function, where the name may be another one?"""
        for ancestor in self.ancestors(at):
            if ancestor is self.node:
                return False
            if isinstance(ancestor, _NESTED):
                return True
            if isinstance(ancestor, _COMPREHENSIONS) and name in _comprehension_names(ancestor):
                return True
        return False

    def _blocks(self, at: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        step = at
        for ancestor in self.ancestors(at):
            yield step, ancestor
            step = ancestor

    def _last_before(
        self, candidates: list[Binding], step: ast.AST, ancestor: ast.AST
    ) -> Binding | str | None:
        """The binding made by the nearest earlier statement of the block that holds ``step``."""
        if isinstance(ancestor, (ast.For, ast.AsyncFor)) and step in ancestor.body:
            found = [b for b in candidates if b.statement is ancestor]
        else:
            found = []
        for statement in reversed(_statements_before(step, ancestor)):
            inside = [b for b in candidates if self.is_inside(b.statement, statement)]
            if not inside:
                continue
            certain = len(inside) == 1 and inside[0].statement is statement
            if certain and not isinstance(statement, _LOOPS):
                return inside[0]
            return "ambiguous"
        return found[0] if len(found) == 1 else None

    def _stable(self, found: Binding, candidates: list[Binding], at: ast.AST) -> bool:
        """No other binding can run between the found one and ``at`` in a later turn of a loop."""
        for ancestor in self.ancestors(at):
            if ancestor is found.statement or self.is_inside(found.statement, ancestor):
                return True
            if isinstance(ancestor, _LOOPS) and any(
                self.is_inside(other.statement, ancestor) for other in candidates
            ):
                return False
        return True


def _statements_before(step: ast.AST, ancestor: ast.AST) -> list[ast.stmt]:
    for block in ("body", "orelse", "finalbody"):
        statements = getattr(ancestor, block, None)
        if isinstance(statements, list) and step in statements:
            before: list[ast.stmt] = statements[: statements.index(step)]
            if block == "orelse" and isinstance(ancestor, (*_LOOPS, ast.Try)):
                return [*ancestor.body, *before]
            if block == "finalbody" and isinstance(ancestor, ast.Try):
                return [*ancestor.body, *ancestor.handlers, *ancestor.orelse, *before]  # type: ignore[list-item]
            return before
    if isinstance(ancestor, ast.Try) and step in ancestor.handlers:
        return list(ancestor.body)
    return []


def _comprehension_names(node: ast.AST) -> set[str]:
    assert isinstance(node, _COMPREHENSIONS)
    targets = [generator.target for generator in node.generators]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def _parent_links(root: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for node in ast.walk(root):
        for child in ast.iter_child_nodes(node):
            yield child, node


def _bindings(scope: ast.AST) -> Iterator[tuple[str, Binding]]:
    if not isinstance(scope, ast.Module):
        assert isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for argument in all_arguments(scope):
            yield argument.arg, Binding(argument, None)
    body = scope.body if isinstance(scope.body, list) else [scope.body]
    for node in (n for child in body for n in walk_scope(child)):
        yield from _bound_by(node)


def all_arguments(function: FunctionNode) -> list[ast.arg]:
    arguments = function.args
    extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def walk_scope(root: ast.AST) -> Iterator[ast.AST]:
    """Like ``ast.walk`` in source order, without entering functions, classes and comprehensions' own names."""
    yield root
    if isinstance(root, _NESTED):
        return
    for child in ast.iter_child_nodes(root):
        yield from walk_scope(child)


def _bound_by(node: ast.AST) -> Iterator[tuple[str, Binding]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _target(target, node, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _target(target, node, value)
        case ast.AugAssign(target=ast.Name(id=name)):
            yield name, Binding(node, None)
        case ast.NamedExpr(target=ast.Name(id=name)):
            yield name, Binding(node, None)
        case ast.For(target=target) | ast.AsyncFor(target=target):
            yield from _target(target, node, None)
        case ast.withitem(optional_vars=ast.expr() as target):
            yield from _target(target, node, None)
        case ast.ExceptHandler(name=str(name)):
            yield name, Binding(node, None)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, Binding(node, None)
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            for alias in aliases:
                yield alias.asname or alias.name.partition(".")[0], Binding(node, None)
        case ast.Delete(targets=targets):
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, Binding(node, None)
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, Binding(node, None)


def _target(
    target: ast.expr, statement: ast.AST, value: ast.expr | None, position: int | None = None
) -> Iterator[tuple[str, Binding]]:
    match target:
        case ast.Name(id=name):
            yield name, Binding(statement, value, position)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for index, element in enumerate(elements):
                yield from _target(element, statement, value, index)
        case ast.Starred(value=inner):
            yield from _target(inner, statement, None)
