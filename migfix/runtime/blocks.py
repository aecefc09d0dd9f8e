"""The rows as the driver gives them, in blocks of about a megabyte, and where they wait: a temporary file."""

from __future__ import annotations

import copyreg
import io
import pickle
from collections import deque
from contextlib import suppress
from copy import copy
from typing import IO, TYPE_CHECKING, Any

from migfix.runtime.head import _BLOCK_BYTES, _FIRST_BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def _fetch(cursor: Any, chunk_size: int) -> Iterator[Sequence[Any]]:
    """Yield blocks of driver rows, each of at most `chunk_size` rows and about _BLOCK_BYTES."""
    size = min(_FIRST_BLOCK, chunk_size)
    while block := cursor.fetchmany(size):
        size = min(chunk_size, size * 4, max(1, len(block) * _BLOCK_BYTES // _width(block)))
        yield block
        del block  # before the next one is fetched


def _width(block: Sequence[Any]) -> int:
    """Return about how many bytes a block takes, judging by some of its rows."""
    step = len(block) // 20 + 1
    return step * sum(32 + _size(value) for row in block[::step] for value in row) + 1


def _size(value: Any) -> int:
    if isinstance(value, (str, bytes, memoryview)):
        return len(value)
    if isinstance(value, dict):  # of hstore and json
        return _size([*value, *value.values()])
    return sum(32 + _size(item) for item in value) if isinstance(value, (list, tuple)) else 0


class _Spool:
    """
    Blocks of driver rows in a temporary file: all written, then read once.

    They hold what the driver gave, never instances: those of a historical model would come back as
    instances of the current one.
    """

    def __init__(self, file: IO[bytes], connection: Any) -> None:
        self._file = file
        self._unpicklable: deque[Sequence[Any]] = deque()  # rare: composite types of PostgreSQL
        self._reducers = {**copyreg.dispatch_table, memoryview: _reduce_memoryview}  # of psycopg2
        if lob := getattr(connection.Database, "LOB", None):  # of Oracle
            self._reducers[lob] = _reduce_lob

    def write(self, block: Sequence[Any]) -> None:
        try:
            self._file.write(self._pickled(block))
            self._file.flush()
        except OSError as error:
            with suppress(OSError):  # close() tries once more to write what did not fit
                self._file.close()
            hint = "writing the rows of this query: set TMPDIR or pass directory=..."
            raise OSError(error.errno, f"{error.strerror}, {hint}") from error

    def _pickled(self, block: Sequence[Any]) -> memoryview:
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = self._reducers
        try:
            pickler.dump(block)
        except (pickle.PicklingError, AttributeError, TypeError):
            self._unpicklable.append(block)
            buffer = io.BytesIO(pickle.dumps(None))
        return buffer.getbuffer()

    def read(self) -> Iterator[Sequence[Any]]:
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield pickle.load(self._file) or self._unpicklable.popleft()


def _reduce_memoryview(value: memoryview) -> Any:
    data = value.tobytes()
    if value.format == "B":
        return memoryview, (data,)
    return memoryview.cast, (memoryview(data), value.format)  # views differ if formats do


def _reduce_lob(value: Any) -> Any:
    # copy() returns the text or bytes themselves, which Django takes in place of a LOB.
    return copy, (value.read(),)
