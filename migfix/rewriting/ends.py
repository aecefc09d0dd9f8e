"""The line ends of a file, which a rewrite keeps on every line that it does not write."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import chain

from migfix.source import Source, split_lines


def with_line_ends(text: str, source: Source) -> str:
    """``text``, whose lines end with line feeds, with the ends that they have in the file.

    New lines end as the file's first line does.
    """
    ends = [_end_of(line) for line in source.lines]
    usual = ends[0] if ends and ends[0] else "\n"
    if set(ends) <= {usual, ""}:
        return text if usual == "\n" else text.replace("\n", usual)
    new = split_lines(text)
    found = {
        after + n: ends[before + n]
        for before, after, size in _same(split_lines(source.plain), new)
        for n in range(size)
    }
    bare = (line.removesuffix("\n") for line in new)
    last = len(new) - 1
    own = (
        found.get(n) or (usual if n < last or line.endswith("\n") else "")
        for n, line in enumerate(new)
    )
    return "".join(chain.from_iterable(zip(bare, own, strict=True)))


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _same(before: tuple[str, ...], after: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """The stretches of equal lines: where they begin in both, and how many."""
    return [tuple(m) for m in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()]  # type: ignore[misc]
