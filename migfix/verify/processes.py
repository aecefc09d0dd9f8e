"""The processes that run migrations: each in a session of its own, with a time limit, and none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock, Thread
from typing import IO, TYPE_CHECKING, Any

from migfix.verify.answers import check
from migfix.verify.worker.job import Job

if TYPE_CHECKING:
    from migfix.verify.sandbox import Sandbox

_BOOT = Path(__file__).with_name("boot.py")
# What a process needs of the environment; the rest may name databases, hosts and secrets.
_KEPT = frozenset(
    "PATH HOME LANG LC_ALL LC_CTYPE TZ SYSTEMROOT LD_LIBRARY_PATH DYLD_LIBRARY_PATH VIRTUAL_ENV "
    "SSL_CERT_FILE".split()
)
_OF_DATABASES = ("DATABASE_URL", "PG", "MYSQL", "DB_", "SQL_", "POSTGRES")

_OF_SERVERS = frozenset({"create", "drop"})  # what runs nothing of the project

Popen = subprocess.Popen[bytes]


KEPT_ERRORS = 65536  # bytes of what a process writes to its standard error
_LARGEST_ANSWER = 2**30


class Failed(Exception):
    """A process gave no answer; the message is one line that says why."""


@dataclass
class Processes:
    """Starts processes of ``python`` (this one by default), each for at most ``timeout`` seconds.

    ``with_environment``: they get the environment as it is, but for what names databases.
    ``sandbox``: where those run that run migrations.
    ``left``: the databases that could not be dropped, and why.
    """

    python: str | None = None
    timeout: float = 60.0
    with_environment: bool = False
    sandbox: Sandbox | None = None
    left: list[str] = field(default_factory=list)
    _running: set[Popen] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _stopped: bool = False

    def answer(self, job: Job, folder: Path) -> dict[str, Any]:
        """What the worker answers to the job, in a process of its own. Raises Failed."""
        file = prepared(job, folder)
        return answered(folder, *self._run(["run", str(file)], folder, self.timeout))

    def run(self, arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        """What a process ends with and the last of its errors; it works in the folder. Raises Failed."""
        return self._run([*arguments], folder, self.timeout)

    def start(self, arguments: Sequence[str], folder: Path | None, **options: Any) -> Popen:
        """A process that ``end()`` ends, but for an interrupt, after which none is started. Raises Failed."""
        return self._started(arguments, folder, urgent=False, **options)

    def server(self, command: str, entry: Mapping[str, Any]) -> tuple[int, str]:
        """Creates or drops the database of an entry; 0, or what the process ended with, and why."""
        try:
            code, errors = self._run(
                [command], None, 60.0, given=json.dumps(entry), urgent=command == "drop"
            )
        except Failed as error:
            return 1, str(error)
        return code, _last_line(errors) if code else ""

    def stop(self) -> None:
        """Ends all processes at once; no other one starts but those that drop databases."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)

    def _run(
        self,
        arguments: list[str],
        folder: Path | None,
        timeout: float,
        *,
        given: str = "",
        urgent: bool = False,
    ) -> tuple[int, str]:
        """What a process ends with and says; it is told by the end of its standard input that we are gone."""
        source, ours = os.pipe()
        try:
            os.write(ours, f"{given}\n".encode())
            return self._waited(arguments, folder, timeout, source, urgent=urgent)
        finally:
            os.close(source)
            os.close(ours)

    def _waited(
        self,
        arguments: list[str],
        folder: Path | None,
        timeout: float,
        source: int,
        *,
        urgent: bool,
    ) -> tuple[int, str]:
        process = self._started(
            arguments, folder, urgent=urgent, stdin=source, stderr=subprocess.PIPE
        )
        said = bytearray()
        reading = Thread(target=_read_end, args=(process.stderr, said), daemon=True)
        reading.start()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(self.too_long) from None
        finally:
            self.end(process)
            reading.join(5)
        return process.returncode, bytes(said).decode(errors="replace")

    def _started(
        self, arguments: Sequence[str], folder: Path | None, *, urgent: bool, **options: Any
    ) -> Popen:
        with self._lock:
            if self._stopped and not urgent:
                raise Failed("interrupted")
            process = subprocess.Popen(
                self._command(arguments),
                cwd=folder,
                env=self._environment(folder),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                **options,
            )
            if not urgent:
                self._running.add(process)
        return process

    def _command(self, arguments: Sequence[str]) -> list[str]:
        command = [self.python or sys.executable, str(_BOOT), *arguments]
        is_ours = arguments[0] in _OF_SERVERS
        return command if self.sandbox is None or is_ours else self.sandbox.command(command)

    @property
    def folder(self) -> Path | None:
        """Where to make the folders of what runs; None where any place will do."""
        return self.sandbox.folder if self.sandbox else None

    def end(self, process: Popen) -> None:
        """Ends the process and all that it started."""
        _kill(process)
        with self._lock:
            self._running.discard(process)

    @property
    def too_long(self) -> str:
        return f"took more than {self.timeout:g} s; --timeout allows for more"

    def _environment(self, folder: Path | None) -> dict[str, str]:
        own = {
            name: value
            for name, value in os.environ.items()
            if (not name.startswith(_OF_DATABASES) if self.with_environment else name in _KEPT)
        }
        if self.with_environment:
            # Settings that read it need one; what is connected to is set afterwards.
            own["DATABASE_URL"] = "sqlite://:memory:"
        if folder is not None:
            own["TMPDIR"] = str(folder / "tmp")
        return {**own, "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}


def _kill(process: Popen) -> None:
    """The process and all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)


def prepared(job: Job, folder: Path) -> Path:
    """The file of the job, in the folder in which it is to run and to answer."""
    file, answer = folder / "job.json", folder / "answer.json"
    answer.unlink(missing_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)  # where a migration may write
    replace(job, folder=str(folder), answer=str(answer)).write(file)
    return file


def answered(folder: Path, code: int, errors: str) -> dict[str, Any]:
    """The answer in the folder of a job whose process ended with a code. Raises Failed."""
    answer = folder / "answer.json"
    if code or not answer.is_file():
        raise Failed(ended(code, errors))
    if answer.stat().st_size > _LARGEST_ANSWER:
        raise Failed("its tables are too large to be compared; --rows takes less")
    try:
        found = json.loads(answer.read_text())
        check(found)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Failed("the answer of its process is none") from None
    return dict(found)


def ended(code: int, errors: str) -> str:
    return f"its process ended with {code}: {_last_line(errors)}".removesuffix(": ")


def _read_end(stream: IO[bytes], said: bytearray) -> None:
    """Keeps the last of a stream in ``said``, until it ends."""
    with stream:
        while more := os.read(stream.fileno(), KEPT_ERRORS):
            said += more
            del said[:-KEPT_ERRORS]


def _last_line(errors: str) -> str:
    lines = errors.strip().splitlines()
    return lines[-1].strip() if lines else ""
