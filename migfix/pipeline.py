"""A run, step by step: discover, screen, replay history, find loops, decide, rewrite.

Reads files and writes none: the outcomes carry what would be written.
"""

from __future__ import annotations

import ast
import os
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import chain, combinations, groupby
from pathlib import Path

from migfix import catalog
from migfix.codemod import Codemod
from migfix.disk.files import Files, Seen, Unreadable
from migfix.facts.access import Surroundings
from migfix.facts.loop import Loop, loops_at
from migfix.facts.statements import Statement, calls_in, statements_at
from migfix.findings import Assumed, FileEdit, FileOutcome, Reason, Remark, Subset
from migfix.plan import PlannedLoop, Policy, plan
from migfix.project.discovery import Project, discover
from migfix.project.loaded import Loaded
from migfix.reading.names.module import Module
from migfix.reading.names.places import Names
from migfix.reading.names.scopes import FunctionNode
from migfix.rewriting.style import style_of
from migfix.rewriting.vendoring import (
    NAME,
    HelperPlace,
    helper_of_project,
    helper_place,
    with_helpers,
)
from migfix.screening import STDIN
from migfix.selection import EVERY, Selection
from migfix.settings import BATCH_SIZE, ONE, Settings, SettingsError, known_codes
from migfix.source import TOO_DEEP, Source, UnreadableSource
from migfix.sql.databases import Databases
from migfix.suppression import ignores_in, ignores_of
from migfix.worlds import MENTION, ProjectFacts, World

Progress = Callable[[int, int], None]
_FILES_FOR_PROCESSES = 5000
_ONE = Databases(frozenset({ONE}), certain=True)
_FEW = 4  # loops of a file of which every choice is written


def run(  # noqa: PLR0913 - each is a thing of its own
    paths: Sequence[Path],
    settings: Settings,
    files: Files | None = None,
    *,
    rewrite: bool,
    selection: Selection = EVERY,
    loaded: Loaded | None = None,
    on_progress: Progress | None = None,
) -> list[FileOutcome]:
    """One outcome for every file looked at, ordered by path. ``rewrite=False`` leaves out the edits."""
    files = files or Files()
    found = looked_at(
        paths,
        settings,
        files,
        rewrite=rewrite,
        selection=selection,
        loaded=loaded,
        on_progress=on_progress,
    )
    merged = with_helpers(found, files, rewrite=rewrite)
    return sorted(merged, key=lambda outcome: outcome.path)


def looked_at(  # noqa: PLR0913 - each is a thing of its own
    paths: Sequence[Path],
    settings: Settings,
    files: Files,
    *,
    rewrite: bool,
    selection: Selection = EVERY,
    loaded: Loaded | None = None,
    on_progress: Progress | None = None,
) -> list[FileOutcome]:
    """The same in any order, with helpers that each file needs by itself: others may share them."""
    found = discover(paths, files, settings.exclude)
    named = {path for path in paths if not files.has_folder(path)}
    if selection.files is not None:
        found = replace(found, files=tuple(f for f in found.files if f in selection.files))
    outcomes = [FileOutcome(path, error=problem) for path, problem in found.problems]
    jobs = settings.jobs or _processes_for(len(found.files))
    engine = Engine(settings, rewrite, files, selection, loaded)
    for done, some in enumerate(_looked_at(found.files, named, engine, jobs), 1):
        outcomes += some
        if on_progress:
            on_progress(done, len(found.files))
    return _merged(outcomes)


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
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

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
            found, seen = finished.result()
            engine.files.also(seen)
            yield from found


def _run_stretch(
    files: Sequence[Path], named: set[Path], engine: Engine
) -> tuple[list[list[FileOutcome]], Seen]:
    return [engine.file(path, path in named) for path in files], engine.files.seen()


def run_source(  # noqa: PLR0913 - each is a thing of its own
    source: bytes,
    path: Path | None,
    settings: Settings,
    files: Files | None = None,
    *,
    rewrite: bool,
    selection: Selection = EVERY,
    loaded: Loaded | None = None,
) -> FileOutcome:
    """The outcome for ``source``, taken for the contents of ``path``."""
    place = path or STDIN
    files = files or Files()
    engine = Engine(settings, rewrite, files, selection, loaded)
    own = next(o for o in engine.data(place, source, True) if o.path == place)
    return with_helpers([own], files, rewrite=rewrite)[0]


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
    """Looks into files under one set of settings.

    ``compares``: for people who have to say on which databases a project runs, it is found out what that would change.
    """

    settings: Settings
    rewrite: bool
    files: Files
    selection: Selection = EVERY
    loaded: Loaded | None = None
    projects: dict[Project, ProjectFacts] = field(default_factory=dict)
    folders: dict[Path, ProjectFacts] = field(default_factory=dict)
    helpers: set[Path] = field(default_factory=set)
    places: dict[Path, HelperPlace] = field(default_factory=dict)
    compares: bool = True

    @cached_property
    def of_loops(self) -> tuple[Codemod, ...]:
        return tuple(each for each in catalog.load() if not each.opt_in)

    @cached_property
    def opt_in(self) -> tuple[Codemod, ...]:
        """Those that decide on statements, where somebody selects them."""
        return tuple(each for each in catalog.load() if each.opt_in)

    def file(self, path: Path, named: bool) -> list[FileOutcome]:
        """The outcomes of a file and of the helper modules that its migration imports."""
        data = self.files.read(path)
        if isinstance(data, Unreadable):
            return [FileOutcome(path, error=f"cannot be read: {data.why}")]
        return self.data(path, data, named)

    def data(self, path: Path, data: bytes, named: bool) -> list[FileOutcome]:
        if MENTION not in data and not named:
            return [FileOutcome(path, is_migration=b"Migration" in data)]
        try:
            return self._looked_into(Source.of(path, data), named)
        except (UnreadableSource, SettingsError) as error:
            return [FileOutcome(path, error=str(error))]
        except RecursionError:
            return [FileOutcome(path, error=TOO_DEEP, traceback=traceback.format_exc(limit=-3))]
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
        self, module: Module, worlds: Sequence[World], facts: ProjectFacts
    ) -> Iterator[FileOutcome]:
        """The helper modules in migrations packages that the file's functions call into."""
        reaches = dict.fromkeys(world.reach for world in worlds)
        calls = [call for reach in reaches for call in reach.imported]
        for path in {p for call in calls if (p := facts.helper_file(call, module))}:
            if path not in self.helpers:
                self.helpers.add(path)
                shown = self._shown(path, module.source.path)
                data = self.files.read(path)
                if isinstance(data, Unreadable):
                    yield FileOutcome(shown, error=f"cannot be read: {data.why}")
                    continue
                helper = Module(Source.of(shown, data), facts.library)
                yield self._outcome(helper, facts.worlds_of_helper(helper), facts)

    def _shown(self, helper: Path, importer: Path) -> Path:
        """As the user would write it: beside the importer, else relative to the working folder."""
        if helper.parent == self.files.real(importer).parent:
            return importer.parent / helper.name
        try:
            return helper.relative_to(Path.cwd())
        except ValueError:
            return helper

    def _facts(self, path: Path) -> ProjectFacts:
        folder = self.files.real(path).parent
        if folder not in self.folders:
            facts = ProjectFacts(
                path,
                self.files,
                self.settings.quiet_receivers,
                statements=any(each.code in self.settings.codes for each in self.opt_in),
                loaded=self.loaded,
            )
            self.folders[folder] = self.projects.setdefault(facts.project, facts)
        return self.folders[folder]

    # One file

    def _outcome(self, module: Module, worlds: Sequence[World], facts: ProjectFacts) -> FileOutcome:
        source = module.source
        if not self._may_change(source, worlds):
            return FileOutcome(source.path, remarks=self._remarks(source, []))
        place = self._place(source.path.parent, facts.project)
        found = self._planned(module, worlds, Names(module, place.module), facts)
        meant = self.selection.meant(source.path, [each.outcome for each in found])
        planned = [self._kept(each, source.path, meant) for each in found]
        edit: FileEdit | None = None
        subsets: tuple[Subset, ...] = ()
        if any(each.rewrites for each in planned):
            planned, edit = self._written(source, planned, place)
        if self.selection.apart:
            subsets = tuple(self._subsets(source, planned, place, edit.after if edit else None))
            planned = [each.with_details() for each in planned]
        logged = any(p.outcome.logged for p in planned)
        return FileOutcome(
            source.path,
            loops=tuple(p.outcome for p in planned),
            edits=(edit,) if edit and self.rewrite else (),
            debug_setting=facts.debug_setting if logged else None,
            subsets=subsets,
            remarks=self._remarks(source, planned),
            assumed=self._assumed(source.path, facts) if planned else None,
            is_reached=bool(worlds),
            settings=facts.loaded.told if planned and facts.loaded else None,
            helper=place.change_for(source.path, edit.after if edit else source.data),
        )

    def _may_change(self, source: Source, worlds: Sequence[World]) -> bool:
        """Is there anything to decide on, or a helper that the file may import?"""
        return (
            bool(_loops_in(worlds))
            or any(each.code in self.settings.codes for each in self.opt_in)
            or self.settings.helper is not None
            or NAME.encode() in source.data
        )

    def _place(self, folder: Path, project: Project) -> HelperPlace:
        if folder not in self.places:
            self.places[folder] = place_of_helper(folder, self.settings, project)
        return self.places[folder]

    def _kept(self, planned: PlannedLoop, path: Path, meant: Collection[int]) -> PlannedLoop:
        refused = self.selection.why_not(path, planned.outcome.line, meant)
        return planned if refused is None or not planned.rewrites else planned.left(*refused)

    def _planned(
        self, module: Module, worlds: Sequence[World], names: Names, facts: ProjectFacts
    ) -> list[PlannedLoop]:
        """What becomes of each loop; where the databases are in doubt, also whether one alone would change that, which
        a plain check and an editor do not ask for, as it takes its time.
        """
        known, path = self.settings.databases, module.source.path
        running_on = Databases(known, certain=True) if known else facts.databases_of(path)
        found = self._planned_on(running_on, module, worlds, names, facts)
        asked = self.compares and (self.rewrite or self.selection.apart)
        if running_on.certain or not asked:
            return found
        others = {
            each.loop.node: each for each in self._planned_on(_ONE, module, worlds, names, facts)
        }
        return [each.compared_with_one(others.get(each.loop.node)) for each in found]

    def _planned_on(
        self,
        running_on: Databases,
        module: Module,
        worlds: Sequence[World],
        names: Names,
        facts: ProjectFacts,
    ) -> list[PlannedLoop]:
        path = module.source.path
        size = self.settings.batch_size
        surroundings = Surroundings(
            running_on,
            facts.listener(module),
            cache(facts.modules_importing),  # which each loop of the file asks
            None if size == BATCH_SIZE else size,
        )
        policy = Policy(self.settings.codes_for(path), self.settings.unsafe_fixes)
        planned = [
            plan(_in_each(node, function, worlds, names, surroundings), self.of_loops, policy)
            for node, function in _loops_in(worlds).items()
        ]
        if any(each.code in policy.codes for each in self.opt_in):
            planned += [
                plan(_statement_in_each(*found, worlds, names, surroundings), self.opt_in, policy)
                for found in _statements_in(worlds)
            ]
        return sorted(filter(None, planned), key=lambda p: (p.outcome.line, p.outcome.column))

    def _remarks(self, source: Source, planned: Sequence[PlannedLoop]) -> tuple[Remark, ...]:
        """Comments that name no codemod, or that keep none away which would do something."""
        found: list[Remark] = []
        for each in ignores_in(source):
            met = (p for p in planned if each in ignores_of(p.loop.node, source))
            used = any(each.codes & p.suppressed for p in met)
            if each.wrong:
                found.append(Remark(each.line, each.wrong))
            elif not used and (
                each.codes.intersection(known_codes()) or each.codes
            ) <= self.settings.codes_for(source.path):
                found.append(Remark(each.line, "the comment keeps nothing from being rewritten"))
        return tuple(found)

    def _assumed(self, path: Path, facts: ProjectFacts) -> Assumed | None:
        if self.settings.databases:
            return None
        found = facts.databases_of(path)
        return Assumed(tuple(sorted(found.names)), found.why, found.certain)

    def _written(
        self, source: Source, planned: Sequence[PlannedLoop], place: HelperPlace
    ) -> tuple[list[PlannedLoop], FileEdit | None]:
        """The loops and the edit that rewrites them; those that cannot be written well stay as they are."""
        after, why = self._attempt(source, planned, place)
        if after is None:
            alone = [self._attempt(source, [each], place) for each in planned]
            planned = [
                each if written is not None else each.left(failure, Reason.NOT_WRITTEN)
                for each, (written, failure) in zip(planned, alone, strict=True)
            ]
            after, why = self._attempt(source, planned, place)
        if after is None:
            return [p.left(why, Reason.NOT_WRITTEN) if p.rewrites else p for p in planned], None
        return list(planned), FileEdit(source.path, source.data, after)

    def _subsets(
        self,
        source: Source,
        planned: Sequence[PlannedLoop],
        place: HelperPlace,
        whole: bytes | None,
    ) -> Iterator[Subset]:
        """What becomes of the file where some of its loops are rewritten, as far as that can be written.

        ``whole`` is what becomes of it where all are.
        """
        rewritten = [each for each in planned if each.rewrites]
        sizes = range(1, len(rewritten) + 1)
        if not self.selection.choices:
            sizes = range(1, 2)
        elif len(rewritten) > _FEW:
            sizes = range(1, len(rewritten) + 1, len(rewritten) - 1)
        for some in chain.from_iterable(combinations(rewritten, size) for size in sizes):
            every = len(some) == len(rewritten)
            after = whole if every else self._attempt(source, some, place)[0]
            if after is not None:
                lines = tuple(each.outcome.line for each in some)
                change = place.change_for(source.path, after)
                lacks = change.functions - place.functions if change else frozenset()
                yield Subset(lines, FileEdit(source.path, source.data, after), lacks)

    def _attempt(
        self, source: Source, planned: Sequence[PlannedLoop], place: HelperPlace
    ) -> tuple[bytes | None, str]:
        """The file's new bytes; None, and why, where they cannot be trusted."""
        from migfix.rewriting.apply import rewritten
        from migfix.rewriting.edits import LoopEdits
        from migfix.rewriting.lines import RewriteError

        loops = {
            p.loop.node: (
                LoopEdits(p.rewrites, p.loop.wrappers, p.loop.needless_list, p.loop.needless_guard)
                if isinstance(p.loop, Loop)
                else LoopEdits(p.rewrites)
            )
            for p in planned
            if p.rewrites
        }
        try:
            style = style_of(source.path, self.files)
            return rewritten(source, loops, style, place.module, place.own), ""
        except SettingsError:
            raise
        except RewriteError as error:
            return None, f"the rewrite cannot be written: {error}"
        except UnicodeEncodeError as error:
            return None, f"the rewrite does not fit the encoding of the file: {error}"
        except RecursionError:
            return None, "the rewrite cannot be written: the code around it is nested too deeply"
        except Exception as error:  # a bug must not cost the other loops of the file
            return None, (
                f"the rewrite cannot be written, please report it: {type(error).__name__}: {error}"
            )


def place_of_helper(folder: Path, settings: Settings, project: Project) -> HelperPlace:
    """Where the migrations of a folder import the helper from."""
    if settings.helper:
        return helper_of_project(settings.helper, project)
    return helper_place(folder, project)


def _loops_in(worlds: Sequence[World]) -> dict[ast.For, FunctionNode]:
    """Every ``for`` that is reached, with its function."""
    return {
        node: function
        for reach in dict.fromkeys(world.reach for world in worlds)
        for function in reach.functions
        for node in reach.module.nodes_of(function)
        if isinstance(node, ast.For)
    }


def _statements_in(
    worlds: Sequence[World],
) -> Iterator[tuple[ast.stmt, ast.Call, FunctionNode]]:
    """Every ``update()`` and ``delete()`` that may be of many rows, in the functions that are reached."""
    reaches = dict.fromkeys(world.reach for world in worlds)
    for function in dict.fromkeys(each for reach in reaches for each in reach.functions):
        for statement, call in calls_in(function):
            yield statement, call, function


def _statement_in_each(
    node: ast.stmt,
    call: ast.Call,
    function: FunctionNode,
    worlds: Sequence[World],
    names: Names,
    surroundings: Surroundings,
) -> Iterator[list[Statement]]:
    """The statement as each world sees it that reaches its function; nothing where it is not known to be of rows."""
    for world in worlds:
        if function in world.reach.functions:
            reach = world.own_reach
            yield statements_at(node, call, reach.functions[function], reach, names, surroundings)


def _in_each(
    node: ast.For,
    function: FunctionNode,
    worlds: Sequence[World],
    names: Names,
    surroundings: Surroundings,
) -> Iterator[list[Loop]]:
    """The loop as each world sees it that reaches its function; nothing where it is not known to go over rows.

    Those are left out that answer alike all that was asked of an earlier one, for this loop or another, up to
    the moment at which the next one is taken.
    """
    taken: list[World] = []
    for world in worlds:
        if function not in world.reach.functions:
            continue
        alike = (other for other in taken if other.entries is world.entries)
        if any(other.state.is_answered_alike_by(world.state) for other in alike):
            continue
        taken.append(world)
        reach = world.own_reach
        yield loops_at(node, reach.functions[function], reach, names, surroundings)
