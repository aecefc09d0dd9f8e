"""The SQL of both versions in lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migfix.reports.told import count, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from migfix.findings import Statement, Statements


def told(sql: Statements) -> str:
    """What was sent, on which rows, in which direction, and because of which loops."""
    lines = " and ".join(map(str, sql.lines))
    loops = f"the loop of line {lines}" if len(sql.lines) == 1 else f"the loops of lines {lines}"
    rows = count(sql.rows, "row")
    return f"all that the RunPython of {loops} sent, {sql.way}, with {rows} in each table"


def as_text(sql: Statements) -> str:
    """Both versions, one below the other; in front of a statement, how many alike it stands for."""
    return "".join(f"{line}\n" for line in _lines(sql))


def _lines(sql: Statements) -> Iterator[str]:
    yield from wrapped(f"SQL, {told(sql)}:")
    for name, statements in (("as it is", sql.before), ("as rewritten", sql.after)):
        yield f"  {name}"
        yield from _listed(statements)


def _listed(statements: Iterable[Statement]) -> Iterator[str]:
    for each in statements:
        yield from wrapped(f"{each.times} x {' '.join(each.text.split())}", "    ")
