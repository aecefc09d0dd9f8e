"""Files and names that nobody expects: one clear message at most, no hang, nothing raw on a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migfix import pipeline
from migfix.findings import LoopOutcome, Outcome, Reason
from migfix.quoting import quoted
from migfix.reading.rows.sql import is_one_select, small_result
from migfix.settings import Settings, known_codes
from tests.checking import MODELS, outcome_of, whole

LOOP = whole("for post in Post.objects.all():\n    post.kind = 1\n    post.save()\n")
NAMES = ["x.py", "settings.py", "shop/apps.py", "shop/models.py", "shop/migrations/0003_x.py"]
SETTINGS = [
    "pyproject.toml",
    ".flake8",
    ".gitignore",
    "setup.cfg",
    "requirements.txt",
    "manage.py",
    "shop/migrations/_migfix.py",
    "shop/migrations/.#0002_fill.py",  # the lock file of an editor
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    migrations = tmp_path / "shop" / "migrations"
    migrations.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(MODELS)
    (migrations / "0002_fill.py").write_text(LOOP)
    return tmp_path


def migfix(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "migfix", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=False, timeout=120
    )


def check_rewrites(folder: Path) -> None:
    """``apply`` does its work, and the second one has nothing to do."""
    done = migfix(folder, "apply", ".")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert b"update(kind=1)" in (folder / "shop" / "migrations" / "0002_fill.py").read_bytes()
    assert b"Nothing to rewrite" in migfix(folder, "apply", ".").stdout


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere.py")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that have a name")
@pytest.mark.parametrize("make", [_pipe, _folder, _dangling, _loop, _device])
def test_what_is_no_file(shop: Path, make: object) -> None:
    for name in [*NAMES, *SETTINGS]:
        make(shop / name)  # type: ignore[operator]
    check_rewrites(shop)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that have a name")
def test_a_pipe_that_is_named(shop: Path) -> None:
    _pipe(shop / "x.py")
    done = migfix(shop, "check", "x.py")
    assert done.returncode == 2
    assert done.stderr == b"migfix: x.py: cannot be read: it is not a regular file\n"


CONTENTS = {
    "brackets in brackets": b"x = " + b"[" * 50_000 + b"]" * 50_000,
    "signs before signs": b"from django.db.models.signals import post_save\nx = "
    + b"-" * 9000
    + b"1",
    "many branches": b"if 1:\n    pass\n" + b"elif 2:\n    pass\n" * 3000,
    "no text": b"\0\xff\xfe",
    "letters of no encoding": b"x = '\xff'",
}


@pytest.mark.parametrize("content", CONTENTS)
def test_neighbours_that_cannot_be_read(shop: Path, content: str) -> None:
    for name in NAMES:
        (shop / name).write_bytes(CONTENTS[content])
    done = migfix(shop, "apply", ".")
    assert done.returncode == 0, done.stderr
    assert b"internal error" not in done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are no text")
def test_names_that_are_no_text(shop: Path) -> None:
    (shop / "shop" / "migrations" / os.fsdecode(b"0003_\xe9\x9b.py")).write_text(LOOP)
    done = migfix(shop, "check", ".")
    assert done.returncode == 1, done.stderr
    assert b"0003_\xe9\\x9b.py:11:5: MF101" in done.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = " + "[" * 50_000 + "]" * 50_000, "its values are nested too deeply"),
        ("x = " + "9" * 5000, "is not valid TOML"),
        ("x = ", "is not valid TOML"),
    ],
)
def test_settings_that_cannot_be_read(shop: Path, content: str, message: str) -> None:
    (shop / "pyproject.toml").write_text(f"[tool.migfix]\n{content}\n")
    done = migfix(shop, "check", ".")
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"migfix: pyproject.toml: {message}")
    assert done.stderr.count(b"\n") == 1


# Names that would be commands

NAME = "0003_\x1b[31m\n::error::\u202ex.py"


def test_a_name_that_would_be_a_command(shop: Path) -> None:
    (shop / "shop" / "migrations" / NAME).write_text(LOOP)
    (shop / "::error::y.py").write_text(LOOP)
    for command in ("check", "diff", "apply"):
        done = migfix(shop, command, ".", "::error::y.py", f"none{NAME}")
        out = done.stdout + done.stderr
        assert b"\x1b" not in out
        assert "\u202e".encode() not in out
        assert not [line for line in out.splitlines() if line.startswith(b"::")]
        if command == "check":
            assert rb"0003_\x1b[31m\n::error::\u202ex.py:11:5: MF101" in out


def test_git_takes_names_that_are_quoted(shop: Path) -> None:
    (shop / ".git").rmdir()
    subprocess.run(["git", "init", "-q", "."], cwd=shop, check=True, timeout=60)
    odd = [NAME, '0004_"q"\\.py', "0005_ s p.py", "0006_##[error].py", "0007_é.py"]
    for name in odd:
        (shop / "shop" / "migrations" / name).write_text(LOOP)
    patch = migfix(shop, "diff", ".").stdout
    subprocess.run(["git", "apply"], input=patch, cwd=shop, check=True, timeout=60)
    for name in odd:
        assert "update(kind=1)" in (shop / "shop" / "migrations" / name).read_text()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("shop/0001.py", "shop/0001.py"),
        ("café", "café"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[0m\x9b", "\\x1b[0m\\x9b"),
        ("\u202e\u2066\u200b\u2028", "\\u202e\\u2066\\u200b\\u2028"),
        ("::error::x", "\\x3a:error::x"),
        ("  ::error::x", "  \\x3a:error::x"),
        ("x::y", "x::y"),
        ("##[error]", "#\\x23[error]"),
        (os.fsdecode(b"\xe9\x9b"), "\udce9\\x9b"),
    ],
)
def test_quoted(text: str, shown: str) -> None:
    assert quoted(text) == shown
    assert quoted(shown) == shown


# What would take for ever

LONG = {
    "comments": "/**/" * 20_000 + " UPDATE shop_post SET id = id",
    "comments that do not end": "/*" * 50_000,
    "lines of comments": "--\n" * 30_000,
    "parentheses": "(" * 20_000 + ")" * 20_000,
    "parentheses that are not closed": "(" * 50_000,
    "spaces": "for" + " " * 50_000,
    "many words": "for " * 30_000,
}


@pytest.mark.parametrize("text", LONG)
def test_sql_is_read_in_one_go(text: str) -> None:
    start = time.process_time()
    for sql in (LONG[text], f"SELECT {LONG[text]}"):
        is_one_select(sql)
        small_result(sql)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("sql", "selects"),
    [
        (" -- x\n(SELECT 1)", True),
        ("/* a */ WITH x AS (SELECT 1) SELECT 2", True),
        ("/**//**/UPDATE x", False),
        ("-- SELECT", False),
        ("/* SELECT", False),
        ("SELECT 1; SELECT 2", False),
        ("selected", False),
        ("(((values (1)", True),
    ],
)
def test_sql_behind_comments(sql: str, selects: bool) -> None:
    assert is_one_select(sql) is selects


@pytest.mark.parametrize(
    ("sql", "small"),
    [
        ("SELECT count(*) FROM (SELECT * FROM x LIMIT 5) y", True),
        ("SELECT * FROM (SELECT * FROM x LIMIT 5) y", False),
        ("SELECT * FROM x /* LIMIT 5", False),
        ("SELECT f((a), b) FROM x LIMIT 5", True),
        ("SELECT (a FROM x LIMIT 5", True),
    ],
)
def test_parts_of_sql(sql: str, small: bool) -> None:
    assert (small_result(sql) is not None) is small


DEEP = {
    "calls": "for post in Post.objects" + ".filter(kind=1)" * 900 + ":\n    post.delete()\n",
    "branches": "for post in Post.objects.all():\n    if post.kind == 0:\n        post.votes = 0\n"
    + "".join(f"    elif post.kind == {n}:\n        post.votes = {n}\n" for n in range(1000))
    + "    post.save()\n",
    "sums": "for post in Post.objects.all():\n    post.votes = " + "+".join(["1"] * 2000),
}


@pytest.mark.parametrize("code", DEEP)
def test_code_that_is_nested_deeply(shop: Path, code: str) -> None:
    (shop / "shop" / "migrations" / "0002_fill.py").write_text(whole(DEEP[code]))
    done = migfix(shop, "check", ".")
    assert b"internal error" not in done.stderr
    assert done.stderr.count(b"\n") <= 1


def test_deep_code_beside_a_loop() -> None:
    deep = "\n\ndef number(n):\n    if n == 0:\n        return 0\n" + "".join(
        f"    elif n == {n}:\n        return {n}\n" for n in range(900)
    )
    assert outcome_of(LOOP.replace("\n\n\nclass", f"\n{deep}\n\nclass")).changed


def test_a_package_of_a_project_that_is_a_link_to_nowhere(shop: Path) -> None:
    for name in ("tasks.py", "common", "shop/migrations/0003_later.py"):
        (shop / name).symlink_to(shop / "common" / "tasks.py")
    check_rewrites(shop)


def test_a_neighbour_that_may_not_be_read_counts(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could connect a receiver to ``post_save``."""

    def refusing(path: str, flags: int, mode: int = 0o777) -> int:
        if path.endswith("tasks.py"):
            raise PermissionError(13, "Permission denied")
        return opening(path, flags, mode)

    opening = os.open
    (shop / "tasks.py").touch()
    assert _loop_in(shop).outcome is Outcome.UPDATE
    monkeypatch.setattr(os, "open", refusing)
    assert _loop_in(shop).blocked_by == Reason.SIGNALS.value


def _loop_in(shop: Path) -> LoopOutcome:
    settings = Settings(frozenset(known_codes()))
    outcomes = pipeline.run([shop], settings, rewrite=False)
    (loop,) = [loop for outcome in outcomes for loop in outcome.loops]
    return loop
