"""Values of a loop's body: immutable, typed, in no language.

Two values are equal where the body computes the same; what else is known of them (``compare=False``) does
not count. So no cache may go by them beyond one loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from migfix.history.state import FieldState


@dataclass(frozen=True, slots=True)
class Type:
    """``family`` is what Python computes, ``field`` the class that Django takes the expression for.

    ``bits`` is the width in which PostgreSQL computes, 0 for constants; ``unsigned`` says how MySQL does;
    ``places`` are digits behind the point. Of what is ``final`` nothing further is known to be exact.
    """

    family: str
    field: str | None = None
    bits: int = 0
    unsigned: bool = False
    places: int | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """``row.n`` as it is stored; ``row.a.b.n`` goes over ``links``. ``present``: not NULL where it was read."""

    path: tuple[str, ...]
    type: Type = field(compare=False, repr=False)
    column: FieldState = field(compare=False, repr=False)
    links: tuple[FieldState, ...] = field(default=(), compare=False, repr=False)
    present: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        return "__".join(self.path)

    @property
    def own(self) -> str:
        """The row's column that decides."""
        return self.path[0]


@dataclass(frozen=True, slots=True)
class Constant:
    """``source`` is what the file says, byte for byte. The value does not compare: 1 == True == 1.0."""

    source: str
    type: Type = field(compare=False)
    value: object = field(compare=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """What Python's ``name`` makes of the arguments: ``+``, ``len``, ``replace``, ``year``...

    ``same`` is written as its argument, and is there because Python stops at None: ``text + ""``, ``int(n)``.
    """

    name: str
    arguments: tuple[Value, ...]
    type: Type = field(compare=False)


Value: TypeAlias = Column | Constant | Operation


def parts(value: Value) -> Iterator[Value]:
    """The value and all in it, what is computed first coming first."""
    if isinstance(value, Operation):
        for argument in value.arguments:
            yield from parts(argument)
    yield value


def columns(value: Value) -> Iterator[Column]:
    return (each for each in parts(value) if isinstance(each, Column))


def reads(value: Value) -> frozenset[str]:
    """The row's columns on which the value depends."""
    return frozenset(column.own for column in columns(value))


def may_be_missing(value: Value, not_null: frozenset[str]) -> Iterator[Column]:
    """The columns at which Python stops where they are NULL. ``not_null`` are those of which more is known now."""
    if isinstance(value, Operation):
        yield from (c for c in columns(value) if not c.present and c.name not in not_null)


def bare(value: Value) -> Value:
    """The value as it is written, without what is there for Python alone."""
    while isinstance(value, Operation) and value.name == "same":
        (value,) = value.arguments
    return value


def is_computed(value: Value) -> bool:
    """Does a database calculate it? The length of a text is as good as a column."""
    value = bare(value)
    return isinstance(value, Operation) and value.name != "len"


def number_of(value: Value) -> int | float | None:
    """The number that the value certainly is."""
    number = value.value if isinstance(value, Constant) else None
    return number if type(number) in {int, float} else None  # type: ignore[return-value]
