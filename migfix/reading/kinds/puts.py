"""What a function puts into its own collections, and where they go on to others who may."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from migfix.reading.names.scopes import FUNCTIONS, Scope

# Methods that only look at the collection, take out of it, or order it.
LEAVING = frozenset(
    "clear copy count difference difference_update discard elements endswith get index intersection "
    "intersection_update isdisjoint issubset issuperset items join keys lower most_common move_to_end "
    "pop popitem popleft remove reverse rotate sort split startswith strip subtract total upper values".split()
)
FILLING = frozenset("append add appendleft insert setdefault extend extendleft update".split())
_TAKING_OUT = frozenset("get pop setdefault popleft".split())
_SHOWING = frozenset("items values copy popitem union difference intersection".split())
_GOING_OVER = frozenset(
    "list tuple set frozenset sorted dict enumerate zip reversed min max sum iter map filter any all".split()
)
_LOOKING = frozenset("len str repr print bool isinstance any all sum type id".split())


class Taker(Enum):
    """Who is given a collection, and may fill it, too."""

    NOBODY = auto()  # what is called keeps no hold of it
    FILE = auto()  # code of the file, or what it can be reached by from there
    OTHERS = auto()


@dataclass(frozen=True, slots=True)
class Put:
    """``rows.append(value)``; ``depth`` is how far inside of the collection, ``goes_over`` as ``extend``."""

    value: ast.expr | None
    depth: int
    goes_over: bool = False
    key: ast.expr | None = None


@dataclass
class Puts:
    """What is put in. What stands from the depth ``shared`` on has other names in the file, too, and
    what stands from ``given_away`` on is in the hands of code that is not known.
    """

    put: list[Put] = field(default_factory=list)
    shared: int | None = None
    given_away: int | None = None

    def share(self, depth: int) -> None:
        self.shared = depth if self.shared is None else min(depth, self.shared)

    def give(self, depth: int) -> None:
        self.given_away = depth if self.given_away is None else min(depth, self.given_away)


_TakerOf: TypeAlias = Callable[[ast.Call], Taker]


def puts_of(name: str, scope: Scope, taker: _TakerOf) -> Puts:
    """What the function (and those in it) puts into the collection that it calls ``name``."""
    search = _Search(scope, taker, Puts())
    for load in scope.loads(name):
        search.look_at(load, 0)
    if name in scope.shared:
        search.found.share(0)
    if scope.gives_all_names:
        search.found.give(0)
    return search.found


@dataclass(frozen=True)
class _Search:
    scope: Scope
    taker: _TakerOf
    found: Puts

    def look_at(self, node: ast.expr, depth: int) -> None:
        """What the place does with the collection ``node``."""
        parent = self.scope.parents.get(node)
        match parent:
            case ast.Subscript(value=value) if value is node:
                self._item(parent, depth)
            case ast.Attribute() if _is_called(parent, self.scope):
                call = self.scope.parents[parent]
                assert isinstance(call, ast.Call)
                self._method(parent.attr, call, depth)
            case ast.Attribute():  # ``rows.append`` by another name, ``counts.default_factory``
                self.found.give(depth)
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()]) if left is not node:
                self.found.share(depth + 1)
            case ast.Compare() | ast.BinOp() | ast.AugAssign() if not _is_among_own(parent, node):
                self.found.share(depth)  # with a method of the other: ``rows == Thing()``
            case ast.Compare() | ast.If() | ast.While() | ast.UnaryOp() | ast.FormattedValue():
                return
            case ast.Assert() | ast.Expr() | ast.Delete():
                return
            case ast.Return() if not self._is_of_inner(node):
                return
            case ast.For() | ast.comprehension() | ast.BinOp() | ast.Starred() | ast.AugAssign():
                self.found.share(depth + 1)
            case ast.Call(func=function) if function is not node:
                self._argument(parent, depth)
            case ast.keyword():
                called = self.scope.parents.get(parent)
                assert isinstance(called, (ast.Call, ast.ClassDef))
                self._argument(called, depth)
            case _:
                self.found.share(depth)

    def _is_of_inner(self, node: ast.expr) -> bool:
        """Does a function inside of this one give it back, to whoever calls it?"""
        around = (each for each in self.scope.ancestors(node) if isinstance(each, FUNCTIONS))
        return next(around, self.scope.node) is not self.scope.node

    def _argument(self, call: ast.Call | ast.ClassDef, depth: int) -> None:
        match call:
            case ast.Call(func=ast.Name(id=called)) if called in _LOOKING:
                return
            case ast.Call(func=ast.Name(id=called)) if called in _GOING_OVER:
                self.found.share(depth + 1)
            case ast.Call():
                match self.taker(call):
                    case Taker.NOBODY:
                        self.found.share(depth + 1)
                    case Taker.FILE:
                        self.found.share(depth)
                    case Taker.OTHERS:
                        self.found.give(depth)
            case _:
                self.found.give(depth)

    def _item(self, node: ast.Subscript, depth: int) -> None:
        if isinstance(node.ctx, ast.Store):
            self.found.put += list(stored_by(node, depth, self.scope))
        elif isinstance(node.slice, ast.Slice):
            self.found.share(depth + 1)
        elif isinstance(node.ctx, ast.Load):
            self.look_at(node, depth + 1)

    def _method(self, method: str, call: ast.Call, depth: int) -> None:
        puts = list(_put_by(method, call, depth))
        self.found.put += puts
        if not puts and method not in LEAVING:
            self.found.give(depth)
        if method in _TAKING_OUT:
            self.look_at(call, depth + 1)
        elif method in _SHOWING:
            self.found.share(depth + 1)


def assigned_to(target: ast.expr, scope: Scope) -> ast.expr | None:
    """What a statement gives to the whole target; None where that is a part of something, or nothing."""
    match scope.parents.get(target):
        case ast.Assign(targets=targets, value=value) if target in targets:
            return value
        case ast.AnnAssign(value=value) | ast.AugAssign(value=value):
            return value
    return None


def operands_of(node: ast.AST) -> list[ast.expr]:
    """What an operator computes with or compares, each of which may have a method that is given the others."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            tells = [not isinstance(op, (ast.Is, ast.IsNot)) for op in ops]
            return [left, *others] if any(tells) else []
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.AugAssign(target=target, value=value):
            return [target, value]
    return []


def _is_among_own(operator: ast.AST, node: ast.expr) -> bool:
    """Is all else that the operator works on written out, of Python's own?"""
    return all(_is_written(each) for each in operands_of(operator) if each is not node)


def _is_written(node: ast.expr) -> bool:
    match node:
        case ast.Constant() | ast.JoinedStr():
            return True
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return all(map(_is_written, elements))
        case ast.Dict(keys=keys, values=values):
            return all(each is not None and _is_written(each) for each in [*keys, *values])
    return False


def _is_called(node: ast.Attribute, scope: Scope) -> bool:
    call = scope.parents.get(node)
    return isinstance(call, ast.Call) and call.func is node


def stored_by(node: ast.Subscript, depth: int, scope: Scope) -> Iterator[Put]:
    """What an assignment to an item or a slice puts into the collection."""
    statement = scope.parents.get(node)
    sliced = isinstance(node.slice, ast.Slice)
    match statement:
        case ast.Assign(targets=targets, value=value) if node in targets:
            yield Put(value, depth, sliced, None if sliced else node.slice)
        case ast.AnnAssign(value=ast.expr() as value):
            yield Put(value, depth, sliced, None if sliced else node.slice)
        case ast.AugAssign(value=value):
            # what is there and what is added, be it added up or put in
            yield Put(value, depth, sliced, None if sliced else node.slice)
            yield Put(value, depth + 1, True)
        case _:
            yield Put(None, depth)


def _put_by(method: str, call: ast.Call, depth: int) -> Iterator[Put]:
    """What the method puts into the collection that it is called on."""
    args = call.args
    if any(isinstance(each, ast.Starred) for each in args) and method in FILLING:
        yield Put(None, depth)
        return
    match method:
        case "append" | "add" | "appendleft":
            yield from (Put(each, depth) for each in args)
        case "insert":
            yield from (Put(each, depth) for each in args[1:])
        case "setdefault" if args:
            value = args[1] if len(args) > 1 else ast.Constant(None)
            yield Put(value, depth, key=args[0])
        case "extend" | "extendleft" | "symmetric_difference_update" | "update":
            yield from (Put(each, depth, goes_over=True) for each in args)
            for keyword in call.keywords:
                yield Put(keyword.value if keyword.arg else None, depth, key=ast.Constant(""))
