"""Every operation that there is, of columns of every kind and of constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import product

from migfix.history.state import FieldState
from migfix.sql.nodes import Column, Constant, Operation, Value
from migfix.sql.operations import OPERATIONS, operation
from migfix.sql.types import type_of_column, type_of_constant, type_of_key

KINDS = (
    "IntegerField BigAutoField SmallIntegerField PositiveIntegerField CharField TextField FloatField DecimalField "
    "DateField DateTimeField TimeField DurationField BooleanField UUIDField"
).split()
CONSTANTS = [0, 1, 2, -1, 1.5, Decimal("0.5"), "", " ", "a", True, None, timedelta(days=1)]
STRIPS = ("strip", "lstrip", "rstrip")
# What operations are given besides.
GIVEN: dict[str, Callable[[Sequence[Value], Sequence[Value]], list[Sequence[Value]]]] = {
    **dict.fromkeys(("+", "-", "*", "max", "min", "concat"), lambda values, constants: [values]),
    **dict.fromkeys(("%", "//", *STRIPS), lambda values, constants: [constants]),
    **dict.fromkeys(("slice", "replace"), lambda values, constants: [constants, constants]),
}


def state(name: str, kind: str) -> FieldState:
    options = {"max_digits": 8, "decimal_places": 2} if kind == "DecimalField" else {}
    return FieldState(name, f"django.db.models.{kind}", options)


def columns() -> Iterator[Column]:
    for kind in KINDS:
        column = state(kind.lower(), kind)
        yield Column((column.name,), type_of_column(column), column, present=True)
    for pointed in ("BigAutoField", "DateField", "CharField", "UUIDField"):
        column = state(f"to_{pointed.lower()}", "ForeignKey")
        typed = type_of_key(column, state("id", pointed))
        yield Column((column.name,), typed, column, present=True)


def every_operation() -> Iterator[Operation]:
    constants = [Constant(repr(each), type_of_constant(each), each) for each in CONSTANTS]
    values: list[Value] = [*columns(), *constants]
    for name in sorted(OPERATIONS):
        for arguments in product(values, *GIVEN.get(name, lambda _, __: [])(values, constants)):
            if (found := operation(name, *arguments)) is not None:
                yield found
            if name in STRIPS and (found := operation(name, arguments[0])) is not None:
                yield found
