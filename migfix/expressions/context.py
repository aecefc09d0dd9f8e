"""What the compilers know of the row: its columns, and what was assigned before on this path."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from migfix.expressions.values.constants import UNKNOWN, constant_of
from migfix.facts.body import changes
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import reading_caveats
from migfix.findings import Reason, Refusal
from migfix.findings import Refused as Refused
from migfix.history.state import FieldState, ModelKey, Unknown
from migfix.reading.names.scopes import walk
from migfix.reading.rows.querysets import Resolver
from migfix.source import shortened
from migfix.sql.kinds import FILES, FOREIGN_KEYS
from migfix.sql.logic import negated
from migfix.sql.nodes import Clock, Column, Condition, Constant, Outer, Value, Written, reads


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
    """A right-hand side of ``update()``: what it is, how that is written, and what may differ.

    ``attribute`` is the keyword that ``update()`` takes it by.
    """

    node: Value
    text: str = field(compare=False)
    caveats: tuple[Refusal, ...] = field(default=(), compare=False)
    attribute: str = ""

    @property
    def reads(self) -> frozenset[str]:
        """The row's columns on which it depends."""
        return reads(self.node)

    @property
    def literal(self) -> object:
        """The Python value, where it is one."""
        return self.node.value if isinstance(self.node, Constant) else UNKNOWN

    @property
    def is_expression(self) -> bool:
        """Is it computed by the database? Else it is a value of Python, known or not."""
        return not isinstance(self.node, Constant | Outer | Clock)

    @property
    def explicit(self) -> bool:
        """Does the body itself say it in SQL?"""
        return isinstance(self.node, Written)

    @property
    def copied(self) -> str | None:
        """The name of the row's own column that the value is, as it is stored."""
        match self.node:
            case Column(links=(), column=column) | Written(
                columns=(Column(column=column),), copies=True
            ):
                return column.name
        return None

    def but(self, reason: Reason, message: str) -> SqlValue:
        """The value with one more thing that may differ."""
        return dataclasses.replace(self, caveats=(*self.caveats, Refusal(reason, message)))


@dataclass(frozen=True, slots=True)
class Test:
    """A compiled condition and what may differ with it."""

    condition: Condition
    caveats: tuple[Refusal, ...] = ()

    def negated(self) -> Test:
        return dataclasses.replace(self, condition=negated(self.condition))


@dataclass(frozen=True, eq=False)
class Bound:
    """What a path gave to a column or to a local name: an expression, and what was known when it ran."""

    node: ast.expr
    context: Context

    @cached_property
    def size(self) -> int:
        """How many nodes the expression has with what stands behind its names written out."""
        return sum(self._size_of(node) for node in walk(self.node))

    def _size_of(self, node: ast.AST) -> int:
        context = self.context
        behind: Bound | None = None
        if isinstance(node, ast.Name):
            behind = context.local.get(node.id)
        elif isinstance(node, ast.Attribute) and context.is_row(node.value):
            column = context.columns.get(node.attr)
            behind = context.assigned.get(column.name) if column else None
        return behind.size if behind else 1


@dataclass(frozen=True, eq=False)
class Context:
    """One path through a loop's body: the row's columns and what the path has bound so far.

    ``assigned`` goes by field name, ``local`` by the names that the body (or a function that it
    calls) binds; ``not_null`` are fields whose stored value a condition of the path rules out to be
    NULL. ``resolver`` reads names where the statements stand: in the loop's function or in one that
    it calls, ``depth`` calls further. ``changing`` are the models whose rows the body changes besides its
    own, each with the links by which they belong to those that it deletes, if it does; what the row finds by
    its link ``through`` changes in no turn of another.
    """

    loop: Loop
    columns: Mapping[str, FieldState]  # by name and by attname
    resolver: Resolver
    assigned: Mapping[str, Bound] = field(default_factory=dict)
    local: Mapping[str, Bound] = field(default_factory=dict)
    not_null: frozenset[str] = frozenset()
    facts: tuple[Condition, ...] = ()
    depth: int = 0
    changing: Mapping[ModelKey, frozenset[str]] = field(default_factory=dict)
    through: str = ""

    @classmethod
    def of(
        cls, loop: Loop, columns: Mapping[str, FieldState], not_null: frozenset[str] = frozenset()
    ) -> Context:
        """Where the body begins."""
        return cls(loop, columns, loop.resolver, not_null=not_null)

    def when(self, bound: Bound) -> Context:
        """What was known when the expression ran, and what is now known of the stored values."""
        known = self.not_null | bound.context.not_null
        return dataclasses.replace(bound.context, not_null=known)

    @property
    def place(self) -> ast.AST | None:
        """Where names are read that were bound before the loop; None inside of a called function."""
        return None if self.depth else self.loop.node

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

    def is_row(self, node: ast.AST) -> bool:
        """Is the expression a name for the loop's row?"""
        if not isinstance(node, ast.Name):
            return False
        if (bound := self.local.get(node.id)) is not None:
            return bound.context.is_row(bound.node)
        return self.depth == 0 and node.id == self.loop.row

    def row_column(self, node: ast.expr) -> FieldState | None:
        """The field of ``row.name``; None for any other expression. Raises ``Refused``."""
        if not isinstance(node, ast.Attribute) or not self.is_row(node.value):
            return None
        column = self.column(node.attr)
        if column.kind in FOREIGN_KEYS and node.attr == column.name:
            self.check_link(column)
        return column

    def check_link(self, column: FieldState) -> None:
        """``row.fk`` fetches the row it points to: that must be there, and be seen."""
        if changes.prefetches_objects(self.loop):
            raise Refused(
                Reason.PREFETCH, f"`{column.name}` may hold what a Prefetch chose, not its own row"
            )
        owner = changes.known_owner(self.loop, column.name)
        if owner is not None and changes.may_differ_from_row(owner, self.loop):
            raise Refused(
                Reason.VALUE,
                f"`{column.name}` of each row is the object `{self.loop.text(owner)}` itself, which "
                "may hold other values than the table does",
            )
        target = self.loop.state.model(*column.target) if isinstance(column.target, tuple) else None
        if target is None or isinstance(target, Unknown):
            raise Refused(Reason.MODEL_UNKNOWN, f"where `{column.name}` points is not known")
        for doubt in reading_caveats(target, self.loop):
            raise Refused(doubt.reason, doubt.message)
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
        """Does the expression depend on the row, through local names too?"""
        return any(
            self.is_row(n) or (n.id in self.local and self._bound_reads_row(self.local[n.id]))
            for n in walk(node)
            if isinstance(n, ast.Name)
        )

    @staticmethod
    def _bound_reads_row(bound: Bound) -> bool:
        return bound.context.reads_row(bound.node)

    def settled(self, node: ast.expr) -> tuple[ast.expr, Context]:
        """The expression behind local names and columns assigned before, with the context it ran in.

        Stops at a column as it is stored, and at everything that is no plain name.
        """
        if isinstance(node, ast.Name) and (bound := self.local.get(node.id)) is not None:
            return self.when(bound).settled(bound.node)
        column = self.row_column(node)
        if column is not None and (bound := self.assigned.get(column.name)) is not None:
            if column.kind in FOREIGN_KEYS | FILES:  # which read as something else than was set
                raise Refused(Reason.VALUE, f"`{column.name}` is read after it was set")
            return self.when(bound).settled(bound.node)
        return node, self

    def constant(self, node: ast.expr) -> object:
        """The value that the expression certainly has, else ``UNKNOWN``."""
        node, context = self.settled(node)
        return constant_of(node, self.loop) if context.reads_outside(node) else UNKNOWN

    def text(self, node: ast.expr) -> str:
        """The source of an expression that means the same in front of the loop. Raises ``Refused``."""
        node, context = self.settled(node)
        if not context.reads_outside(node):
            shown = shortened(self.loop.text(node))
            raise Refused(Reason.VALUE, f"`{shown}` has names that exist only inside of the loop")
        return self.loop.text(node)

    def reads_outside(self, node: ast.AST) -> bool:
        """Do all names of the expression mean in front of the loop what they mean here?"""
        names = [n for n in walk(node) if isinstance(n, ast.Name)]
        if any(self.is_row(n) or n.id in self.local for n in names):
            return False
        own = self.loop.resolver.scope
        if not self.depth:
            return not any(own.rebound_in(n.id, self.loop.node) for n in names)
        return not any(n.id in s.bindings for n in names for s in (self.resolver.scope, own))
