"""``apply -i``: each loop is shown and asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix.commandline.choosing import chosen
from migfix.commandline.cli import app
from migfix.findings import Applicability, FileEdit, FileOutcome, LoopOutcome, Outcome, Subset
from tests import checking

A, B = Path("a.py"), Path("b.py")


def loop(line: int, *codes: str) -> LoopOutcome:
    safe = Applicability.SAFE if codes else None
    return LoopOutcome(line, 1, line, "f", None, Outcome.STREAM, safe, codes, "why", None)


def file_of(path: Path, *loops: LoopOutcome, error: str | None = None) -> FileOutcome:
    """With what becomes of it where each of the loops that change is rewritten alone."""
    edit = FileEdit(path, b"x", b"y")
    subsets = (Subset((each.line,), edit) for each in loops if each.changed)
    return FileOutcome(path, loops, error=error, subsets=tuple(subsets))


OUTCOMES = [
    file_of(A, loop(1, "MF101"), loop(2), loop(3, "MF203"), loop(4, "MF203")),
    file_of(B, loop(1, "MF101"), loop(2, "MF203")),
    file_of(Path("c.py"), loop(1, "MF101"), error="broken"),
]


@pytest.mark.parametrize(
    ("answers", "asked", "found"),
    [
        ("y y y y y", "a1 a3 a4 b1 b2", "a1 a3 a4 b1 b2"),
        ("n n n n n", "a1 a3 a4 b1 b2", ""),
        ("f n Y", "a1 b1 b2", "a1 a3 a4 b2"),
        ("n c n", "a1 a3 b1", "a3 a4 b2"),
        ("y q", "a1 a3", "a1"),
        ("y", "a1 a3", "a1"),  # nobody answers
        ("? yes x no q", "a1 a3 a4", "a1"),
        ("s s y s n q", "a1 a3 a4", "a1"),
    ],
)
def test_what_the_answers_mean(answers: str, asked: str, found: str, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given: Iterator[str] = iter(answers.split())
    shown: list[str] = []
    numbers: list[int] = []
    said: list[str] = []

    def ask(number: int, total: int) -> str:
        numbers.append(number)
        assert total == 5
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    def show(outcome: FileOutcome, loop: LoopOutcome) -> None:
        shown.append(f"{outcome.path.stem}{loop.line}")

    def sql(outcome: FileOutcome, loop: LoopOutcome) -> str:
        assert f"{outcome.path.stem}{loop.line}" == shown[-1]
        return "sql"

    places = chosen(OUTCOMES, show, ask, said.append, sql)
    assert shown == asked.split()
    assert numbers == sorted(numbers)
    assert sorted(f"{path.stem}{line}" for path, line in places) == found.split()
    assert all(path.is_absolute() for path, _ in places)
    assert said.count("sql") == answers.split().count("s")
    assert any("yes, rewrite this loop" in each for each in said) == ("?" in answers)


FILL = checking.whole(
    "for post in Post.objects.all():\n    print(post.rank)\n"
    "for post in Post.objects.all():\n    print(post.kind)"
)


@pytest.fixture
def file(shop: Path) -> Path:
    (shop / "0002_fill.py").write_text(FILL)
    return shop / "0002_fill.py"


def apply(*arguments: str, answers: str = "") -> str:
    result = CliRunner().invoke(app, ["apply", "shop", *arguments], input=answers)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_is_chosen_is_written_and_can_be_repeated(file: Path):
    text = apply("-i", "--select", "MF203", "--database", "mysql", answers="n\ny\n")
    assert "[1/2] Rewrite this loop [y,n,f,c,s,q,?]? " in text
    assert "[2/2] Rewrite this loop [y,n,f,c,s,q,?]? " in text
    assert "\n1 loop stays as nobody chose otherwise (-v tells which).\n" in text
    assert "\n+    for post in stream(Post.objects.all()):\n" in text
    again = (
        "To repeat it on files as they were: migfix apply shop --only shop/migrations/0002_fill.py:13 "
        "--select MF203 --database mysql\n"
    )
    assert again in text
    written = file.read_text()
    assert written.count("stream(Post") == 1
    file.write_text(FILL)
    assert text.endswith(again)
    apply(*again.partition("apply shop ")[2].split())
    assert file.read_text() == written


def test_the_sql_of_a_loop_is_what_both_versions_send(file: Path):
    """A helper that is not there yet comes along for the run alone."""
    file.write_text(
        checking.whole(
            "for post in Post.objects.all():\n    post.slug = post.title.swapcase()\n    post.save()"
        )
    )
    text = apply("-i", "--rows", "5", "--database", "sqlite", answers="s\nq\n")
    _, before, after = re.split(r"\n  (?:as it is|as rewritten)\n", text.partition("\n[2/")[0])
    assert (
        "SQL, all that the RunPython of the loop of line 11 sent, forwards, with 5 rows in each"
        in text
    )
    assert '    5 x UPDATE "shop_post" SET "title" = %s' in before
    assert '    1 x UPDATE "shop_post" SET "slug" = ' in after
    assert "verified equal: " in after
    assert not (file.parent / "_migfix.py").exists()


def test_nothing_chosen_is_nothing_written(file: Path):
    text = apply("-i", answers="q\n")
    assert "To repeat it" not in text
    assert file.read_text() == FILL


def test_there_is_nobody_to_ask_about_standard_input(file: Path):
    for arguments in (["apply", "-", "-i"], ["apply", "shop", "-i", "--dry-run"]):
        assert CliRunner().invoke(app, arguments).exit_code == 2
