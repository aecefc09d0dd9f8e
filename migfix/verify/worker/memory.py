"""The peak of this process's memory while something runs."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc/self")


class MemoryPeak:
    """``bytes``: by how much the resident memory grew at most from the enter to the exit.

    On Linux exactly; on other systems the peak of the whole process's life, as far as it grew; 0 where
    there is neither.
    """

    bytes = 0

    def __enter__(self) -> MemoryPeak:
        with suppress(OSError):
            (_PROC / "clear_refs").write_text("5")  # proc(5): resets the peak
        self._start = _now()
        return self

    def __exit__(self, *error: object) -> None:
        self.bytes = max(_peak() - self._start, 0)


def _status(name: str) -> int | None:
    with suppress(OSError):
        found = re.search(rf"{name}:\s+(\d+) kB", (_PROC / "status").read_text())
        return int(found[1]) * 1024 if found else None
    return None


def _now() -> int:
    current = _status("VmRSS")
    return _peak() if current is None else current


def _peak() -> int:
    if (found := _status("VmHWM")) is not None:
        return found
    with suppress(ImportError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2) of each
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 0
