"""Nothing on the user's disk may ever be half-written, lost or overwritten unseen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migfix.disk.writing import WriteError, write
from migfix.findings import FileEdit

BEFORE, AFTER = b"for x in y:\r\n", b"y.update()\r\n\xe9"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "0001.py"
    path.write_bytes(BEFORE)
    return path


def listing(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_bytes_go_to_the_file_as_they_are(file: Path) -> None:
    write([FileEdit(file, BEFORE, AFTER)])
    assert file.read_bytes() == AFTER
    assert listing(file.parent) == ["0001.py"]


def test_the_permission_bits_stay(file: Path) -> None:
    file.chmod(0o751)
    write([FileEdit(file, BEFORE, AFTER)])
    assert file.stat().st_mode & 0o7777 == 0o751


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_root_does_not_take_the_file_from_its_owner(file: Path) -> None:
    os.chown(file, 1234, 1235)
    write([FileEdit(file, BEFORE, AFTER)])
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 1235)


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write([FileEdit(tmp_path / "new.py", None, AFTER)])
    assert (tmp_path / "new.py").read_bytes() == AFTER
    assert (tmp_path / "new.py").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_symbolic_link_stays_and_its_target_changes(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.py"
    link.symlink_to("../0001.py")
    write([FileEdit(link, BEFORE, AFTER)])
    assert link.is_symlink()
    assert file.read_bytes() == AFTER
    assert listing(link.parent) == ["link.py"]


def test_a_file_that_is_right_already_is_not_touched(file: Path) -> None:
    os.utime(file, (1, 1))
    write([FileEdit(file, b"something else", BEFORE), FileEdit(file, None, BEFORE)])
    assert file.stat().st_mtime == 1


def test_a_file_that_changed_since_it_was_read_is_not_overwritten(file: Path) -> None:
    with pytest.raises(WriteError, match="changed since migfix read it"):
        write([FileEdit(file, b"as read", AFTER)])
    assert file.read_bytes() == BEFORE


def test_a_file_that_is_gone_is_not_put_back(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="gone since migfix read it"):
        write([FileEdit(tmp_path / "gone.py", BEFORE, AFTER)])
    assert listing(tmp_path) == []


def test_a_new_file_does_not_overwrite_one_of_its_name(file: Path) -> None:
    with pytest.raises(WriteError, match="another file of this name"):
        write([FileEdit(file, None, AFTER)])
    assert file.read_bytes() == BEFORE


def test_a_read_only_file_is_refused_even_to_root(file: Path) -> None:
    file.chmod(0o444)
    with pytest.raises(WriteError, match="the file is read-only") as error:
        write([FileEdit(file, BEFORE, AFTER)])
    assert error.value.path == file
    assert file.read_bytes() == BEFORE
    assert listing(file.parent) == ["0001.py"]


def test_a_read_only_folder_is_refused_even_to_root(file: Path) -> None:
    file.parent.chmod(0o555)
    try:
        with pytest.raises(WriteError, match=r"the folder .* is read-only"):
            write([FileEdit(file, BEFORE, AFTER)])
    finally:
        file.parent.chmod(0o755)
    assert file.read_bytes() == BEFORE


def test_a_folder_that_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"there is no folder .*no$"):
        write([FileEdit(tmp_path / "no" / "x.py", None, AFTER)])


def test_a_refusal_of_the_second_file_keeps_the_first_as_it_was(file: Path) -> None:
    helper = file.with_name("helper.py")
    with pytest.raises(WriteError):
        write([FileEdit(helper, None, AFTER), FileEdit(file, b"as read", AFTER)])
    assert listing(file.parent) == ["0001.py"]


def test_the_helper_is_in_place_before_the_file_that_needs_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = file.with_name("helper.py")
    order = []
    replace = Path.replace

    def record(self: Path, target: Path) -> Path:
        order.append(target.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", record)
    write([FileEdit(helper, None, AFTER), FileEdit(file, BEFORE, AFTER)])
    assert order == ["helper.py", "0001.py"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_an_interrupt_leaves_no_temporary_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os if broken == "fsync" else Path, broken, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write([FileEdit(file, BEFORE, AFTER)])
    assert file.read_bytes() == BEFORE
    assert listing(file.parent) == ["0001.py"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_full_disk_is_one_clear_line_and_leaves_nothing_behind(
    file: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if broken == "fsync" else Path, broken, fail)
    with pytest.raises(WriteError, match="not written: No space left on device"):
        write([FileEdit(file, BEFORE, AFTER)])
    assert file.read_bytes() == BEFORE
    assert listing(file.parent) == ["0001.py"]


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / ("\u00e9" * 126 + ".py")
    path.write_bytes(BEFORE)
    write([FileEdit(path, BEFORE, AFTER)])
    assert path.read_bytes() == AFTER
