"""A class with the module that it stands in, and the classes of Django at which reading ends."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from migfix.history.files.scope import Scope
from migfix.source import nodes_in

LOOKUPS = frozenset(
    "get_lookup get_lookups get_transform get_prep_lookup get_db_prep_lookup class_lookups".split()
)
_REGISTRIES = frozenset({"register_lookup", "class_lookups"})
# Signals that no save() sends.
_OTHER_SIGNALS = frozenset({"class_prepared", "pre_delete", "post_delete", "m2m_changed"})


@dataclass(frozen=True)
class ReadModule:
    """A module's source, and what all of it says that matters to its classes."""

    scope: Scope

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(nodes_in(self.scope.tree))

    @cached_property
    def changed(self) -> frozenset[str]:
        """What ``MoneyField.pre_save = ...`` and ``setattr(MoneyField, ...)`` change."""
        found = set()
        for node in self.nodes:
            match node:
                case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                    found.add(name)
                case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=name), *_]):
                    found.add(name)
        return frozenset(found)

    @cached_property
    def gives_lookups(self) -> bool:
        return any(isinstance(n, ast.Attribute) and n.attr in _REGISTRIES for n in self.nodes)

    @cached_property
    def connects(self) -> bool:
        return any(map(is_connection, self.nodes))

    def one_class(self, name: str) -> ast.ClassDef | None:
        """The class at the top of the module, if nothing else in it is called so."""
        called_so = [node for node in self.nodes if _bound_name(node) == name]
        at_the_top = [n for n in self.scope.tree.body if isinstance(n, ast.ClassDef)]
        found = [node for node in at_the_top if node.name == name]
        return found[0] if len(called_so) == len(found) == 1 else None


def _bound_name(node: ast.AST) -> str | None:
    """The name that a definition or an import binds: of ``import X as Y`` the second."""
    if isinstance(node, ast.alias) and node.asname:
        return node.asname
    return getattr(node, "name", None)


@dataclass(frozen=True, slots=True)
class ReadClass:
    path: str
    node: ast.ClassDef
    module: ReadModule

    @property
    def scope(self) -> Scope:
        return self.module.scope

    @property
    def is_changed_from_outside(self) -> bool:
        return self.node.name in self.module.changed

    def defined(self) -> Iterator[tuple[str, ast.stmt]]:
        """The names that the class body binds; an empty one for a statement that is not understood."""
        for statement in self.node.body:
            match statement:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    yield name, statement
                case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                    yield name, statement
                case ast.Assign(targets=targets):
                    for target in targets:
                        yield target.id if isinstance(target, ast.Name) else "", statement
                case ast.Pass() | ast.Expr(value=ast.Constant()):
                    pass
                case _:
                    yield "", statement


@dataclass(frozen=True, slots=True)
class Root:
    """A class of Django, or one known as well, at which reading ends."""

    kind: str
    stamps: bool = False
    computes: bool = False  # its ``pre_save()`` does something else than Django's


def is_connection(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="connect", value=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name not in _OTHER_SIGNALS
        case ast.Attribute(attr="connect" | "receiver") | ast.Name(id="receiver"):
            return True
    return False
