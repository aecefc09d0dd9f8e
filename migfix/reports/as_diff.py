"""The edits as one patch that ``git apply`` and ``patch -p1`` take in the working folder.

Lines that begin with ``#`` say why; both leave out what stands above the header of a file:
https://www.gnu.org/software/diffutils/manual/html_node/patch-Options.html
"""

from __future__ import annotations

import difflib
import os
import re
from collections import defaultdict
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.findings import Applicability
from migfix.quoting import quoted
from migfix.reports.colors import Color, paint
from migfix.reports.told import (
    count,
    databases,
    helpers_apart,
    in_short,
    of_file,
    summed_up,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from migfix.disk.files import Files
    from migfix.findings import FileEdit, FileOutcome, LoopOutcome

CONTEXT_LINES = 3
_WIDEST = 120  # columns of the line above a hunk
NO_NEWLINE = "\n\\ No newline at end of file\n"


class Helper(Enum):
    """How much the patch holds of a helper that is written."""

    WHOLE = auto()
    NAMED = auto()
    LEFT_OUT = auto()


def render(
    outcomes: Sequence[FileOutcome],
    files: Files,
    *,
    root: Path,
    color: bool = False,
    helper: Helper = Helper.WHOLE,
    prefix: str | None = None,
) -> bytes:
    """The edits of the outcomes as a unified diff with paths relative to ``root``.

    Files that hold an unsafe rewrite come first, helpers last. Above each file stands why its loops are
    rewritten, above all of them which databases were taken for granted. Without a whole ``helper`` git applies
    what is left, but the migrations lack what they import. ``prefix`` goes before the names, as ``prefix_for`` says
    for all files of one patch.

    Bytes, since a patch must hold the very bytes of the files whatever their encoding. There are
    no ``diff --git`` lines: git takes their paths from the top of the repository, and skips what
    lies elsewhere without a word, so such a patch would do nothing in a subfolder.
    """
    edits = _distinct_edits(outcomes)
    if prefix is None:
        prefix = prefix_for([edit.path for edit in edits], root, files)
    told = {files.real(each.path): each for each in outcomes if each.changed}
    helpers = {files.real(each.helper.path) for each in outcomes if each.helper}

    def rank(edit: FileEdit) -> int:
        path = files.real(edit.path)
        return 2 if path in helpers else _rank(told.get(path))

    order = sorted(edits, key=rank)
    head = [
        *summed_up(outcomes),
        *helpers_apart(outcomes),
        *databases(outcomes),
        *_for_patch(prefix),
    ]
    parts = [_comment(line for said in head for line in wrapped(said))] if edits else []
    for edit in order:
        name = prefix + _name(edit.path, root, files)
        diff = _file_diff(edit, name, told.get(files.real(edit.path)))
        if files.real(edit.path) not in helpers:
            parts += [_comment(_why(name, told.get(files.real(edit.path)))), diff]
        elif helper is Helper.WHOLE:
            parts += [_comment([f"{quoted(name)}: what the rewritten loops import"]), diff]
        elif helper is Helper.NAMED:
            parts.append(_comment([f"{quoted(name)}: {_length(edit)}: {_NAMED}"]))
    return b"".join(_painted(part) if color else part for part in parts if part)


def _for_patch(prefix: str) -> Iterator[str]:
    if prefix:
        yield f"For git apply; for patch in this folder: patch -p{prefix.count('/') + 1}"


_NAMED = "what the rewritten loops import; --helper shows it"


def _length(edit: FileEdit) -> str:
    lines = edit.after.count(b"\n") - (edit.before or b"").count(b"\n")
    return f"new, {count(lines, 'line')}" if edit.before is None else f"{count(lines, 'line')} more"


def _rank(outcome: FileOutcome | None) -> int:
    loops = outcome.loops if outcome else ()
    return 0 if any(each.applicability is Applicability.UNSAFE for each in loops) else 1


def _why(name: str, outcome: FileOutcome | None) -> Iterator[str]:
    if outcome is not None:
        yield quoted(name)
        yield from (f"  {line}" for line in of_file(outcome))


def _comment(lines: Iterable[str]) -> bytes:
    return os.fsencode("".join(f"# {line}\n" for line in lines))


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


def prefix_for(paths: Sequence[Path], root: Path, files: Files) -> str:
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


def _file_diff(edit: FileEdit, name: str, outcome: FileOutcome | None) -> bytes:
    """With the loops that a hunk rewrites, and their gains, behind its ``@@``, where other patches name a function."""
    old = "/dev/null" if edit.before is None else _header_name(f"a/{name}")
    new = _header_name(f"b/{name}")
    before, after = _lines(edit.before or b""), _lines(edit.after)
    diff = difflib.unified_diff(before, after, n=CONTEXT_LINES)
    loops = [each for each in outcome.loops if each.changed] if outcome else []
    hunks = (
        _headed(line, loops) if line.startswith("@") else _line(line)
        for number, line in enumerate(diff)
        if number >= len("-+")
    )
    return os.fsencode(f"--- {old}\n+++ {new}\n") + "".join(hunks).encode("latin-1")


_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))?")


def _headed(line: str, loops: Iterable[LoopOutcome]) -> str:
    """The header of a hunk, which changes no line of its context."""
    found = _HUNK.match(line)
    assert found is not None
    start, length = int(found[1]), int(found[2] or 1)
    first, last = start + CONTEXT_LINES, start + length - 1 - CONTEXT_LINES
    here = [each for each in loops if each.line <= last and first <= each.end_line]
    told = _told_behind(here, with_gains=True)
    if len(line) + len(told) > _WIDEST:
        told = f"{_told_behind(here, with_gains=False)}; gains above"
    return f"{line.rstrip()} {told}".rstrip() + "\n"


def _told_behind(loops: Iterable[LoopOutcome], *, with_gains: bool) -> str:
    """``13, 17: MF101 safe, queries per row -> 1, rows all -> none``"""
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for each in loops:
        risk = "unsafe" if each.applicability is Applicability.UNSAFE else "safe"
        gains = map(in_short, each.gains) if with_gains else ()
        lines[", ".join([f"{' '.join(each.codes)} {risk}", *gains])].append(str(each.line))
    return "; ".join(f"{', '.join(at)}: {told}" for told, at in lines.items())


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


def _painted(part: bytes) -> bytes:
    if part.startswith(b"# "):
        return part
    lines = _lines(part)
    return "".join(
        _painted_line(line, header=at < len("-+")) for at, line in enumerate(lines)
    ).encode("latin-1")


def _painted_line(line: str, *, header: bool) -> str:
    colors = {"-": Color.RED, "+": Color.GREEN, "@": Color.CYAN}
    color = Color.BOLD if header else colors.get(line[0])
    return paint(line.rstrip("\n"), color, enabled=True) + "\n" if color else line
