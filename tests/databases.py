"""
Databases for tests: one of its own for each test run, on every server that answers.

`opened(name)` gives an empty database as `connections["default"]`; tests ask for it with the fixture `database`.
Servers are named by MIGFIX_TEST_POSTGRESQL and MIGFIX_TEST_MARIADB, URLs with a database that may be used to create
others. Without an answer the tests of that server are skipped, or fail where CI is set.
"""

from __future__ import annotations

import atexit
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from migfix.verify.worker.databases import provide_mysqldb

if not settings.configured:
    settings.configure(
        USE_TZ=True,
        TIME_ZONE="America/New_York",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()

Configuration = dict[str, object]

SERVERS = {
    "postgresql": ("MIGFIX_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test"),
    "mariadb": ("MIGFIX_TEST_MARIADB", "mysql://root@127.0.0.1:3306/test"),
}
ENGINES = {"postgresql": "django.db.backends.postgresql", "mariadb": "django.db.backends.mysql"}
# Tests connect some ten thousand times: PyMySQL reads every certificate of the machine for each connection (27 ms),
# where mysqlclient is not installed, and no test needs its rows after a crash of the server.
OPTIONS = {
    "postgresql": {"options": "-c synchronous_commit=off"},
    "mariadb": {} if find_spec("MySQLdb") else {"ssl_disabled": True},
}
EMPTYING = {
    "postgresql": ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"],
    "mysql": ["DROP DATABASE {0}", "CREATE DATABASE {0}", "USE {0}"],
}
NAMES = ("sqlite", "sqlite-memory", "postgresql", "mariadb")
# A run may be told to take some of them: others take the rest.
CHOSEN = os.environ.get("MIGFIX_TEST_DATABASES", ",".join(NAMES)).split(",")
PARAMETERS = [
    pytest.param(name, marks=[getattr(pytest.mark, name)] if name in SERVERS else [])
    for name in NAMES
    if name in CHOSEN
]
ONE_SQLITE = [parameter for parameter in PARAMETERS if parameter.values != ("sqlite",)]


@contextmanager
def _no_autocommit() -> Iterator[None]:
    """Nothing is committed unless the loop says so; what it did before an error is."""
    connections["default"].set_autocommit(False)
    try:
        yield
    finally:
        connections["default"].commit()
        connections["default"].set_autocommit(True)


# Where a loop may run.
MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocommit": nullcontext,
    "transaction": transaction.atomic,
    "manual": _no_autocommit,
}


# What lies in the databases of this process on servers, as those say who take them by `kept`. Others find them empty.
holds: dict[str, object] = {}


@contextmanager
def opened(name: str, folder: Path, *, kept: bool = False) -> Iterator[BaseDatabaseWrapper]:
    """
    Yield a connection to an empty database that is `connections["default"]` until the exit.

    `name` is one of NAMES; a SQLite file is put into `folder`. On a server the database is created once per process
    and emptied after each use; but `kept`, it is as the last user left it, who said so in `holds`, and stays as it is.
    Skips the test if the server does not answer (see `unavailable`).
    """
    connection = (kept and _idle.pop(name, None)) or connected(configuration(name, folder, kept))
    usual = connections["default"]
    connections["default"] = connection
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous = OFF")
    try:
        yield connection
    finally:
        connections["default"] = usual
        if kept and _is_as_new(connection):
            _idle[name] = connection
        elif connection.connection is not None:  # Django's close() keeps a database in memory open
            connection.connection.close()
        if name in SERVERS and not kept:
            _empty(name)


_idle: dict[str, BaseDatabaseWrapper] = {}


def _is_as_new(connection: BaseDatabaseWrapper) -> bool:
    """Bring a session back to what it was like at first, where a server can: a new process of PostgreSQL takes long."""
    if (
        connection.vendor != "postgresql"
        or not connection.is_usable()
        or connection.in_atomic_block
        or not connection.get_autocommit()
        or connection.execute_wrappers
        or connection.run_on_commit
    ):
        return False
    with connection.cursor() as cursor:
        cursor.execute("DISCARD ALL")
    connection.init_connection_state()
    return True


def configuration(name: str, folder: Path, kept: bool = False) -> Configuration:
    """Return the entry of Django's DATABASES for an empty database, or as `opened`. Skips the test like that."""
    if name in SERVERS:
        if reason := unavailable(name):
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
        if not kept and name in holds:
            _empty(name)
        return {**server(name), "NAME": _created(name)}
    file = ":memory:" if name == "sqlite-memory" else str(folder / f"{uuid.uuid4().hex}.sqlite3")
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": file}


def server(name: str) -> Configuration:
    """Return the entry of Django's DATABASES for the database that the URL of a server names."""
    variable, default = SERVERS[name]
    url = urlsplit(os.environ.get(variable, default))
    return {
        "ENGINE": ENGINES[name],
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "NAME": url.path.lstrip("/"),
        "OPTIONS": dict(OPTIONS[name]),
    }


@cache
def unavailable(name: str) -> str | None:
    """Return why the tests of a server cannot run, or None if it answers."""
    variable, default = SERVERS[name]
    try:
        with closing(connected(server(name))) as connection:
            connection.ensure_connection()
    except (DatabaseError, ImproperlyConfigured) as error:
        url = os.environ.get(variable, default)
        return f"no {name} at {url} ({' '.join(str(error).split())}); set {variable}"
    return None


def connected(entry: Configuration, alias: str = "default") -> BaseDatabaseWrapper:
    """Return a connection for an entry of DATABASES, not yet open and not yet among `connections`."""
    if entry["ENGINE"] == ENGINES["mariadb"]:
        provide_mysqldb()
    full = connections.configure_settings({"default": entry})["default"]
    connection: BaseDatabaseWrapper = load_backend(full["ENGINE"]).DatabaseWrapper(full, alias)
    return connection


@cache
def _created(name: str) -> str:
    """Create a database for this process, dropped when the process ends, and return what it is called."""
    database = f"migfix_test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    _execute(server(name), f"CREATE DATABASE {database}")
    atexit.register(_drop, name, database)
    return database


def _drop(name: str, database: str) -> None:
    if idle := _idle.pop(name, None):
        idle.close()
    _execute(server(name), f"DROP DATABASE {database}")


def empty(connection: BaseDatabaseWrapper) -> None:
    """Drop all that is in the database of a server."""
    with connection.cursor() as cursor:
        for statement in EMPTYING[connection.vendor]:
            cursor.execute(statement.format(connection.settings_dict["NAME"]))


def _empty(name: str) -> None:
    with closing(connected({**server(name), "NAME": _created(name)})) as connection:
        empty(connection)
    holds.pop(name, None)


def _execute(entry: Configuration, *statements: str) -> None:
    with closing(connected(entry)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
