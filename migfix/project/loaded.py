"""What a project says of itself, set up by its own settings: facts that its source may leave open.

Whoever asked it (``migfix.verify.loading``) ran code of the project; here are only values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Heard:
    """A receiver that hears historical models: of which ``signal``, its dotted name, where it is written, and the
    lines that were running when it was connected.
    """

    signal: str
    name: str
    file: str
    line: int
    connected: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """By the ``settings`` of the project at ``root``.

    ``models``: the settings that name a model. ``packages``: the folder of each app's migrations, None where it has
    none. ``written``: the texts of migrations by "label.name", as they are once they are imported; ``undecided``: what
    others ask as they are imported, that may be otherwise elsewhere. ``modules``: the files of what is loaded.
    ``ready``: the ``ready()`` that have run, by file and class. ``heard``: all receivers that hear historical models.
    ``patched``: the methods of Django's classes that are not Django's. ``classes``: what field classes descend from.
    ``refused``: what it wanted to do and was not let.
    """

    settings: str
    root: Path
    models: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str | None] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    undecided: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    ready: frozenset[tuple[str, str]] = frozenset()
    heard: tuple[Heard, ...] = ()
    patched: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refused: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The settings, with what was not as it would be elsewhere, for people."""
        not_let = f" (it {self.refused[0]}, which it was not let do)" if self.refused else ""
        return f"{self.settings}{not_let}"
