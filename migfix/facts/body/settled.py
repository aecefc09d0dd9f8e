"""Whether documents that a turn gives its row are the same when the loop ends.

    for post in posts:
        post.options["tags"] = ["new"]
        changed.append(post)
    Post.objects.bulk_update(changed, ["options"])

A document may change as long as somebody holds it, and several rows may hold one.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import takewhile
from typing import NamedTuple, TypeAlias

from migfix.facts.body.effects import Kind
from migfix.facts.body.fresh import CHANGING, CHANGING_PATHS, Turn, code_of
from migfix.facts.loop import Loop
from migfix.reading.kinds import plain
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import Manager, Row, Rows
from migfix.reading.names.scopes import Binding, walk
from migfix.reading.rows.querysets import Resolver

_MOST_STEPS = 20
_MADE = ""  # the owner of what this turn has made itself
_COPYING = frozenset("dict list sorted tuple set frozenset reversed enumerate zip".split())
_MAKING = frozenset({"copy.deepcopy", "json.loads"})
_PARTS_BY = frozenset("get pop items values keys setdefault".split())
_CHANGING_PATHS = (*CHANGING_PATHS, "random.shuffle")


class Piece(NamedTuple):
    """An object of a turn: what one of the columns of its row holds, or one that the turn made; or a part of it."""

    owner: str
    is_part: bool = False


Pieces: TypeAlias = frozenset[Piece] | None
"""Which objects an expression may have for its value; None where it may be one that others know."""
_OWN: Pieces = frozenset({Piece(_MADE)})


def changed_later(loop: Loop, columns: Collection[str], others: Collection[str]) -> ast.AST | None:
    """What may change a document in one of the columns once its row was put into the list; None if nothing.

    ``columns`` are the names of those that hold documents, ``others`` the attributes whose values never change.
    """
    unknown = loop.having(Kind.CALL)
    if unknown:
        return unknown[0].node
    return _Documents(loop, frozenset(columns), frozenset(others)).changed_later()


def changed_in_place(loop: Loop, but: Collection[ast.AST]) -> ast.AST | None:
    """What in a turn may change a list, a dict or another object, except for these attributes; None if nothing.

    What holds such objects, whoever else knows them, then holds the same at the end of the loop.
    """
    if unknown := loop.having(Kind.CALL):
        return unknown[0].node
    for node, resolver in code_of(Turn(loop)):
        if _fills_itself(node, resolver) or _sets_by_name(node, resolver):
            return node
        if node not in but and any(_changed(node, resolver)):
            return node
    return None


@dataclass
class _Documents:
    loop: Loop
    columns: frozenset[str]
    fixed: frozenset[str]
    # By owner: the objects that it may be, and those that may be put into it.
    _given: dict[str, set[Piece | None]] = field(default_factory=dict)
    _inside: dict[str, set[Piece | None]] = field(default_factory=dict)
    _changes: list[tuple[ast.AST, frozenset[Piece]]] = field(default_factory=list)
    _others: list[ast.AST] = field(default_factory=list)

    @cached_property
    def puts(self) -> frozenset[ast.AST]:
        """``changed.append``, which takes rows."""
        bulk = self.loop.bulk_update
        return frozenset(call.func for call in bulk.appends) if bulk else frozenset()

    def changed_later(self) -> ast.AST | None:
        for node, resolver in code_of(Turn(self.loop)):
            if (wrong := self._look_at(node, resolver)) is not None:
                return wrong
        shared = self._shared()
        for node, pieces in self._changes:
            if pieces & shared or self._is_after_append(node):
                return node
        return self._others[0] if self._others and shared else None

    def _look_at(self, node: ast.AST, resolver: Resolver) -> ast.AST | None:
        """Notes what the node gives to columns and changes in place; gives it back if it is not understood."""
        if _fills_itself(node, resolver):
            return node
        for name, value in _assigned(node):
            _add(self._given, {name}, self._pieces(value, value, resolver))
        for owner in _changed(node, resolver) if node not in self.puts else ():
            pieces = self._pieces(owner, node, resolver)
            if pieces is not None:
                self._changes.append((node, pieces))
                for value in _put(node, resolver):
                    owners = {piece.owner for piece in pieces}
                    _add(self._inside, owners, self._pieces(value, node, resolver))
            elif self._is_from_before(owner, resolver):
                self._others.append(node)
            else:
                return node
        return node if _sets_by_name(node, resolver) else None

    def _pieces(self, node: ast.expr, at: ast.AST, resolver: Resolver, depth: int = 0) -> Pieces:
        """Which objects the value may be; what a collection that it makes holds is noted."""
        if depth > _MOST_STEPS:
            return None
        if (column := self._column_of(node, resolver)) is not None:
            return frozenset({Piece(column)})  # of which what the turn gives it is known
        if plain.is_scalar(kind_of(node, resolver)):
            return _OWN
        deeper = partial(self._pieces, at=at, resolver=resolver, depth=depth + 1)
        match node:
            case ast.Constant() | ast.JoinedStr() | ast.Compare():
                return _OWN
            case ast.NamedExpr(value=inner):
                return deeper(inner)
            case ast.Subscript(value=inner):
                return _parts_of(deeper(inner))
            case ast.BoolOp(values=several):
                return _any_of(map(deeper, several))
            case ast.IfExp(body=first, orelse=second):
                return _any_of([deeper(first), deeper(second)])
            case ast.Name():
                return self._of_name(node, at, resolver, depth)
            case ast.Call():
                return self._of_call(node, at, resolver, depth)
        return self._of_collection(node, at, resolver, depth)

    def _column_of(self, node: ast.expr, resolver: Resolver) -> str | None:
        """The column of the row of the turn that the expression reads, if it is one that matters here."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=column) if name == self.loop.row:
                here = resolver.scope is self.loop.resolver.scope
                return column if here and column in self.columns | self.fixed else None
        return None

    def _of_collection(self, node: ast.expr, at: ast.AST, resolver: Resolver, depth: int) -> Pieces:
        """A new object, of which what it holds is noted: a display, or what two are put together to."""
        deeper = partial(self._pieces, at=at, resolver=resolver, depth=depth + 1)
        match node:
            case ast.Dict(keys=keys, values=values):
                given = [
                    _parts_of(deeper(value)) if key is None else deeper(value)
                    for key, value in zip(keys, values, strict=True)
                ]
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                given = [
                    _parts_of(deeper(e.value)) if isinstance(e, ast.Starred) else deeper(e)
                    for e in elements
                ]
            case ast.BinOp(left=left, right=right):
                given = [_parts_of(deeper(left)), _parts_of(deeper(right))]
            case _:
                return None
        return self._made_of(given)

    def _made_of(self, given: Iterable[Pieces]) -> Pieces:
        for pieces in given:
            _add(self._inside, {_MADE}, pieces)
        return _OWN

    def _of_call(self, call: ast.Call, at: ast.AST, resolver: Resolver, depth: int) -> Pieces:
        if resolver.path_of(call.func) in _MAKING:
            return _OWN if len(call.args) == 1 and not call.keywords else None
        deeper = partial(self._pieces, at=at, resolver=resolver, depth=depth + 1)
        match call.func:
            case ast.Name(id=name) if name in _COPYING and resolver.module.is_builtin(name):
                named = [deeper(keyword.value) for keyword in call.keywords]
                return self._made_of([*(_parts_of(deeper(each)) for each in call.args), *named])
            case ast.Attribute(value=owner, attr="copy"):
                known = not isinstance(resolver.value(owner), (Manager, Rows, Row))
                return self._made_of([_parts_of(deeper(owner))]) if known else None
            case ast.Attribute(value=owner, attr=method) if method in _PARTS_BY:
                if isinstance(resolver.value(owner), (Manager, Rows, Row)):
                    return None
                return _any_of([_parts_of(deeper(owner)), *map(deeper, call.args)])
        return None

    def _of_name(self, name: ast.Name, at: ast.AST, resolver: Resolver, depth: int) -> Pieces:
        """What a name stands for that this turn has surely bound before."""
        scope = resolver.scope
        bindings = scope.bindings.get(name.id, [])
        inside = resolver.scope is self.loop.resolver.scope and name.id not in scope.shared
        inside = inside and not scope.is_of_inner(name)
        own = inside and all(scope.is_inside(b.statement, self.loop.node) for b in bindings)
        if not own or not any(scope.is_always_before(b, at) for b in bindings):
            return None
        return _any_of(self._of_binding(binding, resolver, depth) for binding in bindings)

    def _of_binding(self, binding: Binding, resolver: Resolver, depth: int) -> Pieces:
        at = binding.statement
        match at:
            case ast.For(iter=iterated) if at is not self.loop.node:
                return _parts_of(self._pieces(iterated, at, resolver, depth + 1))
            case ast.Assign() | ast.AnnAssign() if binding.value is not None:
                found = self._pieces(binding.value, at, resolver, depth + 1)
                return found if binding.position is None else _parts_of(found)
        return None

    def _is_from_before(self, node: ast.expr, resolver: Resolver) -> bool:
        """Is it the object that a name stands for since before the loop, and not a part of it?"""
        scope = resolver.scope
        if not isinstance(node, ast.Name) or scope is not self.loop.resolver.scope:
            return False
        bindings = scope.bindings.get(node.id, [])
        if not bindings:
            return resolver.module.constant(node.id) is not None
        inside = any(scope.is_inside(b.statement, self.loop.node) for b in bindings)
        return not inside and not scope.is_of_inner(node)

    def _shared(self) -> frozenset[Piece]:
        """The objects that others may know, among those of the documents' columns and of the turn's own."""
        owners = [*self.columns, *self.fixed, _MADE]
        shared: set[Piece | None] = {None}
        before = -1
        while before != len(shared):
            before = len(shared)
            for owner in owners:
                given, inside = self._given.get(owner, set()), self._inside.get(owner, set())
                if given & shared:
                    shared |= {Piece(owner), Piece(owner, is_part=True)}
                reached = given | inside
                parts = {Piece(each.owner, is_part=True) for each in reached if each is not None}
                if (inside | parts) & shared:
                    shared.add(Piece(owner, is_part=True))
        return frozenset(each for each in shared if each is not None)

    def _is_after_append(self, node: ast.AST) -> bool:
        """May it run once the row of the turn is in the list? In a loop around both it may."""
        bulk = self.loop.bulk_update
        scope = self.loop.resolver.scope
        for append in bulk.appends if bulk else ():
            around = takewhile(lambda each: each is not self.loop.node, scope.ancestors(append))
            loops = (each for each in around if isinstance(each, (ast.For, ast.While)))
            if _place(node) > _place(append) or any(scope.is_inside(node, each) for each in loops):
                return True
        return False


def _sets_by_name(node: ast.AST, resolver: Resolver) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="setattr" | "delattr")):
            return True
        case ast.Call():
            return (resolver.path_of(node.func) or "").startswith(_CHANGING_PATHS)
    return False


def _fills_itself(node: ast.AST, resolver: Resolver) -> bool:
    """Is it a ``defaultdict``? Whoever asks it for an item puts it there."""
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)):
        return False
    if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        return False
    kind = kind_of(node, resolver)
    return isinstance(kind, plain.Type) and kind.name == "defaultdict"


def _changed(node: ast.AST, resolver: Resolver) -> Iterator[ast.expr]:
    """The objects that the node changes in place; rows are not meant."""
    match node:
        case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
            yield owner
        case ast.Attribute(value=owner, ctx=ast.Store() | ast.Del()):
            if not isinstance(resolver.value(owner), Row):
                yield owner
        case ast.AugAssign(target=target, op=op, value=value):
            number = isinstance(value, ast.Constant) and isinstance(value.value, (int, float))
            number = number and not isinstance(op, ast.Mult)  # which repeats a list
            if not number and not plain.is_scalar(kind_of(target, resolver)):
                yield target
        case ast.Attribute(value=owner, attr=method, ctx=ast.Load()) if method in CHANGING:
            if not isinstance(resolver.value(owner), (Manager, Rows, Row)):
                yield owner


def _add(known: dict[str, set[Piece | None]], owners: Collection[str], pieces: Pieces) -> None:
    for owner in owners:
        known.setdefault(owner, set()).update({None} if pieces is None else pieces)


def _any_of(several: Iterable[Pieces]) -> Pieces:
    found = list(several)
    known = [pieces for pieces in found if pieces is not None]
    return frozenset().union(*known) if len(known) == len(found) else None


def _parts_of(pieces: Pieces) -> Pieces:
    return pieces and frozenset(Piece(piece.owner, is_part=True) for piece in pieces)


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The attributes that the node sets, by their names alone, each with what it is given."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                for part in walk(target):
                    if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                        yield part.attr, value if part is target else _anything()
        case ast.AnnAssign(target=ast.Attribute(attr=name), value=ast.expr() as value):
            yield name, value
        case ast.For(target=target) | ast.withitem(optional_vars=ast.expr() as target):
            yield from ((n.attr, _anything()) for n in walk(target) if isinstance(n, ast.Attribute))


def _anything() -> ast.expr:
    """Stands for a value that is not written out."""
    return ast.Await(ast.Constant(None))


def _put(node: ast.AST, resolver: Resolver) -> Iterator[ast.expr]:
    """What the node puts into the object that it changes."""
    parent = resolver.scope.parents.get(node)
    match node, parent:
        case ast.AugAssign(value=value), _:
            yield value
        case ast.Attribute(ctx=ast.Load()), ast.Call(func=function) if function is node:
            yield from (*parent.args, *(keyword.value for keyword in parent.keywords))
        case _, ast.Assign(targets=targets, value=value) if node in targets:
            yield value
        case _, ast.AugAssign(value=value):
            yield value
        case _, ast.Delete():
            pass
        case _:
            yield _anything()


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
