"""The packages installed for a project: where their migrations are, without importing any."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.disk.files import Files
from migfix.project.discovery import MigrationPackage, app_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OTHERS = re.compile(r"[_.]|.*-info$|(tests|django)$")
_DEPTH = 4  # folders below site-packages in which a migrations folder is looked for


@dataclass(frozen=True)
class Environment:
    """A folder of installed packages, None when no Django is installed anywhere."""

    packages: Path | None
    files: Files = field(repr=False, compare=False)

    @classmethod
    def of(cls, root: Path, files: Files) -> Environment:
        """The environment of a project: VIRTUAL_ENV, else ``.venv`` or ``venv`` below the root, else
        that of the running interpreter; the first that holds Django.
        """
        active = os.environ.get("VIRTUAL_ENV")
        folders = [Path(active)] if active else []
        for folder in (*folders, root / ".venv", root / "venv"):
            versions = [v for v in files.listing(folder / "lib").folders if v.startswith("python")]
            for packages in (
                *(folder / "lib" / version / "site-packages" for version in versions),
                folder / "Lib/site-packages",
            ):
                if files.has_folder(packages / "django"):
                    return cls(packages, files)
        paths = [Path(path) for path in sys.path if path]
        holding = (path for path in paths if files.has_folder(path / "django/db/migrations"))
        return cls(next(holding, None), files)

    def package(self, label: str) -> MigrationPackage | str:
        """The migrations of an installed app, or in words why there are none."""
        if self.packages is None:
            return f"app {label} is not in the project, and no environment with Django was found"
        contrib = self.packages / "django" / "contrib" / label / "migrations"
        if self.files.has_folder(contrib):
            return MigrationPackage(contrib, label, self.files)
        found = self._installed.get(label, ())
        if len(found) == 1:
            return MigrationPackage(found[0], label, self.files)
        if found:
            return f"app {label} is installed more than once: {found[0]} and {found[1]}"
        return (
            f"app {label} is neither in the project nor installed in {self.packages}; "
            "run migfix with the project's environment active"
        )

    def module_file(self, module: str) -> Path | None:
        """The source of an installed module, None where there is none."""
        if self.packages is None:
            return None
        path = self.packages.joinpath(*module.split("."))
        found = (path.with_suffix(".py"), path / "__init__.py")
        return next((each for each in found if self.files.has_file(each)), None)

    @cached_property
    def _installed(self) -> Mapping[str, tuple[Path, ...]]:
        found: dict[str, tuple[Path, ...]] = {}
        for folder in _migration_folders(str(self.packages), _DEPTH, self.files):
            label = app_label(Path(folder), self.files)
            found[label] = (*found.get(label, ()), Path(folder))
        return found


def _migration_folders(folder: str, depth: int, files: Files) -> Iterator[str]:
    for name in files.listing(folder).folders:
        path = os.path.join(folder, name)
        if name == "migrations":
            yield path
        elif depth > 1 and not _OTHERS.match(name):
            yield from _migration_folders(path, depth - 1, files)
