"""The findings as annotations of GitHub Actions, and as a table for the summary of the job.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-a-warning-message
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migfix.quoting import quoted
from migfix.reports.told import quiet_reason, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migfix.findings import FileOutcome, LoopOutcome


_PLACE = re.compile(r"line (\d+)(?:, column (\d+))?: ")


def render(outcomes: Sequence[FileOutcome]) -> str:
    """A warning for each loop that can be rewritten, a notice for each that is left, an error for each file
    that failed.
    """
    return "".join(f"{line}\n" for outcome in outcomes for line in _of_file(outcome))


def table(outcomes: Sequence[FileOutcome]) -> str:
    """Markdown for ``$GITHUB_STEP_SUMMARY``: what can be rewritten, and the totals."""
    rows = [
        f"| `{_cell(outcome.path.as_posix())}:{loop.line}` | {' '.join(loop.codes)} | {_cell(loop.reason)} |"
        for outcome in outcomes
        if outcome.error is None
        for loop in outcome.loops
        if loop.changed
    ]
    head = ["| loop | | what migfix apply would do |", "|---|---|---|"] if rows else []
    totals = summary(outcomes, applied=False)
    return "\n".join(["## migfix", "", *head, *rows, "", *map(_cell, totals), ""])


def _of_file(outcome: FileOutcome) -> Iterator[str]:
    path = _value(outcome.path.as_posix())
    if outcome.error is not None:
        found = _PLACE.match(outcome.error)
        line = f",line={found[1]}" if found else ""
        column = f",col={found[2]}" if found and found[2] else ""
        yield f"::error file={path}{line}{column},title=migfix::{_text(outcome.error)}"
        return
    for remark in outcome.remarks:
        yield f"::warning file={path},line={remark.line},title=migfix comment::{_text(remark.text)}"
    for loop in (each for each in outcome.loops if quiet_reason(each) is None):
        level, title = ("warning", " ".join(loop.codes)) if loop.changed else ("notice", "left")
        place = f"file={path},line={loop.line},endLine={loop.end_line},col={loop.column}"
        yield f"::{level} {place},title=migfix {title}::{_text(_message(loop))}"


def _message(loop: LoopOutcome) -> str:
    offer = f"\n--unsafe-fixes: {loop.offer}" if loop.offer else ""
    return loop.reason.replace("; ", "\n") + offer


def _text(text: str) -> str:
    lines = [quoted(line) for line in text.split("\n")]
    return "%0A".join(line.replace("%", "%25") for line in lines)


def _value(text: str) -> str:
    plain = quoted(text).replace("%", "%25")
    return plain.replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return quoted(text).replace("|", "\\|")
