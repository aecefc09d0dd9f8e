"""The helper that migfix puts beside migrations, as a module of a project."""

from __future__ import annotations

from pathlib import Path

from migfix.files import Files
from migfix.reading.module import Module

HELPER = Path(__file__).parent.parent / "runtime" / "helper.py"


def is_helper(data: bytes, files: Files) -> bool:
    """Is it exactly what migfix writes, but for line ends? Of an edited copy nothing is known."""
    return data.replace(b"\r\n", b"\n") == files.read(HELPER)


def holds_helper(module: Module) -> bool:
    """Is the module the helper?"""
    return module.library is not None and is_helper(module.source.data, module.library.files)
