"""Python lines as HTML with classes for what they are made of."""

from __future__ import annotations

import builtins
import io
import keyword
import tokenize
from html import escape

_BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
_STRINGS = frozenset({"STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END"})


def lines_of(text: str) -> list[str]:
    """The HTML of each line of a file, without line ends."""
    lines = text.removesuffix("\n").split("\n") if text else []
    marks: list[list[tuple[int, int, str]]] = [[] for _ in lines]
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline):
            if (kind := _kind(token)) is not None:
                _mark(marks, token, kind)
    except (tokenize.TokenError, SyntaxError):  # shown as it is from there on
        pass
    return [_line(line, found) for line, found in zip(lines, marks, strict=True)]


def _kind(token: tokenize.TokenInfo) -> str | None:
    name = tokenize.tok_name[token.type]
    if name == "COMMENT":
        return "c"
    if name in _STRINGS:
        return "s"
    if name == "NUMBER":
        return "n"
    if name != "NAME":
        return None
    if keyword.iskeyword(token.string):
        return "k"
    return "b" if token.string in _BUILTINS else None


def _mark(marks: list[list[tuple[int, int, str]]], token: tokenize.TokenInfo, kind: str) -> None:
    (first, start), (last, end) = token.start, token.end
    for row in range(first, min(last, len(marks)) + 1):
        begin = start if row == first else 0
        stop = end if row == last else 1_000_000
        marks[row - 1].append((begin, stop, kind))


def _line(line: str, marks: list[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end, kind in sorted(marks):
        if start < at:
            continue
        parts.append(escape(line[at:start]))
        parts.append(f'<i class="{kind}">{escape(line[start:end])}</i>')
        at = min(end, len(line))
    return "".join([*parts, escape(line[at:])])
