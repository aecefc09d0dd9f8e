"""The disk with the unsaved texts of an editor over it, which notes who looked into which file.

Between two requests little changes: most often the text of one file. What was answered of all others stands, and
so does what the changed file was asked for (``Files.once``) and answers alike. Only a file that somebody read
without such a question may have been read for anything.

Work that nobody waits for any more ends at its next question, with ``NotWanted``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TypeVar

from migfix.disk.files import Files, Kind, Listing, Place, Unreadable
from migfix.disk.stamps import stamp_of
from migfix.server.attention import Attention
from migfix.settings import SettingsError

T = TypeVar("T")
Content = bytes | Unreadable


class Overlay(Files):
    """A ``Files`` that outlives a run. ``unsaved`` are texts by absolute path that count instead of the disk's."""

    def __init__(self, unsaved: Mapping[str, bytes], attention: Attention) -> None:
        super().__init__()
        self._attention = attention
        self._unsaved: dict[str, bytes] = {}
        self._new: dict[str, set[str]] = {}  # names of unsaved files that the disk does not have
        self._asking: list[set[str]] = []  # for each question that is being answered, what it read
        self._looked_into: dict[Hashable, frozenset[str]] = {}  # what each question read
        self._asked_of: dict[str, set[Hashable]] = {}
        self._read_plainly: set[str] = set()
        for path, data in unsaved.items():
            for full in self._names(path):
                self._put(full, data)

    def _put(self, full: str, data: bytes) -> None:
        self._unsaved[full] = data
        if self._kind(full) is not Kind.FILE:
            folder, name = os.path.split(full)
            self._new.setdefault(folder, set()).add(name)
            self._kinds[full] = Kind.FILE
        self._contents[full] = data

    # What is asked

    def listing(self, folder: Place) -> Listing:
        known = super().listing(folder)
        new = self._new.get(self._full(folder))
        if not new or known.problem is not None:
            return known
        files = tuple(sorted({*known.files, *new}))
        return Listing(files, known.folders, known.links, known.others, known.problem)

    def read(self, path: Place) -> Content:
        full = self._full(path)
        self._attention.check()
        self._attention.files += full not in self._contents
        if self._asking:
            self._asking[-1].add(full)
        else:
            self._read_plainly.add(full)
        return super().read(full)

    def now(self, path: Place) -> Content:
        return super().read(path)

    def holds_all(self, path: Place, data: bytes) -> bool:
        return self.now(path) == data

    def once(self, question: Callable[..., T], *about: Hashable) -> T:
        key = (question, about)
        self._attention.check()
        if key not in self._answers:
            self._asking.append(set())
            try:
                self._answers[key] = question(self, *about)
            except BaseException:
                (self._asking[-2] if self._asking[1:] else self._read_plainly).update(
                    self._asking[-1]
                )
                raise
            finally:
                read = frozenset(self._asking.pop())
            self._looked_into[key] = read
            for full in read:
                self._asked_of.setdefault(full, set()).add(key)
        if self._asking:
            self._asking[-1] |= self._looked_into[key]
        known: T = self._answers[key]
        return known

    # What changes

    def lay(self, path: Place, data: bytes) -> bool:
        """An unsaved text over a file. False where the disk has no such file, of which others know already."""
        for full in self._names(path):
            if full not in self._unsaved and self._kind(full) is not Kind.FILE:
                return False
            self._unsaved[full] = data
        return True

    def take(self, path: Place) -> Content:
        """The text is gone; what the disk holds there."""
        for full in self._names(path):
            self._unsaved.pop(full, None)
        return Files().read(path)

    def _names(self, path: Place) -> set[str]:
        return {self._full(path), str(self.real(path))}

    def change(self, path: Place, data: Content) -> bool:
        """Take this for the content of a file. Does all else that was answered, or made of answers, still stand?"""
        stands = True
        for full in self._names(path):
            if isinstance(data, bytes) and full in self._unsaved:
                self._unsaved[full] = data
            if full in self._contents and self._contents[full] != data:
                self._contents[full] = data
                stands = self._stands(full) and stands
        return stands

    def _stands(self, full: str) -> bool:
        asked = self._asked_of.pop(full, set())
        old = {key: self._answers.pop(key) for key in asked if key in self._answers}
        same = [self._answers_alike(key, answer) for key, answer in old.items()]
        return all(same) and full not in self._read_plainly

    def _answers_alike(self, key: Any, answer: object) -> bool:
        question, about = key
        try:
            return bool(self.once(question, *about) == answer)
        except SettingsError:
            return False

    def forget_plain_reads(self) -> None:
        """Nothing that was made of them is used any more."""
        self._read_plainly.clear()

    # What changed on the disk

    def moved(self) -> dict[str, Content] | None:
        """The contents that are others on the disk by now, by path; None where files have come or gone.

        Unsaved texts do not count.
        """
        self._began = time.time_ns()
        disk = Files()
        if any(self._is_listed_otherwise(folder, disk) for folder in self._listings) or any(
            self.answer("kinds", path) != disk.answer("kinds", path) for path in self._places()
        ):
            return None
        if any(disk.real(p) != real for p, real in self._real.items() if p != str(real)):
            return None
        return dict(self._moved_contents(disk))

    def _places(self) -> Iterator[str]:
        yield from self._links()
        yield from (p for p in self._kinds if not self._is_implied(p) and p not in self._unsaved)

    def _is_listed_otherwise(self, folder: str, disk: Files) -> bool:
        stamp = stamp_of(folder)
        if stamp is not None and stamp == self._stamps.get(folder):
            return False
        self._stamp(folder, stamp)
        return disk.listing(folder) != self._listings[folder]

    def _moved_contents(self, disk: Files) -> Iterator[tuple[str, Content]]:
        for path, data in self._contents.items():
            stamp = None if path in self._unsaved else stamp_of(path)
            if path in self._unsaved or (stamp and stamp == self._stamps.get(path)):
                continue
            now = disk.read(path)
            self._stamp(path, stamp)
            if now != data:
                yield path, now
