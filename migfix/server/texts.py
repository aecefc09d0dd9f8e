"""The text of an editor: the bytes that it would be saved as, and places in it as the client counts them."""

from __future__ import annotations

import io
import tokenize
from dataclasses import dataclass
from functools import cached_property

from lsprotocol.types import Position, PositionEncodingKind, Range

from migfix.disk.files import Unreadable
from migfix.source import BOM, split_lines

_MARK = "\ufeff"


def saved(text: str, before: bytes | Unreadable) -> bytes:
    """The bytes of a file that held ``before`` and is saved with this text.

    Editors show no byte order mark and keep it, and heed the encoding that the first lines name, as Python does.
    """
    data = text.encode("utf-8", "surrogatepass")
    if isinstance(before, bytes) and before.startswith(BOM) and not data.startswith(BOM):
        return BOM + data
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data if encoding.startswith("utf-8") else text.encode(encoding)
    except (SyntaxError, LookupError, UnicodeEncodeError):
        return data  # which Python will not read either


@dataclass(frozen=True)
class Places:
    """Lines of a text, split where Python and the protocol split them, and columns in the client's units."""

    text: str
    encoding: PositionEncodingKind | str

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return split_lines(self.text)

    def line(self, number: int) -> str:
        """The line of a number from 1, without its end."""
        return self.lines[number - 1].rstrip("\r\n") if 1 <= number <= len(self.lines) else ""

    def position(self, line: int, column: int) -> Position:
        """Line and column from 1, in characters; beyond the last line it is the end of the text."""
        if line > len(self.lines):
            return self.end
        before = self.line(line)[: column - 1 + self._mark(line)]
        return Position(line - 1, self._units(before))

    @property
    def end(self) -> Position:
        if not self.lines or self.lines[-1].endswith(("\n", "\r")):
            return Position(len(self.lines), 0)
        return Position(len(self.lines) - 1, self._units(self.lines[-1]))

    def column(self, position: Position) -> int:
        """The column of a position of the client, from 1."""
        line, units = self.line(position.line + 1), 0
        for at, character in enumerate(line):
            if units >= position.character:
                return at + 1
            units += self._units(character)
        return len(line) + 1

    def rest_of_line(self, line: int, column: int = 1) -> Range:
        """From a column to the last letter of the line."""
        end = len(self.line(line).rstrip()) + 1 - self._mark(line)
        return Range(self.position(line, column), self.position(line, max(end, column)))

    def stretch(self, first: int, last: int) -> Range:
        """Whole lines, from the first up to but not including the last."""
        return Range(self.position(first, 1), self.position(last, 1))

    def _mark(self, line: int) -> int:
        """The byte order mark that some editors show is no part of what Python reads."""
        return int(line == 1 and self.text.startswith(_MARK))

    def _units(self, text: str) -> int:
        match self.encoding:
            case PositionEncodingKind.Utf8:
                return len(text.encode("utf-8", "surrogatepass"))
            case PositionEncodingKind.Utf32:
                return len(text)
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
