"""Every process of the tests ends: none is started but by what holds its time."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.processes import TooLong, ran, started

ROOT = Path(__file__).parents[1]
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PARENT = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {DEAF!r}]).pid, flush=True)"
STARTING = {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
STARTING_OF_OS = {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp"}


def _starts(tree: ast.Module) -> Iterator[int]:
    """The lines that start a process without a limit."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("subprocess", "os"):
            if {alias.name for alias in node.names} & (STARTING | STARTING_OF_OS):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if any(keyword.arg == "timeout" for keyword in node.keywords):
                continue  # in scripts, which cannot import from here
            module = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            known = {"subprocess": STARTING, "os": STARTING_OF_OS}.get(module, set())
            if node.func.attr in known or (module == "os" and node.func.attr.startswith("spawn")):
                yield node.lineno


def test_no_other_module_starts_processes() -> None:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    own = [file for file in files if "projects" not in file.parts and file.name != "processes.py"]
    assert len(own) > 50
    found = [f"{file}:{line}" for file in own for line in _starts(ast.parse(file.read_text()))]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess\nsubprocess.run([])",
        "import subprocess\nwith subprocess.Popen([]): pass",
        "from subprocess import PIPE, check_output",
        "import os\nos.system('')",
        "import os\nos.spawnv(0, '', [])",
    ],
)
def test_what_starts_processes_is_seen(text: str) -> None:
    assert [*_starts(ast.parse(text))]


def _is_there(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_a_process_ends_with_what_it_started() -> None:
    with started([sys.executable, "-c", PARENT], stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert _is_there(child)
    for _ in range(200):
        if not _is_there(child):
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")


def test_a_process_that_takes_too_long() -> None:
    begun = time.monotonic()
    with pytest.raises(TooLong):
        ran([sys.executable, "-c", DEAF], limit=0.5, capture_output=True, text=True)
    assert time.monotonic() - begun < 60
