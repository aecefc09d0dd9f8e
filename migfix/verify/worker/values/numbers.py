"""Numbers and truths that bite, how a field takes one, and what is near to one."""

from __future__ import annotations

import re
from decimal import Decimal

from django.db.backends.base.operations import BaseDatabaseOperations

from migfix.verify.worker.values.setting import Field, Setting


def _range_of(field: Field, setting: Setting) -> tuple[int, int]:
    """What the field may hold. SQLite takes 64 bits into each, which the documentation does not promise:
    https://docs.djangoproject.com/en/stable/ref/models/fields/#integerfield
    """
    kind = field.get_internal_type()
    least, most = setting.connection.ops.integer_field_range(kind)
    if setting.connection.vendor == "sqlite":
        least, most = BaseDatabaseOperations.integer_field_ranges.get(kind, (least, most))
    least = -(2**63) if least is None else least
    return max(least, 0) if kind.startswith("Positive") else least, (
        2**63 - 1 if most is None else most
    )


_INTEGERS = (
    0,
    1,
    -1,
    2,
    3,
    4,
    5,
    7,
    10,
    12,
    42,
    99,
    100,
    101,
    -10,
    365,
    1000,
    1024,
    20240229,
    65536,
)


def integers_for(field: Field, setting: Setting) -> list[object]:
    least, most = _range_of(field, setting)
    extremes = (least, least + 1, most - 1, most) if setting.wild else ()
    return [value for value in (*_INTEGERS, *extremes) if least <= value <= most]


def fit_integer(field: Field, setting: Setting, value: object) -> object | None:
    least, most = _range_of(field, setting)
    number = _whole(value)
    return number if number is not None and least <= number <= most else None


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\s*-?[0-9]{1,19}\s*", value) else None
    if isinstance(value, (float, Decimal)):
        return int(value) if -(2**63) < value < 2**63 and value == int(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def vary_integer(field: Field, setting: Setting, value: int) -> list[object]:
    least, most = _range_of(field, setting)
    return [each for each in (value - 1, value + 1, -value, 2 * value) if least <= each <= most]


def floats_for(field: Field, setting: Setting) -> list[object]:
    values = [0.0, -0.0, 1.0, -1.0, 1.5, 2.5, -2.5, 0.1 + 0.2, 0.3, 0.005, 1e-7, 1e16, 123456.789]
    if setting.wild:
        values += [1.7e308, -1.7e308, 1e-300, 2.0**53 + 2]
        # MariaDB takes neither, and SQLite makes NULL of the first.
        values += [float("nan"), float("inf")] if setting.connection.vendor == "postgresql" else []
    return [*values]


def fit_float(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]+)?", value) else None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return float(value) if -1e300 < value < 1e300 else None
    return None


def vary_float(field: Field, setting: Setting, value: float) -> list[object]:
    return [value - 1, value + 1, value + 0.5, -value, value + 1e-9]


def _quantum(field: Field) -> Decimal:
    places = field.decimal_places
    return Decimal(1).scaleb(-(4 if places is None else places))


def quantized(field: Field, value: Decimal) -> Decimal | None:
    limit = Decimal(10) ** (20 if field.max_digits is None else field.max_digits)
    try:
        value = value.quantize(_quantum(field))
    except ArithmeticError:
        return None
    return value if value.is_finite() and abs(value) / _quantum(field) < limit else None


def decimals_for(field: Field, setting: Setting) -> list[object]:
    quantum = _quantum(field)
    texts = "0 1 -1 0.5 1.5 2.5 -2.5 0.05 0.15 0.25 0.125 0.005 1.005 2.675 9.995 10 100 99.99 1234.5".split()
    values = [*map(Decimal, texts), quantum, -quantum, 5 * quantum, 15 * quantum, 25 * quantum]
    if setting.wild and field.max_digits is not None:
        largest = (Decimal(10) ** field.max_digits - 1) * quantum
        values += [largest, -largest]
    fitting = [quantized(field, value) for value in values]
    return [value for value in fitting if value is not None]


def fit_decimal(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", value):
        return None
    if isinstance(value, (str, int, float, Decimal)) and not isinstance(value, bool):
        return quantized(field, Decimal(str(value)))
    return None


def vary_decimal(field: Field, setting: Setting, value: Decimal) -> list[object]:
    near = [value - _quantum(field), value + _quantum(field), value - 1, value + 1, -value]
    return [each for each in (quantized(field, each) for each in near) if each is not None]


def booleans_for(field: Field, setting: Setting) -> list[object]:
    return [True, False]


def fit_boolean(field: Field, setting: Setting, value: object) -> object | None:
    return value if isinstance(value, bool) else None
