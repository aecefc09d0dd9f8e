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

from migfix.facts.loop import Loop
from migfix.history.state import FieldState
from migfix.reading.kinds.constants import UNKNOWN as UNKNOWN
from migfix.reading.kinds.constants import constant_at, constant_in
from migfix.reading.names.library import dotted_names
from migfix.reading.names.module import Module, path_by
from migfix.reading.names.scopes import Binding, walk
from migfix.sql.kinds import BOOLEANS, FILES, FOREIGN_KEYS, INTEGERS, TEXTS, bits_of

_MAKERS: dict[str, Callable[..., object]] = {
    "decimal.Decimal": Decimal,
    "datetime.date": date,
    "datetime.datetime": datetime,
    "datetime.time": time,
    "datetime.timedelta": timedelta,
    "uuid.UUID": uuid.UUID,
}


def constant_of(node: ast.expr, loop: Loop) -> object:
    """The value that ``node`` certainly has in the loop, ``UNKNOWN`` where that is not certain.

    It may be a literal, ``Decimal("1.5")`` and its like, a name bound once to one of these, or a
    constant or member of a class, of the file or of a module of the project.
    """
    if isinstance(node, ast.Name) and (given := _given(node, loop)) is not None:
        value = _spelled(given, loop.module)
        # A list behind a name may have grown since.
        return UNKNOWN if isinstance(value, (list, dict, set)) else value
    if isinstance(node, (ast.Name, ast.Attribute)) and not _is_utc(node, loop.module):
        return _named(node, loop)
    return _spelled(node, loop.module, lambda argument: constant_of(argument, loop))


def _given(name: ast.Name, loop: Loop) -> ast.expr | None:
    """The one expression that the name certainly stands for in the whole loop."""
    scope = loop.resolver.scope
    bound_around = name.id not in scope.bindings and scope.binds_around(name.id)
    if bound_around or scope.is_of_inner(name) or scope.rebound_in(name.id, loop.node):
        return None
    written = loop.resolver.written(name, loop.node)
    return None if written is None else written.node


def _named(node: ast.Name | ast.Attribute, loop: Loop) -> object:
    """What a dotted name stands for by an import, or by a class of the file."""
    names = dotted_names(node)
    if names is None:
        return UNKNOWN
    binding = _certain_binding(names[0], node, loop)
    path = path_by(binding, names[0]) or _starred(names[0], node, loop)
    if path is not None:
        return constant_at(".".join([path, *names[1:]]), loop.module)
    known = binding is not None and isinstance(binding.statement, ast.ClassDef) and len(names) > 1
    return constant_in(names, loop.module) if known else UNKNOWN


def _starred(name: str, node: ast.expr, loop: Loop) -> str | None:
    """The path of a name that the file has by ``from x import *`` and the loop's function does not bind."""
    scope = loop.resolver.scope
    root = next(n for n in walk(node) if isinstance(n, ast.Name))
    is_local = name in scope.bindings or scope.binds_around(name) or scope.is_of_inner(root)
    return None if is_local else loop.module.starred(name)


def _certain_binding(name: str, node: ast.expr, loop: Loop) -> Binding | None:
    """What alone binds the name, of the file or of the loop's function, before the loop."""
    scope = loop.resolver.scope
    root = next(n for n in walk(node) if isinstance(n, ast.Name))
    if scope.is_of_inner(root):
        return None
    if name in scope.bindings:
        once = scope.bound_once(name)
        before = once is not None and once is scope.binding(name, loop.node)
        # A class of the function is not looked at.
        return once if once and before and not isinstance(once.statement, ast.ClassDef) else None
    return None if scope.binds_around(name) else loop.module.scope.bound_once(name)


def _is_utc(node: ast.expr, module: Module) -> bool:
    return module.path_of(node) == "datetime.timezone.utc"


def _spelled(
    node: ast.expr, module: Module, of: Callable[[ast.expr], object] | None = None
) -> object:
    """The value of a literal or of a call that makes one. ``of`` says what the call's arguments are."""
    if isinstance(node, ast.Call):
        return _made(node, module, of or (lambda argument: _spelled(argument, module)))
    if _is_utc(node, module):
        return timezone.utc
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return UNKNOWN


def _made(call: ast.Call, module: Module, of: Callable[[ast.expr], object]) -> object:
    make = _MAKERS.get(module.path_of(call.func) or "")
    arguments = [of(argument) for argument in call.args]
    named = {k.arg or "**": of(k.value) for k in call.keywords}
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
    length = options.get("max_length", math.inf)
    text = str(value)
    text.encode()
    known = isinstance(value, (str, int, float)) and isinstance(length, (int, float))
    return known and "\0" not in text and len(text) <= length  # type: ignore[operator]


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
