"""What is noticed of a project while it is set up: who connects receivers, and what its migrations ask as they are imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any, NamedTuple


class Line(NamedTuple):
    """A line that was running, and the name of its function."""

    file: str
    number: int
    name: str


class Connections:
    """Notes which lines were running when a receiver was connected to a signal."""

    def __init__(self) -> None:
        self.running: dict[tuple[int, Any], list[Line]] = {}

    def start(self) -> None:
        """From now on. Only Django is imported, nothing of the project."""
        from django.dispatch import Signal

        connect = Signal.connect

        @wraps(connect)
        def noted(signal: Any, receiver: Any, *args: Any, **kwargs: Any) -> Any:
            before = {key_of(each) for each in signal.receivers}
            made = connect(signal, receiver, *args, **kwargs)
            for each in signal.receivers:
                if key_of(each) not in before:
                    self.running[id(signal), key_of(each)] = _lines_running()
            return made

        Signal.connect = noted

    def of(self, signal: Any, entry: Any) -> list[Line]:
        return self.running.get((id(signal), key_of(entry)), [])


def key_of(entry: Any) -> Any:
    """The key of an entry of ``Signal.receivers``: who hears, and whom. The rest differs by Django's version."""
    return entry[0]


def _lines_running() -> list[Line]:
    found: list[Line] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        found.append(Line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return found


class Asked:
    """Notes which files ask, as they are imported, what is otherwise where migrations run: the database, the
    environment, the command line. What they make of it may be something else there.
    """

    def __init__(self) -> None:
        self.lines: dict[str, dict[int, str]] = {}  # what the lines of each file ask for

    def start(self) -> None:
        """From now on; nothing of the project is imported."""
        from django.db.backends.base.base import BaseDatabaseWrapper
        from django.utils.connection import BaseConnectionHandler

        _note(BaseConnectionHandler, "__getitem__", lambda: self._note("its database"))
        _note(BaseDatabaseWrapper, "connect", lambda: self._note("its database"))
        for name in ("__getitem__", "__iter__", "__len__"):
            _note(type(os.environ), name, lambda: self._note("the environment"))
        looking = "__getitem__ __contains__ __iter__ __len__"
        sys.argv = _that_tells(list, sys.argv, looking, lambda: self._note("the command line"))

    def watch_settings(self) -> None:
        """From now on, also who looks into DATABASES; the settings are loaded."""
        from django.conf import settings

        looking = "__getitem__ get __contains__ __iter__ items values"
        settings.DATABASES = _that_tells(
            dict, settings.DATABASES, looking, lambda: self._note("its databases")
        )

    def _note(self, what: str) -> None:
        """Up to the import that asks: who imports the file that does, is found by its imports.

        What Django asks for itself, as of the longest name when a model is made, decides nothing in the project.
        """
        frame: FrameType | None = sys._getframe(3)
        while frame is not None and frame.f_code.co_filename.endswith(_HANDING_ON):
            frame = frame.f_back
        if frame is None or f"{os.sep}django{os.sep}" in frame.f_code.co_filename:
            return
        while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
            lines = self.lines.setdefault(os.path.realpath(frame.f_code.co_filename), {})
            lines.setdefault(frame.f_lineno, what)
            frame = frame.f_back


_HANDING_ON = tuple(
    os.path.join("django", *name.split("/"))
    for name in ("utils/connection.py", "db/__init__.py", "db/utils.py", "utils/functional.py")
)


def _note(owner: type, name: str, note: Callable[[], None]) -> None:
    method = getattr(owner, name)

    @wraps(method)
    def noted(*args: Any, **kwargs: Any) -> Any:
        note()
        return method(*args, **kwargs)

    setattr(owner, name, noted)


def _that_tells(kind: type, values: Any, names: str, note: Callable[[], None]) -> Any:
    """A dictionary or list of the values, which tells when it is looked into by one of these methods."""
    telling = type("Telling", (kind,), {})
    for name in names.split():
        _note(telling, name, note)
    return telling(values)
