"""When a full ``save()`` of a row that loaded some columns leaves the database as before."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from migfix.expressions import gates
from migfix.expressions.context import Refused
from migfix.expressions.kinds import INERT
from migfix.expressions.needs import is_full_save
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelKey, ModelState, Unknown
from migfix.loops import effects, uses
from migfix.loops.loop import Databases, Loop
from migfix.loops.values import Rows


def check_save(loop: Loop, model: ModelState) -> None:
    """A narrowed ``save()`` leaves other columns alone and does not bring back a deleted row."""
    if (base := gates.inherited(loop)) is not None:
        raise Refused(
            Reason.INHERITANCE, f"save() writes the table of {base} as well, if any of it is loaded"
        )
    own = loop.used(uses.Kind.SAVE)
    for use in own:
        if is_full_save(use) and not _is_plain_save(use, loop):
            raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with arguments")
    for effect in loop.effects:
        line = loop.line_of(effect.node)
        if effect.node in {use.node for use in own}:
            continue
        if effect.kind is effects.Kind.WRITES and (
            effects.is_deletion(effect) or shares_table(loop, model, effect.model)
        ):
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"line {line} may change rows of {model.label} that save() then writes back",
            )
        if effect.kind in {effects.Kind.CALL, effects.Kind.SQL}:
            raise Refused(
                Reason.UNKNOWN_CALL,
                f"line {line} calls code that is not in this file and may change the same rows",
            )


def _is_plain_save(use: uses.Use, loop: Loop) -> bool:
    """Without arguments, or with the same ``using`` that the rows were read with."""
    match use.node:
        case ast.Call(args=[], keywords=[]):
            return True
        case ast.Call(args=[], keywords=[ast.keyword(arg="using", value=database)]):
            assert isinstance(loop.rows, Rows) and use.place is not None
            given = [
                [*step.call.args, *(k.value for k in step.call.keywords)]
                for step in loop.rows.steps
                if step.name in {"using", "db_manager"} and step.call is not None
            ]
            same = bool(given) and [ast.dump(a) for a in given[-1]] == [ast.dump(database)]
            return same and use.place.resolver is loop.resolver and _stays(database, loop)
    return False


def _stays(node: ast.expr, loop: Loop) -> bool:
    """Is it a literal, or read from a name that is bound once?"""
    while isinstance(node, ast.Attribute):
        node = node.value
    scope = loop.resolver.scope
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.Name) and scope.bound_once(node.id) is not None
    )


def shares_table(loop: Loop, model: ModelState, key: ModelKey | None) -> bool:
    """May a write to the model called ``key`` change rows in the table of ``model``?"""
    others = tables(loop, loop.state.model(*key) if key else Unknown(""))
    own = tables(loop, model)
    return own is None or others is None or bool(own & others)


def tables(loop: Loop, model: ModelState | Unknown) -> set[str] | None:
    """The tables of the model and of those that it inherits from or stands for; None if one is unknown."""
    parents = model if isinstance(model, Unknown) else loop.state.parents(model)
    if isinstance(model, Unknown) or isinstance(parents, Unknown):
        return None
    named = {each.db_table for each in (*parents, model)}
    known = {table for table in named if isinstance(table, str)}
    return known if len(known) == len(named) else None


def computed(columns: Iterable[FieldState], databases: Databases) -> Iterator[str]:
    """Columns that ``save()`` gives a value of their own: deferred ones would silently keep the old.

    SQLite stores decimals of any length, and ``save()`` writes them back rounded.
    """
    inert = INERT - {"DecimalField"} if databases.any("sqlite") else INERT
    for column in columns:
        if column.has_column is not True:
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"what save() does with `{column.name}` is not known"
            )
        stamped = column.kind is not None and column.auto_now is not False
        if stamped or column.saved_as not in inert:
            yield column.name


def check_writes_something(needed: Iterable[str], columns: Mapping[str, FieldState]) -> None:
    """A ``save()`` of a row with nothing but its key fetches every column, one by one."""
    loaded = [columns[name] for name in needed]
    if all(c.primary_key is True or c.kind == "GeneratedField" for c in loaded):
        raise Refused(Reason.ALL_FIELDS_NEEDED, "save() of an unchanged row writes every column")
