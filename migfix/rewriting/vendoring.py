"""Where the helper stands in a project, and whether to put it there."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from migfix.discovery import Project
from migfix.files import Files
from migfix.findings import FileEdit
from migfix.reading.vendored import HELPER, is_helper
from migfix.settings import SettingsError


@dataclass(frozen=True, slots=True)
class HelperPlace:
    """The module as a migration imports it, and its file."""

    module: str
    path: Path
    present: bool
    content: bytes = field(repr=False)

    def edit(self) -> FileEdit | None:
        """What to write before the migration; None where the helper is there already."""
        return None if self.present else FileEdit(self.path, None, self.content)


def helper_place(folder: Path, files: Files) -> HelperPlace:
    """The helper's place in a migrations folder.

    Django's loader skips modules whose name starts with an underscore.
    """
    return _free_place(folder, "._migfix", "_migfix", files)


def helper_of_project(module: str, project: Project) -> HelperPlace:
    """The place of the one module that holds the helper for all apps. Raises ``SettingsError``."""
    package, _, name = module.rpartition(".")
    inside = project.module_file(package) if package else None
    if package and (inside is None or inside.name != "__init__.py"):
        raise SettingsError(
            f"[tool.migfix] helper is {module!r}, but there is no package {package!r} in "
            f"{project.root}; name a module of a package that is there"
        )
    folder = inside.parent if inside else project.root
    return _free_place(folder, module, name, project.files)


def _free_place(folder: Path, module: str, name: str, files: Files) -> HelperPlace:
    """The first of ``name``, ``name_2``... that is not there or holds exactly our helper.

    Any other file (an older or edited copy, someone else's module) stays as it is: migrations that
    ran depend on it.
    """
    helper = files.read(HELPER)
    assert isinstance(helper, bytes), helper.why
    for number in count(1):
        suffix = "" if number == 1 else f"_{number}"
        path = folder / f"{name}{suffix}.py"
        if not files.has(path):
            return HelperPlace(f"{module}{suffix}", path, False, helper)
        if is_helper(files.read_if_there(path), files):
            return HelperPlace(f"{module}{suffix}", path, True, helper)
    raise AssertionError("count() does not end")
