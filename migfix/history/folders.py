"""Which of several folders of migrations Django loads for an app: an app has one at a time.

    shop/migrations/        # loaded: what Django takes by default
    shop/migrations_old/    # kept beside it

It imports ``migrations`` beside the app's AppConfig, unless MIGRATION_MODULES names another module (``migrations_module``
and ``load_disk`` of ``django.db.migrations.loader``; a folder without ``__init__.py`` is no package to it).
"""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from migfix.disk.files import holds
from migfix.project.discovery import MigrationFile, MigrationPackage, Project, names_itself
from migfix.source import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SETTING = "MIGRATION_MODULES"


class Folders:
    """The folders of migrations of a project's apps.

    ``home``: one that is loaded for sure, since a migration in there is what the question is about. Which others are
    loaded together with one that is not loaded by default is not known.
    """

    def __init__(self, project: Project, home: MigrationPackage | None = None) -> None:
        self._project = project
        self.home = home

    def loaded(self, label: str) -> MigrationPackage | str | None:
        """The folder that is loaded for an app; in words why it is not known; None where the project has none."""
        if self.home is not None and self.home.app_label == label:
            return self.home
        found = self._project.packages_of(label)
        if len(found) > 1:
            found = tuple(each for each in found if not _in_tests(each, self._project)) or found
        if len(found) > 1:
            chosen = None if self.home else self._chosen(label, found)
            return chosen or (
                f"app {label} has two folders: {found[0].folder} and {found[1].folder}"
            )
        return found[0] if found else None

    def home_of(self, migration: MigrationFile) -> MigrationPackage | str:
        """The folder of a migration that is not the one loaded by default; in words why it may be that of another app."""
        folder, label = migration.path.parent, migration.app_label
        files = self._project.files
        beside = any(each.folder.parent == folder.parent for each in self._of_others(folder, label))
        if beside or names_itself(folder, label, files):
            return MigrationPackage(folder, label, files)
        return (
            f"app {label} has another folder of migrations, and {folder} may be that of another app"
        )

    def _of_others(self, folder: Path, label: str) -> Iterator[MigrationPackage]:
        return (each for each in self._project.packages_of(label) if each.folder != folder)

    def _chosen(self, label: str, found: tuple[MigrationPackage, ...]) -> MigrationPackage | None:
        """The folder that every settings file means, of those of one app."""
        named = self._named
        if named is None or len({each.folder.parent for each in found}) > 1:
            return None
        by_default = next((each for each in found if each.folder.name == "migrations"), None)
        if label in named:
            path = None if by_default else self._project.module_file(named[label])
            return next((each for each in found if path == each.folder / "__init__.py"), None)
        if by_default and self._project.files.has_file(by_default.folder / "__init__.py"):
            return by_default
        return None

    @cached_property
    def _named(self) -> Mapping[str, str] | None:
        """What MIGRATION_MODULES says in all files of the project; None where that is not known, or not the same."""
        found: dict[str, str] = {}
        files = self._project.files
        for path in self._project.own_code:
            if not files.once(holds, path, _SETTING.encode()):
                continue
            for label, module in _entries(tree_of(files.read_if_there(path))):
                if label is None or module is None or found.setdefault(label, module) != module:
                    return None
        return found


def _entries(tree: ast.Module | None) -> Iterator[tuple[str | None, str | None]]:
    """The labels and modules of ``MIGRATION_MODULES = {"shop": "shop.lite"}``; None for each that is not written out."""
    assigned: set[ast.AST] = set()
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=name) as target], value=ast.Dict() as value) if (
                name == _SETTING
            ):
                assigned.add(target)
                for key, module in zip(value.keys, value.values, strict=True):
                    yield _text(key), _text(module)
    if tree is None or any(_mentions(node) for node in ast.walk(tree) if node not in assigned):
        yield None, None


def _text(node: ast.expr | None) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


def _mentions(node: ast.AST) -> bool:
    names = (getattr(node, each, None) for each in ("id", "attr", "name", "asname", "value", "arg"))
    return any(isinstance(name, str) and _SETTING in name for name in names)


def _in_tests(package: MigrationPackage, project: Project) -> bool:
    inner = package.folder.relative_to(project.root).parts
    return bool({"tests", "test", "testing", "test_project", "testapp"} & set(inner))
