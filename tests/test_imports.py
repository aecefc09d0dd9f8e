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


SCHEMA = (
    "from django.conf import settings\nfrom django.db import migrations\n\n\n"
    "class Migration(migrations.Migration):\n    operations = []\n"
)
LOOP = """
def forwards(apps, schema_editor):
    for post in posts:
        print(post)
"""
# Of the standard library, what takes long and only other runs need.
SLOW = {"difflib", "configparser", "multiprocessing", "subprocess", "tomllib"}


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("what", ["a folder", "a file", "an empty file"])
def test_a_check_that_finds_nothing_imports_little(tmp_path: Path, format: str, what: str) -> None:
    migrations = tmp_path / "shop" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text("" if what == "an empty file" else SCHEMA)
    path = migrations if what == "a folder" else migrations / "0001_initial.py"
    _, modules = run("check", "--output-format", format, str(path), folder=tmp_path)
    assert "migfix.screening" in modules
    assert not modules & {"migfix.pipeline", "migfix.worlds", "migfix.codemod", "migfix.history"}
    assert not modules & (HEAVY | {"typer", "pydantic"})
    assert not modules & SLOW


def test_a_check_without_rewrites_imports_nothing_that_writes(tmp_path: Path) -> None:
    migrations = tmp_path / "shop" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(SCHEMA + LOOP)
    _, modules = run("check", str(migrations), "--quiet", folder=tmp_path)
    assert not modules & (HEAVY | {"typer", "pydantic"})
    _, modules = run("check", str(migrations / "0001_initial.py"), folder=tmp_path)
    assert "migfix.pipeline" in modules
    assert not modules & (HEAVY | {"typer", "pydantic", "multiprocessing", "concurrent.futures"})
