"""What migration files and other modules say, each read at most once."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from migfix.disk.files import Unreadable
from migfix.history.environment import Environment
from migfix.history.files.migration import MigrationSource
from migfix.history.files.reading import read_migration
from migfix.history.files.scope import Scope, UnreadableMigration, parse
from migfix.history.loaded import LoadedHistory
from migfix.history.state import Unknown
from migfix.history.texts import Texts
from migfix.project.discovery import MigrationFile, Project, module_name

if TYPE_CHECKING:
    from pathlib import Path


class Sources:
    """The files of a project and of the packages it uses, read as far as they are asked for; ``loaded`` is what its own
    Django says of them.
    """

    def __init__(
        self, project: Project, environment: Environment | None, loaded: LoadedHistory
    ) -> None:
        self.project = project
        self.loaded = loaded
        self.texts = Texts(project.files)
        self._given_environment = environment
        self._tree: tuple[Path | None, ast.Module | None] = (None, None)  # the last one provided
        self._sources: dict[Path, MigrationSource | Unknown] = {}
        self._scopes: dict[str, Scope | None] = {}

    @cached_property
    def environment(self) -> Environment:
        return self._given_environment or Environment.of(self.project.root, self.project.files)

    def source(self, migration: MigrationFile) -> MigrationSource | Unknown:
        """What the file says, or why it cannot be read."""
        path = migration.path
        if path not in self._sources:
            self._sources[path] = self._read(migration)
        return self._sources[path]

    def provide(self, path: Path, data: bytes, tree: ast.Module | None) -> None:
        """Take these bytes, which parse to ``tree`` where that is known, for those of a file."""
        path = self.project.files.real(path)
        self.texts.give(path, data)
        self._tree = (path, tree)

    def forget(self, path: Path) -> MigrationSource | Unknown | None:
        """Read a file anew where it is asked for again, and say what was known of it."""
        path = self.project.files.real(path)
        self.texts.forget(path)
        self._tree = (None, None)
        return self._sources.pop(path, None)

    def take_over(self, other: Sources) -> None:
        """Share what was read for another."""
        self._sources = other._sources
        self._scopes = other._scopes

    def _read(self, migration: MigrationFile) -> MigrationSource | Unknown:
        module = f"{self._package_name(migration.path.parent)}.{migration.path.stem}"
        path, tree = self._tree
        known = tree if path == migration.path else None
        data = self.texts.now(migration.path)
        if isinstance(data, Unreadable):
            return Unknown(f"{migration.path} cannot be read: {data.why}")
        try:
            read = read_migration(data, module, self._find_class, known)
            return self.loaded.completed(read, migration, module, self._find_class)
        except UnreadableMigration as error:
            return Unknown(f"{migration.path} cannot be read: {error}")

    def mentions(self, path: Path, text: bytes) -> bool:
        """Does a file hold these bytes?"""
        return self.texts.once(_mentions, path, text, unreadable=False)

    def _package_name(self, folder: Path) -> str:
        if folder not in self._package_names:
            self._package_names[folder] = module_name(folder / "__init__.py", self.project.files)
        return self._package_names[folder].removesuffix(".__init__")

    @cached_property
    def _package_names(self) -> dict[Path, str]:
        return {}

    def _find_class(self, path: str) -> tuple[ast.ClassDef, Scope] | None:
        module, _, name = path.rpartition(".")
        if not module or module.startswith("."):
            return None
        scope = self.scope_of(module)
        if scope is None:
            return None
        classes = [
            node for node in scope.tree.body if isinstance(node, ast.ClassDef) and node.name == name
        ]
        return (classes[0], scope) if len(classes) == 1 else None

    def scope_of(self, module: str) -> Scope | None:
        """What the names of a module of the project or of its environment stand for."""
        if module not in self._scopes:
            self._scopes[module] = self._scope(module)
        return self._scopes[module]

    def _scope(self, module: str) -> Scope | None:
        path = (
            self.loaded.module_file(module)
            or self.project.module_file(module)
            or self.environment.module_file(module)
        )
        if path is None or isinstance(data := self.project.files.read(path), Unreadable):
            return None
        try:
            return Scope.of(parse(data), module, data, is_package=path.name == "__init__.py")
        except UnreadableMigration:
            return None


def _mentions(data: bytes, text: bytes) -> bool:
    return text in data
