"""Which signals may a loop's body send, of rows of which models?

``save()``, ``create()`` and its like send ``pre_save`` and ``post_save`` of the row alone, ``update()``,
``bulk_create()`` and ``bulk_update()`` nothing, ``add()`` to a many-to-many relation ``m2m_changed``, ``delete()``
those of all that goes with it: https://docs.djangoproject.com/en/stable/ref/signals/#module-django.db.models.signals
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from migfix.facts.body import uses
from migfix.facts.body.effects import Effect
from migfix.facts.body.effects import Kind as EffectKind
from migfix.facts.loop import Loop
from migfix.history.state import ModelKey, ModelState, Unknown
from migfix.project.signals import ALL, DELETE, INIT, SAVE
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import Manager, Model, Row, Rows
from migfix.reading.names.scopes import FunctionNode, walk
from migfix.reading.rows.querysets import PLAIN_MANAGERS, Resolver

Sent = tuple[frozenset[str], ModelState | None]
"""Signals, and the model whose rows send them; None for rows of any."""

_NOTHING: frozenset[str] = frozenset()
_LINKING = frozenset({"m2m_changed"})
_SENDING_NOTHING = frozenset({EffectKind.OUTPUT, EffectKind.READS, EffectKind.LEAVES})
_MAKING = frozenset({"create", "get_or_create", "update_or_create"})
_WRITING_IN_SILENCE = frozenset({"update", "bulk_create", "bulk_update"})
_OF_THE_ROW = frozenset(
    {uses.Kind.READ, uses.Kind.WRITE, uses.Kind.KEY, uses.Kind.LINK, uses.Kind.REFRESH}
)
# What may give a row an attribute of any name.
_DRESSING_CALLS = frozenset("setattr vars annotate extra raw".split())
_DRESSING_ATTRIBUTES = frozenset({"__dict__", "__class__", "__setattr__"})


def sent(loop: Loop) -> Iterator[Sent]:
    """All that the body may send. Rows are made of any model: by queries, at the other end of a foreign key."""
    yield INIT, None
    for use in loop.uses:
        if use.kind is uses.Kind.SAVE:
            yield SAVE, _if_undressed(loop.model, loop)
        elif use.kind is uses.Kind.DELETE:
            yield DELETE, None
        elif use.kind not in _OF_THE_ROW:
            yield ALL, None
    saves = {use.node for use in loop.used(uses.Kind.SAVE, uses.Kind.DELETE)}
    for effect in loop.effects:
        if effect.node not in saves and effect.kind not in _SENDING_NOTHING:
            yield from _by(effect, loop)


def _by(effect: Effect, loop: Loop) -> Iterator[Sent]:
    found, resolver = effect.inside or (effect, loop.resolver)
    signals, key = _of_call(found, resolver) or (ALL, None)
    if signals >= SAVE:
        known = loop.state.model(*key) if key else None
        yield SAVE, _if_undressed(known, loop)
        signals -= SAVE
    if signals:
        yield signals, None


def _of_call(effect: Effect, resolver: Resolver) -> tuple[frozenset[str], ModelKey | None] | None:
    """What a call sends, and the model of the rows that it saves; None where it is not known to send so little."""
    match effect:
        case Effect(
            kind=EffectKind.WRITES, node=ast.Call(func=ast.Attribute(value=owner, attr=method))
        ):
            value = kind_of(owner, resolver)
        case _:
            return None
    match value:
        case Row(model=Model(key=tuple() as key, real=False, is_plain=True)) if method == "save":
            return SAVE, key
        case (Manager() as manager) | Rows(manager=Manager() as manager) if _is_djangos(
            manager, resolver
        ):
            if method in _WRITING_IN_SILENCE:
                return _NOTHING, None
            if method in _MAKING:
                return SAVE | (_LINKING if manager.related else _NOTHING), manager.model.key
            if method == "add" and manager.related and _is_plain_add(effect.node):
                return _LINKING, None
            if method in {"delete", "_raw_delete"} and isinstance(value, Rows):
                return DELETE, None
    return None


def _is_plain_add(call: ast.AST) -> bool:
    """With ``bulk=False``, rows with a foreign key to the row would be saved."""
    keywords = call.keywords if isinstance(call, ast.Call) else []
    return all(keyword.arg == "through_defaults" for keyword in keywords)


def _is_djangos(manager: Manager, resolver: Resolver) -> bool:
    """Are its methods Django's own? Those of rows are of the class of the model's default manager."""
    model = manager.model
    if model.key is None or model.real or not model.is_plain:
        return False
    known = resolver.state.model(*model.key)
    if isinstance(known, Unknown) or not known.has_plain_managers:
        return False
    return manager.related or manager.name in PLAIN_MANAGERS


def _if_undressed(model: ModelState | Unknown | None, loop: Loop) -> ModelState | None:
    """The model, if its rows have no more attributes than it gives them; else None.

    They have those that the code of the file sets, as no other is known to get hold of them.
    """
    if not isinstance(model, ModelState):
        return None
    columns = loop.columns_of(model.key)
    elsewhere = any(use.place and use.place.resolver.module is not loop.module for use in loop.uses)
    elsewhere |= any(e.inside and e.inside[1].module is not loop.module for e in loop.effects)
    if columns is None or elsewhere:
        return None
    names = {name for column in columns.values() for name in (column.name, column.attname)}
    tree = loop.module.tree
    return None if any(_may_dress(node, model, names, loop) for node in walk(tree)) else model


def _may_dress(node: ast.AST, model: ModelState, names: Collection[object], loop: Loop) -> bool:
    match node:
        case ast.Name(id=name):
            return name in _DRESSING_CALLS
        case ast.keyword(arg="to_attr"):
            return True
        case ast.Attribute(attr=name, ctx=ast.Load()):
            return name in _DRESSING_CALLS | _DRESSING_ATTRIBUTES
        case ast.Attribute(value=owner, attr=name):
            return name not in names and not _is_of_another(owner, model, loop)
    return False


def _is_of_another(owner: ast.expr, model: ModelState, loop: Loop) -> bool:
    """Is it surely a row of another model?"""
    node: ast.AST | None = owner
    parents = loop.module.scope.parents
    while node is not None and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node = parents.get(node)
    resolver = loop.resolver
    if node is not None and node is not loop.resolver.scope.node:
        function: FunctionNode = node
        resolver = loop.resolver.inside(function)
    match kind_of(owner, resolver):
        case Row(model=Model(key=tuple() as key, real=False)):
            return key != model.key
    return False
