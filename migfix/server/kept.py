"""What is kept of a project between two looks at its files."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from migfix.disk.files import Files, Unreadable
from migfix.findings import FileEdit, FileOutcome
from migfix.pipeline import Engine, place_of_helper
from migfix.project.discovery import Project, project_of
from migfix.rewriting.vendoring import edit_of, with_helpers
from migfix.selection import Selection
from migfix.server.attention import Attention
from migfix.server.overlay import Content, Overlay
from migfix.settings import Overrides, settings_for
from migfix.worlds import ProjectFacts

APART = Selection(apart=True)


class Kept:
    """One state of a project: what was read of it, with the unsaved texts of the editor.

    Never asked by two threads at once, nor once ``NotWanted`` was raised in it: what it was making then is half made.
    """

    def __init__(self, path: Path, unsaved: Mapping[str, bytes], attention: Attention) -> None:
        self.root = root_of(path)
        self._attention = attention
        self._begin(unsaved)

    def _begin(self, unsaved: Mapping[str, bytes]) -> None:
        self.files = Overlay(unsaved, self._attention)
        self._asked: object = None
        self.followed = time.monotonic()  # when the disk was last looked at
        self._facts: dict[Project, ProjectFacts] = {}
        self._folders: dict[Path, ProjectFacts] = {}
        _let_go()

    def look(self, path: Path, overrides: Overrides, selection: Selection = APART) -> FileOutcome:
        """What ``check`` and ``apply`` would say of the file if all that is unsaved were saved.

        Raises ``SettingsError``.
        """
        for facts in self._facts.values():
            facts.begin_again()
        data = self.files.now(path)
        if isinstance(data, Unreadable):
            return FileOutcome(path, error=f"cannot be read: {data.why}")
        settings = settings_for(path, overrides, self.files)
        asked = (settings.codes, settings.quiet_receivers)  # facts depend on these
        if asked != self._asked:
            self._forget_all_facts()
            self._asked = asked
        engine = Engine(
            settings,
            True,
            self.files,
            selection,
            projects=self._facts,
            folders=self._folders,
            compares=False,
        )
        found = next(each for each in engine.data(path, data, True) if each.path == path)
        return with_helpers([found], self.files, rewrite=True)[0]

    def helper(
        self, path: Path, overrides: Overrides, functions: frozenset[str]
    ) -> FileEdit | None:
        """What makes the helper of the file hold these functions; None where it does, or has them not at all."""
        facts = self.facts(path)
        if facts is None:
            return None
        settings = settings_for(path, overrides, self.files)
        place = place_of_helper(path.parent, settings, facts.project)
        change = place.change_to_hold(functions, path)
        return edit_of(change, self.files) if change is not None else None

    def facts(self, path: Path) -> ProjectFacts | None:
        """What was read for the file, where it was looked at."""
        return self._folders.get(self.files.real(path).parent)

    # What changes

    def lay(self, path: Path, data: bytes, unsaved: Mapping[str, bytes]) -> bool:
        """The text of an open file. Does what was said of all other files still hold?"""
        if self.files.lay(path, data):
            return self.change(path, data)
        self._begin(unsaved)
        return False

    def take(self, path: Path, unsaved: Mapping[str, bytes]) -> bool:
        """The file is open no more, and is what the disk holds."""
        data = self.files.take(path)
        if isinstance(data, bytes):
            return self.change(path, data)
        self._begin(unsaved)
        return False

    def change(self, path: Path, data: Content) -> bool:
        """Take this for the content of a file. Does what was said of all other files still hold?"""
        if not self.files.change(path, data):
            self._forget_all_facts()
            return False
        stands = True
        for project, facts in [*self._facts.items()]:
            new = facts.after(path)
            if new is not facts:
                stands = False
                self._facts[project] = new
                self._folders = {
                    folder: new if old is facts else old for folder, old in self._folders.items()
                }
        _let_go()
        return stands

    def _forget_all_facts(self) -> None:
        self._facts.clear()
        self._folders.clear()
        self.files.forget_plain_reads()
        _let_go()

    def follow_disk(self, unsaved: Mapping[str, bytes]) -> bool:
        """Look what has changed on the disk. Does what was said of all files still hold?"""
        moved = self.files.moved()
        self.followed = time.monotonic()
        if moved is None:
            self._begin(unsaved)
            return False
        stands = [self.change(Path(path), data) for path, data in moved.items()]
        return all(stands)


def root_of(path: Path) -> Path:
    """The top of the project of a file."""
    return project_of(path, Files()).root


def _let_go() -> None:
    """What memoized functions know of files that have changed is of no use, and may be large."""
    for name, module in [*sys.modules.items()]:
        if name.startswith(("migfix.", "codemods.")):
            for each in vars(module).values():
                if isinstance(each, functools._lru_cache_wrapper) and _is_bounded(each):
                    each.cache_clear()


def _is_bounded(cached: functools._lru_cache_wrapper[object]) -> bool:
    return cached.cache_parameters()["maxsize"] is not None
