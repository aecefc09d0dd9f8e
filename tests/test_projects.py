"""Whole runs on small projects: the patch, the text report and the JSON report, kept as snapshots."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from tests.golden import golden

ROOT = Path(__file__).parent.parent
PROJECTS = {
    "newsroom": ROOT / "examples" / "newsroom",
    "everywhere": ROOT / "tests" / "projects" / "everywhere",
    "refusals": ROOT / "tests" / "projects" / "refusals",
}
RUNS = {
    "apply.diff": ("diff",),
    "unsafe.diff": ("diff", "--unsafe-fixes"),
    "report.txt": ("check",),
    "report.json": ("check", "--output-format", "json"),
}


@pytest.fixture
def workspace(request, tmp_path, monkeypatch):
    """A copy of the project, so that its root and its settings are its own."""
    shutil.copytree(PROJECTS[request.param], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return request.param


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("workspace", PROJECTS, indirect=True)
def test_what_a_run_prints(workspace, run):
    result = CliRunner().invoke(app, [*RUNS[run], "."])
    golden(f"{workspace}/{run}", _without_helper(result.stdout))
    assert result.exit_code == 1, result.output


def _without_helper(patch: str) -> str:
    """The text of the helper is not this snapshot's matter, only that it is there."""
    start = patch.find("--- /dev/null")
    if start < 0:
        return patch
    end = patch.find("\n--- a/", start)
    header = patch[start:].splitlines(keepends=True)[:2]
    return patch[:start] + "".join(header) + "...\n" + patch[end + 1 :]


@pytest.mark.parametrize("workspace", PROJECTS, indirect=True)
def test_apply_writes_what_diff_shows_and_a_second_run_is_silent(workspace):
    shown = CliRunner().invoke(app, ["diff", "."]).stdout
    before = {path: path.read_bytes() for path in Path().rglob("*.py")}
    assert CliRunner().invoke(app, ["apply", "."]).exit_code == 0
    changed = [path for path in Path().rglob("*.py") if before.get(path) != path.read_bytes()]
    assert sorted(f"+++ b/{path}" for path in changed) == sorted(
        line for line in shown.splitlines() if line.startswith("+++ ")
    )
    again = CliRunner().invoke(app, ["diff", "."])
    assert (again.exit_code, again.stdout) == (0, "")
