"""What ``save()`` does besides writing the assigned columns, and in what order ``update()`` writes them.

https://docs.djangoproject.com/en/stable/ref/models/fields/#django.db.models.Field.pre_save
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from migfix.expressions.context import Refused, SqlValue
from migfix.expressions.path import Path
from migfix.expressions.preconditions.loading import loaded_later
from migfix.expressions.values.computed import written
from migfix.expressions.values.constants import constant_of
from migfix.expressions.values.types import is_rounded
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import lineage
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Manager, Rows, Step
from migfix.reading.names.scopes import walk
from migfix.reading.rows.methods import Does, methods
from migfix.sql.databases import Trait
from migfix.sql.kinds import FILES, INERT
from migfix.sql.nodes import Clock, Type

_WRITES_BACK = {
    "JSONField": "a stored JSON null becomes SQL NULL when save() writes it back",
    "GenericIPAddressField": "save() writes IPv6 addresses back in their short form",
}

_CHOOSING = methods(Does.GOES_BY_COLUMNS)


def save_caveats(
    loop: Loop, columns: Mapping[str, FieldState], paths: Iterable[Path]
) -> Iterator[Refusal]:
    """What the saves do to columns that the path does not assign. Raises ``Refused``."""
    yield from connected(columns)
    for path in paths:
        if path.saved is None:
            continue
        saved = saved_columns(loop, columns, path.fields)
        yield from column_caveats(saved, path.saved.keys(), loop)


def column_caveats(
    saved: Iterable[FieldState], assigned: Collection[str], loop: Loop
) -> Iterator[Refusal]:
    """What a save() of these columns does to those that are not assigned. Raises ``Refused``."""
    for column in saved:
        if column.kind is not None and column.auto_now is not False:
            yield Refusal(
                Reason.AUTO_NOW,
                f"save() also refreshes `{column.name}`, at a moment of its own for each row",
            )
        elif column.name not in assigned:
            yield from _left_out(column, loop)


def connected(columns: Mapping[str, FieldState]) -> Iterator[Refusal]:
    """Field classes whose receivers hear the signals that every ``save()`` sends, whatever it writes.

    https://docs.djangoproject.com/en/stable/ref/signals/#model-signals
    """
    for column in columns.values():
        if column.behind and column.behind.connects:
            yield Refusal(
                Reason.SIGNALS,
                f"`{column.name}`, a {column.class_path}, may connect receivers to the signals of save()",
            )


def saved_columns(
    loop: Loop, columns: Mapping[str, FieldState], update_fields: frozenset[str] | None
) -> list[FieldState]:
    """The columns that the row's ``save()`` writes, besides those assigned. Raises ``Refused``."""
    every = list({column.name: column for column in columns.values()}.values())
    if update_fields is not None:
        return [column for column in every if column.name in update_fields]
    loaded = _loaded(loop, columns)
    return [column for column in every if column.primary_key is not True and column.name in loaded]


def _loaded(loop: Loop, columns: Mapping[str, FieldState]) -> frozenset[str]:
    """What ``.only()`` and ``.defer()`` leave to load; save() of such a row writes no other column.

    A column that the body reads before is loaded then, and written as well.
    https://docs.djangoproject.com/en/stable/ref/models/querysets/#defer
    """
    assert isinstance(loop.rows, Rows)
    loaded = frozenset(column.name for column in columns.values())
    narrowing = [step for step in loop.rows.steps if step.name in {"only", "defer"}]
    if not narrowing:
        return loaded
    (step, *others), call = narrowing, narrowing[0].call
    names = [constant_of(argument, loop) for argument in call.args] if call else []
    known = [columns[name].name for name in names if isinstance(name, str) and name in columns]
    only_the_key = all(columns[name].primary_key is True for name in known)
    if others or only_the_key or len(known) != len(names):
        raise Refused(Reason.QUERYSET_SHAPE, f"which columns `.{step.name}()` loads is not certain")
    at_once = frozenset(known) if step.name == "only" else loaded - set(known)
    return at_once | loaded_later(loop, columns, loaded - at_once)


def _left_out(column: FieldState, loop: Loop) -> Iterator[Refusal]:
    """What ``save()`` does to a column that it writes as it was loaded. Raises ``Refused``."""
    kind = column.saved_as
    if kind == "ImageField" and {"width_field", "height_field"} & column.options.keys():
        raise Refused(Reason.SAVE_SIDE_EFFECT, f"save() writes the dimensions of `{column.name}`")
    if kind in FILES:
        if column.null is not False:
            yield Refusal(
                Reason.SAVE_SIDE_EFFECT, f"save() turns a NULL `{column.name}` into an empty name"
            )
    elif kind in _WRITES_BACK:
        yield Refusal(Reason.SAVE_SIDE_EFFECT, f"`{column.name}`: {_WRITES_BACK[kind]}")
    elif kind not in INERT:
        because = f": {column.behind.doubt}" if column.behind and column.behind.doubt else ""
        yield Refusal(
            Reason.SAVE_SIDE_EFFECT,
            f"save() of `{column.name}`, a {column.class_path or 'field of unknown class'}, may "
            f"compute something{because}",
        )
    elif is_rounded(column, loop.databases):
        yield Refusal(
            Reason.SAVE_SIDE_EFFECT, f"save() rounds `{column.name}` to 15 digits on SQLite"
        )


def refreshed(loop: Loop, columns: Mapping[str, FieldState], path: Path) -> dict[str, SqlValue]:
    """The auto_now columns that the path's save() refreshes, as ``pre_save`` of their classes does.

    https://docs.djangoproject.com/en/stable/ref/models/fields/#django.db.models.DateField.auto_now
    """
    if path.saved is None:
        return {}
    return clocks_of(saved_columns(loop, columns, path.fields), loop)


def clocks_of(saved: Iterable[FieldState], loop: Loop) -> dict[str, SqlValue]:
    """The time for each of the columns that ``auto_now`` refreshes."""
    found: dict[str, SqlValue] = {}
    for column in saved:
        if column.kind is None or column.auto_now is False:
            continue
        if column.kind not in {"DateTimeField", "DateField"}:
            raise Refused(Reason.AUTO_NOW, f"save() refreshes `{column.name}`, update() cannot")
        now = written(Clock(Type("other", column.kind)), loop)
        found[column.name] = replace(now, attribute=column.name)
    return found


def unique_caveats(
    loop: Loop,
    model: ModelState,
    assigned: Collection[str],
    then: str = "all at once, not one by one",
) -> Iterator[Refusal]:
    """Unique rules are checked row by row within one UPDATE, and after each save() of a loop."""
    for each in lineage(model, loop):
        unique = each.uniqueness()
        if isinstance(unique, Unknown):
            yield Refusal(Reason.UNIQUE, unique.why)
            continue
        for name in assigned:
            if name in unique:
                yield Refusal(
                    Reason.UNIQUE,
                    f"`{name}` takes part in a unique rule: rows are then checked {then}",
                )


def check_saved_twice(loop: Loop, model: ModelState, paths: Iterable[Path]) -> None:
    """What a row that is saved twice undergoes that one query does not do to it. Raises ``Refused``.

    Between the saves a constraint may be broken, where the loop stops; and Django before 6.0 leaves an ``F()`` on
    the row, which the second save sends again.
    """
    for path in paths:
        sent = [v for v in (path.saved or {}).values() if v.explicit] if path.saves > 1 else []
        if sent:
            raise Refused(
                Reason.SAVED_TWICE,
                f"the row is saved twice on one path, and `{sent[0].text}` may be sent both times",
            )
    if any(path.saves > 1 for path in paths) and has_constraints(loop):
        raise Refused(
            Reason.SAVED_TWICE,
            f"the row is saved twice on one path, and {model.label} has constraints that may not "
            "hold in between",
        )


def has_constraints(loop: Loop) -> bool:
    """May the table have rules for several columns of a row? Raises ``Refused``."""
    if isinstance(loop.model, Unknown):
        return True
    return any(
        bool(each.options.get("constraints") or each.unverified)
        for each in lineage(loop.model, loop)
    )


def check_explicit(loop: Loop, paths: Iterable[Path]) -> None:
    """``F("n")`` reads what the same save() has set before it, on databases that assign in turn."""
    if loop.databases.have(Trait.ASSIGNS_AT_ONCE):
        return
    for saved in (path.saved or {} for path in paths):
        for name, value in saved.items():
            if value.explicit and value.reads & (saved.keys() - {name}):
                raise Refused(
                    Reason.SET_ORDER,
                    f"`{value.text}` reads a column that MySQL and MariaDB may have set before",
                )


def check_walk(loop: Loop, assigned: Mapping[str, SqlValue]) -> None:
    """On SQLite a loop over ``.iterator()`` may meet rows again that it moved in an index."""
    steps = loop.rows.steps if isinstance(loop.rows, Rows) else ()
    if "iterator" not in {step.name for step in steps} or loop.databases.have(Trait.READS_SNAPSHOT):
        return
    moved = set(assigned) | {value.attribute for value in assigned.values()}
    if _orders_by(moved, loop) or any(may_choose_by(moved, step) for step in steps):
        names = " or ".join(f"`{name}`" for name in assigned)
        raise Refused(
            Reason.QUERYSET_SHAPE,
            f".iterator() on SQLite over rows that may be chosen or ordered by {names}",
        )


def _orders_by(columns: set[str], loop: Loop) -> bool:
    """May the order that the model gives its rows by itself name one of the columns?"""
    ordering = (
        loop.model.options.get("ordering", ()) if isinstance(loop.model, ModelState) else None
    )
    if not isinstance(ordering, tuple) or not all(isinstance(name, str) for name in ordering):
        return True
    parts = {part for name in ordering for part in str(name).removeprefix("-").split("__")}
    return not columns.isdisjoint(parts)


def may_choose_by(columns: set[str], step: Step) -> bool:
    """May the step filter or order by one of the columns, so that SQLite walks their index?"""
    if step.call is None or step.name not in _CHOOSING or step.name == "extra":
        return step.name in _CHOOSING
    names = [*step.lookups, *step.expressions]
    parts = {part for name in names for part in str(name).removeprefix("-").split("__")}
    return None in step.lookups or not columns.isdisjoint(parts)


def is_repeatable(loop: Loop) -> bool:
    """Does the queryset, written twice, choose among the same rows by the same values?

    Its arguments are evaluated anew each time: calls may count or look at the clock, and a query in
    them sees what an earlier update has changed.
    """
    assert isinstance(loop.rows, Rows)
    if loop.rows.has("[]", "|"):
        return False
    calls = [step.call for step in loop.rows.steps if step.call is not None]
    given = [a for c in calls for a in (*c.args, *(keyword.value for keyword in c.keywords))]
    return all(_is_plain(node, loop) for each in given for node in walk(each))


def _is_plain(node: ast.AST, loop: Loop) -> bool:
    if isinstance(node, ast.Call):
        return loop.module.path_of(node.func) in {"django.db.models.Q", "django.db.models.F"}
    found = loop.resolver.value(node) if isinstance(node, ast.expr) else None
    return not isinstance(found, (Manager, Rows))


def in_set_order(loop: Loop, assigned: Mapping[str, SqlValue]) -> list[tuple[str, SqlValue]]:
    """MySQL and MariaDB assign from left to right: what reads a column goes before what writes it."""
    waiting = dict(assigned)
    ordered: list[tuple[str, SqlValue]] = []
    while waiting:
        free = next((name for name in waiting if not _is_read(name, waiting)), None)
        if free is None:
            if not loop.databases.have(Trait.ASSIGNS_AT_ONCE):
                raise Refused(
                    Reason.SET_ORDER, "the columns swap values: MySQL and MariaDB would lose one"
                )
            free = next(iter(waiting))
        ordered.append((free, waiting.pop(free)))
    return ordered


def _is_read(name: str, assigned: Mapping[str, SqlValue]) -> bool:
    """Does another assigned value read the column?"""
    return any(name in value.reads for other, value in assigned.items() if other != name)
