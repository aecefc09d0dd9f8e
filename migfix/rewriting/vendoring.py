"""Where the helper stands in a project, and whether to put it there.

One helper serves all migrations of a project that surely has a package which each of them can import: that of the
settings that ``manage.py`` beside it names, or the top package of all, by whose name the settings or an ``apps.py`` call
the app. Elsewhere each folder of migrations gets one of its own.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from migfix.disk.files import Files
from migfix.findings import FileEdit, FileOutcome, HelperChange
from migfix.project.discovery import Project, top_folder
from migfix.reading.vendored import functions_in, helper_text, imported_functions, is_of_migfix
from migfix.rewriting.distributing import may_come_apart
from migfix.settings import SettingsError
from migfix.source import tree_of

NAME = "_migfix"
"""What its module is called, where the settings say nothing else; a number follows where that is taken."""


@dataclass(frozen=True, slots=True)
class HelperPlace:
    """The module as a migration imports it, its file, what is there, and the functions that this holds; ``own`` are
    the top packages beside that of the module.
    """

    module: str
    path: Path
    there: bytes | None = field(default=None, repr=False)
    functions: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def change_for(self, path: Path, text: bytes) -> HelperChange | None:
        """What becomes of the helper where the file is to have this text; None where it holds all that this imports."""
        tree = tree_of(text) if os.fsencode(self.path.stem) in text else None
        imported = imported_functions(tree, self.module) if tree else frozenset()
        return self.change_to_hold(imported, path)

    def change_to_hold(self, imported: frozenset[str], path: Path) -> HelperChange | None:
        """The same where the file imports these functions."""
        if imported <= self.functions:
            return None
        # As the user would write it who wrote the other path.
        shown = self.path if path.is_absolute() else Path(os.path.relpath(self.path))
        return HelperChange(shown, self.there, self.functions | imported, self.module)


# A package of the tests or of an example is none that a distribution brings along.
_OF_TESTS = re.compile(r"test|example|demo|sandbox|docs", re.IGNORECASE)


def helper_place(folder: Path, project: Project) -> HelperPlace:
    """The helper's place for the migrations of a folder: that which is there beside them, that which the
    project's other migrations can import as well, or one beside them.

    Django's loader skips modules whose name starts with an underscore.
    """
    beside = _free_place(folder, f".{NAME}", NAME, project.files)
    if beside.functions:
        return beside
    package = _package_for_all(folder, project) or _package_of_app(folder, project)
    if package is None:
        return beside
    found = _free_place(package, f"{package.name}.{NAME}", NAME, project.files)
    beside_it = project.files.listing(package.parent)
    modules = (name.removesuffix(".py") for name in beside_it.files if name.endswith(".py"))
    return replace(found, own=frozenset({*beside_it.folders, *modules}))


def _package_for_all(folder: Path, project: Project) -> Path | None:
    """The package of the settings, where a migration of the folder can surely import it.

    Both are imported from the folder of ``manage.py`` then, which Python puts on its path:
    https://docs.python.org/3/library/sys.html#sys.path
    """
    files, root = project.files, project.root
    names = {name.partition(".")[0] for name in project.settings_of_manage if "." in name}
    package = root / names.pop() if len(names) == 1 else None
    if package is None or not files.has_file(package / "__init__.py"):
        return None
    folder = files.real(folder)
    if files.has_file(
        root / "__init__.py"
    ):  # by chance, where apps are called by their names in it alone
        above = root.parent
        if not _is_called(folder, root, project) or _is_called(folder, above, project):
            return None
    elif top_folder(folder, files) != root:
        return None
    if package in folder.parents:
        return package
    apart = _OF_TESTS.search(package.name) or may_come_apart(package, folder, f"{NAME}.py", project)
    return None if apart else package


def _package_of_app(folder: Path, project: Project) -> Path | None:
    """The top package of the app, where that is surely imported by its name: it comes along wherever the app goes."""
    files = project.files
    folder = files.real(folder)
    top = top_folder(folder, files)
    parts = folder.relative_to(top).parts
    if len(parts) == 2:
        return _package_of_apps_inside(folder, project)
    if len(parts) < 3 or not _is_called(folder, top, project):
        return None
    by_two_names = (
        top != project.root and project.has_manage and _is_called(folder, project.root, project)
    )
    return None if by_two_names else top / parts[0]


def _package_of_apps_inside(folder: Path, project: Project) -> Path | None:
    """A top package that is an app itself, where an app in there is imported by its name, so that this one can be, too."""
    top = folder.parent
    inside = (
        each.folder
        for each in project.packages
        if each.folder != folder and top in each.folder.parents
    )
    return top if any(_package_of_app(each, project) == top for each in inside) else None


def _is_called(folder: Path, above: Path, project: Project) -> bool:
    """Do settings, or an ``apps.py``, call the app of these migrations by its dotted name below the folder ``above``?"""
    if folder.name != "migrations" or above not in folder.parents:
        return False
    app = ".".join(folder.relative_to(above).parts[:-1])
    saying = (*project.settings_files, folder.parent / "apps.py")
    named = re.compile(rb"""["']%b(?:\.apps\.\w+)?["']""" % re.escape(app.encode()))
    return any(named.search(project.files.read_if_there(file)) for file in saying)


def helper_of_project(module: str, project: Project) -> HelperPlace:
    """The place of the one module that holds the helper for all apps. Raises ``SettingsError``."""
    package, _, name = module.rpartition(".")
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top == "django":
        raise SettingsError(
            f"[tool.migfix] helper is {module!r}, which would hide {top!r} of Python or Django; "
            "name a module of the project"
        )
    inside = project.module_file(package) if package else None
    if package and (inside is None or inside.name != "__init__.py"):
        raise SettingsError(
            f"[tool.migfix] helper is {module!r}, but there is no package {package!r} in "
            f"{project.root}; name a module of a package that is there"
        )
    folder = inside.parent if inside else project.root
    there = project.files.read_if_there(folder / f"{name}.py")
    file = project.files.has(folder / f"{name}.py") and not is_of_migfix(there)
    if file or project.files.has(folder / name) or (not package and _is_installed(name)):
        raise SettingsError(
            f"[tool.migfix] helper is {module!r}, which is a module there already; "
            "name one that is not there yet"
        )
    if name[0] != "_" and project.holds_migrations(folder):
        raise SettingsError(
            f"[tool.migfix] helper is {module!r}, which Django would take for a migration; "
            "begin its name with an underscore, or name another package"
        )
    return _free_place(folder, module, name, project.files)


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _free_place(folder: Path, module: str, name: str, files: Files) -> HelperPlace:
    """The first of ``name``, ``name_2``... that is not there or holds exactly our helper, or parts of it.

    Any other file (an older or edited copy, someone else's module) stays as it is: migrations that
    ran depend on it.
    """
    for number in count(1):
        suffix = "" if number == 1 else f"_{number}"
        path = folder / f"{name}{suffix}.py"
        if files.has(folder / f"{name}{suffix}"):  # a package, which would go before it
            continue
        if not files.has(path):
            return HelperPlace(f"{module}{suffix}", path)
        there = files.read_if_there(path)
        if functions := functions_in(there, files):
            return HelperPlace(f"{module}{suffix}", path, there, functions)
    raise AssertionError("count() does not end")


def with_helpers(
    outcomes: Sequence[FileOutcome], files: Files, *, rewrite: bool
) -> list[FileOutcome]:
    """The outcomes, each with the helper that it needs, which is one text for all that share it.

    What is there already is only added to: the text of each function is the same in any helper that holds it.
    """
    functions: defaultdict[Path, frozenset[str]] = defaultdict(frozenset)
    for each in outcomes:
        if each.helper is not None:
            functions[files.real(each.helper.path)] |= each.helper.functions
    return [_with_helper(each, functions, files, rewrite=rewrite) for each in outcomes]


def edit_of(helper: HelperChange, files: Files) -> FileEdit:
    """The file of the helper as it is to be, with the line ends that it has."""
    text = helper_text(helper.functions, files)
    if b"\r\n" in (helper.before or b""):
        text = text.replace(b"\n", b"\r\n")
    return FileEdit(helper.path, helper.before, text)


def _with_helper(
    outcome: FileOutcome, functions: Mapping[Path, frozenset[str]], files: Files, *, rewrite: bool
) -> FileOutcome:
    if outcome.helper is None:
        return outcome
    helper = replace(outcome.helper, functions=functions[files.real(outcome.helper.path)])
    own = [each for each in outcome.edits if each.path != helper.path]
    edits = (edit_of(helper, files), *own) if rewrite else ()
    return replace(outcome, helper=helper, edits=edits)
