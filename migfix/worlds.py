"""Which functions of a file run, and in which states of the models: the worlds that a fact must hold in."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from migfix.disk.files import Files
from migfix.facts.access import Listener
from migfix.facts.failure.errors import NOOPS
from migfix.facts.statements import calls_in
from migfix.guards import Guards
from migfix.history.engines import Engines
from migfix.history.files.migration import MigrationSource, RunPythonCall
from migfix.history.graph import Changed, History
from migfix.history.recorded import Recorded
from migfix.history.state import ModelKey, ModelState, ProjectState, Unknown
from migfix.project import databases
from migfix.project.database_names import ALL_BUT_ORACLE
from migfix.project.discovery import Project, project_of
from migfix.project.heard import HeardReceivers
from migfix.project.hearing import HasAttribute, Need, Receiver, Way, hearing
from migfix.project.loaded import Heard, Loaded
from migfix.project.query_log import debug_setting
from migfix.project.receivers import changes_here, receivers
from migfix.reading.names.demanded import demanded
from migfix.reading.names.functions import Entry, ImportedCall, Reach, runpython_like
from migfix.reading.names.library import Library, relative_file
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import walk
from migfix.reading.rows.querysets import Resolver
from migfix.screening import MENTION as MENTION
from migfix.settings import matches
from migfix.source import Source, UnreadableSource
from migfix.sql.databases import Databases

_FEW = 8  # modules whose importers are looked for one by one
# A dependency names a migration in quotes, an import without or after a dot: ".0001_initial".
_UNQUOTED = re.compile(rb"(?<![\"'\w])\w+")


@dataclass(frozen=True, eq=False)
class World:
    """The functions of a file that run, and the state of the models that they find.

    ``reach`` is of this state, or of another of ``entries`` that answers alike all that it takes to find it.
    """

    state: Recorded
    entries: Sequence[Entry]
    reach: Reach

    @cached_property
    def own_reach(self) -> Reach:
        """The same in this very state."""
        if self.reach.state is self.state:
            return self.reach
        return _reached(self.reach.module, self.state, self.entries)


def worlds_in(
    states: Iterable[ProjectState], module: Module, entries: Sequence[Entry]
) -> Iterator[World]:
    """One world for each state."""
    found: list[tuple[Reach, Recorded]] = []
    for each in states:
        state = Recorded.beginning(each)
        reach = next((r for r, asked in found if asked.is_answered_alike_by(state)), None)
        if reach is None:
            reach = _reached(module, state, entries)
            found.append((reach, replace(state, answers=dict(state.answers))))
        yield World(state, entries, reach)


def _by_reach(worlds: Iterable[World]) -> list[tuple[Reach, list[World]]]:
    """The worlds that reach the same, in order."""
    found: dict[int, tuple[Reach, list[World]]] = {}
    for world in worlds:
        found.setdefault(id(world.reach), (world.reach, []))[1].append(world)
    return list(found.values())


class ProjectFacts:
    """What is read once for all files of one project.

    ``quiet`` are globs of files whose receivers do nothing for historical models. ``statements``: not only loops are
    looked at, but every ``update()`` and ``delete()``. ``loaded`` is what a project said by its own settings, which
    is taken for this one if it is that one.
    """

    def __init__(
        self,
        path: Path,
        files: Files,
        quiet: Sequence[str] = (),
        *,
        statements: bool = False,
        loaded: Loaded | None = None,
    ) -> None:
        self.files = files
        self.quiet = quiet
        self.statements = statements
        self.project: Project = project_of(path, files)
        is_its_own = loaded is not None and loaded.root == self.project.root
        self.loaded = loaded if is_its_own else None
        self._heard = HeardReceivers(self.loaded, files)
        self.history = History(self.project, loaded=self.loaded)
        self._looked_for = 0
        self._guarded: list[tuple[tuple[Path, ast.Module, ast.expr], Sequence[Way]]] = []

    def begin_again(self) -> None:
        """For files that are looked at one by one, each is the first."""
        self._looked_for = 0

    def after(self, path: Path) -> ProjectFacts:
        """The facts of the project after a file has changed of which all that was asked is answered as before."""
        self.library.forget(path)
        changed = self.history.changed_by(path)
        if changed is Changed.NOTHING:
            return self
        facts = copy(self)
        facts.history = self.history.anew()
        facts.__dict__.pop("guards", None)
        if changed is Changed.OPERATIONS:
            facts.__dict__.pop("engines", None)
            if not self._are_guarded_alike(facts.history):
                facts.__dict__.pop("receivers", None)
        return facts

    def _are_guarded_alike(self, history: History) -> bool:
        guards = Guards(history)
        return all(self._ways_to_act(guards, *about) == told for about, told in self._guarded)

    @cached_property
    def databases(self) -> Databases:
        found = databases.detect(self.project)
        certain = found.unknown is None and not found.names >= ALL_BUT_ORACLE
        return Databases(found.names, certain, found.unknown, found.why)

    def databases_of(self, path: Path) -> Databases:
        """The same, but for those on which the app of the file cannot be."""
        migration = self.project.migration(path)
        names = self.databases.names - self.engines.ruled_out(migration)
        if self.databases.unknown is not None:
            return self.databases
        if not self.databases.certain and (doubt := self.engines.doubt(migration)):
            return replace(self.databases, why=f"{self.databases.why}, and {doubt}")
        if not names or names == self.databases.names:
            return self.databases
        ruled = "the migrations of these apps can run on no other"
        return Databases(names, certain=True, why=ruled)

    @cached_property
    def engines(self) -> Engines:
        return Engines(self.history)

    @cached_property
    def library(self) -> Library:
        return Library(
            self.files,
            self.project.module_file,
            self.history.model_setting,
            lambda name: self.history.environment.module_file(name),
        )

    @cached_property
    def receivers(self) -> list[Receiver]:
        """Where the project listens to the signals of historical models."""
        self._guarded = []

        def ways_to_act(path: Path, tree: ast.Module, connection: ast.expr) -> Sequence[Way]:
            told = self._ways_to_act(self.guards, path, tree, connection)
            self._guarded.append(((path, tree, connection), told))
            return told

        heard = self._heard = HeardReceivers(self.loaded, self.files)
        found = receivers(self.project, ways_to_act)
        return [*found, *heard.others(self._ways_of_heard)]

    def _ways_of_heard(self, heard: Heard) -> Sequence[Way]:
        if any(matches(Path(heard.file), glob) for glob in self.quiet):
            return ()
        return self.guards.ways_of_function(heard.name, heard.line)

    def _ways_to_act(
        self, guards: Guards, path: Path, tree: ast.Module, connection: ast.expr
    ) -> Sequence[Way]:
        if any(matches(path, glob) for glob in self.quiet):
            return ()
        if self._heard.settles(path, tree, connection):
            return ()
        return guards.ways_to_act(path, tree, connection)

    @cached_property
    def guards(self) -> Guards:
        return Guards(self.history)

    def listener(self, module: Module) -> Listener:
        """What hears the signals that the loops of the module send.

        The module may give its rows more attributes and change its models.
        """
        changes = changes_here(module.tree, module.source.data, module.source.path.name)

        def heard(
            signals: frozenset[str], model: ModelState | None, state: ProjectState
        ) -> str | None:
            def may_meet(need: Need) -> bool:
                named = isinstance(need, HasAttribute) and any(
                    re.search(rb"\b%b\b" % need.name.encode(), each.source.data)
                    for each in self._with_importers(module)
                )
                return model is None or named or self.guards.may_meet(need, model, state)

            return hearing([*changes, *self.receivers], signals, may_meet)

        return heard

    def _with_importers(self, module: Module) -> Iterator[Module]:
        """The module, and the migrations that may hand their rows to its functions."""
        yield module
        if MENTION not in module.source.data:
            yield from self.importers(self.files.real(module.source.path))

    @cached_property
    def debug_setting(self) -> str | None:
        """Where the project's settings switch DEBUG on; None where they do not."""
        return debug_setting(self.project)

    @cached_property
    def _migration_folders(self) -> frozenset[Path]:
        return frozenset(self.files.real(package.folder) for package in self.project.packages)

    def worlds(self, module: Module) -> list[World]:
        """The functions that the RunPythons of a migration reach, once for each state they may find.

        Empty for a file that is no migration, or has no RunPython.
        """
        return self._worlds(module)

    def reached_in(self, source: Source) -> Iterator[tuple[ast.Call, list[ast.AST]]]:
        """Each RunPython of a migration, and the nodes of its own file that its functions reach, by any state."""
        read = self.history.source(self.project.migration(source.path))
        module = Module(source, self.library)
        for call in () if isinstance(read, Unknown) else read.run_pythons:
            ways = [code for code in (call.code, call.reverse_code) if code is not None]
            reach = _reached(module, ProjectState(), [Entry(way) for way in ways])
            yield call.node, [n for f in reach.functions for n in module.nodes_of(f)]

    def worlds_of_helper(self, module: Module) -> list[World]:
        """For a module that migrations import: what each of them reaches in it, in its own states."""
        found: list[World] = []
        for importer in self.importers(self.files.real(module.source.path)):
            for reach, alike in _by_reach(self._worlds(importer, module)):
                if entries := self._entries_of_helper(module, reach):
                    found += worlds_in((world.state for world in alike), module, entries)
        return found

    def _entries_of_helper(self, helper: Module, world: Reach) -> list[Entry]:
        """What the functions of an importing migration call in the helper module."""
        path = self.files.real(helper.source.path)
        return [
            Entry(ast.Name(id=call.path.rpartition(".")[2], ctx=ast.Load()), call.arguments)
            for call in world.imported
            if self.helper_file(call, world.module) == path
        ]

    def worlds_of_stray(self, module: Module) -> list[World]:
        """For a file that no migration reaches: its ``(apps, schema_editor)`` functions, no model known."""
        state = ProjectState(everything_unknown="no RunPython of a migration reaches this function")
        return list(worlds_in([state], module, list(runpython_like(module))))

    def helper_file(self, call: ImportedCall, importer: Module) -> Path | None:
        """The file of an imported function, where it lies in a migrations package of the project."""
        module = call.path.rpartition(".")[0]
        if module.startswith("."):
            path = relative_file(module, importer.source.path, self.files)
        else:
            path = self.project.module_file(module) if "migrations" in module else None
        if path is None or not self.files.has_file(path):
            return None
        path = self.files.real(path)
        return path if path.parent in self._migration_folders else None

    def reached_by(
        self, call: RunPythonCall, module: Module, read: Callable[[Path], bytes]
    ) -> list[Reach]:
        """What one RunPython of a migration reaches in its file, and in the helper modules that it imports,
        whose bytes ``read`` gives. No model is known in there.
        """
        ways = [code for code in (call.code, call.reverse_code) if code is not None]
        reach = _reached(module, ProjectState(), [Entry(way) for way in ways])
        found = {path for each in reach.imported if (path := self.helper_file(each, module))}
        helpers = [Module(Source.of(path, read(path)), self.library) for path in sorted(found)]
        return [
            reach,
            *(_reached(h, ProjectState(), self._entries_of_helper(h, reach)) for h in helpers),
        ]

    def state_of(
        self, call: RunPythonCall, module: Module, reaches: Iterable[Reach]
    ) -> tuple[ProjectState, frozenset[ModelKey]]:
        """A state that the RunPython may find, and the models that its functions name.

        It is the first in which all of these are known, with as few other migrations as may be.
        """
        models = frozenset().union(*map(_named_models, reaches))
        migration = self.project.migration(module.source.path)
        labels = {key[0] for key in models}
        states = self.history.states_at(migration, call.index, labels, models)
        known = (s for s in states if not any(isinstance(s.model(*key), Unknown) for key in models))
        return next(known, states[-1]), models

    def modules_importing(self, path: Path) -> list[Module]:
        """The project's modules, tests left out, that import the one in ``path``, by a text too."""
        path = self.files.real(path)
        named = map(self.library.file, self._files_naming(_module_name(path)))
        return [m for m in named if m is not None and self.library.imports(m, path)]

    def _files_naming(self, name: bytes) -> Sequence[Path]:
        """The files that may import a module of this name: the first are looked for, then all are listed."""
        if self._looked_for < _FEW:
            self._looked_for += 1
            return [f for f in self.project.own_code if self.files.once(_may_import, f, name)]
        return self._naming.get(name, ())

    @cached_property
    def _naming(self) -> Mapping[bytes, tuple[Path, ...]]:
        """The files that may import a module, by its name without those of its packages."""
        names = frozenset(map(_module_name, self.project.own_code))
        found: dict[bytes, tuple[Path, ...]] = {}
        for file in self.project.own_code:
            for name in self.files.once(_may_import_of, file, names):
                found[name] = (*found.get(name, ()), file)
        return found

    def importers(self, helper: Path) -> Iterator[Module]:
        """The project's migrations whose text names the helper module."""
        for file in self.project.migrations:
            if self.files.once(_may_call, file.path, helper.stem) and file.path != helper:
                data = self.files.read_if_there(file.path)
                try:
                    yield Module(Source.of(file.path, data), self.library)
                except UnreadableSource:
                    continue

    def _worth_a_look(self, reach: Reach) -> bool:
        """Does a reached function hold a loop, call a helper module, or run a statement that matters?"""
        module = reach.module
        nodes = (node for function in reach.functions for node in module.nodes_of(function))
        return (
            any(isinstance(node, ast.For) for node in nodes)
            or any(self.helper_file(call, module) for call in reach.imported)
            or (self.statements and any(any(calls_in(each)) for each in reach.functions))
        )

    def _worlds(self, module: Module, helper: Module | None = None) -> list[World]:
        migration = self.project.migration(module.source.path)
        self.history.provide(migration.path, module.source.data, module.tree)
        read = self.history.source(migration)
        if isinstance(read, Unknown):
            return []
        entries = _entries(read)
        # No state is needed to tell what is reached and which models are named.
        stateless = [
            w for ways in entries.values() for w in worlds_in([ProjectState()], module, ways)
        ]
        reaches = [world.reach for world in stateless]
        if not any(map(self._worth_a_look, reaches)):
            return [world for world in stateless if world.reach.functions]
        if helper is not None:
            reaches += [
                _reached(helper, ProjectState(), self._entries_of_helper(helper, reach))
                for reach in reaches
            ]
        models = frozenset().union(*map(_named_models, reaches))
        labels = {key[0] for key in models}
        deletes = _may_delete_rows(module, self.statements)
        if deletes:
            labels = labels.union(*(self.history.apps_naming(key) for key in models))
        found: list[World] = []
        for index, ways in entries.items():
            needed = _needed_by(ways, module)
            states = self.history.states_at(
                migration, index, labels, models, pointing=deletes, needed=needed
            )
            found += worlds_in(states, module, ways)
        return found


def _may_import(files: Files, path: Path, name: bytes) -> bool:
    """May the file import a module of this name?"""
    data = files.read_if_there(path)
    return name in data and b"import" in data and name in _UNQUOTED.findall(data)


def _may_import_of(files: Files, path: Path, names: frozenset[bytes]) -> frozenset[bytes]:
    """Those of the names of which the file may import a module."""
    data = files.read_if_there(path)
    return names.intersection(_UNQUOTED.findall(data)) if b"import" in data else frozenset()


def _may_call(files: Files, path: Path, helper: str) -> bool:
    data = files.read_if_there(path)
    return os.fsencode(helper) in data and MENTION in data


def _module_name(path: Path) -> bytes:
    return os.fsencode(path.parent.name if path.stem == "__init__" else path.stem)


def _may_delete_rows(module: Module, statements: bool) -> bool:
    """Is there a loop that does nothing but delete its rows, or a ``delete()`` where ``statements`` matter? Only then
    does it matter what points to them.
    """
    return b".delete" in module.source.data and (
        statements
        or any(isinstance(node, ast.For) and _only_deletes(node) for node in walk(module.tree))
    )


def _only_deletes(loop: ast.For) -> bool:
    statements = [node for child in loop.body for node in walk(child) if isinstance(node, ast.stmt)]
    plain = (ast.If, ast.Expr, ast.Continue, ast.Pass)
    rows = {node.id for node in walk(loop.target) if isinstance(node, ast.Name)}
    return all(isinstance(statement, plain) for statement in statements) and any(
        isinstance(node, ast.Attribute)
        and node.attr == "delete"
        and isinstance(node.value, ast.Name)
        and node.value.id in rows
        for child in loop.body
        for node in walk(child)
    )


def _reached(module: Module, state: ProjectState, entries: Sequence[Entry]) -> Reach:
    reach = Reach(module, state)
    reach.follow(entries)
    return reach


def _needed_by(ways: Sequence[Entry], module: Module) -> frozenset[ModelKey]:
    """The models without which each of the functions fails at once, but for those that do nothing."""
    real = [way.expression for way in ways if module.path_of(way.expression) not in NOOPS]
    needed = [demanded(each, _reached(module, ProjectState(), [Entry(each)])) for each in real]
    return needed[0].intersection(*needed) if needed else frozenset()


def _named_models(reach: Reach) -> frozenset[ModelKey]:
    """Every model that a ``get_model`` names: of the file by literals, of a reached function in any turn."""
    named = set(_models_of_file(reach.module))
    called = []
    for function in reach.functions.values():
        for call in _get_models(reach.module.nodes_of(function.node)):
            called += [(call, resolver) for resolver in reach.resolvers(function, call)]
    keys = (resolver.model_key(call, call) for call, resolver in called)
    return frozenset(named.union(key for key in keys if key is not None))


@lru_cache(maxsize=256)
def _models_of_file(module: Module) -> frozenset[ModelKey]:
    """Every model that a ``get_model`` of the file names by literals and constants."""
    resolver = Resolver(module, module.scope, {}, ProjectState())
    calls = _get_models(walk(module.tree))
    keys = (resolver.model_key(call, call) for call in calls)
    return frozenset(key for key in keys if key is not None)


def _get_models(nodes: Iterable[ast.AST]) -> list[ast.Call]:
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "get_model"
    ]


def _entries(read: MigrationSource) -> Mapping[int, tuple[Entry, ...]]:
    """The functions that each RunPython calls, forwards and in reverse, by the operation's index."""
    entries: dict[int, tuple[Entry, ...]] = {}
    for call in read.run_pythons:
        ways = [code for code in (call.code, call.reverse_code) if code is not None]
        entries[call.index] = (*entries.get(call.index, ()), *map(Entry, ways))
    return entries
