"""The server, by a client over standard input and output: open, type, see, apply, undo."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from typer.testing import CliRunner

from migfix.commandline.cli import app
from tests.processes import ran
from tests.server.editor import Editor, Servers, path_of, with_editor

NEWSROOM = Path(__file__).parents[2] / "examples" / "newsroom"
LOOP = """\
from django.db import migrations


def forwards(apps, schema_editor):
    Post = apps.get_model("blog", "BlogPost")
    for post in Post.objects.all():
        post.views = 1
        post.save()
    for post in Post.objects.all():
        keep.append(post)


class Migration(migrations.Migration):
    dependencies = [("blog", "0004_credits")]
    operations = [migrations.RunPython(forwards)]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NEWSROOM, tmp_path / "newsroom"))


def migration(project: Path, name: str) -> Path:
    return next((project / "blog" / "migrations").glob(f"{name}_*.py"))


def migfix(*arguments: str) -> str:
    return CliRunner().invoke(app, arguments).stdout


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    found = Servers()
    yield found
    found.stop()


def test_loops_are_underlined_as_check_tells_them(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        told = migfix("check", "--no-cache", str(project)).splitlines()
        for path in sorted((project / "blog" / "migrations").glob("0*.py")):
            found = await editor.diagnostics(editor.open(path))
            lines = (line for line in told if f"{path.name}:" in line.split(": ")[0])
            places = [line.split(": ")[0].split(":")[-2:] for line in lines]
            shown = [[str(d.range.start.line + 1), str(d.range.start.character + 1)] for d in found]
            assert sorted(shown) == sorted(places), path.name

    servers.run(session, project)


def test_what_a_diagnostic_says(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0006"))
        first, second, left = await editor.diagnostics(uri)
        assert first.severity is lsp.DiagnosticSeverity.Warning
        assert first.code == "MF201 MF202 MF301"
        assert "--unsafe-fixes: one update()" in first.message
        assert first.code_description
        name, _, line = first.code_description.href.partition("#L")
        entry = path_of(name).read_text().splitlines()[int(line) - 1]
        assert entry.startswith("## MF201 ")
        assert left.severity is lsp.DiagnosticSeverity.Hint
        assert left.code == "keeps-rows"
        related = left.related_information or []
        assert (related[0].location.uri, related[0].location.range.start.line + 1) == (uri, 24)
        start, end = second.range.start, second.range.end
        assert editor.texts[uri].splitlines()[start.line][start.character : end.character] == (
            "for post in posts:"
        )

    servers.run(session, project)


def test_unsaved_neighbours_count(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        for name in ("0005", "0006"):
            migration(project, name).unlink()
        uri = editor.open(project / "blog/migrations/0005_more.py", LOOP)
        found = await editor.diagnostics(uri)
        assert found[0].code == "MF101"
        before = editor.open(migration(project, "0004"))
        text = editor.texts[before].replace(
            "operations = [",
            'operations = [\n        migrations.AlterField("blogpost", "views", '
            "__import__('django').db.models.IntegerField(unique=True)),",
        )
        editor.type(before, text)

        def changed() -> bool | None:
            now = editor.shown[uri].diagnostics
            return True if now and now[0].code != "MF101" else None

        await editor.until(changed)
        editor.close(before)
        await editor.until(lambda: None if changed() else True)

    servers.run(session, project)


def test_a_text_that_does_not_parse_keeps_its_findings(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0002"))
        before = await editor.diagnostics(uri)
        editor.type(uri, editor.texts[uri] + "def (\n")
        await asyncio.sleep(0.5)
        assert list(editor.shown[uri].diagnostics) == before
        assert await editor.actions(uri, 13) == []
        editor.type(uri, editor.texts[uri].replace("def (\n", "\n"))
        assert await editor.diagnostics(uri) == before

    servers.run(session, project)


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("utf-16", "0003 0006"), ("utf-8", "0002"), ("utf-32", "0004")],
)
def test_the_editor_gets_what_apply_writes(
    tmp_path: Path, encoding: str, names: str, servers: Servers
) -> None:
    """Each loop alone, and all at once; with a helper, in files of any line ends and letters."""
    roots = [Path(shutil.copytree(NEWSROOM, tmp_path / n / "newsroom")) for n in "ab"]
    paths = [migration(root, name) for root in roots for name in names.split()]
    for path in paths:
        text = path.read_text().replace("def ", "smile = '🙂é'; odd = '\u2028\x0c'\n\n\ndef ", 1)
        if path.is_relative_to(roots[1]):
            text = text.removesuffix("\n").replace("\n", "\r\n")
        path.write_bytes(text.encode())

    async def session(editor: Editor) -> None:
        for path in paths:
            await _apply_each(path, editor)

    servers.run(session, *roots, kind={"encoding": encoding})


async def _apply_each(path: Path, editor: Editor) -> None:
    project = path.parents[2]
    uri = editor.open(path)
    original = editor.texts[uri]
    lines = [d.range.start.line + 1 for d in await editor.diagnostics(uri)]
    done = 0
    for line in lines:
        action = next((a for a in await editor.actions(uri, line) if a.is_preferred), None)
        if action is None:
            continue
        done += 1
        assert action.diagnostics
        _compare(editor, uri, action, project, "--only", f"{path}:{line}")
        editor.type(uri, original)
    found = await editor.actions(uri, 1, ["source.fixAll"])
    if done:
        assert [each.kind for each in found] == ["source.fixAll.migfix"]
        _compare(editor, uri, found[0], project)
    else:
        assert found == []


def _compare(
    editor: Editor, uri: str, action: lsp.CodeAction, project: Path, *options: str
) -> None:
    """The texts after the action are the files after apply. Leaves the files as they were."""
    assert action.edit
    editor.apply(action.edit)
    path = path_of(uri)
    before = path.read_bytes()
    helpers = {u for u in editor.texts if u.endswith("_migfix.py")}
    for helper in helpers:
        path_of(helper).unlink()  # apply makes its own
    assert CliRunner().invoke(app, ["apply", str(path), *options]).exit_code == 0
    assert path.read_bytes() != before
    assert editor.texts[uri].encode() == path.read_bytes()
    written = {each.as_uri() for each in project.rglob("_migfix.py")}
    assert written == helpers
    for helper in helpers:
        assert editor.texts[helper].encode() == path_of(helper).read_bytes()
        path_of(helper).unlink()
        editor.close(helper)
    path.write_bytes(before)


def test_unsafe_rewrites_are_offered_with_their_doubt(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        path = migration(project, "0006")
        uri = editor.open(path)
        await editor.diagnostics(uri)
        unsafe = [a for a in await editor.actions(uri, 10) if "(unsafe)" in a.title]
        assert len(unsafe) == 1
        assert "save() also refreshes `changed`" in unsafe[0].title
        assert not unsafe[0].is_preferred
        _compare(editor, uri, unsafe[0], project, "--unsafe-fixes", "--only", f"{path}:10")

    servers.run(session, project)


def test_a_comment_keeps_migfix_away(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0002"))
        before = await editor.diagnostics(uri)
        action = next(a for a in await editor.actions(uri, 13) if "comment" in a.title)
        assert action.edit
        editor.apply(action.edit)
        assert "    # migfix: ignore\n    for post" in editor.texts[uri]
        assert len(await editor.diagnostics(uri)) == len(before) - 1

    servers.run(session, project)


def test_verify_shows_its_verdict(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0002"))
        before = await editor.diagnostics(uri)
        action = next(a for a in await editor.actions(uri, 13) if "verify" in a.title)
        assert action.command
        await editor.command(action.command)
        shown = editor.shown[uri].diagnostics
        verdicts = [d.message for d in shown if d not in before]
        assert len(verdicts) == 2
        assert all(text.startswith("verified equal: ") for text in verdicts)
        editor.type(uri, editor.texts[uri] + "\n")
        assert len(await editor.diagnostics(uri)) == len(before)
        await editor.command(action.command)
        assert "save the file first" in editor.messages[-1]

    servers.run(session, project)


def test_hover_tells_all_of_a_loop_and_its_model(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0006"))
        loop = await editor.hover(uri, 10, 6)
        assert "**blog.BlogPost** in `" in loop
        assert "`published BooleanField`" in loop
        assert "As written: rows held: all; queries: 1 for each row." in loop
        assert "rows held: all -> a chunk" in loop
        assert "Reads only `published`" in loop
        assert "**MF201 load-only-used-fields**: yes." in loop
        line = (
            editor.texts[uri]
            .splitlines()
            .index('    BlogPost = apps.get_model("blog", "BlogPost")')
        )
        for column in (6, 41):
            model = await editor.hover(uri, line + 1, column)
            assert model.startswith("**blog.BlogPost** as of this migration")
            assert "- `views` " in model
        assert await editor.hover(uri, 1, 3) == ""

    servers.run(session, project)


def test_a_lens_over_each_run_python(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        path = migration(project, "0006")
        uri = editor.open(path)
        lens, *others = await editor.lenses(uri)
        assert not others
        assert lens.command
        assert lens.command.title == "3 loops: 2 safe, 1 left"
        assert "RunPython" in editor.texts[uri].splitlines()[lens.range.start.line]
        await editor.diagnostics(uri)
        await editor.command(lens.command)
        await editor.until(lambda: True if editor.versions[uri] > 1 else None)
        helper = (project / "newsroom" / "_migfix.py").as_uri()
        texts = editor.texts[uri], editor.texts[helper]
        path_of(helper).unlink()
        migfix("apply", str(path))
        assert texts == (path.read_text(), path_of(helper).read_text())

    servers.run(session, project)


@pytest.mark.parametrize("versioned", [True, False])
def test_clients_that_create_no_files(project: Path, versioned: bool, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0006"))
        await editor.diagnostics(uri)
        action = next(a for a in await editor.actions(uri, 10) if a.is_preferred)
        assert action.edit
        assert action.command
        editor.apply(action.edit)
        await editor.command(action.command)
        assert "from newsroom._migfix import" in editor.texts[uri]
        assert (project / "newsroom" / "_migfix.py").exists()

    servers.run(session, project, kind={"creates": False, "versioned": versioned})


def test_what_changes_on_the_disk_is_noticed(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0002"))
        assert len(await editor.diagnostics(uri)) == 2
        globs = {
            watcher["globPattern"]
            for each in editor.registered
            for watcher in each.register_options["watchers"]
        }
        assert {"**/*.py", "**/pyproject.toml", "**/.git/HEAD"} <= globs
        config = project / "pyproject.toml"
        config.write_text("[tool.migfix]\nselect = ['MF2']\n")
        changed = lsp.FileEvent(config.as_uri(), lsp.FileChangeType.Created)
        editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([changed]))
        await editor.until(
            lambda: True if editor.shown[uri].diagnostics[0].code != "MF101" else None
        )
        config.write_text("[tool.migfix]\nnonsense = 1\n")
        editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([changed]))

        def told() -> bool | None:
            message = editor.shown[uri].diagnostics[0].message
            return True if "there is no key 'nonsense'" in message else None

        await editor.until(told)

    servers.run(session, project)


def test_the_configuration_of_the_client(project: Path) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0006"))
        assert len(await editor.diagnostics(uri)) == 2  # no hints
        editor.settings = {"unsafeFixes": True, "nonsense": 1}
        editor.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(None))
        await editor.until(
            lambda: True if editor.shown[uri].diagnostics[0].code == "MF101" else None
        )
        await editor.until(lambda: True if any("nonsense" in m for m in editor.messages) else None)
        editor.settings = None  # as they began
        editor.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(None))
        await editor.until(
            lambda: True if editor.shown[uri].diagnostics[0].code != "MF101" else None
        )
        assert len(editor.shown[uri].diagnostics) == 2

    with_editor(session, project, options={"hints": False})


SLOW = """\
import time
import migfix.server.app as app, migfix.server.session as session
from migfix.server.overlay import Overlay
read, session.LONG = Overlay.read, 0.1
def slowly(self, path):
    time.sleep(0.1)
    return read(self, path)
Overlay.read = slowly
app.start()
"""


def test_what_takes_long_is_shown_and_can_be_cancelled(project: Path) -> None:
    """The first look ends in the middle of a project's files; the next change is looked at as ever."""

    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0002"))
        await editor.until(lambda: True if len(editor.progressed) > 1 else None)
        begin, report = editor.progressed[:2]
        assert isinstance(begin, dict | lsp.WorkDoneProgressBegin)
        assert _said(begin, "cancellable") is True
        assert str(_said(report, "message")).endswith(" files read")
        cancel = lsp.WorkDoneProgressCancelParams(editor.progress[0])
        editor.client.window_work_done_progress_cancel(cancel)
        await editor.until(lambda: True if _is_end(editor.progressed[-1]) else None)
        await asyncio.sleep(0.5)
        assert uri not in editor.shown
        editor.type(uri, editor.texts[uri] + "\n")
        assert len(await editor.diagnostics(uri)) == 2
        assert len(editor.progress) == 2

    with_editor(session, project, command=[sys.executable, "-c", SLOW])


def _said(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _is_end(value: object) -> bool:
    return _said(value, "kind") == "end"


BROKEN = """\
import migfix.server.app as app
app.hover = None
told, times = app.Server.publish, []
def publish(server, uri):
    times.append(uri)
    assert len(times) > 1, "the first time fails"
    told(server, uri)
app.Server.publish = publish
app.start()
"""


def test_a_request_that_fails_does_not_end_the_server(project: Path) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(migration(project, "0002"))
        with pytest.raises(JsonRpcException):
            await editor.hover(uri, 13, 6)
        assert await editor.actions("file:///nowhere/at_all.py", 1) == []
        assert await editor.actions("untitled:1", 1) == []
        await asyncio.sleep(1)
        editor.type(uri, editor.texts[uri] + "\n")
        assert len(await editor.diagnostics(uri)) == 2

    with_editor(session, project, command=[sys.executable, "-c", BROKEN])


def test_several_roots(tmp_path: Path, servers: Servers) -> None:
    one, two = (Path(shutil.copytree(NEWSROOM, tmp_path / n / "newsroom")) for n in "ab")
    (two / "pyproject.toml").write_text("[tool.migfix]\nignore = ['MF101']\n")

    async def session(editor: Editor) -> None:
        here, there = (editor.open(migration(root, "0002")) for root in (one, two))
        assert (await editor.diagnostics(here))[0].code == "MF101"
        assert (await editor.diagnostics(there))[0].code != "MF101"

    servers.run(session, one, two)


def test_files_that_are_none_of_ours(project: Path, servers: Servers) -> None:
    async def session(editor: Editor) -> None:
        uri = editor.open(project / "blog" / "models.py")
        assert await editor.actions(uri, 1) == []
        assert await editor.lenses(uri) == []
        assert uri not in editor.shown

    servers.run(session, project)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pygls.py").write_text("raise ModuleNotFoundError('no pygls', name='pygls')")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{NEWSROOM.parents[1]}"}
    done = ran(
        [sys.executable, "-m", "migfix", "server"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        'migfix: the server needs pygls 2 and lsprotocol: pip install "migfix[server]"\n'
    )
