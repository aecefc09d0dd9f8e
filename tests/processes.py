"""
Processes that tests start: each ends, with all that it has started, when its time is over.

No test calls `subprocess` itself (`tests/test_processes.py` looks).
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

Completed = subprocess.CompletedProcess
LIMIT = 300.0  # seconds on a machine that does much else


class TooLong(Exception):
    """A process did not end in time; the message is what it had written to standard error."""


def ran(command: str | Sequence[str], *, limit: float = LIMIT, **options: Any) -> Completed[Any]:
    """Run a command as `subprocess.run` does, for `limit` seconds at most. Raises TooLong."""
    check, given = options.pop("check", False), options.pop("input", None)
    if options.pop("capture_output", False):
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if given is not None:
        options["stdin"] = subprocess.PIPE
    with started(command, **options) as process:
        try:
            output, errors = process.communicate(given, limit)
        except subprocess.TimeoutExpired:
            _end(process)
            output, errors = process.communicate()
            raise TooLong(f"{command}: {limit:g} s\n{errors}") from None
    done = Completed(command, process.returncode, output, errors)
    if check:
        done.check_returncode()
    return done


@contextmanager
def started(command: str | Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process in a session of its own, which has ended when the block is left."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    """The process and all that it started. It may be without memory, and deaf to anything but this."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(LIMIT)
