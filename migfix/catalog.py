"""The codemods that there are: every module of the ``codemods`` folder beside this package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

from migfix.codemod import Codemod

FOLDER = Path(__file__).resolve().parent.parent / "codemods"


@cache
def load() -> tuple[Codemod, ...]:
    """Every codemod, by code. A ``codemods`` package of the user's is never loaded in place of ours."""
    _claim_package()
    names = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    modules = [importlib.import_module(f"codemods.{name}") for name in names]
    return tuple(sorted((module.codemod for module in modules), key=lambda codemod: codemod.code))


def _claim_package() -> None:
    """Put our package under the name ``codemods``, whatever the import path would find first."""
    loaded = sys.modules.get("codemods")
    if loaded is not None and _is_ours(loaded.__file__):
        return
    for name in [n for n in sys.modules if n == "codemods" or n.startswith("codemods.")]:
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        "codemods", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["codemods"] = package
    spec.loader.exec_module(package)


def _is_ours(file: str | None) -> bool:
    return file is not None and Path(file).resolve().parent == FOLDER
