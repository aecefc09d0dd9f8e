"""The order in which migrations run, and the states that one of them may find."""

from __future__ import annotations

import ast
from dataclasses import replace
from enum import Enum, auto
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from migfix.history.classes.reading import Classes
from migfix.history.environment import Environment
from migfix.history.files.migration import MigrationSource
from migfix.history.files.scope import Scope
from migfix.history.folders import Folders
from migfix.history.loaded import LoadedHistory
from migfix.history.matter import asked_for, what_matters
from migfix.history.naming import Naming
from migfix.history.operations.places import Place
from migfix.history.possibilities import Possibilities
from migfix.history.replay import ModelsAt, Moment, Replay, Step, Tail
from migfix.history.settings_values import SwappableSettings
from migfix.history.sources import Sources
from migfix.history.standing import MigrationKey, Standing
from migfix.history.state import (
    ModelKey,
    ProjectState,
    Unknown,
)
from migfix.history.unasked import Unasked
from migfix.project.discovery import MigrationFile, MigrationPackage, Project

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from migfix.project.loaded import Loaded


class Changed(Enum):
    """What of a migration's file is another than before, for others: nothing, only where it stands, or what it does."""

    NOTHING = auto()
    LINES = auto()
    OPERATIONS = auto()


class History:
    """The migrations of a project and of the packages it uses, read as far as they are asked for.

    A file is read and parsed at most once. ``project`` says where to look first, ``environment``
    where installed packages are (the project's own by default), ``loaded`` what its own Django says.
    """

    def __init__(
        self,
        project: Project,
        environment: Environment | None = None,
        loaded: Loaded | None = None,
        *,
        beside: tuple[History, MigrationPackage] | None = None,
    ) -> None:
        """``beside``: the history of what is loaded by default, and the folder that this one takes instead."""
        self.project = project
        self._loaded = LoadedHistory(loaded, project.files)
        self._settings = SwappableSettings(project, self._loaded.model_setting)
        self._sources: Sources = (
            beside[0]._sources if beside else Sources(project, environment, self._loaded)
        )
        self._folders = Folders(project, beside[1] if beside else None)
        self._standing = Standing(self._sources, self._folders)
        self._beside: dict[Path, History] = {}
        self._naming = Naming(project, self._sources.texts, self._settings)
        self._numbers: dict[MigrationKey, int] = {}  # those of the replay: parents come first
        self._unasked = Unasked(self._naming, self._standing, self._numbers)
        self._replay = Replay()
        self._steps: dict[Path, tuple[Step, ...]] = {}
        self._closures: dict[MigrationKey, int] = {}  # bit set of numbers: ancestors and itself
        self._problems: dict[MigrationKey, dict[str, str]] = {}
        self._problems_at: dict[int, dict[str, str]] = {}  # the same by number, where there are any

    @property
    def environment(self) -> Environment:
        return self._sources.environment

    @cached_property
    def project_apps(self) -> frozenset[str]:
        return frozenset(package.app_label for package in self.project.packages)

    # Questions

    def states_at(
        self,
        migration: MigrationFile,
        operation_index: int,
        labels: Iterable[str],
        models: Iterable[ModelKey] | None = None,
        *,
        pointing: bool = False,
        needed: frozenset[ModelKey] = frozenset(),
    ) -> tuple[ProjectState, ...]:
        """The states that the operation at an index of a migration may find; at least one.

        What its dependencies bring is there for sure. Migrations of the apps ``labels`` that neither
        depend on it nor are depended on may have run or not: each way that makes a difference to
        the models of these apps is a state of its own. A fact must hold in all of them.
        ``models``, where given, says that of these apps only these matter, with their bases and the
        primary keys that their fields point to; ``pointing`` adds the relations that point to them.
        ``needed``: models without which what runs there fails at once; states without them are left out.
        An index counts the entries of ``MigrationSource.operations``; forward and reverse
        functions find the same state.
        """
        key = (migration.app_label, migration.name)
        source = self.source(migration)
        if isinstance(source, Unknown):
            return (self._empty.with_unknown_app(migration.app_label, source.why),)
        if not self._standing.is_loaded(migration) and self._is_beside(migration):
            beside = self._history_beside(migration)
            if isinstance(beside, str):
                return (self._empty.with_unknown_app(migration.app_label, beside),)
            return beside.states_at(
                migration, operation_index, labels, models, pointing=pointing, needed=needed
            )
        problems: dict[str, str] = {}
        sure = self._mask(self._parents(key, source, problems))
        wanted = frozenset(labels)
        if sure & self._itself(key):
            why = f"{key[0]}.{key[1]} comes after itself, or after a squash that replaces it"
            return (self._empty.with_unknown_app(key[0], why),)
        for label in wanted:
            if problem := self._standing.app(label).problem:
                problems.setdefault(label, problem)
        keys = None if models is None else frozenset(models)
        tail = self._tail(migration, source, operation_index)
        states: list[ProjectState] = []
        seen: list[object] = []
        relevant: dict[int, set[int]] = {}  # what masks had of the migrations that could matter

        def lacks(mask: int, model: ModelKey) -> bool:
            return _with_unknown(self._state(Moment(mask, tail)), problems).surely_lacks(model)

        possible = Possibilities(
            self._standing.effective, self._closure, lru_cache(lacks), self._itself(key)
        )
        for mask in possible.sets(sure, wanted, needed):
            if any(mask & some in known for some, known in relevant.items()):
                continue
            state = _with_unknown(self._state(Moment(mask, tail)), problems)
            if keys is not None and not pointing:
                some = self._relevant(asked_for(state, keys))
                relevant.setdefault(some, set()).add(mask & some)
            matter = what_matters(state, wanted, keys, pointing)
            if matter not in seen:
                seen.append(matter)
                states.append(replace(state, why_open=self._unasked.why_open(mask, key, wanted)))
        return tuple(states)

    def apps_naming(self, key: ModelKey) -> frozenset[str]:
        """The project's apps whose migrations name a model of another app, and so may point to it.

        Asked for together with the model's own app, they make ``relations_to`` complete.
        """
        return frozenset(file.app_label for file in self._naming.files_naming(key))

    def source(self, migration: MigrationFile) -> MigrationSource | Unknown:
        """What the file says, or why it cannot be read."""
        return self._sources.source(migration)

    def scope_of(self, module: str) -> Scope | None:
        """What the names of a module of the project or of its environment stand for."""
        return self._sources.scope_of(module)

    def model_setting(self, name: str) -> str | None:
        """The ``app.Model`` that a setting such as AUTH_USER_MODEL certainly names."""
        value = self._settings.value(name)
        return value if isinstance(value, str) else None

    def provide(self, path: Path, data: bytes, tree: ast.Module | None = None) -> None:
        """Take these bytes for those of a file, as an editor or standard input has them.

        ``tree`` is what they parse to, where the caller has it already.
        """
        self._sources.provide(path, data, tree)

    def changed_by(self, path: Path) -> Changed:
        """Look anew at a file that has changed: is it another one for other migrations?"""
        old = self._sources.forget(path)
        new = old and self.source(self.project.migration(self.project.files.real(path)))
        if isinstance(old, Unknown) or isinstance(new, Unknown):
            return Changed.NOTHING if old == new else Changed.OPERATIONS
        if old is None or new is None or old.for_others == new.for_others:
            return Changed.NOTHING
        return Changed.LINES if old.wherever == new.wherever else Changed.OPERATIONS

    def anew(self) -> History:
        """The same history, in which other operations of some files than before are to be replayed."""
        history = History(self.project, self.environment, self._loaded.said)
        history._sources.take_over(self._sources)
        return history

    def _is_beside(self, migration: MigrationFile) -> bool:
        """Is it in another folder than the one that is loaded, or may be?"""
        return not self._folders.home and bool(self.project.packages_of(migration.app_label))

    def _history_beside(self, migration: MigrationFile) -> History | str:
        """The history in which the folder of a migration is the one of its app; in words why there is none.

        Where the migration runs at all, that folder is loaded.
        """
        folder = migration.path.parent
        if folder not in self._beside:
            home = self._folders.home_of(migration)
            if isinstance(home, str):
                return home
            self._beside[folder] = History(
                self.project, self.environment, self._loaded.said, beside=(self, home)
            )
        return self._beside[folder]

    # The graph

    @cached_property
    def _run_before(self) -> Mapping[MigrationKey, tuple[MigrationKey, ...]]:
        """Migrations of the project that ask to run before another one, by that other one."""
        found: dict[MigrationKey, tuple[MigrationKey, ...]] = {}
        for file in self.project.migrations:
            asks = self._sources.mentions(file.path, b"run_before")
            if not asks or not self._standing.is_loaded(file):
                continue
            source = self.source(file)
            for key in () if isinstance(source, Unknown) else source.run_before:
                if not isinstance(key, Unknown):
                    found[key] = (*found.get(key, ()), (file.app_label, file.name))
        return found

    def _parents(
        self, key: MigrationKey, source: MigrationSource, problems: dict[str, str]
    ) -> list[MigrationKey]:
        """The migrations that run directly before; ``problems`` gains the apps that cannot be had.

        A dependency that is no literal is left out: what it would make sure stays among the
        migrations that may have run or not.
        """
        wanted: list[MigrationKey] = list(self._run_before.get(key, ()))
        for each in source.dependencies:
            if not isinstance(each, Unknown) and each != (key[0], "__first__"):
                wanted.append(each)
        for setting in source.swappable:
            model = self._settings.value(setting.rpartition(".")[2])
            if isinstance(model, str):
                wanted.append((model.partition(".")[0], "__first__"))
        parents: list[MigrationKey] = []
        for each in wanted:
            standing = self._standing.standing_for(each)
            if isinstance(standing, str):
                problems.setdefault(each[0], standing)
            else:
                parents += [parent for parent in standing if parent != key]
        return parents

    def _mask(self, keys: Iterable[MigrationKey]) -> int:
        mask = 0
        for key in keys:
            mask |= self._closure(key)
        return mask

    def _closure(self, key: MigrationKey) -> int:
        """The migration and its ancestors. Numbers them, parents first."""
        if key in self._closures:
            return self._closures[key]
        path: dict[MigrationKey, Iterator[MigrationKey]] = {key: iter(self._known_parents(key))}
        while path:
            current = next(reversed(path))
            parent = next((each for each in path[current] if each not in self._closures), None)
            if parent is None:
                path.pop(current)
                self._finish(current)
            elif parent in path:
                self._circular(parent, current)
            else:
                path[parent] = iter(self._known_parents(parent))
        return self._closures[key]

    def _finish(self, key: MigrationKey) -> None:
        file = self._standing.app(key[0]).files[key[1]]
        number = self._replay.number(self._steps_of(file, self.source(file)))
        self._numbers[key] = number
        if problems := self._problems.get(key):
            self._problems_at[number] = problems
        mask = 1 << number
        for parent in self._known_parents(key):
            mask |= self._closures.get(parent, 0)
        self._closures[key] = mask

    def _circular(self, first: MigrationKey, last: MigrationKey) -> None:
        why = f"{first[0]}.{first[1]} and {last[0]}.{last[1]} depend on each other in a circle"
        for key in (first, last):
            self._problems.setdefault(last, {})[key[0]] = why

    def _known_parents(self, key: MigrationKey) -> tuple[MigrationKey, ...]:
        if key not in self._parents_of:
            source = self.source(self._standing.app(key[0]).files[key[1]])
            problems = self._problems.setdefault(key, {})
            if isinstance(source, Unknown):
                problems[key[0]] = source.why
                self._parents_of[key] = ()
            else:
                self._parents_of[key] = tuple(self._parents(key, source, problems))
        return self._parents_of[key]

    @cached_property
    def _parents_of(self) -> dict[MigrationKey, tuple[MigrationKey, ...]]:
        return {}

    def _itself(self, key: MigrationKey) -> int:
        """The migration itself in the graph; for a squash, all that it stands for."""
        standing = self._standing.standing_for(key)
        if isinstance(standing, str):
            return 0
        for each in standing:
            self._closure(each)
        return sum(1 << self._numbers[each] for each in standing)

    # Replaying

    @cached_property
    def classes(self) -> Classes:
        """The classes of the project and of its environment by their dotted paths."""
        return Classes(self.scope_of, self._loaded.field_ancestry)

    @cached_property
    def _empty(self) -> ProjectState:
        named = self._settings.named_models()
        return ProjectState(
            project_apps=self.project_apps,
            named_in_settings=named,
            field_class=self.classes.field_class,
            base_class=self.classes.base_class,
        )

    def _state(self, moment: Moment) -> ProjectState:
        """The state at a moment; ``moment.mask`` holds the ancestors of all that it holds."""
        state = replace(
            self._empty,
            models=ModelsAt(self._replay, moment),
            unknown_apps=self._replay.unknown_apps(moment),
            may_point_to=self._replay.may_point_to,
        )
        for number, problems in self._problems_at.items():
            if moment.mask >> number & 1:
                state = _with_unknown(state, problems)
        return state

    def _relevant(self, keys: Iterable[ModelKey]) -> int:
        """The migrations that can make a difference to models and to what is known of apps."""
        mask = self._replay.relevant_to_unknown_apps
        for key in keys:
            mask |= self._replay.relevant(key)
        for number in self._problems_at:
            mask |= 1 << number
        return mask

    def _steps_of(self, file: MigrationFile, source: MigrationSource | Unknown) -> tuple[Step, ...]:
        if file.path not in self._steps:
            operations = () if isinstance(source, Unknown) else source.operations
            self._steps[file.path] = self._replay.steps(operations, self._place(file))
        return self._steps[file.path]

    def _tail(self, file: MigrationFile, source: MigrationSource, index: int) -> Tail:
        """The migration's own operations up to an index, and what the one there may do before its
        own code runs, where others stand beside it in an entry that cannot be taken apart.
        """
        before = self._steps_of(file, source)[:index]
        for operation in source.operations[index : index + 1]:
            inside = [
                replace(inner, kind=None, problem=f"line {inner.line}: changes inside")
                for inner in operation.database_operations
                if inner.kind not in {"RunPython", "RunSQL"}
            ]
            if operation.kind is None:
                inside = [operation]
            before = (*before, *self._replay.steps(inside, self._place(file)))
        return Tail(before)

    def _place(self, file: MigrationFile) -> Place:
        return Place(file.app_label, f"{file.app_label}.{file.name}", self._settings.value)


def _with_unknown(state: ProjectState, problems: Mapping[str, str]) -> ProjectState:
    for label, why in problems.items():
        if label:
            state = state.with_unknown_app(label, why)
        else:
            state = replace(state, everything_unknown=state.everything_unknown or why)
    return state
