"""What git knows of the files of a run: ``--since``, and files that could not be brought back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.disk.files import Files
from migfix.disk.revisions import GitError, changed_since, git, modified, unsaved
from tests import checking
from tests.processes import ran

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")
FILL = checking.whole("for post in Post.objects.all():\n    post.kind = 1\n    post.save()")


def run(*arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    ran(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def folder(shop: Path) -> Path:
    """A repository with one commit, two migrations and a working folder at its top."""
    (shop / "0002_fill.py").write_text(FILL)
    run("init", "-q")
    run("add", ".")
    run("commit", "-q", "-m", "x")
    return shop


def migfix(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_what_differs_from_a_revision(folder: Path):
    paths = sorted(folder.glob("*.py"))
    assert changed_since("HEAD", paths, Files()) == unsaved(paths, Files()) == []
    (folder / "0002_fill.py").write_text(f"{FILL}# more\n")
    new = folder / "0003 \u00fc.py"
    new.write_text(FILL)
    paths.append(new)
    assert (
        changed_since("HEAD", paths, Files())
        == unsaved(paths, Files())
        == [folder / "0002_fill.py", new]
    )
    (folder.parent.parent / ".gitignore").write_text("0003*\n")
    assert unsaved(paths, Files()) == [folder / "0002_fill.py", new]


def test_nothing_of_the_repository_runs(folder: Path):
    ran_at = folder / "ran"
    script = folder / "monitor"
    script.write_text(f"#!/bin/sh\ntouch '{ran_at}'\n")
    script.chmod(0o755)
    for setting in ("core.fsmonitor", "diff.external"):
        run("config", setting, str(script))
    run("config", "core.hooksPath", str(folder))
    shutil.copy(script, folder / "post-index-change")
    ran_at.unlink(missing_ok=True)
    assert folder / "monitor" in unsaved([*folder.iterdir()], Files())
    assert not ran_at.exists()


def test_git_that_does_not_know(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    with pytest.raises(GitError, match="there is no revision 'nowhere'"):
        changed_since("nowhere", folder.glob("*.py"), Files())
    apart = tmp_path_factory.mktemp("apart") / "x.py"
    apart.write_text("")
    with pytest.raises(GitError, match="is in no repository"):
        changed_since("HEAD", [apart], Files())
    assert unsaved([apart], Files()) == []
    with pytest.raises(GitError, match="cannot be run"):
        git(apart / "gone", "status")


def test_a_repository_without_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run("init", "-q")
    (tmp_path / "x.py").write_text("")
    assert unsaved([tmp_path / "x.py"], Files()) == [tmp_path / "x.py"]


def test_a_repository_that_git_does_not_trust(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    refused = migfix("apply", ".")
    assert refused.exit_code == 2
    assert "git cannot tell what is committed" in refused.stderr
    assert (folder / "0002_fill.py").read_text() == FILL


def test_the_environment_names_another_repository(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert unsaved([folder / "0002_fill.py"], Files()) == []


def test_a_revision_is_no_option(folder: Path):
    result = migfix("check", ".", "--since=--output=injected")
    assert (result.exit_code, Path("injected").exists()) == (2, False)
    assert "there is no revision '--output=injected'" in result.stderr


def test_names_are_those_of_the_repository(folder: Path):
    run("config", "diff.relative", "true")
    path = folder / "0002_fill.py"
    path.write_text(f"{FILL}# more\n")
    assert list(modified(folder, "HEAD")) == [(path, FILL.encode())]


def test_each_folder_is_looked_at_under_its_own_settings(folder: Path):
    top = folder.parent.parent
    for name, exclude in (("one", ""), ("two", 'exclude = ["shop"]')):
        shutil.copytree(folder.parent, top / name / "shop")
        (top / name / "pyproject.toml").write_text(f"[tool.migfix]\n{exclude}\n")
    text = migfix("check", "one", "two", "--since", "HEAD").stdout
    assert "one/shop/migrations/0002_fill.py" in text
    assert "two/" not in text


def test_since_looks_at_what_changed(folder: Path):
    assert "Nothing to rewrite in 0 files." in migfix("check", ".", "--since", "HEAD").stdout
    (folder / "0003_more.py").write_text(FILL)
    text = migfix("check", ".", "--since", "HEAD").stdout
    assert "shop/migrations/0003_more.py:11:5: MF" in text
    assert "0002" not in text
    result = migfix("check", ".", "--since", "nowhere")
    assert (result.exit_code, "migfix: --since: " in result.stderr) == (2, True)
    assert migfix("check", "-", "--since", "HEAD").exit_code == 2


def test_apply_does_not_write_what_git_could_not_bring_back(folder: Path):
    path = folder / "0002_fill.py"
    changed = f"{FILL}# more\n"
    path.write_text(changed)
    refused = migfix("apply", ".")
    assert refused.exit_code == 2
    assert "shop/migrations/0002_fill.py: not committed as it is" in refused.stderr
    assert path.read_text() == changed
    assert migfix("diff", ".").exit_code == 1
    assert migfix("apply", "shop/migrations/0002_fill.py").exit_code == 0
    assert path.read_text() != changed
    path.write_text(changed)
    assert migfix("apply", ".", "--allow-dirty").exit_code == 0
    assert path.read_text() != changed


def test_apply_writes_what_is_committed(folder: Path):
    (folder / "0003_other.py").write_text("x = 1\n")
    assert migfix("apply", ".").exit_code == 0
    assert (folder / "0002_fill.py").read_text() != FILL
