"""Whether rows may be so wide that a fixed number of them is too much for memory."""

from __future__ import annotations

from migfix.columns.narrowing import narrowing
from migfix.expressions.context import Refused
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, Unknown
from migfix.reading.kinds.values import Rows
from migfix.sql.kinds import WIDE

_LONG = 5000  # characters


def too_wide(loop: Loop) -> Refusal | None:
    """A column for which ``.iterator()``, with its 2,000 rows at a time, may take much memory.

    https://docs.djangoproject.com/en/stable/ref/models/querysets/#iterator
    """
    wide = {column.name: column for column in _columns(loop) if _is_wide(column)}
    if not wide or not isinstance(loop.rows, Rows):
        return None
    loaded = _loaded(loop, list(wide))
    first = next((name for name in wide if name in loaded), None)
    if first is None:
        return None
    return Refusal(
        Reason.DOES_NOT_STREAM,
        f".iterator() holds 2,000 rows at a time, and `{first}` may be long",
    )


def _columns(loop: Loop) -> tuple[FieldState, ...]:
    return () if isinstance(loop.columns, Unknown) else loop.columns


def _is_wide(column: FieldState) -> bool:
    if column.kind == "CharField":
        length = column.options.get("max_length")
        return not isinstance(length, int) or length > _LONG
    return column.kind is None or column.kind in WIDE


def _loaded(loop: Loop, wide: list[str]) -> frozenset[str]:
    """Those of the columns that the query will load, after all that may be left out is."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        named = {str(name).partition("__")[0] for name in step.lookups if name is not None}
        if step.name in {"values", "values_list", "only"} and step.lookups:
            return frozenset(named if None not in step.lookups else wide)
        if step.name == "defer" and None not in step.lookups:
            return frozenset(wide) - named
    try:
        found = narrowing(loop)
    except Refused:
        return frozenset(wide)
    if found.doubts:  # it may not be applied
        return frozenset(wide)
    return frozenset(found.names) if found.method == "only" else frozenset(wide) - {*found.names}
