"""Whether a loop's rows can be streamed, and whether a plain ``.iterator()`` is enough for that."""

from __future__ import annotations

import ast

from migfix.findings import Reason, Refusal
from migfix.loops import effects, uses
from migfix.loops.loop import Loop
from migfix.loops.values import RawRows, Rows

_SMALL_SLICE = 1000


def cannot_stream(loop: Loop) -> Refusal | None:
    """Why the rows must stay a list, whatever fetches them; None when they may be streamed."""
    if isinstance(loop.rows, RawRows):
        return Refusal(Reason.RAW_SQL, f"the rows come from {loop.rows.what}")
    if loop.rows.model.real:
        return Refusal(Reason.REAL_MODEL, "the model is imported, not taken from apps")
    if loop.reused is not None:
        line = getattr(loop.reused, "lineno", loop.node.lineno)
        return Refusal(Reason.QUERYSET_REUSED, f"the queryset's rows are used again on line {line}")
    if loop.rows.has("list()"):
        return Refusal(Reason.QUERYSET_REUSED, "the rows were read into a list before the loop")
    return _few_rows(loop) or _kept(loop)


def _few_rows(loop: Loop) -> Refusal | None:
    if loop.outer_row_loop is not None:
        return Refusal(
            Reason.PER_PARENT,
            f"one small query for each turn of the loop on line {loop.outer_row_loop.lineno}",
        )
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if step.name == "[]" and isinstance(step.node, ast.Subscript):
            return Refusal(Reason.FEW_ROWS, "the queryset is sliced: it is one page of the rows")
    if loop.rows.has("dates", "datetimes", "none"):
        return Refusal(Reason.FEW_ROWS, "the queryset holds few rows by its nature")
    return None


def _kept(loop: Loop) -> Refusal | None:
    """Streaming gains nothing, or goes wrong, when rows outlive their turn or leave the function."""
    if set(loop.wrappers) & {"sorted", "reversed", "set"}:
        return Refusal(Reason.KEEPS_ROWS, f"{loop.wrappers[0]}(...) needs all rows at once")
    if loop.having(effects.Kind.YIELDS):
        return Refusal(Reason.LEAVES_FUNCTION, "the loop yields while its query is open")
    for use in loop.used(uses.Kind.ESCAPE):
        parent = loop.resolver.scope.parents.get(use.node)
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute):
            if parent.func.attr in {"append", "add", "appendleft", "insert"}:
                return Refusal(
                    Reason.KEEPS_ROWS, f"line {parent.lineno} keeps every row until after the loop"
                )
    return None


def plain_iterator_falls_short(loop: Loop) -> Refusal | None:
    """Why ``.iterator()`` would not stream, or not the same rows, on a database of the project."""
    databases = loop.databases
    assert isinstance(loop.rows, Rows)
    if databases.any("mysql", "mariadb"):
        return Refusal(
            Reason.DOES_NOT_STREAM, ".iterator() reads the whole result on MySQL and MariaDB"
        )
    if databases.any("sqlite") and (why := _may_write(loop)):
        return Refusal(Reason.QUERY_IN_BODY, f"on SQLite .iterator() may meet rows again: {why}")
    if loop.rows.has("select_for_update"):
        return Refusal(
            Reason.LOCKED_ROWS, "on PostgreSQL .iterator() skips locked rows that change"
        )
    if loop.having(effects.Kind.SQL):
        return Refusal(
            Reason.SCHEMA_CHANGE, "the body uses the connection while the cursor is open"
        )
    if loop.having(effects.Kind.TRANSACTION):
        return Refusal(
            Reason.TRANSACTION, "the body controls transactions while the cursor is open"
        )
    if loop.rows.has("prefetch_related"):
        return Refusal(Reason.PREFETCH, ".iterator() needs a chunk size to prefetch")
    if loop.rows.model.key is None:
        return Refusal(Reason.MODEL_UNKNOWN, "the model is not named by literals")
    return None


def _may_write(loop: Loop) -> str | None:
    """What in the body may write the table that the loop reads."""
    if loop.used(uses.Kind.SAVE, uses.Kind.DELETE, uses.Kind.ESCAPE):
        return "the body saves or passes on its rows"
    kinds = (effects.Kind.WRITES, effects.Kind.CALL, effects.Kind.SQL)
    found = loop.having(*kinds)
    return f"line {getattr(found[0].node, 'lineno', 0)} may write" if found else None


def already_streams(loop: Loop) -> bool:
    return isinstance(loop.rows, Rows) and loop.rows.has("iterator")
