"""What two versions of a migration did, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

from migfix.findings import Figures, Statement, Statements
from migfix.settings import shown
from migfix.verify.proofs import Difference, MoreQueries, Way

_MOST_ROWS = 5
_MOST_STATEMENTS = 12
_ROWS_OF_STATEMENT = 100
_FEW_STATEMENTS = 4
_FEW_ROWS = 50
_LONG = 700
_OF_STATEMENTS = {
    "MF101",
    "MF102",
    "MF103",
}  # they stand for themselves: no loop whose rows need them
WAYS = ("forwards", "reverse")

Round = Mapping[str, Any]


def ways_of(first: Sequence[Round], second: Sequence[Round]) -> tuple[Way, ...]:
    """The figures of each direction, summed over the rounds; memory is the greatest."""
    return tuple(
        Way(way, _figures(way, first), _figures(way, second))
        for way in WAYS
        if any(way in each for each in first)
    )


def _figures(way: str, rounds: Sequence[Round]) -> Figures:
    ran = [each[way] for each in rounds if way in each]
    return Figures(
        queries=sum(each["queries"] for each in ran),
        seconds=sum(each["seconds"] for each in ran),
        memory=max((each["memory"] for each in ran), default=0),
    )


def statements_of(
    first: Sequence[Round], second: Sequence[Round], lines: tuple[int, ...]
) -> Statements | None:
    """What both sent on one set of data: of those with few rows in which nothing was raised, where the first sent
    most. None where there is none.
    """
    found = [
        (one[way]["sent"], one, other, way)
        for one, other in zip(first, second, strict=True)
        for way in WAYS
        if 0 < one["spec"]["rows"] <= _FEW_ROWS and way in one and way in other
        if not one[way]["error"] and not other[way]["error"]
    ]
    sent, one, other, way = max(found, key=lambda each: each[0], default=(0, {}, {}, ""))
    if not sent:
        return None
    before, after = _counted(one[way]), _counted(other[way])
    return Statements(way, one["spec"]["rows"], lines, before, after)


def _counted(ran: Mapping[str, Any]) -> tuple[Statement, ...]:
    """Those alike, one after another, are one; what was sent after the last that is kept is said."""
    groups = [[*alike] for _, alike in groupby(ran["sql"], key=_without_values)]
    kept = tuple(Statement(group[0], len(group)) for group in groups[:_MOST_STATEMENTS])
    left = ran["sent"] - sum(each.times for each in kept)
    return (*kept, Statement("... others", left)) if left > 0 else kept


def _without_values(statement: str) -> str:
    """What tells one from those alike. The worker writes values as a comment, and the end of what is long as dots;
    Django writes None into the SQL itself.
    """
    sql = (statement.rpartition("  -- ")[0] or statement).replace("NULL", "%s")
    return sql[:_LONG] if sql.endswith("...") else sql


def raised_in_all(rounds: Sequence[Round], way: str) -> str | None:
    """The error of the function, where it raised one on all data but none; None where it did not."""
    ran = [each[way] for each in rounds if each["spec"]["rows"] and way in each]
    if not ran or not all(each["error"] for each in ran):
        return None
    return _said(ran[-1])


def commonest_error(rounds: Sequence[Round]) -> str | None:
    """What the function raises most often, with the number of data sets; None where it raises nothing."""
    raised = [each["forwards"] for each in rounds if each["forwards"]["error"]]
    if not raised:
        return None
    ((error, line), number), *_ = Counter(
        (each["error"], _line(each)) for each in raised
    ).most_common()
    one = next(each for each in raised if (each["error"], _line(each)) == (error, line))
    return f"{number} of {len(rounds)} data sets raise {_said(one)}"


def _said(ran: Mapping[str, Any]) -> str:
    place = f" ({_line(ran)})" if ran["line"] else ""
    return f"{ran['error'].removeprefix('builtins.')}: {ran['message']}{place}"


def _line(ran: Mapping[str, Any]) -> str:
    return f"{shown(Path(ran['line'][0]))}:{ran['line'][1]}" if ran["line"] else ""


def difference(first: Sequence[Round], second: Sequence[Round]) -> Difference | None:
    """The first difference, of the smallest round that shows one."""
    pairs = zip(first, second, strict=True)
    for one, other in sorted(pairs, key=lambda pair: pair[0]["spec"]["rows"]):
        for way in WAYS:
            found = _between(one.get(way), other.get(way))
            if found:
                return Difference(
                    seed=one["spec"]["seed"],
                    way=way,
                    lines=tuple(found),
                    before=_trace(one.get(way), other.get(way)),
                    after=_trace(other.get(way), one.get(way)),
                )
    return None


def more_queries(
    first: Sequence[Round], second: Sequence[Round], codes: Collection[str]
) -> MoreQueries | None:
    """Where the second version sends more queries, in the smallest round that shows it.

    What a rewrite announces is not held against it: batches and chunks take a statement for some
    hundred rows, and one that is made of statements alone a fixed few, also where no row needs them.
    Nor are rounds in which a function raises: after an error a batch writes its rows one by one.
    """
    few = _FEW_STATEMENTS if not codes or _OF_STATEMENTS & set(codes) else 0
    pairs = zip(first, second, strict=True)
    for one, other in sorted(pairs, key=lambda pair: pair[0]["spec"]["rows"]):
        rows = one["spec"]["rows"]
        for way in WAYS:
            before, after = one.get(way), other.get(way)
            if not before or not after or before["error"] or after["error"]:
                continue
            if after["queries"] > before["queries"] + few + rows // _ROWS_OF_STATEMENT:
                return MoreQueries(
                    one["spec"]["seed"], way, rows, before["queries"], after["queries"]
                )
    return None


def _between(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> list[str]:
    if one is None or other is None:
        return []  # no reverse after an error, which was compared
    if one["error"] != other["error"]:
        return [f"before: {_raised(one)}", f"after: {_raised(other)}"]
    lines = [
        line
        for table in sorted({*one["tables"], *other["tables"]})
        for line in _of_table(table, one["tables"].get(table), other["tables"].get(table))
    ]
    if not lines and one["output"] != other["output"]:
        lines = [f"before: prints {one['output']!r}", f"after: prints {other['output']!r}"]
    return lines


def _raised(ran: Mapping[str, Any]) -> str:
    return f"raises {ran['error']}: {ran['message']}" if ran["error"] else "raises nothing"


def _of_table(
    name: str, one: Mapping[str, Any] | None, other: Mapping[str, Any] | None
) -> Iterator[str]:
    if one is None or other is None:
        yield f"{name}: is there only {'after' if one is None else 'before'}"
        return
    if one == other:
        return
    lost, added = (Counter(map(tuple, each["rows"])) for each in (one, other))
    before, after = list((lost - added).elements()), list((added - lost).elements())
    columns = one["columns"]
    key = columns.index("id") if "id" in columns else 0
    partners = {row[key]: row for row in after}
    pairs = [(row, partners.pop(row[key])) for row in before if row[key] in partners]
    paired = {row for pair in pairs for row in pair}
    yield f"{name}: {len(before)} rows only before, {len(after)} only after"
    for row, partner in sorted(pairs, key=_length)[:_MOST_ROWS]:
        changes = [
            f"{column}: {old} before, {new} after"
            for column, old, new in zip(columns, row, partner, strict=True)
            if old != new
        ]
        yield f"  {columns[key]} {row[key]}: {'; '.join(changes)}"
    for sign, rows in (("before", before), ("after", after)):
        for row in sorted((r for r in rows if r not in paired), key=_length)[:_MOST_ROWS]:
            values = ", ".join(f"{c}={v}" for c, v in zip(columns, row, strict=True))
            yield f"  only {sign}: {values}"


def _length(value: Iterable[object]) -> int:
    return len(str(value))


def _trace(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The statements of ``one`` from a little before the first that differs from those of ``other``."""
    if one is None or other is None:
        return ()
    statements = one["sql"]
    unequal = (
        number for number, (a, b) in enumerate(zip_longest(statements, other["sql"])) if a != b
    )
    start = max(next(unequal, 0) - 2, 0)
    shown = statements[start : start + _MOST_STATEMENTS]
    left = one["sent"] - start - len(shown)
    return (*shown, *([f"... and {left} more"] if left > 0 else []))
