"""Where the documentation explains a code or a reason: a line of a file that is installed with migfix."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import migfix
from migfix.disk.files import Files

_PACKAGE = Path(migfix.__file__).parent
_FOLDERS = (_PACKAGE / "docs", _PACKAGE.parent / "docs")


@cache
def link_to(name: str) -> str | None:
    """The address of the entry; None where there is none."""
    for file, entry in (("codemods.md", f"## {name} "), ("reasons.md", f"| `{name}` |")):
        for folder in _FOLDERS:
            lines = Files().read_if_there(folder / file).decode().splitlines()
            number = next((n for n, line in enumerate(lines, 1) if line.startswith(entry)), None)
            if number is not None:
                return f"{(folder / file).as_uri()}#L{number}"
    return None
