"""Which columns a loop may leave out of its query, and how that is written shortest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from migfix.columns.joined import links_of
from migfix.columns.narrow_saves import (
    call_doubts,
    check_save,
    check_writes_something,
    computed,
    save_doubts,
    written_back,
)
from migfix.columns.needs import check_plain, is_full_save, needed_fields, with_dimensions
from migfix.columns.order import dependence, is_total
from migfix.columns.ordering import columns_doubt, columns_refusal
from migfix.columns.shared import Shared, shared
from migfix.expressions.context import Refused
from migfix.expressions.preconditions import gates, saves, sources
from migfix.facts.body import uses
from migfix.facts.loop import Loop
from migfix.facts.rows.counts import filling
from migfix.facts.rows.streaming import cannot_stream
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState
from migfix.reading.kinds.values import Rows, Step
from migfix.sql.kinds import INERT, TEXTS, WIDE

# Steps after which ``only()`` has another meaning or none.
# https://docs.djangoproject.com/en/stable/ref/models/querysets/#only
_STEPS_REFUSED = frozenset("union intersection difference | fetch_mode".split())
_NARROW = frozenset({"only", "defer"})
_FIXED_SIZE = INERT - TEXTS - {"BinaryField", "GeneratedField"}


@dataclass(frozen=True, slots=True)
class Narrowing:
    """``.only(*names)`` or ``.defer(*names)``; ``back`` are those that only a ``save()`` brings along.

    ``place`` is where it joins the chain, where that is made before the loop and has other uses; ``doubts`` are those
    about what the loop leaves then.
    """

    method: str
    names: tuple[str, ...]
    back: tuple[str, ...] = ()
    place: ast.expr | None = None
    doubts: tuple[Refusal, ...] = ()


def narrowing(loop: Loop, *, batched: bool = True) -> Narrowing:
    """What the queryset of a loop over instances may leave out. Raises ``Refused``.

    Batches take the place of a ``bulk_update()`` of the looped rows where the loop is ``batched``.
    """
    others = shared(loop, batched=batched)
    if others is not None:
        return replace(_narrowing(loop, others), place=others.place)
    found = _unshared(loop)
    if isinstance(found, Refusal):
        raise Refused.by(found)
    return found


@lru_cache(maxsize=16)  # whether rows are wide, and what streams them, is asked several times
def _unshared(loop: Loop) -> Narrowing | Refusal:
    try:
        return _narrowing(loop, None)
    except Refused as refused:
        return refused.refusal


def _narrowing(loop: Loop, others: Shared | None) -> Narrowing:
    _check_source(loop, others)
    model, columns, _ = gates.check_model(loop)
    check_plain(loop, model, columns)
    gates.check_manager(loop, model)
    unheard = [*dict.fromkeys(gates.unheard_doubts(loop, full=_is_saved_in_full(loop)))]
    for heard in saves.connected(columns) if loop.used(uses.Kind.SAVE) else ():
        raise Refused.by(heard)
    distinct = list({column.name: column for column in columns.values()}.values())
    links = links_of(loop, model, is_ordered=is_total(loop) or dependence(loop) is None)
    # Where select_related() leads, it fails without the foreign key.
    followed = [link.path for link in links if "__" not in link.path]
    if others:
        followed += _written(others.fields, model, columns)
    touched = _touched(loop, model, columns, distinct, followed)
    needed = _with_saved(touched, loop, model, columns, distinct)
    every = {c.name: c for c in distinct if c.primary_key is not True and c.has_column is True}
    spared = {name: column for name, column in every.items() if name not in needed}
    joined = {name: column for link in links for name, column in link.spared.items()}
    _check_worth(spared | joined)
    names = [name for name in every if name in needed]
    refusal = columns_refusal(loop, model, columns, names)
    doubt = refusal or columns_doubt(loop, model, columns, names)
    if doubt is not None:
        wide = {name: column for name, column in spared.items() if column.kind in WIDE}
        kept = [name for name in every if name not in wide]
        if wide and not (
            columns_refusal(loop, model, columns, kept) or columns_doubt(loop, model, columns, kept)
        ):
            kept_back = (*_of_saves(loop, distinct), *unheard)
            return Narrowing("defer", (*wide, *joined), doubts=kept_back)
    if refusal is not None:
        raise Refused.by(refusal)
    doubts = (*((doubt,) if doubt else ()), *_of_saves(loop, distinct), *unheard)
    listed = [name for name in needed if name in names] or [_key(model, distinct)]
    listed += [name for link in links for name in link.names]
    if 2 * len(spared | joined) < len(
        listed
    ):  # nearly all are needed: the rest is the shorter list
        return Narrowing("defer", (*spared, *joined), doubts=doubts)
    back = written_back([name for name in listed if name in needed], touched, columns)
    return Narrowing("only", tuple(listed), back, doubts=doubts)


def _touched(
    loop: Loop,
    model: ModelState,
    columns: Mapping[str, FieldState],
    distinct: list[FieldState],
    followed: list[str],
) -> dict[str, None]:
    """The names of the columns that the body and the query need, in order. Raises ``Refused``."""
    try:
        needed = dict.fromkeys(needed_fields(loop, model, columns))
    except Refused as refused:
        raise _with_hint(refused, loop, distinct) from None
    return dict.fromkeys(with_dimensions(needed | dict.fromkeys(followed), columns))


def _with_saved(
    touched: dict[str, None],
    loop: Loop,
    model: ModelState,
    columns: Mapping[str, FieldState],
    distinct: list[FieldState],
) -> dict[str, None]:
    """The names of the columns to load, with those that a full ``save()`` adds. Raises ``Refused``."""
    needed = dict(touched)
    if _is_saved_in_full(loop):
        check_save(loop, model)
        needed |= dict.fromkeys(computed(distinct, loop.databases))
        check_writes_something(needed, columns)
    return dict.fromkeys(with_dimensions(needed, columns))


def _is_saved_in_full(loop: Loop) -> bool:
    return any(map(is_full_save, loop.used(uses.Kind.SAVE)))


def _of_saves(loop: Loop, columns: Iterable[FieldState]) -> tuple[Refusal, ...]:
    return (*save_doubts(columns), *call_doubts(loop)) if _is_saved_in_full(loop) else ()


def _with_hint(refused: Refused, loop: Loop, columns: Iterable[FieldState]) -> Refused:
    """Names the large columns that nothing in the file does, where the row gets away."""
    if refused.refusal.reason is not Reason.ROW_ESCAPES:
        return refused
    text = "".join(loop.source.lines)
    large = [
        column.name
        for column in columns
        if column.kind in WIDE and not re.search(rf"\b{re.escape(column.name)}\b", text)
    ]
    if not large:
        return refused
    names = " and ".join(f"`{name}`" for name in large)
    arguments = ", ".join(map(loop.names.quoted, large))
    return Refused(
        refused.refusal.reason,
        f"{refused.refusal.message}; nothing in this file names its large column"
        f"{'s' if len(large) > 1 else ''} {names}: look whether .defer({arguments}) would do",
        refused.refusal.at,
    )


def _check_worth(spared: Mapping[str, FieldState]) -> None:
    if len(spared) < 3 and all(column.kind in _FIXED_SIZE for column in spared.values()):
        small = " and ".join(f"`{name}`" for name in spared)
        but = f"all columns but {small}, too small to matter" if small else "every column"
        raise Refused(Reason.ALL_FIELDS_NEEDED, f"the body needs {but}")


def _written(
    fields: Iterable[str], model: ModelState, columns: Mapping[str, FieldState]
) -> Iterator[str]:
    """The names of the columns that Django's own ``bulk_update()`` reads. Raises ``Refused``."""
    if fields and not model.has_plain_managers:
        raise Refused(
            Reason.CUSTOM_MANAGER, f"a manager of {model.label} may have its own bulk_update()"
        )
    for name in fields:
        column = columns.get(name)
        if column is None or column.has_column is not True:
            raise Refused(
                Reason.FIELD_UNKNOWN, f"what bulk_update() writes of `{name}` is not known"
            )
        yield column.name


def _check_source(loop: Loop, others: Shared | None) -> None:
    assert isinstance(loop.rows, Rows)
    if loop.rows.has(*_NARROW):
        raise Refused(Reason.ALREADY_NARROW, "the queryset names its columns already")
    if loop.row is None:
        raise Refused(Reason.NOT_INSTANCES, "the rows are not model instances under one name")
    if not others and (read := filling(loop)) and (held := cannot_stream(loop, in_batches=True)):
        at = loop.at(read[0].node)
        raise Refused(
            Reason.QUERYSET_REUSED,
            f"{at} reads the rows before, and {held.message}: the loop would read them again",
            at,
        )
    for step in loop.rows.steps:
        with loop.locating(step.node):
            _check_step(step)
    if loop.is_over_iterator:
        raise Refused(
            Reason.QUERYSET_SHAPE,
            ".only() would have to stand before the .iterator() above the loop",
        )
    if loop.is_used_after(loop.row):
        raise Refused(Reason.USED_AFTER, f"`{loop.row}` is used after the loop")
    sources.check_wrappers(loop)


def _check_step(step: Step) -> None:
    if step.name in _STEPS_REFUSED:
        raise Refused(
            Reason.QUERYSET_SHAPE, f"`.{step.name}()` in the queryset decides what is loaded"
        )
    arguments = [*step.call.args, *step.call.keywords] if step.call else []
    if step.name == "extra" and not all(
        isinstance(a, ast.keyword) and a.arg in {"where", "params"} for a in arguments
    ):
        raise Refused(Reason.QUERYSET_SHAPE, "`.extra()` adds columns or an order of its own")
    match step.name, step.node:
        case "[]", ast.Subscript(value=ast.Call(), slice=ast.Slice(step=None)):
            return
        case "[]", _ if step.pages is not None:
            raise Refused(
                Reason.QUERYSET_SHAPE, ".only() would have to stand in the query of the Paginator"
            )
        case "[]", _:
            raise Refused(
                Reason.QUERYSET_SHAPE,
                "the slice may be a list: of rows read before, or by its step",
            )


def _key(model: ModelState, columns: Iterable[FieldState]) -> str:
    """``only()`` without a name loads everything."""
    key = next((c for c in (*model.fields, *columns) if c.primary_key is True), None)
    if key is None:
        raise Refused(Reason.FIELD_UNKNOWN, "the primary key is not known")
    return key.name
