"""Turn a loop that sets fields and saves each row into one ``update()``.

Before:

    for order in Order.objects.filter(owner=bob):
        order.owner = sharon
        order.save()

After:

    Order.objects.filter(owner=bob).update(owner=sharon)

Refuses when the body does anything else than set fields of the row and save it; when a value or
condition has no exact form in SQL on every database of the project; when ``save()`` would do more
than write what it read (``auto_now``, file, JSON and third-party fields); when an assigned column
is unique; and when the queryset's rows or the row itself are used elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migfix.codemod import Codemod, Decision
from migfix.expressions import gates
from migfix.expressions.body import Path, compile_body
from migfix.expressions.conditions import chain_calls, needs_q
from migfix.expressions.context import Context, Refused, SqlValue
from migfix.findings import Outcome, Part, Reason, Refusal, ReplaceLoop, Rewrite
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.loops import uses
from migfix.loops.loop import Loop


def decide(loop: Loop) -> Decision:
    if not loop.used(uses.Kind.WRITE):
        return None
    try:
        return _rewrite(loop)
    except Refused as refused:
        return refused.refusal


def _rewrite(loop: Loop) -> Decision:
    gates.check_source(loop, "update")
    model, columns, caveats = gates.check_model(loop)
    gates.check_manager(loop, model)
    body = compile_body(loop.node.body, Context(loop, columns))
    if any(path.deleted for path in body.paths):
        return None
    path, saving = _the_saving_path(body.paths)
    caveats += [*gates.source_caveats(loop), *saving, *path.caveats]
    assigned = dict(path.saved or {})
    caveats += [c for value in assigned.values() for c in value.caveats]
    caveats += _unique(model, assigned)
    caveats += _left_out(loop, columns, body.paths, assigned)
    assigned |= _refreshed(loop, columns, body.paths, path)
    _check_walk(loop, assigned)
    ordered = _in_set_order(loop, assigned)
    return _built(loop, path, ordered, tuple(dict.fromkeys(caveats)))


def _the_saving_path(paths: Sequence[Path]) -> tuple[Path, list[Refusal]]:
    """The one path that stores something, and a caveat where nothing is stored at all."""
    storing = [path for path in paths if path.saved]
    if len(storing) > 1:
        raise Refused(Reason.BRANCHES, "different rows get different values")
    if storing:
        return storing[0], []
    assigning = [path for path in paths if path.assigned and path.saved is None]
    if any(path.saved is not None for path in paths) or len(assigning) != 1:
        raise Refused(
            Reason.NEVER_SAVED, "no assigned value reaches a save(): nothing is stored today"
        )
    only = assigning[0]
    meant = Path(only.context, only.conditions, only.caveats, saved=only.assigned)
    return meant, [
        Refusal(Reason.NEVER_SAVED, "the loop assigns but never saves: it changes nothing today")
    ]


def _unique(model: ModelState, assigned: Mapping[str, SqlValue]) -> list[Refusal]:
    unique = model.uniqueness()
    if isinstance(unique, Unknown):
        return [Refusal(Reason.UNIQUE, unique.why)]
    return [
        Refusal(
            Reason.UNIQUE,
            f"`{name}` takes part in a unique rule: rows are then checked all at once, not one by one",
        )
        for name in assigned
        if name in unique
    ]


def _left_out(
    loop: Loop,
    columns: Mapping[str, FieldState],
    paths: Sequence[Path],
    assigned: Mapping[str, SqlValue],
) -> list[Refusal]:
    """What the saves do to columns that the update does not name, on every path that saves."""
    caveats: list[Refusal] = []
    for path in paths:
        if path.saved is None:
            continue
        saved = gates.saved_columns(loop, columns, path.fields)
        caveats += gates.save_caveats(saved, frozenset(assigned))
        caveats += [
            Refusal(
                Reason.AUTO_NOW,
                f"save() also refreshes `{column.name}`, at a moment of its own for each row",
            )
            for column in gates.auto_now_columns(saved)
        ]
    return caveats


def _refreshed(
    loop: Loop, columns: Mapping[str, FieldState], paths: Sequence[Path], saving: Path
) -> dict[str, SqlValue]:
    """The auto_now columns, set to the time of the update where every saved row is updated."""
    stamped = gates.auto_now_columns(gates.saved_columns(loop, columns, saving.fields))
    now = loop.names.timezone_now()
    others = [path for path in paths if path.saved is not None and path is not saving]
    if saving.saved is None or others or now is None:
        return {}
    imports = (now.import_,) if now.import_ else ()
    return {
        column.name: SqlValue(f"{now.text}()", imports=imports, attribute=column.name)
        for column in stamped
        if column.kind == "DateTimeField"
    }


def _check_walk(loop: Loop, assigned: Mapping[str, SqlValue]) -> None:
    """On SQLite a loop over ``.iterator()`` may meet rows again that it moved in an index."""
    streams = any(step.name == "iterator" for step in getattr(loop.rows, "steps", ()))
    if streams and loop.databases.any("sqlite") and len(getattr(loop.rows, "steps", ())) > 1:
        text = loop.text(loop.queryset)
        named = next((name for name in assigned if name in text), None)
        if named:
            raise Refused(
                Reason.QUERYSET_SHAPE,
                f".iterator() over rows chosen or ordered by `{named}` on SQLite",
            )


def _in_set_order(loop: Loop, assigned: Mapping[str, SqlValue]) -> list[tuple[str, SqlValue]]:
    """MySQL and MariaDB assign from left to right: what reads a column goes before what writes it."""
    waiting = dict(assigned)
    ordered: list[tuple[str, SqlValue]] = []
    while waiting:
        readers = {
            name: [
                other for other, value in waiting.items() if other != name and name in value.reads
            ]
            for name in waiting
        }
        free = next((name for name in waiting if not readers[name]), None)
        if free is None:
            if loop.databases.any("mysql", "mariadb"):
                raise Refused(
                    Reason.SET_ORDER, "the columns swap values: MySQL and MariaDB would lose one"
                )
            free = next(iter(waiting))
        ordered.append((free, waiting.pop(free)))
    return ordered


def _built(
    loop: Loop, path: Path, assigned: list[tuple[str, SqlValue]], caveats: tuple[Refusal, ...]
) -> Rewrite:
    conditions = path.conditions
    q = loop.names.models("Q") if needs_q(conditions) else None
    imports = [q.import_] if q and q.import_ else []
    imports += [i for _, value in assigned for i in value.imports]
    keywords = ", ".join(f"{value.attribute}={value.text}" for _, value in assigned)
    calls = chain_calls(conditions, q.text if q else None)
    return Rewrite(
        part=Part.WHOLE,
        edit=ReplaceLoop((f"{gates.source_text(loop)}{calls}.update({keywords})",)),
        message="one update() instead of a query per row",
        outcome=Outcome.UPDATE,
        caveats=caveats,
        imports=tuple(dict.fromkeys(imports)),
    )


codemod = Codemod(__name__, "MF101", Part.WHOLE, decide)
__getattr__ = codemod.module_attribute
