"""
Values that bite, by kind of field.

``pool_of(field, setting)`` gives the values that rows draw from: those which the source of the migration
connects with the field, others near to them, and those on which code and databases like to differ: texts
which are equal but for case, accents or spaces, ties for rounding, midnights, limits of ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from migfix.verify.worker.values.binary import (
    addresses_for,
    bytes_for,
    fit_address,
    fit_bytes,
    fit_uuid,
    uuids_for,
)
from migfix.verify.worker.values.constants import Constants
from migfix.verify.worker.values.documents import (
    documents_for,
    documents_with_keys,
    fit_document,
    fit_nothing,
    hstores_for,
)
from migfix.verify.worker.values.moments import (
    days_for,
    fit_day,
    fit_moment,
    fit_span,
    fit_time,
    moments_for,
    spans_for,
    times_for,
    vary_day,
    vary_moment,
    vary_span,
)
from migfix.verify.worker.values.numbers import (
    booleans_for,
    decimals_for,
    fit_boolean,
    fit_decimal,
    fit_float,
    fit_integer,
    floats_for,
    integers_for,
    quantized,
    vary_decimal,
    vary_float,
    vary_integer,
)
from migfix.verify.worker.values.setting import REFUSED, Field, Setting
from migfix.verify.worker.values.texts import fit_text, texts_for, vary_text

_GENERAL = 12  # constants of a type, drawn where the source connects none with a field


@dataclass(frozen=True)
class Pool:
    """
    Values for one field: `own` from the source and from choices, each to be drawn at least once;
    `near`, variants of these or other constants; `common`, which bite anywhere. Some may be empty.
    """

    own: list[object] = field(default_factory=list)
    near: list[object] = field(default_factory=list)
    common: list[object] = field(default_factory=list)


@dataclass(frozen=True)
class _Kind:
    """What a kind of field holds, how it takes a constant (None if it cannot), and what is near to one."""

    values: Callable[[Field, Setting], Iterable[object]]
    fit: Callable[[Field, Setting, object], object | None]
    vary: Callable[[Field, Setting, Any], Iterable[object]] = lambda field, setting, value: ()
    own: Callable[[Field, Setting], Iterable[object]] = lambda field, setting: ()


def pool_of(field: Field, setting: Setting, own: Iterable[object] = ()) -> Pool | None:
    """
    Return the pool of a field that is no relation, None if its kind is not known or takes none of the values.

    `own` are further values to draw, where they fit. NULL and what is too long are left out.
    """
    kind = _kind_of(field)
    if kind is None:
        return None
    names = dict.fromkeys([field.name, field.attname])
    found = [value for name in names for value in setting.constants.by_name.get(name, ())]
    chosen = _usable(field, setting, kind, [*own, *_choices(field), *found])
    chosen += _taken(field, setting, kind.own(field, setting))
    near = [value for each in chosen for value in kind.vary(field, setting, each)]
    if not chosen:
        near = _usable(field, setting, kind, _of_any_name(setting))
    common = list(kind.values(field, setting))
    pool = Pool(chosen, _taken(field, setting, near), _taken(field, setting, common))
    if not setting.wild and chosen and not names.keys().isdisjoint(setting.constants.parsed):
        return Pool(chosen)  # others only show that the source refuses them
    return pool if any([pool.own, pool.near, pool.common]) else None


def fitted(field: Field, setting: Setting, value: object) -> object | None:
    """The value as the field holds it, None where it cannot."""
    kind = _kind_of(field)
    found = _usable(field, setting, kind, [value]) if kind else []
    return found[0] if found else None


def numbered(field: Field, value: object, number: int) -> object | None:
    """Return another value for each number, of the type of `value`; None where there is none like it."""
    if isinstance(value, str):
        suffix = str(number)
        longest = (field.max_length or 200) - len(suffix)
        return value[:longest] + suffix if longest >= 0 else None
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return number
    if isinstance(value, Decimal):
        return quantized(field, Decimal(number))
    if isinstance(value, datetime):
        return datetime(2001, 1, 1, tzinfo=value.tzinfo) + timedelta(hours=number)
    if isinstance(value, date):
        return date(2001, 1, 1) + timedelta(days=number)
    if isinstance(value, UUID):
        # MariaDB takes no text for one that is of no version
        return UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128, version=4)
    return None


def _kind_of(field: Field) -> _Kind | None:
    names = [field.get_internal_type()]
    names += [
        each.__name__ for each in type(field).__mro__ if each.__module__.startswith("django.")
    ]
    return next((_KINDS[name] for name in names if name in _KINDS), None)


def _choices(field: Field) -> list[object]:
    try:
        return [value for value, _ in field.flatchoices]
    except REFUSED:
        return []


def _of_any_name(setting: Setting) -> list[object]:
    constants = setting.constants
    values = [*constants.texts, *constants.numbers, *constants.others]
    return setting.random.sample(values, min(len(values), 3 * _GENERAL))


def _usable(field: Field, setting: Setting, kind: _Kind, values: Iterable[object]) -> list[object]:
    fitted = (kind.fit(field, setting, value) for value in values)
    return _taken(field, setting, [value for value in fitted if value is not None])


def _taken(field: Field, setting: Setting, values: Iterable[object]) -> list[object]:
    """The values that the field's class can write and read again, each once."""
    once = {(type(value), repr(value)): value for value in values}.values()
    if type(field).__module__.startswith("django."):
        return list(once)
    return [value for value in once if _is_taken(field, setting, value)]


def _is_taken(field: Field, setting: Setting, value: object) -> bool:
    try:
        stored = field.get_db_prep_save(value, setting.connection)
        if hasattr(field, "from_db_value"):
            field.from_db_value(stored, None, setting.connection)
    except Exception:  # what a project's class raises is its own matter
        return False
    return True


# --- arrays and ranges of PostgreSQL -------------------------------------------------------------


def _items(field: Field, setting: Setting) -> list[object]:
    base = field.base_field
    base.set_attributes_from_name(field.name)  # a field in a field has no name of its own
    pool = pool_of(base, replace(setting, constants=Constants()))
    return setting.random.sample(pool.common, min(len(pool.common), 6)) if pool else []


def _arrays(field: Field, setting: Setting) -> list[object]:
    values: list[list[object]] = [[]]
    for item in _items(field, setting):
        values += [[item], [item, item]]
    values += [[*first, *second] for first in values[1:4] for second in values[-3:]]
    values += [[None]] if setting.wild and not _is_nested(field) else []
    size = field.size
    return (
        [value for value in values if not size or len(value) <= size]
        if not _is_nested(field)
        else [*values[:3]]
    )


def _is_nested(field: Field) -> bool:
    return hasattr(field.base_field, "base_field")


def _fit_array(field: Field, setting: Setting, value: object) -> object | None:
    kind = _kind_of(field.base_field)
    item = kind.fit(field.base_field, setting, value) if kind and not _is_nested(field) else None
    return None if item is None else [item]


def _ranges(field: Field, setting: Setting) -> list[object]:
    # A list of two is what every RangeField takes, whichever driver makes its ranges.
    bounds = sorted(_items(field, setting))  # type: ignore[type-var]
    pairs = [(low, high) for index, low in enumerate(bounds) for high in bounds[index:]]
    return [
        *pairs,
        *((low, None) for low in bounds[:2]),
        (None, None),
        field.range_type(empty=True),
    ]


_TEXT = _Kind(texts_for, fit_text, vary_text)
_FILE = _Kind(texts_for, fit_text)
_INTEGER = _Kind(integers_for, fit_integer, vary_integer)
_BOOLEAN = _Kind(booleans_for, fit_boolean)
_ADDRESS = _Kind(addresses_for, fit_address)
_RANGE = _Kind(_ranges, fit_nothing)
_KINDS: Mapping[str, _Kind] = {
    "CharField": _TEXT,
    "TextField": _TEXT,
    "SlugField": _TEXT,
    "CICharField": _TEXT,
    "CIEmailField": _TEXT,
    "CITextField": _TEXT,
    "FileField": _FILE,
    "FilePathField": _FILE,
    "IntegerField": _INTEGER,
    "BigIntegerField": _INTEGER,
    "SmallIntegerField": _INTEGER,
    "PositiveIntegerField": _INTEGER,
    "PositiveBigIntegerField": _INTEGER,
    "PositiveSmallIntegerField": _INTEGER,
    "AutoField": _INTEGER,
    "BigAutoField": _INTEGER,
    "SmallAutoField": _INTEGER,
    "FloatField": _Kind(floats_for, fit_float, vary_float),
    "DecimalField": _Kind(decimals_for, fit_decimal, vary_decimal),
    "BooleanField": _BOOLEAN,
    "NullBooleanField": _BOOLEAN,
    "DateField": _Kind(days_for, fit_day, vary_day),
    "DateTimeField": _Kind(moments_for, fit_moment, vary_moment),
    "TimeField": _Kind(times_for, fit_time),
    "DurationField": _Kind(spans_for, fit_span, vary_span),
    "UUIDField": _Kind(uuids_for, fit_uuid),
    "BinaryField": _Kind(bytes_for, fit_bytes),
    "GenericIPAddressField": _ADDRESS,
    "IPAddressField": _ADDRESS,
    "JSONField": _Kind(documents_for, fit_document, own=documents_with_keys),
    "ArrayField": _Kind(_arrays, _fit_array),
    "HStoreField": _Kind(hstores_for, fit_nothing),
    "IntegerRangeField": _RANGE,
    "BigIntegerRangeField": _RANGE,
    "DecimalRangeField": _RANGE,
    "DateRangeField": _RANGE,
    "DateTimeRangeField": _RANGE,
}
