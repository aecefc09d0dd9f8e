"""
Run a project's `manage.py` and measure what its RunPython costs the client (Linux only).

    python -m tests.measuring LIMIT manage.py migrate

The project is as it would be without this: RunPython is patched before it starts. LIMIT is in MiB how much memory may
grow beyond what it is when the function starts, or 0: the bytes are written to ALLOWED in the current folder, and
whoever started the process ends it, as the kernel does that of a container. Python itself cannot be trusted to end
without memory: 3.12 was seen to ask for it for ever. What was measured is written as JSON to MEASURED.
"""

from __future__ import annotations

import gc
import json
import os
import re
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

MEASURED = "measured.json"
ALLOWED = "allowed.bytes"
MIB = 1024 * 1024


def main(limit: str, *command: str) -> None:
    from django.db.migrations import RunPython

    forwards = RunPython.database_forwards

    def database_forwards(self: RunPython, *arguments: Any) -> None:
        self.code = partial(_measure, self.code, int(limit) * MIB)
        forwards(self, *arguments)

    RunPython.database_forwards = database_forwards
    sys.argv = list(command)
    runpy.run_path(command[0], run_name="__main__")


def _measure(code: Callable[..., object], limit: int, apps: Any, schema_editor: Any) -> None:
    for model in apps.get_app_config("blog").get_models():
        list(model.objects.all()[:1])  # imports, caches and buffers that any loop needs
        model.objects.count()  # fills the page cache of SQLite, which has a size of its own
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak, VmHWM, to what is resident now
    server = _server_thread(schema_editor.connection)
    before, started = _memory("VmRSS"), time.perf_counter()
    started_cpu, started_server = time.process_time(), _cpu_of(server)
    with _limited(limit):
        code(apps, schema_editor)
    measured = {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - started_cpu,
        "server_cpu": _cpu_of(server) - started_server,
        "mebibytes": (_memory("VmHWM") - before) / MIB,
    }
    Path(MEASURED).write_text(json.dumps(measured))


THREADS = {
    "postgresql": "SELECT pg_backend_pid()",
    "mysql": "SELECT TID FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()",
}


def _server_thread(connection: Any) -> int | None:
    """The process or thread that serves the connection; None where there is none."""
    if connection.vendor not in THREADS:
        return None
    with connection.cursor() as cursor:
        cursor.execute(THREADS[connection.vendor])
        return int(cursor.fetchone()[0])


def _cpu_of(thread: int | None) -> float:
    """Seconds of the CPU that it took so far; 0 where it is not on this machine."""
    process = Path(f"/proc/{thread}")
    try:
        if not {b"postgres", b"mariadbd", b"mysqld"} & {*_words(process / "cmdline")}:
            return 0.0
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _words(file: Path) -> list[bytes]:
    return re.findall(rb"[a-z]+", file.read_bytes())


@contextmanager
def _limited(limit: int) -> Iterator[None]:
    """Say what may be used, as long as it holds, to the one who started this process, and ends it."""
    if limit:
        Path(f"{ALLOWED}.part").write_text(str(_memory("VmRSS") + limit))
        Path(f"{ALLOWED}.part").replace(ALLOWED)
    yield
    Path(ALLOWED).unlink(missing_ok=True)


def _memory(key: str) -> int:
    status = Path("/proc/self/status").read_text()
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith(key))
    return int(kibibytes) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
