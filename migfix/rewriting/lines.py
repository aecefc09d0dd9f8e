"""Edits of source lines in place, whose number stays the same: what was read keeps its line numbers.

Lines end with a line feed here, whatever the file has.
"""

from __future__ import annotations

import ast
import re
import tokenize
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from migfix.source import Source, comments_in, split_lines, tokens_of


class RewriteError(Exception):
    """The new text is not what was meant, for the reason given. The loop stays as it was."""


def line_range(statement: ast.stmt, rows: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The statement's first line, from 0, and the one after the last of its logical ``rows``."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(d.lineno for d in decorators)]) - 1
    last = statement.end_lineno or statement.lineno
    return first, max(last, row_of(last - 1, rows)[1])


def row_of(line: int, rows: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The logical line that holds the line."""
    at = bisect_right(rows, (line, len(rows) and rows[-1][1])) - 1
    if at < 0:
        raise RewriteError("a line belongs to no statement")
    return rows[at]


def end_with_comments(statement: ast.stmt, rows: Sequence[tuple[int, int]], last: int) -> int:
    """Where the lines end behind the statement that hold nothing but comments; before ``last`` at any rate."""
    end = line_range(statement, rows)[1]
    following = bisect_left(rows, (end, end))
    return min(rows[following][0], last) if following < len(rows) else last


_Said: TypeAlias = Mapping[int, Sequence[str]]


def replace(
    lines: list[str], replaced: Mapping[ast.expr, str | None], rows: Sequence[tuple[int, int]]
) -> _Said:
    """Replace expressions in the lines, whose number stays the same.

    Gives the comments that stood inside of these, by the first line of their logical line.
    """
    said: list[tuple[int, list[str]]] = []
    for node in sorted(replaced, key=_start, reverse=True):
        (top, left), (bottom, right) = _span(node, lines)
        text = replaced[node]
        if text is None:
            assert isinstance(node, ast.Call)
            text = _argument(node, lines)
        elif top != bottom:
            inside = _comments_between(lines, (top, left), (bottom, right))
            said.insert(0, (row_of(top, rows)[0], inside))
        rest = lines[bottom][right:]
        lines[top : bottom + 1] = [lines[top][:left] + text + rest, *[""] * (bottom - top)]
    by_line = groupby(said, key=lambda each: each[0])
    return {first: [c for _, some in each for c in some] for first, each in by_line}


def put_above(lines: list[str], said: _Said) -> None:
    """Let the comments stand on lines of their own above these, as deep as they are."""
    for first, comments in said.items():
        indent = indent_of(lines[first])
        lines[first] = "".join(f"{indent}{comment}\n" for comment in comments) + lines[first]


def put_first(lines: list[str], block: ast.ClassDef, text: str, source: Source) -> None:
    """Let a class begin with the line, below its docstring."""
    statement = block.body[0]
    below = block.lineno - 1
    if ast.get_docstring(block, clean=False) is not None:
        below = statement.lineno - 1
    elif statement.lineno == block.lineno:
        raise RewriteError("a class shares its line with what stands in it")
    last = row_of(below, source.rows)[1] - 1
    gap = "\n" if below != block.lineno - 1 else ""
    written = f"{gap}{indent_of(source.lines[statement.lineno - 1])}{text}\n"
    if last + 1 < len(source.lines) and source.lines[last + 1].strip():
        written += "\n"
    lines[last] += written


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t\f"))]


def _comments_between(lines: Sequence[str], first: _Place, last: _Place) -> list[str]:
    return comments_in(f"({_between(lines, first, last)}\n)")


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


def drop(lines: list[str], statements: Iterable[ast.stmt], rows: Sequence[tuple[int, int]]) -> None:
    """Leave nothing but the comments of these statements. Raises ``RewriteError``."""
    for statement in statements:
        first, last = line_range(statement, rows)
        lines[first:last] = _comments_of(lines[first:last])
        if not "".join(lines[first:last]):
            _close_gap(lines, first, last, statement.col_offset)


# What tells a tool something about the lines below it.
_DIRECTIVE = re.compile(r"#+\s*(\w+:|noqa\b|(end)?region\b)")


def comments_above(lines: list[str], statement: ast.stmt, source: Source) -> list[str]:
    """Take out the comments that stand right above the statement; none where one speaks to a tool."""
    first, _ = line_range(statement, source.rows)
    indent = indent_of(lines[first])
    top = first
    while lines[top - 1].startswith(f"{indent}#") and top - 1 not in source.lines_in_strings:
        top -= 1
    found = [line.strip() for line in lines[top:first]]
    if any(map(_DIRECTIVE.match, found)):
        return []
    lines[top:first] = [""] * len(found)
    return found


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
    depth = indent_of(lines[0])
    ended = False
    for token in tokens_of("".join(lines).lstrip()):  # a backslash needs the line behind it
        if token.type == tokenize.COMMENT:
            comments[token.start[0] - 1] = f"{depth}{token.string}\n"
        elif ended and token.string.strip():
            raise RewriteError("a statement that would go shares its line with others")
        ended = ended or (token.type == tokenize.OP and token.string == ";")
    return comments


def put_in_blocks(
    lines: list[str], headers: Mapping[ast.For | ast.AsyncFor, str], source: Source
) -> None:
    """Put each loop below its header, one step deeper; comments above the loop stay above."""
    for loop, header in headers.items():
        first, last = line_range(loop, source.rows)
        indent = indent_of(lines[first])
        step = step_of(loop, indent, source)
        last = _end_of_comments(source.lines, last, indent)
        for number in range(first, last):
            if number not in source.lines_in_strings:
                lines[number] = _deeper(lines[number], indent, step)
        above = "".join(f"{indent}{line}\n" for line in header.splitlines())
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


def step_of(loop: ast.For | ast.AsyncFor, indent: str, source: Source) -> str:
    """By what the file indents the body of the loop."""
    statement = loop.body[0]
    line = source.lines[statement.lineno - 1]
    deeper = line[: len(line) - len(line.lstrip())].removeprefix(indent)
    if statement.lineno > loop.lineno and deeper:
        return deeper
    return "\t" if indent.startswith("\t") else "    "


def _deeper(text: str, indent: str, step: str) -> str:
    """The lines with the step behind what the loop itself is indented by, as tabs and spaces may mix."""
    return "".join(
        (
            f"{indent}{step}{line[len(indent):]}"
            if line.startswith(indent)
            else step + line if line.strip() else line
        )
        for line in split_lines(text)
    )
