"""Neovim, without a screen, with the server: sees the findings, makes the edit that apply makes, undoes it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.processes import ran

NEWSROOM = Path(__file__).parents[2] / "examples" / "newsroom"
SCRIPT = Path(__file__).with_name("nvim.lua")
OLDEST = (0, 7)  # the first with what the script calls


def neovim() -> str:
    path = shutil.which("nvim")
    if path is None:
        pytest.skip("there is no Neovim")
    said = ran([path, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"NVIM v(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        pytest.skip(f"Neovim is too old: {said.splitlines()[:1]}")
    return path


@pytest.mark.parametrize(("name", "helper"), [("0002_new_owners", False), ("0006_publish", True)])
def test_neovim_sees_applies_and_undoes(tmp_path: Path, name: str, helper: bool) -> None:
    program = neovim()
    one, two = (Path(shutil.copytree(NEWSROOM, tmp_path / n / "newsroom")) for n in "ab")
    path, other = (root / "blog" / "migrations" / f"{name}.py" for root in (one, two))
    before = path.read_bytes()
    environment = os.environ | {
        "MIGFIX_SERVER": f"{sys.executable} -m migfix server",
        "MIGFIX_ROOT": str(one),
        "MIGFIX_FILE": str(path),
        "MIGFIX_SEEN": str(tmp_path / "seen.py"),
        "PYTHONPATH": str(NEWSROOM.parents[1]),
        "XDG_STATE_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    done = ran(
        [program, "--headless", "-u", "NONE", "-n", "-S", str(SCRIPT)],
        cwd=one,
        env=environment,
        capture_output=True,
        text=True,
        limit=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran([sys.executable, "-m", "migfix", "apply", str(other)], cwd=two, check=True)
    assert (tmp_path / "seen.py").read_bytes() == other.read_bytes() != before
    assert path.read_bytes() == before
    places = [line.partition(" ")[0] for line in done.stdout.splitlines()]
    assert places[:2] == (["10:5", "16:5"] if helper else ["13:5", "17:5"])
    helpers = [root / "newsroom" / "_migfix.py" for root in (one, two)]
    assert [each.exists() for each in helpers] == [helper, helper]
    if helper:
        assert helpers[0].read_bytes() == helpers[1].read_bytes()
