"""
A transaction pooler between the tests and PostgreSQL: pgbouncer, started for one test on a port of its own.

Found on PATH or in /usr/sbin. Without it the tests are skipped, or fail where CI is set, like those of the servers.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.databases import Configuration
from tests.processes import LIMIT, started

_TO_START = 10.0  # seconds


@contextmanager
def pooled(entry: Configuration, size: int) -> Iterator[Configuration]:
    """
    Yield the entry of Django's DATABASES that reaches the database of `entry` through a pooler.

    After each transaction the pooler may give the server connection, of which it has `size`, to another client.
    """
    port = _free_port()
    with TemporaryDirectory(prefix="migfix-pooler-") as folder:
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(_config(entry, port, size))
        config.chmod(0o644)
        Path(folder).chmod(0o755)
        with _running(config, port):
            yield {**entry, "HOST": "127.0.0.1", "PORT": str(port), "PASSWORD": "", "OPTIONS": {}}


def _config(entry: Configuration, port: int, size: int) -> str:
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    target = " ".join(f"{key}={entry[name]}" for key, name in names.items() if entry[name])
    return f"""
[databases]
{entry["NAME"]} = {target} dbname={entry["NAME"]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
server_round_robin = 1
ignore_startup_parameters = extra_float_digits
"""


@contextmanager
def _running(config: Path, port: int) -> Iterator[None]:
    command = [_executable(), "-q", str(config)]
    # It refuses to run as root.
    user = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    with started(command, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _wait_for(process, port)
        yield


def _executable() -> str:
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no pgbouncer on PATH: install it")
    return found


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    process.kill()
    errors = process.communicate(timeout=LIMIT)[1]
    pytest.fail(f"pgbouncer does not start: {errors.decode()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
