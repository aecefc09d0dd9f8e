"""Which constants are of a column's own type: SQL compares those as Python compares loaded values."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from migfix.expressions.context import Context
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState
from migfix.sql.databases import Databases, Trait
from migfix.sql.kinds import BOOLEANS, FOREIGN_KEYS, INTEGERS, TEXTS, UNSIGNED, bits_of

_EXACT: dict[str, type] = {
    "DateField": date,
    "TimeField": time,
    "DurationField": timedelta,
    "UUIDField": UUID,
}


def has_type_of(value: object, column: FieldState, context: Context) -> bool:
    """Does the database compare the column with the constant as Python compares the loaded value?"""
    kind = column.kind or ""
    if kind in FOREIGN_KEYS:
        key = context.key_of(column)
        known = key is not None and key.kind in INTEGERS | {"UUIDField"}
        return known and key is not None and has_type_of(value, key, context)
    if kind in TEXTS:
        return isinstance(value, str) and _is_encodable(value)
    if kind in _EXACT:
        return type(value) is _EXACT[kind] and getattr(value, "tzinfo", None) is None
    if kind == "DateTimeField":
        return isinstance(value, datetime) and value.tzinfo is not None
    if kind == "DecimalField":
        return _is_decimal(value, column)
    if kind == "FloatField":
        return _is_float(value)
    if kind in BOOLEANS:
        return isinstance(value, bool) or (type(value) is int and value in (0, 1))
    limit = 2 ** (bits_of(kind) - 1) if kind in INTEGERS else 0
    return isinstance(value, int) and -limit <= value < limit


def is_below(value: object, column: FieldState) -> bool:
    """Is the number less than every value of the column? Whoever compares them then knows the answer.

    Django knows it as well, and from 6.1 on casts what is left of a ``Case`` to the type of its
    answer, which is no SQL for all types on MySQL and MariaDB.
    """
    return column.kind in UNSIGNED and isinstance(value, int) and value < 0


def is_value_of(value: object, column: FieldState, context: Context) -> bool:
    """Does ``Value(constant)`` give what the column takes? PostgreSQL turns no boolean into a number."""
    alike = isinstance(value, bool) == (column.kind in BOOLEANS)
    return alike and has_type_of(value, column, context)


def is_rounded(decimal: FieldState, databases: Databases) -> bool:
    """SQLite keeps decimals as floats, of which Django before 6.0 reads 15 digits."""
    if decimal.kind != "DecimalField" or databases.have(Trait.KEEPS_DECIMALS):
        return False
    digits = decimal.options.get("max_digits")
    return not isinstance(digits, int) or digits > 15


def _is_float(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and (isinstance(value, float) or abs(value) <= 2**53)


def _is_decimal(value: object, column: FieldState) -> bool:
    """A number that the column can hold to the last digit."""
    digits, places = (column.options.get(o) for o in ("max_digits", "decimal_places"))
    if not isinstance(digits, int) or not isinstance(places, int) or isinstance(value, bool):
        return False
    if not isinstance(value, (int, float, Decimal)) or not math.isfinite(value):
        return False
    number = Decimal(value)
    fits = abs(number) < Decimal(10) ** (digits - places)
    return fits and number == round(number, places)


def _is_encodable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def drift_caveats(column: FieldState, context: Context) -> tuple[Refusal, ...]:
    """SQLite keeps decimals as floats: a stored 0.30000000000000004 loads as 0.30 and is not equal."""
    if column.kind != "DecimalField" or context.loop.databases.have(Trait.KEEPS_DECIMALS):
        return ()
    return (
        Refusal(
            Reason.CONDITION,
            f"SQLite keeps `{column.name}` as a float, which may not be what Django loads from it",
        ),
    )


_COPIED_AS_IS = BOOLEANS | frozenset(
    "FloatField DecimalField DateField DateTimeField TimeField DurationField UUIDField "
    "BinaryField".split()
)


def copies(source: FieldState, target: FieldState) -> bool:
    """Kinds between which ``SET target = source`` stores what a save() of the loaded value does."""
    a, b = source.kind, target.kind
    if a in FOREIGN_KEYS and b in FOREIGN_KEYS:
        same_key = source.options.get("to_field") == target.options.get("to_field")
        return isinstance(source.target, tuple) and source.target == target.target and same_key
    if a in TEXTS and b in TEXTS:
        return True
    if a in INTEGERS and b in INTEGERS | {"FloatField"}:
        return True
    digits = ("max_digits", "decimal_places")
    same = all(source.options.get(o) == target.options.get(o) for o in digits)
    return a == b and same and a in _COPIED_AS_IS
