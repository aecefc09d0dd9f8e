"""Constants of a migration: which value an expression certainly has, and whether a column takes it."""

from __future__ import annotations

import ast
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Context as Precision
from decimal import Decimal

from migfix.expressions.kinds import BOOLEANS, FILES, FOREIGN_KEYS, INTEGERS, TEXTS, bits_of
from migfix.history.state import FieldState
from migfix.loops.loop import Loop
from migfix.loops.scopes import Binding

UNKNOWN = ...
"""What ``constant_of`` says of everything that is not certainly one value."""

_MAKERS: dict[str, Callable[..., object]] = {
    "decimal.Decimal": Decimal,
    "datetime.date": date,
    "datetime.datetime": datetime,
    "datetime.time": time,
    "datetime.timedelta": timedelta,
    "uuid.UUID": uuid.UUID,
}


def constant_of(node: ast.expr, loop: Loop) -> object:
    """The value of a literal, of ``Decimal("1.5")`` and its like, or of a name bound once to one."""
    match node:
        case ast.Name(id=name):
            given = _given(name, loop)
            value = UNKNOWN if given is None else constant_of(given, loop)
            # A list behind a name may have grown since.
            return UNKNOWN if isinstance(value, (list, dict, set)) else value
        case ast.Call():
            return _made(node, loop)
        case ast.Attribute() if loop.module.path_of(node) == "datetime.timezone.utc":
            return timezone.utc
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return UNKNOWN


def _given(name: str, loop: Loop) -> ast.expr | None:
    """The expression of the one ``name = expression`` that certainly ran before the loop."""
    scope = loop.resolver.scope
    if name in scope.bindings:
        once: Binding | None = scope.bound_once(name)
        known = once is not None and once is scope.binding(name, loop.node)
        given = once.value if once and known and once.position is None else None
    else:
        outer = scope.outer
        given = None if outer and name in outer.bindings else loop.module.constant(name)
    return None if isinstance(given, ast.Name) else given


def _made(call: ast.Call, loop: Loop) -> object:
    make = _MAKERS.get(loop.module.path_of(call.func) or "")
    arguments = [constant_of(argument, loop) for argument in call.args]
    named = {k.arg or "**": constant_of(k.value, loop) for k in call.keywords}
    if make is None or UNKNOWN in [*arguments, *named.values()]:
        return UNKNOWN
    try:
        return make(*arguments, **named)
    except (ArithmeticError, TypeError, ValueError):
        return UNKNOWN


def fits(value: object, column: FieldState, key: Callable[[FieldState], FieldState | None]) -> bool:
    """Does the column take the constant on every database?

    One that does not fit raises in a ``save()``, so only for rows, but in an ``update()`` already
    when the query is made (Django), or planned (PostgreSQL), even if it meets no row at all.
    ``key`` gives the column that a foreign key points to.
    """
    if value is None:
        return True
    if column.kind in FOREIGN_KEYS:
        pointed = key(column)
        return pointed is not None and fits(value, pointed, key)
    check = _CHECKS.get(column.kind or "")
    try:
        return check is not None and check(value, column.options)
    except (ArithmeticError, TypeError, ValueError):
        return False


def _is_integer(bits: int) -> Callable[[object, Mapping[str, object]], bool]:
    def check(value: object, options: Mapping[str, object]) -> bool:
        known = isinstance(value, (int, float, str))
        return known and -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1)  # type: ignore[call-overload]

    return check


def _is_float(value: object, options: Mapping[str, object]) -> bool:
    return isinstance(value, (int, float, str)) and math.isfinite(float(value))


def _is_decimal(value: object, options: Mapping[str, object]) -> bool:
    digits, places = options.get("max_digits"), options.get("decimal_places")
    if not isinstance(digits, int) or not isinstance(places, int):
        return False
    if not isinstance(value, (int, float, str, Decimal)):
        return False
    number = Precision(prec=digits).create_decimal(
        repr(value) if isinstance(value, float) else value
    )
    return number.is_finite() and abs(round(number, places)) < Decimal(10) ** (digits - places)


def _is_text(value: object, options: Mapping[str, object]) -> bool:
    length = options.get("max_length")
    text = str(value)
    text.encode()
    known = isinstance(value, (str, int, float))
    return known and "\0" not in text and (not isinstance(length, int) or len(text) <= length)


def _is_text_of(default: int) -> Callable[[object, Mapping[str, object]], bool]:
    def check(value: object, options: Mapping[str, object]) -> bool:
        return _is_text(value, {"max_length": default, **options})

    return check


def _is_boolean(value: object, options: Mapping[str, object]) -> bool:
    return value in (True, False, "t", "True", "1", "f", "False", "0")


def _is_date(value: object, options: Mapping[str, object]) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None and bool(
            date.fromisoformat(value)
        )
    return isinstance(value, date)


def _is_datetime(value: object, options: Mapping[str, object]) -> bool:
    if isinstance(value, str):
        shape = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{6})?(\+\d\d:\d\d)?"
        return re.fullmatch(shape, value) is not None and bool(datetime.fromisoformat(value))
    return isinstance(value, date)


def _is_time(value: object, options: Mapping[str, object]) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\d\d:\d\d:\d\d", value) is not None and bool(
            time.fromisoformat(value)
        )
    return isinstance(value, time) and value.tzinfo is None


def _is_uuid(value: object, options: Mapping[str, object]) -> bool:
    return isinstance(value, uuid.UUID) or (isinstance(value, str) and bool(uuid.UUID(value)))


def _is_json(value: object, options: Mapping[str, object]) -> bool:
    return "\\u0000" not in json.dumps(value, allow_nan=False)


_CHECKS: dict[str, Callable[[object, Mapping[str, object]], bool]] = {
    **{kind: _is_integer(bits_of(kind)) for kind in INTEGERS},
    **dict.fromkeys(BOOLEANS, _is_boolean),
    **dict.fromkeys(TEXTS, _is_text),
    **dict.fromkeys(FILES, _is_text_of(100)),
    "SlugField": _is_text_of(50),
    "URLField": _is_text_of(200),
    "EmailField": _is_text_of(254),
    "FloatField": _is_float,
    "DecimalField": _is_decimal,
    "DateField": _is_date,
    "DateTimeField": _is_datetime,
    "TimeField": _is_time,
    "DurationField": lambda value, _: isinstance(value, timedelta),
    "UUIDField": _is_uuid,
    "BinaryField": lambda value, _: isinstance(value, bytes),
    "JSONField": _is_json,
}
