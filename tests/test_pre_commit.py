"""The hooks, run by pre-commit itself on a repository."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests import checking
from tests.processes import ran

pytest.importorskip("pre_commit", reason="needs pre-commit")
pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")

HOOKS = Path(__file__).parents[1] / ".pre-commit-hooks.yaml"
LOOP = "for post in Post.objects.all():\n    print(post.title)\n"
FILL = Path("shop/migrations/0002_fill.py")
HELPER = Path("shop/migrations/_migfix.py")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the hooks of this repository, which run what is installed here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / ".git" / "pre-commit"))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    ran(["git", "init", "-q"], check=True)
    FILL.parent.mkdir(parents=True)
    (FILL.parent / "0001_initial.py").write_text(checking.MODELS)
    Path("settings.py").write_text(
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql'}}\n"
    )
    hooks = HOOKS.read_text().replace("language: python", "language: system")
    indented = "".join(f"    {line}\n" for line in hooks.splitlines())
    Path(".pre-commit-config.yaml").write_text(f"repos:\n- repo: local\n  hooks:\n{indented}")
    return tmp_path


def hook(name: str) -> tuple[int, str]:
    """The exit code and the output of a hook that sees all files that git knows of."""
    ran(["git", "add", "-A", "."], check=True)
    command = [sys.executable, "-m", "pre_commit", "run", name, "--all-files", "--color", "never"]
    done = ran(command, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_there_is_nothing_to_rewrite(repository: Path) -> None:
    FILL.write_text(checking.whole("print(Post.objects.count())"))
    for name in ("migfix-check", "migfix"):
        code, output = hook(name)
        assert code == 0, output
        assert "Passed" in output


def test_the_check_fails_and_writes_nothing(repository: Path) -> None:
    before = checking.whole(LOOP)
    FILL.write_text(before)
    code, output = hook("migfix-check")
    assert code == 1, output
    assert f"{FILL}:" in output
    assert f"apply creates {HELPER}, which 1 file imports: add it to version control." in output
    assert FILL.read_text() == before
    assert not HELPER.exists()


def test_the_other_one_edits_and_then_sees_the_helper(repository: Path) -> None:
    FILL.write_text(checking.whole(LOOP))
    code, output = hook("migfix")
    assert code == 1, output
    assert "files were modified by this hook" in output
    assert "from ._migfix import stream\n" in FILL.read_text()
    assert "def stream(" in HELPER.read_text()
    helper = HELPER.read_bytes()
    for name in ("migfix", "migfix-check"):
        code, output = hook(name)  # the helper is among the files by now
        assert code == 0, output
    tracked = ran(["git", "ls-files", str(HELPER)], capture_output=True, text=True)
    assert tracked.stdout == f"{HELPER}\n"
    assert HELPER.read_bytes() == helper
