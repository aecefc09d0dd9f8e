"""`git checkout` under an editor: what it shows of its open files is what `check` says of the tree that it then has."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from tests.processes import ran
from tests.server.editor import PATIENCE, Editor, path_of, with_editor
from tests.server.test_server import NEWSROOM, migfix, migration

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")
UNIQUE = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    run_before = [("blog", "0002_new_owners")]
    operations = [migrations.AlterField("blogpost", "views", models.IntegerField(unique=True))]
"""


def git(project: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = ran(
        ["git", *identity, *arguments], cwd=project, check=True, capture_output=True, text=True
    )
    return str(done.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With the branches `plain`; `unique`, on which a column is unique and a file is no more; and `settled`, with settings."""
    root = Path(shutil.copytree(NEWSROOM, tmp_path / "newsroom"))
    git(root, "init", "-q", "-b", "plain")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "plain")
    git(root, "checkout", "-q", "-b", "unique")
    migration(root, "0006").unlink()
    path = migration(root, "0002")
    path.write_text("# from another branch\n" + path.read_text().replace("views = 1", "views = 2"))
    (root / "blog" / "migrations" / "0001_unique.py").write_text(UNIQUE)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "unique")
    git(root, "checkout", "-q", "-b", "settled", "plain")
    (root / "pyproject.toml").write_text("[tool.migfix]\nselect = ['MF2']\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "settled")
    git(root, "checkout", "-q", "plain")
    return root


@pytest.mark.parametrize("watches", [True, False], ids=["watches", "only asks"])
def test_findings_follow_a_checkout(project: Path, watches: bool) -> None:
    order = ["unique", "plain", "settled", "unique", "settled", "plain"]

    async def session(editor: Editor) -> None:
        names = ("0002", "0003", "0006")
        uris = [editor.open(migration(project, name)) for name in names]
        said = []
        for branch in order:
            before = git(project, "rev-parse", "--abbrev-ref", "HEAD").strip()
            changed = git(project, "diff", "--name-only", "--no-renames", before, branch).split()
            git(project, "checkout", "-q", branch)
            _reload(editor, uris)
            expected = _checked(project, uris, editor)
            if watches:
                _tell(editor, (project / each for each in [*changed, ".git/HEAD"]))
            else:
                await _ask(editor, uris, expected)
            said.append(expected)
            await editor.until(lambda: _shown(editor, uris) == said[-1] or None)
        assert said[1] == said[5] != said[0]
        assert said[2] == said[4] not in (said[0], said[1])

    with_editor(session, project, kind={"watches": watches})


def _reload(editor: Editor, uris: Iterable[str]) -> None:
    """What editors do with buffers that nobody has changed; one whose file is gone keeps its text."""
    for uri in uris:
        path = path_of(uri)
        if path.exists() and path.read_text() != editor.texts[uri]:
            editor.type(uri, path.read_text())


def _tell(editor: Editor, paths: Iterable[Path]) -> None:
    kinds = {True: lsp.FileChangeType.Changed, False: lsp.FileChangeType.Deleted}
    events = [lsp.FileEvent(each.as_uri(), kinds[each.exists()]) for each in paths]
    editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams(events))


async def _ask(editor: Editor, uris: Iterable[str], expected: object) -> None:
    """What editors do where the pointer goes; the disk is trusted for a while."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while _shown(editor, uris) != expected and asyncio.get_running_loop().time() < end:
        for uri in uris:
            await editor.lenses(uri)
        await asyncio.sleep(0.2)


def _checked(project: Path, uris: Iterable[str], editor: Editor) -> dict[str, list[object]]:
    """What `check` says of the tree with the open texts in it."""
    gone = [path_of(uri) for uri in uris if not path_of(uri).exists()]
    for path in gone:
        path.write_text(editor.texts[path.as_uri()])
    try:
        report = json.loads(migfix("check", "--no-cache", "--output-format", "json", str(project)))
    finally:
        for path in gone:
            path.unlink()
    files = {Path(each["path"]).name: each["loops"] for each in report["files"]}
    return {
        uri: [
            (loop["line"], " ".join(loop["codes"]) or loop["blocked_by"])
            for loop in files.get(path_of(uri).name, ())
        ]
        for uri in uris
    }


def _shown(editor: Editor, uris: Iterable[str]) -> dict[str, list[object]]:
    return {
        uri: [(d.range.start.line + 1, d.code) for d in editor.shown[uri].diagnostics]
        for uri in uris
        if uri in editor.shown
    }
