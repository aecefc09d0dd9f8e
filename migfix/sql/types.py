"""Of which types columns and constants are, and whether a column takes what Python computes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from migfix.history.state import FieldState
from migfix.sql.kinds import INTEGERS, TEXTS, UNSIGNED, bits_of
from migfix.sql.nodes import Constant, Type

_FAMILIES = {
    "FloatField": "float",
    "DecimalField": "decimal",
    "DateField": "date",
    "DateTimeField": "instant",
    "TimeField": "time",
    "DurationField": "duration",
}
_CONSTANTS: dict[type, Type] = {
    bool: Type("boolean", "BooleanField"),
    float: Type("float", "FloatField"),
    str: Type("text", "CharField"),
    datetime: Type("instant", "DateTimeField"),
    date: Type("date", "DateField"),
    time: Type("time", "TimeField"),
    timedelta: Type("duration", "DurationField"),
    UUID: Type("uuid", "UUIDField"),
}


def type_of_column(column: FieldState) -> Type:
    """What Python loads from the column; ``other`` where that is not certain."""
    kind = column.kind
    if kind in TEXTS:
        return Type("text", kind)
    if kind is None or not column.verified:
        return Type("other", kind)
    if kind in INTEGERS:
        return Type("integer", kind, bits_of(kind), kind in UNSIGNED)
    places = column.options.get("decimal_places")
    return Type(
        _FAMILIES.get(kind, "other"),
        kind,
        64 if kind == "FloatField" else 0,
        places=places if isinstance(places, int) else None,
    )


def type_of_key(column: FieldState, key: FieldState | None) -> Type:
    """What a foreign key holds: databases calculate with it, Django does not."""
    family = type_of_column(key).family if key and column.verified else "other"
    return Type(f"{family} key", column.kind)


def type_of_constant(value: object) -> Type:
    if type(value) is int or isinstance(value, Decimal):
        exponent = Decimal(value).normalize().as_tuple().exponent
        places = max(0, -exponent) if isinstance(exponent, int) else None
        whole = isinstance(value, int)
        kind = "IntegerField" if whole else "DecimalField"
        return Type("integer" if whole else "decimal", kind, places=places)
    return _CONSTANTS.get(type(value), Type("other"))


def constant(source: str, value: object) -> Constant:
    """``source`` is how the file or the rewrite says it."""
    return Constant(source, type_of_constant(value), value)


def stores(found: Type, column: FieldState) -> bool:
    """Does the column take what Python computes, as Python would give it?"""
    kind = str(column.kind)
    if kind in INTEGERS:
        return found.family == "integer" and bits_of(kind) <= found.bits
    if kind in TEXTS:
        return found.family == "text"
    if kind == "DecimalField":
        return found.family == "decimal" and not _is_rounded(found, column)
    return found.family == _FAMILIES.get(kind)


def _is_rounded(found: Type, column: FieldState) -> bool:
    """Django rounds half to even before it stores, databases half up."""
    places = column.options.get("decimal_places")
    return not isinstance(places, int) or found.places is None or found.places > places
