"""An edit of a file as rows of a table: what was there beside what comes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from migfix.findings import FileEdit
from migfix.review.highlight import lines_of
from migfix.source import Source

_CONTEXT = 3


def table(edit: FileEdit) -> str:
    """The rows of an HTML table, hunk by hunk; nothing for a new file."""
    if edit.before is None:
        return ""
    before, after = (Source.of(edit.path, data).plain for data in (edit.before, edit.after))
    left, right = lines_of(before), lines_of(after)
    matcher = difflib.SequenceMatcher(None, _lines(before), _lines(after), autojunk=False)
    rows: list[str] = []
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        rows.append('<tr class="gap"><td colspan="4"></td></tr>')
        for kind, first, last, start, end in group:
            rows += _rows(kind, left, right, range(first, last), range(start, end))
    return "".join(rows)


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


def unchanged(text: str, first: int, last: int) -> str:
    """The rows for lines that stay, from 1, which stand there once."""
    lines = lines_of(text)
    shown = range(first - 1, min(last, len(lines)))
    return "".join(f"<tr>{_cell('equal', lines, n, 'old')}</tr>" for n in shown)


def _rows(
    kind: str, left: list[str], right: list[str], before: range, after: range
) -> Iterator[str]:
    for at in range(max(len(before), len(after))):
        old = before[at] if at < len(before) else None
        new = after[at] if at < len(after) else None
        yield _row(kind, left, right, old, new)


def _row(kind: str, left: list[str], right: list[str], old: int | None, new: int | None) -> str:
    return f"<tr>{_cell(kind, left, old, 'old')}{_cell(kind, right, new, 'new')}</tr>"


def _cell(kind: str, lines: list[str], at: int | None, side: str) -> str:
    if at is None or at >= len(lines):
        return '<td class="no"></td><td class="none"></td>'
    shown = "equal" if kind == "equal" else side
    return f'<td class="no">{at + 1}</td><td class="{shown}"><pre>{lines[at]}</pre></td>'
