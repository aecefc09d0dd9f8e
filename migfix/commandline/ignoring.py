"""Comments that keep migfix from the loops that it would rewrite, for those who want to leave them as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migfix.findings import FileEdit
from migfix.source import Source, parsed, shape, split_lines
from migfix.suppression import comment_above

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Set

    from migfix.findings import FileOutcome


def with_comments(
    outcome: FileOutcome, data: bytes, reason: str, look: Callable[[bytes], FileOutcome]
) -> FileEdit:
    """The file with a comment above each loop that would be rewritten. Raises ``UnicodeEncodeError``.

    A codemod may only come to a loop where another is kept from it: ``look`` says what would be done to a text, until
    that is nothing.
    """
    source = Source.of(outcome.path, data)
    codes: dict[int, set[str]] = {loop.line: set() for loop in outcome.loops if loop.changed}
    after, found = data, outcome
    while new := _changes(outcome, found):
        for line, more in new.items():
            assert more - codes[line], "a comment keeps nothing away"
            codes[line] |= more
        after = _written(source, codes, reason)
        found = look(after)
    return FileEdit(outcome.path, data, after)


def _changes(outcome: FileOutcome, found: FileOutcome) -> dict[int, Set[str]]:
    """What would still be done to the loops that the first outcome would rewrite, by their lines there.

    Loops stay in order, whatever stands above them.
    """
    return {
        loop.line: frozenset(now.codes)
        for loop, now in zip(outcome.loops, found.loops, strict=True)
        if loop.changed and now.changed
    }


def _written(source: Source, codes: Mapping[int, Set[str]], reason: str) -> bytes:
    lines = [*split_lines(source.text)]
    for line in sorted(codes, reverse=True):
        lines.insert(line - 1, comment_above(lines[line - 1], codes[line], reason))
    text = "".join(lines)
    assert shape(parsed(text)) == shape(source.tree), "a comment changed the program"
    return source.encoded(text)
