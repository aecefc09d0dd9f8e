"""An edit of a file as replacements of its lines, for programs that apply them one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migfix.source import Source, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migfix.findings import FileEdit


@dataclass(frozen=True, slots=True)
class Replacement:
    """The lines from ``line`` up to but not including ``end_line``, counted from 1, become ``text``.

    Nothing is between two equal lines: there the text is inserted.
    """

    line: int
    end_line: int
    text: str


def replacements(edit: FileEdit | None) -> tuple[Replacement, ...]:
    """Those that make of the file what it is to be, in order."""
    if edit is None or edit.before is None:
        return ()
    before, after = (Source.of(edit.path, data).text for data in (edit.before, edit.after))
    return tuple(_between(split_lines(before), split_lines(after)))


def together(edit: FileEdit) -> Replacement | None:
    """One that does it all, with the lines in between; None where nothing changes."""
    found = replacements(edit)
    if not found or edit.before is None:
        return None
    lines = split_lines(Source.of(edit.path, edit.before).text)
    text, at = "", found[0].line
    for each in found:
        text += "".join(lines[at - 1 : each.line - 1]) + each.text
        at = each.end_line
    return Replacement(found[0].line, at, text)


def _between(before: Sequence[str], after: Sequence[str]) -> Iterator[Replacement]:
    from difflib import SequenceMatcher  # here: most reports hold no edit

    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind != "equal":
            yield Replacement(first + 1, last + 1, "".join(after[start:end]))
