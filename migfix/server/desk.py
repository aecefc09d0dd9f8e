"""The files that lie open in an editor, and what was last seen in each.

Knows nothing of the protocol. Its methods are called by one thread.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from migfix.disk.files import Files
from migfix.findings import FileEdit, FileOutcome, LoopOutcome
from migfix.selection import Selection
from migfix.server.attention import Attention
from migfix.server.kept import Kept, root_of
from migfix.server.texts import saved
from migfix.settings import Overrides, SettingsError
from migfix.source import Source, UnreadableSource
from migfix.worlds import MENTION, ProjectFacts

_TRUSTED = 2.0  # seconds for which the disk is taken to be as it was, if nobody says otherwise


@dataclass(frozen=True)
class Look:
    """What was found in a text, and the facts that it rests on."""

    path: Path
    text: str
    source: Source
    outcome: FileOutcome
    facts: ProjectFacts | None


@dataclass
class _Open:
    """An open file: its text, and the bytes of the last text that could be parsed."""

    text: str
    data: bytes
    parses: bool = True
    looks: dict[object, Look] = field(default_factory=dict)  # of ``data``, by what was asked
    last: Look | None = None


class Desk:
    """``overrides`` are what the client's configuration says instead of ``pyproject.toml``.

    Where ``attention`` ends, ``NotWanted`` is raised, and ``begin_again`` is to be called.
    """

    def __init__(self) -> None:
        self.attention = Attention()
        self.overrides = Overrides()
        self._open: dict[Path, _Open] = {}
        self._kept: dict[Path, Kept] = {}
        self._roots: dict[Path, Path] = {}

    # What the editor tells

    def put(self, path: Path, text: str) -> None:
        """The file has this text now."""
        disk = Files().read(path)
        data = saved(text, disk)
        parses = _parses(path, data)
        known = self._open.get(path)
        if known is None:
            last_good = data if parses or not isinstance(disk, bytes) else disk
            self._open[path] = _Open(text, last_good, parses)
            self._lay(path, last_good)
            return
        known.text, known.parses = text, parses
        if parses and data != known.data:
            known.data = data
            self._lay(path, data)

    def _lay(self, path: Path, data: bytes) -> None:
        self._open[path].looks.clear()
        kept = self._kept.get(self._root(path))
        if kept is not None and not kept.lay(path, data, self._unsaved()):
            self._forget_looks(kept.root)

    def take(self, path: Path) -> None:
        """The file is not open any more: what the disk holds counts."""
        if self._open.pop(path, None) is None:
            return
        root = self._root(path)
        kept = self._kept.get(root)
        if kept is not None and not any(self._root(each) == root for each in self._open):
            del self._kept[root]
        elif kept is not None and not kept.take(path, self._unsaved()):
            self._forget_looks(root)
        self._roots.pop(path, None)

    def look_at_disk(self) -> None:
        """Something may have changed there."""
        for each in self._kept.values():
            each.followed = 0.0

    def begin_again(self) -> None:
        """Forget what was read and made of it, but for the open texts."""
        self._kept.clear()
        self._roots.clear()
        for each in self._open.values():
            each.looks.clear()

    def configure(self, overrides: Overrides) -> None:
        self.overrides = overrides
        for each in self._open.values():
            each.looks.clear()

    # What is asked

    @property
    def paths(self) -> list[Path]:
        return [*self._open]

    def look(self, path: Path) -> Look | None:
        """What ``check`` would say of the file; for one that does not parse, what was last said.

        None for a file that is none of ours.
        """
        known = self._open.get(path)
        if known is None or not self._is_ours(path, known.data):
            return None
        found = self._look(path, known, unsafe=None, only=None)
        known.last = found
        return found

    def is_current(self, look: Look) -> bool:
        """Is the text that was looked at that of the editor?"""
        known = self._open.get(look.path)
        return known is not None and known.text == look.text and known.parses

    def offered(self, look: Look, loop: LoopOutcome) -> FileOutcome:
        """What ``apply --unsafe-fixes --only`` would make of one loop."""
        only = (look.path, loop.line)
        return self._look(look.path, self._open[look.path], unsafe=True, only=only).outcome

    def edits(self, look: Look, loop: LoopOutcome) -> tuple[FileEdit, ...]:
        """What ``apply --only`` writes of one loop: with the helper first, where it lacks what the loop imports."""
        alone = look.outcome.alone(loop)
        if alone is None or not alone.lacks:
            return () if alone is None else (alone.edit,)
        known, only = self._open[look.path], (look.path, loop.line)
        return self._look(look.path, known, unsafe=None, only=only).outcome.edits

    def all_safe(self, look: Look) -> FileOutcome:
        """What ``apply --no-unsafe-fixes`` would make of the file."""
        return self._look(look.path, self._open[look.path], unsafe=False, only=None).outcome

    def helper(self, path: Path, functions: frozenset[str]) -> FileEdit | None:
        """What makes the helper of the file hold these functions; None where it does."""
        return self._kept_of(path).helper(path, self.overrides, functions)

    def _look(
        self, path: Path, known: _Open, *, unsafe: bool | None, only: tuple[Path, int] | None
    ) -> Look:
        kept = self._kept_of(path)
        key = (unsafe, only)
        if key not in known.looks:
            overrides = self.overrides
            if unsafe is not None:
                overrides = replace(overrides, unsafe_fixes=unsafe)
            selection = Selection(only=only and frozenset({only}), apart=only is None)
            with _without_garbage():
                try:
                    outcome = kept.look(path, overrides, selection)
                except SettingsError as error:
                    outcome = FileOutcome(path, error=str(error))
            text = known.text if known.parses or known.last is None else known.last.text
            source = Source.of(path, known.data)
            known.looks[key] = Look(path, text, source, outcome, kept.facts(path))
        return known.looks[key]

    def _is_ours(self, path: Path, data: bytes) -> bool:
        """Is it a migration, or a module beside migrations?"""
        return MENTION in data or path.parent.name == "migrations"

    def _kept_of(self, path: Path) -> Kept:
        root = self._root(path)
        kept = self._kept.get(root)
        if kept is None:
            kept = self._kept[root] = Kept(path, self._unsaved(), self.attention)
            self._forget_looks(root)
        elif time.monotonic() - kept.followed > _TRUSTED and not kept.follow_disk(self._unsaved()):
            self._forget_looks(root)
            self._roots.clear()
            if self._root(path) != root:  # the folder of another manage.py by now
                del self._kept[root]
                return self._kept_of(path)
        return kept

    def _root(self, path: Path) -> Path:
        if path not in self._roots:
            self._roots[path] = root_of(path)
        return self._roots[path]

    def _unsaved(self) -> dict[str, bytes]:
        return {os.fspath(path): each.data for path, each in self._open.items()}

    def _forget_looks(self, root: Path) -> None:
        for path, each in self._open.items():
            if self._root(path) == root:
                each.looks.clear()


def _parses(path: Path, data: bytes) -> bool:
    try:
        return bool(Source.of(path, data).tree)
    except UnreadableSource:
        return False


@contextmanager
def _without_garbage() -> Iterator[None]:
    """What is read lives on: looking for garbage in it meanwhile is a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
