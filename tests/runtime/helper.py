"""The helper as projects get it; `MIGFIX_TEST_HELPER` names the only functions that it is to have.

Then tests that make use of others are skipped.
"""

from __future__ import annotations

import atexit
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import ModuleType

import pytest

from migfix.disk.files import Files
from migfix.reading.cutting import FUNCTIONS
from migfix.reading.vendored import helper_text


class _Lacking:
    """Stands for what this helper does not hold: a test that makes use of it is skipped."""

    def __init__(self, name: str) -> None:
        self.name = name

    def skip(self, *_: object, **__: object) -> None:
        pytest.skip(f"{self.name} is not in this helper")

    __call__ = __mul__ = __floordiv__ = skip


def _module(functions: frozenset[str]) -> ModuleType:
    path = Path(mkdtemp(prefix="migfix-test-")) / "_migfix.py"
    atexit.register(rmtree, path.parent, ignore_errors=True)
    path.write_bytes(helper_text(functions, Files()))
    spec = spec_from_file_location(__name__, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _lacking(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Lacking(name)


# The module in place of this one, so that tests import of it and patch it as any other.
named = os.environ.get("MIGFIX_TEST_HELPER")
helper = sys.modules[__name__] = _module(frozenset(named.split()) if named else FUNCTIONS)
if named:
    vars(helper)["__getattr__"] = _lacking
