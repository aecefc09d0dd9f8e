"""A Python file as bytes, text and tree, with what is needed to write it back byte for byte."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

BOM = b"\xef\xbb\xbf"


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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                return ast.parse(self.text)
        except SyntaxError as error:
            running = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise UnreadableSource(
                f"line {error.lineno}, column {error.offset}: {error.msg} "
                f"(read by Python {running}; if the file is for a newer one, run migfix with that)"
            ) from error
        except (ValueError, RecursionError) as error:
            raise UnreadableSource(f"cannot be parsed: {error}") from error

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return split_lines(self.text)

    @property
    def newline(self) -> str:
        match = re.search("\r\n|\n|\r", self.text)
        return match[0] if match else "\n"

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
        assert node.end_lineno is not None and node.end_col_offset is not None
        lines = self.lines[node.lineno - 1 : node.end_lineno]
        data, last = "".join(lines).encode(), lines[-1].encode()
        # ast.get_source_segment() would split the whole file each time.
        text = data[node.col_offset : len(data) - len(last) + node.end_col_offset].decode()
        return text if "\n" not in text and "\r" not in text else flattened(text)


def split_lines(text: str) -> tuple[str, ...]:
    """Lines with their ends, split where Python splits them (not at form feeds)."""
    return tuple(io.StringIO(text, newline=""))


def shortened(text: str) -> str:
    """The text for a message: on one line, at most 60 characters, with ``...`` where it goes on."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def flattened(expression: str) -> str:
    """``expression`` without comments and line breaks between its tokens; strings are kept as they are."""
    text = expression.replace("\r\n", "\n").replace("\r", "\n")
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
    return text.endswith(",)") and isinstance(ast.parse(text, mode="eval").body, ast.Call)
