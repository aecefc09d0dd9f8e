"""Which assignment a name has at a given place of a function, decided without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias, TypeGuard

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Binding:
    """What gave a name its value: ``statement`` did, from ``value`` where that is one expression.

    ``position`` is the place in a tuple target (``obj, created = ...``), None for a plain name.
    A parameter has its ``ast.arg`` as the statement, a loop variable its ``ast.For``.
    """

    statement: ast.AST
    value: ast.expr | None
    position: int | None = None


@lru_cache(maxsize=2048)
def walk(root: ast.AST) -> tuple[ast.AST, ...]:
    """``ast.walk`` without contexts, once per node: a loop is looked at again for every state."""
    found = [root]
    for node in found:
        found += children(node)
    return tuple(found)


def children(node: ast.AST) -> list[ast.AST]:
    """``ast.iter_child_nodes`` without ``Load`` and ``Store``, which are one object for all names."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
            found.append(value)
    return found


class Scope:
    """The names of one function. Names that it does not bind belong to ``outer`` or the module."""

    def __init__(self, node: FunctionNode | ast.Module, outer: Scope | None = None) -> None:
        self.node = node
        self.outer = outer
        self.parents = dict(_parent_links(node))
        self.shared = {
            name
            for inner in walk(node)
            if isinstance(inner, (ast.Global, ast.Nonlocal))
            for name in inner.names
        }
        self._found: dict[tuple[str, ast.AST], Binding | None] = {}
        self.bindings: dict[str, list[Binding]] = {}
        for name, binding in _bindings(node):
            self.bindings.setdefault(name, []).append(binding)

    def binding(self, name: str, at: ast.AST) -> Binding | None:
        """The one binding that ``name`` certainly has when ``at`` is evaluated, else None.

        It is made in every run before ``at``, and no other can run in between.
        """
        if (name, at) not in self._found:
            self._found[name, at] = self._find_binding(name, at)
        return self._found[name, at]

    def _find_binding(self, name: str, at: ast.AST) -> Binding | None:
        candidates = self.bindings.get(name, [])
        if not candidates or name in self.shared or self._shadowed(name, at):
            return None
        before = [b for b in candidates if self._always_before(b, at)]
        if not before:
            return None
        found = max(before, key=_made_at)
        others = [b for b in candidates if b is not found]
        return None if any(self._between(found, other, at) for other in others) else found

    def bound_once(self, name: str) -> Binding | None:
        """The binding of a name that is bound exactly once in the function."""
        candidates = self.bindings.get(name, [])
        return candidates[0] if len(candidates) == 1 and name not in self.shared else None

    def binds_around(self, name: str) -> bool:
        """Does a function around this one bind the name?"""
        outer = self.outer
        return outer is not None and (name in outer.bindings or outer.binds_around(name))

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

    def loads(self, name: str, *also: type[ast.expr_context]) -> Iterator[ast.Name]:
        """Every place of the function, nested functions included, that reads the name.

        Comprehensions and lambdas with a variable of that name read their own.
        ``also`` may be ``ast.Del``: ``del name`` needs the name to be there as well.
        """
        for node in self._places.get(name, ()):
            if isinstance(node.ctx, (ast.Load, *also)) and not self.is_of_inner(node):
                yield node

    def is_of_inner(self, load: ast.Name) -> bool:
        """Is it a variable of a comprehension or a name of a function around it?"""
        for ancestor in self.ancestors(load):
            if isinstance(ancestor, _FUNCTIONS) and ancestor is not self.node:
                own = set(_own_names(ancestor))
                outside: ast.AST = ancestor.args
            elif isinstance(ancestor, _COMPREHENSIONS):
                own = _comprehension_names(ancestor)
                outside = ancestor.generators[0].iter
            else:
                continue
            if load.id in own and not self.is_inside(load, outside):
                return True
        return False

    @cached_property
    def _places(self) -> dict[str, list[ast.Name]]:
        """Where each name stands."""
        places: dict[str, list[ast.Name]] = {}
        for node in walk(self.node):
            if isinstance(node, ast.Name):
                places.setdefault(node.id, []).append(node)
        return places

    def _shadowed(self, name: str, at: ast.AST) -> bool:
        """Is ``at`` in a nested function, or in a comprehension with a ``name`` of its own?

        Generator expressions run later, like functions.
        """
        for ancestor in self.ancestors(at):
            if ancestor is self.node:
                return False
            if isinstance(ancestor, _NESTED):
                return True
            if isinstance(ancestor, _COMPREHENSIONS) and name in _comprehension_names(ancestor):
                return True
            if isinstance(ancestor, ast.GeneratorExp) and len(self.bindings[name]) > 1:
                return True
        return False

    def _always_before(self, binding: Binding, at: ast.AST) -> bool:
        """Has ``binding`` run whenever ``at`` is reached? False when in doubt."""
        made = binding.statement
        if isinstance(made, ast.arg):
            return True
        step = at
        for ancestor in self.ancestors(at):
            if made is ancestor:
                return isinstance(made, (ast.For, ast.AsyncFor)) and step in made.body
            if isinstance(ancestor, (ast.With, ast.AsyncWith)) and made in ancestor.items:
                return step in ancestor.body
            before = run_before(step, ancestor)
            if made in before or any(made in s.body for s in before if _opens_cursor(s)):
                return not isinstance(made, (ast.For, ast.AsyncFor))
            step = ancestor
        return False

    def _between(self, found: Binding, other: Binding, at: ast.AST) -> bool:
        """Can ``other`` run after ``found`` and before ``at``? True when in doubt."""
        turns = [loop for loop in self._turns(at) if not self.is_inside(found.statement, loop)]
        if any(self.is_inside(other.statement, loop) for loop in turns):
            return True
        if other.statement is found.statement or self._in_one_expression(other.statement, at):
            return True
        if _made_at(other) <= _made_at(found) or _made_at(other) >= _start(at):
            return False
        return not self._excluded(other.statement, at)

    def _in_one_expression(self, other: ast.AST, at: ast.AST) -> bool:
        """Parts of one statement do not always run in the order of the source: ``a if (b := c) else d``."""
        named = isinstance(other, ast.NamedExpr)
        return named and self.statement_of(other) is self.statement_of(at)

    def _turns(self, at: ast.AST) -> Iterator[ast.AST]:
        """The loops that may evaluate ``at`` more than once."""
        step = at
        for ancestor in self.ancestors(at):
            if isinstance(ancestor, ast.While) or (
                isinstance(ancestor, (ast.For, ast.AsyncFor)) and step is not ancestor.iter
            ):
                yield ancestor
            step = ancestor

    def _excluded(self, other: ast.AST, at: ast.AST) -> bool:
        """Are the two in branches of one ``if`` of which only one runs?"""
        return any(
            isinstance(ancestor, ast.If)
            and any(self.is_inside(other, statement) for statement in ancestor.body)
            and any(self.is_inside(at, statement) for statement in ancestor.orelse)
            for ancestor in self.ancestors(other)
        )


def _opens_cursor(statement: ast.stmt) -> TypeGuard[ast.With]:
    """``with connection.cursor() as cursor``, which lets every exception through."""
    match statement:
        case ast.With(
            items=[ast.withitem(context_expr=ast.Call(func=ast.Attribute(attr="cursor"), args=[]))]
        ):
            return True
    return False


def run_before(step: ast.AST, ancestor: ast.AST) -> list[ast.stmt]:
    """The statements directly in ``ancestor`` that have run to their end when ``step`` is reached."""
    for block in ("body", "orelse", "finalbody"):
        statements = getattr(ancestor, block, None)
        if isinstance(statements, list) and step in statements:
            before: list[ast.stmt] = statements[: statements.index(step)]
            completed = block == "orelse" and isinstance(ancestor, ast.Try)
            return [*ancestor.body, *before] if completed else before  # type: ignore[attr-defined]
    return []


def _made_at(binding: Binding) -> tuple[int, int]:
    """Where in the source the name gets its value: after the expressions that it comes from."""
    made = binding.statement
    match made:
        case ast.For() | ast.AsyncFor():
            return _end(made.iter)
        case ast.withitem():
            return _end(made.context_expr)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
            return _start(made)
    return _end(made)


def _start(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]


def _end(node: ast.AST) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]


def _comprehension_names(node: ast.AST) -> set[str]:
    assert isinstance(node, _COMPREHENSIONS)
    targets = [generator.target for generator in node.generators]
    return {n.id for target in targets for n in walk(target) if isinstance(n, ast.Name)}


@lru_cache(maxsize=512)
def _own_names(function: FunctionNode) -> frozenset[str]:
    """What a nested function binds for itself."""
    shared = {
        name
        for node in walk(function)
        if isinstance(node, (ast.Global, ast.Nonlocal))
        for name in node.names
    }
    return frozenset(name for name, _ in _bindings(function)) - shared


def _parent_links(root: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for node in walk(root):
        for child in children(node):
            yield child, node


def _bindings(scope: ast.AST) -> Iterator[tuple[str, Binding]]:
    if not isinstance(scope, ast.Module):
        assert isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for argument in all_arguments(scope):
            yield argument.arg, Binding(argument, None)
    body = scope.body if isinstance(scope.body, list) else [scope.body]
    for node in (n for child in body for n in walk_scope(child)):
        yield from _bound_by(node)


def bindings_in(owner: ast.ClassDef) -> Iterator[tuple[str, Binding]]:
    """Every name that the body of a class binds."""
    for node in (n for child in owner.body for n in walk_scope(child)):
        yield from _bound_by(node)


def all_arguments(function: FunctionNode) -> list[ast.arg]:
    arguments = function.args
    extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def walk_scope(root: ast.AST) -> Iterator[ast.AST]:
    """Like ``ast.walk`` in source order, without the bodies of nested functions and classes."""
    yield root
    for child in _evaluated_here(root):
        yield from walk_scope(child)


def _evaluated_here(node: ast.AST) -> Iterable[ast.AST]:
    """The children; of a function or class only its decorators, defaults and bases."""
    match node:
        case ast.Lambda(args=args):
            return [*args.defaults, *filter(None, args.kw_defaults)]
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            return [*node.decorator_list, *args.defaults, *filter(None, args.kw_defaults)]
        case ast.ClassDef():
            return [*node.decorator_list, *node.bases, *node.keywords]
    return children(node)


def _bound_by(node: ast.AST) -> Iterator[tuple[str, Binding]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _target(target, node, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _target(target, node, value)
        case ast.For(target=target) | ast.AsyncFor(target=target):
            yield from _target(target, node, None)
        case ast.withitem(optional_vars=ast.expr() as target):
            yield from _target(target, node, None)
        case _:
            for name in names_bound(node):
                yield name, Binding(node, None)


def names_bound(node: ast.AST) -> list[str]:
    """The names that the node binds or unbinds, assignments and loops apart."""
    match node:
        case ast.AugAssign(target=ast.Name(id=name)) | ast.NamedExpr(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name.partition(".")[0] for alias in aliases]
        case ast.Delete(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


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
