"""What the compilers know of the row: its columns, and what was assigned before on this path."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState
from migfix.loops.loop import Loop
from migfix.loops.scopes import Binding

INTEGERS = frozenset(
    "AutoField BigAutoField SmallAutoField IntegerField BigIntegerField SmallIntegerField "
    "PositiveIntegerField PositiveBigIntegerField PositiveSmallIntegerField".split()
)
UNSIGNED = frozenset(
    {"PositiveIntegerField", "PositiveBigIntegerField", "PositiveSmallIntegerField"}
)
BOOLEANS = frozenset({"BooleanField", "NullBooleanField"})
TEXTS = frozenset({"CharField", "TextField", "SlugField", "EmailField", "URLField"})
FOREIGN_KEYS = frozenset({"ForeignKey", "OneToOneField"})
FILES = frozenset({"FileField", "ImageField"})


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
    """One path through a loop's body: the row's columns and what the path has assigned so far."""

    loop: Loop
    columns: Mapping[str, FieldState]  # by name and by attname
    assigned: Mapping[str, SqlValue] = field(default_factory=dict)  # by field name
    not_null: frozenset[str] = (
        frozenset()
    )  # fields that a condition of the path rules out to be None

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
        """The field of ``row.name``; None for any other expression."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == self.loop.row:
                return self.column(attribute)
        return None

    def is_not_null(self, column: FieldState) -> bool:
        return (column.null is False and column.verified) or column.name in self.not_null

    def reads_row(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and n.id == self.loop.row for n in ast.walk(node))


def literal_of(node: ast.expr, loop: Loop) -> object:
    """The value of a literal, or of a name bound once to one; ``...`` for everything else."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Name(id=name) if name in loop.resolver.scope.bindings:
            binding = loop.resolver.scope.bound_once(name)
            certain = loop.resolver.scope.binding(name, loop.node)
            given = _given(binding) if binding is certain else None
            if given is not None and not isinstance(given, ast.Name):
                return literal_of(given, loop)
        case ast.Name(id=name):
            constant = loop.module.constant(name)
            if constant is not None and not isinstance(constant, ast.Name):
                return literal_of(constant, loop)
    return ...


def _given(binding: Binding | None) -> ast.expr | None:
    """The expression that a plain ``name = expression`` gives."""
    return binding.value if binding and binding.position is None else None
