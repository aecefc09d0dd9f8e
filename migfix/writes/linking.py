"""Whether the pairs that a loop adds to a many-to-many relation can wait for one another."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from migfix.expressions.context import Refused
from migfix.expressions.preconditions import failing, gates
from migfix.facts.body.effects import Effect, Kind
from migfix.facts.loop import Loop
from migfix.facts.rows.streaming import already_streams
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelKey, ModelState
from migfix.reading.kinds.values import Manager, Model, Row, Rows
from migfix.reading.rows.lookups import share_table
from migfix.reading.rows.relations import accessor, all_fields, relation_of
from migfix.sql.databases import Trait
from migfix.writes import batching
from migfix.writes.waiting import Waiting, check_own_saves, nothing_looks, stays_in_table


@dataclass(frozen=True, eq=False)
class Link:
    """``post.tags.add(tag)``: ``manager`` is ``post.tags``, ``field`` the many-to-many field of ``holder``."""

    call: ast.Call
    manager: ast.Attribute
    holder: ModelKey
    field: FieldState

    @property
    def relation(self) -> tuple[ModelKey, str]:
        return self.holder, self.field.name


def links(loop: Loop) -> list[Link]:
    """The calls in the body that add one row to a many-to-many relation."""
    return batching.in_order(_link, loop)


def _link(call: ast.Call, loop: Loop) -> Link | None:
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Attribute(value=owner, attr=name) as manager, attr="add"),
            args=[given],
            keywords=[],
        ) if not isinstance(given, ast.Starred):
            row = loop.resolver.value(owner)
            if not isinstance(loop.resolver.value(manager), Manager) or not isinstance(row, Row):
                return None
            key = row.model.key
            found = relation_of(loop.state, key, name) if key is not None else None
            if key is None or found is None or found[0].kind != "ManyToManyField":
                return None
            field, other = found
            is_own = any(each is field for each in all_fields(loop.state, key))
            return Link(call, manager, key if is_own else other, field)
    return None


def check_group(group: Sequence[Link], loop: Loop) -> tuple[str, list[Refusal]]:
    """The pairs of one relation can wait: what it is called, and what may differ. Raises ``Refused``."""
    first = group[0]
    for each in group:
        batching.check_place(each.call, loop, "add()")
    holder, caveats = _check_relation(first, loop)
    label = f"{holder.label}.{first.field.name}"
    _check_query_of_loop(loop, label)
    own = frozenset(each.call for each in group)
    names = frozenset({first.field.name, accessor(holder, first.field) or first.field.name})
    waiting = Waiting(label, names, partial(_may_be_of_pairs, loop))
    caveats += check_own_saves(loop, None)
    caveats += nothing_looks(loop, waiting, own | {each.manager for each in group})
    caveats += gates.link_caveats(loop, own)
    fails = f"a pair of {label} may be of a row that is gone"
    caveats += failing.later_turns(loop, own, fails)
    if not loop.databases.have(Trait.GIVES_KEYS_AGAIN):
        greater = "whose pairs have greater numbers if their batch has failed"
        caveats += failing.partly(loop, fails, greater)
    return label, list(dict.fromkeys(caveats))


def _may_be_of_pairs(loop: Loop, effect: Effect) -> bool:
    """May the query be of the table of pairs, whose model no migration writes down?"""
    return any(key is None or loop.columns_of(key) is None for key in effect.models)


def _check_relation(link: Link, loop: Loop) -> tuple[ModelState, list[Refusal]]:
    """The pairs are rows of a table that Django made, between two others. Raises ``Refused``."""
    field = link.field
    at = loop.at(link.manager)
    if not isinstance(field.target, tuple) or {"through", "**"} & field.options.keys():
        raise Refused(Reason.MODEL_UNKNOWN, f"which rows `{field.name}` pairs is not known", at)
    if field.through is not None:
        raise Refused(
            Reason.MODEL_UNKNOWN,
            f"the pairs of `{field.name}` are rows of a model with columns of its own",
            at,
        )
    if share_table(link.holder, field.target, loop.state):
        raise Refused(
            Reason.QUERY_IN_BODY, f"`{field.name}` pairs rows of one table, each in two ways", at
        )
    caveats: list[Refusal] = []
    for key in (link.holder, field.target):
        model, columns = gates.known_model(Model(key), loop, "a model of the relation")
        caveats += gates.caveats_of(model, loop, columns)
    holder, _ = gates.known_model(Model(link.holder), loop, "the model of the relation")
    return holder, caveats


def _check_query_of_loop(loop: Loop, label: str) -> None:
    """No query that is read as the loop goes may read the pairs. Raises ``Refused``."""
    rows = loop.rows
    live = already_streams(loop) if isinstance(rows, Rows) else rows.live
    if not live or (isinstance(rows, Rows) and loop.databases.have(Trait.READS_SNAPSHOT)):
        return
    key = rows.model.key if isinstance(rows, Rows) else None
    if key is None or not stays_in_table(Effect(Kind.READS, loop.queryset, key), loop):
        raise Refused(
            Reason.ALREADY_STREAMS,
            f"the loop reads its rows as it goes, and may look at those of {label} that it adds",
        )
