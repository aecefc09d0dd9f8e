"""When a full ``save()`` of a row that loaded some columns leaves the database as before."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from migfix.columns.needs import is_full_save
from migfix.expressions.context import Refused
from migfix.expressions.preconditions import gates
from migfix.facts.body import effects, uses
from migfix.facts.body.changes import touches
from migfix.facts.body.handed import is_own_save
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Rows
from migfix.sql.databases import Databases, Trait
from migfix.sql.kinds import INERT, is_settled_file


def check_save(loop: Loop, model: ModelState) -> None:
    """A narrowed ``save()`` leaves other columns alone and does not bring back a deleted row."""
    if (base := gates.inherited(loop)) is not None:
        raise Refused(
            Reason.INHERITANCE, f"save() writes the table of {base} as well, if any of it is loaded"
        )
    for use in loop.used(uses.Kind.SAVE):
        if is_full_save(use) and not _is_plain_save(use, loop):
            at = loop.at(use.node)
            raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with arguments", at)
    for effect in loop.effects:
        if is_own_save(effect, loop):
            continue
        at = loop.at(effect.node)
        if effect.kind is effects.Kind.WRITES and (
            effects.is_deletion(effect) or touches(loop, model, effect)
        ):
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"{at} may change rows of {model.label} that save() then writes back",
                at,
            )
        if effect.kind is effects.Kind.SQL:
            raise Refused(Reason.UNKNOWN_CALL, f"{at} runs SQL that may change the same rows", at)


def call_doubts(loop: Loop) -> Iterator[Refusal]:
    """What may be kept of changes that other code makes to the same rows, which a full ``save()`` writes over."""
    for effect in loop.having(effects.Kind.CALL):
        if not is_own_save(effect, loop):
            at = loop.at(effect.node)
            yield Refusal(
                Reason.UNKNOWN_CALL,
                f"{at} calls code that is not in this file and may change the same rows",
                at,
            )
            return


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


def computed(columns: Iterable[FieldState], databases: Databases) -> Iterator[str]:
    """Columns that ``save()`` gives a value of their own: deferred ones would silently keep the old.

    SQLite stores decimals of any length, and ``save()`` writes them back rounded. Those of ``save_doubts`` are left out.
    """
    inert = INERT if databases.have(Trait.KEEPS_DECIMALS) else INERT - {"DecimalField"}
    for column in columns:
        if _is_unread(column):
            continue
        if column.has_column is not True:
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"what save() does with `{column.name}` is not known"
            )
        kept = column.saved_as in inert or is_settled_file(column)
        if _is_stamped(column) or not kept:
            yield column.name


def save_doubts(columns: Iterable[FieldState]) -> Iterator[Refusal]:
    """What a full ``save()`` may do besides, by fields of classes that cannot be read, which nobody asks for."""
    for column in filter(_is_unread, columns):
        because = f": {column.behind.doubt}" if column.behind and column.behind.doubt else ""
        yield Refusal(
            Reason.SAVE_SIDE_EFFECT,
            f"what save() does with `{column.name}`, a {column.class_path or 'field of unknown class'}, is not "
            f"known{because}",
        )


def _is_unread(column: FieldState) -> bool:
    """Is it not even known to be a column, or one that is computed?"""
    return isinstance(column.has_column, Unknown)


def _is_stamped(column: FieldState) -> bool:
    return column.kind is not None and column.auto_now is not False


def written_back(
    names: Iterable[str], touched: Iterable[str], columns: Mapping[str, FieldState]
) -> tuple[str, ...]:
    """Those of the names that ``save()`` alone brings along, and only to write what it has read."""
    own = frozenset(touched)
    return tuple(name for name in names if name not in own and not _is_stamped(columns[name]))


def listing(names: Iterable[str], back: tuple[str, ...]) -> str:
    """The names for a message: those that are touched, and some of those that only come along."""
    touched = [name for name in names if name not in back]
    if not back:
        return ", ".join(touched)
    some = ", ".join(back[:_NAMED]) + (", ..." if len(back) > _NAMED else "")
    along = f"{len(back)} that save() writes back ({some})"
    return f"{', '.join(touched)} and {along}" if touched else along


_NAMED = 3  # of the columns that only come along


def check_writes_something(needed: Iterable[str], columns: Mapping[str, FieldState]) -> None:
    """A ``save()`` of a row with nothing but its key fetches every column, one by one."""
    loaded = [columns[name] for name in needed]
    if all(c.primary_key is True or c.kind == "GeneratedField" for c in loaded):
        raise Refused(Reason.ALL_FIELDS_NEEDED, "save() of an unchanged row writes every column")
