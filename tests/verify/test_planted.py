"""Wrong rewrites are caught, and the original beside itself is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migfix.findings import Verdict
from migfix.verify.jobs import Setting
from migfix.verify.processes import Processes
from migfix.verify.proofs import Proof
from migfix.verify.servers import entry_of
from migfix.verify.verifying import Prover, tasks_for
from tests.databases import SERVERS, unavailable
from tests.running import write_project
from tests.verify.planted import MODELS, PLANTED, Planted

pytestmark = pytest.mark.behaviour


def url_of(database: str) -> str | None:
    """The server's URL; None for SQLite. Skips the test where the server does not answer."""
    if database not in SERVERS:
        return None
    if reason := unavailable(database):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    variable, default = SERVERS[database]
    return os.environ.get(variable, default)


def proof_of(folder: Path, before: str, after: str, database: str = "sqlite") -> Proof:
    path = write_project(folder, MODELS, before).resolve()
    tasks, failed = tasks_for([path], {path: before.encode()}, {path: after.encode()})
    assert not failed
    prover = Prover(Processes(), entry_of(url_of(database)), Setting(seed=1, rows=30))
    (proof,) = prover.proofs(tasks)
    return proof


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_wrong_rewrite_is_caught(planted: Planted, tmp_path: Path) -> None:
    before, after = planted.modules()
    proof = proof_of(tmp_path, before, after, planted.database)
    assert proof.verdict is Verdict.DIFFERENT, proof
    assert proof.difference is not None
    assert proof.difference.lines


# With clocks, errors, indexes and rows that come and go.
@pytest.mark.parametrize("planted", PLANTED[::8], ids=lambda planted: planted.name)
def test_the_original_beside_itself_is_not(planted: Planted, tmp_path: Path) -> None:
    before, _ = planted.modules()
    proof = proof_of(tmp_path, before, before + "\n", planted.database)
    assert proof.difference is None, proof
