"""What a migration may take: text that it prints and memory, neither without end."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress

_KEPT = 100_000  # characters
_SHARE = 2  # of the memory of the machine, by which it is divided


class Output(io.StringIO):
    """Keeps the beginning of what is written, and of all that follows its length and a digest."""

    def __init__(self) -> None:
        super().__init__()
        self._left = _KEPT
        self._more = 0
        self._digest = hashlib.sha256()

    def write(self, text: str) -> int:
        super().write(text[: self._left])
        more = text[self._left :]
        self._left -= len(text) - len(more)
        self._more += len(more)
        self._digest.update(more.encode(errors="surrogatepass"))
        return len(text)

    def getvalue(self) -> str:
        more = f"... and {self._more} more characters: {self._digest.hexdigest()}"
        return super().getvalue() + (more if self._more else "")


def limit_memory() -> None:
    """From now on this process gets no more than its share, and a MemoryError then; on Linux alone.

    RLIMIT_DATA counts what a process has of its own: getrlimit(2). Address space is no measure, of which
    libraries reserve much that they never use.
    """
    with suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        if os.uname().sysname != "Linux":
            return
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        share = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE
        if most == resource.RLIM_INFINITY or share < most:
            resource.setrlimit(resource.RLIMIT_DATA, (share, share))
