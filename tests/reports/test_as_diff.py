"""A patch is right when git applies it and the very bytes of the edit come out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from migfix.disk.files import Files
from migfix.findings import (
    Applicability,
    Assumed,
    FileEdit,
    FileOutcome,
    Gain,
    HelperChange,
    LoopOutcome,
    Outcome,
)
from migfix.reports import as_diff
from migfix.reports.told import summed_up
from migfix.settings import all_codes
from tests.processes import ran

BEFORE = b"".join(b"line %d\n" % number for number in range(20))
AFTER = BEFORE.replace(b"line 3\n", b"three\nand more\n").replace(b"line 17\n", b"")

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


def run(*command: str, folder: Path, stdin: bytes = b"") -> None:
    done = ran(command, cwd=folder, input=stdin, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "top"
    folder.mkdir()
    run("git", "init", "-q", folder=folder)
    return folder


def edit(folder: Path, name: str, before: bytes | None = BEFORE, after: bytes = AFTER) -> FileEdit:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if before is not None:
        path.write_bytes(before)
    return FileEdit(path, before, after)


SAID = "does it; --- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-1\n+2\nPrereq: 1\n1,3d"


def changing(reason: str, applicability: Applicability = Applicability.SAFE) -> LoopOutcome:
    return LoopOutcome(
        *(
            4,
            5,
            4,
            "forwards",
            "shop.Order",
            Outcome.UPDATE,
            applicability,
            ("MF101",),
            reason,
            None,
        ),
        gains=(Gain("queries", "for each row", "1"), Gain("rows held", "all", "none")),
    )


def patch(*edits: FileEdit, root: Path) -> bytes:
    """Of edits whose reasons try to be a patch themselves."""
    assumed = Assumed(("sqlite",), "--- a/y.py", certain=False)
    outcome = FileOutcome(edits[-1].path, (changing(SAID),), edits, assumed=assumed)
    return as_diff.render([outcome], Files(), root=root)


def assert_applies(
    *edits: FileEdit, root: Path, command: tuple[str, ...] = ("git", "apply")
) -> None:
    run(*command, folder=root, stdin=patch(*edits, root=root))
    for each in edits:
        assert each.path.read_bytes() == each.after


CONTENTS = {
    "plain": (BEFORE, AFTER),
    "CRLF": (BEFORE.replace(b"\n", b"\r\n"), AFTER.replace(b"\n", b"\r\n")),
    "no newline at the end": (BEFORE[:-1], AFTER[:-1]),
    "a newline at the end that was not there": (BEFORE[:-1], AFTER),
    "no newline at the end any more": (BEFORE, AFTER[:-1]),
    "bytes that are not UTF-8": (b"\xe9\n" + BEFORE, b"\xe9\n" + AFTER),
    "carriage returns and form feeds within lines": (b"a\rb\x0cc\x85\n" + BEFORE, b"a\rb\x0cc\x85\n" + AFTER),
    "a byte order mark": (b"\xef\xbb\xbf" + BEFORE, b"\xef\xbb\xbf" + AFTER),
    "lines that look like headers": (b"-- a/x\n++ b/x\n" + BEFORE, b"++ b/x\n-- a/x\n" + AFTER),
    "an empty file that fills": (b"", AFTER),
    "one line": (b"a", b"b"),
}  # fmt: skip


@needs_git
@pytest.mark.parametrize(("before", "after"), CONTENTS.values(), ids=CONTENTS)
def test_git_applies_a_patch_of_any_bytes(repository: Path, before: bytes, after: bytes) -> None:
    assert_applies(edit(repository, "shop/0001.py", before, after), root=repository)


@needs_git
@pytest.mark.parametrize("after", [AFTER, AFTER[:-1], b"one line\n"])
def test_git_creates_the_helper_as_a_plain_file(repository: Path, after: bytes) -> None:
    helper = edit(repository, "shop/helper.py", None, after)
    assert_applies(helper, edit(repository, "shop/0001.py"), root=repository)
    assert helper.path.stat().st_mode & 0o111 == 0


NAMES = ["a b/c d.py", "\u00fc/\u65e5\u672c.py", 'quo"te.py', "back\\slash.py", "tab\tline\n.py"]


@needs_git
@pytest.mark.parametrize("name", NAMES)
def test_git_finds_files_of_any_name(repository: Path, name: str) -> None:
    new = edit(repository, f"new {name}", None)
    assert_applies(edit(repository, name), new, root=repository)


@needs_git
def test_it_applies_in_a_subfolder_of_the_repository(repository: Path) -> None:
    root = repository / "deep" / "down"
    new = edit(root, "shop/helper.py", None)
    assert_applies(new, edit(root, "shop/0001.py"), root=root)


@needs_git
@pytest.mark.parametrize("order", [1, -1])
def test_it_applies_where_a_folder_has_the_name_of_its_parent(repository: Path, order: int) -> None:
    root = repository / "mysite"
    edits = [edit(root, "shop/0001.py"), edit(root, "mysite/0001.py"), edit(root, "mysite/h", None)]
    assert_applies(*edits[::order], root=root)


@needs_git
def test_it_applies_outside_of_any_repository(tmp_path: Path) -> None:
    assert_applies(edit(tmp_path, "shop/0001.py"), edit(tmp_path, "new.py", None), root=tmp_path)


@pytest.mark.skipif(not shutil.which("patch"), reason="needs patch")
def test_patch_takes_it_too(tmp_path: Path) -> None:
    edits = [edit(tmp_path, "a b/0001.py"), edit(tmp_path, "new.py", None)]
    assert_applies(*edits, root=tmp_path, command=("patch", "-s", "-p1"))


@needs_git
def test_the_executable_bit_stays(repository: Path) -> None:
    script = edit(repository, "0001.py")
    script.path.chmod(0o755)
    assert_applies(script, root=repository)
    assert script.path.stat().st_mode & 0o777 == 0o755


@needs_git
def test_a_symbolic_link_is_patched_where_it_points(repository: Path) -> None:
    target = edit(repository, "real/0001.py")
    link = repository / "link.py"
    link.symlink_to("real/0001.py")
    (repository / "folder").symlink_to("real")
    for path in (link, repository / "folder" / "0001.py"):
        target.path.write_bytes(BEFORE)
        assert_applies(FileEdit(path, BEFORE, AFTER), root=repository)
    assert link.is_symlink()


def test_the_working_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    real = edit(tmp_path, "real/0001.py")
    (tmp_path / "link").symlink_to("real")
    assert b"\n--- a/0001.py\n+++ b/0001.py\n@@ " in patch(real, root=tmp_path / "link")


def test_a_helper_that_two_migrations_need_is_created_once(tmp_path: Path) -> None:
    helper = edit(tmp_path, "helper.py", None)
    outcomes = [
        FileOutcome(each.path, edits=(helper, each))
        for each in (edit(tmp_path, "0001.py"), edit(tmp_path, "0002.py"))
    ]
    assert as_diff.render(outcomes, Files(), root=tmp_path).count(b"+++ b/helper.py") == 1


def test_no_change_is_no_patch(tmp_path: Path) -> None:
    assert patch(edit(tmp_path, "0001.py", BEFORE, BEFORE), root=tmp_path) == b""


def test_it_says_why_and_the_riskiest_comes_first(tmp_path: Path) -> None:
    helper = edit(tmp_path, "_migfix.py", None)
    assumed = Assumed(("postgresql", "sqlite"), "settings.py:3 leaves it open", certain=False)
    outcomes = [
        FileOutcome(
            tmp_path / name,
            (
                replace(changing(f"why {name}; but", risk), otherwise_on_one=True),
                replace(changing("left"), line=5, end_line=5, otherwise_on_one=False),
            ),
            (helper, edit(tmp_path, name)),
            assumed=assumed,
            helper=HelperChange(helper.path, None, frozenset({"stream"})),
        )
        for name, risk in (("1.py", Applicability.SAFE), ("2.py", Applicability.UNSAFE))
    ]
    text = as_diff.render(outcomes, Files(), root=tmp_path)
    assert [
        line for line in text.decode().splitlines() if line.startswith(("# ", "+++ ", "@@ -1"))
    ] == [
        "# 4 loops in 2 files: 4 MF101 loop-to-update; 1 unsafe, whose files come first.",
        "# Databases: PostgreSQL and SQLite, since settings.py:3 leaves it open. If it runs on PostgreSQL",
        '#   alone: databases = ["postgresql"] under [tool.migfix] rewrites 2 of 4 loops otherwise.',
        "# 2.py",
        "#   4:5: MF101 [unsafe] why 2.py; but",
        "#       queries: for each row -> 1; rows held: all -> none",
        "#   5:5: MF101 left",
        "#       queries: for each row -> 1; rows held: all -> none",
        "+++ b/2.py",
        "@@ -1,7 +1,8 @@ 4: MF101 unsafe, queries per row -> 1, rows all -> none",
        "@@ -15,6 +16,5 @@",
        "# 1.py",
        "#   4:5: MF101 why 1.py; but",
        "#       queries: for each row -> 1; rows held: all -> none",
        "#   5:5: MF101 left",
        "#       queries: for each row -> 1; rows held: all -> none",
        "+++ b/1.py",
        "@@ -1,7 +1,8 @@ 4: MF101 safe, queries per row -> 1, rows all -> none",
        "@@ -15,6 +16,5 @@",
        "# _migfix.py: what the rewritten loops import",
        "+++ b/_migfix.py",
    ]


def test_gains_that_a_line_has_no_room_for_stand_above_the_file(tmp_path: Path) -> None:
    loops = [
        replace(changing("why"), line=line, gains=(Gain("queries", "for each row", str(line)),))
        for line in range(2, 7)
    ]
    outcome = FileOutcome(tmp_path / "1.py", tuple(loops), (edit(tmp_path, "1.py"),))
    text = as_diff.render([outcome], Files(), root=tmp_path).decode()
    assert "\n@@ -1,7 +1,8 @@ 2, 3, 4: MF101 safe; gains above\n" in text
    assert all(f"#       queries: for each row -> {line}\n" in text for line in range(2, 7))


@pytest.mark.parametrize(
    ("before", "length"), [(None, "new, 20 lines"), (b"a part\n" * 6, "14 lines more")]
)
@pytest.mark.parametrize("helper", as_diff.Helper)
def test_a_helper_may_be_left_out_or_named(
    before: bytes | None, length: str, helper: as_diff.Helper, tmp_path: Path
) -> None:
    edits = (edit(tmp_path, "_migfix.py", before), edit(tmp_path, "1.py"))
    needed = HelperChange(edits[0].path, before, frozenset({"stream"}))
    outcome = FileOutcome(tmp_path / "1.py", (changing("why"),), edits, helper=needed)
    text = as_diff.render([outcome], Files(), root=tmp_path, helper=helper)
    assert b"+++ b/1.py" in text
    assert (b"+++ b/_migfix.py" in text) is (helper is as_diff.Helper.WHOLE)
    named = f"# _migfix.py: {length}: what the rewritten loops import; --helper shows it\n"
    assert (named.encode() in text) is (helper is as_diff.Helper.NAMED)


def test_files_outside_of_the_working_folder_are_named(tmp_path: Path) -> None:
    edits = (edit(tmp_path, "in/0001.py"), edit(tmp_path, "out/0001.py"))
    outcomes = [FileOutcome(each.path, edits=(each,)) for each in edits]
    assert as_diff.outside(outcomes, Files(), root=tmp_path / "in") == [
        tmp_path / "out" / "0001.py"
    ]


def test_colours_only_add_escapes(tmp_path: Path) -> None:
    outcomes = [FileOutcome(Path("0001.py"), edits=(edit(tmp_path, "0001.py"),))]
    plain = as_diff.render(outcomes, Files(), root=tmp_path)
    coloured = as_diff.render(outcomes, Files(), root=tmp_path, color=True)
    assert b"\x1b" not in plain
    assert b"\x1b[1m--- a/0001.py\x1b[0m\n" in coloured
    assert b"\x1b[31m-line 3\x1b[0m\n\x1b[32m+three\x1b[0m\n" in coloured
    for escape in (b"\x1b[0m", b"\x1b[1m", b"\x1b[31m", b"\x1b[32m", b"\x1b[36m"):
        coloured = coloured.replace(escape, b"")
    assert coloured == plain


@pytest.mark.parametrize("code", all_codes())
def test_what_is_alike_is_summed_up_by_any_code(code: str, tmp_path: Path) -> None:
    """Also by one that is in force only where it is selected."""
    outcomes = [
        FileOutcome(tmp_path / name, (replace(changing("why"), codes=(code,)),))
        for name in ("1.py", "2.py")
    ]
    (said,) = summed_up(outcomes)
    assert said == f"2 loops in 2 files: 2 {code} {all_codes()[code]}."
