"""What a run over a project found of a file is what a run over the file alone finds, or is not used."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from migfix import pipeline
from migfix.commandline import alone
from migfix.commandline.alone import read, written
from migfix.disk.files import Files
from migfix.disk.stamps import CACHE_FOLDER
from migfix.findings import FileOutcome
from migfix.selection import Selection
from migfix.settings import Overrides, settings_for
from tests.checking import whole
from tests.test_cache import CHANGES, Report, Run, age, run, shop, the_same

__all__ = ["age", "run", "shop"]

PLAIN = "shop/migrations/0003_plain.py"
OTHER = "shop/migrations/0004_other.py"
QUIET = "shop/migrations/0005_quiet.py"  # whose loop is none over rows
STRAY = "shop/migrations/0006_stray.py"  # of whose loop no RunPython knows
TITLES = 'for post in Post.objects.all():\n    post.title = "a"\n    post.save()'
UPPER = "for post in Post.objects.all():\n    post.title = post.title.upper()\n    post.save()"


@pytest.fixture
def plain(shop: Path) -> Path:
    """A migration that calls nothing but its own, and one more."""
    quiet = 'for title in ("a", "b"):\n    Post.objects.create(title=title)'
    for path, body in ((PLAIN, TITLES), (OTHER, UPPER), (QUIET, quiet), (STRAY, TITLES)):
        text = whole(body)
        assert "0001_initial" in text
        (shop / path).write_text(text)
    stray = (shop / STRAY).read_text()
    (shop / STRAY).write_text(re.sub(r"migrations\.RunPython\(.*?\)", "", stray) + "# RunPython\n")
    return shop


@pytest.fixture
def is_remembered(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Was the last run answered by what an earlier one found?"""
    said: list[bool] = []
    remembered = alone.remembered

    def noted(*arguments: object, **options: object) -> object:
        found = remembered(*arguments, **options)  # type: ignore[arg-type]
        said.append(found is not None)
        return found

    monkeypatch.setattr("migfix.commandline.commands.check.remembered", noted)
    return lambda: said[-1]


def without_reports(root: Path) -> None:
    """A run of this very command was not made."""
    for path in (root / CACHE_FOLDER).glob("*.json"):
        path.unlink()


@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
@pytest.mark.parametrize("asked", [[PLAIN], [OTHER], [OTHER, PLAIN], [PLAIN, PLAIN], [QUIET]])
def test_it_is_the_same(
    plain: Path,
    run: Run,
    is_remembered: Callable[[], bool],
    form: str,
    asked: list[str],
) -> None:
    command = ["--output-format", form]
    run("check", ".", *command)
    without_reports(plain)
    found = run("check", *asked, *command)
    assert found.was_kept
    assert is_remembered()
    fresh = run("check", *asked, *command, "--no-cache")
    assert not fresh.was_kept
    assert the_same(found, fresh)
    assert found.code == (0 if asked == [QUIET] else 1)


@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("change", [*CHANGES, "the file"])
def test_a_change_of_anything_that_matters_shows(
    plain: Path, run: Run, is_remembered: Callable[[], bool], change: str
) -> None:
    run()
    if change == "the file":
        (plain / PLAIN).write_text(whole(TITLES.replace('"a"', "post.slug")))
    else:
        CHANGES[change](plain)
    without_reports(plain)
    found = run("check", PLAIN)
    assert not is_remembered()
    assert the_same(found, run("check", PLAIN, "--no-cache"))


NOT_FOR = {
    "a file that no RunPython reaches": [STRAY],
    "a file that calls a module beside it": ["shop/migrations/0002_fill.py"],
    "a helper module": ["shop/migrations/_words.py"],
    "a file that is nowhere": ["nowhere.py"],
    "one of two that is nowhere": [PLAIN, "nowhere.py"],
    "a folder": ["shop"],
    "another name": [f"./shop/../{PLAIN}"],
    "other codemods": [PLAIN, "--select", "MF2"],
    "another database": [PLAIN, "--ignore", "MF101"],
    "unsafe rewrites": [PLAIN, "--unsafe-fixes"],
    "a loop alone": [PLAIN, "--only", f"{PLAIN}:8"],
    "a format that says more": [PLAIN, "--output-format", "json"],
}


@pytest.mark.parametrize("what", NOT_FOR)
def test_others_are_looked_at(
    plain: Path, run: Run, is_remembered: Callable[[], bool], what: str
) -> None:
    run()
    without_reports(plain)
    found = run("check", *NOT_FOR[what])
    assert not is_remembered()
    assert the_same(found, run("check", *NOT_FOR[what], "--no-cache"))


def test_the_surroundings_count(
    plain: Path,
    run: Run,
    is_remembered: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run()
    without_reports(plain)
    monkeypatch.setenv("VIRTUAL_ENV", str(plain))
    run("check", PLAIN)
    assert not is_remembered()
    monkeypatch.undo()


def test_it_is_kept_further_up(plain: Path, run: Run, is_remembered: Callable[[], bool]) -> None:
    shutil.copytree(plain, plain / "inner", ignore=shutil.ignore_patterns(".git", CACHE_FOLDER))
    (plain / "manage.py").unlink()
    run()
    without_reports(plain)
    found = run("check", f"inner/{PLAIN}")
    assert is_remembered()
    assert the_same(found, run("check", f"inner/{PLAIN}", "--no-cache"))


def test_a_nearer_configuration_counts(
    plain: Path, run: Run, is_remembered: Callable[[], bool]
) -> None:
    (plain / "shop/pyproject.toml").write_text("[tool.migfix]\nignore = ['MF101']\n")
    run()
    without_reports(plain)
    found = run("check", PLAIN)
    assert not is_remembered()
    assert the_same(found, run("check", PLAIN, "--no-cache"))


def test_a_migration_that_others_may_import_is_looked_at(
    plain: Path, run: Run, is_remembered: Callable[[], bool]
) -> None:
    shutil.move(plain / PLAIN, plain / "shop/migrations/fill.py")
    run()
    without_reports(plain)
    run("check", "shop/migrations/fill.py")
    assert not is_remembered()


def test_standard_input(
    plain: Path,
    run: Run,
    is_remembered: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run()
    data = (plain / PLAIN).read_bytes()
    for text, known in ((data, True), (data + b"# more\n", False)):
        reports: list[Report] = []
        for more in ([], ["--no-cache"]):
            without_reports(plain)
            stream = io.TextIOWrapper(io.BytesIO(text))
            monkeypatch.setattr(sys, "stdin", stream)
            reports.append(run("check", "-", "--stdin-filename", PLAIN, *more))
            if not more:
                assert is_remembered() is known
        assert the_same(*reports)
        assert reports[0].stdout


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"%b": ["Path"]}' % PLAIN.encode()])
def test_what_is_damaged_is_not_used(
    plain: Path, run: Run, is_remembered: Callable[[], bool], damage: bytes
) -> None:
    run()
    without_reports(plain)
    (path,) = (plain / CACHE_FOLDER).glob("*.found")
    path.write_bytes(path.read_bytes()[:-4] + damage)
    found = run("check", PLAIN)
    assert not is_remembered()
    assert the_same(found, run("check", PLAIN, "--no-cache"))


def test_what_fits_the_checksum_and_is_no_outcome(
    plain: Path,
    run: Run,
    is_remembered: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for wrong in (["Path"], ["ast", 1], ["Enum", 1], ["replace", 1], ["FileOutcome"], [[]], 1):
        with monkeypatch.context() as patch:
            patch.setattr(alone, "written", lambda _, wrong=wrong: wrong)
            run("check", ".", "--no-cache")
            without_reports(plain)
            run("check", ".")
        without_reports(plain)
        found = run("check", PLAIN)
        assert not is_remembered()
        assert the_same(found, run("check", PLAIN, "--no-cache"))


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("apart", [True, False])
def test_outcomes_are_read_as_they_were_written(apart: bool) -> None:
    files = Files()
    settings = settings_for(Path(), Overrides(unsafe_fixes=True), files)
    outcomes = pipeline.run(
        [Path()], settings, files, rewrite=True, selection=Selection(apart=apart, choices=apart)
    )
    assert sum(len(each.loops) for each in outcomes) >= 6
    for outcome in outcomes:
        assert read(json.loads(json.dumps(written(outcome)))) == outcome
    strange = FileOutcome(Path(os.fsdecode(b"caf\xe9.py")), error="\udce9\n")
    assert read(json.loads(json.dumps(written(strange)))) == strange


def test_nothing_else_is_written() -> None:
    @dataclasses.dataclass
    class Path:
        line: int

    for value in (Path(1), 1j, object(), {}, [1]):
        with pytest.raises(TypeError):
            written(value)
