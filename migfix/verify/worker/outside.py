"""What a migration does outside of its database: noticed, and kept from happening where it would change anything.

By Python's audit events (https://docs.python.org/3/library/audit_events.html), and where C code connects
to databases without one, by the drivers' own functions.
"""

from __future__ import annotations

import functools
import importlib
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any


class ReachesOutside(PermissionError):
    """A migration wanted to change something outside of its database."""


_PROCESSES = {
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
    "os.startfile", "pty.spawn",
}  # fmt: skip
STARTS = "starts another program"
_SIGNALS = {"os.kill", "os.killpg"}
_CHANGES = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.chflags", "os.link",
    "os.symlink", "os.truncate", "os.utime", "os.setxattr", "os.removexattr", "shutil.rmtree",
    "shutil.move", "shutil.copyfile", "shutil.copytree",
}  # fmt: skip
# Where the arguments of an event say in which folders its first and second path are.
_FOLDERS = {
    "os.remove": (1,), "os.rmdir": (1,), "os.mkdir": (2,), "os.chmod": (2,), "os.chown": (3,),
    "os.rename": (2, 3), "os.link": (2, 3), "os.symlink": (0, 2),
}  # fmt: skip
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_NAMES = {"socket.getaddrinfo", "socket.gethostbyname"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Refuses from its creation on what connects to another database, and whatever else changes
    something outside from ``watched()`` to its end.

    ``database`` is the entry of the one that may be connected to; in ``folder`` files may be changed.
    ``seen`` are the attempts, each once, in words.
    """

    def __init__(self, database: dict[str, Any], folder: Path) -> None:
        self.seen: list[str] = []
        self.turn_to(database, folder)
        self._watches: list[list[str]] = []
        self._thread = threading.local()
        sys.addaudithook(self._hear)

    def turn_to(self, database: dict[str, Any], folder: Path) -> None:
        """From now on it is this database that may be connected to, and this folder."""
        self._name = str(database["NAME"])
        self._host = str(database.get("HOST") or "localhost")
        self._folder = str(folder.resolve())

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Gives the attempts until the exit, also those whose refusal the migration has caught."""
        attempts: list[str] = []
        self._watches.append(attempts)
        try:
            yield attempts
        finally:
            self._watches.remove(attempts)

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Hears nothing of this thread."""
        before = self._is_deaf
        self._thread.deaf = True
        try:
            yield
        finally:
            self._thread.deaf = before

    @property
    def _is_deaf(self) -> bool:
        return getattr(self._thread, "deaf", False)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            self._wrap_driver(args[0].partition(".")[0])
        elif event == "sqlite3.connect":
            if not self._is_our_file(args[0]):
                self._refuse(f"connects to the database {os.fsdecode(args[0])}")
        elif self._watches and not self._is_deaf:
            with self.deaf():
                found = self._outside(event, args)
            if found:
                self._refuse(found)

    def _refuse(self, found: str) -> None:
        for attempts in ([self.seen], self._watches):
            for each in attempts:
                each += [] if found in each else [found]
        raise ReachesOutside(f"the migration {found}, which verify does not let it do")

    def _outside(self, event: str, args: tuple[Any, ...]) -> str | None:
        if event in _SENDS:
            return f"connects to {_address(args[1])}" if args[1] else None
        if event in _NAMES:
            return None if args[0] in (None, self._host) else f"connects to {_address(args)}"
        if event in _PROCESSES:
            return f"{STARTS} ({args[0] if args else event!r})"
        if event in _SIGNALS:
            return f"sends a signal to process {args[0]}"
        if event == "open":
            path, _, flags = args
            written = isinstance(flags, int) and flags & _WRITING
            return f"writes to {path}" if written and self._is_outside(path) else None
        if event in _CHANGES and self._are_outside(event, args):
            return f"changes files ({event} of {args[0]})"
        return None

    # Files

    def _are_outside(self, event: str, args: tuple[Any, ...]) -> bool:
        places = _FOLDERS.get(event, ())
        return any(
            self._is_outside(path, args[place] if place and len(args) > place else -1)
            for path, place in zip_longest(args[:2], places)
        )

    def _is_outside(self, path: object, descriptor: int = -1) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False  # a descriptor: what it stands for was opened before
        folder = f"/proc/self/fd/{descriptor}" if descriptor >= 0 else ""
        real = os.path.realpath(os.path.join(folder, os.fsdecode(path)))
        return real != os.devnull and os.path.commonpath([real, self._folder]) != self._folder

    # Databases

    def _is_our_file(self, path: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        name = os.fsdecode(path)
        return name in ("", ":memory:", self._name)

    def authorize(self, connection: Any) -> None:
        """Lets a connection of SQLite attach no other file."""
        if isinstance(connection, sqlite3.Connection):
            connection.set_authorizer(self._authorized)

    def _authorized(self, action: int, name: str | None, *more: object) -> int:
        if action == _ATTACH and not self._is_our_file(name):
            with suppress(ReachesOutside):  # the statement fails in SQLite's own way
                self._refuse(f"attaches the database {name}")
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def _wrap_driver(self, package: str) -> None:
        """Imports a driver with its functions that connect replaced, when it is asked for."""
        wrap = _DRIVERS.get(package)
        if wrap is None or package in sys.modules or self._is_deaf:
            return
        with self.deaf(), suppress(ImportError):
            importlib.import_module(package)
            wrap(self)

    def connecting(self, connect: Callable[..., Any], name_of: Callable[..., Any]) -> Any:
        """``connect`` for our database alone; ``name_of`` gets its arguments and gives the database's name."""

        @functools.wraps(connect)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            name = name_of(*args, **kwargs)
            if name != self._name:
                self._refuse(f"connects to the database {name or '(of no name)'}")
            with self.deaf():
                return connect(*args, **kwargs)

        return guarded


_ATTACH = 24  # SQLITE_ATTACH, which the module has no name for


def _address(parts: Any) -> str:
    return ":".join(map(str, parts[:2])) if isinstance(parts, tuple) else str(parts)


def _wrap_psycopg2(guard: Guard) -> None:
    driver: Any = importlib.import_module("psycopg2")
    driver.connect = guard.connecting(driver.connect, _name_among_keywords)


def _wrap_psycopg(guard: Guard) -> None:
    conninfo: Any = importlib.import_module("psycopg.conninfo")
    generators: Any = importlib.import_module("psycopg.generators")

    def name_of(given: str, **kwargs: object) -> object:
        return conninfo.conninfo_to_dict(given).get("dbname")

    generators.connect = guard.connecting(generators.connect, name_of)


def _wrap_mysqlclient(guard: Guard) -> None:
    Connection: Any = importlib.import_module("MySQLdb.connections").Connection
    Connection.__init__ = guard.connecting(Connection.__init__, _name_among_keywords)


def _wrap_pymysql(guard: Guard) -> None:
    Connection: Any = importlib.import_module("pymysql.connections").Connection

    def name_of(connection: Any, *args: object) -> object:
        name = connection.db
        return os.fsdecode(name) if isinstance(name, bytes) else name

    Connection.connect = guard.connecting(Connection.connect, name_of)


def _name_among_keywords(*args: object, **kwargs: object) -> object:
    return kwargs.get("dbname") or kwargs.get("database") or kwargs.get("db")


_DRIVERS: dict[str, Callable[[Guard], None]] = {
    "psycopg": _wrap_psycopg,
    "psycopg2": _wrap_psycopg2,
    "MySQLdb": _wrap_mysqlclient,
    "pymysql": _wrap_pymysql,
}
