"""Which functions of a file run, and in which states of the models: the worlds that a fact must hold in."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from migfix import databases
from migfix.discovery import Project, project_of
from migfix.history.graph import History
from migfix.history.reading import MigrationSource, RunPythonCall
from migfix.history.state import ModelKey, ProjectState, Unknown
from migfix.loops.functions import Entry, ImportedCall, Reach, runpython_like
from migfix.loops.loop import Databases
from migfix.loops.module import Library, Module, relative_file
from migfix.loops.scopes import walk
from migfix.query_log import debug_setting
from migfix.receivers import receiver_of_all
from migfix.source import Source, UnreadableSource


class ProjectFacts:
    """What is read once for all files of one project."""

    def __init__(self, path: Path) -> None:
        self.project: Project = project_of(path)
        self.history = History(self.project)

    @cached_property
    def databases(self) -> Databases:
        found = databases.detect(self.project.root)
        return Databases(found, certain=not found >= databases.ALL_BUT_ORACLE)

    @cached_property
    def library(self) -> Library:
        return Library(self.project.module_file, self.history.model_setting)

    @cached_property
    def receiver_of_all(self) -> str | None:
        """Where the project listens to the signals of every model; None where it does not."""
        return receiver_of_all(self.project.root)

    @cached_property
    def debug_setting(self) -> str | None:
        """Where the project's settings switch DEBUG on; None where they do not."""
        return debug_setting(self.project)

    @cached_property
    def _migration_folders(self) -> frozenset[Path]:
        return frozenset(package.folder.resolve() for package in self.project.packages)

    def worlds(self, module: Module) -> list[Reach]:
        """The functions that the RunPythons of a migration reach, once for each state they may find.

        Empty for a file that is no migration, or has no RunPython.
        """
        return self._worlds(module)

    def worlds_of_helper(self, module: Module) -> list[Reach]:
        """For a module that migrations import: what each of them reaches in it, in its own states."""
        worlds: list[Reach] = []
        for importer in self.importers(module.source.path.resolve()):
            for world in self._worlds(importer, module):
                if entries := self._entries_of_helper(module, world):
                    worlds.append(_reached(module, world.state, entries))
        return worlds

    def _entries_of_helper(self, helper: Module, world: Reach) -> list[Entry]:
        """What the functions of an importing migration call in the helper module."""
        path = helper.source.path.resolve()
        return [
            Entry(ast.Name(id=call.path.rpartition(".")[2], ctx=ast.Load()), call.arguments)
            for call in world.imported
            if self.helper_file(call, world.module) == path
        ]

    def worlds_of_stray(self, module: Module) -> list[Reach]:
        """For a file that no migration reaches: its ``(apps, schema_editor)`` functions, no model known."""
        state = ProjectState(everything_unknown="no RunPython of a migration reaches this function")
        return [_reached(module, state, list(runpython_like(module)))]

    def helper_file(self, call: ImportedCall, importer: Module) -> Path | None:
        """The file of an imported function, where it lies in a migrations package of the project."""
        module = call.path.rpartition(".")[0]
        if module.startswith("."):
            path = relative_file(module, importer.source.path)
        else:
            path = self.project.module_file(module) if "migrations" in module else None
        if path is None or not path.is_file():
            return None
        return path.resolve() if path.resolve().parent in self._migration_folders else None

    def reached_by(
        self, call: RunPythonCall, module: Module, read: Callable[[Path], bytes] = Path.read_bytes
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
        migration = self.project.migration(module.source.path.resolve())
        labels = {key[0] for key in models}
        states = self.history.states_at(migration, call.index, labels, models)
        known = (s for s in states if not any(isinstance(s.model(*key), Unknown) for key in models))
        return next(known, states[-1]), models

    def importers(self, helper: Path) -> Iterator[Module]:
        """The project's migrations whose text names the helper module."""
        for file in self.project.migrations:
            data = file.path.read_bytes()
            if helper.stem.encode() in data and b"RunPython" in data and file.path != helper:
                try:
                    yield Module(Source.of(file.path, data), self.library)
                except UnreadableSource:
                    continue

    def _worth_a_look(self, reach: Reach) -> bool:
        """Does a reached function hold a loop or call a helper module?"""
        module = reach.module
        nodes = (node for function in reach.functions for node in module.nodes_of(function))
        return any(isinstance(node, ast.For) for node in nodes) or any(
            self.helper_file(call, module) for call in reach.imported
        )

    def _worlds(self, module: Module, helper: Module | None = None) -> list[Reach]:
        migration = self.project.migration(module.source.path.resolve())
        self.history.provide(migration.path, module.source.data, module.tree)
        read = self.history.source(migration)
        if isinstance(read, Unknown):
            return []
        entries = _entries(read)
        # No state is needed to tell what is reached and which models are named.
        reaches = [_reached(module, ProjectState(), ways) for ways in entries.values()]
        if not any(map(self._worth_a_look, reaches)):
            return []
        if helper is not None:
            reaches += [
                _reached(helper, ProjectState(), self._entries_of_helper(helper, reach))
                for reach in reaches
            ]
        models = frozenset().union(*map(_named_models, reaches))
        labels = {key[0] for key in models}
        deletes = _may_delete_rows(module)
        if deletes:
            labels = labels.union(*(self.history.apps_naming(key) for key in models))
        return [
            _reached(module, state, ways)
            for index, ways in entries.items()
            for state in self.history.states_at(migration, index, labels, models, pointing=deletes)
        ]


def _may_delete_rows(module: Module) -> bool:
    """Is there a loop that does nothing but delete its rows? Only then does it matter what points
    to them.
    """
    return b".delete" in module.source.data and any(
        isinstance(node, ast.For) and _only_deletes(node) for node in walk(module.tree)
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


def _named_models(reach: Reach) -> frozenset[ModelKey]:
    """Every model that a ``get_model`` names: of the file by literals, of a reached function in any turn."""
    called = [(call, reach.top_resolver) for call in _get_models(walk(reach.module.tree))]
    for function in reach.functions.values():
        for call in _get_models(reach.module.nodes_of(function.node)):
            called += [(call, resolver) for resolver in reach.resolvers(function, call)]
    keys = (resolver.model_key(call, call) for call, resolver in called)
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
