"""Servers of forks: processes in each of which a project is set up once, for all of its jobs."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Any

from migfix.verify.processes import KEPT_ERRORS, Failed, Popen, Processes, answered, ended, prepared
from migfix.verify.servers import SQLITE, Entry, database
from migfix.verify.worker.databases import PREFIX
from migfix.verify.worker.job import ALONE, NUMBER, READY, Job, Project

_IS_POSSIBLE = hasattr(os, "fork") and sys.platform != "darwin"
"""On macOS, what system libraries do in a fork of a process that has used them is not defined: see
https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
"""
_PATIENCE = 10.0  # seconds, for what is answered at once


@dataclass
class Forks:
    """Has jobs done, each in a fork of the server of its project, or in a process of its own where there is none.

    ``close()`` ends the servers.
    """

    processes: Processes
    entry: Entry
    shared: bool = False
    _servers: dict[tuple[str | None, ...], _Server | dict[str, Any] | None] = field(
        default_factory=dict
    )
    _locks: dict[tuple[str | None, ...], Lock] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _stack: ExitStack = field(default_factory=ExitStack)

    def answer(self, job: Job, folder: Path) -> dict[str, Any]:
        """What the worker answers to the job, or to all of a project that cannot be set up. Raises Failed."""
        server = self._server(job) if _IS_POSSIBLE else None
        if server is None:
            return self.processes.answer(job, folder)
        if isinstance(server, dict):
            return server
        file = prepared(job, folder)
        return answered(folder, *server.run(file))

    def close(self) -> None:
        self._stack.close()

    def _server(self, job: Job) -> _Server | dict[str, Any] | None:
        """Each is started once, also where several ask for it at a time, and anew when it is gone."""
        # Without settings nothing of the project is run before its job.
        key = (job.settings, *job.path) if job.settings else (None,)
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            server = self._servers.get(key)
            if key not in self._servers or (isinstance(server, _Server) and server.is_gone):
                server = self._servers[key] = self._started(job)
        return server

    def _started(self, job: Job) -> _Server | dict[str, Any] | None:
        folder = Path(
            tempfile.mkdtemp(prefix="migfix-verify-", dir=self.processes.folder)
        ).resolve()
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        path = job.path if job.settings else []
        entry = self._stack.enter_context(self._database(job))
        server = _Server(self.processes, Project(job.settings, path, {**entry}, str(folder)))
        self._stack.callback(server.close)
        try:
            said = server.start()
        except Failed as error:
            return {"problem": str(error), "outside": []}
        return server if said == READY else None if said == ALONE else said

    @contextmanager
    def _database(self, job: Job) -> Iterator[Entry]:
        """What may be connected to while the project is set up: without settings, nothing is."""
        if job.settings or self.entry is SQLITE:
            with database(self.entry, self.processes, shared=self.shared) as entry:
                yield entry
        else:
            yield {**self.entry, "NAME": f"{PREFIX}none"}


class _Server:
    """``start()`` it first; ``close()`` it when none of its jobs runs any more."""

    def __init__(self, processes: Processes, project: Project) -> None:
        self._processes = processes
        self._project = project
        self._lock = Lock()
        self._stack = ExitStack()
        self._process: Popen | None = None
        self._is_silent = False

    def start(self) -> Any:
        """What it says when the project is set up. Raises Failed."""
        folder = Path(self._project.folder)
        file, errors = folder / "project.json", folder / "errors"
        (folder / "tmp").mkdir()
        self._project.write(file)
        self._requests, theirs = map(self._stack.enter_context, socket.socketpair())
        source, _ours = _pipe(self._stack)  # by whose end it is told that we are gone
        with theirs, source, errors.open("wb") as told:
            number = theirs.fileno()
            self._process = self._processes.start(
                ["serve", str(file), str(number)],
                folder,
                stdin=source,
                stderr=told,
                pass_fds=(number,),
            )
        self._requests.settimeout(self._processes.timeout)
        try:
            with self._requests.makefile("rb") as said:
                line = said.readline()
        except TimeoutError:
            raise Failed(self._processes.too_long) from None
        if not line:
            raise Failed(ended(self._ended(), errors.read_text(errors="replace")))
        return json.loads(line)

    def close(self) -> None:
        self._stack.close()
        if self._process is not None:
            self._ended()

    @property
    def is_gone(self) -> bool:
        """One that is being killed says nothing more before the system knows that it has ended."""
        return self._is_silent or self._process is None or self._process.poll() is not None

    def _ended(self) -> int:
        """What it ended with."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        self._processes.end(self._process)
        return self._process.returncode

    def run(self, file: Path) -> tuple[int, str]:
        """What the process of a job ends with, and the last of its errors. Raises Failed."""
        with ExitStack() as stack:
            channel, theirs = map(stack.enter_context, socket.socketpair())
            waiting, _ours = _pipe(stack)  # by whose end the job is told that we are gone
            errors, told = _pipe(stack)
            with self._lock:  # one request after another
                with theirs, waiting, told:
                    self._ask(file, [each.fileno() for each in (theirs, waiting, told)])
                process = self._number(channel, _PATIENCE)
            code = None
            try:
                code, text = self._awaited(channel, errors)
            finally:
                if code is None:
                    self._kill(process, channel)
            return code, text

    def _ask(self, file: Path, descriptors: list[int]) -> None:
        try:
            socket.send_fds(self._requests, [str(file).encode()], descriptors)
        except OSError:
            self._is_silent = True
            raise Failed(_GONE) from None

    def _number(self, channel: socket.socket, seconds: float) -> int:
        channel.settimeout(seconds)
        try:
            (number,) = NUMBER.unpack(channel.recv(NUMBER.size, socket.MSG_WAITALL))
        except (OSError, struct.error):
            self._is_silent = True
            raise Failed(_GONE) from None
        return int(number)

    def _awaited(self, channel: socket.socket, errors: IO[bytes]) -> tuple[int, str]:
        """What is said on the channel, in time, and the last of what is written to ``errors`` until then."""
        end = time.monotonic() + self._processes.timeout
        last = b""
        os.set_blocking(errors.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(channel, selectors.EVENT_READ)
            selector.register(errors, selectors.EVENT_READ)
            while True:
                left = end - time.monotonic()
                if left <= 0:
                    raise Failed(self._processes.too_long)
                found = {key.fileobj for key, _ in selector.select(left)}
                while errors in found and (more := errors.read(KEPT_ERRORS)):
                    last = (last + more)[-KEPT_ERRORS:]
                if channel in found:
                    return self._number(channel, _PATIENCE), last.decode(errors="replace")
                if errors in found and more == b"":  # nobody writes there any more
                    selector.unregister(errors)

    def _kill(self, process: int, channel: socket.socket) -> None:
        """The process of a job and all that it has started: its parent does it, and where that is gone, we."""
        with suppress(OSError, Failed):
            channel.sendall(b".")
            self._number(channel, _PATIENCE)
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)


_GONE = "the process that has set up the project is gone"


def _pipe(stack: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    source, end = os.pipe()
    return (
        stack.enter_context(open(source, "rb", buffering=0)),
        stack.enter_context(open(end, "wb", buffering=0)),
    )
