"""The one door to the disk: total answers, each given once, and nobody who walks around it."""

from __future__ import annotations

import ast
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import migfix
from migfix.disk import files as door
from migfix.disk.files import Files, Unreadable
from migfix.project.discovery import discover, project_of

PACKAGE = Path(migfix.__file__).parent
# writing puts edits on the disk; verify works in folders and processes of its own; runtime is the user's.
MAY_TOUCH = (
    "disk/files.py",
    "disk/stamps.py",
    "disk/writing.py",
    "cache.py",
    "verify/",
    "runtime/",
)
ON_PATHS = frozenset(
    "exists expanduser glob group is_dir is_file is_mount is_symlink iterdir lstat mkdir open owner "
    "read_bytes read_text readlink resolve rglob samefile stat touch unlink write_bytes write_text".split()
)
IN_OS = frozenset(
    "access fstat isdir isfile islink lexists listdir lstat open readlink realpath scandir stat walk".split()
)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.name)
def test_no_other_module_touches_the_disk(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    if not name.startswith(MAY_TOUCH):
        assert list(_touches(ast.parse(path.read_text()))) == []


def _touches(tree: ast.Module) -> list[str]:
    whole = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls = [node.func for node in whole if "devnull" not in ast.unparse(node)]
    found = [f.id for f in calls if isinstance(f, ast.Name) and f.id == "open"]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "os.path"):
            found += [alias.name for alias in node.names if alias.name in IN_OS]
    for function in calls:
        if isinstance(function, ast.Attribute):
            of_os = ast.unparse(function.value) in ("os", "os.path", "glob", "shutil")
            if function.attr in (IN_OS if of_os else ON_PATHS):
                found.append(ast.unparse(function))
    return found


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket may not be long
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


ODD: dict[str, Callable[[Path], None]] = {
    "a pipe": _pipe,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to("nobody@nowhere.123"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": Path.mkdir,
    "a socket": _socket,
    "nothing": lambda path: None,
}


@pytest.mark.skipif(os.name == "nt", reason="has neither pipes nor links")
@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_file(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "x.py"
    ODD[odd](path)
    files = Files()
    assert not files.has_file(path)
    assert files.has(path) is (odd != "nothing")
    assert files.has_folder(path) is (odd == "a folder")
    assert isinstance(files.read(path), Unreadable)
    assert files.read_if_there(path) == b""
    assert files.listing(tmp_path).files == ()
    assert files.real(path).name == "x.py" or odd.startswith("a link to")


def test_a_file_behind_a_link_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.py").write_text("1")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "y.py").symlink_to("real/x.py")
    files = Files()
    listing = files.listing(tmp_path)
    assert (listing.files, listing.folders) == (("y.py",), ("link", "real"))
    assert listing.links == {"link", "y.py"}
    assert files.read(tmp_path / "link" / "x.py") == b"1"
    assert files.real(tmp_path / "y.py") == tmp_path / "real" / "x.py"


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.py").write_bytes(b"1" * 11)
    with (tmp_path / "y.py").open("wb") as file:
        file.truncate(100_000_000)
    assert Files().read(tmp_path / "y.py") == Unreadable("it is larger than 10 MB")
    monkeypatch.setattr(door, "LARGEST", 10)
    assert isinstance(Files().read(tmp_path / "x.py"), Unreadable)


def test_a_run_gets_one_answer(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("1")
    files = Files()
    first = (files.has_file(path), files.read(path), files.listing(tmp_path))
    path.unlink()
    (tmp_path / "y.py").touch()
    assert first == (files.has_file(path), files.read(path), files.listing(tmp_path))
    assert not Files().has_file(path)


def test_a_file_that_vanishes_after_it_was_listed(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("1")
    files = Files()
    files.listing(tmp_path)
    path.unlink()
    assert files.has_file(path)
    assert files.read(path) == Unreadable("No such file or directory")


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, *_: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "x.py").touch()
    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    files = Files()
    assert files.read(tmp_path / "x.py") == Unreadable("Permission denied")
    assert files.listing(tmp_path).problem == "Permission denied"
    assert discover([tmp_path], files).problems == (
        (tmp_path, "cannot be read: Permission denied"),
    )


def test_names_that_no_disk_can_hold() -> None:
    files = Files()
    assert not files.has("a\0b")
    assert isinstance(files.read("a\0b"), Unreadable)


def test_relative_and_absolute_names_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text("1")
    files = Files()
    assert files.read("x.py") == b"1"
    (tmp_path / "x.py").write_text("2")
    assert files.read(tmp_path / "x.py") == b"1"


def test_reading_leaves_files_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "x.py").touch(mode=0o644)
    Files().read(tmp_path / "x.py")
    assert stat.S_IMODE((tmp_path / "x.py").stat().st_mode) == 0o644


# What git ignores

MIGRATION = "from django.db import migrations\n\nclass Migration(migrations.Migration):\n    pass\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "manage.py").touch()
    for app in ("shop", "old/shop", "build/lib/shop"):
        folder = tmp_path / app / "migrations"
        folder.mkdir(parents=True)
        (folder / "0001_initial.py").write_text(MIGRATION)
        for package in (folder.parent, folder):
            (package / "__init__.py").touch()
    return tmp_path


def _found(root: Path, *paths: str) -> list[str]:
    found = discover([root / path for path in paths], Files()).files
    return [path.relative_to(root).parts[0] for path in found]


@pytest.mark.parametrize(
    ("place", "lines", "apps"),
    [
        ("", "", ["build", "old", "shop"]),
        ("", "build/\n", ["old", "shop"]),
        ("", "/build\n/old", ["shop"]),
        ("", "shop\n", []),
        ("", "migrations/\n", ["build", "old", "shop"]),
        ("", "migrations/\nold/\n", ["build", "shop"]),
        ("", "# build/\n!\n\\\n*.log\n", ["build", "old", "shop"]),
        ("", "build/*\n!build/lib/\n", ["build", "old", "shop"]),
        ("", "lib\n\udcff\n", ["old", "shop"]),
        ("old", "shop/\n", ["build", "shop"]),
        ("old", "/build/\n", ["build", "old", "shop"]),
    ],
)
def test_folders_that_git_ignores(
    repository: Path, place: str, lines: str, apps: list[str]
) -> None:
    (repository / place / ".gitignore").write_bytes(lines.encode(errors="surrogateescape"))
    assert _found(repository, "") == apps


def test_a_folder_below_the_rules_obeys_them(repository: Path) -> None:
    (repository / ".gitignore").write_text("/old/shop/\n")
    assert _found(repository, "old") == []


def test_an_ignored_folder_that_is_named_is_taken(repository: Path) -> None:
    (repository / ".gitignore").write_text("build/\nmigrations/\n")
    assert _found(repository, "") == ["old", "shop"]
    assert _found(repository, "build") == ["build"]
    project = project_of(repository / "build/lib/shop/migrations/0001_initial.py", Files())
    assert len(project.packages) == 3


def test_an_ignored_package_belongs_to_the_project(repository: Path) -> None:
    (repository / ".gitignore").write_text("build/\nold/\nmigrations/\n")
    project = project_of(repository / "shop", Files())
    assert [package.folder.parent.name for package in project.packages] == ["shop"]
    (repository / "old" / "__init__.py").touch()
    assert len(project_of(repository / "shop", Files()).packages) == 2
