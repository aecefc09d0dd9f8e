"""Puts edits on the user's disk: all edits of one file outcome or, where possible, none; and reports where they
are asked for.

The only module that writes to the user's files.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migfix.findings import FileEdit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class WriteError(Exception):
    """A file that was not written, and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Staged:
    """New content beside the file whose place it will take."""

    path: Path
    temporary: Path
    target: Path


def write(edits: Iterable[FileEdit]) -> None:
    """Writes the edits in their order, each by a rename within its folder.

    All are checked and staged before the first rename, so that a refusal leaves the disk as it
    was; no temporary file survives, not even an interrupt. Symbolic links stay, their targets
    change; permission bits stay. An edit whose result is on the disk already is skipped.

    Raises WriteError for a file that changed since it was read, that its permissions protect, or
    that the system refuses to write.
    """
    staged: list[_Staged] = []
    try:
        for edit in edits:
            _stage(edit, staged)
        for each in staged:
            _put_in_place(each)
    finally:
        for each in staged:
            with suppress(OSError):
                each.temporary.unlink()


def _stage(edit: FileEdit, staged: list[_Staged]) -> None:
    target = edit.path.resolve()
    try:
        on_disk = _bytes_of(target)
        if on_disk == edit.after:
            return
        if on_disk != edit.before:
            raise WriteError(edit.path, _how_it_changed(edit, on_disk))
        _refuse_if_protected(edit.path, target)
        temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.migfix")
        staged.append(_Staged(edit.path, temporary, target))
        _write_new(temporary, edit.after, like=target)
    except OSError as error:
        raise WriteError(edit.path, f"not written: {error.strerror or error}") from None


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _how_it_changed(edit: FileEdit, on_disk: bytes | None) -> str:
    if edit.before is None:
        return "not written: another file of this name has appeared meanwhile; run migfix again"
    if on_disk is None:
        return "not written: it is gone since migfix read it"
    return "not written: it changed since migfix read it; run migfix again"


def _refuse_if_protected(path: Path, target: Path) -> None:
    """A rename needs no permission on the file it replaces, and root needs none at all."""
    if target.exists() and not _is_writable(target):
        raise WriteError(path, "not written: the file is read-only")
    if not target.parent.is_dir():
        raise WriteError(path, f"not written: there is no folder {path.parent}")
    if not _is_writable(target.parent):
        raise WriteError(path, f"not written: the folder {path.parent} is read-only")


def _is_writable(path: Path) -> bool:
    any_write_bit = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & any_write_bit)


def _write_new(temporary: Path, content: bytes, like: Path) -> None:
    with temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if like.exists():
        original = like.stat()
        _keep_owner(temporary, original)
        temporary.chmod(stat.S_IMODE(original.st_mode))


def _keep_owner(temporary: Path, original: os.stat_result) -> None:
    """Matters when root runs migfix, as in a container; others may only keep the group, if that."""
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(temporary, original.st_uid, original.st_gid)


def _put_in_place(staged: _Staged) -> None:
    try:
        staged.temporary.replace(staged.target)
    except OSError as error:
        raise WriteError(staged.path, f"not written: {error.strerror or error}") from None


def append(path: Path, text: bytes) -> None:
    """Add the text to a file that others write to as well. Where that cannot be done, nothing is."""
    with suppress(OSError), path.open("ab") as file:
        file.write(text)


def put(path: Path, text: bytes) -> None:
    """Write a report where it is asked for, into a file whole or not at all. Raises WriteError.

    A device or a pipe takes it as it is.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.open("wb", buffering=0).write(text)
            return
        before = _bytes_of(path)
    except OSError as error:
        raise WriteError(path, f"not written: {error.strerror or error}") from None
    write([FileEdit(path, before, text)])
