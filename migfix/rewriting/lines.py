"""Edits of source lines in place, whose number stays the same: what was read keeps its line numbers."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from migfix.source import Source, split_lines


class RewriteError(Exception):
    """The new text is not what was meant: a bug of migfix. The file stays as it was."""


def line_range(statement: ast.stmt) -> tuple[int, int]:
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(d.lineno for d in decorators)]) - 1
    return first, statement.end_lineno or statement.lineno


def replace(lines: list[str], replaced: Mapping[ast.expr, str | None]) -> None:
    """Replace expressions in the lines, whose number stays the same."""
    for node in sorted(replaced, key=_start, reverse=True):
        (top, left), (bottom, right) = _span(node, lines)
        text = replaced[node]
        if text is None:
            assert isinstance(node, ast.Call)
            text = _argument(node, lines)
        rest = lines[bottom][right:]
        lines[top : bottom + 1] = [lines[top][:left] + text + rest, *[""] * (bottom - top)]


def _argument(call: ast.Call, lines: Sequence[str]) -> str:
    """The call's only argument as written; in the call's parentheses where it has several lines."""
    _, before = _span(call.func, lines)
    start, end = _span(call.args[0], lines)
    _, after = _span(call, lines)
    if before[0] == after[0]:
        return _between(lines, start, end)
    without_comma = re.sub(r"^(\s*),", r"\1", _between(lines, end, after))
    return _between(lines, before, end) + without_comma


_Place: TypeAlias = tuple[int, int]


def _start(node: ast.expr) -> _Place:
    return node.lineno, node.col_offset


def _span(node: ast.expr, lines: Sequence[str]) -> tuple[_Place, _Place]:
    """Where the node begins and ends: line and character, both from 0."""
    assert node.end_lineno is not None and node.end_col_offset is not None
    top, bottom = node.lineno - 1, node.end_lineno - 1
    left = len(lines[top].encode()[: node.col_offset].decode())
    return (top, left), (bottom, len(lines[bottom].encode()[: node.end_col_offset].decode()))


def _between(lines: Sequence[str], first: _Place, last: _Place) -> str:
    """The text between two places, comments and line breaks included."""
    (top, left), (bottom, right) = first, last
    if top == bottom:
        return lines[top][left:right]
    return "".join([lines[top][left:], *lines[top + 1 : bottom], lines[bottom][:right]])


def drop(lines: list[str], statements: Iterable[ast.stmt]) -> None:
    """Leave nothing but the comments of these statements. Raises ``RewriteError``."""
    for statement in statements:
        first, last = line_range(statement)
        lines[first:last] = _comments_of(lines[first:last])
        if not "".join(lines[first:last]):
            _close_gap(lines, first, last, statement.col_offset)


def _close_gap(lines: list[str], first: int, last: int, depth: int) -> None:
    """Take away the blank lines that parted a statement, now gone, from its neighbours."""
    above = next((n for n in range(first, 0, -1) if lines[n - 1].strip()), 0)
    below = next((n for n in range(last, len(lines)) if lines[n].strip()), len(lines))
    ends = below == len(lines) or not lines[below][:depth].isspace()
    if lines[above - 1].rstrip().endswith(":"):
        lines[above:below] = [""] * (below - above)
    elif ends or any(lines[last:below]):
        lines[above:first] = [""] * (first - above)


def _comments_of(lines: Sequence[str]) -> list[str]:
    """``# why`` of ``rows = []  # why``, as deep as the statement; raises where it shares its lines."""
    comments = [""] * len(lines)
    depth = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    text = "".join(lines).strip()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.OP and token.string == ";":
            raise RewriteError("a statement to drop shares its line with others")
        if token.type == tokenize.COMMENT:
            end = lines[token.start[0] - 1][len(lines[token.start[0] - 1].rstrip("\r\n")) :]
            comments[token.start[0] - 1] = f"{depth}{token.string}{end}"
    return comments


def put_in_blocks(
    lines: list[str], headers: Mapping[ast.For | ast.AsyncFor, str], source: Source
) -> None:
    """Put each loop below its header, one step deeper; comments above the loop stay above."""
    inside = set(_lines_in_strings(source.text)) if headers else set()
    for loop, header in headers.items():
        first, last = line_range(loop)
        indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
        step = _step(loop, indent, source)
        last = _end_of_comments(source.lines, last, indent)
        for number in range(first, last):
            if number not in inside:
                lines[number] = _deeper(lines[number], step)
        above = "".join(f"{indent}{line}{source.newline}" for line in header.splitlines())
        lines[first] = above + lines[first]


def _end_of_comments(lines: Sequence[str], last: int, indent: str) -> int:
    """Where the comments end that stand below the last statement of a loop and are as deep."""
    for number in range(last, len(lines)):
        text = lines[number].lstrip()
        depth = lines[number][: len(lines[number]) - len(text)]
        if text.startswith("#") and depth.startswith(indent) and depth != indent:
            last = number + 1
        elif text:
            break
    return last


def _step(loop: ast.For | ast.AsyncFor, indent: str, source: Source) -> str:
    """By what the file indents the body of the loop."""
    statement = loop.body[0]
    line = source.lines[statement.lineno - 1]
    deeper = line[: len(line) - len(line.lstrip())].removeprefix(indent)
    return deeper if statement.lineno > loop.lineno and deeper else "    "


def _deeper(text: str, step: str) -> str:
    return "".join(step + line if line.strip() else line for line in split_lines(text))


def _lines_in_strings(text: str) -> Iterable[int]:
    """The lines, from 0, that begin inside of a string."""
    depth: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if token.type == tokenize.STRING:
            yield from range(token.start[0], token.end[0])
        elif name.endswith("STRING_START"):  # of f-strings, since Python 3.12
            depth.append(token.start[0])
        elif name.endswith("STRING_END"):
            yield from range(depth.pop(), token.end[0])
