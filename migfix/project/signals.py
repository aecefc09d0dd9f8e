"""Which signals the names and expressions of a file may stand for."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from migfix.source import last_name, nodes_in, nodes_of

INIT = frozenset({"pre_init", "post_init"})
BEFORE_SAVE = frozenset({"pre_save"})
SAVE = BEFORE_SAVE | {"post_save"}
DELETE = frozenset({"pre_delete", "post_delete"})
ALL = INIT | SAVE | DELETE | {"m2m_changed"}
_PREPARED = "class_prepared"
OF_FIELDS = "contribute_to_class"
SIGNALS_BY_NAME: Mapping[str, frozenset[str]] = {
    **{name: frozenset({name}) for name in ALL},
    _PREPARED: ALL,
}
SIGNAL_MODULES = re.compile(r"django\.(db\.models|dispatch)(\.|$)")
Signals = Mapping[str, frozenset[str]]
"""Names of a file, each with the signals that it may stand for."""


def own_functions(tree: ast.Module) -> set[str]:
    """``def pre_delete(keys): ...`` in a file that imports no signal."""
    imported = {
        alias.name
        for node in nodes_of(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    defined = {node.name for node in nodes_of(tree) if isinstance(node, ast.FunctionDef)}
    return set() if "*" in imported else defined - imported


def imported_own(tree: ast.Module, own: Collection[tuple[str, str]]) -> Iterator[str]:
    """``from shop.signals import post_save``, which is a signal of the project."""
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom) and not SIGNAL_MODULES.match(node.module or ""):
            module = (node.module or "").rpartition(".")[2]
            yield from (a.name for a in node.names if (module, a.name) in own and not a.asname)


def imported_signals(
    tree: ast.Module, handed_on: Mapping[tuple[str, str], frozenset[str]]
) -> Iterator[tuple[str, frozenset[str]]]:
    """Signals under names that another file of the project gives them."""
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                if signals := handed_on.get((module, alias.name)):
                    yield alias.asname or alias.name, signals


def with_names_for(names: Signals, bindings: Sequence[Binding]) -> dict[str, frozenset[str]]:
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
class Binding:
    """Names that the file gives to what these expressions hold."""

    names: Sequence[str]
    values: Sequence[_Value]

    def signals(self, names: Signals) -> frozenset[str]:
        return frozenset().union(*(value.signals(names) for value in self.values))


def bindings_of(tree: ast.Module) -> Iterator[Binding]:
    """Imported as, assigned, looped over, given back."""
    for node in nodes_of(tree):
        match node:
            case ast.ImportFrom(names=aliases):
                yield from (
                    Binding([a.asname], [_Value(frozenset({a.name}))]) for a in aliases if a.asname
                )
            case (
                ast.Assign(targets=[target], value=value)
                | ast.For(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
                | ast.NamedExpr(target=target, value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                yield Binding(_bound(target), [value_of(value)])
            case ast.FunctionDef(name=name):
                returned = [n.value for n in nodes_in(node) if isinstance(n, ast.Return)]
                yield Binding([name], [value_of(value) for value in returned if value is not None])


def _bound(target: ast.expr) -> list[str]:
    return [
        n.id for n in nodes_in(target) if isinstance(n, ast.Name) and n.id not in SIGNALS_BY_NAME
    ]


def value_of(node: ast.AST) -> _Value:
    """What is called in it is no signal: fields have methods called ``pre_save``, too."""
    inside = list(nodes_in(node))
    called = {n.func for n in inside if isinstance(n, ast.Call)}
    parts = (_part(n) for n in inside if n not in called)
    return _Value(frozenset(filter(None, parts)), any(map(is_by_text, inside)))


def _part(node: ast.AST) -> str:
    """``post_save``, and the same of ``signals.post_save``."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name, value=ast.Name() | ast.Attribute() as owner):
            last = owner.id if isinstance(owner, ast.Name) else owner.attr
            own = (
                last in {"self", "cls"} and name not in SIGNALS_BY_NAME
            )  # which views call methods by
            return name if own or last.endswith(("signals", "signal", "dispatch")) else ""
    return ""


def is_by_text(node: ast.AST) -> bool:
    """``getattr(signals, name)``"""
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, *_]):
            return last_name(owner) == "signals"
    return False
