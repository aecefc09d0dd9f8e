"""What Python made of the migrations of a project, for processes that run the same ones again.

No module is run here: each process runs its own, as if it had read and compiled the files itself.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType, ModuleType

_NO_MIGRATION = "_~"  # what Django passes over: see MigrationLoader.load_disk


def install() -> None:
    """Reads the migrations of all installed apps, of which none need be there."""
    codes = {path: code for module in _packages() for path, code in _compiled(module)}
    sys.meta_path.insert(0, _Finder(codes))


def _packages() -> Iterator[str]:
    from django.apps import apps
    from django.db.migrations.loader import MigrationLoader

    for config in apps.get_app_configs():
        module, _ = MigrationLoader.migrations_module(config.label)
        if module is not None:
            yield module


def _compiled(package: str) -> Iterator[tuple[str, CodeType]]:
    with suppress(ImportError, ValueError):
        found = importlib.util.find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            for file in Path(folder).glob("*.py"):
                name = f"{package}.{file.stem}"
                loader = importlib.machinery.SourceFileLoader(name, str(file))
                with suppress(SyntaxError, ValueError, OSError):  # who imports it will be told
                    code = None if file.stem[0] in _NO_MIGRATION else loader.get_code(name)
                    if code is not None:
                        yield str(file), code


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what Python finds, and has the code of some files already."""

    def __init__(self, codes: dict[str, CodeType]) -> None:
        self._codes = codes
        self._packages = {str(Path(path).parent) for path in codes}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is None or self._packages.isdisjoint(path):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        code = self._codes.get(spec.origin or "") if spec is not None else None
        if spec is None or code is None or type(spec.loader) is not _FROM_SOURCE:
            return None
        spec.loader = _Loader(name, str(spec.origin), code)
        return spec


_FROM_SOURCE = importlib.machinery.SourceFileLoader


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code
