"""The throw-away database of one run: a file, or a database of its own on a server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PREFIX = "migfix_verify_"
_DROP_SCHEMAS = """
DO $$
DECLARE schema text;
BEGIN
    FOR schema IN SELECT nspname FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    LOOP EXECUTE format('DROP SCHEMA %I CASCADE', schema); END LOOP;
END $$
"""
_EMPTYING = {
    "postgresql": (_DROP_SCHEMAS, "CREATE SCHEMA public"),
    "mysql": ("DROP DATABASE {name}", "CREATE DATABASE {name} CHARACTER SET utf8mb4", "USE {name}"),
}
# Nothing of the database outlives the run: no commit need wait for the disk.
# https://www.postgresql.org/docs/current/wal-async-commit.html: transactions see the same.
_UNSYNCED = {"sqlite": "PRAGMA synchronous = OFF", "postgresql": "SET synchronous_commit = off"}


def provide_mysqldb() -> None:
    """Let PyMySQL stand for mysqlclient where that is not installed."""
    try:
        import MySQLdb
    except ImportError:
        import pymysql

        pymysql.version_info = (2, 2, 1, "final", 0)  # what Django asks of mysqlclient
        pymysql.install_as_MySQLdb()
        import MySQLdb
    _read_certificates_once(MySQLdb)


def _read_certificates_once(driver: Any) -> None:
    """PyMySQL reads all that the system trusts for each connection that says nothing of TLS, which takes longer than the
    connection: https://github.com/PyMySQL/PyMySQL/blob/v1.1.1/pymysql/connections.py (``_create_ssl_ctx``)
    """
    module = getattr(driver, "connections", None)
    connection = getattr(module, "Connection", None)
    make = getattr(connection, "_create_ssl_ctx", None)
    if make is None or make.__name__ == "kept" or not getattr(module, "SSL_ENABLED", False):
        return
    one = make(None, {})

    def kept(self: Any, said: Any) -> Any:
        return one if said == {} else make(self, said)

    connection._create_ssl_ctx = kept  # type: ignore[union-attr]


class Database:
    """``entry`` is that of Django's DATABASES. What it names must be ours: see PREFIX."""

    def __init__(self, entry: Mapping[str, Any], folder: str) -> None:
        self.entry = dict(entry)
        if self.is_file:
            self.entry["NAME"] = str(Path(folder, f"{PREFIX}data.sqlite3"))
        elif not str(entry["NAME"]).startswith(PREFIX):
            raise ValueError(f"{entry['NAME']} is no database of migfix verify")

    @property
    def is_file(self) -> bool:
        return str(self.entry["ENGINE"]).endswith("sqlite3")

    def provide_driver(self) -> None:
        if str(self.entry["ENGINE"]).endswith("mysql"):
            provide_mysqldb()

    @contextmanager
    def emptied(self) -> Iterator[Any]:
        """A connection to the database, without tables."""
        if self.is_file:
            self._remove_file()
        with self.opened() as connection:
            statements = _EMPTYING.get(connection.vendor, ())
            name = connection.ops.quote_name(self.entry["NAME"])
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement.format(name=name))
            yield connection

    def keep(self, name: str) -> None:
        """Keeps the file as it is, where it is one, for ``restored()``; nobody is connected."""
        if self.is_file:
            shutil.copyfile(self.entry["NAME"], self._kept(name))

    def forget_kept(self) -> None:
        for each in Path(self.entry["NAME"]).parent.glob(f"{PREFIX}*.kept") if self.is_file else ():
            each.unlink()

    def restored(self, name: str) -> bool:
        """Is the database as it was kept under this name, be it by an earlier job in this folder?"""
        if not self.is_file or not self._kept(name).exists():
            return False
        self._remove_file()
        shutil.copyfile(self._kept(name), self.entry["NAME"])
        return True

    def _kept(self, name: str) -> Path:
        return Path(f"{self.entry['NAME']}.{name}.kept")

    def _remove_file(self) -> None:
        for suffix in ("", "-journal", "-wal", "-shm"):
            Path(f"{self.entry['NAME']}{suffix}").unlink(missing_ok=True)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """A new connection, which is ``connections["default"]`` until the exit and closed then."""
        from django.db import connections

        with suppress(AttributeError):
            del connections["default"]
        connection = connections["default"]
        connection.ensure_connection()
        if connection.vendor in _UNSYNCED:
            with connection.cursor() as cursor:
                cursor.execute(_UNSYNCED[connection.vendor])
        try:
            yield connection
        finally:
            if connection.connection is not None:  # also in a transaction that is broken
                connection.connection.close()
