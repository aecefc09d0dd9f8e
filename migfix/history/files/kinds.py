"""Which of Django's operations a class stands for, also one of the project that leaves the state alone."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from migfix.history.files.migration import SIGNATURES
from migfix.history.files.scope import ClassFinder, Scope
from migfix.source import nodes_in

_OPERATION_PACKAGES = ("django.db.migrations", "django.contrib.postgres.operations")
_OPERATION_BASES = frozenset(
    {
        "django.db.migrations.Operation",
        "django.db.migrations.operations.Operation",
        "django.db.migrations.operations.base.Operation",
    }
)
STATE_METHODS = frozenset({"__init__", "__new__", "state_forwards", "mutate_state"})
# By which an operation may become another one as it is made.
_CHANGING_ITSELF = frozenset(
    "state_forwards mutate_state setattr __class__ __dict__ vars exec".split()
)
_DATABASE_METHODS = frozenset({"database_forwards", "apply"})


@dataclass(frozen=True, slots=True)
class OperationClasses:
    """The classes that a migration file names, as operations."""

    scope: Scope
    find_class: ClassFinder | None

    def kind(self, path: str | None, depth: int = 0) -> tuple[str | None, bool]:
        """Django's class behind an operation, and whether a subclass brings its own database code."""
        if path is None or depth > 5:
            return None, False
        if path.startswith(_OPERATION_PACKAGES):
            bare = path.rpartition(".")[2]
            return (bare if bare in SIGNATURES else None), False
        found = self._class(path)
        if found is None or len(found[0].bases) != 1 or _own_methods(found[0]) & STATE_METHODS:
            return None, False
        node, inner = found
        kind, own = self.kind(inner.dotted(node.bases[0]), depth + 1)
        return kind, own or bool(_own_methods(node) & _DATABASE_METHODS)

    def leaves_state(self, path: str) -> bool:
        """An operation of the project whose ``state_forwards`` does nothing: its SQL is not known."""
        found = self._class(path)
        if found is None or len(found[0].bases) != 1:
            return False
        node, inner = found
        if inner.dotted(node.bases[0]) not in _OPERATION_BASES:
            return False
        if _own_methods(node) & {"__new__", "mutate_state"}:
            return False
        methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
        forwards = methods.get("state_forwards")
        return forwards is not None and all(map(_does_nothing, forwards.body))

    def runs_python(self, path: str) -> bool:
        """A RunPython that makes its functions itself: they change no state, as that has no say in it."""
        found = self._class(path)
        if found is None or len(found[0].bases) != 1:
            return False
        node, inner = found
        plain = _own_methods(node) & STATE_METHODS <= {"__init__"} and not node.keywords
        named = {getattr(n, "attr", getattr(n, "id", "")) for n in nodes_in(node)}
        return (
            plain
            and not node.decorator_list
            and named.isdisjoint(_CHANGING_ITSELF)
            and self.kind(inner.dotted(node.bases[0]))[0] == "RunPython"
        )

    def descends_from_migration(self, base: str | None, body: ast.ClassDef) -> bool:
        for _ in range(5):
            if base in {
                "django.db.migrations.Migration",
                "django.db.migrations.migration.Migration",
            }:
                return True
            found = self._class(base) if base else None
            if found is None or found[0] is body or _own_methods(found[0]) & STATE_METHODS:
                return False
            base = found[1].dotted(found[0].bases[0]) if len(found[0].bases) == 1 else None
        return False

    def _class(self, path: str) -> tuple[ast.ClassDef, Scope] | None:
        module, _, name = path.rpartition(".")
        if module == self.scope.module:
            for node in self.scope.tree.body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return node, self.scope
        return self.find_class(path) if self.find_class else None


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.Return(value=None):
            return True
    return False


def _own_methods(node: ast.ClassDef) -> set[str]:
    return {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
