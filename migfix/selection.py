"""Which loops a run may rewrite, and what is to be said of each."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migfix.findings import LoopOutcome, Reason

Place = tuple[Path, int]
"""The file of a loop and the line of its ``for``."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which loops may be rewritten, and what is to be said of each.

    ``dropped`` are loops to leave as they are, and why; ``only``, where it is given, those that may be rewritten.
    ``files`` are the only ones to look at. ``apart`` adds to each loop what becomes of its file where it is rewritten alone, ``choices`` to each file what
    becomes of it where several are.
    """

    dropped: Mapping[Place, str] = field(default_factory=dict)
    only: frozenset[Place] | None = None
    apart: bool = False
    choices: bool = False
    files: frozenset[Path] | None = None

    def meant(self, path: Path, loops: Iterable[LoopOutcome]) -> frozenset[int]:
        """The lines of those loops of a file that ``only`` names, by any of their own lines."""
        known = [*loops]
        here = Path(os.path.abspath(path))
        lines = [line for place, line in self.only or () if place == here]
        return frozenset(loop.line for line in lines if (loop := loop_at(line, known)) is not None)

    def why_not(self, path: Path, line: int, meant: Collection[int]) -> tuple[str, Reason] | None:
        """Why this loop is to stay as it is; None where it may be rewritten."""
        if (why := self.dropped.get((path, line))) is not None:
            return why, Reason.NOT_VERIFIED
        if self.only is not None and line not in meant:
            return "it is not among the loops that --only names", Reason.NOT_CHOSEN
        return None


EVERY = Selection()


def loop_at(line: int, loops: Iterable[LoopOutcome]) -> LoopOutcome | None:
    """The innermost loop around the line."""
    around = [each for each in loops if each.line <= line <= each.end_line]
    return max(around, key=lambda each: each.line, default=None)
