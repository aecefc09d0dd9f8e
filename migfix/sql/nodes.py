"""Values of a loop's body and conditions on its row: immutable, typed, in no language.

Two values are equal where the body computes the same; what else is known of them (``compare=False``) does
not count. So no cache may go by them beyond one loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
    """``row.n`` as it is stored; ``row.a.b.n`` goes over ``links``. ``present``: not NULL where it was read.

    A condition may call a foreign key ``fk_id``, as the body does.
    """

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
        return (self.links[0] if self.links else self.column).name


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


@dataclass(frozen=True, slots=True)
class Outer:
    """What is the same for every row, as the file says it; its value is not known."""

    source: str
    type: Type = field(default=Type("other"), compare=False)


@dataclass(frozen=True, slots=True)
class Clock:
    """The time at which the statement runs, as ``auto_now`` stamps it."""

    type: Type


@dataclass(frozen=True, slots=True)
class Written:
    """An expression of ``columns`` that the file itself writes; ``copies`` tells that it is one column as it is."""

    source: str
    columns: tuple[Column, ...]
    type: Type = field(compare=False)
    copies: bool = False


@dataclass(frozen=True, slots=True)
class Conditional:
    """The value of the first branch whose condition holds, else the default; None is NULL.

    ``output`` is the field class that the whole is of, where the branches are of several.
    """

    branches: tuple[tuple[Condition, Value], ...]
    default: Value | None
    type: Type = field(compare=False)
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the dict ``mapping``, as the file calls it, has for ``key``, else the default: see ``Conditional``."""

    key: Column
    mapping: str
    default: Value | None
    type: Type = field(compare=False)
    output: str | None = None


# Rows of other tables


@dataclass(frozen=True, slots=True)
class OuterRef:
    """A column of the loop's row in a query for others, as the query calls it."""

    name: str
    type: Type = field(default=Type("other"), compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """``.filter(code=OuterRef("code"))``, ``.order_by("day")``: ``given`` are names, perhaps empty, and values."""

    method: str
    given: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Select:
    """A query for rows of another table: those of ``source``, as the file says it, and what is asked of them."""

    source: str
    steps: tuple[Step, ...] = ()

    def then(self, method: str, *given: tuple[str, Value]) -> Select:
        return Select(self.source, (*self.steps, Step(method, given)))


@dataclass(frozen=True, slots=True)
class Found:
    """What the first of the rows holds in a column; the path to it may go over links."""

    rows: Select
    path: tuple[str, ...]
    type: Type = field(compare=False)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows there are, of which all that belong to one row of the loop have the same ``link``."""

    rows: Select
    link: str
    type: Type = field(default=Type("integer", "IntegerField", 32), compare=False)


Value: TypeAlias = (
    Column
    | Constant
    | Outer
    | OuterRef
    | Clock
    | Written
    | Operation
    | Conditional
    | Mapped
    | Found
    | Counted
)


# Conditions


@dataclass(frozen=True, slots=True)
class Named:
    """``.alias(name=value)``: something computed of a row, for a condition to name."""

    name: str
    value: Value

    @property
    def own(self) -> str:
        """The row's column that it is computed of."""
        (column,) = columns(self.value)
        return column.own


@dataclass(frozen=True, slots=True)
class Items:
    """What a collection holds, as the file says it; the keys of a dict that is called ``mapping``."""

    source: str
    mapping: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """``subject__name=value`` as in ``filter()``; no name is equality. True of it means the column is not NULL.

    ``opposite`` is what holds where it does not, if ``~Q`` would not say that.
    """

    subject: Column | Named
    name: str
    value: Value | Items | tuple[Value, ...]
    opposite: Condition | None = None

    @property
    def key(self) -> str:
        return f"{self.subject.name}__{self.name}" if self.name else self.subject.name


@dataclass(frozen=True, slots=True)
class IsNull:
    """``subject__isnull=yes``"""

    subject: Column
    yes: bool

    @property
    def key(self) -> str:
        return f"{self.subject.name}__isnull"


@dataclass(frozen=True, slots=True)
class Exists:
    """Is there such a row in another table?"""

    rows: Select


@dataclass(frozen=True, slots=True)
class Not:
    term: Condition


@dataclass(frozen=True, slots=True)
class All:
    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    terms: tuple[Condition, ...]


Condition: TypeAlias = Lookup | IsNull | Exists | Not | All | Any
Node: TypeAlias = Value | Condition | Named | Items | Select


def parts(node: Node) -> Iterator[Node]:
    """The node and all in it, what is computed first coming first."""
    for inner in _within(node):
        yield from parts(inner)
    yield node


def _within(node: Node) -> Sequence[Node]:
    match node:
        case Operation(arguments=arguments):
            return arguments
        case Written(columns=columns):
            return columns
        case Conditional(branches=branches, default=default):
            found = [each for branch in branches for each in branch]
            return found if default is None else [*found, default]
        case Mapped(key=key, default=default):
            return (key,) if default is None else (key, default)
        case Found(rows=rows) | Counted(rows=rows) | Exists(rows=rows):
            return (rows,)
        case Select(steps=steps):
            return [value for step in steps for _, value in step.given]
        case Named(value=value):
            return (value,)
        case Lookup(subject=subject, value=value):
            return (subject, *(value if isinstance(value, tuple) else (value,)))
        case IsNull(subject=subject):
            return (subject,)
        case Not(term=term):
            return (term,)
        case All(terms=terms) | Any(terms=terms):
            return terms
    return ()


def columns(node: Node) -> Iterator[Column]:
    return (each for each in parts(node) if isinstance(each, Column))


def reads(node: Node) -> frozenset[str]:
    """The row's columns on which the value or condition depends."""
    outer = (each.name for each in parts(node) if isinstance(each, OuterRef))
    return frozenset([*(column.own for column in columns(node)), *outer])


def named(node: Node) -> Iterator[Named]:
    """What ``.alias()`` has to compute first."""
    return (each for each in parts(node) if isinstance(each, Named))


def may_be_missing(value: Value, not_null: frozenset[str]) -> Iterator[Column]:
    """The columns at which Python stops where they are NULL. ``not_null`` are those of which more is known now."""
    if isinstance(value, Operation):
        yield from (c for c in columns(value) if not c.present and c.name not in not_null)


def bare(value: Value) -> Value:
    """The value as it is written, without what is there for Python alone."""
    while isinstance(value, Operation) and value.name == "same":
        (value,) = value.arguments
    return value


def as_written(value: Value) -> Value:
    """The value without what is there for Python alone, anywhere in it."""
    value = bare(value)
    if not isinstance(value, Operation):
        return value
    return replace(value, arguments=tuple(map(as_written, value.arguments)))


def is_computed(value: Value) -> bool:
    """Does a database calculate it? The length of a text is as good as a column."""
    value = bare(value)
    return isinstance(value, Operation) and value.name != "len"


def number_of(value: Value) -> int | float | None:
    """The number that the value certainly is."""
    number = value.value if isinstance(value, Constant) else None
    return number if type(number) in {int, float} else None  # type: ignore[return-value]
