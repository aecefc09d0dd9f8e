"""How many loops there are of each kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from migfix.settings import all_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migfix.findings import FileOutcome


def table(outcomes: Sequence[FileOutcome]) -> str:
    """A line for each code that rewrites loops and for each reason to leave them, most frequent first.

    A loop that several codes rewrite counts for each of them.
    """
    loops = [loop for outcome in outcomes if outcome.error is None for loop in outcome.loops]
    codes = Counter(code for loop in loops for code in loop.codes)
    reasons = Counter(loop.blocked_by or "nothing to do" for loop in loops if not loop.changed)
    names = all_codes()
    rows = [
        *((number, code, names.get(code, "")) for code, number in _ranked(codes)),
        *((number, "left", reason) for reason, number in _ranked(reasons)),
    ]
    width = max((len(str(number)) for number, *_ in rows), default=0)
    return "".join(f"{number:>{width}}  {kind:<5}  {name}\n" for number, kind, name in rows)


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
