"""What the compilers know of the row: its columns, and what was assigned before on this path."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from migfix.expressions.kinds import FOREIGN_KEYS
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, Unknown
from migfix.loops.loop import Loop
from migfix.loops.scopes import walk


class Refused(Exception):
    """Raised inside a compiler, caught by the codemod that called it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message)


@dataclass(frozen=True, slots=True)
class Target:
    """What is assigned: the column, and the attribute by which the body calls it (``fk`` or ``fk_id``)."""

    column: FieldState
    attribute: str

    @property
    def takes_instance(self) -> bool:
        return self.column.kind in FOREIGN_KEYS and self.attribute == self.column.name


@dataclass(frozen=True, slots=True)
class SqlValue:
    """A right-hand side of ``update()``: its source, the columns it reads, and what may differ.

    ``literal`` is the Python value where it is one, else ``...``; ``attribute`` is the keyword that
    ``update()`` takes it by.
    """

    text: str
    reads: frozenset[str] = frozenset()
    caveats: tuple[Refusal, ...] = ()
    imports: tuple[tuple[str, str], ...] = ()
    literal: object = ...
    attribute: str = ""


@dataclass(frozen=True)
class Context:
    """One path through a loop's body: the row's columns and what the path has assigned so far.

    ``assigned`` goes by field name; ``not_null`` are fields that a condition of the path rules out
    to be None.
    """

    loop: Loop
    columns: Mapping[str, FieldState]  # by name and by attname
    assigned: Mapping[str, SqlValue] = field(default_factory=dict)
    not_null: frozenset[str] = frozenset()

    def column(self, name: str) -> FieldState:
        """The concrete field called ``name``. Raises ``Refused``."""
        if name == "pk":
            found = next((c for c in self.columns.values() if c.primary_key is True), None)
        else:
            found = self.columns.get(name)
        if found is None:
            raise Refused(
                Reason.FIELD_UNKNOWN, f"`{name}` is not a column of {self.loop.model_label} here"
            )
        return found

    def row_column(self, node: ast.expr) -> FieldState | None:
        """The field of ``row.name``; None for any other expression. Raises ``Refused``."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == self.loop.row:
                column = self.column(attribute)
                if column.kind in FOREIGN_KEYS and attribute == column.name:
                    self._check_link(column)
                return column
        return None

    def _check_link(self, column: FieldState) -> None:
        """``row.fk`` fetches the row it points to: that must be there, and be seen."""
        target = self.loop.state.model(*column.target) if isinstance(column.target, tuple) else None
        if target is None or isinstance(target, Unknown):
            raise Refused(Reason.MODEL_UNKNOWN, f"where `{column.name}` points is not known")
        loose = column.options.get("db_constraint", True) is not True
        if loose or "base_manager_name" in target.options:
            raise Refused(
                Reason.NOT_TOTAL, f"`{column.name}` may point to a row that the loop cannot load"
            )

    def key_of(self, column: FieldState) -> FieldState | None:
        """The column that a foreign key points to; None where it is not known."""
        target = column.target if isinstance(column.target, tuple) else None
        columns = self.loop.columns_of(target) if target else None
        if columns is None:
            return None
        wanted = column.options.get("to_field")
        if isinstance(wanted, str):
            return columns.get(wanted)
        keys = [c for c in columns.values() if c.primary_key is True]
        return keys[0] if wanted is None and keys else None

    def is_not_null(self, column: FieldState) -> bool:
        return (column.null is False and column.verified) or column.name in self.not_null

    def reads_row(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and n.id == self.loop.row for n in walk(node))
