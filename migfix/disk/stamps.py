"""How to tell that a file or a folder is as it was, in few bytes. Imports little, as every run begins here."""

from __future__ import annotations

import os

try:  # hashlib would load OpenSSL
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

CACHE_FOLDER = ".migfix_cache"


def stamp_of(path: str) -> list[int] | None:
    """What changes when a file does, or the names in a folder; None for what is not there."""
    try:
        return stamp_from(os.stat(path))
    except (OSError, ValueError):
        return None


def stamp_from(found: os.stat_result) -> list[int]:
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]


def digest(data: bytes) -> str:
    return str(blake2b(data, digest_size=16).hexdigest())
