"""Comments that keep migfix away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migfix.commandline.cli import app
from migfix.findings import FileOutcome
from migfix.pipeline import run_source
from migfix.settings import Settings, known_codes
from tests import checking

LOOP = "for post in Post.objects.all():{header}\n    print(post.rank){body}\n"
BOTH = ("MF201", "MF203")


def looked_at(tmp_path: Path, text: str, select: tuple[str, ...] = BOTH) -> FileOutcome:
    """With columns and rows to improve on, where MySQL runs."""
    folder = tmp_path / "shop" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_initial.py").write_text(checking.MODELS)
    settings = Settings(frozenset(select), databases=frozenset({"mysql"}))
    outcome = run_source(text.encode(), folder / "0002_fill.py", settings, rewrite=True)
    assert outcome.error is None, outcome.traceback
    return outcome


def loop(header: str = "", body: str = "", above: str = "") -> str:
    return checking.whole(above + LOOP.format(header=header, body=body))


@pytest.fixture
def file(shop: Path) -> Path:
    """That of a project in which there may be loops to rewrite."""
    return shop / "0002_fill.py"


UPDATING = "for post in Post.objects.all():\n    post.kind = 1\n    post.save()\n"


def kept(*arguments: str, end: int = 0) -> str:
    done = CliRunner().invoke(app, ["apply", ".", "--database", "mysql", *arguments])
    assert done.exit_code == end, done.output
    return done.output


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_loops_are_kept_by_comments_that_say_why(ends: str, file: Path):
    """Where no update() is made, rows would be streamed and saved in batches: that is kept away as well."""
    before = checking.whole("# all of them\n" + UPDATING + "if x:\n    " + LOOP.format(
        header="  # each", body="").replace("\n    ", "\n        "))  # fmt: skip
    file.write_text(before, newline=ends)
    assert "Kept 2 loops in 1 file as they are, by comments.\n" in kept("--add-ignore", "ran")
    text = file.read_bytes().decode()
    found = re.findall(r"( *)# migfix: ignore\[(.*)\] ran\r?\n( *)for", text)
    assert [(len(one), len(other)) for one, _, other in found] == [(4, 4), (8, 8)]
    codes = [each.split(", ") for _, each, _ in found]
    assert codes[0][0] == "MF101"
    assert codes[0] == sorted(codes[0])
    assert {"MF301", "MF203"} <= {*codes[0]}
    assert codes[1] == ["MF201", "MF203"]
    assert re.sub(r" *# migfix.*\r?\n", "", text) == before.replace("\n", ends)
    assert "Nothing to rewrite" in kept()
    assert "Kept 0 loops in 0 files" in kept("--add-ignore", "again")


def test_only_chosen_loops_are_kept(file: Path):
    file.write_text(checking.whole(UPDATING + UPDATING))
    line = [n for n, text in enumerate(file.read_text().splitlines(), 1) if "for post" in text][1]
    kept("--only", f"shop/migrations/0002_fill.py:{line}", "--add-ignore", "")
    assert file.read_text().count("# migfix: ignore[") == 1
    assert file.read_text().splitlines()[line - 1].startswith("    # migfix: ignore[MF101")
    (loop_,) = [each for each in looked(file) if each.changed]
    assert loop_.line < line


def looked(path: Path):
    settings = Settings(frozenset(known_codes()), databases=frozenset({"mysql"}))
    return run_source(path.read_bytes(), path, settings, rewrite=False).loops


def test_comments_that_cannot_be_written(file: Path):
    before = checking.whole(UPDATING)
    file.write_text(f"# coding: latin-1\n{before}")
    assert "its encoding has no letters" in kept("--add-ignore", "\u03b1", end=2)
    assert "say why in one line" in kept("--add-ignore", "a\nb", end=2)
    assert "rewrites no loop" in kept("--add-ignore", "a", "--dry-run", end=2)
    assert file.read_text() == f"# coding: latin-1\n{before}"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (loop(), BOTH),
        (loop(above="# migfix: ignore[MF201]\n# why\n"), ("MF203",)),
        (loop(header="  # migfix: ignore"), ()),
        (loop(header="  # noqa  # MigFix:ignore because"), ()),
        (loop(header="  # migfix: ignore[mf201]"), ("MF203",)),
        (loop(header="  # migfix: ignore[MF2]"), ()),
        (loop(header="  # migfix: ignore[load-only-used-fields, MF301]"), ("MF203",)),
        (loop(header="  # migfix: ignore[]"), BOTH),
        (loop(above="# migfix: ignore[MF203] why\n"), ("MF201",)),
        (loop(above="x = 1  # migfix: ignore\n"), BOTH),
        (loop(above="# migfix: ignore\nx = 1\n"), BOTH),
        (loop(body="  # migfix: ignore"), BOTH),
        (loop(above="x = '''\n# migfix: ignore\n'''\n"), BOTH),
        (loop(above="x = '# migfix: ignore-file'\n"), BOTH),
        ("# migfix: ignore-file\n" + loop(), ()),
        (loop() + "# migfix: ignore-file[MF203] why\n", ("MF201",)),
        (loop(header="  # migfix: ignored"), BOTH),
        (loop(header="  # migfix: ignore-next-line"), BOTH),
        (loop(header="  # migfix: ignore [MF201]"), ("MF203",)),
        (loop(header="  # migfix: ignore MF201"), BOTH),
        (loop(header="  # migfix: ignore(MF201)"), BOTH),
    ],
)
def test_what_a_comment_keeps_away(text, codes, tmp_path):
    (found,) = looked_at(tmp_path, text).loops
    assert found.codes == codes
    if not codes:
        assert found.blocked_by == "suppressed"
        assert found.reason == "a comment keeps MF201, MF203 away"


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        (loop(header="  # migfix: ignore"), None),
        (loop(header="  # migfix: ignore[MF201]"), None),
        ("# migfix: ignore-file\n" + loop(), None),
        (
            loop(header="  # migfix: ignore[MF999]"),
            "line 11: # migfix: ignore[MF999]: there is no codemod 'MF999'",
        ),
        (loop(header="  # migfix: ignore[MF201, lop-to-update]"), "did you mean 'loop-to-update'?"),
        (
            loop(above="x = 1  # migfix: ignore\n"),
            "line 11: the comment keeps nothing from being rewritten",
        ),
        (loop(body="  # migfix: ignore"), "line 12: the comment keeps nothing"),
        (loop(header="  # migfix: ignroe"), "`# migfix: ignroe` means nothing to migfix"),
        (loop(header="  # migfix: ignore(MF203)"), "codes stand in brackets"),
        (loop(header="  # migfix:ignore MF203"), "codes stand in brackets"),
        (loop(header="  # migfix: ignore[MF301]"), None),  # which this run does not select
    ],
)
def test_a_comment_that_means_nothing_is_reported(text, remark, tmp_path):
    select = BOTH if "MF301" in text or "ignore[MF2" in text else tuple(known_codes())
    remarks = [
        f"line {each.line}: {each.text}" for each in looked_at(tmp_path, text, select).remarks
    ]
    assert [remark in each for each in remarks] == [True] if remark else not remarks, remarks


def test_a_comment_on_a_loop_that_would_stay_anyway_is_reported(tmp_path):
    text = loop(header="  # migfix: ignore").replace("print(post.rank)", "yield post")
    assert looked_at(tmp_path, text, tuple(known_codes())).remarks
