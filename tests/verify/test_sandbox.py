"""`--sandbox`: nothing that runs there reaches a network or writes elsewhere, and verify says there what it says else."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.settings import SettingsError
from migfix.verify.sandbox import sandbox
from migfix.verify.servers import SQLITE, entry_of
from tests.processes import ran

NEWSROOM = Path(__file__).parents[2] / "examples" / "newsroom"


def _works() -> bool:
    try:
        with sandbox(SQLITE):
            return True
    except SettingsError:
        return False


needs_one = pytest.mark.skipif(not _works(), reason="no sandbox can be made here")


def _run(code: str, *arguments: object) -> str:
    with sandbox(SQLITE) as found:
        command = found.command(
            [sys.executable, "-c", code, *map(str, arguments), str(found.folder)]
        )
        return str(ran(command, capture_output=True, text=True).stderr)


@needs_one
def test_there_is_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = (
            f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5)"
        )
        assert (
            "Error" not in ran([sys.executable, "-c", code], capture_output=True, text=True).stderr
        )
        assert "ConnectionRefusedError" in _run(code)


@needs_one
def test_only_the_folder_of_the_run_is_written_to(tmp_path: Path) -> None:
    code = "import pathlib, sys; pathlib.Path(sys.argv[{}], 'new').write_text('')"
    assert "Read-only file system" in _run(code.format(1), tmp_path)
    assert "Read-only file system" in _run(code.format(1), Path.home())
    assert _run(code.format(2), tmp_path) == ""
    assert not (tmp_path / "new").exists()
    mount = "import subprocess; subprocess.run(['mount', '-o', 'remount,rw', '/'], check=True)"
    assert "CalledProcessError" in _run(mount)


@needs_one
def test_sockets_of_services_are_not_there() -> None:
    assert _run("import os, sys; sys.exit(str(os.listdir('/run')))").strip() == "[]"


def _verified(*arguments: str) -> list[str]:
    given = ["verify", "--no-cache", "--output-format", "json", *arguments]
    said = CliRunner().invoke(app, [*given, str(NEWSROOM / "blog/migrations/0003_clean_drafts.py")])
    assert said.stdout, said.stderr
    return [each["verdict"] for each in json.loads(said.stdout)["operations"]]


@needs_one
@pytest.mark.behaviour
def test_verify_says_the_same_there() -> None:
    assert _verified("--sandbox") == _verified() == ["equal"]


@needs_one
@pytest.mark.behaviour
def test_a_server_is_reached_by_its_socket() -> None:
    folder = next(
        (f for f in ("/run/postgresql", "/tmp") if Path(f, ".s.PGSQL.5432").exists()), None
    )
    if folder is None:
        pytest.skip("no PostgreSQL listens on a socket")
    assert _verified(
        "--sandbox", "--database-url", f"postgresql://postgres@/postgres?host={folder}"
    ) == ["equal"]


@pytest.mark.parametrize(
    "url", ["postgresql://u@127.0.0.1/x", "postgresql://u@/x", "mysql://u@localhost/x"]
)
def test_a_server_that_a_network_leads_to_is_refused(url: str) -> None:
    if not shutil.which("bwrap"):
        pytest.skip("needs bubblewrap")
    with (
        pytest.raises(SettingsError, match="name the server by its socket"),
        sandbox(entry_of(url)),
    ):
        pass


def test_without_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = CliRunner().invoke(app, ["verify", "--sandbox", str(NEWSROOM)])
    assert said.exit_code == 2
    assert said.stderr == "migfix: --sandbox: needs bubblewrap, and there is no bwrap on the path\n"
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2\nexit 1\n")
    program.chmod(0o755)
    said = CliRunner().invoke(app, ["verify", "--sandbox", str(NEWSROOM)])
    assert said.exit_code == 2
    assert said.stderr == "migfix: --sandbox: none can be made here: bwrap: No permissions\n"
