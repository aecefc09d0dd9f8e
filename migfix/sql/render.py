"""Values as Django's expressions: the only place that writes their text, parentheses, names and imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from migfix.findings import Reason, Refused
from migfix.history.state import ModelKey
from migfix.sql import filters
from migfix.sql.nodes import (
    Clock,
    Column,
    Condition,
    Conditional,
    Constant,
    Counted,
    Found,
    Lookup,
    Mapped,
    Operation,
    Outer,
    OuterRef,
    Select,
    Step,
    Value,
    Written,
    bare,
)

Import = tuple[str, str]


class Name(Protocol):
    """How something is called, and what has to be imported first."""

    @property
    def text(self) -> str: ...
    @property
    def import_(self) -> Import | None: ...


class Names(Protocol):
    """How a file calls what a rewrite needs; None where every name means something else."""

    def models(self, name: str) -> Name | None: ...
    def function(self, name: str) -> Name | None: ...
    def utc(self) -> Name | None: ...
    def today(self) -> Name | None: ...
    def timezone_now(self) -> Name | None: ...
    def quoted(self, text: str) -> str: ...


class Renderer:
    """Writes values; ``imports`` is what these need, in order.

    ``rows_of`` gives the text for all rows of a model. Raises ``Refused`` where something has no name.
    """

    def __init__(self, names: Names, rows_of: Callable[[ModelKey], str]) -> None:
        self._names = names
        self._rows_of = rows_of
        self._imports: dict[Import, None] = {}

    @property
    def imports(self) -> tuple[Import, ...]:
        return tuple(self._imports)

    def value(self, value: Value) -> str:
        """As ``update()`` and operators take it: ``F("n")``, ``1``, ``F("n") + 1``."""
        match bare(value):
            case Column(links=(), column=column):
                return f"{self.model('F')}({self.quoted(column.name)})"
            case Column() as linked:
                return self._linked(linked)
            case Constant(source=source) | Outer(source=source) | Written(source=source):
                return source
            case OuterRef(name=name):
                return f"{self.model('OuterRef')}({self.quoted(name)})"
            case Clock(type=type):
                return f"{self._clock(str(type.field))}()"
            case Conditional() as chosen:
                return self._conditional(chosen)
            case Mapped() as mapped:
                return self._mapped(mapped)
            case Found() as found:
                return self._found(found)
            case Counted() as counted:
                return self._counted(counted)
            case Operation() as made:
                return _SPELLINGS.get(made.name, _called)(made, self)

    def operand(self, value: Value) -> str:
        """With parentheses where an operator would else take only a part."""
        return f"({self.value(value)})" if _is_loose(value) else self.value(value)

    def argument(self, value: Value) -> str:
        """As functions of text and moments take it: ``"n"``, ``Value(1)``."""
        match bare(value):
            case Column(links=(), column=column):
                return self.quoted(column.name)
        return self.number(value)

    def number(self, value: Value) -> str:
        """As functions of numbers take it: ``F("n")``, ``Value(1)``."""
        match bare(value):
            case Constant() | Outer() | Clock() as given:
                return f"{self.model('Value')}({self.value(given)})"
        return self.value(value)

    def model(self, name: str) -> str:
        """``models.Case`` and its like."""
        return self._used(self._names.models(name), name)

    def function(self, name: str) -> str:
        """A function of ``django.db.models.functions``."""
        return self._used(self._names.function(name), name)

    def utc(self) -> str:
        return self._used(self._names.utc(), "timezone.utc")

    def _clock(self, field: str) -> str:
        if field == "DateField":
            return self._used(self._names.today(), "date.today")
        return self._used(self._names.timezone_now(), "timezone.now")

    def quoted(self, text: str) -> str:
        return self._names.quoted(text)

    def _used(self, found: Name | None, name: str) -> str:
        if found is None:
            raise Refused(
                Reason.NAME_CLASH, f"every name for `{name}` means something else in this file"
            )
        if found.import_:
            self._imports[found.import_] = None
        return found.text

    def _conditional(self, value: Conditional) -> str:
        """https://docs.djangoproject.com/en/stable/ref/models/conditional-expressions/"""
        return self._case([self._when(test, each) for test, each in value.branches], value)

    def _mapped(self, value: Mapped) -> str:
        """``Case(*(When(kind=old, then=Value(new)) for old, new in MAP.items()))``"""
        name = value.mapping
        old, new = ("old", "new") if name not in {"old", "new"} else ("key", "value")
        when = self._when(Lookup(value.key, "", Outer(old)), Outer(new))
        return self._case([f"*({when} for {old}, {new} in {name}.items())"], value)

    def _when(self, test: Condition, value: Value) -> str:
        return f"{self.model('When')}({filters.when(test, self)}, then={self.number(value)})"

    def _case(self, whens: list[str], value: Conditional | Mapped) -> str:
        given = whens
        if value.default is not None:
            given.append(f"default={self.number(value.default)}")
        if value.output is not None:
            given.append(f"output_field={self.model(value.output)}()")
        return f"{self.model('Case')}({', '.join(given)})"

    def rows(self, rows: Select) -> str:
        """The queryset."""
        return rows.source + "".join(map(self.step, rows.steps))

    def step(self, step: Step) -> str:
        """The call of a method of the queryset."""
        given = ((f"{name}=" if name else "") + self.value(value) for name, value in step.given)
        return f".{step.method}({', '.join(given)})"

    def _linked(self, column: Column) -> str:
        """``row.a.b.n``: a subquery finds one row by its key, where the loop loads it."""
        first, *further = column.links
        assert isinstance(first.target, tuple)
        to_field = first.options.get("to_field")
        key = to_field if isinstance(to_field, str) else "pk"
        rows = Select(self._rows_of(first.target))
        path = (*(link.name for link in further), column.column.name)
        found = rows.then("filter", (key, OuterRef(str(first.attname))))
        return self._found(Found(found, path, column.type))

    def _found(self, found: Found) -> str:
        """``Subquery(T.objects.filter(pk=OuterRef("fk_id")).values("name")[:1])``"""
        query, path = self.model("Subquery"), self.quoted("__".join(found.path))
        return f"{query}({self.rows(found.rows)}.values({path})[:1])"

    def _counted(self, counted: Counted) -> str:
        """A row without any has no group: https://docs.djangoproject.com/en/stable/ref/models/expressions/#using-aggregates-within-a-subquery-expression"""
        query, count = self.model("Subquery"), self.model("Count")
        key, link, number = map(self.quoted, ("pk", counted.link, "number"))
        grouped = f"{self.rows(counted.rows)}.order_by().values({link})"
        numbers = f"{grouped}.annotate(number={count}({key})).values({number})"
        return f"{self.function('Coalesce')}({query}({numbers}), 0)"


def _is_loose(value: Value) -> bool:
    value = bare(value)
    return isinstance(value, Operation) and value.name in {"+", "-", "*", "%"}


_FUNCTIONS = {
    "abs": "Abs",
    "max": "Greatest",
    "min": "Least",
    "len": "Length",
    "concat": "Concat",
    "replace": "Replace",
    "lower": "Lower",
    "upper": "Upper",
    "strip": "Trim",
    "lstrip": "LTrim",
    "rstrip": "RTrim",
    "date": "TruncDate",
    "time": "TruncTime",
    "year": "ExtractYear",
    "month": "ExtractMonth",
    "day": "ExtractDay",
}


def _called(node: Operation, write: Renderer) -> str:
    return f"{write.function(_FUNCTIONS[node.name])}({write.argument(node.arguments[0])})"


def _operator(node: Operation, write: Renderer) -> str:
    left, right = map(write.operand, node.arguments)
    return f"{left} {node.name} {right}"


def _negative(node: Operation, write: Renderer) -> str:
    return f"-{write.operand(node.arguments[0])}"


def _remainder(node: Operation, write: Renderer) -> str:
    """SQL's ``%`` has the sign of the number, Python's that of the divisor."""
    number, divisor = map(write.operand, node.arguments)
    text = f"{number} % {divisor}"
    return text if node.type.unsigned else f"({text} + {divisor}) % {divisor}"


def _quotient(node: Operation, write: Renderer) -> str:
    """Databases divide integers each in its own way."""
    number, divisor = node.arguments
    floor, cast = write.function("Floor"), write.function("Cast")
    as_float = f"{cast}({write.value(number)}, {write.model('FloatField')}())"
    return f"{floor}({as_float} / {write.operand(divisor)})"


def _number(node: Operation, write: Renderer) -> str:
    """``Abs(F("n"))``, ``Greatest(F("n"), Value(0))``"""
    name = write.function(_FUNCTIONS[node.name])
    given = [write.number(argument) for argument in node.arguments]
    if len({argument.type.field for argument in node.arguments}) > 1:
        given.append(f"output_field={write.model('IntegerField')}()")
    return f"{name}({', '.join(given)})"


def _concat(node: Operation, write: Renderer) -> str:
    """``Concat("s", Value(" "), "t")``"""
    return _text(node, node.arguments, write)


def _replace(node: Operation, write: Renderer) -> str:
    """``Replace("s", Value("a"), Value("b"))``"""
    text, old, new = node.arguments
    nothing = isinstance(new, Constant) and not new.value
    return _text(node, (text, old) if nothing else node.arguments, write)


def _text(node: Operation, arguments: tuple[Value, ...], write: Renderer) -> str:
    name = write.function(_FUNCTIONS[node.name])
    given = [write.argument(argument) for argument in arguments]
    if node.type.field != "CharField":
        given.append(f"output_field={write.model('TextField')}()")
    return f"{name}({', '.join(given)})"


def _slice(node: Operation, write: Renderer) -> str:
    text, *bounds = node.arguments
    start, end = (bound.value for bound in bounds if isinstance(bound, Constant))
    assert isinstance(start, int | None) and isinstance(end, int | None)
    if not start:
        name, numbers = "Left", [end]
    elif start < 0:
        name, numbers = "Right", [-start]
    else:
        name, numbers = "Substr", [start + 1, *([] if end is None else [end - start])]
    return f"{write.function(name)}({', '.join([write.argument(text), *map(str, numbers)])})"


def _place(node: Operation, write: Renderer) -> str:
    """Where the part begins, counted from 1; 0 where there is none."""
    text, part = map(write.argument, node.arguments)
    return f"{write.function('StrIndex')}({text}, {part})"


def _shown(node: Operation, write: Renderer) -> str:
    cast, text = write.function("Cast"), write.model("TextField")
    return f"{cast}({write.argument(node.arguments[0])}, {text}())"


def _moment(node: Operation, write: Renderer) -> str:
    """Of a moment in UTC, before a database turns to the project's time zone."""
    (moment,) = node.arguments
    more = f", tzinfo={write.utc()}" if moment.type.family == "instant" else ""
    return f"{write.function(_FUNCTIONS[node.name])}({write.argument(moment)}{more})"


_SPELLINGS: dict[str, Callable[[Operation, Renderer], str]] = {
    **dict.fromkeys("+-*", _operator),
    "%": _remainder,
    "//": _quotient,
    "neg": _negative,
    **dict.fromkeys(("abs", "max", "min"), _number),
    "concat": _concat,
    "replace": _replace,
    "slice": _slice,
    "place": _place,
    "str": _shown,
    **dict.fromkeys(("date", "time", "year", "month", "day"), _moment),
}
