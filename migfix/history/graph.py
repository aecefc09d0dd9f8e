"""The order in which migrations run, and the states that one of them may find."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING

from migfix.disk.files import Files, Unreadable, found_in, holds
from migfix.history.classes.reading import Classes
from migfix.history.environment import Environment
from migfix.history.files.migration import MigrationSource
from migfix.history.files.reading import read_migration
from migfix.history.files.scope import Scope, UnreadableMigration, parse
from migfix.history.operations.places import Place
from migfix.history.replay import ModelsAt, Moment, Replay, Step, Tail
from migfix.history.settings_values import MODEL_TEXT, SwappableSettings
from migfix.history.state import (
    ModelKey,
    ModelState,
    ProjectState,
    Unknown,
)
from migfix.project.discovery import MigrationFile, MigrationPackage, Project, module_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

MigrationKey = tuple[str, str]
"""(app label, name of the migration)"""


@dataclass(frozen=True, slots=True)
class _App:
    """The migration files of an app by name, or why there are none."""

    files: Mapping[str, MigrationFile]
    problem: str | None = None


class Changed(Enum):
    """What of a migration's file is another than before, for others: nothing, only where it stands, or what it does."""

    NOTHING = auto()
    LINES = auto()
    OPERATIONS = auto()


class History:
    """The migrations of a project and of the packages it uses, read as far as they are asked for.

    A file is read and parsed at most once. ``project`` says where to look first, ``environment``
    where installed packages are (the project's own by default).
    """

    def __init__(self, project: Project, environment: Environment | None = None) -> None:
        self.project = project
        self._settings = SwappableSettings(project)
        self._given_environment = environment
        self._apps: dict[str, _App] = {}
        self._data: dict[Path, bytes] = {}  # provided, whatever the disk holds
        self._tree: tuple[Path | None, ast.Module | None] = (None, None)  # the last one provided
        self._sources: dict[Path, MigrationSource | Unknown] = {}
        self._scopes: dict[str, Scope | None] = {}
        self._numbers: dict[MigrationKey, int] = {}  # those of the replay: parents come first
        self._replay = Replay()
        self._steps: dict[Path, tuple[Step, ...]] = {}
        self._closures: dict[MigrationKey, int] = {}  # bit set of numbers: ancestors and itself
        self._problems: dict[MigrationKey, dict[str, str]] = {}
        self._problems_at: dict[int, dict[str, str]] = {}  # the same by number, where there are any

    @cached_property
    def environment(self) -> Environment:
        return self._given_environment or Environment.of(self.project.root, self.project.files)

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
    ) -> tuple[ProjectState, ...]:
        """The states that the operation at an index of a migration may find; at least one.

        What its dependencies bring is there for sure. Migrations of the apps ``labels`` that neither
        depend on it nor are depended on may have run or not: each way that makes a difference to
        the models of these apps is a state of its own. A fact must hold in all of them.
        ``models``, where given, says that of these apps only these matter, with their bases and the
        primary keys that their fields point to; ``pointing`` adds the relations that point to them.
        An index counts the entries of ``MigrationSource.operations``; forward and reverse
        functions find the same state.
        """
        key = (migration.app_label, migration.name)
        source = self.source(migration)
        if isinstance(source, Unknown):
            return (self._empty.with_unknown_app(migration.app_label, source.why),)
        problems: dict[str, str] = {}
        sure = self._mask(self._parents(key, source, problems))
        wanted = frozenset(labels)
        if sure & self._itself(key):
            why = f"{key[0]}.{key[1]} comes after itself, or after a squash that replaces it"
            return (self._empty.with_unknown_app(key[0], why),)
        for label in wanted:
            if problem := self._app(label).problem:
                problems.setdefault(label, problem)
        keys = None if models is None else frozenset(models)
        tail = self._tail(migration, source, operation_index)
        states: list[ProjectState] = []
        seen: list[object] = []
        relevant: dict[int, set[int]] = {}  # what masks had of the migrations that could matter
        for mask in self._possibilities(sure, self._itself(key), wanted):
            if any(mask & some in known for some, known in relevant.items()):
                continue
            state = _with_unknown(self._state(Moment(mask, tail)), problems)
            if keys is not None and not pointing:
                some = self._relevant(_asked_for(state, keys))
                relevant.setdefault(some, set()).add(mask & some)
            matter = _what_matters(state, wanted, keys, pointing)
            if matter not in seen:
                seen.append(matter)
                states.append(replace(state, why_open=self._why_open(mask, key, wanted)))
        return tuple(states)

    def apps_naming(self, key: ModelKey) -> frozenset[str]:
        """The project's apps whose migrations name a model of another app, and so may point to it.

        Asked for together with the model's own app, they make ``relations_to`` complete.
        """
        return frozenset(file.app_label for file in self._files_naming(key))

    def source(self, migration: MigrationFile) -> MigrationSource | Unknown:
        """What the file says, or why it cannot be read."""
        path = migration.path
        if path not in self._sources:
            self._sources[path] = self._read(migration)
        return self._sources[path]

    def model_setting(self, name: str) -> str | None:
        """The ``app.Model`` that a setting such as AUTH_USER_MODEL certainly names."""
        value = self._settings.value(name)
        return value if isinstance(value, str) else None

    def provide(self, path: Path, data: bytes, tree: ast.Module | None = None) -> None:
        """Take these bytes for those of a file, as an editor or standard input has them.

        ``tree`` is what they parse to, where the caller has it already.
        """
        path = self.project.files.real(path)
        if not self.project.files.holds_all(path, data):
            self._data[path] = data
        self._tree = (path, tree)

    def changed_by(self, path: Path) -> Changed:
        """Look anew at a file that has changed: is it another one for other migrations?"""
        path = self.project.files.real(path)
        self._data.pop(path, None)
        self._tree = (None, None)
        old = self._sources.pop(path, None)
        new = old and self.source(self.project.migration(path))
        if isinstance(old, Unknown) or isinstance(new, Unknown):
            return Changed.NOTHING if old == new else Changed.OPERATIONS
        if old is None or new is None or old.for_others == new.for_others:
            return Changed.NOTHING
        return Changed.LINES if old.wherever == new.wherever else Changed.OPERATIONS

    def anew(self) -> History:
        """The same history, in which other operations of some files than before are to be replayed."""
        history = History(self.project, self.environment)
        history._sources = self._sources
        history._scopes = self._scopes
        return history

    # Files

    def _read(self, migration: MigrationFile) -> MigrationSource | Unknown:
        module = f"{self._package_name(migration.path.parent)}.{migration.path.stem}"
        path, tree = self._tree
        known = tree if path == migration.path else None
        given = self._data.get(migration.path)
        data = self.project.files.now(migration.path) if given is None else given
        if isinstance(data, Unreadable):
            return Unknown(f"{migration.path} cannot be read: {data.why}")
        try:
            return read_migration(data, module, self._find_class, known)
        except UnreadableMigration as error:
            return Unknown(f"{migration.path} cannot be read: {error}")

    def _package_name(self, folder: Path) -> str:
        if folder not in self._package_names:
            self._package_names[folder] = module_name(folder / "__init__.py", self.project.files)
        return self._package_names[folder].removesuffix(".__init__")

    @cached_property
    def _package_names(self) -> dict[Path, str]:
        return {}

    def _holds(self, path: Path, text: bytes) -> bool:
        if path in self._data:
            return text in self._data[path]
        return self.project.files.once(holds, path, text)

    def _find_class(self, path: str) -> tuple[ast.ClassDef, Scope] | None:
        module, _, name = path.rpartition(".")
        if not module or module.startswith("."):
            return None
        scope = self.scope_of(module)
        if scope is None:
            return None
        classes = [
            node for node in scope.tree.body if isinstance(node, ast.ClassDef) and node.name == name
        ]
        return (classes[0], scope) if len(classes) == 1 else None

    def scope_of(self, module: str) -> Scope | None:
        """What the names of a module of the project or of its environment stand for."""
        if module not in self._scopes:
            self._scopes[module] = self._scope(module)
        return self._scopes[module]

    def _scope(self, module: str) -> Scope | None:
        path = self.project.module_file(module) or self.environment.module_file(module)
        if path is None or isinstance(data := self.project.files.read(path), Unreadable):
            return None
        try:
            return Scope.of(parse(data), module, data, is_package=path.name == "__init__.py")
        except UnreadableMigration:
            return None

    def _app(self, label: str) -> _App:
        if label not in self._apps:
            self._apps[label] = self._find_app(label)
        return self._apps[label]

    def _find_app(self, label: str) -> _App:
        found = self.project.packages_of(label)
        if len(found) > 1:
            found = tuple(each for each in found if not _in_tests(each, self.project)) or found
        if len(found) > 1:
            return _App({}, f"app {label} has two folders: {found[0].folder} and {found[1].folder}")
        package = found[0] if found else self.environment.package(label)
        if isinstance(package, str):
            return _App({}, package)
        return _App({file.name: file for file in package.files})

    # Which migrations a name stands for

    def _standing_for(
        self, key: MigrationKey, seen: frozenset[MigrationKey] = frozenset()
    ) -> tuple[MigrationKey, ...] | str:
        """The migrations that a dependency means, or in words why there are none.

        A squash stands for what it replaces as long as those files are there, so that every
        migration finds the history of the files that it was written against. When one of them is
        gone, the squash stands for all of them.
        """
        app = self._app(key[0])
        if app.problem:
            return app.problem
        if key[1] in ("__first__", "__latest__"):
            return self._end_of(key[0], first=key[1] == "__first__")
        if key[1] in app.files and not self._squashes(key[0]):
            return (key,)
        squashes = [squash for squash in self._squashes(key[0]) if squash[0] not in seen]
        if key[1] not in app.files:
            replacing = [squash for squash, replaced in squashes if key in replaced]
            if replacing:
                return self._standing_for(replacing[0], seen | {replacing[0]})
            return f"{key[0]}.{key[1]} is a dependency, but there is no such file"
        for squash, replaced in self._squashes(key[0]):
            if squash == key:
                return self._replaced_by(key, replaced)
            if key in replaced and self._replaced_by(squash, replaced) == (squash,):
                return (squash,)
        return (key,)

    def _replaced_by(
        self, squash: MigrationKey, replaced: tuple[MigrationKey, ...]
    ) -> tuple[MigrationKey, ...]:
        present = all(key[1] in self._app(key[0]).files for key in replaced)
        if not present:
            return (squash,)
        nested = dict(self._squashes(squash[0]))
        parts = [
            self._replaced_by(key, nested[key]) if key in nested else (key,) for key in replaced
        ]
        return tuple(dict.fromkeys(key for part in parts for key in part))

    def _squashes(self, label: str) -> tuple[tuple[MigrationKey, tuple[MigrationKey, ...]], ...]:
        if label not in self._squashes_of:
            found = []
            for name, file in self._app(label).files.items():
                if self._holds(file.path, b"replaces"):
                    source = self.source(file)
                    keys = () if isinstance(source, Unknown) else source.replaces
                    replaced = tuple(key for key in keys if not isinstance(key, Unknown))
                    if replaced and (label, name) not in replaced:
                        found.append(((label, name), replaced))
            self._squashes_of[label] = tuple(found)
        return self._squashes_of[label]

    @cached_property
    def _squashes_of(self) -> dict[str, tuple[tuple[MigrationKey, tuple[MigrationKey, ...]], ...]]:
        return {}

    def _end_of(self, label: str, first: bool) -> tuple[MigrationKey, ...] | str:
        """The first migration of an app, or its last one, as ``check_key`` of Django's loader."""
        keys = self._effective(label)
        inside: dict[MigrationKey, set[MigrationKey]] = {
            key: self._own_parents(key) for key in keys
        }
        if first:
            ends = [key for key in keys if not inside[key]]
        else:
            depended_on = {parent for parents in inside.values() for parent in parents}
            ends = [key for key in keys if key not in depended_on]
        return (ends[0],) if ends else f"app {label} has no migrations"

    def _own_parents(self, key: MigrationKey) -> set[MigrationKey]:
        source = self.source(self._app(key[0]).files[key[1]])
        if isinstance(source, Unknown):
            return set()
        own = [
            each
            for each in source.dependencies
            if not isinstance(each, Unknown) and each[0] == key[0]
        ]
        found = [self._standing_for(each) for each in own if not each[1].startswith("__")]
        return {each for keys in found if not isinstance(keys, str) for each in keys}

    def _effective(self, label: str) -> tuple[MigrationKey, ...]:
        """The migrations of an app without the squashes whose replaced files are all there."""
        if label not in self._effective_of:
            keys = [(label, name) for name in sorted(self._app(label).files)]
            found = tuple(key for key in keys if self._standing_for(key) == (key,))
            self._effective_of[label] = found
        return self._effective_of[label]

    @cached_property
    def _effective_of(self) -> dict[str, tuple[MigrationKey, ...]]:
        return {}

    # The graph

    @cached_property
    def _run_before(self) -> Mapping[MigrationKey, tuple[MigrationKey, ...]]:
        """Migrations of the project that ask to run before another one, by that other one."""
        found: dict[MigrationKey, tuple[MigrationKey, ...]] = {}
        for file in self.project.migrations:
            if not self._holds(file.path, b"run_before"):
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
            standing = self._standing_for(each)
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
        file = self._app(key[0]).files[key[1]]
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
            source = self.source(self._app(key[0]).files[key[1]])
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
        standing = self._standing_for(key)
        if isinstance(standing, str):
            return 0
        for each in standing:
            self._closure(each)
        return sum(1 << self._numbers[each] for each in standing)

    def _possibilities(self, sure: int, itself: int, labels: frozenset[str]) -> list[int]:
        """The sets of migrations that may have run: the sure ones, per app each step further, and all."""
        masks = {sure}
        everything = sure
        for label in labels:
            of_the_app = sure
            for key in self._effective(label):
                closure = self._closure(key)
                if not closure & itself:
                    masks.add(sure | closure)
                    of_the_app |= closure
            masks.add(of_the_app)
            everything |= of_the_app
        masks.add(everything)
        return sorted(masks, key=lambda mask: (mask.bit_count(), mask))

    # Replaying

    @cached_property
    def classes(self) -> Classes:
        """The classes of the project and of its environment by their dotted paths."""
        return Classes(self.scope_of)

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

    # Models named by migrations that are not replayed

    def _why_open(
        self, mask: int, key: MigrationKey, labels: frozenset[str]
    ) -> Callable[[ModelKey], str | None]:
        """Whether migrations that may have run, and that nobody asked for, name a model."""

        def why(model: ModelKey) -> str | None:
            for file in self._files_naming(model):
                if file.app_label not in labels and not self._has_run(file, mask, key):
                    return f"{file.app_label}.{file.name} may have run already and names it"
            return None

        return why

    def _has_run(self, file: MigrationFile, mask: int, key: MigrationKey) -> bool:
        """Whether the file is in the set, or is the one that the question is about."""
        standing = self._standing_for((file.app_label, file.name))
        if isinstance(standing, str):
            return False
        return key in standing or all(
            each in self._numbers and mask >> self._numbers[each] & 1 for each in standing
        )

    def _files_naming(self, key: ModelKey) -> tuple[MigrationFile, ...]:
        """The files of the project that hold ``"app.Model"``, or a setting that names it."""
        if key not in self._naming:
            written = ".".join(key).lower().encode()
            files = self.project.migrations
            self._naming[key] = tuple(file for file in files if self._names(file, key, written))
        return self._naming[key]

    @cached_property
    def _naming(self) -> dict[ModelKey, tuple[MigrationFile, ...]]:
        return {}

    def _names(self, file: MigrationFile, key: ModelKey, written: bytes) -> bool:
        if file.path in self._data:
            named = _names_model(self._data[file.path], key, written)
        else:
            named = self.project.files.once(_may_name_model, file.path, key, written)
        if named:
            return True
        models = (self._settings.value(name) for name in self._settings_in(file.path))
        return any(isinstance(m, str) and m.lower() == ".".join(key) for m in models)

    def _settings_in(self, path: Path) -> frozenset[str]:
        """The settings that a file names, looked for once."""
        if path not in self._setting_names:
            given = self._data.get(path)
            found = (
                self.project.files.once(found_in, path, _SETTING_TEXT)
                if given is None
                else _SETTING_TEXT.findall(given)
            )
            self._setting_names[path] = frozenset(name.decode() for name in found)
        return self._setting_names[path]

    @cached_property
    def _setting_names(self) -> dict[Path, frozenset[str]]:
        return {}


_SETTING_TEXT = re.compile(rb"settings\.([A-Z_]+)")


def _may_name_model(files: Files, path: Path, key: ModelKey, written: bytes) -> bool:
    """Does a file hold ``"app.Model"``, for all that is known?"""
    data = files.read(path)
    return isinstance(data, Unreadable) or _names_model(data, key, written)


def _names_model(data: bytes, key: ModelKey, written: bytes) -> bool:
    if written not in data.lower():
        return False
    return key in ((a.decode().lower(), b.decode().lower()) for a, b in MODEL_TEXT.findall(data))


def _in_tests(package: MigrationPackage, project: Project) -> bool:
    inner = package.folder.relative_to(project.root).parts
    return bool({"tests", "test", "testing", "test_project", "testapp"} & set(inner))


def _with_unknown(state: ProjectState, problems: Mapping[str, str]) -> ProjectState:
    for label, why in problems.items():
        if label:
            state = state.with_unknown_app(label, why)
        else:
            state = replace(state, everything_unknown=state.everything_unknown or why)
    return state


def _what_matters(
    state: ProjectState,
    labels: frozenset[str],
    keys: frozenset[ModelKey] | None,
    pointing: bool,
) -> tuple[object, ...]:
    """What two states must share to be one to a loop over the models ``keys`` of the apps ``labels``."""
    if keys is None:
        return _of_apps(state, labels)
    matter = _of_models(state, labels, keys)
    if not pointing:
        return matter
    relations = [state.relations_to(each) for each in sorted(keys)]
    return (*matter, [(each.found, each.incomplete) for each in relations])


def _of_apps(state: ProjectState, labels: frozenset[str]) -> tuple[object, ...]:
    models = {key: model for key, model in state.models.items() if key[0] in labels}
    return models, {label: why for label, why in state.unknown_apps.items() if label in labels}


def _of_models(
    state: ProjectState, labels: frozenset[str], keys: frozenset[ModelKey]
) -> tuple[object, ...]:
    """The models ``keys`` with their bases, and the primary keys of what their fields point to."""
    models = [(key, state.models.get(key)) for key in sorted(keys)]
    bases: list[object] = []
    keys_pointed_to: list[object] = []
    for _, model in models:
        if isinstance(model, ModelState):
            bases += [state.models.get(base) for base in model.bases if isinstance(base, tuple)]
            targets = [field.target for field in model.fields if isinstance(field.target, tuple)]
            keys_pointed_to += [_primary_key(state.models.get(target)) for target in targets]
    unknown = {label: why for label, why in state.unknown_apps.items() if label in labels}
    return models, bases, keys_pointed_to, unknown


def _primary_key(model: object) -> object:
    if not isinstance(model, ModelState):
        return model
    return [field for field in model.fields if field.primary_key is not False]


def _asked_for(state: ProjectState, keys: frozenset[ModelKey]) -> set[ModelKey]:
    """Every model that ``_of_models`` looks at."""
    found = set(keys)
    for model in map(state.models.get, keys):
        if isinstance(model, ModelState):
            found.update(base for base in model.bases if isinstance(base, tuple))
            found.update(each.target for each in model.fields if isinstance(each.target, tuple))
    return found
