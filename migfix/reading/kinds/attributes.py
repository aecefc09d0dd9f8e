"""Which attributes a function may give to rows that are not known to be data: by any way of Python's, and in the
functions of the file that it names, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from migfix.reading.kinds import plain
from migfix.reading.kinds.plain import EXPRESSION
from migfix.reading.kinds.puts import assigned_to
from migfix.reading.kinds.values import Manager, Model, Row, Rows
from migfix.reading.names.scopes import walk

if TYPE_CHECKING:
    from migfix.reading.kinds.inferring import Kinds

ANY = "*"
"""Stands for every attribute."""

# What leads to all attributes of an object at once, or sets one that is named by a text.
_LEADING = frozenset({"__dict__", "__setattr__", "__setstate__", "__init__", "__class__"})
# Methods of managers that give back a row with the very objects that they were given.
_MAKING = frozenset(
    "create get_or_create update_or_create acreate aget_or_create aupdate_or_create".split()
)


def attributes_set(kinds: Kinds) -> Iterator[str]:
    """The names of such attributes, ``ANY`` where it may be each."""
    module, own = kinds.resolver.module, kinds.resolver.scope.node
    seen = {own}
    waiting = [own]
    while waiting:
        function = waiting.pop()
        for node in walk(function):
            # what the names of another function stand for is not asked
            yield from _set_by(node, kinds, known=function is own)
            named = module.functions.get(node.id) if isinstance(node, ast.Name) else None
            if named is not None and named not in seen:
                seen.add(named)
                waiting.append(named)


def _set_by(node: ast.AST, kinds: Kinds, *, known: bool) -> Iterator[str]:
    match node:
        case ast.Attribute(attr=name, ctx=ast.Store()):
            if not _is_storable(_stored(node, kinds, known=known), kinds, known=known):
                yield name
        case ast.Attribute(attr=name) if name in _LEADING:
            yield ANY
        case ast.Name(id="setattr", ctx=ast.Load()):
            yield from _set_by_text(node, kinds, known=known)
        case ast.Name(id="vars", ctx=ast.Load()):
            yield ANY
        case ast.Call() if known and _makes_row(node, kinds):
            yield from _given(node, kinds, known=known)


def _stored(node: ast.Attribute, kinds: Kinds, *, known: bool) -> ast.expr | None:
    """What the attribute is given; None where that is only a part of something."""
    scope = kinds.resolver.module.scope
    match scope.parents.get(node):
        case ast.AnnAssign(value=None):
            return node
        case ast.Tuple() | ast.List() as target:
            return _unpacked(target, kinds) if known else None
    return assigned_to(node, scope)


def _unpacked(target: ast.expr, kinds: Kinds) -> ast.expr | None:
    """What is taken apart, where all of it is data."""
    match kinds.resolver.module.scope.parents.get(target):
        case ast.Assign(targets=targets, value=value) if target in targets:
            return value if plain.is_deep(kinds.of(value)) else None
        case ast.Tuple() | ast.List() as outer:
            return _unpacked(outer, kinds)
    return None


def _is_storable(value: ast.expr | None, kinds: Kinds, *, known: bool) -> bool:
    if value is None or not known:
        return isinstance(value, (ast.Constant, ast.JoinedStr))
    found = kinds.of(value)
    return isinstance(found, Row) or found == EXPRESSION or plain.is_deep(found)


def _set_by_text(name: ast.Name, kinds: Kinds, *, known: bool) -> Iterator[str]:
    call = kinds.resolver.module.scope.parents.get(name)
    if not isinstance(call, ast.Call) or call.func is not name or len(call.args) != 3:
        yield ANY
    elif not _is_storable(call.args[2], kinds, known=known):
        text = call.args[1]
        turns = kinds.resolver.in_each_turn(call) if known else ()
        texts = [turn.literal(text, call) for turn in turns]
        yield from dict.fromkeys(ANY if each is None else each for each in texts or [None])


def _makes_row(call: ast.Call, kinds: Kinds) -> bool:
    """A model, or a manager's method that gives back a row with what it was given."""
    if isinstance(kinds.resolver.value(call.func), Model):
        return True
    match call.func:
        case ast.Attribute(value=owner, attr=method) if method in _MAKING:
            return isinstance(kinds.resolver.value(owner), (Manager, Rows))
    return False


def _given(call: ast.Call, kinds: Kinds, *, known: bool) -> Iterator[str]:
    for value in call.args:
        if not _is_storable(value, kinds, known=known):
            yield ANY
    for keyword in call.keywords:
        if not _is_storable(keyword.value, kinds, known=known):
            hidden = keyword.arg in {None, "defaults", "create_defaults"}
            yield ANY if hidden else str(keyword.arg)
