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
from migfix.project.senders import Senders
from migfix.source import last_name, nodes_in, nodes_of, tree_of

INIT = frozenset({"pre_init", "post_init"})
SAVE = frozenset({"pre_save", "post_save"})
DELETE = frozenset({"pre_delete", "post_delete"})
ALL = INIT | SAVE | DELETE | {"m2m_changed"}
_PREPARED = "class_prepared"
_OF_FIELDS = "contribute_to_class"
_NAMES: Mapping[str, frozenset[str]] = {
    **{name: frozenset({name}) for name in ALL},
    _PREPARED: ALL,
}
_NAMED = re.compile(rb"\b(?:%b)\b" % "|".join(_NAMES).encode())
_MENTION = re.compile(rb"\b(?:%b)\b" % "|".join([*_NAMES, "signals"]).encode())
# Each of these holds one of them; looked for first, as it is three times as fast.
_PARTS = (b"signals", b"_init", b"_save", b"_delete", b"m2m_changed", b"class_prepared")
_SIGNALS = re.compile(rb"\bsignals\b")
_SIGNALS_IN_TEXT = re.compile(r"models\.signals\.\w+$|\bsignals\.\w+\.connect\(")
_SIGNAL_MODULES = re.compile(r"django\.(db\.models|dispatch)(\.|$)")
# Keywords by which a library is told which signals to leave alone.
_LEFT_ALONE = frozenset({"signals_denylist"})
# What takes signals and connects nothing to them for good.
_HARMLESS = frozenset(
    "disconnect isinstance len mute_signals print repr send send_robust str".split()
)

Guard = Callable[[Path, ast.Module, ast.expr], Sequence[Way]]
Signals = Mapping[str, frozenset[str]]
"""Names of a file, each with the signals that it may stand for."""


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
        if name not in _NAMES
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
        return _with_names_for(_NAMES, self.bindings)

    @cached_property
    def bindings(self) -> Sequence[_Binding]:
        """What the file gives names to."""
        return [] if self.tree is None else [*_bindings(self.tree)]

    @cached_property
    def own_signals(self) -> list[str]:
        """Signals of the project that are called as Django's."""
        body = [] if self.tree is None else self.tree.body
        return [
            target.id
            for statement in body
            if isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.Call)
            and _called(statement.value).endswith("Signal")
            for target in statement.targets
            if isinstance(target, ast.Name) and target.id in _NAMES
        ]

    @cached_property
    def watchers(self) -> list[str]:
        """The functions that connect receivers to a class that they are given."""
        return [] if self.tree is None else [name for name, _ in _watching(self.tree)]

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
        hidden = {*self.own_signals, *_imported_own(self.tree, own)}
        hidden |= set() if _SIGNALS.search(self.data) else _own_functions(self.tree)
        names = {name: s for name, s in _NAMES.items() if name not in hidden}
        names |= dict(_imported_signals(self.tree, handed_on))
        names = self.signals if names == _NAMES else _with_names_for(names, self.bindings)
        elsewhere = {name: found for (_, name), found in handed_on.items()}
        reading = _Reading(self.tree, names, self.is_migration, elsewhere)
        found = [*reading.connections()]
        found += [(call, ALL) for name, call in _watching(self.tree) if name in called]
        for node, signals in sorted(found, key=lambda pair: pair[0].lineno):
            if acting := ways(self.path, self.tree, node):
                yield Receiver(f"{self.shown}:{node.lineno}", signals, ways=acting)


def _own_functions(tree: ast.Module) -> set[str]:
    """``def pre_delete(keys): ...`` in a file that imports no signal."""
    imported = {
        alias.name
        for node in nodes_of(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    defined = {node.name for node in nodes_of(tree) if isinstance(node, ast.FunctionDef)}
    return set() if "*" in imported else defined - imported


def _imported_own(tree: ast.Module, own: Collection[tuple[str, str]]) -> Iterator[str]:
    """``from shop.signals import post_save``, which is a signal of the project."""
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom) and not _SIGNAL_MODULES.match(node.module or ""):
            module = (node.module or "").rpartition(".")[2]
            yield from (a.name for a in node.names if (module, a.name) in own and not a.asname)


def _imported_signals(
    tree: ast.Module, handed_on: Mapping[tuple[str, str], frozenset[str]]
) -> Iterator[tuple[str, frozenset[str]]]:
    """Signals under names that another file of the project gives them."""
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                if signals := handed_on.get((module, alias.name)):
                    yield alias.asname or alias.name, signals


def _with_names_for(names: Signals, bindings: Sequence[_Binding]) -> dict[str, frozenset[str]]:
    """The names, and those by which the file calls one of these, and so on."""
    known = dict(names)
    while True:
        new: dict[str, frozenset[str]] = {}
        for each in bindings:
            if found := each.signals(known):
                for name in each.names:
                    new[name] = new.get(name, known.get(name, found)) | found
        if new.items() <= known.items():
            return known
        known |= new


@dataclass(frozen=True, slots=True)
class _Value:
    """The names that may be signals in an expression, and whether it gets them by a text."""

    parts: frozenset[str]
    by_text: bool = False

    def signals(self, names: Signals) -> frozenset[str]:
        found = frozenset().union(*(names.get(part, frozenset()) for part in self.parts))
        return found or (ALL if self.by_text else frozenset())


@dataclass(frozen=True, slots=True)
class _Binding:
    """Names that the file gives to what these expressions hold."""

    names: Sequence[str]
    values: Sequence[_Value]

    def signals(self, names: Signals) -> frozenset[str]:
        return frozenset().union(*(value.signals(names) for value in self.values))


def _bindings(tree: ast.Module) -> Iterator[_Binding]:
    """Imported as, assigned, looped over, given back."""
    for node in nodes_of(tree):
        match node:
            case ast.ImportFrom(names=aliases):
                yield from (
                    _Binding([a.asname], [_Value(frozenset({a.name}))]) for a in aliases if a.asname
                )
            case (
                ast.Assign(targets=[target], value=value)
                | ast.For(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
                | ast.NamedExpr(target=target, value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                yield _Binding(_bound(target), [_value(value)])
            case ast.FunctionDef(name=name):
                returned = [n.value for n in nodes_in(node) if isinstance(n, ast.Return)]
                yield _Binding([name], [_value(value) for value in returned if value is not None])


def _bound(target: ast.expr) -> list[str]:
    return [n.id for n in nodes_in(target) if isinstance(n, ast.Name) and n.id not in _NAMES]


def _value(node: ast.AST) -> _Value:
    """What is called in it is no signal: fields have methods called ``pre_save``, too."""
    inside = list(nodes_in(node))
    called = {n.func for n in inside if isinstance(n, ast.Call)}
    parts = (_part(n) for n in inside if n not in called)
    return _Value(frozenset(filter(None, parts)), any(map(_is_by_text, inside)))


def _part(node: ast.AST) -> str:
    """``post_save``, and the same of ``signals.post_save``."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name, value=ast.Name() | ast.Attribute() as owner):
            last = owner.id if isinstance(owner, ast.Name) else owner.attr
            own = last in {"self", "cls"} and name not in _NAMES  # which views call methods by
            return name if own or last.endswith(("signals", "signal", "dispatch")) else ""
    return ""


def _is_by_text(node: ast.AST) -> bool:
    """``getattr(signals, name)``"""
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, *_]):
            return last_name(owner) == "signals"
    return False


def _of_whole_module(tree: ast.Module) -> Iterator[ast.expr]:
    """Where all signals are handed on at once: ``vars(signals)``, ``"django.db.models.signals.post_save"``."""
    aliases = {
        alias.asname or alias.name
        for node in nodes_of(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        if alias.name in {"signals", "django.db.models.signals"}
        and (isinstance(node, ast.Import) or _SIGNAL_MODULES.match(node.module or ""))
    }
    owners = {node.value for node in nodes_of(tree) if isinstance(node, ast.Attribute)}
    calls = (n for n in nodes_of(tree) if isinstance(n, ast.Call) and _is_by_text(n))
    by_name = {call.args[0] for call in calls}
    for node in nodes_of(tree):
        match node:
            case ast.Name(id=name) if name in aliases and node not in owners | by_name:
                yield node
            case ast.Constant(value=str(text)) if _SIGNALS_IN_TEXT.search(text):
                yield node


def _watching(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """``def watch(model): post_save.connect(f, sender=model)``"""
    if not any(_called(node) == "connect" for node in nodes_of(tree)):
        return
    for function in nodes_of(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if function.name == _OF_FIELDS:
            continue
        given = {a.arg for a in (*function.args.posonlyargs, *function.args.args)} - {"self"}
        for node in nodes_in(function):
            senders = _senders(node) if _called(node) == "connect" else []
            if any(isinstance(n, ast.Name) and n.id in given for n in senders):
                assert isinstance(node, ast.Call)
                yield function.name, node


def _called(node: ast.AST) -> str:
    """The name of what is called; nothing for what is no call."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def _senders(node: ast.AST) -> list[ast.expr]:
    """``s.connect(f, sender)``, ``receiver(s, sender=sender)``: to other functions it goes by its name."""
    if not isinstance(node, ast.Call):
        return []
    second = node.args[1:2] if _called(node) == "connect" else []
    return [*second, *(k.value for k in node.keywords if k.arg == "sender")]


@dataclass(frozen=True)
class _Reading:
    """Looks through one file for what connects receivers."""

    tree: ast.Module
    names: Signals
    is_migration: bool
    elsewhere: Signals  # names that other files give to signals

    def connections(self) -> Iterator[tuple[ast.expr, frozenset[str]]]:
        """Each place with the signals that historical models send there."""
        heard: set[ast.expr] = set()
        for node in nodes_of(self.tree):
            if isinstance(node, ast.Call):
                yield from self._of_call(node, heard)
        for node in nodes_of(self.tree):
            match node:
                case ast.Attribute(value=signal, attr="connect" | "receivers") if (
                    node not in heard and node not in self.put_back
                ):
                    yield from ((node, found) for found in [self._of_owner(signal)] if found)
        yield from ((node, ALL) for node in _of_whole_module(self.tree))

    def _of_call(
        self, call: ast.Call, heard: set[ast.expr]
    ) -> Iterator[tuple[ast.expr, frozenset[str]]]:
        match call:
            case ast.Call(func=ast.Attribute(value=signal, attr="connect") as method):
                heard.add(method)
                signals = self._of_owner(signal) or self._of_parameter(signal, call)
                bound = bool(signals) and not self._of_given(call)
                if bound and not self._is_sent_by_others(call):
                    yield call, signals
                    return
        name = _called(call)
        signals = frozenset() if name in _HARMLESS else self._of_given(call)
        if signals and (name in {"connect", "partial"} or not self._is_sent_by_others(call)):
            yield call, signals

    def _of(self, node: ast.expr) -> frozenset[str]:
        return _value(node).signals(self.names)

    def _of_owner(self, node: ast.expr) -> frozenset[str]:
        """The same in front of ``.connect``: there, ``anything.post_save`` is one as well, by any name."""
        attribute = node.attr if isinstance(node, ast.Attribute) else ""
        nothing: frozenset[str] = frozenset()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):  # ``which().connect(f)``
            return self._of(node) or self.names.get(node.func.id, nothing)
        return self._of(node) or self.names.get(attribute) or self.elsewhere.get(attribute, nothing)

    def _of_parameter(self, node: ast.expr, call: ast.Call) -> frozenset[str]:
        """``signal.connect(f)`` of a signal that a function is given."""
        heard = bool(call.args) or any(k.arg == "receiver" for k in call.keywords)
        given = isinstance(node, ast.Name) and node.id in {"signal", "sig"} and heard
        return ALL if given else frozenset()

    def _of_given(self, call: ast.Call) -> frozenset[str]:
        """``receiver(post_save)``, ``on(index, when=post_save)``: a signal that is handed to something."""
        given = [*call.args, *(k.value for k in call.keywords if k.arg not in _LEFT_ALONE)]
        each = [part for node in given for part in getattr(node, "elts", [node])]
        plain = [part for part in each if isinstance(part, (ast.Name, ast.Attribute))]
        return frozenset().union(*map(self._of, plain))

    def _is_sent_by_others(self, call: ast.Call) -> bool:
        """Is there a sender that is no historical class? ``**options`` may or may not hold one."""
        given = _senders(call)
        texts = all(isinstance(s, ast.Constant) for s in given)
        if not given or any(k.arg == "apps" for k in call.keywords):
            return False
        if not all(map(self.senders.is_class, given)):
            return False
        of_field = call in self.of_fields  # known of the fields of a model that have such a class
        return texts or of_field or not self.is_migration

    @cached_property
    def senders(self) -> Senders:
        return Senders(self.tree)

    @cached_property
    def put_back(self) -> frozenset[ast.AST]:
        """Where receivers are only taken away for a while: ``kept = post_save.receivers``."""
        if not any(getattr(n, "attr", "") == "receivers" for n in nodes_of(self.tree)):
            return frozenset()
        functions = (n for n in nodes_of(self.tree) if isinstance(n, ast.FunctionDef))
        return frozenset(node for function in functions for node in _put_back(function))

    @cached_property
    def of_fields(self) -> frozenset[ast.AST]:
        """What ``contribute_to_class()`` holds, by which fields and managers connect to their own model."""
        named = (n for n in nodes_of(self.tree) if getattr(n, "name", "") == _OF_FIELDS)
        return frozenset(node for function in named for node in nodes_in(function))


def _put_back(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The ``s.receivers`` of ``kept = s.receivers``, ``s.receivers = []`` and ``s.receivers = kept``.

    A name that anything else is done with may be given more receivers.
    """
    kept: list[tuple[ast.Name, ast.Attribute]] = []
    put: list[tuple[ast.Name, ast.Attribute]] = []
    for node in nodes_in(function):
        match node:
            case ast.Assign(
                targets=[ast.Name() as holder], value=ast.Attribute(attr="receivers") as signal
            ):
                kept.append((holder, signal))
            case ast.Assign(
                targets=[ast.Attribute(attr="receivers") as signal], value=ast.Name() as holder
            ):
                put.append((holder, signal))
            case ast.Assign(
                targets=[ast.Attribute(attr="receivers") as signal], value=ast.List(elts=[])
            ):
                yield signal
    pairs = [*kept, *put]
    known = {holder for holder, _ in pairs}
    for name in {holder.id for holder, _ in kept}:
        signals = [signal for holder, signal in pairs if holder.id == name]
        owners = {ast.dump(signal.value) for signal in signals}
        named = any(last_name(signal.value) in _NAMES for signal in signals)
        if named and len(owners) == 1 and _is_local(name, function, known):
            yield from signals


def _is_local(name: str, function: ast.FunctionDef, known: Collection[ast.AST]) -> bool:
    """Does the function name it in these places alone, and hand it to no other?"""
    return not any(
        (isinstance(node, ast.Name) and node.id == name and node not in known)
        or (isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names)
        for node in nodes_in(function)
    )
