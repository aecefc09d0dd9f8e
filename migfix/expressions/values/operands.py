"""The columns that a test reads: the row's own, and those of rows that it points to."""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass

from migfix.expressions.conditions.logic import Lookup
from migfix.expressions.context import Context, Refused
from migfix.expressions.values.related import Linked, linked_column
from migfix.findings import Reason
from migfix.history.state import FieldState
from migfix.source import shortened
from migfix.sql.kinds import FOREIGN_KEYS


@dataclass(frozen=True, slots=True)
class Operand:
    """A column that a test reads: the row's own, or one of a row that it points to.

    ``name`` and ``attribute`` are how a lookup calls it; ``links`` are what its path goes over.
    """

    column: FieldState
    name: str
    attribute: str
    not_null: bool
    links: tuple[FieldState, ...] = ()

    @property
    def is_instance(self) -> bool:
        return self.column.kind in FOREIGN_KEYS and self.attribute == self.name

    def check_not_null(self) -> None:
        """Raises ``Refused`` where the column may be NULL, at which Python would stop."""
        if not self.not_null:
            raise Refused(
                Reason.NULLABLE,
                f"`{self.name}` may be NULL: the loop would stop there, SQL would not",
            )

    def lookup(self, suffix: str, value: str, **more: object) -> Lookup:
        """``name__suffix=value``."""
        key = f"{self.name}__{suffix}" if suffix else self.name
        return self._lookup(key, value, **more)

    def by_attribute(self, value: str) -> Lookup:
        """``name=value``, or ``fk_id=value`` where the body says so."""
        return self._lookup(self.attribute, value)

    def _lookup(self, key: str, value: str, **more: object) -> Lookup:
        field = self.links[0].name if self.links else self.column.name
        made = Lookup(key, value, field, joins=bool(self.links))
        return dataclasses.replace(made, **more)  # type: ignore[arg-type]

    @property
    def present(self) -> Lookup:
        return self.lookup("isnull", "False")

    @property
    def absent(self) -> Lookup:
        return self.lookup("isnull", "True", not_null=bool(self.links))


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
        return Operand(column, column.name, str(key), context.is_not_null(column))
    linked = linked_column(node, context)
    return _linked_operand(linked) if linked else None


def _linked_operand(linked: Linked) -> Operand:
    column = linked.column
    path = "__".join(link.name for link in linked.links)
    certain = column.null is False and column.verified
    key = column.attname if column.attname == linked.attribute else column.name
    return Operand(column, f"{path}__{column.name}", f"{path}__{key}", certain, linked.links)


def refused_test(node: ast.expr, context: Context) -> Refused:
    shown = shortened(context.loop.text(node))
    return Refused(Reason.CONDITION, f"`{shown}` has no exact SQL form that migfix knows")
