"""The texts of files as an editor or standard input gives them, and of all others as the disk holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from migfix.disk.files import Files, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

T = TypeVar("T")


class Texts:
    """What is in files, whatever the disk holds where a text is given."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._given: dict[Path, bytes] = {}

    def give(self, path: Path, data: bytes) -> None:
        """Take these bytes for those of a file; ``path`` leads through no link."""
        if not self._files.holds_all(path, data):
            self._given[path] = data

    def forget(self, path: Path) -> None:
        """The disk holds what was given."""
        self._given.pop(path, None)

    def now(self, path: Path) -> bytes | Unreadable:
        """The bytes, for one who asks again where files may change."""
        given = self._given.get(path)
        return self._files.now(path) if given is None else given

    def once(self, question: Callable[..., T], path: Path, *about: Hashable, unreadable: T) -> T:
        """``question(text, *about)``, asked of a file on the disk once in a run; ``unreadable`` where there is no text."""
        given = self._given.get(path)
        if given is not None:
            return question(given, *about)
        known: T = self._files.once(_of_file, path, question, unreadable, *about)
        return known


def _of_file(
    files: Files, path: Path, question: Callable[..., T], unreadable: T, *about: Hashable
) -> T:
    data = files.read(path)
    return unreadable if isinstance(data, Unreadable) else question(data, *about)
