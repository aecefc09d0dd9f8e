"""Which assignment a name has at a given place of a function, decided without running it. One class fills it, ``Scope``, with the
walks that it is made of.
"""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import TypeAlias, TypeGuard

from migfix.source import children, nodes_in

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# What may run its parts more than once where it stands.
REPEATING = (ast.For, ast.AsyncFor, ast.While, *COMPREHENSIONS)
TRIES: tuple[type[ast.stmt], ...] = (ast.Try, getattr(ast, "TryStar", ast.Try))  # Python 3.11
BLOCKS = ("body", "orelse", "finalbody")
_Place: TypeAlias = tuple[float, float]


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
    return tuple(nodes_in(root))


@lru_cache(maxsize=512)
def nodes_under(root: ast.AST) -> frozenset[ast.AST]:
    """The same as a set."""
    return frozenset(walk(root))


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
        self._loads: dict[tuple[str, tuple[type[ast.expr_context], ...]], Sequence[ast.Name]] = {}
        self._inner_loads: dict[str, Sequence[ast.Name]] = {}
        self._in_order: dict[str, _InOrder] = {}
        self._readers: dict[str, dict[ast.AST | None, list[ast.Name]]] = {}
        self.bindings: dict[str, list[Binding]] = {}
        self._bound_by: dict[ast.AST, list[str]] = {}
        for name, binding in _bindings(node):
            self.bindings.setdefault(name, []).append(binding)
            self._bound_by.setdefault(binding.statement, []).append(name)

    @cached_property
    def gives_all_names(self) -> bool:
        """Does it ask for all that it knows, and so may change what any of its names holds?"""
        return any(map(_gives_all_names, walk(self.node)))

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
        if name not in self._in_order:
            self._in_order[name] = _InOrder(candidates)
        ordered = self._in_order[name]
        until = max(_start(at), _end(self.statement_of(at)))
        before = (b for b in ordered.latest_first(until) if self.is_always_before(b, at))
        found = next(before, None)
        if found is None:
            return None
        others = (b for b in self._near(ordered, found, at) if b is not found)
        return None if any(self._between(found, other, at) for other in others) else found

    def _near(self, ordered: _InOrder, found: Binding, at: ast.AST) -> Iterator[Binding]:
        """The bindings that may be between: all others are before ``found`` or after ``at``."""
        yield from ordered.unplaced
        yield from ordered.within(_made_at(found), _start(at))
        for region in (*self._turns(at), self.statement_of(at)):
            if hasattr(region, "lineno"):
                yield from ordered.within(_start(region), _end(region))

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
        return name in self.names_bound_in(region)

    def names_bound_in(self, region: ast.AST) -> frozenset[str]:
        """The names that statements inside ``region`` bind."""
        bound = (self._bound_by.get(node, ()) for node in self.nodes_in(region))
        return frozenset(name for names in bound for name in names)

    def nodes_in(self, region: ast.AST) -> frozenset[ast.AST]:
        """The nodes of the function that are inside ``region``."""
        known = region is self.node or region in self.parents
        return nodes_under(region) if known else frozenset()

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

    def method_call(self, node: ast.AST) -> ast.Call | None:
        """``posts.filter(...)`` for ``posts``: the call of a method of what ``node`` gives."""
        link = self.parents.get(node)
        call = self.parents.get(link) if isinstance(link, ast.Attribute) else None
        return call if isinstance(call, ast.Call) and call.func is link else None

    def loads(self, name: str, *also: type[ast.expr_context]) -> Sequence[ast.Name]:
        """Every place of the function, nested functions included, that reads the name.

        Comprehensions and lambdas with a variable of that name read their own.
        ``also`` may be ``ast.Del``: ``del name`` needs the name to be there as well.
        """
        if (name, also) not in self._loads:
            self._loads[name, also] = tuple(
                node
                for node in self._places.get(name, ())
                if isinstance(node.ctx, (ast.Load, *also)) and not self.is_of_inner(node)
            )
        return self._loads[name, also]

    def loads_of_inner_functions(self, name: str) -> Sequence[ast.Name]:
        """Those of the places in ``loads`` that are in functions and classes of this one."""
        if name not in self._inner_loads:
            self._inner_loads[name] = tuple(
                load for load in self.loads(name) if any(map(self._is_inner, self.ancestors(load)))
            )
        return self._inner_loads[name]

    def _is_inner(self, node: ast.AST) -> bool:
        return isinstance(node, DEFINITIONS) and node is not self.node

    def places_by_binding(self, name: str) -> dict[ast.AST | None, list[ast.Name]]:
        """Every place that reads or deletes the name, by what certainly bound it there, None if unknown."""
        if name not in self._readers:
            found: dict[ast.AST | None, list[ast.Name]] = {}
            for place in self.loads(name, ast.Del):
                binding = self.binding(name, place)
                found.setdefault(binding.statement if binding else None, []).append(place)
            self._readers[name] = found
        return self._readers[name]

    def is_of_inner(self, load: ast.Name) -> bool:
        """Is it a variable of a comprehension or a name of a function around it?"""
        for ancestor in self.ancestors(load):
            if isinstance(ancestor, FUNCTIONS) and ancestor is not self.node:
                own = set(_own_names(ancestor))
                outside: ast.AST = ancestor.args
            elif isinstance(ancestor, COMPREHENSIONS):
                own = comprehension_names(ancestor)
                outside = ancestor.generators[0].iter
            else:
                continue
            if load.id in own and not self.is_inside(load, outside):
                return True
        return False

    def places_of(self, name: str) -> list[ast.Name]:
        """Every place of the function, nested functions included, that has the name, whose ever it is."""
        return [node for node in self._places.get(name, ()) if isinstance(node.ctx, ast.Load)]

    @staticmethod
    def names_of(function: FunctionNode) -> frozenset[str]:
        """What a function in this one binds for itself."""
        return _own_names(function)

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
            if isinstance(ancestor, DEFINITIONS):
                return True
            if isinstance(ancestor, COMPREHENSIONS) and name in comprehension_names(ancestor):
                return True
            if isinstance(ancestor, ast.GeneratorExp) and len(self.bindings[name]) > 1:
                return True
        return False

    def is_always_before(self, binding: Binding, at: ast.AST) -> bool:
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
            if self._runs_before(made, step, ancestor):
                return not isinstance(made, (ast.For, ast.AsyncFor))
            step = ancestor
        return False

    def _runs_before(self, made: ast.AST, step: ast.AST, ancestor: ast.AST) -> bool:
        """Does it stand among what is done in ``ancestor`` when ``step`` is reached, as ``run_before`` says?"""
        for statement in (made, self.parents.get(made)):
            if not isinstance(statement, ast.stmt):
                return False
            if self.parents.get(statement) is ancestor and (
                self._precedes(statement, step, ancestor)
            ):
                return statement is made or (_opens_cursor(statement) and made in statement.body)
        return False

    def _precedes(self, statement: ast.stmt, step: ast.AST, ancestor: ast.AST) -> bool:
        blocks = self._place_in_block
        if step not in blocks or statement not in blocks:
            return False
        block, index = blocks[step]
        other, before = blocks[statement]
        if block == "orelse" and isinstance(ancestor, ast.Try) and other == "body":
            return True
        return other == block and before < index

    @cached_property
    def _place_in_block(self) -> dict[ast.AST, tuple[str, int]]:
        """The block of its parent in which each statement stands, and its number there."""
        return {
            statement: (name, index)
            for node in (self.node, *self.parents)
            for name in BLOCKS
            for index, statement in enumerate(_block(node, name))
        }

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


class _InOrder:
    """The bindings of one name in the order in which the source makes them."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self.bindings = sorted(bindings, key=_made_at)
        self.places = [_made_at(binding) for binding in self.bindings]
        # Before Python 3.12, what stands in an f-string may have the place of something else.
        self.unplaced = [b for b in self.bindings if isinstance(b.statement, ast.NamedExpr)]

    def within(self, first: _Place, last: _Place) -> list[Binding]:
        return self.bindings[bisect_left(self.places, first) : bisect_right(self.places, last)]

    def latest_first(self, last: _Place) -> Iterator[Binding]:
        """Those made until then, and parameters, which are made before all."""
        end = bisect_right(self.places, last)
        yield from reversed(self.bindings[:end])
        yield from (b for b in reversed(self.bindings[end:]) if isinstance(b.statement, ast.arg))


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
    for block in BLOCKS:
        statements = _block(ancestor, block)
        if step in statements:
            before = statements[: statements.index(step)]
            completed = block == "orelse" and isinstance(ancestor, ast.Try)
            return [*ancestor.body, *before] if completed else before  # type: ignore[attr-defined]
    return []


def _block(node: ast.AST, name: str) -> list[ast.stmt]:
    statements = getattr(node, name, None)
    return statements if isinstance(statements, list) else []


def _made_at(binding: Binding) -> _Place:
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


def _start(node: ast.AST) -> _Place:
    """Where it begins; what a file does not hold comes last."""
    return getattr(node, "lineno", inf), getattr(node, "col_offset", inf)


def _end(node: ast.AST) -> _Place:
    return getattr(node, "end_lineno", inf), getattr(node, "end_col_offset", inf)


def comprehension_names(node: ast.AST) -> set[str]:
    """The names that only mean something inside of the comprehension."""
    assert isinstance(node, COMPREHENSIONS)
    targets = [generator.target for generator in node.generators]
    names = (n for target in targets for n in walk(target) if isinstance(n, ast.Name))
    return {n.id for n in names if isinstance(n.ctx, ast.Store)}  # no ``rows`` of ``rows[0]``


def _gives_all_names(node: ast.AST) -> bool:
    """``locals`` by any name that it is given, ``vars()`` without anything."""
    match node:
        case ast.Name(id="locals"):
            return True
        case ast.Call(func=ast.Name(id="vars"), args=[], keywords=[]):
            return True
    return False


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


def statements_of(function: FunctionNode) -> list[ast.stmt]:
    """The body of a function, that of a lambda as the statement that it is."""
    return [ast.Expr(function.body)] if isinstance(function, ast.Lambda) else function.body


def statements_of_scope(scope: Scope) -> list[ast.stmt]:
    """The same of a function or module by its scope."""
    return scope.node.body if isinstance(scope.node, ast.Module) else statements_of(scope.node)


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
