"""Creates and drops the databases and accounts of runs. A name that is not ours is refused."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

from migfix.verify.worker.databases import PREFIX, Database

_OLD = 3600  # seconds after which what nobody is connected to was left behind

# Of each vendor: what creates the account of a database, the database with and without it, what gives the account the
# rest of its rights, from inside of the database, and what drops both.
_ACCOUNT = {
    "postgresql": (
        "CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {password}",
    ),
    "mysql": (
        "CREATE USER {text}@'%%' IDENTIFIED BY {password}, {text}@'localhost' IDENTIFIED BY {password}",
        "GRANT ALL ON {pattern}.* TO {text}@'%%', {text}@'localhost'",
    ),
}
_DATABASE = {
    "postgresql": "CREATE DATABASE {name}",
    "mysql": "CREATE DATABASE {name} CHARACTER SET utf8mb4",
}
_OWNED = {
    "postgresql": (
        "ALTER DATABASE {name} OWNER TO {name}",
        "REVOKE ALL ON DATABASE {name} FROM PUBLIC",
    ),
    "mysql": (),
}
_OWNED_INSIDE = {"postgresql": ("ALTER SCHEMA public OWNER TO {name}",), "mysql": ()}
_DROPS = {
    "postgresql": ("DROP DATABASE IF EXISTS {name}", "DROP ROLE IF EXISTS {name}"),
    "mysql": (
        "DROP DATABASE IF EXISTS {name}",
        "DROP USER IF EXISTS {text}@'%%', {text}@'localhost'",
    ),
}
_END_CONNECTIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {text}"
_OURS = {
    "postgresql": (
        "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles",
        "SELECT datname FROM pg_stat_activity",
    ),
    "mysql": (
        "SELECT schema_name FROM information_schema.schemata UNION SELECT user FROM mysql.user",
        "SELECT db FROM information_schema.processlist",
    ),
}


def create(entry: Mapping[str, Any]) -> None:
    """Creates the database ``NAME`` by way of the one called ``MAINTENANCE``, and, where there is an ``ACCOUNT``,
    an account with this password that has rights on it alone.

    Drops what earlier runs have left behind. Exits with a line on an error: with 3, where it is the account
    that cannot be made or used.
    """
    name, password = str(entry["NAME"]), entry.get("ACCOUNT")
    with _failing(1), _connected(entry) as connection:
        connection.ensure_connection()
        _sweep(connection)
        if password:
            with _failing(3):
                _execute(connection, _ACCOUNT[connection.vendor], name, password)
        _execute(connection, [_DATABASE[connection.vendor]], name)
        if password:
            with _failing(3):
                _execute(connection, _OWNED[connection.vendor], name)
                with _connected(entry, NAME=name, alias="inside") as inside:
                    _execute(inside, _OWNED_INSIDE[inside.vendor], name)
                with _connected(entry, NAME=name, USER=name, PASSWORD=password, alias="own") as own:
                    _execute(own, ["SELECT 1"], name)


def drop(entry: Mapping[str, Any]) -> None:
    name = str(entry["NAME"])
    with _failing(1), _connected(entry) as connection:
        if connection.vendor == "postgresql":  # a worker may have been ended just now
            with suppress(Exception):
                _execute(connection, [_END_CONNECTIONS], name)
        drops = _DROPS[connection.vendor]
        _execute(connection, drops if entry.get("ACCOUNT") else drops[:1], name)


def _sweep(connection: Any) -> None:
    """Drops databases and accounts of runs that ended long ago without doing so."""
    names, used = _OURS[connection.vendor]
    with suppress(Exception), connection.cursor() as cursor:  # what may not be seen is not ours
        cursor.execute(names)
        found = {str(name) for (name,) in cursor.fetchall()}
        cursor.execute(used)
        found -= {str(name) for (name,) in cursor.fetchall()}
        for name in sorted(filter(_is_old, found)):
            for statement in _DROPS[connection.vendor]:
                with suppress(Exception):
                    _execute(connection, [statement], name)


def _is_old(name: str) -> bool:
    """Does the name begin as ours do, with a time that is long ago?"""
    try:
        made = int(name.removeprefix(PREFIX)[:8], 16)
    except ValueError:
        return False
    return name.startswith(PREFIX) and made < time.time() - _OLD


def _execute(
    connection: Any, statements: Sequence[str], name: str, password: str | None = None
) -> None:
    if not name.startswith(PREFIX):
        raise ValueError(f"{name} is no database of migfix verify")
    quote = connection.ops.quote_name
    texts = {
        "name": quote(name),
        "text": f"'{name}'",
        "pattern": quote(name.replace("_", r"\_")),  # in a GRANT, "_" is any letter
        "password": f"'{password}'",  # of letters and digits
    }
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.format(**texts), [])


@contextmanager
def _connected(entry: Mapping[str, Any], alias: str = "default", **other: Any) -> Iterator[Any]:
    from django.conf import settings
    from django.db import connections

    own = {**entry, "NAME": entry["MAINTENANCE"], **other}
    del own["MAINTENANCE"]
    own.pop("ACCOUNT", None)
    if not settings.configured:
        settings.configure(DATABASES={"default": own})
    else:
        connections.databases[alias] = connections.configure_settings({"default": own})["default"]
    Database({**own, "NAME": entry["NAME"]}, "").provide_driver()
    with closing(connections[alias]) as connection:
        yield connection


@contextmanager
def _failing(code: int) -> Iterator[None]:
    """Ends the process with a line and a code where something is raised."""
    try:
        yield
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(code)
