"""A run, step by step: discover, screen, replay history, find loops, decide, rewrite.

Reads files and writes none: the outcomes carry what would be written.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

from migfix import catalog
from migfix.codemod import Codemod
from migfix.discovery import discover
from migfix.findings import FileEdit, FileOutcome
from migfix.loops.functions import Reach
from migfix.loops.loop import Databases, Loop, Surroundings, loops_in
from migfix.loops.module import Module
from migfix.loops.names import Names
from migfix.loops.scopes import FunctionNode
from migfix.plan import PlannedLoop, Policy, plan
from migfix.rewriting.vendoring import HelperPlace, helper_of_project, helper_place
from migfix.settings import BATCH_SIZE, Settings, SettingsError, style_of
from migfix.source import Source, UnreadableSource
from migfix.worlds import ProjectFacts

Progress = Callable[[int, int], None]
Dropped = Mapping[tuple[Path, int], str]
_FILES_FOR_PROCESSES = 5000


def run(
    paths: Sequence[Path],
    settings: Settings,
    *,
    rewrite: bool,
    on_progress: Progress | None = None,
    dropped: Dropped | None = None,
) -> list[FileOutcome]:
    """One outcome for every file looked at, ordered by path. ``rewrite=False`` leaves out the edits.

    ``dropped`` are loops to leave as they are, each by its file and line, and why.
    """
    found = discover(paths, settings.exclude)
    named = {path for path in paths if path.is_file()}
    outcomes = [FileOutcome(path, error="no such file or folder") for path in found.missing]
    jobs = settings.jobs or _processes_for(len(found.files))
    engine = Engine(settings, rewrite, dropped or {})
    for done, some in enumerate(_looked_at(found.files, named, engine, jobs), 1):
        outcomes += some
        if on_progress:
            on_progress(done, len(found.files))
    return sorted(_merged(outcomes), key=lambda outcome: outcome.path)


def _processes_for(files: int) -> int:
    """Starting processes costs more than it saves before some thousands of files."""
    return 1 if files < _FILES_FOR_PROCESSES else os.cpu_count() or 1


def _looked_at(
    files: Sequence[Path], named: set[Path], engine: Engine, jobs: int
) -> Iterator[list[FileOutcome]]:
    """The outcomes of each file, by as many processes as ``jobs`` says."""
    folders = [list(group) for _, group in groupby(files, key=lambda path: path.parent)]
    if jobs == 1 or len(folders) == 1:
        yield from (engine.file(path, path in named) for path in files)
        return
    # Neighbours share their history, so each process gets a stretch of folders.
    stretch = -(-len(folders) // jobs)
    stretches = [
        [path for folder in folders[start : start + stretch] for path in folder]
        for start in range(0, len(folders), stretch)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        runs = [pool.submit(_run_stretch, some, named, engine) for some in stretches]
        for finished in as_completed(runs):
            yield from finished.result()


def _run_stretch(
    files: Sequence[Path], named: set[Path], engine: Engine
) -> list[list[FileOutcome]]:
    return [engine.file(path, path in named) for path in files]


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


@dataclass
class Engine:
    """Looks into files under one set of settings."""

    settings: Settings
    rewrite: bool
    dropped: Dropped = field(default_factory=dict)
    projects: dict[Path, ProjectFacts] = field(default_factory=dict)
    folders: dict[Path, ProjectFacts] = field(default_factory=dict)
    helpers: set[Path] = field(default_factory=set)

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
        except (UnreadableSource, SettingsError) as error:
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
        if not any(isinstance(n, (ast.For, ast.ImportFrom)) for n in ast.walk(source.tree)):
            return [FileOutcome(source.path)]
        facts = self._facts(source.path)
        module = Module(source, facts.library)
        worlds = facts.worlds(module)
        if not worlds and named:
            worlds = facts.worlds_of_helper(module) or facts.worlds_of_stray(module)
        return [self._outcome(module, worlds, facts), *self._helpers(module, worlds, facts)]

    def _helpers(
        self, module: Module, worlds: Sequence[Reach], facts: ProjectFacts
    ) -> Iterator[FileOutcome]:
        """The helper modules in migrations packages that the file's functions call into."""
        calls = [call for world in worlds for call in world.imported]
        for path in {p for call in calls if (p := facts.helper_file(call, module))}:
            if path not in self.helpers:
                self.helpers.add(path)
                helper = Module(
                    Source.of(_shown(path, module.source.path), path.read_bytes()), facts.library
                )
                yield self._outcome(helper, facts.worlds_of_helper(helper), facts)

    def _facts(self, path: Path) -> ProjectFacts:
        folder = path.resolve().parent
        if folder not in self.folders:
            facts = ProjectFacts(path)
            self.folders[folder] = self.projects.setdefault(facts.project.root, facts)
        return self.folders[folder]

    # One file

    def _outcome(self, module: Module, worlds: Sequence[Reach], facts: ProjectFacts) -> FileOutcome:
        source = module.source
        named = self.settings.helper
        place = (
            helper_of_project(named, facts.project) if named else helper_place(source.path.parent)
        )
        planned = [
            self._kept(each, source.path)
            for each in self._planned(worlds, Names(module, place.module), facts)
        ]
        logged = any(p.outcome.logged for p in planned)
        outcome = FileOutcome(
            source.path,
            loops=tuple(p.outcome for p in planned),
            debug_setting=facts.debug_setting if logged else None,
        )
        if not self.rewrite or not outcome.changed:
            return outcome
        return replace(outcome, edits=tuple(_edits(source, planned, place)))

    def _kept(self, planned: PlannedLoop, path: Path) -> PlannedLoop:
        why = self.dropped.get((path, planned.outcome.line))
        return planned if why is None else planned.left(why)

    def _planned(
        self, worlds: Sequence[Reach], names: Names, facts: ProjectFacts
    ) -> list[PlannedLoop]:
        found: dict[ast.For, list[Loop]] = {}
        elsewhere: set[ast.For] = set()  # reached, and not known to go over rows
        known = self.settings.databases
        running_on = Databases(known, certain=True) if known else facts.databases
        size = self.settings.batch_size
        surroundings = Surroundings(
            running_on, lambda: facts.receiver_of_all, None if size == BATCH_SIZE else size
        )
        for world in worlds:
            for function in world.functions.values():
                loops = list(loops_in(function, world, names, surroundings))
                for loop in loops:
                    found.setdefault(loop.node, []).append(loop)
                elsewhere |= _loops_of(function.node, world) - {loop.node for loop in loops}
        policy = Policy(self.settings.codes, self.settings.unsafe_fixes)
        planned = [
            plan(loops, self.codemods, policy, everywhere=node not in elsewhere)
            for node, loops in found.items()
        ]
        return sorted(planned, key=lambda p: (p.outcome.line, p.outcome.column))


def _loops_of(function: FunctionNode, world: Reach) -> set[ast.For]:
    return {node for node in world.module.nodes_of(function) if isinstance(node, ast.For)}


def _shown(helper: Path, importer: Path) -> Path:
    """As the user would write it: beside the importer, else relative to the working folder."""
    if helper.parent == importer.resolve().parent:
        return importer.parent / helper.name
    try:
        return helper.relative_to(Path.cwd())
    except ValueError:
        return helper


def _edits(
    source: Source, planned: Sequence[PlannedLoop], place: HelperPlace
) -> Iterator[FileEdit]:
    from migfix.rewriting.apply import LoopEdits, rewritten

    needs_helper = any(rewrite.needs_helper for p in planned for rewrite in p.rewrites)
    if needs_helper and (helper := place.edit()) is not None:
        yield helper
    loops = {
        p.loop.node: LoopEdits(p.rewrites, p.loop.wrappers, p.loop.needless_list)
        for p in planned
        if p.rewrites
    }
    after = rewritten(source, loops, style_of(source.path))
    yield FileEdit(source.path, source.data, after)
