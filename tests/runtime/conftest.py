"""What the tests of the helper share; `MIGFIX_TEST_HELPER` names the only functions that it is to have.

Then it is the text that a project gets which uses these, and tests of others are skipped.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator, Sized
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import ModuleType

import pytest

import migfix.runtime
from migfix.disk.files import Files
from migfix.reading.vendored import helper_text


class _Lacking:
    """Stands for what this helper does not hold: a test that makes use of it is skipped."""

    def __init__(self, name: str) -> None:
        self.name = name

    def skip(self, *_: object, **__: object) -> None:
        pytest.skip(f"{self.name} is not in this helper")

    __call__ = __mul__ = __floordiv__ = skip


def _module(functions: frozenset[str]) -> ModuleType:
    name = "migfix.runtime.helper"
    path = Path(mkdtemp(prefix="migfix-test-")) / "_migfix.py"
    atexit.register(rmtree, path.parent, ignore_errors=True)
    path.write_bytes(helper_text(functions, Files()))
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    def lacking(name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Lacking(name)

    vars(module)["__getattr__"] = lacking
    return module


if named := os.environ.get("MIGFIX_TEST_HELPER"):
    migfix.runtime.helper = sys.modules["migfix.runtime.helper"] = _module(frozenset(named.split()))

from migfix.runtime import helper  # noqa: E402


@pytest.fixture
def together() -> Iterator[None]:
    """Let batches of two rows be written in one go, as those of many are."""

    def is_one(rows: Sized, *_: object) -> bool:
        return len(rows) == 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helper, "_are_few", is_one)
        patch.setattr(helper, "_FEW", 0)
        patch.setattr(helper, "_MANY", 2)
        yield
