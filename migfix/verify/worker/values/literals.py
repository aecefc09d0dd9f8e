"""The values of literals, and which of them are worth a row."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Generic, TypeVar
from uuid import UUID

from migfix.verify.worker.values.assigned import called

Value = TypeVar("Value")

LONGEST = 200  # characters of a text that is still a value and no document
_LARGEST = 2**70
DEEP = 4  # names that stand for names, keys in keys
_MAKERS: Mapping[str, Callable[..., object]] = {
    "Decimal": Decimal,
    "date": date,
    "datetime": datetime,
    "time": time,
    "timedelta": timedelta,
    "UUID": UUID,
}


def made_by(call: ast.Call) -> object | None:
    """The value of ``Decimal("1.5")``, ``date(2024, 2, 29)`` and the like, None for another call."""
    make = _MAKERS.get(called(call))
    if make is None:
        return None
    try:
        arguments = [ast.literal_eval(argument) for argument in call.args]
        keywords = {
            keyword.arg: ast.literal_eval(keyword.value)
            for keyword in call.keywords
            if keyword.arg and keyword.arg != "tzinfo"
        }
        return make(*arguments, **keywords)
    except (ValueError, TypeError, ArithmeticError, SyntaxError):
        return None


class Collected(Generic[Value]):
    """Values without doubles, in the order in which they came; 1, 1.0 and True are three."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[object, Value] = {}

    def add(self, value: Value) -> None:
        if len(self._values) < self._most and _is_sane(value):
            self._values.setdefault((type(value), repr(value)), value)

    def values(self) -> Iterator[Value]:
        return iter(self._values.values())


def _is_sane(value: object) -> bool:
    if isinstance(value, (str, bytes)):
        return len(value) <= LONGEST
    if isinstance(value, int):
        return abs(value) < _LARGEST
    if isinstance(value, (float, Decimal)):
        return math.isfinite(value)
    if isinstance(value, tuple):
        return len(value) <= DEEP
    return value is not None and value is not Ellipsis and not isinstance(value, complex)


MADE_OF_LITERALS = (
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.JoinedStr,
    ast.BinOp,
    ast.BoolOp,
    ast.Starred,
    ast.NamedExpr,
)


def literal(node: ast.AST) -> object | None:
    """The value of a literal, also of a negative number; None for what is none."""
    if isinstance(node, ast.Constant):
        return None if node.value is Ellipsis else node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(node.operand)
        return -value if isinstance(value, (int, float)) else None
    return None


def texts_as_long(values: Iterable[object]) -> Iterator[str]:
    """Texts around each length that one is compared with."""
    for value in values:
        if isinstance(value, int) and 0 <= value < LONGEST:
            yield "x" * value
            yield "x" * (value + 1)


def is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
