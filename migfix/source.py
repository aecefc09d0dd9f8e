"""A Python file as bytes, text and tree, with what is needed to write it back byte for byte."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeAlias


def tree_of(data: bytes) -> ast.Module | None:
    """The tree of a neighbour; None for one that cannot be parsed."""
    try:
        return neighbour(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def neighbour(data: str | bytes) -> ast.Module:
    """The tree of a file, be it in a newer Python's syntax. Raises what ``ast.parse`` does.

    ``except A, B:`` is ``except (A, B):`` since Python 3.14 (https://peps.python.org/pep-0758/). Places stay.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(data)
        except SyntaxError as error:
            if error.msg != _UNPARENTHESIZED:
                raise
            text = data if isinstance(data, str) else _decoded(data)
            return _as_written(*_with_parentheses(text, error)[1:])


def in_older_syntax(text: str) -> str:
    """The text as each Python reads it, on the same lines. Raises what ``ast.parse`` does."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        return _with_parentheses(text, error)[0]
    return text


_Places: TypeAlias = Mapping[int, Sequence[tuple[int, int]]]


def _with_parentheses(text: str, error: SyntaxError) -> tuple[str, ast.Module, _Places]:
    """The text with parentheses around such exceptions, its tree, and where they were put."""
    lines = list(split_lines(text))
    added: dict[int, list[tuple[int, int]]] = {}  # where the parentheses stand in a line, in bytes
    while True:
        at = (error.lineno or 1) - 1
        found = _EXCEPT.search(lines[at])
        if error.msg != _UNPARENTHESIZED or found is None:
            raise error
        before, types, after = found[1], found[2], found[3]
        start = lines[at][: found.start()] + before
        first = len(start.encode())
        added.setdefault(at + 1, []).append((first, first + 1 + len(types.encode())))
        lines[at] = f"{start}({types}){after}{lines[at][found.end():]}"
        text = "".join(lines)
        try:
            return text, ast.parse(text), added
        except SyntaxError as another:
            error = another


def _as_written(tree: ast.Module, added: _Places) -> ast.Module:
    """The tree with the columns that its nodes have without these parentheses."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.expr, ast.ExceptHandler)):
            node.col_offset -= _added_before(node.lineno, node.col_offset, added)
            if node.end_lineno is not None and node.end_col_offset is not None:
                node.end_col_offset -= _added_before(node.end_lineno, node.end_col_offset, added)
    return tree


def _added_before(line: int, column: int, added: _Places) -> int:
    return sum(column > each for pair in added.get(line, ()) for each in pair)


_UNPARENTHESIZED = "multiple exception types must be parenthesized"
_EXCEPT = re.compile(r"(\bexcept\s*\*?\s*)((?:[\w.]+\s*,\s*)+[\w.]+)(\s*:)")


def _decoded(data: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.removeprefix(BOM).decode(encoding.removesuffix("-sig"))


@lru_cache(maxsize=16)
def nodes_of(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Every node once for all who look through one file after the other."""
    return tuple(nodes_in(tree))


def nodes_in(root: ast.AST) -> list[ast.AST]:
    """``ast.walk`` at once, in its order and in half its time, without ``Load`` and ``Store``."""
    found = [root]
    for node in found:
        found += children(node)
    return found


def children(node: ast.AST) -> list[ast.AST]:
    """``ast.iter_child_nodes`` without ``Load`` and ``Store``, which are one object for all names."""
    found: list[ast.AST] = []
    for name in _PARTS[type(node)]:
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += value
        elif isinstance(value, ast.AST):
            found.append(value)
    if isinstance(node, _WITH_GAPS):
        return [*filter(None, found)]
    return found


# In whose lists None stands for what is left out, and text for a name.
_WITH_GAPS = (ast.Dict, ast.arguments)


class _Parts(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each class of nodes that may hold other nodes."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        named = () if kind in (ast.Global, ast.Nonlocal) else kind._fields
        self[kind] = tuple(name for name in named if name not in _WITHOUT_NODES)
        return self[kind]


# https://docs.python.org/3/library/ast.html#abstract-grammar
_WITHOUT_NODES = frozenset(
    "arg attr asname conversion ctx id is_async kind kwd_attrs level module rest simple type_comment".split()
)
_PARTS = _Parts()


def last_name(node: ast.AST) -> str:
    """``post_save`` of ``signals.post_save`` and of ``post_save``; nothing of what is no such name."""
    name = getattr(node, "attr", getattr(node, "id", ""))
    return name if isinstance(name, str) else ""


BOM = b"\xef\xbb\xbf"
TOO_DEEP = "its expressions or blocks are nested too deeply to be followed"


class UnreadableSource(Exception):
    """The file is not Python that this interpreter can read; the message says where and why."""


@dataclass(frozen=True)
class Source:
    """A file's bytes and how they were decoded. Build it with ``Source.of``."""

    path: Path
    data: bytes
    encoding: str
    text: str  # newlines as in the file, no byte order mark

    @classmethod
    def of(cls, path: Path, data: bytes) -> Source:
        """Decode as Python does (PEP 263). Raises ``UnreadableSource``."""
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.removeprefix(BOM).decode(encoding.removesuffix("-sig"))
        except (SyntaxError, UnicodeDecodeError, LookupError) as error:
            raise UnreadableSource(f"cannot be decoded: {error}") from error
        return cls(path, data, encoding.removesuffix("-sig"), text)

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree. Raises ``UnreadableSource`` with line and column."""
        try:
            return parsed(self.text)
        except SyntaxError as error:
            running = f"{sys.version_info.major}.{sys.version_info.minor}"
            place = f"line {error.lineno}, column {error.offset}: " if error.lineno else ""
            raise UnreadableSource(
                f"{place}{error.msg} "
                f"(read by Python {running}; if the file is for a newer one, run migfix with that)"
            ) from error
        except ValueError as error:
            raise UnreadableSource(f"cannot be parsed: {error}") from error
        except (RecursionError, MemoryError) as error:  # the parser's own stack, since Python 3.9
            raise UnreadableSource(TOO_DEEP) from error

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return split_lines(self.text)

    @cached_property
    def plain(self) -> str:
        """The text with line feeds alone, as the parser and ``tokenize`` see it."""
        return _plain(self.text)

    @cached_property
    def rows(self) -> tuple[tuple[int, int], ...]:
        """The logical lines: the first line of each from 0, and the one after its last.

        Several statements may share one, and a backslash or an open bracket carries it on.
        https://docs.python.org/3/reference/lexical_analysis.html#line-structure
        """
        return tuple(logical_lines(self.plain))

    @cached_property
    def lines_in_strings(self) -> frozenset[int]:
        """The lines, from 0, that begin inside of a string."""
        return frozenset(_lines_in_strings(self.plain))

    def encoded(self, text: str) -> bytes:
        """``text`` as this file would hold it. Raises ``UnicodeEncodeError``."""
        bom = BOM if self.data.startswith(BOM) else b""
        return bom + text.encode(self.encoding)

    def column(self, node: ast.stmt | ast.expr) -> int:
        """The node's column in characters, from 1 (``ast`` counts UTF-8 bytes from 0)."""
        line = self.lines[node.lineno - 1].encode()
        return len(line[: node.col_offset].decode()) + 1

    def segment(self, node: ast.expr) -> str:
        """The node's own text on one line: no comments, no line breaks of its own layout."""
        text = self.written(node)
        return text if "\n" not in text and "\r" not in text else flattened(text)

    def written(self, node: ast.expr) -> str:
        """The text of the place that the node has, as it stands there."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        lines = self.lines[node.lineno - 1 : node.end_lineno]
        data, last = "".join(lines).encode(), lines[-1].encode()
        # ast.get_source_segment() would split the whole file each time.
        return data[node.col_offset : len(data) - len(last) + node.end_col_offset].decode()


def parsed(text: str) -> ast.Module:
    """The tree of a whole file, without the warnings that its own author is to see."""
    return neighbour(text)


def parsed_expression(text: str) -> ast.expr:
    """The tree of one expression."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, mode="eval").body


def shape(node: ast.AST) -> tuple[Hashable, ...]:
    """What tells apart two trees that do not mean the same, as ``ast.dump`` does, at any depth."""
    found: list[Hashable] = []
    waiting: list[object] = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.AST):
            found.append(type(each).__name__)
            waiting += [getattr(each, name, None) for name in each._fields]
        elif isinstance(each, list):
            found.append(len(each))
            waiting += each
        else:
            assert isinstance(each, Hashable)
            found.append((type(each).__name__, each))
    return tuple(found)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tokens_of(text: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens of a whole file or of statements cut out of one."""
    return tokenize.generate_tokens(io.StringIO(_plain(text)).readline)


@lru_cache(maxsize=8)
def _all_tokens(text: str) -> tuple[tokenize.TokenInfo, ...]:
    """The same at once: a file that is rewritten is looked through for several things."""
    return tuple(tokens_of(text))


def logical_lines(text: str) -> Iterator[tuple[int, int]]:
    """See ``Source.rows``."""
    first: int | None = None
    for token in _all_tokens(text):
        if token.type == tokenize.NEWLINE and first is not None:
            yield first, token.end[0] if token.string else token.start[0]
            first = None
        elif first is None and token.type not in _BETWEEN_LINES:
            first = token.start[0] - 1


def _lines_in_strings(text: str) -> Iterator[int]:
    depth: list[int] = []
    for token in _all_tokens(text):
        name = tokenize.tok_name[token.type]
        if token.type == tokenize.STRING:
            yield from range(token.start[0], token.end[0])
        elif name.endswith("STRING_START"):  # of f-strings, since Python 3.12
            depth.append(token.start[0])
        elif name.endswith("STRING_END"):
            yield from range(depth.pop(), token.end[0])


_BETWEEN_LINES = frozenset(
    {
        tokenize.NL,
        tokenize.COMMENT,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.NEWLINE,
        tokenize.ENDMARKER,
    }
)


def comments_in(text: str) -> list[str]:
    """The comments of a whole file or of statements cut out of one, in order."""
    return [comment for _, comment in comments_at(text)]


def comments_at(text: str) -> list[tuple[int, str]]:
    """The same, each with the number of its line."""
    if "#" not in text:
        return []
    return [(t.start[0], t.string) for t in _all_tokens(text) if t.type == tokenize.COMMENT]


def split_lines(text: str) -> tuple[str, ...]:
    """Lines with their ends, split where Python splits them (not at form feeds)."""
    return tuple(io.StringIO(text, newline=""))


def shortened(text: str) -> str:
    """The text for a message: on one line, at most 60 characters, with ``...`` where it goes on."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def flattened(expression: str) -> str:
    """``expression`` without comments and line breaks between its tokens; strings are kept as they are."""
    text = _plain(expression)
    parts: list[str] = []
    previous: tokenize.TokenInfo | None = None
    skipped = (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(f"({text}\n)").readline):
        if token.type in skipped or not token.string:
            continue
        if previous is not None:
            parts.append(_gap(previous, token))
        parts.append(token.string)
        previous = token
    inner = "".join(parts).removeprefix("(").removesuffix(")").strip()
    return re.sub(r",\)$", ")", inner) if _ends_in_call(inner) else inner


def _gap(before: tokenize.TokenInfo, after: tokenize.TokenInfo) -> str:
    if before.end[0] == after.start[0]:
        return " " * (after.start[1] - before.end[1])
    if before.string in "([{" or after.string in ")]}." or before.string == ".":
        return ""
    return " "


def _ends_in_call(text: str) -> bool:
    return text.endswith(",)") and isinstance(parsed_expression(text), ast.Call)
