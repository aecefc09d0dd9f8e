"""The account with which a migration runs on a server, and what is left there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from migfix.findings import Verdict
from migfix.settings import SettingsError
from migfix.verify.processes import Processes
from migfix.verify.servers import database, entry_of
from tests.databases import connected, server
from tests.verify.proving import proof_of, url_of

# One after another: the accounts and databases of these tests have names of their own on the server.
pytestmark = [pytest.mark.behaviour, pytest.mark.xdist_group("accounts")]

SERVERS = ("postgresql", "mariadb")
NAME = "migfix_verify_other"  # not one that a run makes: there is no time in it
_TRIES = """
from django.db import DatabaseError, migrations


def forwards(apps, schema_editor):
    done = []
    for statement in {statements!r}:
        try:
            with schema_editor.connection.cursor() as cursor:
                cursor.execute(statement)
            done.append(statement)
        except (DatabaseError, RuntimeError):  # PyMySQL's, of a file that it is to send
            schema_editor.connection.close()
    assert not done, done
    for ticket in apps.get_model("shop", "Ticket").objects.all():
        ticket.save()


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
HOSTILE = {
    "postgresql": [
        "CREATE ROLE migfix_evil",
        "CREATE TABLE migfix_evil (n int); COPY migfix_evil FROM PROGRAM 'echo 1'",
        "COPY (SELECT 1) TO '/tmp/migfix_evil'",
        "SELECT pg_read_file('/etc/hosts')",
        "SELECT pg_reload_conf()",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "SET ROLE postgres",
        f"ALTER DATABASE {NAME} SET work_mem = '1MB'",
    ],
    "mariadb": [
        f"CREATE TABLE {NAME}.evil (n int)",
        f"DROP DATABASE {NAME}",
        "CREATE DATABASE migfix_verify_evil",
        "CREATE USER migfix_evil",
        "SELECT * FROM mysql.user",
        "SELECT 1 INTO OUTFILE '/tmp/migfix_evil'",
        "LOAD DATA LOCAL INFILE '/etc/hosts' IGNORE INTO TABLE shop_ticket",
        "SET GLOBAL max_connections = @@GLOBAL.max_connections",
    ],
}


def _run(name: str, statements: list[str]) -> list[tuple[str, ...]]:
    with closing(connected(server(name))) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return [*cursor.fetchall()] if cursor.description else []


_DROPS = {  # what would be there if the account were not poor
    "postgresql": ["DROP ROLE IF EXISTS migfix_evil"],
    "mariadb": ["DROP DATABASE IF EXISTS migfix_verify_evil", "DROP USER IF EXISTS migfix_evil"],
}


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server on which there is another database."""
    name: str = request.param
    url_of(name)
    drop = [f"DROP DATABASE IF EXISTS {NAME}", *_DROPS[name]]
    _run(name, [*drop, f"CREATE DATABASE {NAME}"])
    yield name
    _run(name, drop)


@pytest.mark.parametrize("other", SERVERS, indirect=True)
def test_sql_reaches_no_other_database_and_nothing_is_left(other: str, tmp_path: Path) -> None:
    before = _ours(other)
    data = _TRIES.format(statements=HOSTILE[other])
    proof = proof_of(tmp_path, data, data + "\n", other)
    assert proof.verdict is Verdict.EQUAL, proof.reason
    assert not proof.raised
    assert not _staying(_ours(other) - before, other)


_ALL = {
    "postgresql": "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles",
    "mariadb": "SELECT schema_name FROM information_schema.schemata UNION SELECT user FROM mysql.user",
}


def _ours(name: str) -> set[str]:
    return {each for (each,) in _run(name, [_ALL[name]]) if each.startswith("migfix_verify_")}


def _staying(names: set[str], name: str) -> set[str]:
    """Those that do not go by themselves, as do those of tests that run at the same time."""
    deadline = time.monotonic() + 120
    while names and time.monotonic() < deadline:
        time.sleep(0.5)
        names &= _ours(name)
    return names


@pytest.mark.parametrize("other", SERVERS, indirect=True)
def test_what_a_run_left_long_ago_is_dropped(other: str) -> None:
    old = f"migfix_verify_{int(time.time()) - 4000:08x}abcdef"
    young = f"migfix_verify_{int(time.time()) - 3000:08x}abcdef"
    url_of(other)
    _run(other, [f"CREATE DATABASE {each}" for each in (old, young)])
    try:
        with database(entry_of(url_of(other)), Processes()):
            found = _ours(other)
    finally:
        _run(other, [f"DROP DATABASE IF EXISTS {each}" for each in (old, young)])
    assert old not in found
    assert {young, NAME} <= found


@pytest.mark.parametrize("name", SERVERS)
def test_an_account_that_may_make_none_is_told_so(name: str) -> None:
    with database(entry_of(url_of(name)), Processes()) as entry:
        account = {"USER": entry["USER"], "PASSWORD": entry["PASSWORD"]}
        poor = {**entry_of(url_of(name)), **account, "MAINTENANCE": entry["NAME"]}
        with (
            pytest.raises(SettingsError, match=r"--allow-shared-account"),
            database(poor, Processes()),
        ):
            pass


def test_a_database_that_stays_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes()
    real = Processes.server
    monkeypatch.setattr(
        *(Processes, "server"),
        lambda self, what, entry: (1, "gone") if what == "drop" else real(self, what, entry),
    )
    with database(entry_of(url_of("postgresql")), processes) as entry:
        name = entry["NAME"]
    monkeypatch.undo()
    own = {**entry_of(url_of("postgresql")), "NAME": name, "ACCOUNT": "x"}
    assert Processes().server("drop", own) == (0, "")
    assert processes.left == [f"{name} on 127.0.0.1 (gone)"]
