"""The packages installed for a project: where their migrations are, without importing any."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.discovery import MigrationPackage, app_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEPTH = 4  # folders below site-packages in which a migrations folder is looked for


@dataclass(frozen=True)
class Environment:
    """A folder of installed packages, None when no Django is installed anywhere."""

    packages: Path | None

    @classmethod
    def of(cls, root: Path) -> Environment:
        """The environment of a project: VIRTUAL_ENV, else ``.venv`` or ``venv`` below the root, else
        that of the running interpreter; the first that holds Django.
        """
        active = os.environ.get("VIRTUAL_ENV")
        folders = [Path(active)] if active else []
        for folder in (*folders, root / ".venv", root / "venv"):
            for packages in (
                *folder.glob("lib/python*/site-packages"),
                folder / "Lib/site-packages",
            ):
                if (packages / "django").is_dir():
                    return cls(packages)
        paths = [Path(path) for path in sys.path if path]
        return cls(next((path for path in paths if (path / "django/db/migrations").is_dir()), None))

    def package(self, label: str) -> MigrationPackage | str:
        """The migrations of an installed app, or in words why there are none."""
        if self.packages is None:
            return f"app {label} is not in the project, and no environment with Django was found"
        contrib = self.packages / "django" / "contrib" / label / "migrations"
        if contrib.is_dir():
            return MigrationPackage(contrib, label)
        found = self._installed.get(label, ())
        if len(found) == 1:
            return MigrationPackage(found[0], label)
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
        return next((each for each in found if each.is_file()), None)

    @cached_property
    def _installed(self) -> Mapping[str, tuple[Path, ...]]:
        found: dict[str, tuple[Path, ...]] = {}
        for folder in _migration_folders(str(self.packages), _DEPTH):
            label = app_label(Path(folder))
            found[label] = (*found.get(label, ()), Path(folder))
        return found


def _migration_folders(folder: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        folders = [
            each for each in entries if each.is_dir() and not each.name.startswith(("_", "."))
        ]
    for each in sorted(folders, key=lambda entry: entry.name):
        if each.name == "migrations":
            yield each.path
        elif depth > 1 and each.name not in {"tests", "django"} and not each.name.endswith("-info"):
            yield from _migration_folders(each.path, depth - 1)
