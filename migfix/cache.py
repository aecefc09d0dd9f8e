"""Reports that earlier runs of ``check`` printed, kept with all that they were made of.

A report is a function of the command line, of migfix, Python and their surroundings, which make the name of
its file, and of the answers that the run got from the disk (``files``), which stand in the file with a
stamp each. The same stamps are the same answers; where one moved, or was too young when it was taken to
show the next change, the answer itself is compared. So a second run looks at what the first one looked
at, reads next to nothing, and prints the same bytes.

Imports little: with a kept report, this is all that runs. The file is JSON, as a repository may bring a
cache along, and reading one must not run it.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import suppress

from migfix import __version__
from migfix.disk.stamps import CACHE_FOLDER, digest, stamp_of
from migfix.printing import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from migfix.disk.files import Answer, Seen

VARIABLE = "MIGFIX_CACHE_DIR"
# What else the bytes of a report depend on: settings of colours, and the environment of the project.
_VARIABLES = "VIRTUAL_ENV HOME USERPROFILE GITHUB_ACTIONS NO_COLOR FORCE_COLOR CLICOLOR_FORCE TERM PYTHONIOENCODING".split()
_LARGEST = 100_000_000
_KEPT = 50  # reports; each command line has its own
_KEPT_FOUND = 5  # of the outcomes of whole projects, one for each of their settings
_FOUND = ".found"
_HEAD = b"migfix 1 "
_README = (
    "# What migfix printed for `migfix check`, of what it was made, and what `migfix verify` saw before an"
    " interrupt. Can be deleted.\n*\n"
)


class Cache:
    """The kept report of one command line."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = tuple(arguments)
        fresh = {"--no-cache", "--verify"}.intersection(self._arguments) or any(
            # which asks git, and which writes elsewhere
            each.startswith(("--since", "--output="))
            or each == "--output"
            or (each[:1] == "-" and each[1:2] != "-" and "o" in each)
            for each in self._arguments
        )
        # The page of a job in GitHub Actions is written to, and not kept.
        self.is_on = (
            self._arguments[:1] == ("check",)
            and not fresh
            and "GITHUB_STEP_SUMMARY" not in os.environ
        )

    def printed(self, stdin: bytes | None = None) -> int | None:
        """Print what the last such run printed, if all is as it was; its exit code, else None."""
        if not self.is_on or ("-" in self._arguments) != (stdin is not None) or self._is_glob():
            return None
        try:
            name, folders = self._name(stdin), list(self._folders())
        except (
            OSError,
            ValueError,
        ):  # the working folder is gone; an argument is no name of a file
            return None
        for folder in folders:
            path = os.path.join(folder, name)
            kept = _Report.read(path)
            if kept is not None and kept.still_holds(path):
                write(sys.stdout, kept.stdout)
                write(sys.stderr, kept.stderr)
                return kept.code
        return None

    def keep(
        self, folder: str, seen: Seen, report: tuple[bytes, bytes, int], stdin: bytes | None = None
    ) -> None:
        """Keep the bytes of a report for standard output and errors and its exit code.

        Where that cannot be done, the next run does the work again.
        """
        with suppress(OSError, ValueError):
            _Report(seen, *report).write(os.path.join(folder, self._name(stdin)))
            _forget_oldest(folder, (".json", ".tmp"), _KEPT)

    def found(self, about: str) -> bytes | None:
        """What a run in the same surroundings kept ``about`` something, if the disk says all that it said."""
        with suppress(OSError, ValueError):
            name = self._name_of(about)
            for folder in self._folders():  # a run over more may have kept it further up
                path = os.path.join(folder, name)
                kept = _Report.read(path)
                if kept is not None and kept.still_holds(path):
                    return kept.stdout
        return None

    def keep_found(self, folder: str, seen: Seen, about: str, content: bytes) -> None:
        """Keep what was made of all that a run has seen."""
        with suppress(OSError, ValueError):
            _Report(seen, content, b"", 0).write(os.path.join(folder, self._name_of(about)))
            _forget_oldest(folder, (_FOUND,), _KEPT_FOUND)

    def _name_of(self, about: str) -> str:
        variables = [os.environ.get(name) for name in _VARIABLES]
        return digest(json.dumps([about, variables, *surroundings()]).encode()) + _FOUND

    def _is_glob(self) -> bool:
        """Would the command line be another one tomorrow? On Windows, it takes patterns for files."""
        return os.name == "nt" and any(set("*?[") & set(each) for each in self._arguments)

    def _name(self, stdin: bytes | None) -> str:
        about = [
            self._arguments,
            None if stdin is None else digest(stdin),
            [os.environ.get(name) for name in _VARIABLES],
            [[s.isatty(), s.encoding, s.errors] for s in (sys.stdout, sys.stderr)],
            *surroundings(),
        ]
        return digest(json.dumps(about).encode()) + ".json"

    def _folders(self) -> Iterator[str]:
        """Where the report may be kept: where the user says, else in a folder above a path or here."""
        if given := _given(self._arguments) or os.environ.get(VARIABLE):
            yield given
            return
        for folder in dict.fromkeys(self._above()):
            if configured := _configured(folder):
                yield configured
            yield os.path.join(folder, CACHE_FOLDER)

    def _above(self) -> Iterator[str]:
        for path in (*self._arguments[1:], os.curdir):
            if not path.startswith("-"):
                for full in (os.path.abspath(path), os.path.realpath(path)):
                    yield full
                    while full != os.path.dirname(full):
                        full = os.path.dirname(full)
                        yield full


def _given(arguments: Sequence[str]) -> str | None:
    for at, each in enumerate(arguments):
        if each == "--cache-dir":
            return arguments[at + 1] if at + 1 < len(arguments) else None
        if each.startswith("--cache-dir="):
            return each.partition("=")[2]
    return None


def _configured(folder: str) -> str | None:
    """The folder that ``cache-dir`` of a configuration names. One that does not parse is told of later."""
    data = _bytes(os.path.join(folder, "pyproject.toml"))
    if data is None or b"cache-dir" not in data or b"migfix" not in data:
        return None
    from migfix.settings import cache_folder_in

    return cache_folder_in(data, folder)


class _Report:
    """What was printed, and the answers of the disk that it was made of."""

    def __init__(self, seen: Seen, stdout: bytes, stderr: bytes, code: int) -> None:
        self.seen = seen
        self.stdout = stdout
        self.stderr = stderr
        self.code = code

    @classmethod
    def read(cls, path: str) -> _Report | None:
        """The report in a file; one that is damaged is none."""
        data = _bytes(path)
        if data is None or not data.startswith(_HEAD):
            return None
        checksum, _, content = data[len(_HEAD) :].partition(b"\n")
        if digest(content).encode() != checksum:
            return None
        try:
            kept: dict[str, Any] = json.loads(content)
            stdout, stderr = (kept[name].encode("latin-1") for name in ("stdout", "stderr"))
            return cls(kept["seen"], stdout, stderr, int(kept["code"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def write(self, path: str) -> None:
        """Put it in place at once: another run that reads it meanwhile sees one report or the other."""
        content = json.dumps(
            {
                "code": self.code,
                "stdout": self.stdout.decode("latin-1"),
                "stderr": self.stderr.decode("latin-1"),
                "seen": self.seen,
            }
        ).encode()
        _put(path, _HEAD + digest(content).encode() + b"\n" + content)

    def still_holds(self, path: str) -> bool:
        """Would a run get the same answers? New stamps of the same answers are noted in the file."""
        try:
            moved = [
                (kind, name, answer)
                for kind, answers in self.seen.items()
                for name, answer in answers.items()
                if not _stands(kind, name, answer)
            ]
            return not moved or self._hold_again(moved, path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def _hold_again(self, moved: Sequence[tuple[str, str, Answer]], path: str) -> bool:
        from migfix.disk.files import Files

        files = Files()
        files.leave_out(os.path.dirname(path))
        for kind, name, (_, value) in moved:
            now = files.answer(kind, name)
            if now[1] != value:
                return False
            self.seen[kind][name] = now
        with suppress(OSError):
            self.write(path)
        return True


def _stands(kind: str, name: str, answer: Answer) -> bool:
    """Is it surely the same answer? Most are told by one look at the stamp."""
    stamp, value = answer
    if kind in ("contents", "listings"):
        return stamp is not None and bool(stamp == stamp_of(name))
    if kind == "real":
        return bool(os.path.realpath(name) == value)
    try:
        mode = os.lstat(name).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return bool(value == "nothing")
    if stat.S_ISLNK(mode):
        try:
            mode = os.stat(name).st_mode
        except OSError:  # a link to nowhere, which many a submodule that was not fetched leaves
            return bool(value == "other")
    return bool(
        value == ("file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other")
    )


def prepare(folder: str) -> None:
    """Make the folder for what is kept, which git is to leave alone. For ``check``: before a run sees that it is not there."""
    with suppress(OSError, ValueError):
        os.makedirs(folder, exist_ok=True)
        readme = os.path.join(folder, ".gitignore")
        if not os.path.lexists(readme):
            _put(readme, _README.encode())


def surroundings() -> list[object]:
    """What anything that is kept depends on besides files that were asked for and variables of the environment."""
    return [
        os.getcwd(),
        os.geteuid() if hasattr(os, "geteuid") else None,  # who may read what
        sys.version,
        # Each installation of a package leaves its mark on the folder that it goes to.
        [[path, stamp_of(path)] for path in sys.path],
        __version__,
        [stamp_of(path) for path in _own_sources()],
    ]


def _own_sources() -> Iterator[str]:
    here = os.path.dirname(os.path.abspath(__file__))
    for package in (here, os.path.join(os.path.dirname(here), "codemods")):
        for folder, folders, names in os.walk(package):
            folders.sort()
            yield from (os.path.join(folder, n) for n in sorted(names) if n.endswith(".py"))


def _bytes(path: str) -> bytes | None:
    """The content of a regular file; None where there is none, or far too much of it."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            found = os.fstat(file.fileno())
            is_usual = stat.S_ISREG(found.st_mode) and found.st_size < _LARGEST
            return file.read() if is_usual else None
    except (OSError, ValueError):
        return None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _put(path: str, content: bytes) -> None:
    """Write a file beside its place and move it there."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def _forget_oldest(folder: str, endings: tuple[str, ...], number: int) -> None:
    """Leave no more than the files that were made last, and none that a broken run left behind."""
    with os.scandir(folder) as entries:
        kept = [each for each in entries if each.name.endswith(endings)]
    kept.sort(key=lambda entry: entry.stat().st_mtime_ns)
    for each in kept[:-number]:
        os.unlink(each.path)
