"""What a project that is set up says of its history, put in the place of what its source leaves open.

Where both say something and it is not the same, neither is taken for true.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from migfix.disk.files import Files
from migfix.history.files.migration import MigrationSource, Operation
from migfix.history.files.reading import read_migration
from migfix.history.files.scope import ClassFinder, UnreadableMigration
from migfix.history.state import Unknown
from migfix.project.discovery import MigrationFile, MigrationPackage
from migfix.project.loaded import Loaded


@dataclass(frozen=True)
class LoadedHistory:
    """The answers of a project about its migrations; without it (``said`` is None) every one is as the source says."""

    said: Loaded | None
    files: Files

    def completed(
        self,
        read: MigrationSource,
        migration: MigrationFile,
        module: str,
        find_class: ClassFinder,
    ) -> MigrationSource:
        """What a file says, with what the project says of its operations where the source leaves them open."""
        if self.said is None or not _is_open(read):
            return read
        text = self.said.written.get(f"{migration.app_label}.{migration.name}")
        if text is None or not self._is_of(migration):
            return read
        try:
            told = read_migration(text, module, find_class)
        except UnreadableMigration:
            return read
        operations = _joined(read, told)
        if operations is None:
            return read
        return replace(
            read,
            operations=operations,
            dependencies=_known(read.dependencies, told.dependencies),
            replaces=_known(read.replaces, told.replaces),
            run_before=_known(read.run_before, told.run_before),
        )

    def _is_of(self, migration: MigrationFile) -> bool:
        """Is it the file that is loaded by this name?"""
        assert self.said is not None
        folder = self.said.packages.get(migration.app_label)
        return folder is not None and Path(folder) == self.files.real(migration.path).parent

    def package(
        self, label: str, found: tuple[MigrationPackage, ...]
    ) -> MigrationPackage | str | None:
        """The migrations of an app; in words why there are none; None where it is not known better than ``found``."""
        if self.said is None or label not in self.said.packages:
            return None
        folder = self.said.packages[label]
        if folder is None:
            return f"the settings {self.said.settings} say that app {label} has no migrations"
        for each in found:
            if self.files.real(each.folder) == Path(folder):
                return each
        if found:
            return f"app {label} has its migrations in {found[0].folder} by the source, in {folder} by {self.said.settings}"
        return MigrationPackage(Path(folder), label, self.files)

    def model_setting(self, name: str, read: str | Unknown) -> str | Unknown:
        """The model that a setting names, of which the source says ``read``."""
        told = self.said.models.get(name) if self.said else None
        if self.said is None or told is None or told == read:
            return read
        if isinstance(read, Unknown):
            return told
        return Unknown(f"{name} is {read} by the source, {told} by {self.said.settings}")

    def module_file(self, module: str) -> Path | None:
        """The file of a module that the project has loaded."""
        found = self.said.modules.get(module) if self.said else None
        return Path(found) if found else None

    def field_ancestry(self, path: str) -> tuple[str, ...]:
        """What a field class and all above it are, by their paths; nothing where it is not known."""
        return self.said.classes.get(path, ()) if self.said else ()


def _is_open(read: MigrationSource) -> bool:
    unknown = (*read.dependencies, *read.replaces, *read.run_before)
    return any(map(_is_unclear, read.operations)) or any(isinstance(e, Unknown) for e in unknown)


def _is_unclear(operation: Operation) -> bool:
    return (
        operation.kind is None
        or operation.problem is not None
        or bool(operation.alternatives)
        or any(map(_is_unclear, operation.nested))
        or any(_holds_unknown(value) for value in operation.arguments.values())
    )


def _holds_unknown(value: object) -> bool:
    if isinstance(value, Unknown):
        return True
    return isinstance(value, tuple) and any(map(_holds_unknown, value))


def _joined(read: MigrationSource, told: MigrationSource) -> tuple[Operation, ...] | None:
    """The operations, each as the source says it, or where that leaves it open, as the project does.

    None where both do not agree on what is where: the functions that run are counted by the entries of the source.
    """
    if not read.run_pythons and any(each.kind is None for each in read.operations):
        line = next(each.line for each in read.operations if each.kind is None)
        return tuple(_at(line, each) for each in told.operations)
    if len(read.operations) != len(told.operations):
        return None
    pairs = [*zip(read.operations, told.operations, strict=True)]
    if any(own.kind not in (None, other.kind) and not own.alternatives for own, other in pairs):
        return None
    return tuple(_at(own.line, other) if _is_unclear(own) else own for own, other in pairs)


def _at(line: int, operation: Operation) -> Operation:
    return replace(operation, line=line)


def _known(
    read: tuple[tuple[str, str] | Unknown, ...], told: tuple[tuple[str, str] | Unknown, ...]
) -> tuple[tuple[str, str] | Unknown, ...]:
    return told if any(isinstance(each, Unknown) for each in read) else read
