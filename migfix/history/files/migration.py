"""What a migration file says: its dependencies, its operations, its RunPythons."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

from migfix.history.state import ModelKey, Unknown

SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "CreateModel": ("name", "fields", "options", "bases", "managers"),
    "DeleteModel": ("name",),
    "RenameModel": ("old_name", "new_name"),
    "AddField": ("model_name", "name", "field", "preserve_default"),
    "AlterField": ("model_name", "name", "field", "preserve_default"),
    "RemoveField": ("model_name", "name"),
    "RenameField": ("model_name", "old_name", "new_name"),
    "AlterUniqueTogether": ("name", "unique_together"),
    "AlterIndexTogether": ("name", "index_together"),
    "AlterModelOptions": ("name", "options"),
    "AlterModelManagers": ("name", "managers"),
    "AlterModelTable": ("name", "table"),
    "AlterModelTableComment": ("name", "table_comment"),
    "AlterOrderWithRespectTo": ("name", "order_with_respect_to"),
    "AddIndex": ("model_name", "index"),
    "RemoveIndex": ("model_name", "name"),
    "RenameIndex": ("model_name", "new_name", "old_name", "old_fields"),
    "AddConstraint": ("model_name", "constraint"),
    "RemoveConstraint": ("model_name", "name"),
    "AlterConstraint": ("model_name", "name", "constraint"),
    "AddIndexConcurrently": ("model_name", "index"),
    "RemoveIndexConcurrently": ("model_name", "name"),
    "AddConstraintNotValid": ("model_name", "constraint"),
    "ValidateConstraint": ("model_name", "name"),
    "SeparateDatabaseAndState": ("database_operations", "state_operations"),
    "RunSQL": ("sql", "reverse_sql", "state_operations", "hints", "elidable"),
    "RunPython": ("code", "reverse_code", "atomic", "hints", "elidable"),
    "CreateExtension": ("name", "hints"),
    "BloomExtension": ("hints",),
    "BtreeGinExtension": ("hints",),
    "BtreeGistExtension": ("hints",),
    "CITextExtension": ("hints",),
    "CryptoExtension": ("hints",),
    "HStoreExtension": ("hints",),
    "TrigramExtension": ("hints",),
    "UnaccentExtension": ("hints",),
    "CreateCollation": ("name", "locale", "provider", "deterministic"),
    "RemoveCollation": ("name", "locale", "provider", "deterministic"),
}
"""Django's own operations and the order of their arguments."""

EITHER = "either"
"""The kind of an entry that stands for one of several lists of operations: which is decided at import."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of ``operations``.

    ``kind`` is the name of Django's class, also for a subclass that leaves the state alone; None
    when it is not one of them, and then ``problem`` says so in words. ``arguments`` are by name;
    nested operations stand in ``database_operations`` and ``state_operations``.
    """

    kind: str | None
    arguments: Mapping[str, object]
    line: int
    problem: str | None = None
    own_database_code: bool = False  # a subclass with its own database_forwards
    database_operations: tuple[Operation, ...] = ()
    state_operations: tuple[Operation, ...] = ()
    alternatives: tuple[tuple[Operation, ...], ...] = ()  # of EITHER, any of which may run

    @property
    def nested(self) -> tuple[Operation, ...]:
        """All that stand in it."""
        either = (each for operations in self.alternatives for each in operations)
        return (*self.database_operations, *self.state_operations, *either)

    @property
    def wherever(self) -> Operation:
        return replace(
            self,
            line=0,
            database_operations=tuple(each.wherever for each in self.database_operations),
            state_operations=tuple(each.wherever for each in self.state_operations),
            alternatives=tuple(tuple(each.wherever for each in way) for way in self.alternatives),
        )


@dataclass(frozen=True, slots=True)
class RunPythonCall:
    """A RunPython and where it stands: ``index`` counts the entries of ``MigrationSource.operations``,
    also for one inside SeparateDatabaseAndState. ``code`` is None when the arguments are unpacked.
    """

    index: int
    node: ast.Call
    code: ast.expr | None
    reverse_code: ast.expr | None


@dataclass(frozen=True, slots=True)
class MigrationSource:
    """What a migration file says. A dependency is a pair (app label, migration name), or Unknown.

    ``swappable`` holds the dotted setting names of ``swappable_dependency(settings.X)``.
    """

    dependencies: tuple[ModelKey | Unknown, ...] = ()
    run_before: tuple[ModelKey | Unknown, ...] = ()
    replaces: tuple[ModelKey | Unknown, ...] = ()
    swappable: tuple[str, ...] = ()
    atomic: bool | Unknown = True
    operations: tuple[Operation, ...] = ()
    run_pythons: tuple[RunPythonCall, ...] = ()

    @property
    def for_others(self) -> MigrationSource:
        """What matters to other migrations: which functions it runs is its own affair."""
        return replace(self, run_pythons=())

    @property
    def wherever(self) -> MigrationSource:
        """The same, wherever its operations stand."""
        operations = tuple(each.wherever for each in self.operations)
        return replace(self.for_others, operations=operations)
