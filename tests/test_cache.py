"""Kept reports: the same bytes with and without, and never those of yesterday."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import pytest

import migfix
from migfix import __main__
from migfix.cache import Cache
from migfix.commandline import runs
from migfix.disk import files
from migfix.disk.files import Files
from migfix.disk.stamps import CACHE_FOLDER
from tests.checking import MODELS, whole
from tests.processes import started

ROOT = Path(migfix.__file__).parents[1]
FILL = """
from tools import text

def forwards(apps, schema_editor):
    from ._words import rename
    for post in apps.get_model("shop", "Post").objects.all():
        post.title = "t"
        post.save()
    for post in apps.get_model("shop", "Post").objects.all():
        post.note = text.note
        post.save()
    for post in apps.get_model("shop", "Post").objects.filter(slug="a"):
        post.delete()
    for tag in apps.get_model("labels", "Tag").objects.all():
        tag.name = "x"
        tag.save()
    for post in apps.get_model("shop", "Post").objects.all():
        if post.title == text.note:
            raise ValueError(post.title)
    rename(apps)
"""
ENDING = """
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial"), ("labels", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""
WORDS = """
def rename(apps):
    for post in apps.get_model("shop", "Post").objects.all():
        post.kind = 1
        post.save()
"""
TAGS = """
from django.db import migrations, models

class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Tag", [
            ("id", models.AutoField(primary_key=True)),
            ("name", models.CharField(max_length=50)),
        ]),
    ]
"""
SETTINGS = "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}}\n"


@dataclass
class Report:
    code: int
    stdout: bytes
    stderr: bytes
    was_kept: bool


Run = Callable[..., Report]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, with an environment beside it that has Django and the app ``labels``."""
    root, packages = tmp_path / "project", tmp_path / "env/lib/python3/site-packages"
    for path, text in {
        ".git/HEAD": "",
        "manage.py": "",
        "site/settings.py": SETTINGS,
        "shop/__init__.py": "",
        "shop/migrations/__init__.py": "",
        "shop/migrations/0001_initial.py": MODELS,
        "shop/migrations/0002_fill.py": f"from django.db import migrations\n{FILL}\n{ENDING}",
        "shop/migrations/_words.py": WORDS,
        "tools/__init__.py": "",
        "tools/text.py": "note = 'n'\n",
    }.items():
        _write(root / path, text)
    _write(packages / "django/db/migrations/__init__.py", "")
    _write(packages / "labels/migrations/0001_initial.py", TAGS)
    _write(packages / "labels/migrations/__init__.py", "")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
    monkeypatch.delenv("MIGFIX_CACHE_DIR", raising=False)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Run]:
    """What the command ``migfix`` does in this process."""
    threshold = gc.get_threshold()
    looked: list[object] = []
    looking = runs.outcomes_without_a_look

    def noted(*arguments: object, **options: object) -> object:
        looked.append(arguments)
        return looking(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "outcomes_without_a_look", noted)

    def run(*arguments: str) -> Report:
        looked.clear()
        monkeypatch.setattr(sys, "argv", ["migfix", *(arguments or ("check", "."))])
        with pytest.raises(SystemExit) as end:
            __main__.main()
        captured = capfdbinary.readouterr()
        return Report(int(end.value.code or 0), captured.out, captured.err, not looked)

    yield run
    gc.set_threshold(*threshold)


@pytest.fixture(params=["old files", "young files"])
def age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stamps of old files are enough; those of files that are two seconds old are not."""
    if request.param == "old files":
        monkeypatch.setattr(files, "_TICK", -(10**12))


def the_same(first: Report, second: Report) -> bool:
    return (first.code, first.stdout, first.stderr) == (second.code, second.stdout, second.stderr)


@pytest.mark.usefixtures("shop", "age")
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_second_run_prints_the_same_and_looks_at_nothing(run: Run, form: str) -> None:
    command = ("check", ".", "nowhere", "--output-format", form)
    first, second, without = run(*command), run(*command), run(*command, "--no-cache")
    assert (first.was_kept, second.was_kept, without.was_kept) == (False, True, False)
    assert the_same(first, second)
    assert the_same(first, without)
    assert (first.code, bool(first.stdout), bool(first.stderr)) == (2, True, True)


def _append(path: str, text: str) -> Callable[[Path], None]:
    return lambda root: (root / path).write_text((root / path).read_text() + text)


def _new(path: str, text: str = "") -> Callable[[Path], None]:
    return lambda root: _write(root / path, text)


def _swap(path: str, old: str, new: str) -> Callable[[Path], None]:
    def swap(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return swap


PACKAGES = "../env/lib/python3/site-packages"
TITLE = '"title", models.CharField(max_length=200'
CHANGES: dict[str, Callable[[Path], None]] = {
    "the migration itself": _swap("shop/migrations/0002_fill.py", '"t"', "input()"),
    "a migration before": _swap("shop/migrations/0001_initial.py", TITLE, f"{TITLE}, unique=True"),
    "a migration that appears": _new(
        "shop/migrations/0003_more.py", whole("for post in Post.objects.all():\n    post.delete()")
    ),
    "an app that appears": _new(
        "blog/migrations/0001_fill.py", whole("for post in Post.objects.all():\n    post.delete()")
    ),
    "a migration that goes": lambda root: (root / "shop/migrations/0001_initial.py").unlink(),
    "a migration of a package": _swap(
        f"{PACKAGES}/labels/migrations/0001_initial.py",
        "max_length=50",
        "max_length=50, unique=True",
    ),
    "a package that goes": lambda root: (root / PACKAGES / "labels").rename(
        root / PACKAGES / "other"
    ),
    "the label of an app": _new(f"{PACKAGES}/labels/apps.py", "class A:\n    label = 'a'\n"),
    "an engine": _swap("site/settings.py", "postgresql", "mysql"),
    "settings that appear": _new("site/local_settings.py", SETTINGS.replace("postgresql", "mysql")),
    "a dependency that appears": _new("requirements.txt", "mysqlclient\n"),
    "a receiver far away": _new(
        "other/deep/down.py",
        "from django.db.models.signals import post_save\npost_save.connect(print)\n",
    ),
    "a helper module": _swap("shop/migrations/_words.py", "= 1", "= input()"),
    "a module that is imported": _swap("tools/text.py", "'n'", "object()"),
    "a module that goes": lambda root: (root / "tools/text.py").unlink(),
    "a config key": _new("pyproject.toml", "[tool.migfix]\nignore = ['MF1']\n"),
    "a config of a style that is broken": _new("ruff.toml", "line-length = \n"),
    "what git ignores": _new(".gitignore", "shop/\n"),
    "another project": lambda root: (root / "shop/manage.py").touch(),
}


@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_anything_that_matters_shows(shop: Path, run: Run, change: str) -> None:
    before = run()
    assert run().was_kept
    CHANGES[change](shop)
    after = run()
    assert not after.was_kept
    assert not the_same(before, after), after.stdout.decode()
    assert the_same(after, run("check", ".", "--no-cache"))
    assert run().was_kept


@pytest.mark.usefixtures("age")
def test_what_does_not_matter(shop: Path, run: Run) -> None:
    _new("docs/notes.txt")(shop)
    before = run()
    (shop / "docs/notes.txt").write_text("more")
    os.utime(shop / "shop/migrations/0001_initial.py")
    assert run().was_kept
    _new("docs/.new.py")(shop)
    (shop / "docs/.new.py").unlink()
    after = run()
    assert after.was_kept
    assert the_same(before, after)


def test_new_stamps_are_noted(shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_TICK", -(10**12))
    run()
    os.utime(shop / "shop/migrations/0001_initial.py")
    assert run().was_kept
    monkeypatch.setattr(Files, "answer", None)  # a look at the stamps is enough
    assert run().was_kept


@pytest.mark.skipif(os.name == "nt", reason="makes no links without rights")
@pytest.mark.usefixtures("age")
def test_a_link_to_nowhere_holds_until_something_is_there(shop: Path, run: Run) -> None:
    """As of a submodule that was not fetched."""
    (shop / "ruff.toml").symlink_to("common/ruff.toml")
    before = run()
    assert run().was_kept
    _new("common/ruff.toml", "line-length = \n")(shop)
    after = run()
    assert not after.was_kept
    assert not the_same(before, after)


@pytest.mark.skipif(os.name == "nt", reason="makes no links without rights")
def test_links_come_in_the_same_order_in_each_process(tmp_path: Path) -> None:
    for name in "abcdefgh":
        (tmp_path / name).symlink_to("nowhere")
    command = "from migfix.disk.files import Files; print(Files().answer('listings', {!r}))"
    said = {
        subprocess.run(
            [sys.executable, "-c", command.format(str(tmp_path))],
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            timeout=120,
        ).stdout
        for seed in "12"
    }
    assert len(said) == 1
    assert said != {b""}


def test_the_surroundings_count(shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run()
    assert not run("check", ".", "-q").was_kept
    assert not run("check", "shop").was_kept
    monkeypatch.setenv("VIRTUAL_ENV", str(shop))
    after = run()
    assert not after.was_kept
    assert not the_same(before, after)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not run().was_kept
    monkeypatch.setattr(sys, "path", [*sys.path, str(shop)])
    assert not run().was_kept
    monkeypatch.setattr("migfix.cache.__version__", "9")
    assert not run().was_kept


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("*.json"))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "changed": lambda path: path.write_bytes(path.read_bytes().replace(b"MF", b"XX")),
    "of another kind": lambda path: path.write_bytes(b"migfix 1 \n[]"),
    "too deep": lambda path: path.write_bytes(b"[" * 100_000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link to nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.skipif(os.name == "nt", reason="has neither pipes nor links")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_report_is_made_again(shop: Path, run: Run, damage: str) -> None:
    before = run()
    (path,) = kept(shop / CACHE_FOLDER)
    DAMAGES[damage](path)
    after = run()
    assert not after.was_kept
    assert the_same(before, after)
    if damage != "a folder":
        assert run().was_kept


@pytest.mark.usefixtures("shop")
def test_contents_that_fit_the_checksum_and_nothing_else(run: Run) -> None:
    before = run()
    (path,) = kept(Path(CACHE_FOLDER))
    from migfix.disk.stamps import digest

    for content in (b"[]", b'{"seen": [1], "stdout": "x", "stderr": "", "code": 0}', b"\xff"):
        path.write_bytes(b"migfix 1 " + digest(content).encode() + b"\n" + content)
        assert the_same(before, run())


def test_a_folder_that_cannot_be_written(
    shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run("check", ".", "--no-cache")
    (shop / CACHE_FOLDER).touch()  # root may write to any folder
    assert the_same(before, run())
    assert the_same(before, run())
    (shop / CACHE_FOLDER).unlink()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    assert the_same(before, run())
    assert not [path for path in (shop / CACHE_FOLDER).iterdir() if path.name != ".gitignore"]


def test_where_reports_are_kept(shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("check", "shop/migrations")
    assert len(kept(shop / CACHE_FOLDER)) == 1
    assert (shop / CACHE_FOLDER / ".gitignore").read_text().endswith("\n*\n")
    _new("shop/pyproject.toml", "[tool.migfix]\n")(shop)
    run("check", "shop/migrations")
    assert len(kept(shop / "shop" / CACHE_FOLDER)) == 1
    _new("shop/pyproject.toml", "[tool.migfix]\ncache-dir = '../kept'\n")(shop)
    run("check", "shop/migrations")
    assert run("check", "shop/migrations").was_kept
    assert len(kept(shop / "kept")) == 1
    monkeypatch.setenv("MIGFIX_CACHE_DIR", str(shop / "env"))
    run("check", "shop/migrations")
    assert run("check", "shop/migrations").was_kept
    assert len(kept(shop / "env")) == 1
    run("check", "shop/migrations", "--cache-dir", "said")
    assert run("check", "shop/migrations", "--cache-dir", "said").was_kept
    assert len(kept(shop / "said")) == 1


def test_only_so_many_reports_are_kept(
    shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migfix.cache._KEPT", 2)
    for number in range(4):
        run("check", "shop/migrations", f"nowhere{number}")
    assert len(kept(shop / CACHE_FOLDER)) == 2
    assert run("check", "shop/migrations", "nowhere3").was_kept


@pytest.mark.usefixtures("shop")
def test_several_processes_tell_what_they_saw(run: Run) -> None:
    _new("blog/migrations/0001_initial.py", TAGS)(Path())
    first = run("check", ".", "-j", "2", "--cache-dir", "kept")
    assert run("check", ".", "-j", "2", "--cache-dir", "kept").was_kept
    CHANGES["a migration before"](Path())
    second = run("check", ".", "-j", "2", "--cache-dir", "kept")
    assert not second.was_kept
    assert not the_same(first, second)


def test_two_runs_at_once(shop: Path, run: Run) -> None:
    before = run("check", ".", "--no-cache")
    command = [sys.executable, "-m", "migfix", "check", "."]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with ExitStack() as running:
        runs = [
            running.enter_context(started(command, cwd=shop, env=environment, stdout=PIPE))
            for _ in range(3)
        ]
        assert {each.communicate(timeout=120)[0] for each in runs} == {before.stdout}
    assert len(kept(shop / CACHE_FOLDER)) == 1
    assert not list((shop / CACHE_FOLDER).glob("*.tmp"))


def test_standard_input(shop: Path) -> None:
    command = [sys.executable, "-m", "migfix", "check", "-", "--output-format", "json"]
    command += ["--stdin-filename", "shop/migrations/0002_fill.py"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    source = (shop / "shop/migrations/0002_fill.py").read_bytes()

    def checked(data: bytes, *options: str) -> bytes:
        done = subprocess.run(
            [*command[:2], *options, *command[2:]] if options and options[0] == "-X" else command,
            input=data,
            cwd=shop,
            env=environment,
            capture_output=True,
            timeout=120,
        )
        return done.stdout if not options else done.stderr

    first = checked(source)
    assert json.loads(first)["summary"]["loops"] == 5
    assert checked(source) == first
    assert len(kept(shop / CACHE_FOLDER)) == 1
    assert checked(source + b"\n# more\n") == first
    assert len(kept(shop / CACHE_FOLDER)) == 2


@pytest.mark.usefixtures("shop")
def test_a_kept_report_needs_no_imports(run: Run) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "importtime", "-m", "migfix", "check", "."]
    for heavy in (True, False):
        done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
        imported = {line.split(b"|")[-1].strip() for line in done.stderr.splitlines()}
        assert (b"migfix.pipeline" in imported) is heavy
    assert not imported & {b"typer", b"libcst", b"black", b"click", b"pathspec"}


def test_no_other_command_has_kept_reports(shop: Path, run: Run) -> None:
    for arguments in (["diff", "."], ["apply", ".", "--dry-run"], ["check", "."], []):
        assert Cache(arguments).is_on is (arguments == ["check", "."])
    run("diff", ".")
    assert not (shop / CACHE_FOLDER).exists()
