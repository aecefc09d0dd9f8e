"""Asks a project, set up by its own settings in a process of its own, what its source leaves open.

An answer is kept with all that it may depend on: every file of the project and what else was read, packages, the
environment.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migfix.cache import prepare, surroundings
from migfix.disk.stamps import digest, stamp_of
from migfix.project.loaded import Heard, Loaded
from migfix.verify.processes import Failed, Processes, ended
from migfix.verify.sandbox import sandbox
from migfix.verify.servers import SQLITE
from migfix.verify.unfinished import installed_for, stamps
from migfix.verify.worker.databases import PREFIX
from migfix.verify.worker.job import Project
from migfix.verify.worker.question import Answered, Question

_LARGEST = 2**28


class CannotLoad(Exception):
    """The project cannot be set up by these settings; the message is one line that says why and where."""


@dataclass(frozen=True)
class Asking:
    """Which project, by which settings, with which interpreter; ``path``: the folders to import from.

    ``kept``: the folder for answers, None to keep none.
    """

    settings: str
    root: Path
    path: Sequence[str]
    python: str | None = None
    timeout: float = 60.0
    kept: Path | None = None
    in_sandbox: bool = False

    def loaded(self) -> Loaded:
        """What the project says. Raises CannotLoad, and SettingsError where no sandbox can be had."""
        file = self._kept_file()
        text = _still_true(file) if file is not None else None
        if text is None:
            text = self._asked()
            if file is not None:
                _keep(file, text)
        return _facts(text, self)

    def _asked(self) -> str:
        processes = Processes(self.python, self.timeout, with_environment=True)
        if not self.in_sandbox:
            return self._answer(processes)
        with sandbox(SQLITE) as processes.sandbox:
            return self._answer(processes)

    def _answer(self, processes: Processes) -> str:
        folder = Path(tempfile.mkdtemp(prefix="migfix-load-", dir=processes.folder)).resolve()
        answer = folder / "answer.json"
        try:
            (folder / "tmp").mkdir()
            database = {**SQLITE, "NAME": f"{PREFIX}none"}
            project = Project(self.settings, [*self.path], database, str(folder))
            Question(project, str(answer)).write(folder / "question.json")
            code, errors = processes.run(["load", str(folder / "question.json")], folder)
            if code or not answer.is_file():
                raise CannotLoad(f"{self._named}: {ended(code, errors)}")
            if answer.stat().st_size > _LARGEST:
                raise CannotLoad(f"{self._named}: the answer of its process is too large")
            return answer.read_text()
        except Failed as error:
            raise CannotLoad(f"{self._named}: {error}") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _named(self) -> str:
        return f"--settings {self.settings}"

    def _kept_file(self) -> Path | None:
        installed = installed_for(self.python)
        if self.kept is None or installed == []:
            return None
        about = [
            self.settings,
            [*self.path],
            self.python,
            installed,
            *surroundings(),
            sorted(os.environ.items()),
            [*stamps([str(self.root), *self.path])],
        ]
        return self.kept / f"loaded-{digest(json.dumps(about).encode())}.json"


def _still_true(file: Path) -> str | None:
    """The answer that is kept in a file, if all that was read for it is as it was."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        kept = json.loads(file.read_text())
        text = str(kept["answer"])
        if kept["digest"] == digest(text.encode()) and all(
            stamp_of(path) == stamp for path, stamp in kept["read"]
        ):
            return text
    return None


def _keep(file: Path, text: str) -> None:
    """One that says why it cannot be had is not kept: what is missing may be installed the next time."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        read = json.loads(text)["facts"]["opened"]
        prepare(str(file.parent))
        kept = {
            "answer": text,
            "digest": digest(text.encode()),
            "read": [[path, stamp_of(path)] for path in read],
        }
        temporary = file.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(kept))
        temporary.replace(file)


def _elsewhere(problem: str, question: Asking) -> str:
    """What helps where a package is missing: migfix need not be installed beside those of the project."""
    if question.python is not None or "ModuleNotFoundError" not in problem:
        return ""
    return f". Asked was {sys.executable}; --python PATH names the one with the project's packages"


def _facts(text: str, question: Asking) -> Loaded:
    """Raises CannotLoad."""
    settings = question.settings
    try:
        found: dict[str, Any] = json.loads(text)
        if problem := found.get("problem"):
            raise CannotLoad(f"--settings {settings}: {problem}{_elsewhere(problem, question)}")
        told = Answered.of(found["facts"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CannotLoad(f"--settings {settings}: the answer of its process is none") from None
    return Loaded(
        settings=settings,
        root=question.root,
        models=told.models,
        packages=told.packages,
        written=told.written,
        undecided=told.undecided,
        modules=told.modules,
        ready=frozenset(told.ready),
        heard=tuple(
            Heard(each.signal, each.name, each.file, each.line, tuple(each.connected))
            for each in told.heard
        ),
        patched=tuple(told.patched),
        refused=tuple(told.refused),
        classes={name: tuple(above) for name, above in told.classes.items()},
    )
