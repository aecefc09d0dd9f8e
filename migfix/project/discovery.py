"""From paths to migration files, and from a migration file to the project that it belongs to.

Reads names of files and at most a few bytes of them; nothing is imported.
"""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.disk.files import Files, found_in, holds
from migfix.disk.ignored import Rules, rules_above
from migfix.settings import is_meant
from migfix.source import tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages"})
MARKERS = ("pyproject.toml", "setup.py", "setup.cfg")
_MIGRATION_CLASS = b"class Migration("


@dataclass(frozen=True, slots=True)
class Discovery:
    """``files``: the Python files to look at, sorted, each once. ``problems``: paths that are not there or
    cannot be looked into, and why.
    """

    files: tuple[Path, ...]
    problems: tuple[tuple[Path, str], ...]


def discover(paths: Sequence[Path], files: Files, exclude: Sequence[str] = ()) -> Discovery:
    """The files that a user means by ``paths``.

    A file is taken whatever its name, even if excluded. A folder gives the ``.py`` files of each
    folder below it that is called ``migrations`` or holds a file with a class Migration, without
    hidden folders, virtual environments, node_modules, what git ignores (but for ``migrations`` in a
    folder that it does not ignore) and what ``exclude`` matches: patterns for a name (``legacy``,
    ``0001_*.py``) or for a path relative to the working folder (``shop/old/*``). A folder that is named is taken, even if git ignores it.
    """
    patterns = [pattern.rstrip("/").removeprefix("./") for pattern in exclude]
    found: set[Path] = set()
    problems: list[tuple[Path, str]] = []
    for path in paths:
        if files.has_folder(path):
            if problem := files.listing(path).problem:
                problems.append((path, f"cannot be read: {problem}"))
            rules = rules_above(files.real(path), files)
            for folder, names in _walk(path, files, rules, is_left_out=_excluding(patterns)):
                found.update(folder / name for name in _migration_files(folder, names, files))
        elif files.has(path):
            found.add(path)
        else:
            problems.append((path, "no such file or folder"))
    return Discovery(tuple(sorted(found)), tuple(problems))


_NAMED_BY_MANAGE = re.compile(
    rb"""["']DJANGO_SETTINGS_MODULE["']\s*(?:,|\]\s*=)\s*["']([\w.]+)["']"""
)
_TEST = re.compile(r"(^|/)(tests?|testing)(/|$)|(^|/)(test_\w*|tests?|testing|conftest)\.py$")


def _walk(
    top: Path,
    files: Files,
    rules: Rules | None,
    *,
    is_left_out: Callable[[str, str], bool] | None = None,
    packages: bool = False,
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Each folder at and below ``top`` with the names of its files, in order.

    Without what git ignores, by ``rules``; with those ``packages`` among it that Python could import.
    """
    waiting = [(str(top), str(files.real(top)), rules)]
    while waiting:
        folder, real, rules = waiting.pop()
        listing = files.listing(folder)
        if folder != str(top) and "pyvenv.cfg" in listing.files:
            continue
        names = listing.files
        yield (
            Path(folder),
            (tuple(n for n in names if not is_left_out(folder, n)) if is_left_out else names),
        )
        rules = rules and rules.inside(real, files)
        inner = []
        for name in listing.folders:
            if name[0] == "." or name in SKIPPED_FOLDERS or name in listing.links:
                continue
            path = os.path.join(real, name)
            ignored = rules is not None and rules.ignore(path)
            if ignored and name == "migrations":  # Django runs them all the same
                ignored = False
            if ignored and packages:
                ignored = not files.has_file(os.path.join(path, "__init__.py"))
            if not ignored and not (is_left_out and is_left_out(folder, name)):
                inner.append((os.path.join(folder, name), path, rules))
        waiting += reversed(inner)


def _excluding(patterns: Sequence[str]) -> Callable[[str, str], bool] | None:
    """Does a name in a folder match one of the patterns? None if there are none."""

    def excluded(folder: str, name: str) -> bool:
        relative = os.path.relpath(os.path.join(folder, name)).replace(os.sep, "/")
        return any(is_meant(relative, pattern) for pattern in patterns)

    return excluded if patterns else None


def _migration_files(folder: Path, names: Sequence[str], files: Files) -> list[str]:
    python = [name for name in names if name.endswith(".py")]
    named = folder.name == "migrations"
    if not named and not any(_has_class(f"{folder}/{name}", files) for name in python):
        return []
    return [name for name in python if name != "__init__.py"]


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
    disk: Files = field(repr=False, compare=False)

    @cached_property
    def files(self) -> tuple[MigrationFile, ...]:
        """As Django lists them: every module whose name does not begin with ``_`` or ``~``."""
        modules = (name for name in self.disk.listing(self.folder).files if name.endswith(".py"))
        names = [name for name in modules if name[0] not in "_~."]
        return tuple(MigrationFile(self.folder / name, name[:-3], self.app_label) for name in names)


@dataclass(frozen=True)
class Project:
    """A Django project: the folder at its top, and lazily what migrations and settings are below.

    ``whole``: what git ignores belongs to it, too.
    """

    root: Path
    files: Files = field(repr=False, compare=False)
    whole: bool = False

    def walk(
        self, skipped: frozenset[str] = SKIPPED_FOLDERS
    ) -> Iterator[tuple[Path, tuple[str, ...]]]:
        """The folders of the project with the names of their files, without what is in a folder of a name that is skipped.

        A folder that git ignores is none of it, unless it is a package: that may be tracked all the
        same, or be made on each machine, and receivers and settings in there count.
        """
        more = skipped - SKIPPED_FOLDERS
        above = len(self.root.parts)
        for folder, names in self._walked:
            if not more.intersection(folder.parts[above:]):
                yield folder, names

    @cached_property
    def _walked(self) -> tuple[tuple[Path, tuple[str, ...]], ...]:
        rules = None if self.whole else rules_above(self.root, self.files)
        return tuple(_walk(self.root, self.files, rules, packages=True))

    @cached_property
    def settings_of_manage(self) -> tuple[str, ...]:
        """The settings modules that ``manage.py`` names, in its order."""
        manage = self.files.read_if_there(self.root / "manage.py")
        return tuple(os.fsdecode(name) for name in _NAMED_BY_MANAGE.findall(manage))

    def shown(self, path: Path) -> str:
        """The name of a file of the project for people: from the working folder, if the project is in there, else from
        its top.
        """
        here = Path.cwd()
        top = here if self.root.is_relative_to(here) else self.root
        return path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)

    @cached_property
    def own_code(self) -> tuple[Path, ...]:
        """The Python files of the project that belong to no test."""
        above = len(str(self.root)) + 1
        paths = (folder / name for folder, names in self.walk() for name in names)
        return tuple(
            path
            for path in paths
            if path.name.endswith(".py") and not _TEST.search(path.as_posix()[above:])
        )

    @cached_property
    def _folders(self) -> tuple[tuple[Path, tuple[str, ...]], ...]:
        found = []
        inner: list[Path] = []
        has_manage = self.files.has(self.root / "manage.py")
        for folder, names in self.walk():
            if folder != self.root and "manage.py" in names and has_manage:
                inner.append(folder)  # another project, with apps of its own
            if not any(other in (folder, *folder.parents) for other in inner):
                found.append((folder, tuple(n for n in names if n.endswith(".py"))))
        return tuple(found)

    @cached_property
    def packages(self) -> tuple[MigrationPackage, ...]:
        """The migrations packages below the root, by folder."""
        return tuple(
            MigrationPackage(folder, app_label(folder, self.files), self.files)
            for folder, names in self._folders
            if _holds_migrations(folder, names, self.files)
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

    def holds_migrations(self, folder: Path) -> bool:
        """Is the folder a package of migrations?"""
        return any(package.folder == folder for package in self.packages)

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
                if self.files.has_file(path):
                    return path
        return None

    @cached_property
    def _tops(self) -> tuple[Path, ...]:
        return tuple(
            dict.fromkeys([self.root, *(top_folder(p.folder, self.files) for p in self.packages)])
        )

    def migration(self, path: Path) -> MigrationFile:
        """The migration that a file holds; its folder need not be below the root."""
        resolved = self.files.real(path)
        label = self._labels.get(resolved.parent) or app_label(resolved.parent, self.files)
        return MigrationFile(resolved, path.stem, label)

    @cached_property
    def _labels(self) -> dict[Path, str]:
        return {package.folder: package.app_label for package in self.packages}


def _holds_migrations(folder: Path, names: Sequence[str], files: Files) -> bool:
    """MIGRATION_MODULES may name any folder; one not called migrations shows by its numbered files."""
    if folder.name != "migrations":
        names = [name for name in names if name[:4].isdigit()]
    return any(_has_class(f"{folder}/{name}", files) for name in names if name[0] not in "_~")


def _has_class(path: str, files: Files) -> bool:
    return files.once(holds, path, _MIGRATION_CLASS)


def project_of(path: Path, files: Files) -> Project:
    """The project of a file or folder.

    The nearest folder upwards with a ``manage.py`` is a Django project, and its apps lie below it.
    Without one (a reusable app, a repository of several packages, apps beside the folder of
    ``manage.py``) the apps may refer to one another across the whole repository, so its top is
    taken: the folder with ``.git``, else the furthest one with ``pyproject.toml``, ``setup.py`` or
    ``setup.cfg``. Nothing above ``.git`` and no home folder is looked at. With none of these the
    root is the folder that holds the top package.
    """
    folder = files.real(path) if files.has_folder(path) else files.real(path).parent
    return Project(_root(folder, files), files, whole=rules_above(folder, files) is None)


def _root(folder: Path, files: Files) -> Path:
    ancestors = inside_repository(folder, files)
    for ancestor in ancestors:
        if files.has_file(ancestor / "manage.py"):
            return ancestor
    if files.has(ancestors[-1] / ".git"):
        return ancestors[-1]
    marked = [each for each in ancestors if any(files.has_file(each / name) for name in MARKERS)]
    return marked[-1] if marked else top_folder(folder, files)


def inside_repository(folder: Path, files: Files) -> list[Path]:
    """The folder and those above it, up to the top of the repository or below the home folder."""
    found = [folder]
    for ancestor in folder.parents:
        if files.has(found[-1] / ".git") or ancestor == Path.home() or ancestor == ancestor.parent:
            break
        found.append(ancestor)
    return found


def top_folder(folder: Path, files: Files) -> Path:
    """The folder that holds the top package of ``folder``: upwards as long as there is ``__init__.py``."""
    top = folder
    while files.has_file(top / "__init__.py") and top != top.parent:
        top = top.parent
    return top.parent if top == folder and folder.name == "migrations" else top


def module_name(path: Path, files: Files) -> str:
    """The dotted name under which Python would import the file."""
    inner = path.relative_to(top_folder(path.parent, files)).with_suffix("")
    return ".".join(inner.parts)


_REFERENCE = re.compile(rb"""\(\s*["'](\w+)["']\s*,\s*["'](\w+)["']\s*(?:,\s*)?\)""")
_FILES_TO_ASK = 6
_MODULE = re.compile(r"[0-9a-zA-Z].*\.py\Z", re.DOTALL)


def app_label(folder: Path, files: Files) -> str:
    """The label of the app whose migrations the folder holds.

    The files know best: ``dependencies`` name files of the same folder together with the label. Else
    the AppConfig of the ``apps.py`` beside the folder, else the name of the folder above.
    """
    declared = _declared_label(folder.parent, files)
    votes = _votes(folder, files)
    if not votes or votes[declared] == max(votes.values()):
        return declared
    return votes.most_common(1)[0][0]


def _votes(folder: Path, files: Files) -> Counter[str]:
    paths = [folder / name for name in files.listing(folder).files if _MODULE.match(name)]
    names = {os.fsencode(path.stem) for path in paths}
    votes: Counter[str] = Counter()
    for path in paths[:_FILES_TO_ASK]:
        found = files.once(found_in, path, _REFERENCE)
        votes.update(
            {
                label.decode()
                for label, name in found
                if name in names and name != os.fsencode(path.stem)
            }
        )
    return votes


def names_itself(folder: Path, label: str, files: Files) -> bool:
    """Do files of the folder say that files in there belong to the app of this label?"""
    return _votes(folder, files)[label] > 0


def _declared_label(app: Path, files: Files) -> str:
    tree = tree_of(files.read_if_there(app / "apps.py"))
    if tree is None:
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
