"""What the worker is told: one version of one migration, and on what data and database it is to run."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What a server of forks says: a number on a job's channel, and what came of its set-up.
NUMBER = struct.Struct("!i")
READY, ALONE = "ready", "alone"


@dataclass(frozen=True)
class Project:
    """What is set up before a job is done, or once for many: the module of its ``settings``, None where it runs
    without, the folders to import from, and the database and folder that it has while it is set up.
    """

    settings: str | None
    path: list[str]
    database: dict[str, Any]
    folder: str

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(vars(self)))

    @classmethod
    def read(cls, file: Path) -> Project:
        return cls(**json.loads(file.read_text()))


@dataclass(frozen=True)
class Job:
    """The ``number``-th RunPython of the migration ``module`` of an app, forwards or in ``reverse`` as well.

    ``sources``: path and text by dotted name, of the modules that the version has in its own form; ``path``: the
    folders to import others from; ``functions``: the first lines of those that may run, by file.
    ``settings`` names the project's settings module, None where it runs without; then ``written_models`` is
    the source of its models, and ``model_settings`` what AUTH_USER_MODEL and its like name.
    ``models``: those that get rows, None for all. ``rounds``: what the other version ran on, to be repeated;
    None to make rows by ``seed``, ``rows`` and the literals in ``constants``.
    ``database`` is an entry of DATABASES, ``folder`` where the process may write, ``answer`` the file to write to.
    """

    module: str
    app_label: str
    number: int
    reverse: bool
    sources: dict[str, tuple[str, str]]
    path: list[str]
    functions: dict[str, list[int]]
    constants: str
    seed: int
    rows: int
    settings: str | None = None
    model_settings: dict[str, str] = field(default_factory=dict)
    written_models: str | None = None
    models: list[tuple[str, str]] | None = None
    rounds: list[dict[str, Any]] | None = None
    database: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    answer: str = ""

    @property
    def project(self) -> Project:
        return Project(self.settings, self.path, self.database, self.folder)

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(vars(self)))

    @classmethod
    def read(cls, file: Path) -> Job:
        """Raises ValueError or TypeError for a file that holds no job."""
        given: dict[str, Any] = json.loads(file.read_text())
        sources = {name: tuple(source) for name, source in given.pop("sources").items()}
        models = given.pop("models")
        return cls(**given, sources=sources, models=models and [tuple(key) for key in models])
