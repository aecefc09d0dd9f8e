"""The findings for people, and for whatever reads ``path:line:col: code message`` lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from migfix.findings import FileOutcome, LoopOutcome
from migfix.quoting import quoted
from migfix.reports.colors import Color, paint
from migfix.reports.told import count, created, databases, first_line, further_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


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
        blocks.append(list(_summary(outcomes, applied=applied)))
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
        if outcome.error is None and not loop.changed
        for line in report.loop(outcome, loop, "left:", Color.YELLOW)
    ]
    return ["Left alone:", *lines] if lines else []


def _summary(outcomes: Sequence[FileOutcome], *, applied: bool) -> Iterator[str]:
    sound = [outcome for outcome in outcomes if outcome.error is None]
    loops = [loop for outcome in sound for loop in outcome.loops]
    changed = sum(loop.changed for loop in loops)
    files = sum(outcome.changed for outcome in sound)
    offers = sum(loop.offer is not None for loop in loops)
    failed = len(outcomes) - len(sound)
    if changed:
        done = "Rewrote" if applied else "Can rewrite"
        then = "" if applied else "; run migfix apply"
        yield f"{done} {count(changed, 'loop')} in {count(files, 'file')}{then}."
    else:
        yield f"Nothing to rewrite in {count(len(sound), 'file')}."
    yield from created(sound, "Created" if applied else "apply creates")
    if changed < len(loops):
        yield f"Left {count(len(loops) - changed, 'loop')} alone{_reasons(loops)}."
    if offers:
        yield f"{offers} more with --unsafe-fixes."
    if failed:
        yield f"{count(failed, 'file')} failed, see the errors."
    if loops:
        yield from databases(sound)
    if not applied:
        yield from _logged(sound)


def _logged(outcomes: Iterable[FileOutcome]) -> Iterator[str]:
    """Once for each project: its DEBUG, and the loops that it makes expensive."""
    found = Counter({o.debug_setting: 0 for o in outcomes if o.debug_setting})
    for outcome in outcomes:
        if outcome.debug_setting:
            found[outcome.debug_setting] += sum(loop.logged for loop in outcome.loops)
    for place, loops in found.items():
        yield (
            f"{quoted(place)} sets DEBUG = True: Django keeps the last 9,000 statements of "
            f"{count(loops, 'loop')} in memory, with their values; run migrate without DEBUG."
        )


def _reasons(loops: Iterable[LoopOutcome]) -> str:
    """`` (2 row-escapes, 1 model-unknown)``, most frequent first, names in order among equals."""
    counts = Counter(loop.blocked_by for loop in loops if not loop.changed and loop.blocked_by)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f" ({', '.join(f'{number} {name}' for name, number in ranked)})" if ranked else ""


def _joined(blocks: Iterable[Sequence[str]], separator: str) -> str:
    return separator.join("\n".join(block) + "\n" for block in blocks if block)
