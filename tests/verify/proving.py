"""Proofs of two versions of one migration, for tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migfix.verify.jobs import Setting
from migfix.verify.processes import Processes
from migfix.verify.proofs import Proof
from migfix.verify.servers import entry_of
from migfix.verify.verifying import Prover, tasks_for
from tests.databases import OPTIONS, SERVERS, unavailable
from tests.running import write_project
from tests.verify.planted import MODELS


def url_of(database: str) -> str | None:
    """The server's URL; None for SQLite. Skips the test where the server does not answer."""
    if database not in SERVERS:
        return None
    if reason := unavailable(database):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    variable, default = SERVERS[database]
    return os.environ.get(variable, default)


def proof_of(
    folder: Path,
    before: str,
    after: str,
    database: str = "sqlite",
    *,
    models: str = MODELS,
    settings: str | None = None,
) -> Proof:
    """The proof of the data migration of a project that is written to ``folder``."""
    path = write_project(folder, models, before).resolve()
    text = path.read_text()
    tasks, failed = tasks_for(
        [path], {path: text.encode()}, {path: text.replace(before, after).encode()}
    )
    assert not failed
    (proof,) = prover_of(database, settings).proofs(tasks)
    return proof


def prover_of(database: str = "sqlite", settings: str | None = None) -> Prover:
    entry = entry_of(url_of(database))
    if database in SERVERS:
        entry = {**entry, "OPTIONS": {**OPTIONS[database], **entry["OPTIONS"]}}
    return Prover(
        Processes(with_environment=bool(settings)),
        entry,
        Setting(seed=1, rows=30, settings=settings),
    )
