"""Lets migfix rewrite a data migration and runs it beside the original."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from migfix.findings import FileOutcome
from migfix.pipeline import run_source
from migfix.settings import Settings, known_codes
from tests.running import Both, Models, Rows, run_both, write_project

ALL = Settings(select=frozenset(known_codes()))


def rewritten(
    models: Models,
    before: str,
    settings: Settings = ALL,
    files: Mapping[str, str] | None = None,
) -> tuple[str, FileOutcome]:
    """The data migration as migfix would write it, in a project of its own, and what it says of it.

    The models, the migration and the files are given as to ``run_both`` and ``Case``. Fails on an error of migfix.
    """
    if isinstance(models, Mapping) or files:
        return _rewritten(models, before, settings, files)
    return _rewritten_once(models, before, settings)


def _rewritten(
    models: Models, before: str, settings: Settings, files: Mapping[str, str] | None = None
) -> tuple[str, FileOutcome]:
    with TemporaryDirectory() as folder:
        path = write_project(Path(folder), models, before, files)
        source = path.read_bytes()
        outcome = run_source(source, path, settings, rewrite=True)
    assert outcome.error is None, outcome.traceback or outcome.error
    own = [edit.after for edit in outcome.edits if edit.path == path]
    return (own[0] if own else source).decode(), outcome


# The tests of one migration on several databases.
_rewritten_once = lru_cache(1000)(_rewritten)


def run_rewritten(
    models: Models, before: str, rows: Rows, settings: Settings = ALL, **options: Any
) -> tuple[FileOutcome, Both]:
    """Rewrites and compares: ``run_both`` with what migfix makes of ``before``.

    Fails if migfix leaves the migration as it is, for then nothing is compared.
    """
    after, outcome = rewritten(models, before, settings)
    assert outcome.changed, [loop.reason for loop in outcome.loops]
    return outcome, run_both(models, before, after, rows, **options)
