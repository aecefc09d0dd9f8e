"""The command line is as fast as without a server: nothing of it is imported by check."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.test_imports import run

NEWSROOM = Path(__file__).parents[2] / "examples" / "newsroom"
OF_SERVERS = ("migfix.server", "pygls", "lsprotocol", "cattrs", "asyncio")


@pytest.mark.parametrize("command", ["check", "apply"])
def test_only_the_server_imports_what_is_of_it(tmp_path: Path, command: str) -> None:
    shutil.copytree(NEWSROOM, tmp_path / "newsroom")
    path = "newsroom/blog/migrations/0002_new_owners.py"
    more = ["--no-cache", "--exit-zero"] if command == "check" else []
    _, modules = run(command, *more, path, folder=tmp_path)
    assert "migfix.pipeline" in modules
    assert [name for name in modules if name.startswith(OF_SERVERS)] == []
