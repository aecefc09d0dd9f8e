"""What git knows of files: which differ from a revision, and which are not kept in it as they are.

No hook, no file system monitor and no program for diffs of the repository runs; filters that its attributes name may.
https://git-scm.com/docs/git-config#Documentation/git-config.txt-corefsmonitor
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from migfix.disk.files import Files

_QUIET = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "diff.external=",
    "-c", "diff.relative=false", "-c", "diff.ignoreSubmodules=all",
)  # fmt: skip
# What would lead to another repository than that of the files.
_ELSEWHERE = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE"}
)


class GitError(Exception):
    """git cannot be run, or does not know what it is asked for, as one line."""


def git(folder: Path, *arguments: str) -> bytes:
    """What git prints when it is run in the folder. Raises ``GitError``."""
    command = ["git", "--no-pager", *_QUIET, *arguments]
    try:
        own = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
        done = subprocess.run(command, cwd=folder, capture_output=True, env=own)
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(lines[0] if lines else "git failed")
    return done.stdout


def modified(folder: Path, revision: str) -> Iterator[tuple[Path, bytes]]:
    """The Python files of the folder itself that the revision has otherwise, and how. Raises ``GitError``."""
    revision = _commit(folder, revision)
    top = Path(os.fsdecode(git(folder, "rev-parse", "--show-toplevel").rstrip(b"\n")))
    names = git(folder, "diff", "--name-only", "--diff-filter=M", "-z", revision, "--", ".")
    for name in map(os.fsdecode, filter(None, names.split(b"\0"))):
        if name.endswith(".py") and (top / name).parent == folder:
            yield top / name, git(folder, "cat-file", "blob", f"{revision}:{name}")


def changed_since(revision: str, paths: Iterable[Path], files: Files) -> list[Path]:
    """Those of the files that differ from the revision or that it does not have. Raises ``GitError``."""
    same: dict[Path, frozenset[Path]] = {}
    found: list[Path] = []
    for path in paths:
        top = _repository(path, files)
        if top is None:
            raise GitError(f"{path} is in no repository")
        if top not in same:
            same[top] = _same_in(top, revision)
        if files.real(path) not in same[top]:
            found.append(path)
    return found


def unsaved(paths: Sequence[Path], files: Files) -> list[Path]:
    """Those of the files that no commit holds as they are; none outside of a repository.

    Raises ``GitError`` where there is a repository and git cannot look into it.
    """
    try:
        return changed_since("HEAD", [path for path in paths if _repository(path, files)], files)
    except GitError as error:
        message = str(error)
        if "not a git repository" in message:
            return []
        if "there is no revision" in message:  # no commit yet
            return [*paths]
        raise


def _repository(path: Path, files: Files) -> Path | None:
    """The top of the repository that the file is in."""
    return next((each for each in files.real(path).parents if files.has(each / ".git")), None)


def _same_in(top: Path, revision: str) -> frozenset[Path]:
    """The Python files that are as they are in the revision."""
    commit = _commit(top, revision)
    held = git(top, "ls-tree", "-r", "--name-only", "-z", commit)
    changed = git(top, "diff", "--name-only", "-z", commit, "--")
    names = set(held.split(b"\0")) - set(changed.split(b"\0"))
    return frozenset(top / os.fsdecode(name) for name in names if name.endswith(b".py"))


def _commit(folder: Path, revision: str) -> str:
    """The hash of a revision, which no option can be. Raises ``GitError``."""
    asked = f"{revision}^{{commit}}"
    try:
        return git(folder, "rev-parse", "--verify", "--end-of-options", asked).decode().strip()
    except GitError as error:
        unknown = "single revision" in str(error)
        raise GitError(f"there is no revision {revision!r}") if unknown else error from None
