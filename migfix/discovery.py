"""From paths to migration files, and from a migration file to the project that it belongs to.

Reads names of files and at most a few bytes of them; nothing is imported.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages"})
MARKERS = ("pyproject.toml", "setup.py", "setup.cfg")
_MIGRATION_CLASS = b"class Migration("


@dataclass(frozen=True, slots=True)
class Discovery:
    """``files``: the Python files to look at, sorted, each once. ``missing``: paths that are not there."""

    files: tuple[Path, ...]
    missing: tuple[Path, ...]


def discover(paths: Sequence[Path], exclude: Sequence[str] = ()) -> Discovery:
    """The files that a user means by ``paths``.

    A file is taken whatever its name, even if excluded. A folder gives the ``.py`` files of each
    folder below it that is called ``migrations`` or holds a file with a class Migration, without
    hidden folders, virtual environments, node_modules and what ``exclude`` matches: patterns for a
    name (``legacy``, ``0001_*.py``) or for a path relative to the working folder (``shop/old/*``).
    """
    files: set[Path] = set()
    missing: list[Path] = []
    for path in paths:
        if path.is_dir():
            for folder, names in walk(path, exclude):
                files.update(folder / name for name in _migration_files(folder, names))
        elif path.exists():
            files.add(path)
        else:
            missing.append(path)
    return Discovery(tuple(sorted(files)), tuple(missing))


def walk(top: Path, exclude: Sequence[str] = ()) -> Iterator[tuple[Path, list[str]]]:
    """Each folder at and below ``top`` with the names of its Python files, in order."""
    patterns = [pattern.rstrip("/").removeprefix("./") for pattern in exclude]
    for folder, folders, names in os.walk(top):
        if folder != str(top) and "pyvenv.cfg" in names:
            folders.clear()
            continue
        kept = (name for name in sorted(folders) if name[0] != "." and name not in SKIPPED_FOLDERS)
        folders[:] = [name for name in kept if not _excluded(folder, name, patterns)]
        python = [name for name in names if name.endswith(".py")]
        yield Path(folder), sorted(name for name in python if not _excluded(folder, name, patterns))


def _excluded(folder: str, name: str, patterns: Sequence[str]) -> bool:
    if not patterns:
        return False
    relative = os.path.relpath(os.path.join(folder, name)).replace(os.sep, "/")
    return any(
        fnmatch(name, pattern) or fnmatch(relative, pattern.lstrip("/")) for pattern in patterns
    )


def _migration_files(folder: Path, names: list[str]) -> list[str]:
    named = folder.name == "migrations"
    if not named and not any(_has_class(f"{folder}/{name}") for name in names):
        return []
    return [name for name in names if name != "__init__.py"]


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file of a migrations package; ``name`` is the name of the migration, without ``.py``."""

    path: Path
    name: str
    app_label: str


@dataclass(frozen=True)
class MigrationPackage:
    """A folder of migrations and the app that it belongs to."""

    folder: Path
    app_label: str

    @cached_property
    def files(self) -> tuple[MigrationFile, ...]:
        """As Django lists them: every module whose name does not begin with ``_`` or ``~``."""
        modules = (name for name in os.listdir(self.folder) if name.endswith(".py"))
        names = sorted(name for name in modules if name[0] not in "_~.")
        return tuple(MigrationFile(self.folder / name, name[:-3], self.app_label) for name in names)


@dataclass(frozen=True)
class Project:
    """A Django project: the folder at its top, and lazily what migrations and settings are below."""

    root: Path

    @cached_property
    def _folders(self) -> tuple[tuple[Path, tuple[str, ...]], ...]:
        found = []
        inner: list[Path] = []
        for folder, names in walk(self.root):
            if folder != self.root and "manage.py" in names and (self.root / "manage.py").exists():
                inner.append(folder)  # another project, with apps of its own
            if not any(other in (folder, *folder.parents) for other in inner):
                found.append((folder, tuple(names)))
        return tuple(found)

    @cached_property
    def packages(self) -> tuple[MigrationPackage, ...]:
        """The migrations packages below the root, by folder."""
        return tuple(
            MigrationPackage(folder, app_label(folder))
            for folder, names in self._folders
            if _holds_migrations(folder, names)
        )

    @property
    def migrations(self) -> Iterator[MigrationFile]:
        """The migration files of all packages."""
        return (file for package in self.packages for file in package.files)

    @cached_property
    def settings_files(self) -> tuple[Path, ...]:
        """Modules whose name says settings, or that lie in a folder of that name."""
        return tuple(
            folder / name
            for folder, names in self._folders
            for name in names
            if "settings" in name or folder.name == "settings"
        )

    @property
    def has_manage(self) -> bool:
        return any("manage.py" in names for _, names in self._folders)

    def packages_of(self, label: str) -> tuple[MigrationPackage, ...]:
        return tuple(package for package in self.packages if package.app_label == label)

    def module_file(self, module: str) -> Path | None:
        """The file of a dotted module name below one of the folders that hold top packages."""
        parts = module.split(".")
        for top in self._tops:
            for path in (
                top.joinpath(*parts).with_suffix(".py"),
                top.joinpath(*parts, "__init__.py"),
            ):
                if path.is_file():
                    return path
        return None

    @cached_property
    def _tops(self) -> tuple[Path, ...]:
        return tuple(
            dict.fromkeys([self.root, *(top_folder(package.folder) for package in self.packages)])
        )

    def migration(self, path: Path) -> MigrationFile:
        """The migration that a file holds; its folder need not be below the root."""
        resolved = path.resolve()
        label = self._labels.get(resolved.parent) or app_label(resolved.parent)
        return MigrationFile(resolved, path.stem, label)

    @cached_property
    def _labels(self) -> dict[Path, str]:
        return {package.folder: package.app_label for package in self.packages}


def _holds_migrations(folder: Path, names: Sequence[str]) -> bool:
    """MIGRATION_MODULES may name any folder; one not called migrations shows by its numbered files."""
    if folder.name != "migrations":
        names = [name for name in names if name[:4].isdigit()]
    return any(_has_class(f"{folder}/{name}") for name in names if name[0] not in "_~")


def _has_class(path: str) -> bool:
    with open(path, "rb") as file:
        return _MIGRATION_CLASS in file.read()


def project_of(path: Path) -> Project:
    """The project of a file or folder.

    The nearest folder upwards with a ``manage.py`` is a Django project, and its apps lie below it.
    Without one (a reusable app, a repository of several packages, apps beside the folder of
    ``manage.py``) the apps may refer to one another across the whole repository, so its top is
    taken: the folder with ``.git``, else the furthest one with ``pyproject.toml``, ``setup.py`` or
    ``setup.cfg``. Nothing above ``.git`` and no home folder is looked at. With none of these the
    root is the folder that holds the top package.
    """
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    ancestors = _inside_repository(folder)
    for ancestor in ancestors:
        if (ancestor / "manage.py").is_file():
            return Project(ancestor)
    if (ancestors[-1] / ".git").exists():
        return Project(ancestors[-1])
    marked = [each for each in ancestors if any((each / name).is_file() for name in MARKERS)]
    return Project(marked[-1] if marked else top_folder(folder))


def _inside_repository(folder: Path) -> list[Path]:
    found = [folder]
    for ancestor in folder.parents:
        if (found[-1] / ".git").exists() or ancestor == Path.home() or ancestor == ancestor.parent:
            break
        found.append(ancestor)
    return found


def top_folder(folder: Path) -> Path:
    """The folder that holds the top package of ``folder``: upwards as long as there is ``__init__.py``."""
    top = folder
    while (top / "__init__.py").exists() and top != top.parent:
        top = top.parent
    return top.parent if top == folder and folder.name == "migrations" else top


def module_name(path: Path) -> str:
    """The dotted name under which Python would import the file."""
    inner = path.relative_to(top_folder(path.parent)).with_suffix("")
    return ".".join(inner.parts)


_REFERENCE = re.compile(rb"""\(\s*["'](\w+)["']\s*,\s*["'](\w+)["']\s*,?\s*\)""")
_FILES_TO_ASK = 6


def app_label(folder: Path) -> str:
    """The label of the app whose migrations the folder holds.

    The files know best: ``dependencies`` name files of the same folder together with the label. Else
    the AppConfig of the ``apps.py`` beside the folder, else the name of the folder above.
    """
    declared = _declared_label(folder.parent)
    votes = _votes(folder)
    if not votes or votes[declared] == max(votes.values()):
        return declared
    return votes.most_common(1)[0][0]


def _votes(folder: Path) -> Counter[str]:
    files = sorted(folder.glob("[0-9a-zA-Z]*.py"))
    names = {path.stem.encode() for path in files}
    votes: Counter[str] = Counter()
    for path in files[:_FILES_TO_ASK]:
        found = _REFERENCE.findall(path.read_bytes())
        votes.update(
            {
                label.decode()
                for label, name in found
                if name in names and name != path.stem.encode()
            }
        )
    return votes


def _declared_label(app: Path) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse((app / "apps.py").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return app.name
    configs = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    values = [_literal_attributes(config) for config in configs]
    defaults = [each for each in values if each.get("default") is True] or values
    for each in defaults:
        if label := each.get("label") or each.get("name"):
            return str(label).rpartition(".")[2]
    return app.name


def _literal_attributes(config: ast.ClassDef) -> dict[str, object]:
    return {
        node.targets[0].id: node.value.value
        for node in config.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
