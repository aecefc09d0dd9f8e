"""Which folders of a repository git ignores, by its ``.gitignore`` files.

Neither the user's own ignore files nor git's index are looked at: a folder that is ignored now and yet
tracked counts as ignored. https://git-scm.com/docs/gitignore
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.disk.files import Files

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

FILE = ".gitignore"


class Rules:
    """What the ``.gitignore`` files in and above a folder say of the folders below it."""

    def __init__(self, specs: tuple[tuple[str, GitIgnoreSpec], ...] = ()) -> None:
        self._specs = specs

    def inside(self, folder: str, files: Files) -> Rules:
        """The same for a folder one deeper, which may have a file of its own."""
        if FILE not in files.listing(folder).files:
            return self
        return Rules((*self._specs, (folder, files.once(_spec, folder))))

    def ignore(self, folder: str) -> bool:
        """The last line that matches counts, of the deepest file that has one."""
        for above, spec in reversed(self._specs):
            inner = folder[len(above) :].strip(os.sep).replace(os.sep, "/")
            answer = spec.check_file(f"{inner}/")
            if answer.include is not None:
                return answer.include
        return False


def rules_above(top: Path, files: Files) -> Rules | None:
    """The rules for what is in ``top``; None if it is itself in an ignored folder."""
    repository = next((each for each in (top, *top.parents) if files.has(each / ".git")), top)
    rules = Rules()
    for folder in reversed([each for each in (top, *top.parents) if _is_in(each, repository)]):
        if folder != repository and rules.ignore(str(folder)):
            return None
        if folder != top:
            rules = rules.inside(str(folder), files)
    return rules


def _is_in(folder: Path, repository: Path) -> bool:
    return folder == repository or repository in folder.parents


def _spec(files: Files, folder: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # here: most runs over a few files meet no such file

    lines = files.read_if_there(os.path.join(folder, FILE)).decode(errors="surrogateescape")
    return GitIgnoreSpec.from_lines(filter(_is_pattern, lines.splitlines()))


def _is_pattern(line: str) -> bool:
    """git passes over a line that makes no sense, ``!`` alone for one."""
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
