"""Sets a project up once and does each job in a fork of this process: a server of forks.

A request comes over a socket, as the name of the job's file with three descriptors: a channel, on which this process
says as what the job runs and what it ended with; the end of a pipe whose other end nobody holds once nobody waits for
the job; and the one that the job writes its errors to. A byte on the channel ends the job.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migfix.verify.worker import compiled
from migfix.verify.worker.job import ALONE, NUMBER, READY, Job, Project
from migfix.verify.worker.main import do, refusal, watch
from migfix.verify.worker.projects import CannotRun, SetUp

_TASKS = Path("/proc/self/task")
_PATIENCE = 5.0  # seconds that jobs get to clean up where nobody waits for them
_FDS = 3


def serve(file: str, requests: int) -> None:
    """Sets up the project of a file, says on the socket ``requests`` what came of it, and serves.

    What it says is a line of JSON: "ready", or "alone" where a set-up has started threads, which no fork takes
    along, or an answer for every job, where it has failed.
    """
    project = SetUp(Project.read(Path(file)))
    with socket.socket(fileno=requests) as connection:
        waiting = _Waiting(project)
        try:
            project.done()
            found: object = READY
            _load(project)
        except CannotRun as error:
            found = refusal(project, error)
        waiting.stop()
        if found == READY and not _is_alone():
            found = ALONE
        connection.sendall(json.dumps(found).encode() + b"\n")
        if found == READY:
            _Server(project, connection).run()
    os._exit(0)  # whatever the project wants to do at its end


def _load(project: SetUp) -> None:
    """What every job needs, so that it need not load it itself; and no connection that a fork would share."""
    from django.db import connections

    import migfix.verify.worker.rows.filling
    import migfix.verify.worker.states
    import migfix.verify.worker.tables
    import migfix.verify.worker.values.asked
    import migfix.verify.worker.values.reading  # noqa: F401

    if project.project.settings:
        compiled.install()
    connections.close_all()
    gc.collect()
    gc.freeze()  # https://docs.python.org/3/library/gc.html#gc.freeze: for processes that fork


def _is_alone() -> bool:
    """Does no other thread run, be it one of a library?"""
    for _ in range(20):  # one that has ended just now may still be seen
        if len(os.listdir(_TASKS)) == 1 if _TASKS.exists() else threading.active_count() == 1:
            return True
        time.sleep(0.01)
    return False


class _Waiting:
    """Ends this process when nobody waits for it, until it is stopped: a thread, while a project is set up."""

    def __init__(self, project: SetUp) -> None:
        self._source, self._end = os.pipe()
        self._project = project
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        os.write(self._end, b".")
        self._thread.join()
        os.close(self._source)
        os.close(self._end)

    def _run(self) -> None:
        found, _, _ = select.select([0, self._source], [], [])
        if self._source not in found:
            with self._project.guard.deaf():
                shutil.rmtree(self._project.project.folder, ignore_errors=True)
            os._exit(1)


@dataclass
class _Server:
    project: SetUp
    requests: socket.socket
    running: dict[int, socket.socket] = field(default_factory=dict)  # channels by process

    def run(self) -> None:
        """Until nobody asks any more."""
        self._signals, end = os.pipe()
        os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(end, warn_on_full_buffer=False)
        while True:
            waited: list[Any] = [0, self._signals, self.requests, *self.running.values()]
            found, _, _ = select.select(waited, [], [])
            if self._signals in found:
                os.read(self._signals, 1000)
                self._reap()
            if 0 in found or not all(map(self._heed, found)):
                return self._end()

    def _heed(self, said: object) -> bool:
        """Starts the job of a request, or ends the one of a channel; False where whoever says so is gone."""
        if said is self.requests:
            return self._accept()
        process = next((each for each, channel in self.running.items() if channel is said), None)
        if process is None:
            return True
        if not self.running[process].recv(1):
            return False
        _kill(process)
        return True

    def _accept(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self.requests, 65536, _FDS)
        if not data:
            return False
        channel, lifeline, errors = descriptors
        process = os.fork()
        if process == 0:
            self._be(data.decode(), channel, lifeline, errors)
        os.close(lifeline)
        os.close(errors)
        self.running[process] = socket.socket(fileno=channel)
        self._tell(process, process)
        return True

    def _be(self, file: str, channel: int, lifeline: int, errors: int) -> None:
        """The job, in the new process, which ends in here."""
        code = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(lifeline, 0)
            os.dup2(errors, 2)
            for each in (lifeline, errors, channel, self._signals):
                os.close(each)
            for other in (self.requests, *self.running.values()):
                other.close()
            job = Job.read(Path(file))
            watch(self.project.guard, job.folder)
            do(job, self.project)
            code = 0
        except BaseException:  # what Python would do
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _reap(self) -> None:
        for process in [*self.running]:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                _kill(process)  # what it has started
                self._tell(process, os.waitstatus_to_exitcode(status))
                self.running.pop(process).close()

    def _tell(self, process: int, number: int) -> None:
        with suppress(OSError):
            self.running[process].sendall(NUMBER.pack(number))

    def _end(self) -> None:
        """What runs is told by its own descriptor that nobody waits, and takes its files along as we do."""
        shutil.rmtree(self.project.project.folder, ignore_errors=True)
        end = time.monotonic() + _PATIENCE
        while self.running and time.monotonic() < end:
            self._reap()
            time.sleep(0.01)
        for process in self.running:
            _kill(process)


def _kill(process: int) -> None:
    """A process and all that it has started; it may not yet lead a group of its own."""
    for end in (os.kill, os.killpg):
        with suppress(ProcessLookupError, PermissionError):
            end(process, signal.SIGKILL)
