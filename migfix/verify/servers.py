"""Throw-away databases: what a URL names, and one database of our own there for each run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

from migfix.settings import SettingsError
from migfix.verify.advice import installing
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
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    if engine.endswith("mysql"):
        options["local_infile"] = 0  # by which a statement could read files of ours
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
def database(entry: Entry, processes: Processes, *, shared: bool = False) -> Iterator[Entry]:
    """A database of our own on the server of ``entry``, dropped at the end. Raises SettingsError.

    It is used by an account of its own that has rights on it alone, but where that of the entry is ``shared``.
    """
    if entry is SQLITE:
        yield entry
        return
    # The time tells later runs what was left behind.
    name = f"{PREFIX}{int(time.time()):08x}{uuid4().hex[:6]}"
    own = {**entry, "NAME": name, "ACCOUNT": None if shared else uuid4().hex}
    is_made = True  # it may be, when we are interrupted
    try:
        code, problem = processes.server("create", own)
        is_made = code in (0, _NO_ACCOUNT)
        if code == _NO_ACCOUNT:
            raise SettingsError(
                f"--database-url: no account can be made there that has rights on one database alone ({problem}); "
                "name a user who may, or run with the rights of this one: --allow-shared-account"
            )
        if code:
            command = installing(problem, processes.python)
            raise SettingsError(f"--database-url: {problem}{f' ({command})' if command else ''}")
        account = {} if shared else {"USER": name, "PASSWORD": own["ACCOUNT"]}
        yield {key: v for key, v in {**own, **account}.items() if key not in _OF_SERVER}
    finally:
        code, problem = processes.server("drop", own)
        if code and is_made:
            processes.left.append(f"{name} on {entry['HOST'] or 'localhost'} ({problem})")


_NO_ACCOUNT = 3
_OF_SERVER = {"MAINTENANCE", "ACCOUNT"}
