"""All that is known of one loop: what each codemod says of it, why, and what helps."""

from __future__ import annotations

from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING

from migfix.quoting import quoted
from migfix.reasons import EXPLANATIONS, named
from migfix.reports.told import WIDTH, databases, gains, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from migfix.findings import Answer, FileOutcome, LoopOutcome


def render(outcome: FileOutcome, loop: LoopOutcome, text: str, names: Mapping[str, str]) -> str:
    """``text`` is that of the file, with line feeds alone, ``names`` are those of the codemods by code."""
    return "".join(f"{line}\n" for line in _lines(outcome, loop, text, names))


def of_reason(name: str) -> str | None:
    """The explanation of a reason; None where there is none of this name."""
    reason = named(name)
    if reason is None:
        return None
    meaning, helps = EXPLANATIONS[reason]
    return f"{reason.value}\n\n{fill(meaning, WIDTH)}\n\n{fill(f'What helps: {helps}', WIDTH)}\n"


def _lines(
    outcome: FileOutcome, loop: LoopOutcome, text: str, names: Mapping[str, str]
) -> Iterator[str]:
    yield f"{quoted(outcome.path.as_posix())}:{loop.line}:{loop.column} in {loop.function}"
    lines = text.split("\n")
    for number in range(loop.line, min(loop.end_line, len(lines)) + 1):
        yield f"{number:>6} | {quoted(lines[number - 1])}"
    yield ""
    yield f"Model: {loop.model or 'not known'}"
    if loop.fields:
        yield from wrapped(f"as of this migration: {', '.join(loop.fields)}", "    ")
    for line in databases([outcome]):
        yield from wrapped(line)
    if loop.gains:
        yield from wrapped(f"Gains: {gains(loop)}")
    for _, alike in groupby(loop.answers, key=what_it_says):
        answers = [*alike]
        yield ""
        yield from _answer(
            answers[0], ", ".join(f"{each.code} {names.get(each.code, '')}" for each in answers)
        )


def what_it_says(answer: Answer) -> object:
    """What tells it apart from others that need not be shown beside it."""
    return answer.applied, answer.applicability, answer.blocked_by, answer.reason


def verdict(answer: Answer) -> str:
    """What becomes of the part of the loop that the codemod would rewrite."""
    if answer.applied:
        return "yes"
    if answer.applicability is not None and answer.blocked_by is None:
        unsafe = answer.applicability.value == "unsafe"
        return "with --unsafe-fixes" if unsafe else "goes with the whole loop"
    return f"no ({answer.blocked_by})" if answer.blocked_by else "no"


def _answer(answer: Answer, names: str) -> Iterator[str]:
    yield f"{names}: {verdict(answer)}"
    for clause in answer.reason.split("; "):
        yield from wrapped(clause, "    ")
    if answer.at is not None:
        where = f"{answer.at.path}:" if answer.at.path else "line "
        place = f"{where}{answer.at.line}"
        if place not in answer.reason:
            yield from wrapped(f"at {place}", "    ")
    reason = named(answer.blocked_by or "")
    if reason is not None:
        yield from wrapped(f"What helps: {EXPLANATIONS[reason].help}", "    ")
