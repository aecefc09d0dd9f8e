"""Which migrations the name of one stands for: itself, what a squash of it replaces, the end of an app."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from migfix.history.folders import Folders
from migfix.history.sources import Sources
from migfix.history.state import Unknown
from migfix.project.discovery import MigrationFile, MigrationPackage

if TYPE_CHECKING:
    from collections.abc import Mapping

MigrationKey = tuple[str, str]
"""(app label, name of the migration)"""


@dataclass(frozen=True, slots=True)
class App:
    """The migration files of an app by name, or why there are none."""

    files: Mapping[str, MigrationFile]
    problem: str | None = None


def _app_of(package: MigrationPackage | str) -> App:
    """The migrations of a package, or why there are none."""
    if isinstance(package, str):
        return App({}, package)
    return App({file.name: file for file in package.files})


class Standing:
    """The migrations of apps, and what dependencies on them mean."""

    def __init__(self, sources: Sources, folders: Folders) -> None:
        self._sources = sources
        self._folders = folders
        self._apps: dict[str, App] = {}

    def app(self, label: str) -> App:
        if label not in self._apps:
            self._apps[label] = self._find_app(label)
        return self._apps[label]

    def _find_app(self, label: str) -> App:
        found = self._sources.project.packages_of(label)
        told = self._sources.loaded.package(label, found) if not self._folders.home else None
        if told is not None:
            return _app_of(told)
        return _app_of(self._folders.loaded(label) or self._sources.environment.package(label))

    def is_loaded(self, file: MigrationFile) -> bool:
        """Is it among the migrations of its app, not in a folder beside the one that Django loads?"""
        files = self.app(file.app_label).files
        known = files.get(file.name)
        if known is None:  # an editor's, which is not on disk yet
            return any(each.path.parent == file.path.parent for each in files.values())
        return known == file

    def standing_for(
        self, key: MigrationKey, seen: frozenset[MigrationKey] = frozenset()
    ) -> tuple[MigrationKey, ...] | str:
        """The migrations that a dependency means, or in words why there are none.

        A squash stands for what it replaces as long as those files are there, so that every
        migration finds the history of the files that it was written against. When one of them is
        gone, the squash stands for all of them.
        """
        app = self.app(key[0])
        if app.problem:
            return app.problem
        if key[1] in ("__first__", "__latest__"):
            return self._end_of(key[0], first=key[1] == "__first__")
        if key[1] in app.files and not self._squashes(key[0]):
            return (key,)
        squashes = [squash for squash in self._squashes(key[0]) if squash[0] not in seen]
        if key[1] not in app.files:
            replacing = [squash for squash, replaced in squashes if key in replaced]
            if replacing:
                return self.standing_for(replacing[0], seen | {replacing[0]})
            return f"{key[0]}.{key[1]} is a dependency, but there is no such file"
        for squash, replaced in self._squashes(key[0]):
            if squash == key:
                return self._replaced_by(key, replaced)
            if key in replaced and self._replaced_by(squash, replaced) == (squash,):
                return (squash,)
        return (key,)

    def _replaced_by(
        self, squash: MigrationKey, replaced: tuple[MigrationKey, ...]
    ) -> tuple[MigrationKey, ...]:
        present = all(key[1] in self.app(key[0]).files for key in replaced)
        if not present:
            return (squash,)
        nested = dict(self._squashes(squash[0]))
        parts = [
            self._replaced_by(key, nested[key]) if key in nested else (key,) for key in replaced
        ]
        return tuple(dict.fromkeys(key for part in parts for key in part))

    def _squashes(self, label: str) -> tuple[tuple[MigrationKey, tuple[MigrationKey, ...]], ...]:
        if label not in self._squashes_of:
            found = []
            for name, file in self.app(label).files.items():
                if self._sources.mentions(file.path, b"replaces"):
                    source = self._sources.source(file)
                    keys = () if isinstance(source, Unknown) else source.replaces
                    replaced = tuple(key for key in keys if not isinstance(key, Unknown))
                    if replaced and (label, name) not in replaced:
                        found.append(((label, name), replaced))
            self._squashes_of[label] = tuple(found)
        return self._squashes_of[label]

    @cached_property
    def _squashes_of(self) -> dict[str, tuple[tuple[MigrationKey, tuple[MigrationKey, ...]], ...]]:
        return {}

    def _end_of(self, label: str, first: bool) -> tuple[MigrationKey, ...] | str:
        """The first migration of an app, or its last one, as ``check_key`` of Django's loader."""
        keys = self.effective(label)
        inside: dict[MigrationKey, set[MigrationKey]] = {
            key: self._own_parents(key) for key in keys
        }
        if first:
            ends = [key for key in keys if not inside[key]]
        else:
            depended_on = {parent for parents in inside.values() for parent in parents}
            ends = [key for key in keys if key not in depended_on]
        return (ends[0],) if ends else f"app {label} has no migrations"

    def _own_parents(self, key: MigrationKey) -> set[MigrationKey]:
        source = self._sources.source(self.app(key[0]).files[key[1]])
        if isinstance(source, Unknown):
            return set()
        own = [
            each
            for each in source.dependencies
            if not isinstance(each, Unknown) and each[0] == key[0]
        ]
        found = [self.standing_for(each) for each in own if not each[1].startswith("__")]
        return {each for keys in found if not isinstance(keys, str) for each in keys}

    def effective(self, label: str) -> tuple[MigrationKey, ...]:
        """The migrations of an app without the squashes whose replaced files are all there."""
        if label not in self._effective_of:
            keys = [(label, name) for name in sorted(self.app(label).files)]
            found = tuple(key for key in keys if self.standing_for(key) == (key,))
            self._effective_of[label] = found
        return self._effective_of[label]

    @cached_property
    def _effective_of(self) -> dict[str, tuple[MigrationKey, ...]]:
        return {}
