"""What git knows of files: which differ from a revision, and which are not kept in it as they are.

Nothing of the repository runs: no hook, no file system monitor, no program for diffs.
https://git-scm.com/docs/git-config#Documentation/git-config.txt-corefsmonitor
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from migfix.files import Files

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "diff.external=")


class GitError(Exception):
    """git cannot be run, or does not know what it is asked for, as one line."""


def git(folder: Path, *arguments: str) -> bytes:
    """What git prints when it is run in the folder. Raises ``GitError``."""
    command = ["git", "--no-pager", *_QUIET, *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True)
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(lines[0] if lines else "git failed")
    return done.stdout


def modified(folder: Path, revision: str) -> Iterator[tuple[Path, bytes]]:
    """The Python files of the folder itself that the revision has otherwise, and how. Raises ``GitError``."""
    top = Path(os.fsdecode(git(folder, "rev-parse", "--show-toplevel").rstrip(b"\n")))
    names = git(folder, "diff", "--name-only", "--diff-filter=M", "-z", revision, "--", ".")
    for name in map(os.fsdecode, filter(None, names.split(b"\0"))):
        if name.endswith(".py") and (top / name).parent == folder:
            yield top / name, git(folder, "cat-file", "blob", f"{revision}:{name}")


def changed_since(revision: str, paths: Iterable[Path], files: Files) -> list[Path]:
    """Those of the files that differ from the revision or that git does not know. Raises ``GitError``."""
    changed: dict[Path, frozenset[Path]] = {}
    found: list[Path] = []
    for path in paths:
        top = _repository(path, files)
        if top is None:
            raise GitError(f"{path} is in no repository")
        if top not in changed:
            changed[top] = _changed_in(top, revision)
        if files.real(path) in changed[top]:
            found.append(path)
    return found


def unsaved(paths: Sequence[Path], files: Files) -> list[Path]:
    """Those of the files that no commit holds as they are; none outside of a repository."""
    try:
        return changed_since("HEAD", [path for path in paths if _repository(path, files)], files)
    except GitError:  # no git, or no commit yet
        return []


def _repository(path: Path, files: Files) -> Path | None:
    """The top of the repository that the file is in."""
    return next((each for each in files.real(path).parents if files.has(each / ".git")), None)


def _changed_in(top: Path, revision: str) -> frozenset[Path]:
    changed = git(top, "diff", "--name-only", "-z", revision, "--")
    new = git(top, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset(top / os.fsdecode(name) for name in (changed + new).split(b"\0") if name)
