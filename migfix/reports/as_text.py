"""The findings for people, and for whatever reads ``path:line:col: code message`` lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from migfix.findings import Applicability, FileOutcome, LoopOutcome, Verdict, Verified
from migfix.quoting import quoted
from migfix.reports.colors import Color, paint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def render(
    outcomes: Sequence[FileOutcome], *, applied: bool, quiet: bool = False, color: bool = False
) -> str:
    """What was rewritten (``applied``) or would be, what was left alone and why, and the totals.

    ``quiet`` keeps only the rewrites. Errors are no part of it: they belong on standard error.
    Every line about a loop starts with ``path:line:column: ``, which editors and problem matchers
    turn into links.
    """
    report = _Report(color)
    blocks = [_rewritten(outcome, report, with_path=applied and not quiet) for outcome in outcomes]
    if not quiet:
        blocks.append(_left_alone(outcomes, report))
        blocks.append(list(_summary(outcomes, applied=applied)))
    separator = "\n" if applied and not quiet else ""
    return _joined(blocks, separator)


class _Report:
    """How one line is written, with or without colours."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def path(self, outcome: FileOutcome) -> str:
        return paint(quoted(outcome.path.as_posix()), Color.BOLD, enabled=self.color)

    def loop(self, outcome: FileOutcome, loop: LoopOutcome, verdict: str, color: Color) -> str:
        place = f"{self.path(outcome)}:{loop.line}:{loop.column}:"
        return f"{place} {paint(verdict, color, enabled=self.color)} {_explained(loop)}"


def _rewritten(outcome: FileOutcome, report: _Report, *, with_path: bool) -> list[str]:
    if not outcome.changed:
        return []
    lines = [report.path(outcome)] if with_path else []
    for loop in outcome.loops:
        if loop.changed:
            lines.append(report.loop(outcome, loop, " ".join(loop.codes), Color.GREEN))
    return lines


def _left_alone(outcomes: Sequence[FileOutcome], report: _Report) -> list[str]:
    lines = [
        report.loop(outcome, loop, "left:", Color.YELLOW)
        for outcome in outcomes
        for loop in outcome.loops
        if outcome.error is None and not loop.changed
    ]
    return ["Left alone:", *lines] if lines else []


def _explained(loop: LoopOutcome) -> str:
    unsafe = "[unsafe] " if loop.applicability is Applicability.UNSAFE else ""
    blocked = f" ({loop.blocked_by})" if loop.blocked_by and not loop.changed else ""
    offer = f" [--unsafe-fixes: {loop.offer}]" if loop.offer else ""
    seen = f" [{_seen(loop.verified)}]" if loop.verified else ""
    return quoted(f"{unsafe}{' '.join(loop.reason.split())}{blocked}{offer}{seen}")


def _seen(verified: Verified) -> str:
    if verified.verdict is not Verdict.EQUAL or not verified.before or not verified.after:
        return f"verify: {verified.verdict.value.replace('-', ' ')}: {verified.reason}"
    return f"verified equal: {verified.before.queries} -> {verified.after.queries} queries"


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
        yield f"{done} {_count(changed, 'loop')} in {_count(files, 'file')}{then}."
    else:
        yield f"Nothing to rewrite in {_count(len(sound), 'file')}."
    yield from _created(sound, "Created" if applied else "apply creates")
    if changed < len(loops):
        yield f"Left {_count(len(loops) - changed, 'loop')} alone{_reasons(loops)}."
    if offers:
        yield f"{offers} more with --unsafe-fixes."
    if failed:
        yield f"{_count(failed, 'file')} failed, see the errors."
    if not applied:
        yield from _logged(sound)


def _created(outcomes: Iterable[FileOutcome], verb: str) -> Iterator[str]:
    """The helpers that are written, which git does not know of by itself."""
    found = Counter(o.creates for o in outcomes if o.changed and o.creates)
    for path, importing in found.items() if len(found) == 1 else ():
        needs = "imports" if importing == 1 else "import"
        yield (
            f"{verb} {quoted(path.as_posix())}, which {_count(importing, 'file')} {needs}: "
            "add it to version control."
        )
    if len(found) > 1:
        first, *_ = sorted(path.as_posix() for path in found)
        yield (
            f"{verb} {len(found)} helpers beside the migrations that import them, such as "
            f"{quoted(first)}: add them to version control. One for all: say under [tool.migfix] "
            'helper = "package.module", with a package that each migration can import.'
        )


def _logged(outcomes: Iterable[FileOutcome]) -> Iterator[str]:
    """Once for each project: its DEBUG, and the loops that it makes expensive."""
    found = Counter({o.debug_setting: 0 for o in outcomes if o.debug_setting})
    for outcome in outcomes:
        if outcome.debug_setting:
            found[outcome.debug_setting] += sum(loop.logged for loop in outcome.loops)
    for place, loops in found.items():
        yield (
            f"{quoted(place)} sets DEBUG = True: Django keeps the last 9,000 statements of "
            f"{_count(loops, 'loop')} in memory, with their values; run migrate without DEBUG."
        )


def _reasons(loops: Iterable[LoopOutcome]) -> str:
    """`` (2 row-escapes, 1 model-unknown)``, most frequent first, names in order among equals."""
    counts = Counter(loop.blocked_by for loop in loops if not loop.changed and loop.blocked_by)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f" ({', '.join(f'{number} {name}' for name, number in ranked)})" if ranked else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _joined(blocks: Iterable[Sequence[str]], separator: str) -> str:
    return separator.join("\n".join(block) + "\n" for block in blocks if block)
