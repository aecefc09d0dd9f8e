"""The edits as one patch that ``git apply`` and ``patch -p1`` take in the working folder."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.quoting import quoted
from migfix.reports.colors import Color, paint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from migfix.files import Files
    from migfix.findings import FileEdit, FileOutcome

CONTEXT_LINES = 3
NO_NEWLINE = "\n\\ No newline at end of file\n"


def render(
    outcomes: Sequence[FileOutcome], files: Files, *, root: Path, color: bool = False
) -> bytes:
    """The edits of the outcomes as a unified diff with paths relative to ``root``.

    Bytes, since a patch must hold the very bytes of the files whatever their encoding. There are
    no ``diff --git`` lines: git takes their paths from the top of the repository, and skips what
    lies elsewhere without a word, so such a patch would do nothing in a subfolder.
    """
    edits = _distinct_edits(outcomes)
    prefix = _disambiguating_prefix([edit.path for edit in edits], root, files)
    parts = [_file_diff(edit, prefix + _name(edit.path, root, files)) for edit in edits]
    return b"".join(_painted(part) if color else part for part in parts)


def outside(outcomes: Sequence[FileOutcome], files: Files, *, root: Path) -> list[Path]:
    """The edited files outside ``root``: no patch tool writes there when run in ``root``."""
    edits = _distinct_edits(outcomes)
    return [edit.path for edit in edits if _name(edit.path, root, files).startswith(("../", "/"))]


def _distinct_edits(outcomes: Iterable[FileOutcome]) -> list[FileEdit]:
    """Several migrations may bring along the same helper; it is created once."""
    edits = (edit for outcome in outcomes for edit in outcome.edits)
    return list({edit: None for edit in edits if edit.before != edit.after})


def _name(path: Path, root: Path, files: Files) -> str:
    """The path without symbolic links, as git follows none, and relative to ``root``."""
    real = files.real(path)
    try:
        return Path(os.path.relpath(real, files.real(root))).as_posix()
    except ValueError:  # another drive
        return real.as_posix()


def _disambiguating_prefix(paths: Sequence[Path], root: Path, files: Files) -> str:
    """What ``git apply`` wants before the names when it would misread them in a subfolder.

    In ``mysite/``, it takes ``a/mysite/app.py`` for ``app.py`` here, seen from the top, instead of
    ``mysite/app.py`` here (``guess_p_value`` in git's apply.c). Names from the top are then the
    ones it reads right.
    """
    here = files.real(root)
    top = next((each for each in (here, *here.parents) if files.has(each / ".git")), here)
    prefix = "" if top == here else here.relative_to(top).as_posix() + "/"
    misread = prefix and any(_name(path, root, files).startswith(prefix) for path in paths)
    return prefix if misread else ""


def _file_diff(edit: FileEdit, name: str) -> bytes:
    old = "/dev/null" if edit.before is None else _header_name(f"a/{name}")
    new = _header_name(f"b/{name}")
    before, after = _lines(edit.before or b""), _lines(edit.after)
    diff = difflib.unified_diff(before, after, n=CONTEXT_LINES)
    hunks = (_line(line) for number, line in enumerate(diff) if number >= len("-+"))
    return os.fsencode(f"--- {old}\n+++ {new}\n") + "".join(hunks).encode("latin-1")


def _lines(content: bytes) -> list[str]:
    """Lines as patch tools count them: only a line feed ends one. Latin-1 keeps each byte."""
    return re.findall(r"[^\n]*\n|[^\n]+", content.decode("latin-1"))


def _line(line: str) -> str:
    return line if line.endswith("\n") else line + NO_NEWLINE


def _header_name(name: str) -> str:
    """Quoted as git does where a reader could not tell its end, or it could play tricks in a terminal.

    A tab ends one with spaces.
    https://git-scm.com/docs/git-config#Documentation/git-config.txt-corequotePath
    """
    if '"' in name or "\\" in name or quoted(name) != name:
        return f'"{"".join(map(_octal, name))}"'
    return name + "\t" if " " in name else name


def _octal(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable() and letter != "#":
        return letter
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))


def _painted(diff: bytes) -> bytes:
    lines = _lines(diff)
    return "".join(
        _painted_line(line, header=at < len("-+")) for at, line in enumerate(lines)
    ).encode("latin-1")


def _painted_line(line: str, *, header: bool) -> str:
    colors = {"-": Color.RED, "+": Color.GREEN, "@": Color.CYAN}
    color = Color.BOLD if header else colors.get(line[0])
    return paint(line.rstrip("\n"), color, enabled=True) + "\n" if color else line
