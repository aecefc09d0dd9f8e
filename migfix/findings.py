"""The vocabulary of a run: what is found in a file and what becomes of it. Imports nothing of migfix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Applicability(Enum):
    """SAFE: the database is the same afterwards. UNSAFE: it may differ, as the message says."""

    SAFE = "safe"
    UNSAFE = "unsafe"


class Outcome(Enum):
    """What became of a loop, in the words of the JSON report."""

    UPDATE = "update"
    DELETE = "delete"
    STREAM = "stream"
    CURSOR = "cursor"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class LoopOutcome:
    """One loop over database rows and what became of it. Lines and columns count from 1."""

    line: int
    column: int
    end_line: int
    function: str
    model: str | None
    outcome: Outcome
    applicability: Applicability | None
    codes: tuple[str, ...]
    reason: str
    blocked_by: str | None
    only: tuple[str, ...] | None = None
    defer: tuple[str, ...] | None = None
    batched: bool = False
    already_streams: bool = False
    offer: str | None = None  # what --unsafe-fixes would do here, one sentence

    @property
    def changed(self) -> bool:
        return bool(self.codes)


@dataclass(frozen=True, slots=True)
class FileEdit:
    """The bytes of a file as read and as migfix would have them; ``before`` is None for a new file."""

    path: Path
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """Everything a run has to say of one file.

    ``path`` is as the user wrote or would write it (relative to the working folder where possible).
    ``edits`` holds the helper first, then the file itself; it is empty when nothing changes, when
    the run only checks, and when ``error`` is set.
    """

    path: Path
    loops: tuple[LoopOutcome, ...] = ()
    edits: tuple[FileEdit, ...] = ()
    error: str | None = None
    traceback: str | None = None
    is_migration: bool = True

    @property
    def changed(self) -> bool:
        return self.error is None and any(loop.changed for loop in self.loops)
