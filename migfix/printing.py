"""Bytes to a stream of the user's."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def write(stream: TextIO, content: bytes) -> None:
    """All of it, or as much as its reader wants to see."""
    rest = memoryview(content)
    try:
        stream.flush()
        while rest:  # unbuffered, as with PYTHONUNBUFFERED, one write may not take it all
            rest = rest[stream.buffer.write(rest) or 0 :]
        stream.flush()
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
