"""Which loops a run may rewrite, and what is to be said of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migfix.findings import Reason

Place = tuple[Path, int]
"""The file of a loop and the line of its ``for``."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which loops may be rewritten, and what is to be said of each.

    ``dropped`` are loops to leave as they are, and why; ``only``, where it is given, those that may be rewritten.
    ``files`` are the only ones to look at. ``apart`` adds to each loop what becomes of its file where it is rewritten alone.
    """

    dropped: Mapping[Place, str] = field(default_factory=dict)
    only: frozenset[Place] | None = None
    apart: bool = False
    files: frozenset[Path] | None = None

    def why_not(self, path: Path, line: int) -> tuple[str, Reason] | None:
        """Why this loop is to stay as it is; None where it may be rewritten."""
        if (why := self.dropped.get((path, line))) is not None:
            return why, Reason.NOT_VERIFIED
        if self.only is not None and (Path(os.path.abspath(path)), line) not in self.only:
            return "it is not among the loops that --only names", Reason.NOT_CHOSEN
        return None


EVERY = Selection()
