"""What a collection holds after what the function puts into it."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from migfix.reading.kinds import plain
from migfix.reading.kinds.plain import (
    DATA,
    ITERATOR,
    NOTHING,
    OWN,
    Known,
    Type,
)
from migfix.reading.kinds.puts import Put, Puts, Taker, puts_of
from migfix.reading.kinds.spoiling import is_spoiled
from migfix.reading.kinds.values import Manager, Model, Rows
from migfix.reading.names.scopes import Scope, walk
from migfix.reading.rows.methods import Does, methods

if TYPE_CHECKING:
    from migfix.reading.kinds.inferring import Kinds

# Methods of managers that go over what they are given, and hold on to no list of it.
_GOING_OVER = methods(Does.GOES_OVER_ARGUMENTS)


class Filling:
    """What the function puts into its collections."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.resolver = kinds.resolver

    def filled(self, kind: Known, name: str, scope: Scope) -> Known:
        """The kind of a collection with what the function itself puts into it."""
        if not isinstance(kind, Type) or not (kind.name in plain.COLLECTIONS or kind == DATA):
            return kind
        if kind.parts is not None and plain.is_deep(kind):
            return kind
        return self._with(kind, puts_of(name, scope, self.taker))

    def taker(self, call: ast.Call) -> Taker:
        """Who the call gives its arguments to."""
        path = self.resolver.module.path_of(call.func)
        if path is not None:
            return Taker.FILE if plain.result_of(path, NOTHING) is not None else Taker.OTHERS
        if (called := self.resolver.called(call)) is not None:
            return Taker.FILE if called[1].module is self.resolver.module else Taker.OTHERS
        match call.func:
            case ast.Name():
                return (
                    Taker.FILE
                    if isinstance(self.resolver.value(call.func), Model)
                    else Taker.OTHERS
                )
            case ast.Attribute(value=owner, attr=method):
                return self._taking_method(self.kinds.of(owner), method)
        return Taker.OTHERS

    def is_own(self, node: ast.expr) -> bool:
        """Does no operator on the value run code of a class that is not known?"""
        return plain.is_quiet(self.kinds.of(node))

    def _taking_method(self, owner: Known, method: str) -> Taker:
        if owner is None:
            return Taker.OTHERS
        known = isinstance(owner, (Manager, Rows)) and method in _GOING_OVER
        return Taker.NOBODY if known or owner == Type("str") else Taker.FILE

    def _with(self, kind: Type, puts: Puts) -> Known:
        given_away = puts.given_away
        if kind == DATA:
            spoiled = any(not plain.is_deep(self._put(each, kind)) for each in puts.put)
            return OWN if spoiled or given_away is not None else self.documents
        if given_away == 0 and kind.name != "tuple":
            return Type(kind.name)
        item, key = kind.item, kind.key
        for each in (each for each in puts.put if each.depth == 0):
            item = plain.joined(item, self._put(each, kind))
            key = plain.joined(key, self._put_key(each, kind))
        if puts.shared == 0 and kind.name not in {"tuple", "frozenset", ITERATOR}:
            item, key = self._shared(item), self._shared(key)
        item = self._open(item, [each for each in puts.put if each.depth > 0], puts)
        return Type(kind.name, item, key, kind.parts if item == kind.item else None)

    def _shared(self, item: Known) -> Known:
        """What a collection holds that the file fills under other names, too: there it gets data alone."""
        if not plain.is_deep(item) or self.documents != DATA:
            return None
        return plain.joined(item, DATA)

    def _open(self, item: Known, deeper: list[Put], puts: Puts) -> Known:
        """What is in there may be a collection that is filled in turn."""
        if not isinstance(item, Type) or item.name not in plain.COLLECTIONS:
            return item
        if puts.given_away is not None:
            return item if item.name == "tuple" and plain.is_deep(item) else Type(item.name)
        if puts.shared is not None:
            return item if plain.is_deep(item) and self.documents == DATA else Type(item.name)
        inner, key = item.item, item.key
        for each in (each for each in deeper if each.depth == 1):
            inner = plain.joined(inner, self._put(each, item))
            key = plain.joined(key, self._put_key(each, item))
        further = [replace(each, depth=each.depth - 1) for each in deeper if each.depth > 1]
        return Type(item.name, self._open(inner, further, puts), key)

    def _put(self, put: Put, into: Type) -> Known:
        """What comes into the collection."""
        if put.value is None:
            return None
        if not put.goes_over:
            return self.kinds.of(put.value)
        over = self.kinds.rows.iterated(put.value)
        return plain.value_of(over) if into.name in plain.MAPPINGS else plain.item_of(over)

    def _put_key(self, put: Put, into: Type) -> Known:
        if put.key is not None:
            return self.kinds.of(put.key)
        merges = put.goes_over and put.value is not None and into.name in plain.MAPPINGS
        return (
            plain.item_of(self.kinds.rows.iterated(put.value)) if merges and put.value else NOTHING
        )

    @property
    def documents(self) -> Type:
        """What JSON columns and parsers give: data, unless the file may put anything else into it."""
        facts = self.resolver.memory.facts
        key = ("documents", self.resolver.module)
        if key not in facts:
            facts[key] = DATA  # for what is asked in between
            if is_spoiled(walk(self.resolver.module.tree), self.kinds):
                self.kinds.forget()
                facts[key] = OWN
        return facts[key]  # type: ignore[no-any-return]
