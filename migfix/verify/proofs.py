"""What came out of running both versions of a migration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migfix.findings import Figures, Statements, Verdict, Verified

NOT_REACHED = "no generated row came to the loop in a run that raised nothing"


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of a RunPython, ``forwards`` or ``reverse``, in both versions."""

    name: str
    before: Figures
    after: Figures


@dataclass(frozen=True, slots=True)
class Difference:
    """Data on which the versions differ: its seed, the rows, and the statements of both."""

    seed: int
    way: str
    lines: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MoreQueries:
    """Data on which the second version sends more queries: its seed, the rows of each table, the figures."""

    seed: int
    way: str
    rows: int
    before: int
    after: int

    def __str__(self) -> str:
        return (
            f"sends more queries than before: {self.after} instead of {self.before},"
            f" {self.way}, with {self.rows} rows in each table (seed {self.seed})"
        )


@dataclass(frozen=True, slots=True)
class LoopRun:
    """A loop that migfix rewrote; ``reached``: some row of the data came to its body, in a function
    that raised nothing.
    """

    path: Path
    line: int
    codes: tuple[str, ...]
    reached: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What was seen of one RunPython. ``reason`` is why it was not run, or what else to know of it.

    ``branches`` is the number of ways that its functions may take; ``unreached`` says which of them no
    row took, a line each. ``outside`` are attempts to reach something else than the database;
    ``notes`` what is not as in the project. ``raised``: the rounds in which both raised the same.
    """

    path: Path
    label: str
    verdict: Verdict
    reason: str = ""
    rounds: int = 0
    raised: int = 0
    ways: tuple[Way, ...] = ()
    loops: tuple[LoopRun, ...] = ()
    branches: int = 0
    unreached: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    difference: Difference | None = None
    more_queries: MoreQueries | None = None
    sql: Statements | None = None

    @property
    def before(self) -> Figures | None:
        """What the original needed, both directions together; None where it did not run."""
        return _together([way.before for way in self.ways])

    @property
    def after(self) -> Figures | None:
        return _together([way.after for way in self.ways])

    @property
    def verdicts(self) -> list[Verdict]:
        """Those of its loops, or its own where no loops are known."""
        return [self.verified(loop).verdict for loop in self.loops] or [self.verdict]

    def verified(self, loop: LoopRun) -> Verified:
        """What that says of one of its loops: nothing, where no row came to it."""
        if self.verdict is Verdict.EQUAL and not loop.reached:
            return Verified(Verdict.NOT_RUN, NOT_REACHED)
        reason = self.reason or self._difference()
        return Verified(self.verdict, reason, self.before, self.after, self.sql)

    def _difference(self) -> str:
        return " ".join(self.difference.lines[:2]) if self.difference else ""


def _together(figures: Sequence[Figures]) -> Figures | None:
    if not figures:
        return None
    return Figures(
        sum(each.queries for each in figures),
        sum(each.seconds for each in figures),
        max(each.memory for each in figures),
    )
