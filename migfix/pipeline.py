"""A run, step by step: discover, screen, replay history, find loops, decide, rewrite.

Reads files and writes none: the outcomes carry what would be written.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from migfix import catalog, databases
from migfix.codemod import Codemod
from migfix.discovery import MigrationFile, Project, discover, project_of
from migfix.findings import FileEdit, FileOutcome, Rewrite
from migfix.history.graph import History
from migfix.history.reading import MigrationSource
from migfix.history.state import ProjectState, Unknown
from migfix.loops.functions import Entry, ImportedCall, Reach, runpython_like
from migfix.loops.loop import Databases, Loop, loops_in
from migfix.loops.module import Module
from migfix.loops.names import Names
from migfix.plan import PlannedLoop, Policy, plan
from migfix.rewriting.vendoring import HelperPlace, helper_place
from migfix.settings import Settings, style_of
from migfix.source import Source, UnreadableSource

Progress = Callable[[int, int], None]


def run(
    paths: Sequence[Path], settings: Settings, *, rewrite: bool, on_progress: Progress | None = None
) -> list[FileOutcome]:
    """One outcome for every file looked at, ordered by path. ``rewrite=False`` leaves out the edits."""
    found = discover(paths, settings.exclude)
    named = {path for path in paths if path.is_file()}
    engine = Engine(settings, rewrite)
    outcomes = [FileOutcome(path, error="no such file or folder") for path in found.missing]
    for done, path in enumerate(found.files, 1):
        outcomes += engine.file(path, path in named)
        if on_progress:
            on_progress(done, len(found.files))
    return sorted(_merged(outcomes), key=lambda outcome: outcome.path)


def run_source(
    source: bytes, path: Path | None, settings: Settings, *, rewrite: bool
) -> FileOutcome:
    """The outcome for ``source``, taken for the contents of ``path``."""
    place = path or Path("stdin.py")
    return next(o for o in Engine(settings, rewrite).data(place, source, True) if o.path == place)


def _merged(outcomes: Iterable[FileOutcome]) -> list[FileOutcome]:
    """One outcome a file: helper modules come up once for each migration that imports them."""
    best: dict[Path, FileOutcome] = {}
    for outcome in outcomes:
        known = best.get(outcome.path)
        if known is None or (not known.loops and outcome.loops):
            best[outcome.path] = outcome
    return list(best.values())


@dataclass(frozen=True, slots=True)
class World:
    """One state that a file's functions may find, and the ways into the file that find it."""

    state: ProjectState
    entries: tuple[Entry, ...]


@dataclass
class ProjectFacts:
    """What is read once for all files of one project."""

    project: Project

    @cached_property
    def history(self) -> History:
        return History(self.project)

    @cached_property
    def databases(self) -> Databases:
        found = databases.detect(self.project.root)
        return Databases(found, certain=found != databases.ALL_BUT_ORACLE)


@dataclass
class Engine:
    """Looks into files under one set of settings."""

    settings: Settings
    rewrite: bool
    projects: dict[Path, ProjectFacts] = field(default_factory=dict)
    roots: dict[Path, Project] = field(default_factory=dict)
    seen: set[Path] = field(default_factory=set)

    @cached_property
    def codemods(self) -> tuple[Codemod, ...]:
        return catalog.load()

    def file(self, path: Path, named: bool) -> list[FileOutcome]:
        """The outcomes of a file and of the helper modules that its migration imports."""
        try:
            data = path.read_bytes()
        except OSError as error:
            return [FileOutcome(path, error=f"cannot be read: {error.strerror}")]
        return self.data(path, data, named)

    def data(self, path: Path, data: bytes, named: bool) -> list[FileOutcome]:
        if b"RunPython" not in data and not named:
            return [FileOutcome(path, is_migration=b"Migration" in data)]
        try:
            return self._looked_into(Source.of(path, data), named)
        except UnreadableSource as error:
            return [FileOutcome(path, error=str(error))]
        except Exception as error:  # the one boundary: a bug must not stop the other files
            return [
                FileOutcome(
                    path,
                    error=f"internal error, please report it: {type(error).__name__}: {error}",
                    traceback=traceback.format_exc(),
                )
            ]

    def _looked_into(self, source: Source, named: bool) -> list[FileOutcome]:
        loops = any(isinstance(n, ast.For) for n in ast.walk(source.tree))
        imports_helpers = (
            b"import _" in source.data or b"._" in source.data or b"migrations." in source.data
        )
        if not loops and not imports_helpers:
            return [FileOutcome(source.path)]
        facts = self._facts(source.path)
        module = Module(source)
        worlds, imported = self._worlds(module, facts)
        if not worlds and named:
            worlds = self._worlds_of_helper(module, facts) or [
                World(
                    ProjectState(everything_unknown="no migration reaches this function"),
                    tuple(runpython_like(module)),
                )
            ]
        outcomes = [self._outcome(module, worlds, facts)]
        for path in {p for call in imported if (p := self._helper_file(call, source.path, facts))}:
            if path not in self.seen:
                self.seen.add(path)
                outcomes += self._helper(path, facts)
        return outcomes

    def _facts(self, path: Path) -> ProjectFacts:
        folder = path.resolve().parent
        if folder not in self.roots:
            self.roots[folder] = project_of(path)
        project = self.roots[folder]
        return self.projects.setdefault(project.root, ProjectFacts(project))

    # The states that a file's functions find

    def _worlds(
        self, module: Module, facts: ProjectFacts
    ) -> tuple[list[World], list[ImportedCall]]:
        migration = facts.project.migration(module.source.path.resolve())
        facts.history.given(migration.path, module.source.data)
        read = facts.history.source(migration)
        if isinstance(read, Unknown) or not read.run_pythons:
            return [], []
        worlds: list[World] = []
        for index, entries in _entries(read).items():
            labels = self._labels(module, migration, facts)
            for state in facts.history.states_at(migration, index, labels):
                worlds.append(World(state, entries))
        calls: list[ImportedCall] = []
        for world in worlds:
            reach = Reach(module, world.state)
            reach.follow(world.entries)
            calls += reach.imported
        return worlds, calls

    def _labels(
        self, module: Module, migration: MigrationFile, facts: ProjectFacts
    ) -> frozenset[str]:
        """The apps whose models the file names, and for deletes those that may point to them."""
        labels = {migration.app_label}
        deletes = b".delete(" in module.source.data
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="get_model"),
                    args=[ast.Constant(value=str(text)), *rest],
                ):
                    label, _, name = text.partition(".")
                    labels.add(label)
                    second = rest[0].value if rest and isinstance(rest[0], ast.Constant) else name
                    if deletes and isinstance(second, str):
                        labels |= facts.history.apps_naming((label, second.lower()))
        return frozenset(labels)

    def _worlds_of_helper(self, module: Module, facts: ProjectFacts) -> list[World]:
        """For a module that migrations import: the states and calls of all of them."""
        own = module.source.path.resolve()
        worlds: list[World] = []
        for package in facts.project.packages:
            for file in package.files:
                data = file.path.read_bytes()
                if own.stem.encode() not in data or b"RunPython" not in data:
                    continue
                importer = Module(Source.of(file.path, data))
                worlds += self._worlds_through(importer, own, facts)
        return worlds

    def _worlds_through(
        self, importer: Module, helper: Path, facts: ProjectFacts
    ) -> Iterator[World]:
        worlds, _ = self._worlds(importer, facts)
        for world in worlds:
            reach = Reach(importer, world.state)
            reach.follow(world.entries)
            entries = [
                Entry(_name(call.path.rpartition(".")[2]), call.arguments)
                for call in reach.imported
                if self._helper_file(call, importer.source.path, facts) == helper
            ]
            if entries:
                yield World(world.state, tuple(entries))

    def _helper_file(self, call: ImportedCall, importer: Path, facts: ProjectFacts) -> Path | None:
        """The file of an imported function, where it lies in a migrations package of the project."""
        module = call.path.rpartition(".")[0]
        folders = {package.folder.resolve() for package in facts.project.packages}
        if module.startswith("."):
            level = len(module) - len(module.lstrip("."))
            base = importer.resolve().parents[level - 1]
            parts = [part for part in module.lstrip(".").split(".") if part]
            path = base.joinpath(*parts).with_suffix(".py") if parts else None
        else:
            path = facts.project.module_file(module)
        if path is None or not path.is_file() or path.resolve().parent not in folders:
            return None
        return path.resolve()

    def _helper(self, path: Path, facts: ProjectFacts) -> list[FileOutcome]:
        shown = _relative(path)
        try:
            module = Module(Source.of(shown, path.read_bytes()))
            worlds = self._worlds_of_helper(module, facts)
            return [self._outcome(module, worlds, facts)]
        except (OSError, UnreadableSource) as error:
            return [FileOutcome(shown, error=str(error))]

    # One file

    def _outcome(self, module: Module, worlds: Sequence[World], facts: ProjectFacts) -> FileOutcome:
        source = module.source
        place = helper_place(source.path.parent)
        planned = self._planned(module, worlds, Names(module, place.module), facts)
        outcome = FileOutcome(source.path, loops=tuple(p.outcome for p in planned))
        if not self.rewrite or not outcome.changed:
            return outcome
        return replace(outcome, edits=tuple(_edits(source, planned, place)))

    def _planned(
        self, module: Module, worlds: Sequence[World], names: Names, facts: ProjectFacts
    ) -> list[PlannedLoop]:
        found: dict[ast.For, list[Loop]] = {}
        known = self.settings.databases
        running_on = Databases(known, certain=True) if known else facts.databases
        for world in worlds:
            reach = Reach(module, world.state)
            reach.follow(world.entries)
            for function in list(reach.functions.values()):
                for loop in loops_in(function, reach, names, running_on):
                    found.setdefault(loop.node, []).append(loop)
        policy = Policy(self.settings.codes, self.settings.unsafe_fixes)
        planned = [plan(loops, self.codemods, policy) for loops in found.values()]
        return sorted(planned, key=lambda p: (p.outcome.line, p.outcome.column))


def _entries(read: MigrationSource) -> Mapping[int, tuple[Entry, ...]]:
    """The functions that each RunPython calls, forwards and in reverse, by the operation's index."""
    entries: dict[int, tuple[Entry, ...]] = {}
    for call in read.run_pythons:
        ways = [code for code in (call.code, call.reverse_code) if code is not None]
        entries[call.index] = (*entries.get(call.index, ()), *map(Entry, ways))
    return entries


def _name(name: str) -> ast.Name:
    return ast.Name(id=name, ctx=ast.Load())


def _relative(path: Path) -> Path:
    """As the user would write it: relative to the working folder where that is possible."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _edits(
    source: Source, planned: Sequence[PlannedLoop], place: HelperPlace
) -> Iterator[FileEdit]:
    from migfix.rewriting.apply import rewritten

    rewrites: dict[ast.For, tuple[Rewrite, ...]] = {
        p.loop.node: p.rewrites for p in planned if p.rewrites
    }
    needs_helper = any(rewrite.needs_helper for each in rewrites.values() for rewrite in each)
    if needs_helper and (helper := place.edit()) is not None:
        yield helper
    after = rewritten(source, rewrites, style_of(source.path))
    yield FileEdit(source.path, source.data, after)
