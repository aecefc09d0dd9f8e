"""Throw-away databases: what a URL names, and one database of our own there for each run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

from migfix.settings import SettingsError
from migfix.verify.processes import Processes
from migfix.verify.worker.databases import PREFIX

Entry = Mapping[str, Any]
SQLITE: Entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": ""}
_ENGINES = {
    "postgresql": "django.db.backends.postgresql",
    "postgres": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
    "mariadb": "django.db.backends.mysql",
}
_MAINTENANCE = {"django.db.backends.postgresql": "postgres", "django.db.backends.mysql": ""}


def entry_of(url: str | None) -> Entry:
    """The entry of Django's DATABASES for a URL; ``MAINTENANCE`` is the database that it names.

    None is SQLite. Raises SettingsError.
    """
    if url is None:
        return SQLITE
    try:
        parts = urlsplit(url)
        port = str(parts.port or "")
    except ValueError as error:
        raise SettingsError(f"--database-url: {error}") from None
    engine = _ENGINES.get(parts.scheme.partition("+")[0])
    if engine is None:
        raise SettingsError(
            f"--database-url: {parts.scheme or url!r} is no server that verify knows; write "
            "postgresql://user:password@host:port/name or mysql://..."
        )
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": engine,
        "HOST": options.pop("host", None) or parts.hostname or "",
        "PORT": port,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "OPTIONS": options,
        "MAINTENANCE": unquote(parts.path.lstrip("/")) or _MAINTENANCE[engine],
    }


@contextmanager
def database(entry: Entry, processes: Processes) -> Iterator[Entry]:
    """A database of our own on the server of ``entry``, dropped at the end. Raises SettingsError."""
    if entry is SQLITE:
        yield entry
        return
    own = {**entry, "NAME": f"{PREFIX}{uuid4().hex[:12]}"}
    try:
        if problem := processes.server("create", own):
            raise SettingsError(f"--database-url: {problem}")
        yield {key: value for key, value in own.items() if key != "MAINTENANCE"}
    finally:
        processes.server("drop", own)
