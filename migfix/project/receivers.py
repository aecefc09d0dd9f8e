"""Signal receivers of a project that may hear the historical models of migrations, found without importing.

A receiver with a sender hears that class only, and a text names the class of today: neither is a class of a
migration. One without a sender hears what ``save()`` and its like send in migrations too, and one of
``class_prepared`` hears of each historical class as it is made and may connect others to it:
https://docs.djangoproject.com/en/stable/topics/signals/#connecting-to-signals-sent-by-specific-senders
https://docs.djangoproject.com/en/stable/ref/signals/#class-prepared
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from migfix.disk.files import Files, Unreadable
from migfix.project.connections import Connections, called_name, watching
from migfix.project.discovery import Project
from migfix.project.hearing import IN_ANY_CASE, Receiver, Way
from migfix.project.patches import (
    changes_of,
    changes_of_methods,
    changes_of_models,
    may_change,
    may_change_methods,
    may_change_models,
)
from migfix.project.signals import (
    ALL,
    SIGNALS_BY_NAME,
    Binding,
    bindings_of,
    imported_own,
    imported_signals,
    own_functions,
    with_names_for,
)
from migfix.source import nodes_in, nodes_of, tree_of

_NAMED = re.compile(rb"\b(?:%b)\b" % "|".join(SIGNALS_BY_NAME).encode())
_MENTION = re.compile(rb"\b(?:%b)\b" % "|".join([*SIGNALS_BY_NAME, "signals"]).encode())
# Each of these holds one of them; looked for first, as it is three times as fast.
_PARTS = (b"signals", b"_init", b"_save", b"_delete", b"m2m_changed", b"class_prepared")
_SIGNALS = re.compile(rb"\bsignals\b")

Guard = Callable[[Path, ast.Module, ast.expr], Sequence[Way]]


def receivers(project: Project, ways: Guard = lambda *_: IN_ANY_CASE) -> list[Receiver]:
    """The receivers of the project's own code, tests left out, that may hear historical models.

    ``ways`` says of a file, its tree and a connection what it takes for what is connected there to act when
    it hears one.

    A file that does not parse but names a signal counts as one of all signals, and so does one that
    cannot be read.
    """
    files = [_File(path, project) for path in project.own_code]
    mentioning = [file for file in files if file.worth.signals]
    handed_on = {
        (file.module, name): signals
        for file in mentioning
        for name, signals in file.signals.items()
        if name not in SIGNALS_BY_NAME
    }
    own = {(file.module, name) for file in mentioning for name in file.own_signals}
    watchers = {name: file for file in mentioning for name in file.watchers}
    called = _called_by_migrations(watchers, files) if watchers else frozenset()
    changing = [file for file in files if file.worth.classes]
    patching = [file for file in files if file.worth.methods]
    patchers = {name for file in patching for name in file.patchers}
    patched = _called_by_migrations(patchers, files) if patchers else frozenset()
    importing: list[_File] = []
    if names := frozenset(name for _, name in handed_on):
        others = set(files).difference(mentioning)
        importing = [file for file in files if file in others and file.named(names)]
    return [
        receiver
        for file in (*mentioning, *importing)
        for receiver in file.receivers(handed_on, own, called, ways)
    ] + [
        *(change for file in changing for change in file.changes()),
        *(change for file in patching for change in file.patches(patched)),
    ]


def changes_here(tree: ast.Module, data: bytes, shown: str) -> list[Receiver]:
    """What a migration does to its own models, which only its own loops meet; ``shown`` is its name, ``data`` its bytes.

    They come to the same as receivers of all signals.
    """
    if not may_change_models(data):
        return []
    return [
        Receiver(f"{shown}:{node.lineno}", ALL, "changes a model by hand")
        for node in changes_of_models(tree)
    ]


def _mentions_signals(data: bytes) -> bool:
    return any(part in data for part in _PARTS) and _MENTION.search(data) is not None


def _called_by_migrations(names: Iterable[str], files: Iterable[_File]) -> frozenset[str]:
    """Those of the functions that migrations name, which may hand them a historical model."""
    wanted = frozenset(names)
    return frozenset().union(*(file.named(wanted) for file in files if file.is_migration))


@dataclass(frozen=True, slots=True)
class _Worth:
    """What a file may hold: signals, changes of Django's classes, changes of methods."""

    signals: bool
    classes: bool
    methods: bool


def _worth(files: Files, path: Path) -> _Worth:
    data = files.read(path)
    if isinstance(data, Unreadable):
        return _Worth(True, False, False)
    return _Worth(_mentions_signals(data), may_change(data), may_change_methods(data))


def _named_in(files: Files, path: Path, names: frozenset[str]) -> frozenset[str]:
    """Those of the names that stand in the file."""
    data = files.read_if_there(path)
    return frozenset(n for n in names if n.encode() in data and _stands_in(n.encode(), data))


def _stands_in(name: bytes, data: bytes) -> bool:
    return re.search(rb"\b%b\b" % name, data) is not None


class _File:
    """One file of the project."""

    def __init__(self, path: Path, project: Project) -> None:
        self.path = path
        self._project = project
        self.worth = project.files.once(_worth, path)
        self.is_migration = "migrations" in path.parts[-3:-1]
        self._tree: ast.Module | None = None

    def named(self, names: frozenset[str]) -> frozenset[str]:
        """Those of the names that stand in it."""
        return self._project.files.once(_named_in, self.path, names)

    @cached_property
    def shown(self) -> str:
        return self._project.shown(self.path)

    @cached_property
    def is_unreadable(self) -> bool:
        return isinstance(self._project.files.read(self.path), Unreadable)

    @property
    def data(self) -> bytes:
        return self._project.files.read_if_there(self.path)

    @property
    def module(self) -> str:
        """The last part of what it is imported as."""
        return self.path.parent.name if self.path.stem == "__init__" else self.path.stem

    @property
    def tree(self) -> ast.Module | None:
        if self._tree is None and not self.is_unreadable:
            self._tree = tree_of(self.data)
        return self._tree

    @cached_property
    def signals(self) -> dict[str, frozenset[str]]:
        """The names that the file itself gives to signals."""
        return with_names_for(SIGNALS_BY_NAME, self.bindings)

    @cached_property
    def bindings(self) -> Sequence[Binding]:
        """What the file gives names to."""
        return [] if self.tree is None else [*bindings_of(self.tree)]

    @cached_property
    def own_signals(self) -> list[str]:
        """Signals of the project that are called as Django's."""
        body = [] if self.tree is None else self.tree.body
        return [
            target.id
            for statement in body
            if isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.Call)
            and called_name(statement.value).endswith("Signal")
            for target in statement.targets
            if isinstance(target, ast.Name) and target.id in SIGNALS_BY_NAME
        ]

    @cached_property
    def watchers(self) -> list[str]:
        """The functions that connect receivers to a class that they are given."""
        return [] if self.tree is None else [name for name, _ in watching(self.tree)]

    def changes(self) -> Iterator[Receiver]:
        for node in changes_of(self.tree) if self.tree else ():
            yield Receiver(f"{self.shown}:{node.lineno}", ALL, "changes a class of Django's")

    @cached_property
    def patchers(self) -> Mapping[str, ast.stmt | ast.expr]:
        """The functions and classes that change a method of some class, and such classes, each with the place."""
        changes = [] if self.tree is None else [*changes_of_methods(self.tree)]
        if not changes or self.tree is None:
            return {}
        patched = {name: place for place, name in changes if name[:1].isupper()}
        places = {place for place, _ in changes}
        for node in nodes_of(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                first = next((n for n in nodes_in(node) if n in places), None)
                if isinstance(first, (ast.stmt, ast.expr)):
                    patched[node.name] = first
        return patched

    def patches(self, called: Collection[str]) -> Iterator[Receiver]:
        """What a migration does to methods, or has these functions do."""
        places = [place for name, place in self.patchers.items() if name in called]
        if self.is_migration and self.tree:
            places += (place for place, _ in changes_of_methods(self.tree))
        for place in places[:1]:
            where = f"{self.shown}:{place.lineno}"
            yield Receiver(where, ALL, "changes a method, perhaps of a historical model")

    def receivers(
        self,
        handed_on: Mapping[tuple[str, str], frozenset[str]],
        own: Collection[tuple[str, str]],
        called: frozenset[str],
        ways: Guard,
    ) -> Iterator[Receiver]:
        if self.tree is None:
            connects = b"connect" in self.data or b"receiver" in self.data
            if self.is_unreadable or (connects and _NAMED.search(self.data)):
                yield Receiver(f"{self.shown}:1", ALL, "cannot be read and may connect a receiver")
            return
        hidden = {*self.own_signals, *imported_own(self.tree, own)}
        hidden |= set() if _SIGNALS.search(self.data) else own_functions(self.tree)
        names = {name: s for name, s in SIGNALS_BY_NAME.items() if name not in hidden}
        names |= dict(imported_signals(self.tree, handed_on))
        names = self.signals if names == SIGNALS_BY_NAME else with_names_for(names, self.bindings)
        elsewhere = {name: found for (_, name), found in handed_on.items()}
        reading = Connections(self.tree, names, self.is_migration, elsewhere)
        found = [*reading.connections()]
        found += [(call, ALL) for name, call in watching(self.tree) if name in called]
        for node, signals in sorted(found, key=lambda pair: pair[0].lineno):
            if acting := ways(self.path, self.tree, node):
                yield Receiver(f"{self.shown}:{node.lineno}", signals, ways=acting)
