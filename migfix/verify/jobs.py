"""What is to be run: each RunPython of a migration, and what it needs to run without its project."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migfix.history.files.migration import RunPythonCall
from migfix.history.state import ModelKey, ModelState, ProjectState, Unknown
from migfix.project.discovery import module_name, top_folder
from migfix.reading.names.module import Module
from migfix.source import Source, UnreadableSource
from migfix.verify.models import UnknownModel, Written, related, taken_for_user, written
from migfix.verify.worker.job import Job
from migfix.worlds import ProjectFacts

Sources = Mapping[Path, bytes]
"""The text of files by their resolved paths: those of one version."""


@dataclass(frozen=True)
class Span:
    """The lines of a function in a file."""

    path: Path
    first: int
    last: int


@dataclass(frozen=True)
class Run:
    """One RunPython of a migration: ``number`` counts those of the file.

    ``functions`` are the lines of all that it may run in the migration and in its helper modules;
    ``named`` the models that their source names.
    """

    path: Path
    module: str
    app_label: str
    number: int
    label: str
    reverse: bool
    functions: tuple[Span, ...]
    named: frozenset[ModelKey]
    state: ProjectState = field(repr=False, compare=False)
    facts: ProjectFacts = field(repr=False, compare=False)

    def runs(self, path: Path, line: int) -> bool:
        """May it run this line of a file?"""
        resolved = path.resolve()
        return any(s.path == resolved and s.first <= line <= s.last for s in self.functions)


class CannotTell(Exception):
    """What a migration runs cannot be read; the message is why."""


def runs_of(path: Path, before: Sources, facts: ProjectFacts) -> list[Run]:
    """The RunPythons of a migration as it was before. Raises CannotTell."""
    resolved = path.resolve()
    try:
        module = Module(Source.of(path, _text(resolved, before)), facts.library)
    except UnreadableSource as error:
        raise CannotTell(str(error)) from None
    migration = facts.project.migration(resolved)
    facts.history.provide(migration.path, module.source.data, module.source.tree)
    read = facts.history.source(migration)
    if isinstance(read, Unknown):
        raise CannotTell(read.why)
    return [
        _run(call, number, module, migration.app_label, before, facts)
        for number, call in enumerate(read.run_pythons)
    ]


def _text(path: Path, sources: Sources) -> bytes:
    return sources[path] if path in sources else path.read_bytes()


def _run(
    call: RunPythonCall,
    number: int,
    module: Module,
    app_label: str,
    before: Sources,
    facts: ProjectFacts,
) -> Run:
    reaches = facts.reached_by(call, module, lambda path: _text(path, before))
    state, named = facts.state_of(call, module, reaches)
    spans = [
        Span(reach.module.source.path.resolve(), node.lineno, node.end_lineno or node.lineno)
        for reach in reaches
        for node in reach.functions
    ]
    ways = [code for code in (call.code, call.reverse_code) if code is not None]
    return Run(
        module.source.path,
        module_name(module.source.path.resolve(), facts.files),
        app_label,
        number,
        ", ".join(dict.fromkeys(ast.unparse(way) for way in ways)),
        call.reverse_code is not None and not _is_noop(call.reverse_code),
        tuple(dict.fromkeys(spans)),
        named,
        state,
        facts,
    )


def _is_noop(code: ast.expr) -> bool:
    return getattr(code, "attr", getattr(code, "id", None)) == "noop" or (
        isinstance(code, ast.Constant) and code.value is None
    )


@dataclass(frozen=True)
class Setting:
    """How to run: ``settings`` is the project's own settings module, if it is to be used."""

    seed: int
    rows: int
    settings: str | None = None


def job(
    run: Run, version: Sources, constants: str, setting: Setting, *, whole: bool
) -> tuple[Job, list[str]]:
    """The job for the worker, and notes on what is not as in the project. Raises CannotTell.

    ``constants``: the source whose literals the data is to have; ``whole``: with all models of the
    history, not only those that the source names.
    """
    models: list[ModelKey] | None = None
    text = Written("")
    # The project's own settings say it themselves.
    user = None if setting.settings else run.facts.history.model_setting("AUTH_USER_MODEL")
    if setting.settings is None:
        guessed = taken_for_user(run.state) if user is None else None
        user = user or (guessed and ".".join(guessed))
        try:
            models = (
                _every_model(run.state) if whole else related(run.state, sorted(run.named), guessed)
            )
            text = written(run.state, models, guessed)
            models = text.keys
        except UnknownModel as error:
            raise CannotTell(str(error)) from None
    elif not whole:
        models = _known_related(run)
    asked = Job(
        module=run.module,
        app_label=run.app_label,
        number=run.number,
        reverse=run.reverse,
        sources=modules(run, version),
        path=path_of(run),
        functions=_functions(run),
        settings=setting.settings,
        model_settings={"AUTH_USER_MODEL": user} if user else {},
        written_models=None if setting.settings else text.source,
        models=models,
        seed=setting.seed,
        rows=setting.rows,
        constants=constants,
    )
    return asked, text.notes


def _every_model(state: ProjectState) -> list[ModelKey]:
    return [key for key, model in state.models.items() if isinstance(model, ModelState)]


def _known_related(run: Run) -> list[ModelKey] | None:
    """None, for all, where some model is not known: the project's own Django will know it."""
    try:
        return related(run.state, sorted(run.named)) or None
    except UnknownModel:
        return None


def modules(run: Run, version: Sources) -> dict[str, tuple[str, str]]:
    """The modules of a version, by their dotted names: the migration, and the files that it may import
    in which the versions differ.
    """
    paths = dict.fromkeys([run.path.resolve(), *version])
    files = run.facts.files
    return {module_name(path, files): (str(path), _decoded(_text(path, version))) for path in paths}


def _decoded(data: bytes) -> str:
    return Source.of(Path("module.py"), data).text


def path_of(run: Run) -> list[str]:
    """Where top packages are: never a package itself, whose modules would stand for others of their names."""
    files = run.facts.files
    folders = [top_folder(run.path.resolve().parent, files), run.facts.project.root]
    tops = [top_folder(each, files) for each in folders]
    return list(dict.fromkeys(map(str, tops)))


def _functions(run: Run) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for span in run.functions:
        found.setdefault(str(span.path), []).append(span.first)
    return found


def versions(edits: Iterable[tuple[Path, bytes | None, bytes]]) -> tuple[Sources, Sources]:
    """Both versions of edited files; a new file is only in the second."""
    before: dict[Path, bytes] = {}
    after: dict[Path, bytes] = {}
    for path, old, new in edits:
        after[path.resolve()] = new
        if old is not None:
            before[path.resolve()] = old
    return before, after


def near(run: Run, sources: Sources, names: Sequence[Path]) -> Sources:
    """Those of the sources that the migration may import: of its folder, of ``names``, of its helpers."""
    folder = run.path.resolve().parent
    wanted = {*names, *(span.path for span in run.functions)}
    return {
        path: text
        for path, text in sources.items()
        if path in wanted
        or path == run.path.resolve()
        or (path.parent == folder and path.name[0] == "_")
    }
