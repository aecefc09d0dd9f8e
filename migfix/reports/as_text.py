"""The findings for people, and for whatever reads ``path:line:col: code message`` lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migfix.findings import FileOutcome, LoopOutcome
from migfix.quoting import quoted
from migfix.reports.colors import Color, paint
from migfix.reports.told import first_line, further_lines, quiet_reason, summary, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def render(
    outcomes: Sequence[FileOutcome],
    *,
    applied: bool,
    quiet: bool = False,
    verbose: bool = False,
    color: bool = False,
) -> str:
    """What was rewritten (``applied``) or would be, what was left alone and why, and the totals.

    ``quiet`` keeps only the rewrites, ``verbose`` adds what each codemod says of each loop. Errors are no part
    of it: they belong on standard error. What is said of a loop starts with a line ``path:line:column: ``,
    which editors and problem matchers turn into links; doubts stand below it, further in.
    """
    report = _Report(color, verbose)
    blocks = [_rewritten(outcome, report, with_path=applied and not quiet) for outcome in outcomes]
    if not quiet:
        blocks.append(_left_alone(outcomes, report))
        blocks.append(_remarks(outcomes, report))
        blocks.append(
            [line for said in summary(outcomes, applied=applied) for line in wrapped(said)]
        )
    separator = "\n" if applied and not quiet else ""
    return _joined(blocks, separator)


class _Report:
    """How one line is written, with or without colours."""

    def __init__(self, color: bool, verbose: bool) -> None:
        self.color = color
        self.verbose = verbose

    def path(self, outcome: FileOutcome) -> str:
        return paint(quoted(outcome.path.as_posix()), Color.BOLD, enabled=self.color)

    def loop(
        self, outcome: FileOutcome, loop: LoopOutcome, verdict: str, color: Color
    ) -> list[str]:
        place = f"{self.path(outcome)}:{loop.line}:{loop.column}:"
        first = f"{place} {paint(verdict, color, enabled=self.color)} {first_line(loop)}"
        return [first, *further_lines(loop, verbose=self.verbose)]


def _rewritten(outcome: FileOutcome, report: _Report, *, with_path: bool) -> list[str]:
    if not outcome.changed:
        return []
    lines = [report.path(outcome)] if with_path else []
    for loop in outcome.loops:
        if loop.changed:
            lines += report.loop(outcome, loop, " ".join(loop.codes), Color.GREEN)
    return lines


def _left_alone(outcomes: Sequence[FileOutcome], report: _Report) -> list[str]:
    lines = [
        line
        for outcome in outcomes
        for loop in outcome.loops
        if outcome.error is None and not loop.changed and (report.verbose or not quiet_reason(loop))
        for line in report.loop(outcome, loop, "left:", Color.YELLOW)
    ]
    return ["Left alone:", *lines] if lines else []


def _remarks(outcomes: Iterable[FileOutcome], report: _Report) -> list[str]:
    return [
        f"{report.path(each)}:{said.line}:1: comment: {quoted(said.text)}"
        for each in outcomes
        for said in each.remarks
    ]


def _joined(blocks: Iterable[Sequence[str]], separator: str) -> str:
    return separator.join("\n".join(block) + "\n" for block in blocks if block)
