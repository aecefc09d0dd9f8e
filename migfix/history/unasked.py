"""Migrations that name a model, may have run already, and are of no app that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from migfix.history.naming import Naming
from migfix.history.standing import MigrationKey, Standing
from migfix.history.state import ModelKey
from migfix.project.discovery import MigrationFile


@dataclass(frozen=True, slots=True)
class Unasked:
    """``numbers``: the bits of migrations in the set of those that have run."""

    naming: Naming
    standing: Standing
    numbers: Mapping[MigrationKey, int]

    def why_open(
        self, mask: int, key: MigrationKey, labels: frozenset[str]
    ) -> Callable[[ModelKey], str | None]:
        """What says of a model which of them there is, in words, where the set ``mask`` has run before ``key``."""

        def why(model: ModelKey) -> str | None:
            for file in self.naming.files_naming(model):
                asked = file.app_label in labels
                if not asked and self._may_run(file) and not self._has_run(file, mask, key):
                    return f"{file.app_label}.{file.name} may have run already and names it"
            return None

        return why

    def _may_run(self, file: MigrationFile) -> bool:
        """Is it no file of a folder that is surely not loaded?"""
        unsure = self.standing.app(file.app_label).problem is not None
        return unsure or self.standing.is_loaded(file)

    def _has_run(self, file: MigrationFile, mask: int, key: MigrationKey) -> bool:
        """Whether the file is in the set, or is the one that the question is about."""
        standing = self.standing.standing_for((file.app_label, file.name))
        if isinstance(standing, str):
            return False
        return key in standing or all(
            each in self.numbers and mask >> self.numbers[each] & 1 for each in standing
        )
