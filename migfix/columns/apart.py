"""By which keys the writes of a turn find rows that no other turn writes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from migfix.facts.body import uses
from migfix.facts.body.effects import Effect
from migfix.facts.loop import Loop
from migfix.history.state import ModelKey, ModelState, Unknown
from migfix.reading.kinds.values import Manager, Rows
from migfix.reading.names.scopes import statements_of, walk
from migfix.reading.rows.lookups import stays_in_table, tables_of
from migfix.reading.rows.querysets import Resolver
from migfix.reading.rows.relations import accessor
from migfix.sql.kinds import FOREIGN_KEYS


def unique_columns(model: ModelState, loop: Loop) -> frozenset[str] | None:
    """The names of columns that take part in unique rules; None where they are not known."""
    parents = loop.state.parents(model)
    found: set[str] = set()
    for each in (model, *(() if isinstance(parents, Unknown) else parents)):
        names = each.uniqueness()
        if isinstance(names, Unknown) or isinstance(parents, Unknown):
            return None
        found |= names
        found |= {f.attname for f in each.fields if f.name in names and isinstance(f.attname, str)}
    return frozenset({*found, "pk"})


class Apart:
    """By which links the writes of a turn find their rows, by table.

    Two turns write the same row unless all writes of its table find it by the same one: of the rows that
    point here by one foreign key, others may by another.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.links: dict[str, frozenset[str]] = {}
        if loop.used(uses.Kind.SAVE, uses.Kind.ESCAPE) and loop.rows.model is not None:
            self.takes(loop.rows.model.key, frozenset({"pk"}))

    def takes(self, key: ModelKey | None, links: frozenset[str]) -> bool:
        """Does another write, of rows of the model by any of the links, keep the turns apart?"""
        model = self.loop.state.model(*key) if key else Unknown("")
        tables = tables_of(model, self.loop.state)
        if isinstance(tables, Unknown):
            return False
        for table in tables:
            self.links[table] = self.links.get(table, links) & links
        return all(self.links[table] for table in tables)


def links_of(effect: Effect, loop: Loop) -> frozenset[str]:
    """The columns by any of which the query finds its rows, which belong to the row of the turn alone."""
    if _is_save_of_row(effect, loop):
        return frozenset({"pk"})
    match effect.node:
        case ast.Call(func=ast.Attribute(value=owner, attr="update"), args=[]) as call if (
            effect.inside is None
        ):
            rows = loop.resolver.value(owner)
            rows = Rows(rows) if isinstance(rows, Manager) else rows
            if isinstance(rows, Rows) and None not in (k.arg for k in call.keywords):
                return _keeping_apart(rows, owner, {str(k.arg) for k in call.keywords}, loop)
    return frozenset()


def _is_save_of_row(effect: Effect, loop: Loop) -> bool:
    """Is it the ``save()`` in a function that this one call alone runs, and for the row of the loop?"""
    if effect.inside is None or not isinstance(effect.node, ast.Call):
        return False
    save, function = effect.inside[0].node, loop.resolver.function(effect.node.func)
    if function is None or not any(use.node is save for use in loop.used(uses.Kind.SAVE)):
        return False
    called = [node for node, resolver in loop.reached if function in _runs(node, resolver)]
    return called == [effect.node] and any(
        part is save for statement in statements_of(function) for part in walk(statement)
    )


def _runs(node: ast.AST, resolver: Resolver) -> Iterator[ast.AST]:
    """The functions of the project that the node calls, or hands on to be called."""
    if isinstance(node, ast.Call):
        given = (*node.args, *(keyword.value for keyword in node.keywords))
        found = (resolver.called(node), *map(resolver.handed, given))
        yield from (each[0] for each in found if each is not None)


def _keeping_apart(rows: Rows, owner: ast.expr, updated: set[str], loop: Loop) -> frozenset[str]:
    """``Item.objects.filter(order=row)``, ``row.items.all()``; ``updated`` are the columns that are set."""
    model = loop.state.model(*rows.model.key) if rows.model.key else None
    if not isinstance(model, ModelState) or isinstance(loop.model, Unknown) or rows.model.real:
        return frozenset()
    unique = unique_columns(model, loop)
    columns = loop.columns_of(model.key) or {}
    if unique is None or updated & unique or not all(s.name in _CHOOSING for s in rows.steps):
        return frozenset()
    lookups = [k for s in rows.steps if s.call is not None for k in s.call.keywords]
    plain = not any(s.call.args for s in rows.steps if s.call is not None and s.name != "using")
    if not plain or not all(stays_in_table(k.arg, columns) for k in lookups):
        return frozenset()
    links = {
        field.name
        for other, field in loop.state.pointing_to(loop.model.key)
        if other.key == model.key and field.kind in FOREIGN_KEYS
    }
    chosen = [k for s in rows.steps if s.call and s.name == "filter" for k in s.call.keywords]
    found = {name for k in chosen if (name := _link(k, model, links, loop)) is not None}
    if rows.manager.related:
        found |= {
            field.name
            for other, field in loop.state.pointing_to(loop.model.key)
            if other.key == model.key
            and field.kind == "ForeignKey"
            and accessor(other, field) == rows.manager.name
            and _is_of_row(owner, rows.manager.name, loop)
        }
    return frozenset(
        "pk" if name in {"pk", "id"} else name
        for name in found
        if name not in updated and f"{name}_id" not in updated
    )


_CHOOSING = frozenset({"filter", "all", "using", "exclude"})


def _link(keyword: ast.keyword, model: ModelState, links: set[str], loop: Loop) -> str | None:
    """The foreign key, or the key of the row itself, by which ``filter(author=row)`` finds rows."""
    name = str(keyword.arg).removesuffix("__exact")
    key = False
    match keyword.value:
        case ast.Name(id=given):
            pass
        case ast.Attribute(value=ast.Name(id=given), attr="pk" | "id"):
            key = True
        case _:
            return None
    if given != loop.row:
        return None
    if name in {"pk", "id"} and key:
        own = not isinstance(loop.model, Unknown) and model.key == loop.model.key
        return name if own else None
    bare = name.removesuffix("_id")
    return bare if bare in links and (key or bare == name) else None


def _is_of_row(owner: ast.expr, name: str, loop: Loop) -> bool:
    """Does the chain begin with ``row.items``?"""
    while isinstance(owner, (ast.Call, ast.Attribute)):
        if isinstance(owner, ast.Attribute) and owner.attr == name:
            return isinstance(owner.value, ast.Name) and owner.value.id == loop.row
        owner = owner.func if isinstance(owner, ast.Call) else owner.value
    return False
