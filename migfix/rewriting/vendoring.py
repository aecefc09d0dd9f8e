"""Where the helper stands beside a project's migrations, and whether to put it there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from migfix.findings import FileEdit

_HELPER = Path(__file__).resolve().parent.parent / "runtime" / "helper.py"


@dataclass(frozen=True, slots=True)
class HelperPlace:
    """The module as a migration in the same folder imports it, and its file."""

    module: str
    path: Path
    present: bool

    def edit(self) -> FileEdit | None:
        """What to write before the migration; None where the helper is there already."""
        return None if self.present else FileEdit(self.path, None, _HELPER.read_bytes())


def helper_place(folder: Path) -> HelperPlace:
    """The helper's place in a migrations folder.

    Django's loader skips modules whose name starts with an underscore. A file of that name which is
    not exactly ours (an older or edited copy, someone else's module) stays as it is: migrations
    that ran depend on it. The helper then gets the next free name.
    """
    for number in count(1):
        name = "_migfix" if number == 1 else f"_migfix_{number}"
        path = folder / f"{name}.py"
        if not path.exists():
            return HelperPlace(f".{name}", path, present=False)
        if path.read_bytes().replace(b"\r\n", b"\n") == _HELPER.read_bytes():
            return HelperPlace(f".{name}", path, present=True)
    raise AssertionError("count() does not end")
