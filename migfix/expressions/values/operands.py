"""The columns that a test reads: the row's own, and those of rows that it points to."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from migfix.expressions.context import Context, Refused
from migfix.expressions.values.related import Linked, linked_column
from migfix.findings import Reason
from migfix.history.state import FieldState
from migfix.source import shortened
from migfix.sql.kinds import FOREIGN_KEYS
from migfix.sql.nodes import Column, IsNull, Items, Lookup, Value
from migfix.sql.types import type_of_column


@dataclass(frozen=True, slots=True)
class Operand:
    """A column that a test reads: the row's own, or one of a row that it points to.

    ``attribute`` is how the body calls it, ``links`` are what its path goes over.
    """

    column: FieldState
    attribute: str
    not_null: bool
    links: tuple[FieldState, ...] = ()

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def node(self) -> Column:
        """The column by its name, as lookups call it."""
        return self._called(self.column.name)

    def _called(self, name: str) -> Column:
        path = (*(link.name for link in self.links), name)
        return Column(path, type_of_column(self.column), self.column, self.links, self.not_null)

    @property
    def is_instance(self) -> bool:
        return self.column.kind in FOREIGN_KEYS and self.attribute == self.column.name

    def check_not_null(self) -> None:
        """Raises ``Refused`` where the column may be NULL, at which Python would stop."""
        if not self.not_null:
            raise Refused(
                Reason.NULLABLE,
                f"`{self.name}` may be NULL: the loop would stop there, SQL would not",
            )

    def lookup(self, name: str, value: Value | Items | tuple[Value, ...]) -> Lookup:
        """``column__name=value``."""
        return Lookup(self.node, name, value)

    def by_attribute(self, value: Value) -> Lookup:
        """``column=value``, or ``fk_id=value`` where the body says so."""
        return Lookup(self._called(self.attribute), "", value)

    @property
    def present(self) -> IsNull:
        return IsNull(self.node, False)

    @property
    def absent(self) -> IsNull:
        return IsNull(self.node, True)


def operand_of(node: ast.expr, context: Context) -> Operand:
    """The column that ``node`` reads as it is stored. Raises ``Refused``."""
    found = found_operand(node, context)
    if found is None:
        raise refused_test(node, context)
    if found.column.kind is None or not found.column.verified:
        raise Refused(Reason.CONDITION, f"the type of `{found.name}` is not certain")
    return found


def found_operand(node: ast.expr, context: Context) -> Operand | None:
    column = context.row_column(node)
    if column is not None:
        assert isinstance(node, ast.Attribute)
        if column.name in context.assigned:
            raise Refused(Reason.CONDITION, f"`{column.name}` is tested after it was assigned")
        key = column.attname if column.attname == node.attr else column.name
        return Operand(column, str(key), context.is_not_null(column))
    linked = linked_column(node, context)
    return _linked_operand(linked) if linked else None


def _linked_operand(linked: Linked) -> Operand:
    column = linked.column
    certain = column.null is False and column.verified
    key = column.attname if column.attname == linked.attribute else column.name
    return Operand(column, str(key), certain, linked.links)


def refused_test(node: ast.expr, context: Context) -> Refused:
    shown = shortened(context.loop.text(node))
    return Refused(Reason.CONDITION, f"`{shown}` has no exact SQL form that migfix knows")
