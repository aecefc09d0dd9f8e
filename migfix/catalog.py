"""The codemods that there are: every module of the package ``migfix.codemods``, which is the folder of that
name at the top of the repository.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from pkgutil import iter_modules

from migfix.codemod import Codemod

_PACKAGE = importlib.import_module("migfix.codemods")
FOLDER = Path(_PACKAGE.__path__[0])


@cache
def load() -> tuple[Codemod, ...]:
    """Every codemod, by code."""
    names = [each.name for each in iter_modules(_PACKAGE.__path__) if each.name[0] != "_"]
    modules = [importlib.import_module(f"migfix.codemods.{name}") for name in sorted(names)]
    return tuple(sorted((module.codemod for module in modules), key=lambda codemod: codemod.code))
