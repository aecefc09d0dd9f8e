"""Editors without a screen, with the server: they show the findings, make the edit that apply makes, and undo it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from tests.processes import ran

NEWSROOM = Path(__file__).parents[2] / "examples" / "newsroom"
FOLDER = Path(__file__).parent
OLDEST = (0, 7)  # the first Neovim with what the script calls
NO_CLIENT = 77  # what Emacs ends with that has no eglot


def neovim() -> list[str]:
    path = shutil.which("nvim")
    if path is None:
        pytest.skip("there is no Neovim")
    said = ran([path, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"NVIM v(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        pytest.skip(f"Neovim is too old: {said.splitlines()[:1]}")
    return [path, "--headless", "-u", "NONE", "-n", "-S", str(FOLDER / "nvim.lua")]


def emacs() -> list[str]:
    path = shutil.which("emacs")
    if path is None:
        pytest.skip("there is no Emacs")
    return [path, "-q", "--no-site-file", "--batch", "-l", str(FOLDER / "eglot.el")]


def apply(*arguments: str | Path) -> None:
    done = CliRunner().invoke(app, ["apply", *map(str, arguments)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("extends", [False, True], ids=["new helper", "helper that is there"])
@pytest.mark.parametrize("editor", [neovim, emacs])
def test_editors_show_apply_and_undo(
    tmp_path: Path, editor: Callable[[], list[str]], extends: bool
) -> None:
    command = editor()
    one, two = (Path(shutil.copytree(NEWSROOM, tmp_path / n / "newsroom")) for n in "ab")
    helper, other_helper = (root / "newsroom" / "_migfix.py" for root in (one, two))
    if extends:
        for root in (one, two):
            apply("--ignore", "MF301", root / "blog" / "migrations" / "0004_credits.py")
        assert "def update_in_batches" not in helper.read_text()
    path, other = (root / "blog" / "migrations" / "0006_publish.py" for root in (one, two))
    before = path.read_bytes()
    environment = os.environ | {
        "MIGFIX_SERVER": f"{sys.executable} -m migfix server",
        "MIGFIX_ROOT": str(one),
        "MIGFIX_FILE": str(path),
        "MIGFIX_SEEN": str(tmp_path / "seen.py"),
        "PYTHONPATH": str(NEWSROOM.parents[1]),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    done = ran(command, cwd=one, env=environment, capture_output=True, text=True, limit=120)
    if done.returncode == NO_CLIENT:
        pytest.skip("this Emacs has no eglot")
    assert done.returncode == 0, done.stdout + done.stderr
    apply(other)
    assert (tmp_path / "seen.py").read_bytes() == other.read_bytes() != before
    assert path.read_bytes() == before
    places = [line.partition(" ")[0] for line in done.stdout.splitlines()]
    assert places[:2] == ["10:5", "16:5"]
    assert helper.read_bytes() == other_helper.read_bytes()
    assert "def update_in_batches" in helper.read_text()
