"""The one door to the disk: every other module that wants to know what is there asks here.

A project may hold anything under any name: links to nowhere, the lock files of editors, pipes, devices,
folders that nobody may list. None of it stops a run: what cannot be read is ``Unreadable``, with the
reason, to the one who asked.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from migfix.disk.stamps import CACHE_FOLDER, digest, stamp_from, stamp_of

T = TypeVar("T")
Answer = list[Any]
"""A stamp by which to tell that an answer is still the same, if there is one, and what was answered."""

Seen = dict[str, dict[str, Answer]]
"""Answers by the kind of the question and the path that it was about."""

Place = str | os.PathLike[str]

# The tree of a module takes a hundred times its size in memory. Tables that programs write as Python
# have a few million bytes; what is larger is an export or a mistake, and may have no end.
LARGEST = 10_000_000

# A file may change again within the same tick of the clock of its disk.
_TICK = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The bytes of a file that could not be had, and why, in words for the user."""

    why: str


class Kind(Enum):
    """What a name leads to, through links."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"  # a pipe, a device, a link to nowhere
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Listing:
    """The names in a folder, in order: of regular files, of folders and of all others; any may be links.

    ``problem`` says why nothing could be listed.
    """

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    links: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    problem: str | None = None


class Files:
    """What a run has seen of the disk. Made once for a run, which never gets two answers to one question.

    Processes that share the work of a run look for themselves: a copy begins with nothing.
    """

    def __init__(self, left_out: str = "") -> None:
        self._here = os.getcwd()
        self._kinds: dict[str, Kind] = {}  # of what was asked for by its name
        self._kinds_in: dict[str, dict[str, Kind]] = {}  # of all that a folder holds
        self._listings: dict[str, Listing] = {}
        self._contents: dict[str, bytes | Unreadable] = {}
        self._real: dict[str, Path] = {}
        self._stamps: dict[str, list[int]] = {}  # of what was read or listed
        self._answers: dict[Hashable, Any] = {}
        self._began = time.time_ns()
        self._left_out = left_out
        self._seen_by_others: Seen = {}

    def __reduce__(self) -> tuple[type[Files], tuple[str]]:
        return Files, (self._left_out,)

    def has_file(self, path: Place) -> bool:
        """Is there a regular file, perhaps behind a link?"""
        return self._kind(self._full(path)) is Kind.FILE

    def has_folder(self, path: Place) -> bool:
        return self._kind(self._full(path)) is Kind.FOLDER

    def has(self, path: Place) -> bool:
        """Is the name taken, and be it by a link to nowhere?"""
        return self._kind(self._full(path)) is not Kind.NOTHING

    def listing(self, folder: Place) -> Listing:
        """The names in a folder; none, and the reason, where it cannot be listed."""
        full = self._full(folder)
        known = self._listings.get(full)
        if known is None:
            if self._kind(full) is Kind.NOTHING:
                return _NO_FOLDER
            known = self._listings[full] = self._listed(full)
        return known

    def read(self, path: Place) -> bytes | Unreadable:
        """The bytes of a regular file."""
        full = self._full(path)
        known = self._contents.get(full)
        if known is None:
            if self._kind(full) is Kind.NOTHING:
                return _NO_FILE
            stamp, known = _content(full)
            self._contents[full] = known
            self._stamp(full, stamp)
        return known

    def read_if_there(self, path: Place) -> bytes:
        """The same; nothing for what cannot be read."""
        data = self.read(path)
        return b"" if isinstance(data, Unreadable) else data

    def real(self, path: Place) -> Path:
        """The absolute path without links; those that lead to themselves stay."""
        full = self._full(path)
        if full not in self._real:
            self._real[full] = Path(os.path.realpath(full))
        return self._real[full]

    def once(self, question: Callable[..., T], *about: Hashable) -> T:
        """``question(self, *about)``, worked out at its first time in the run."""
        key = (question, about)
        if key not in self._answers:
            self._answers[key] = question(self, *about)
        known: T = self._answers[key]
        return known

    def now(self, path: Place) -> bytes | Unreadable:
        """The same, for one who asks again where files may change."""
        return self.read(path)

    def holds_all(self, path: Place, data: bytes) -> bool:
        """Are these the bytes of the file?"""
        return self.read(path) == data

    def leave_out(self, folder: Place) -> None:
        """Show no folder that migfix itself fills. Those of the usual name are never shown."""
        self._left_out = os.path.abspath(folder)

    # What a report was made of

    def seen(self) -> Seen:
        """Every answer that was given, by which the cache tells whether another run would get the same."""
        asked: dict[str, Iterable[str]] = {
            "contents": self._contents,
            "listings": self._listings,
            "kinds": [*self._links(), *(p for p in self._kinds if not self._is_implied(p))],
            "real": [path for path, real in self._real.items() if path != str(real)],
        }
        seen = {kind: {p: self.answer(kind, p) for p in paths} for kind, paths in asked.items()}
        for kind, answers in self._seen_by_others.items():
            for path, answer in answers.items():
                same = seen[kind].get(path, answer)[1] == answer[1]
                seen[kind][path] = answer if same else [None, None]  # it changed meanwhile
        return seen

    def also(self, seen: Seen) -> None:
        """Take in what a process saw that shared the work."""
        for kind, answers in seen.items():
            known = self._seen_by_others.setdefault(kind, {})
            for path, answer in answers.items():
                same = known.get(path, answer)[1] == answer[1]
                known[path] = answer if same else [None, None]

    def answer(self, kind: str, path: str) -> Answer:
        """The answer to one question in short."""
        match kind:
            case "contents":
                data = self.read(path)
                short = data.why if isinstance(data, Unreadable) else digest(data)
                return [self._stamps.get(path), short]
            case "listings":
                found = self.listing(path)
                # A set comes in another order in each process.
                names = repr(
                    (found.files, found.folders, sorted(found.links), found.others, found.problem)
                )
                return [self._stamps.get(path), digest(names.encode(errors="surrogateescape"))]
            case "kinds":
                return [None, self._kind(path).value]
            case "real":
                return [None, str(self.real(path))]
        raise ValueError(kind)

    def _links(self) -> Iterator[str]:
        """Where they lead may change, and the folder that holds them does not."""
        for folder, listing in self._listings.items():
            yield from (os.path.join(folder, name) for name in listing.links)

    def _is_implied(self, path: str) -> bool:
        """Does another answer hold this one, too?"""
        if isinstance(self._contents.get(path), bytes):
            return self._kinds[path] is Kind.FILE
        folder, name = os.path.split(path)
        if name == CACHE_FOLDER or path == self._left_out:
            return False
        listing = self._listings.get(folder)
        return listing is not None and listing.problem is None and name not in listing.links

    def _stamp(self, full: str, found: list[int] | None) -> None:
        """Note a stamp that is old enough to show the next change."""
        if found is not None and max(found[:2]) < self._began - _TICK:
            self._stamps[full] = found

    def _full(self, path: Place) -> str:
        text = os.fspath(path)
        if text.startswith(os.sep) or os.path.isabs(text):
            return text
        text = text.removeprefix(f".{os.sep}")
        return self._here if text == "." else os.path.join(self._here, text)

    def _kind(self, full: str) -> Kind:
        kind = self._kinds.get(full)
        if kind is None:
            folder, _, name = full.rpartition(os.sep)
            kind = self._kinds_in.get(folder, {}).get(name) or _kind_of(full)
            self._kinds[full] = kind
        return kind

    def _listed(self, full: str) -> Listing:
        found: dict[str, Kind] = {}
        links: list[str] = []
        self._stamp(full, stamp_of(full))
        try:
            with os.scandir(full) as entries:
                for entry in entries:
                    if entry.name != CACHE_FOLDER and entry.path != self._left_out:
                        found[entry.name] = _kind_of_entry(entry)
                        if entry.is_symlink():
                            links.append(entry.name)
        except OSError as error:
            return Listing(problem=_reason(error))
        for name in found:  # what was said of a name before still holds
            found[name] = self._kinds.get(f"{full}{os.sep}{name}", found[name])
        self._kinds_in[full] = found
        by_kind: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        for name in sorted(found):
            by_kind[found[name]].append(name)
        return Listing(
            tuple(by_kind[Kind.FILE]),
            tuple(by_kind[Kind.FOLDER]),
            frozenset(links),
            tuple(by_kind[Kind.OTHER]),
        )


# Questions for ``once``: what others want to know of a file without reading it all again.


def holds(files: Files, path: Place, text: bytes) -> bool:
    return text in files.read_if_there(path)


def matches(files: Files, path: Place, pattern: re.Pattern[bytes]) -> bool:
    return pattern.search(files.read_if_there(path)) is not None


def found_in(files: Files, path: Place, pattern: re.Pattern[bytes]) -> frozenset[Any]:
    """What ``findall`` gives, each once."""
    return frozenset(pattern.findall(files.read_if_there(path)))


_NO_FILE = Unreadable(os.strerror(errno.ENOENT))
_NO_FOLDER = Listing(problem=os.strerror(errno.ENOENT))


def _kind_of_entry(entry: os.DirEntry[str]) -> Kind:
    """The same as ``_kind_of``, most often without asking the disk again."""
    try:
        if entry.is_file():
            return Kind.FILE
        return Kind.FOLDER if entry.is_dir() else Kind.OTHER
    except OSError:
        return Kind.OTHER


def _kind_of(full: str) -> Kind:
    try:
        mode = os.stat(full).st_mode
    except OSError:
        return Kind.OTHER if os.path.lexists(full) else Kind.NOTHING
    except ValueError:  # no name can hold a NUL
        return Kind.NOTHING
    if stat.S_ISREG(mode):
        return Kind.FILE
    return Kind.FOLDER if stat.S_ISDIR(mode) else Kind.OTHER


# A pipe without a writer would be waited for without end, and a terminal could become ours.
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
)


def _content(full: str) -> tuple[list[int] | None, bytes | Unreadable]:
    """The stamp of a file before it was read, and its bytes."""
    try:
        file = os.open(full, _FLAGS)
    except OSError as error:
        return None, Unreadable(_reason(error))
    except ValueError as error:
        return None, Unreadable(str(error))
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return None, Unreadable("it is not a regular file")
        return stamp_from(found), _all_of(file, found.st_size)
    except OSError as error:
        return None, Unreadable(_reason(error))
    finally:
        os.close(file)


def _all_of(file: int, size: int) -> bytes | Unreadable:
    """It may grow meanwhile, and files of /proc have no size."""
    parts: list[bytes] = []
    length = 0
    while size <= LARGEST and length <= LARGEST:
        part = os.read(file, min(max(size - length, 0) + 1, LARGEST))
        if not part:
            return b"".join(parts)
        parts.append(part)
        length += len(part)
    return Unreadable(f"it is larger than {LARGEST // 1_000_000} MB")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
