"""What a migration does outside of its database: noticed, and kept from happening where it would change anything.

By Python's audit events: https://docs.python.org/3/library/audit_events.html
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class ReachesOutside(PermissionError):
    """A migration wanted to change something outside of its database."""


_PROCESSES = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.startfile",
}
_CHANGES = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink",
    "os.truncate", "shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.copytree",
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Watches from ``watched()`` to its end; ``seen`` are the attempts, each once, in words.

    ``database`` is the host and port, or the file, of the database; ``folder`` may be written to.
    """

    def __init__(self, database: tuple[object, ...], folder: Path) -> None:
        self.seen: list[str] = []
        self._database = {str(part) for part in database}
        self._folders = (str(folder.resolve()), os.path.realpath(tempfile.gettempdir()))
        self._watching = False
        sys.addaudithook(self._hear)

    @contextmanager
    def watched(self) -> Iterator[None]:
        self._watching = True
        try:
            yield
        finally:
            self._watching = False

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        self._watching = False
        try:
            found = self._outside(event, args)
        finally:
            self._watching = True
        if found:
            if found not in self.seen:
                self.seen.append(found)
            raise ReachesOutside(f"the migration {found}, which verify does not let it do")

    def _outside(self, event: str, args: tuple[Any, ...]) -> str | None:
        if event == "socket.connect":
            address = args[1]
            parts = address if isinstance(address, tuple) else (address,)
            known = {str(part) for part in parts[:2]} <= self._database
            return None if known else f"connects to {':'.join(map(str, parts[:2]))}"
        if event == "socket.getaddrinfo":
            known = str(args[0]) in self._database
            return None if known else f"connects to {args[0]}:{args[1]}"
        if event in _PROCESSES:
            return f"starts another program ({args[0]!r})"
        if event == "open":
            path, _, flags = args
            written = isinstance(flags, int) and flags & _WRITING
            return f"writes to {path}" if written and self._is_outside(path) else None
        if event in _CHANGES and any(map(self._is_outside, args[:2])):
            return f"changes files ({event} of {args[0]})"
        return None

    def _is_outside(self, path: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False  # a descriptor: what it stands for was opened before
        real = os.path.realpath(os.fsdecode(path))
        return real != os.devnull and not any(
            os.path.commonpath([real, folder]) == folder for folder in self._folders
        )
