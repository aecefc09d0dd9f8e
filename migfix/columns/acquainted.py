"""Rows that know the row of a loop, by which any of its columns may be read again.

Rows of ``row.attachments.all()`` and ``Attachment(post=row)`` hold the row that they belong to.
https://docs.djangoproject.com/en/stable/ref/models/relations/
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from migfix.expressions.context import Refused
from migfix.facts.body import effects, uses
from migfix.facts.body.reached import is_data, named_by_text
from migfix.facts.loop import Loop
from migfix.findings import Reason
from migfix.reading.kinds import plain
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import Manager, Rows
from migfix.reading.names.scopes import statements_of_scope, walk
from migfix.reading.rows.querysets import Resolver, row_of
from migfix.reading.vendored import holds_helper


def check_not_read_again(use: uses.Use, names: frozenset[str], loop: Loop) -> None:
    """No code reads the row by one of the names of rows that ``use`` makes know it. Raises ``Refused``.

    The function, its file and the functions of the project that it calls may; other code that is
    given such rows may, too. The helper looks at no row by a name that is written in it.
    """
    if reading := _reading_again(names, loop):
        node, what = reading
        at = loop.at(node)
        raise Refused(Reason.ROW_ESCAPES, f"{at} may read any column through {what}", at)
    _check_not_handed_on(use, loop)


@lru_cache(maxsize=16)  # a row has several uses
def _reading_again(names: frozenset[str], loop: Loop) -> tuple[ast.AST, str] | None:
    """The first place that may read by one of the names, and by what."""
    in_file = ((node, loop.resolver) for node in walk(loop.module.tree))
    helpers = set(filter(holds_helper, {inner.module for _, inner in loop.reached}))
    called = [(node, inner) for node, inner in loop.reached if inner.module not in helpers]
    for node, resolver in (*in_file, *called):
        if isinstance(node, ast.Attribute) and _reads_again(node, names, resolver):
            return node, f"`{node.attr}`"
    for node, resolver in called:
        for name in named_by_text(node, resolver):
            if name is None or name in names:
                return node, f"the text for `{name}`" if name else "a name in a text"
    return None


def _reads_again(node: ast.Attribute, names: frozenset[str], resolver: Resolver) -> bool:
    if node.attr not in names or not isinstance(node.ctx, ast.Load):
        return False
    return not _needs_only_key(node, resolver.module.scope.parents)


def _needs_only_key(node: ast.Attribute, parents: dict[ast.AST, ast.AST]) -> bool:
    parent = parents[node]
    if isinstance(parent, ast.Attribute):
        return parent.attr in {"pk", "id"} and isinstance(parent.ctx, ast.Load)
    return uses.is_only_looked_at(node, parents)


def _check_not_handed_on(use: uses.Use, loop: Loop) -> None:
    """Code that is not known gets none of the rows that know the row. Raises ``Refused``."""
    assert use.place is not None
    inner = use.place.resolver
    places = [(inner, {use.node})]
    if inner.scope is not loop.resolver.scope:  # and what is made of the function's result
        calls = {n for n in loop.nodes if isinstance(n, ast.Call) and _is_given_row(n, loop)}
        places.append((loop.resolver, {*calls}))
    for resolver, sources in places:
        body = statements_of_scope(resolver.scope)
        held = _Held.by(sources, resolver)
        for effect in effects.effects_of(body, None, resolver):
            if effect.kind is effects.Kind.CALL and _may_get(effect, held):
                at = loop.at(effect.node)
                raise Refused(
                    Reason.ROW_ESCAPES,
                    f"{at} may hand rows that know this one to code that is not known",
                    at,
                )


def _is_given_row(call: ast.Call, loop: Loop) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(isinstance(each, ast.Name) and each.id == loop.row for each in given)


def _may_get(effect: effects.Effect, held: _Held) -> bool:
    """Is the code given what may be such a row, and more than values of it?"""
    match effect.node:
        case ast.Subscript(value=ast.expr() as sliced, slice=ast.Slice() as bounds) if isinstance(
            held.resolver.value(sliced), (Manager, Rows)
        ):
            return held.mentions(bounds)  # whose numbers may be anything: a queryset is Django's
    given = effect.node in held.sources or any(
        map(held.mentions, ast.iter_child_nodes(effect.node))
    )
    if isinstance(effect.node, ast.Name):
        given = given or held.mentions(effect.node)
    if not given or effect.inside is None:
        return given
    inside, inner = effect.inside
    return not _gets_values(inside.node, inner)


@dataclass(frozen=True)
class _Held:
    """The expressions and names of a function that may stand for such rows, or for what holds them.

    Where one of them is set as an attribute, no other attribute is known to be a value.
    """

    sources: set[ast.AST]
    resolver: Resolver
    names: set[str]
    in_attributes: bool

    @classmethod
    def by(cls, sources: set[ast.AST], resolver: Resolver) -> _Held:
        found = cls._closed(cls(sources, resolver, set(), in_attributes=False))
        return cls._closed(replace(found, in_attributes=True)) if found._sets_attribute() else found

    @staticmethod
    def _closed(held: _Held) -> _Held:
        before = -1
        while before != len(held.names):
            before = len(held.names)
            for holder, given in held._handed():
                if held.mentions(given):
                    held.names.update(n.id for n in walk(holder) if isinstance(n, ast.Name))
        return held

    def _handed(self) -> Iterator[tuple[ast.AST, ast.AST]]:
        for node in walk(self.resolver.scope.node):
            yield from _handed(node, self.resolver)

    def _sets_attribute(self) -> bool:
        return any(
            isinstance(part, ast.Attribute)
            for holder, given in self._handed()
            if self.mentions(given)
            for part in walk(holder)
        )

    def mentions(self, node: ast.AST) -> bool:
        """Does it name such a row, other than for a value?"""
        if isinstance(node, ast.expr) and self._is_value(node):
            return False
        own = node in self.sources or (isinstance(node, ast.Name) and node.id in self.names)
        return own or any(map(self.mentions, ast.iter_child_nodes(node)))

    def _is_value(self, node: ast.expr) -> bool:
        kind = kind_of(node, self.resolver)
        if isinstance(kind, Rows):
            return row_of(kind) is None
        if self.in_attributes or not plain.is_value(kind):
            return False
        return all(self._is_known_row(part) for part in walk(node))

    def _is_known_row(self, part: ast.AST) -> bool:
        """May a value be read of it? Not of an error, nor of what ought to hold a row and seems not to."""
        if not isinstance(part, ast.expr):
            return True
        kind = kind_of(part, self.resolver)
        own = part in self.sources or (isinstance(part, ast.Name) and part.id in self.names)
        unclear = kind is None or plain.is_value(kind)
        return kind != plain.Type("exception") and not (own and unclear)


def _handed(node: ast.AST, resolver: Resolver) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each expression that may hold on to another after the node: ``rows.append(row)``, ``a = b``.

    Managers and querysets keep nothing of what they are given but keys.
    """
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.AugAssign(target=target, value=value)
            | ast.NamedExpr(target=target, value=value)
            | ast.For(target=target, iter=value)
            | ast.comprehension(target=target, iter=value)
            | ast.withitem(optional_vars=ast.expr() as target, context_expr=value)
        ):
            yield target, value
        case ast.Call(func=ast.Name(id="setattr"), args=[owner, _, value]):
            yield ast.Attribute(owner, ""), value
        case ast.Call(
            func=ast.Attribute(value=owner), args=args, keywords=keywords
        ) if not isinstance(resolver.value(owner), (Manager, Rows)):
            yield from ((owner, each) for each in (*args, *keywords))


def _gets_values(node: ast.AST, resolver: Resolver) -> bool:
    """Is the call given texts, numbers and columns alone?"""
    if not isinstance(node, ast.Call):
        return False
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    match node.func:
        case ast.Attribute(value=owner) if resolver.path_of(owner) is None:
            queries = isinstance(resolver.value(owner), (Manager, Rows))
            given += [] if queries else [owner]
        case ast.Name() | ast.Attribute():
            pass
        case _:
            return False
    return all(is_data(each, resolver) or plain.is_value(kind_of(each, resolver)) for each in given)
