"""Proofs as text and as JSON."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from migfix import __version__
from migfix.findings import Figures, Verdict
from migfix.quoting import quoted
from migfix.reports.colors import Color, paint
from migfix.settings import from_here, shown
from migfix.verify.proofs import LoopRun, Proof, Way

SCHEMA = 1
_MOST_NOTES = 10
_MOST_PLACES = 5
_COLORS = {
    Verdict.EQUAL: Color.GREEN,
    Verdict.DIFFERENT: Color.RED,
    Verdict.MORE_QUERIES: Color.RED,
    Verdict.NOT_RUN: Color.YELLOW,
}


def as_text(proofs: Sequence[Proof], arguments: Sequence[str], *, color: bool = False) -> str:
    """A table with a line for each loop, what else is to be known, each difference, and the totals.

    ``arguments`` are what repeats the run, but for the paths.
    """
    if not proofs:
        return "Nothing to verify.\n"
    lines = list(_table(proofs, color))
    for proof in proofs:
        lines += map(quoted, _remarks(proof))
    for proof in proofs:
        if proof.difference is not None:
            lines += ["", *map(quoted, _difference(proof, arguments))]
    lines += _notes(proofs)
    lines += _not_run(proofs)
    return "\n".join([*lines, "", _totals(proofs)]) + "\n"


def _not_run(proofs: Sequence[Proof]) -> Iterator[str]:
    """Each reason once, that which costs the most loops first, with the places that it costs."""
    places: dict[str, list[str]] = {}
    for proof in filter(_is_not_run, proofs):
        named = [_place(proof, loop).partition(" ")[0] for loop in proof.loops]
        places.setdefault(proof.reason, []).extend(named or [_place(proof, None)])
    if places:
        yield ""
        yield "Not run:"
    for reason, costs in sorted(places.items(), key=lambda item: (-len(item[1]), item[0])):
        more = f" and {len(costs) - _MOST_PLACES} more" if len(costs) > _MOST_PLACES else ""
        yield quoted(f"  {len(costs)}: {reason}")
        yield quoted(f"     {', '.join(costs[:_MOST_PLACES])}{more}")


def _is_not_run(proof: Proof) -> bool:
    return bool(proof.reason) and set(proof.verdicts) == {Verdict.NOT_RUN}


def _table(proofs: Sequence[Proof], color: bool) -> Iterator[str]:
    head = ("", "queries", "time", "memory", "branches", "")
    rows = [(head, None), *((row, verdict) for p in proofs for row, verdict in _rows(p))]
    told = [column for column in range(len(head)) if any(row[column] for row, _ in rows[1:])]
    widths = [max(len(row[column]) for row, _ in rows) for column in told]
    for row, verdict in rows:
        cells = [row[column].ljust(width) for column, width in zip(told, widths, strict=True)]
        if verdict is not None:
            cells[0] = paint(cells[0], _COLORS[verdict], enabled=color)
        yield "  ".join(cells).rstrip()


def _rows(proof: Proof) -> Iterator[tuple[tuple[str, ...], Verdict]]:
    figures = _figures(proof)
    branches = f"{proof.branches - len(proof.unreached)} of {proof.branches}" if proof.ways else ""
    for loop, verdict in zip(proof.loops or (None,), proof.verdicts, strict=True):
        row = (verdict.value.replace("-", " "), *figures, branches, _place(proof, loop))
        yield row, verdict


def verdict_lines(proof: Proof, *, color: bool = False) -> list[str]:
    """A line for each loop, for somebody who waits."""
    return [
        f"{paint(row[0], _COLORS[verdict], enabled=color)}  {row[-1]}"
        for row, verdict in _rows(proof)
    ]


def _place(proof: Proof, loop: LoopRun | None) -> str:
    if loop is None:
        return quoted(f"{shown(proof.path)} {proof.label}".rstrip())
    return f"{shown(loop.path)}:{loop.line} {' '.join(loop.codes)}"


def _figures(proof: Proof) -> tuple[str, str, str]:
    before, after = proof.before, proof.after
    if before is None or after is None:
        return "", "", ""
    return (
        f"{before.queries} -> {after.queries}",
        f"{before.seconds * 1000:.0f} -> {after.seconds * 1000:.0f} ms",
        _memory(before, after),
    )


def _memory(before: Figures, after: Figures) -> str:
    if not (before.memory_says_something or after.memory_says_something):
        return ""
    return f"{before.memory / 2**20:.1f} -> {after.memory / 2**20:.1f} MiB"


def _remarks(proof: Proof) -> Iterator[str]:
    place = f"{shown(proof.path)} {proof.label}".rstrip()
    if proof.reason and not _is_not_run(proof):
        yield f"{place}: {proof.reason}"
    elif proof.raised:
        yield f"{place}: both raise the same in {proof.raised} of {proof.rounds} data sets"
    yield from proof.unreached
    yield from (f"{place}: {each}" for each in proof.outside)


def _notes(proofs: Sequence[Proof]) -> Iterator[str]:
    """What is not as in the project, each once."""
    found = Counter(note for proof in proofs for note in dict.fromkeys(proof.notes))
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    if ranked:
        yield ""
        yield "Not as in the project:"
    for note, number in ranked[:_MOST_NOTES]:
        yield quoted(f"  {number}: {note}")
    if len(ranked) > _MOST_NOTES:
        yield f"  and {len(ranked) - _MOST_NOTES} more (--output-format json has them all)"


def _difference(proof: Proof, arguments: Sequence[str]) -> Iterator[str]:
    found = proof.difference
    assert found is not None
    codes = " ".join(dict.fromkeys(code for loop in proof.loops for code in loop.codes))
    yield f"{shown(proof.path)} {proof.label}: NOT EQUAL {found.way}, on data of seed {found.seed}"
    if codes:
        yield f"This is a bug of migfix {__version__} ({codes}): please report it with what follows."
    yield from (f"  {line}" for line in found.lines)
    for version, statements in (("before", found.before), ("after", found.after)):
        yield f"  SQL {version}:"
        yield from (f"    {' '.join(statement.split())}" for statement in statements)
    yield f"  To repeat: {shlex.join(['migfix', 'verify', from_here(proof.path), *arguments])}"


def _counts(proofs: Sequence[Proof]) -> Counter[Verdict]:
    return Counter(verdict for proof in proofs for verdict in proof.verdicts)


def _totals(proofs: Sequence[Proof]) -> str:
    counts = _counts(proofs)
    parts = [
        f"{counts[verdict]} {verdict.value.replace('-', ' ')}"
        for verdict in Verdict
        if counts[verdict] or verdict is not Verdict.MORE_QUERIES
    ]
    what = "loops" if any(proof.loops for proof in proofs) else "operations"
    return f"Verified {sum(counts.values())} {what}: {', '.join(parts)}."


def as_json(proofs: Sequence[Proof]) -> str:
    """One JSON document: keys and meanings stay, ``schema`` counts incompatible changes."""
    counts = _counts(proofs)
    report = {
        "schema": SCHEMA,
        "migfix": __version__,
        "summary": {verdict.value: counts[verdict] for verdict in Verdict},
        "operations": [_operation(proof) for proof in proofs],
    }
    return json.dumps(report, indent=2) + "\n"


def _operation(proof: Proof) -> dict[str, Any]:
    found = proof.difference
    return {
        "path": from_here(proof.path),
        "functions": proof.label,
        "verdict": proof.verdict.value,
        "reason": proof.reason,
        "data_sets": proof.rounds,
        "raised": proof.raised,
        "directions": {way.name: _way(way) for way in proof.ways},
        "loops": [
            {
                "path": from_here(loop.path),
                "line": loop.line,
                "codes": list(loop.codes),
                "verdict": proof.verified(loop).verdict.value,
            }
            for loop in proof.loops
        ],
        "branches": proof.branches,
        "unreached": list(proof.unreached),
        "outside": list(proof.outside),
        "notes": list(proof.notes),
        "more_queries": proof.more_queries and asdict(proof.more_queries),
        "difference": found
        and {
            "seed": found.seed,
            "direction": found.way,
            "rows": list(found.lines),
            "sql_before": list(found.before),
            "sql_after": list(found.after),
        },
    }


def _way(way: Way) -> dict[str, Any]:
    return {"before": _numbers(way.before), "after": _numbers(way.after)}


def _numbers(figures: Figures) -> dict[str, Any]:
    return {
        "queries": figures.queries,
        "seconds": round(figures.seconds, 6),
        "memory": figures.memory,
    }
