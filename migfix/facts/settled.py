"""Whether documents that a turn gives its row are the same when the loop ends.

    for post in posts:
        post.options["tags"] = ["new"]
        changed.append(post)
    Post.objects.bulk_update(changed, ["options"])

A document may change as long as somebody holds it, and several rows may hold one.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from migfix.facts.effects import Kind
from migfix.facts.fresh import CHANGING, Turn, code_of
from migfix.facts.loop import Loop
from migfix.reading import plain
from migfix.reading.kinds import kind_of
from migfix.reading.querysets import Resolver
from migfix.reading.scopes import Binding, walk
from migfix.reading.values import Manager, Row, Rows

_MOST_STEPS = 20
_MADE = ""  # the root of what this turn has made itself
_COPYING = frozenset("dict list sorted tuple set frozenset reversed enumerate zip".split())
_MAKING = frozenset({"copy.deepcopy", "json.loads"})
_PARTS_BY = frozenset("get pop items values keys setdefault copy".split())
_CHANGING_PATHS = ("heapq.", "bisect.insort", "operator.i", "operator.setitem", "random.shuffle")

Roots = frozenset[str]
"""Of which columns of the turn's row an object is a part; with ``_MADE`` for objects of the turn's own."""


def changed_later(loop: Loop, columns: Collection[str], others: Collection[str]) -> ast.AST | None:
    """What may change a document in one of the columns once its row was put into the list; None if nothing.

    ``columns`` are the names of those that hold documents, ``others`` the attributes whose values never change.
    """
    unknown = loop.having(Kind.CALL)
    if unknown:
        return unknown[0].node
    return _Documents(loop, frozenset(columns), frozenset(others)).changed_later()


@dataclass
class _Documents:
    loop: Loop
    columns: frozenset[str]
    fixed: frozenset[str]
    _sources: dict[str, set[str | None]] = field(default_factory=dict)
    _changes: list[tuple[ast.AST, Roots]] = field(default_factory=list)
    _others: list[ast.AST] = field(default_factory=list)

    def changed_later(self) -> ast.AST | None:
        for node, resolver in code_of(Turn(self.loop)):
            if (wrong := self._look_at(node, resolver)) is not None:
                return wrong
        shared = self._shared()
        for node, roots in self._changes:
            if roots & shared or (roots - {_MADE} and self._is_after_append(node)):
                return node
        return self._others[0] if self._others and shared else None

    def _look_at(self, node: ast.AST, resolver: Resolver) -> ast.AST | None:
        """Notes what the node gives to columns and changes in place; gives it back if it is not understood."""
        for name, value in self._given(node, resolver):
            self._add({name}, self._roots(value, value, resolver))
        for owner in self._changed(node, resolver):
            roots = self._roots(owner, node, resolver)
            if roots is not None:
                self._changes.append((node, roots))
                for value in _put(node, resolver):
                    self._add(roots, self._roots(value, node, resolver))
            elif self._is_from_before(owner, resolver):
                self._others.append(node)
            else:
                return node
        match node:
            case ast.Call(func=ast.Name(id="setattr" | "delattr")):
                return node
            case ast.Call() if (resolver.path_of(node.func) or "").startswith(_CHANGING_PATHS):
                return node
        return None

    def _given(self, node: ast.AST, resolver: Resolver) -> Iterator[tuple[str, ast.expr]]:
        """The columns that an assignment sets, each with what it is given."""
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    for part in walk(target):
                        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                            yield part.attr, value if part is target else _anything()
            case ast.AnnAssign(target=ast.Attribute(attr=name), value=ast.expr() as value):
                yield name, value
            case ast.For(target=target) | ast.withitem(optional_vars=ast.expr() as target):
                for part in walk(target):
                    if isinstance(part, ast.Attribute):
                        yield part.attr, _anything()

    def _changed(self, node: ast.AST, resolver: Resolver) -> Iterator[ast.expr]:
        """The objects that the node changes in place; rows are not meant."""
        match node:
            case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
                yield owner
            case ast.Attribute(value=owner, ctx=ast.Store() | ast.Del()):
                if not isinstance(resolver.value(owner), Row):
                    yield owner
            case ast.AugAssign(target=target, value=value):
                number = isinstance(value, ast.Constant) and isinstance(value.value, (int, float))
                if not number and not plain.is_scalar(kind_of(target, resolver)):
                    yield target
            case ast.Attribute(value=owner, attr=method, ctx=ast.Load()) if method in CHANGING:
                query = isinstance(resolver.value(owner), (Manager, Rows, Row))
                call = resolver.scope.parents.get(node)
                bulk = self.loop.bulk_update
                if not query and not (bulk and call in bulk.appends):
                    yield owner

    def _roots(
        self, node: ast.expr, at: ast.AST, resolver: Resolver, depth: int = 0
    ) -> Roots | None:
        """What the object is a part of; None where it may be one that others know."""
        if depth > _MOST_STEPS:
            return None
        if plain.is_scalar(kind_of(node, resolver)):
            return frozenset({_MADE})
        match node:
            case ast.Constant() | ast.JoinedStr() | ast.Compare():
                return frozenset({_MADE})
            case ast.Attribute(value=ast.Name(id=name), attr=column) if name == self.loop.row:
                if resolver.scope is not self.loop.resolver.scope:
                    return None
                if column in self.fixed:
                    return frozenset({_MADE})
                return frozenset({column}) if column in self.columns else None
            case ast.Subscript(value=inner) | ast.Starred(value=inner) | ast.NamedExpr(value=inner):
                return self._roots(inner, at, resolver, depth + 1)
            case ast.Dict(keys=keys, values=values):
                return self._of_all([*values, *filter(None, keys)], at, resolver, depth)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return self._of_all(parts, at, resolver, depth)
            case ast.BoolOp(values=parts):
                return self._of_all(parts, at, resolver, depth)
            case ast.IfExp(body=first, orelse=second) | ast.BinOp(left=first, right=second):
                return self._of_all([first, second], at, resolver, depth)
            case ast.Call():
                return self._of_call(node, at, resolver, depth)
            case ast.Name():
                return self._of_name(node, at, resolver, depth)
        return None

    def _of_all(
        self, parts: Sequence[ast.expr], at: ast.AST, resolver: Resolver, depth: int
    ) -> Roots | None:
        found = [self._roots(part, at, resolver, depth + 1) for part in parts]
        known = [roots for roots in found if roots is not None]
        return frozenset({_MADE}).union(*known) if len(known) == len(found) else None

    def _of_call(self, call: ast.Call, at: ast.AST, resolver: Resolver, depth: int) -> Roots | None:
        if resolver.path_of(call.func) in _MAKING:
            return frozenset({_MADE})
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        match call.func:
            case ast.Name(id=name) if name in _COPYING and resolver.module.is_builtin(name):
                return self._of_all(given, at, resolver, depth)
            case ast.Attribute(value=owner, attr=method) if method in _PARTS_BY:
                query = isinstance(resolver.value(owner), (Manager, Rows, Row))
                return None if query else self._of_all([owner, *given], at, resolver, depth)
        return None

    def _of_name(self, name: ast.Name, at: ast.AST, resolver: Resolver, depth: int) -> Roots | None:
        """What a name stands for that this turn has surely bound before."""
        scope = resolver.scope
        bindings = scope.bindings.get(name.id, [])
        inside = resolver.scope is self.loop.resolver.scope and name.id not in scope.shared
        inside = inside and not scope.is_of_inner(name)
        own = inside and all(scope.is_inside(b.statement, self.loop.node) for b in bindings)
        if not own or not any(scope.is_always_before(b, at) for b in bindings):
            return None
        found = [
            None if value is None else self._roots(value, binding.statement, resolver, depth + 1)
            for binding in bindings
            for value in [_value_of(binding, self.loop)]
        ]
        known = [roots for roots in found if roots is not None]
        return frozenset().union(*known) if len(known) == len(found) else None

    def _is_from_before(self, node: ast.expr, resolver: Resolver) -> bool:
        """Is it the object that a name stands for since before the loop, and not a part of it?"""
        scope = resolver.scope
        if not isinstance(node, ast.Name) or scope is not self.loop.resolver.scope:
            return False
        bindings = scope.bindings.get(node.id, [])
        inside = any(scope.is_inside(b.statement, self.loop.node) for b in bindings)
        return not inside and not scope.is_of_inner(node)

    def _add(self, names: Collection[str], roots: Roots | None) -> None:
        for name in names:
            self._sources.setdefault(name, set()).update({None} if roots is None else roots)

    def _shared(self) -> Roots:
        """The columns whose documents may have parts that others know."""
        shared: set[str | None] = {None}
        while True:
            more = {name for name, known in self._sources.items() if known & shared} - shared
            if not more:
                return frozenset(n for n in shared if n is not None and n in {*self.columns, _MADE})
            shared |= more

    def _is_after_append(self, node: ast.AST) -> bool:
        bulk = self.loop.bulk_update
        appends = bulk.appends if bulk else ()
        return any(_place(node) > _place(append) for append in appends)


def _anything() -> ast.expr:
    """Stands for a value that is not written out."""
    return ast.Await(ast.Constant(None))


def _value_of(binding: Binding, loop: Loop) -> ast.expr | None:
    """What the name is bound to, or a thing that this is a part of."""
    match binding.statement:
        case ast.For(iter=iterated) if binding.statement is not loop.node:
            return iterated
        case ast.Assign() | ast.AnnAssign():
            return binding.value
    return None


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
