"""Asks of each loop whether to rewrite it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from migfix.findings import FileOutcome, LoopOutcome
    from migfix.selection import Place

ANSWERS = {
    "y": "yes, rewrite this loop",
    "n": "no, leave it",
    "f": "yes, and all that are left in this file",
    "c": "yes, and all that are left with these codes",
    "s": "show the SQL of both versions, which run for it on a throw-away database",
    "q": "quit: leave this one and all that are left",
    "?": "what these letters mean",
}


def chosen(
    outcomes: Sequence[FileOutcome],
    show: Callable[[FileOutcome, LoopOutcome], None],
    ask: Callable[[int, int], str],
    say: Callable[[str], None],
    sql: Callable[[FileOutcome, LoopOutcome], str],
) -> frozenset[Place]:
    """The loops that the user wants to be rewritten.

    ``show`` prints what would become of one, ``sql`` gives what both versions send, ``ask``, told which of how many it is, takes an answer, and ends with ``EOFError`` where
    there is nobody to give one: that leaves all that are left.
    """
    found: set[Place] = set()
    files: set[Path] = set()
    codes: set[tuple[str, ...]] = set()
    offered = [*_offered(outcomes)]
    for number, (outcome, loop) in enumerate(offered, 1):
        place = (Path(os.path.abspath(outcome.path)), loop.line)
        if outcome.path in files or loop.codes in codes:
            found.add(place)
            continue
        show(outcome, loop)
        answer = _answer(partial(ask, number, len(offered)), say)
        while answer == "s":
            say(sql(outcome, loop))
            answer = _answer(partial(ask, number, len(offered)), say)
        if answer == "q":
            break
        if answer in {"y", "f", "c"}:
            found.add(place)
        if answer == "f":
            files.add(outcome.path)
        if answer == "c":
            codes.add(loop.codes)
    return frozenset(found)


def _offered(outcomes: Sequence[FileOutcome]) -> Iterator[tuple[FileOutcome, LoopOutcome]]:
    for outcome in outcomes:
        if outcome.error is None:
            yield from ((outcome, loop) for loop in outcome.loops if outcome.alone(loop))


def _answer(ask: Callable[[], str], say: Callable[[str], None]) -> str:
    while True:
        try:
            answer = ask().strip().lower()[:1]
        except EOFError:
            return "q"
        if answer in ANSWERS and answer != "?":
            return answer
        say("".join(f"{letter} - {meaning}\n" for letter, meaning in ANSWERS.items()))
