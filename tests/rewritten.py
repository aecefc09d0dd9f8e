"""Lets migfix rewrite a data migration and runs it beside the original."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from migfix.findings import FileOutcome
from migfix.pipeline import run_source
from migfix.settings import Settings, known_codes
from tests.running import Both, Models, Rows, run_both, write_project

ALL = Settings(select=frozenset(known_codes()))


def rewritten(models: Models, before: str, settings: Settings = ALL) -> tuple[str, FileOutcome]:
    """The data migration as migfix would write it, in a project of its own, and what it says of it.

    The models and the migration are given as to ``run_both``. Fails on an error of migfix.
    """
    with TemporaryDirectory() as folder:
        path = write_project(Path(folder), models, before)
        source = path.read_bytes()
        outcome = run_source(source, path, settings, rewrite=True)
    assert outcome.error is None, outcome.traceback or outcome.error
    own = [edit.after for edit in outcome.edits if edit.path == path]
    return (own[0] if own else source).decode(), outcome


def run_rewritten(
    models: Models, before: str, rows: Rows, settings: Settings = ALL, **options: Any
) -> tuple[FileOutcome, Both]:
    """Rewrites and compares: ``run_both`` with what migfix makes of ``before``.

    Fails if migfix leaves the migration as it is, for then nothing is compared.
    """
    after, outcome = rewritten(models, before, settings)
    assert outcome.changed, [loop.reason for loop in outcome.loops]
    return outcome, run_both(models, before, after, rows, **options)
