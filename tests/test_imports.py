"""What starts quickly must not import what it does not need."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import migfix
from migfix import __version__
from tests.processes import ran

ROOT = Path(migfix.__file__).parents[1]
DRIVER = """\
import sys
from migfix.__main__ import main
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""
HEAVY = {"black", "click", "django", "libcst", "rich"}


def run(*arguments: str, folder: Path) -> tuple[str, set[str]]:
    """What migfix prints, and the modules it has imported by then."""
    command = [sys.executable, "-c", DRIVER, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = ran(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_needs_no_command_line(tmp_path: Path, flag: str) -> None:
    printed, modules = run(flag, folder=tmp_path)
    assert printed == f"migfix {__version__}\n"
    assert not modules & (HEAVY | {"typer", "migfix.commandline.cli", "pydantic"})


def test_the_version_says_the_same_through_the_command_line(tmp_path: Path) -> None:
    printed, modules = run("--version", "--version", folder=tmp_path)
    assert printed == f"migfix {__version__}\n"
    assert "typer" in modules


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_check_that_finds_nothing_imports_nothing_heavy(tmp_path: Path, format: str) -> None:
    pytest.importorskip("migfix.pipeline")
    migrations = tmp_path / "shop" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(
        "from django.db import migrations\n\n\n"
        "class Migration(migrations.Migration):\n    operations = []\n"
    )
    _, modules = run("check", "--output-format", format, str(tmp_path), folder=tmp_path)
    assert "migfix.pipeline" in modules
    assert not modules & (HEAVY - {"click"})  # Typer's own, before it came with a copy
