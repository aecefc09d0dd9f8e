"""Where a file connects receivers to signals, or hands signals on to what may."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from migfix.project.senders import Senders
from migfix.project.signals import (
    ALL,
    OF_FIELDS,
    SIGNAL_MODULES,
    SIGNALS_BY_NAME,
    Signals,
    is_by_text,
    value_of,
)
from migfix.source import last_name, nodes_in, nodes_of

_SIGNALS_IN_TEXT = re.compile(r"models\.signals\.\w+$|\bsignals\.\w+\.connect\(")
# Keywords by which a library is told which signals to leave alone.
_LEFT_ALONE = frozenset({"signals_denylist"})
# What takes signals and connects nothing to them for good.
_HARMLESS = frozenset(
    "disconnect isinstance len mute_signals print repr send send_robust str".split()
)


def _of_whole_module(tree: ast.Module) -> Iterator[ast.expr]:
    """Where all signals are handed on at once: ``vars(signals)``, ``"django.db.models.signals.post_save"``."""
    aliases = {
        alias.asname or alias.name
        for node in nodes_of(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        if alias.name in {"signals", "django.db.models.signals"}
        and (isinstance(node, ast.Import) or SIGNAL_MODULES.match(node.module or ""))
    }
    owners = {node.value for node in nodes_of(tree) if isinstance(node, ast.Attribute)}
    calls = (n for n in nodes_of(tree) if isinstance(n, ast.Call) and is_by_text(n))
    by_name = {call.args[0] for call in calls}
    for node in nodes_of(tree):
        match node:
            case ast.Name(id=name) if name in aliases and node not in owners | by_name:
                yield node
            case ast.Constant(value=str(text)) if _SIGNALS_IN_TEXT.search(text):
                yield node


def watching(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """``def watch(model): post_save.connect(f, sender=model)``"""
    if not any(called_name(node) == "connect" for node in nodes_of(tree)):
        return
    for function in nodes_of(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if function.name == OF_FIELDS:
            continue
        given = {a.arg for a in (*function.args.posonlyargs, *function.args.args)} - {"self"}
        for node in nodes_in(function):
            senders = _senders(node) if called_name(node) == "connect" else []
            if any(isinstance(n, ast.Name) and n.id in given for n in senders):
                assert isinstance(node, ast.Call)
                yield function.name, node


def called_name(node: ast.AST) -> str:
    """The name of what is called; nothing for what is no call."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def _senders(node: ast.AST) -> list[ast.expr]:
    """``s.connect(f, sender)``, ``receiver(s, sender=sender)``: to other functions it goes by its name."""
    if not isinstance(node, ast.Call):
        return []
    second = node.args[1:2] if called_name(node) == "connect" else []
    return [*second, *(k.value for k in node.keywords if k.arg == "sender")]


@dataclass(frozen=True)
class Connections:
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
        name = called_name(call)
        signals = frozenset() if name in _HARMLESS else self._of_given(call)
        if signals and (name in {"connect", "partial"} or not self._is_sent_by_others(call)):
            yield call, signals

    def _of(self, node: ast.expr) -> frozenset[str]:
        return value_of(node).signals(self.names)

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
        named = (n for n in nodes_of(self.tree) if getattr(n, "name", "") == OF_FIELDS)
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
        named = any(last_name(signal.value) in SIGNALS_BY_NAME for signal in signals)
        if named and len(owners) == 1 and _is_local(name, function, known):
            yield from signals


def _is_local(name: str, function: ast.FunctionDef, known: Collection[ast.AST]) -> bool:
    """Does the function name it in these places alone, and hand it to no other?"""
    return not any(
        (isinstance(node, ast.Name) and node.id == name and node not in known)
        or (isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names)
        for node in nodes_in(function)
    )
