"""What is asked of a project that is set up by its own settings, and what it answers: the record of both sides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from migfix.verify.worker.job import Project


@dataclass(frozen=True)
class Question:
    """The project to set up, and the file to write the answer to."""

    project: Project
    answer: str

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> Question:
        given: dict[str, Any] = json.loads(file.read_text())
        return cls(Project(**given["project"]), given["answer"])


@dataclass(frozen=True)
class Heard:
    """A receiver that hears signals of every class: the ``signal``, the receiver's dotted name, file and first line,
    and the lines (file, number) that were running when it was connected.
    """

    signal: str
    name: str
    file: str
    line: int
    connected: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Answered:
    """What a project says of itself.

    ``models``: the settings that name a model, as AUTH_USER_MODEL does. ``packages``: the folder of the migrations of
    each app, None where the settings say that it has none. ``written``: the text of each migration that could be
    written out, by "label.name"; ``undecided``: why the operations of others may be others elsewhere. ``modules``: the
    file of each module that is loaded. ``ready``: the classes, as file and name, whose ``ready()`` has run.
    ``heard``: the receivers that hear historical models; ``patched``: what is changed of Django's classes.
    ``classes``: of each field class that is not Django's, what it descends from, nearest first. ``opened``: the files outside of Python's own that were read meanwhile; ``refused``: the programs that it was not let start.
    """

    models: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str | None] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    undecided: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    ready: list[tuple[str, str]] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    patched: list[str] = field(default_factory=list)
    classes: dict[str, list[str]] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps({"facts": asdict(self)})

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Answered:
        """Of the "facts" in JSON. Raises TypeError, ValueError or KeyError for what is no answer."""
        heard = [
            Heard(**{**each, "connected": [(str(f), int(n)) for f, n in each["connected"]]})
            for each in given["heard"]
        ]
        ready = [(str(file), str(name)) for file, name in given["ready"]]
        found = cls(**{**given, "heard": heard, "ready": ready})
        for each in (found.models, found.written, found.undecided, found.modules):
            _are(str, [*each, *each.values()])
        _are(str, [*found.packages, *(v for v in found.packages.values() if v is not None)])
        _are(str, [*found.patched, *found.opened, *found.refused])
        _are(str, [each for name, above in found.classes.items() for each in (name, *above)])
        for one in found.heard:
            _are(str, [one.signal, one.name, one.file])
            _are(int, [one.line])
        return found


def _are(kind: type, values: list[Any]) -> None:
    if not all(type(value) is kind for value in values):
        raise TypeError("it holds something else")
