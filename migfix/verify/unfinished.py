"""What a run that was interrupted has seen, kept as it comes, for the next one of which all is the same.

A verdict depends on more than the two versions of a migration: on what they import, on packages, settings and the
environment. All of these are stamped; a run that comes to its end keeps nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from migfix.cache import prepare, surroundings
from migfix.disk.stamps import digest, stamp_of
from migfix.verify.proofs import Proof

_LEFT_OUT = {"__pycache__", "node_modules"}


class Unfinished:
    """``proofs`` are those of earlier runs by the digests of their tasks; ``keep()`` adds one at once."""

    def __init__(self, folder: Path, about: object, projects: Iterable[str]) -> None:
        """``about`` is what the run was asked for, ``projects`` the folders of which it may import something."""
        said = [about, *surroundings(), sorted(os.environ.items()), [*stamps(projects)]]
        self._file = folder / f"verify-{digest(json.dumps(said).encode())}.jsonl"
        self.proofs: dict[str, Proof] = {}
        with suppress(OSError):
            for line in self._file.read_bytes().splitlines():
                with suppress(ValueError, KeyError, TypeError, AttributeError):  # was cut off
                    kept = json.loads(line)
                    self.proofs[kept["task"]] = _read(Proof, kept["proof"])

    def keep(self, task: str, proof: Proof) -> None:
        """Where that cannot be done, the next run does the work again."""
        line = json.dumps({"task": task, "proof": asdict(proof)}, default=_text)
        with suppress(OSError):
            prepare(str(self._file.parent))
            with self._file.open("a") as file:
                file.write(f"\n{line}\n")  # behind one that was cut off

    def forget(self) -> None:
        """The run has come to its end."""
        with suppress(OSError):
            self._file.unlink()


def _text(value: Path | Enum) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def stamps(projects: Iterable[str]) -> Iterator[tuple[str, list[int] | None]]:
    """Of every file of these folders, but for what is hidden away in folders: tools keep things there."""
    for project in sorted(set(projects)):
        for folder, folders, names in os.walk(project):
            folders[:] = sorted(
                each for each in folders if each[0] != "." and each not in _LEFT_OUT
            )
            for name in sorted(names):
                path = os.path.join(folder, name)
                yield path, stamp_of(path)


def _read(kind: Any, value: Any) -> Any:
    """What stands for a value of this type in JSON. Raises ValueError, KeyError or TypeError where that is none."""
    if isinstance(kind, UnionType):  # with None
        (kind,) = (each for each in get_args(kind) if each is not type(None))
        return None if value is None else _read(kind, value)
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], each) for each in value)
    if is_dataclass(kind):
        return _made(kind, value)
    if issubclass(kind, (Path, Enum, float)):
        return kind(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _made(kind: Any, value: Any) -> Any:
    hints = get_type_hints(kind)
    return kind(**{each.name: _read(hints[each.name], value[each.name]) for each in fields(kind)})


def installed_for(python: str | None) -> list[object] | None:
    """The folders of packages of an interpreter, stamped; None where it is ours, whose path is known."""
    if python is None:
        return None
    root = Path(python).parent.parent
    return [
        [str(each), stamp_of(str(each))] for each in sorted(root.glob("lib*/python*/*-packages"))
    ]
