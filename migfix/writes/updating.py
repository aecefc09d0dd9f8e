"""Whether the rows that a loop updates by their keys can wait for one another: which they are, and what is written."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from migfix.expressions.context import Context, Refused
from migfix.expressions.counting import may_repeat_rows
from migfix.expressions.preconditions import failing, gates
from migfix.expressions.values.constants import UNKNOWN
from migfix.facts.body import uses
from migfix.facts.body.changes import shares_table
from migfix.facts.loop import Loop
from migfix.facts.rows.deferred import left_out, taken_away
from migfix.facts.rows.streaming import already_streams
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState
from migfix.reading.kinds.values import Manager, Model, Rows
from migfix.reading.names.scopes import walk
from migfix.sql.databases import Trait
from migfix.writes import batching, creating
from migfix.writes.waiting import check_nothing_is_loaded, check_nothing_looks, check_own_saves

# Whose get_placeholder() the helper does not take for that of values alone.
_WITH_SQL = frozenset({"ArrayField", "BinaryField"})


@dataclass(frozen=True, eq=False)
class KeyUpdate:
    """``Post.objects.filter(pk=key).update(slug=...)``, where ``manager`` is ``Post.objects``."""

    call: ast.Call
    model: Model
    manager: ast.expr
    key: ast.expr


def key_updates(loop: Loop) -> list[KeyUpdate]:
    """The calls in the body that update one row, found by its primary key."""
    return batching.in_order(_key_update, loop)


def _key_update(call: ast.Call, loop: Loop) -> KeyUpdate | None:
    match call.func:
        case ast.Attribute(
            value=ast.Call(
                func=ast.Attribute(value=owner, attr="filter"),
                args=[],
                keywords=[ast.keyword(arg=str(name), value=key)],
            ),
            attr="update",
        ):
            value = loop.resolver.value(owner)
            if _is_of_all_rows(value) and _is_key(name, value.model, loop):
                return KeyUpdate(call, value.model, owner, key)
    return None


def _is_of_all_rows(value: object) -> TypeGuard[Manager | Rows]:
    match value:
        case Manager(related=related):
            return not related
        case Rows(manager=manager, steps=steps):
            return not manager.related and all(step.name in batching.OF_ALL_ROWS for step in steps)
    return False


def _is_key(name: str, model: Model, loop: Loop) -> bool:
    columns = loop.columns_of(model.key) if model.key else None
    column = (columns or {}).get(name)
    return name == "pk" or (column is not None and column.primary_key is True)


def check_group(group: Sequence[KeyUpdate], loop: Loop) -> tuple[ModelState, list[Refusal]]:
    """The updates of rows of one model can wait: the model, and what may differ. Raises ``Refused``."""
    for each in group:
        batching.check_place(each.call, loop, "update()")
    model, columns = gates.known_model(group[0].model, loop, "the model of the updated rows")
    caveats = list(gates.caveats_of(model, loop, columns))
    batching.check_own_table(loop, model)
    for each in group:
        creating.check_manager(each.manager, "update()", model, loop)
    names = _written_names(group, columns, loop)
    batching.check_written(loop, model, names, columns)
    caveats += _field_caveats(names, columns)
    _check_loop_reads_nothing(group, names, model, columns, loop)
    own = frozenset(each.call for each in group)
    caveats += check_own_saves(loop, model)
    caveats += check_nothing_looks(loop, model, own)
    check_nothing_is_loaded(loop, model)
    caveats += gates.waiting_caveats(loop, own)
    caveats += failing.later_turns(loop, own, _fails(group, names, model, columns, loop))
    return model, list(dict.fromkeys(caveats))


# --- what is written -----------------------------------------------------------------------------


def _written_names(
    group: Sequence[KeyUpdate], columns: Mapping[str, FieldState], loop: Loop
) -> list[str]:
    """The fields that each of the updates writes. Raises ``Refused``."""
    written = [_names_of(each, columns, loop) for each in group]
    for names, each in zip(written, group, strict=True):
        if set(names) != set(written[0]):
            at = loop.at(each.call)
            raise Refused(
                Reason.SAVE_ARGUMENTS,
                f"update() on {at} writes other fields than the one before",
                at,
            )
    return written[0]


def _names_of(each: KeyUpdate, columns: Mapping[str, FieldState], loop: Loop) -> list[str]:
    at = loop.at(each.call)
    if each.call.args or not each.call.keywords:
        raise Refused(Reason.SAVE_ARGUMENTS, f"update() on {at} names no field", at)
    names = []
    for keyword in each.call.keywords:
        column = columns.get(keyword.arg or "")
        if column is None:
            shown = f"`{keyword.arg}`, no column" if keyword.arg else "fields by `**`"
            raise Refused(Reason.SAVE_ARGUMENTS, f"update() on {at} is given {shown}", at)
        if column.name in names:
            raise Refused(Reason.SAVE_ARGUMENTS, f"update() on {at} writes a column twice", at)
        if computed := _computed(keyword.value, loop):
            raise Refused(
                Reason.VALUE,
                f"the database computes `{loop.text(computed)}` on {at} of its rows",
                at,
            )
        if column.kind in _WITH_SQL:
            why = f"`{column.name}`, a {column.kind}, is sent with SQL around it, so that each row is written by itself"
            raise Refused(Reason.VALUE, why, at)
        names.append(column.name)
    return names


def _computed(value: ast.expr, loop: Loop) -> ast.expr | None:
    """The expression of Django in a value, for which each row is written by itself."""
    for node in walk(value):
        path = loop.module.path_of(node.func) if isinstance(node, ast.Call) else None
        if path is not None and path.startswith("django.db.models."):
            assert isinstance(node, ast.Call)
            return node
    return None


def _field_caveats(names: Collection[str], columns: Mapping[str, FieldState]) -> Iterator[Refusal]:
    for column in (columns[name] for name in names):
        if column.kind is None:
            yield Refusal(
                Reason.SAVE_SIDE_EFFECT,
                f"what `{column.name}`, a {column.class_path or 'field'}, does with a value is not known: "
                "it may look for rows that wait",
            )


def _fails(
    group: Sequence[KeyUpdate],
    names: Collection[str],
    model: ModelState,
    columns: Mapping[str, FieldState],
    loop: Loop,
) -> str | None:
    """How one of the updates may fail; None where none can."""
    if (checked := failing.of_rules(loop, model, columns, names)) is not None:
        return checked
    context = Context.of(loop, {})
    for each in group:
        for keyword in each.call.keywords:
            column = columns[str(keyword.arg)]
            try:
                literal = context.constant(keyword.value)
            except Refused:
                literal = UNKNOWN
            known = literal is not UNKNOWN and failing.takes(column, literal, context)
            if not known or column.unique is not False:
                return f"`{column.name}` of {model.label} may be given a value that does not fit"
    return None


# --- what the loop reads -------------------------------------------------------------------------


def _check_loop_reads_nothing(
    group: Sequence[KeyUpdate],
    names: Collection[str],
    model: ModelState,
    columns: Mapping[str, FieldState],
    loop: Loop,
) -> None:
    """Neither the loop's query nor its rows read, as the loop goes, what it has written. Raises ``Refused``."""
    rows = loop.rows
    if not isinstance(rows, Rows):
        if (rows.live or rows.model is not None) and not creating.query_stays_clear(loop, model):
            raise Refused(
                Reason.RAW_SQL, f"the rows that come from {rows.what} may be those updated"
            )
        return
    own_table = shares_table(loop, model, rows.model.key)
    if own_table:
        _check_loaded(names, columns, loop)
        if loop.bulk_update is not None:
            raise Refused(
                Reason.QUERY_IN_BODY, f"rows of {model.label} are given to bulk_update(), too"
            )
    if not already_streams(loop) or loop.databases.have(Trait.READS_SNAPSHOT):
        return
    if not own_table and creating.query_stays_clear(loop, model):
        return
    if not own_table or may_repeat_rows(loop) or not all(_is_own_key(each, loop) for each in group):
        raise Refused(
            Reason.ALREADY_STREAMS,
            "on SQLite .iterator() gives rows as they are then: those updated by then may be among them",
        )
    batching.check_source(loop, model, names)


def _is_own_key(update: KeyUpdate, loop: Loop) -> bool:
    """``post.pk``, of the row of the turn"""
    match update.key:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return name == loop.row and _is_key(attribute, update.model, loop)
    return False


def _check_loaded(names: Collection[str], columns: Mapping[str, FieldState], loop: Loop) -> None:
    """The row of the turn loads none of the written columns later. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    narrowing = [each for each in loop.rows.steps if each.name in {"only", "defer"}]
    every = {column.name for column in columns.values()}
    lacking = {*taken_away(loop, columns)}
    for step in narrowing:
        lacking |= left_out(step.call, step.name, every, columns) if step.call else every
    for use in loop.used(uses.Kind.READ, uses.Kind.REFRESH, uses.Kind.ESCAPE):
        column = columns.get(use.field)
        loads = use.field != "pk" if column is None else column.name in lacking & {*names}
        if loads and lacking & {*names}:
            at = loop.at(use.node)
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"{at} may load a column of {loop.model_label} that waits to be written",
                at,
            )
