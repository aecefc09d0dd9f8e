"""How many loops there are of each kind."""

from __future__ import annotations

from pathlib import Path

from migfix.findings import Applicability, FileOutcome, LoopOutcome, Outcome
from migfix.reports.statistics import table


def loop(*codes: str, blocked_by: str | None = None) -> LoopOutcome:
    safe = Applicability.SAFE if codes else None
    return LoopOutcome(1, 1, 2, "f", None, Outcome.LEFT, safe, codes, "why", blocked_by)


def test_codes_and_reasons_are_counted_most_frequent_first():
    loops = (
        loop("MF201", "MF203"),
        loop("MF203", blocked_by="value"),
        loop(blocked_by="value"),
        loop(blocked_by="keeps-rows"),
        loop(blocked_by="keeps-rows"),
        *[loop()] * 10,
    )
    failed = FileOutcome(Path("b.py"), loops, error="broken")
    assert table([FileOutcome(Path("a.py"), loops), failed]) == (
        " 2  MF203  server-side-cursor\n"
        " 1  MF201  load-only-used-fields\n"
        "10  left   nothing to do\n"
        " 2  left   keeps-rows\n"
        " 1  left   value\n"
    )
    assert table([]) == ""
