"""
Values that bite, by kind of field.

``pool_of(field, setting)`` gives the values that rows draw from: those which the source of the migration
connects with the field, others near to them, and those on which code and databases like to differ: texts
which are equal but for case, accents or spaces, ties for rounding, midnights, limits of ranges.
"""

from __future__ import annotations

import ipaddress
import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations
from django.utils import timezone as zones

from migfix.verify.worker.constants import Constants

Field = Any  # that of Django, or a class of the project's that says it is one

REFUSED = (DatabaseError, ValidationError, TypeError, ValueError, ArithmeticError, AttributeError)
_GENERAL = 12  # constants of a type, drawn where the source connects none with a field


@dataclass(frozen=True)
class Setting:
    """What values depend on besides their field. `wild` lets in those that make ordinary code raise."""

    connection: BaseDatabaseWrapper
    constants: Constants
    random: random.Random
    wild: bool


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
        return _quantized(field, Decimal(number))
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


# --- texts ---------------------------------------------------------------------------------------

_TEXTS = (
    *("", " ", " lead", "trail ", "  both  ", "two  spaces", "\u00a0wide", "zero\u200bwidth"),
    *("title", "Title", "TITLE", "tItLe", "first last", "First Last", "a", "A", "b"),
    *(
        "café",
        "cafe\u0301",
        "CAFÉ",
        "cafe",
        "straße",
        "STRASSE",
        "\u0131I",
        "İstanbul",
        "ﬁn",
        "naïve",
    ),
    *("日本語", "😀", "a😀b", "👩‍👩‍👧", "русский", "עברית", "Ωmega"),
    *("it's", 'say "x"', "100%", "%s", "%(x)s", "a_b", "back\\slash", "<b>x</b>", "{x}"),
    *("new\nline", "tab\t", "\r\n"),
    *("None", "null", "True", "0", "-1", "1.5", "007", "1e3", "10", "9", "1,5"),
    *("2024-02-29", "29.02.2024", "12:30", "[1, 2]", '["a", "b"]', '{"a": 1}'),
    *("a,b", "a, b;c", "a/b/c", "a-b-c", "x@example.com", "https://example.com/a?b=c#d"),
)
_EMAILS = ("x@example.com", "X@Example.COM", "a+b@example.com", "x@", "no-mail", "ü@example.com")
_URLS = (
    "https://example.com/",
    "http://example.com",
    "HTTPS://EXAMPLE.com/a?b=c#d",
    "example.com/a",
    "https://user@example.com:80/%20",
)
_SLUGS = ("a", "a-b", "a_b", "A-B", "-a", "title", "title-1", "title-2", "1", "café")
_FILES = (
    *("", "a.txt", "A.TXT", "a/b.txt", "a/b/c.tar.gz", "no-suffix", "a b.png", "ä.jpg"),
    *("/abs.txt", "../up.txt"),
)


def _texts(field: Field, setting: Setting) -> list[object]:
    special: tuple[str, ...] = ()
    if isinstance(field, models.EmailField):
        special = 3 * _EMAILS
    elif isinstance(field, models.URLField):
        special = 3 * _URLS
    elif field.get_internal_type() == "SlugField":
        special = _SLUGS
    elif isinstance(field, (models.FileField, models.FilePathField)):
        special = _FILES
    texts = [*special, *_TEXTS] if not isinstance(field, models.FileField) else [*special]
    return [*_short_enough(field, texts), *(_longest(field) if setting.wild else ())]


def _longest(field: Field) -> list[str]:
    length = field.max_length or 4000
    return ["x" * length, "é" * length, "a " * (length // 2)]


def _short_enough(field: Field, texts: Iterable[str]) -> list[object]:
    return [text for text in texts if field.max_length is None or len(text) <= field.max_length]


def _fit_text(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, (int, float, Decimal, UUID)) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _short_enough(field, [value]) and "\x00" not in value:
        return _encodable(value)
    return None


def _encodable(text: str) -> str | None:
    """None for a text with half of a surrogate pair, which no database takes."""
    return text if text.isprintable() or not re.search("[\ud800-\udfff]", text) else None


def _vary_text(field: Field, setting: Setting, value: str) -> list[object]:
    others = [
        each for each in setting.constants.by_name.get(field.name, ()) if isinstance(each, str)
    ]
    other = setting.random.choice(others or ["b"])
    variants = [value.upper(), value.lower(), value.swapcase(), value.capitalize()]
    variants += [
        f" {value}",
        f"{value} ",
        f"{value}x",
        f"x{value}",
        f"{value}1",
        value[:-1],
        value[1:],
    ]
    variants += [f"{value}{other}", f"{value} {other}", f"{value},{other}", f"a{value}b{other}c"]
    variants += [unicodedata.normalize("NFD", value), unicodedata.normalize("NFC", value)]
    return _short_enough(field, variants)


# --- numbers -------------------------------------------------------------------------------------


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


def _integers(field: Field, setting: Setting) -> list[object]:
    least, most = _range_of(field, setting)
    extremes = (least, least + 1, most - 1, most) if setting.wild else ()
    return [value for value in (*_INTEGERS, *extremes) if least <= value <= most]


def _fit_integer(field: Field, setting: Setting, value: object) -> object | None:
    least, most = _range_of(field, setting)
    number = _whole(value)
    return number if number is not None and least <= number <= most else None


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\s*-?[0-9]{1,19}\s*", value) else None
    if isinstance(value, (float, Decimal)):
        return int(value) if -(2**63) < value < 2**63 and value == int(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _vary_integer(field: Field, setting: Setting, value: int) -> list[object]:
    least, most = _range_of(field, setting)
    return [each for each in (value - 1, value + 1, -value, 2 * value) if least <= each <= most]


def _floats(field: Field, setting: Setting) -> list[object]:
    values = [0.0, -0.0, 1.0, -1.0, 1.5, 2.5, -2.5, 0.1 + 0.2, 0.3, 0.005, 1e-7, 1e16, 123456.789]
    if setting.wild:
        values += [1.7e308, -1.7e308, 1e-300, 2.0**53 + 2]
        # MariaDB takes neither, and SQLite makes NULL of the first.
        values += [float("nan"), float("inf")] if setting.connection.vendor == "postgresql" else []
    return [*values]


def _fit_float(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]+)?", value) else None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return float(value) if -1e300 < value < 1e300 else None
    return None


def _vary_float(field: Field, setting: Setting, value: float) -> list[object]:
    return [value - 1, value + 1, value + 0.5, -value, value + 1e-9]


def _quantum(field: Field) -> Decimal:
    places = field.decimal_places
    return Decimal(1).scaleb(-(4 if places is None else places))


def _quantized(field: Field, value: Decimal) -> Decimal | None:
    limit = Decimal(10) ** (20 if field.max_digits is None else field.max_digits)
    try:
        value = value.quantize(_quantum(field))
    except ArithmeticError:
        return None
    return value if value.is_finite() and abs(value) / _quantum(field) < limit else None


def _decimals(field: Field, setting: Setting) -> list[object]:
    quantum = _quantum(field)
    texts = "0 1 -1 0.5 1.5 2.5 -2.5 0.05 0.15 0.25 0.125 0.005 1.005 2.675 9.995 10 100 99.99 1234.5".split()
    values = [*map(Decimal, texts), quantum, -quantum, 5 * quantum, 15 * quantum, 25 * quantum]
    if setting.wild and field.max_digits is not None:
        largest = (Decimal(10) ** field.max_digits - 1) * quantum
        values += [largest, -largest]
    fitting = [_quantized(field, value) for value in values]
    return [value for value in fitting if value is not None]


def _fit_decimal(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", value):
        return None
    if isinstance(value, (str, int, float, Decimal)) and not isinstance(value, bool):
        return _quantized(field, Decimal(str(value)))
    return None


def _vary_decimal(field: Field, setting: Setting, value: Decimal) -> list[object]:
    near = [value - _quantum(field), value + _quantum(field), value - 1, value + 1, -value]
    return [each for each in (_quantized(field, each) for each in near) if each is not None]


def _booleans(field: Field, setting: Setting) -> list[object]:
    return [True, False]


def _fit_boolean(field: Field, setting: Setting, value: object) -> object | None:
    return value if isinstance(value, bool) else None


# --- moments -------------------------------------------------------------------------------------

_DAYS = (
    *(date(1900, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(1999, 12, 31)),
    *(
        date(2000, 2, 29),
        date(2023, 2, 28),
        date(2024, 2, 29),
        date(2024, 3, 31),
        date(2024, 6, 15),
    ),
    *(date(2024, 12, 31), date(2025, 1, 1)),
    *(date(2024, 12, 30), date(2021, 1, 3)),  # in weeks of another year
)
_FAR_DAYS = (date(1, 1, 1), date(1582, 10, 15), date(9999, 12, 31))
_OFFSETS = (-8, -5, -4, 0, 1, 2, 5.5, 9, 13)  # hours from UTC
_MOMENTS = (
    *(datetime(1900, 1, 1), datetime(1970, 1, 1), datetime(1999, 12, 31, 23, 59, 59)),
    *(datetime(2000, 2, 29, 23, 59, 59, 999999), datetime(2024, 2, 29, 12, 30)),
    datetime(2024, 12, 31, 23, 59, 59, 999),
    # around changes of the clocks in Europe and America, as UTC
    *(datetime(2024, 3, 31, 0, 59, 59), datetime(2024, 3, 31, 1)),
    *(datetime(2024, 10, 27, 0, 30), datetime(2024, 10, 27, 1, 30)),
    *(datetime(2024, 3, 10, 6, 59), datetime(2024, 3, 10, 7)),
    *(datetime(2024, 11, 3, 5, 30), datetime(2024, 11, 3, 6, 30)),
)
_FAR_MOMENTS = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))
_TIMES = (
    time(0),
    time(0, 0, 1),
    time(12),
    time(12, 30, 15),
    time(23, 59),
    time(23, 59, 59, 999999),
)
_SPANS = (
    *(timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=90)),
    *(
        timedelta(days=1),
        timedelta(days=-1),
        timedelta(days=-1, microseconds=1),
        timedelta(days=30, hours=5),
    ),
)


def _days(field: Field, setting: Setting) -> list[object]:
    return [*_DAYS, *(_FAR_DAYS if setting.wild else ())]


def _fit_day(field: Field, setting: Setting, value: object) -> object | None:
    moment = _moment_of(value)
    return moment.date() if moment else None


def _vary_day(field: Field, setting: Setting, value: date) -> list[object]:
    return [
        value + timedelta(days=days)
        for days in (-365, -1, 1, 365)
        if 365 < value.toordinal() < 3_600_000
    ]


def _moments(field: Field, setting: Setting) -> list[object]:
    midnights = [datetime(2024, 6, 15) - timedelta(hours=hours) for hours in _OFFSETS]
    before = [midnight - timedelta(microseconds=1) for midnight in midnights[::2]]
    here = zones.make_aware(datetime(2024, 6, 15), zones.get_default_timezone())
    midnights.append(here.astimezone(timezone.utc).replace(tzinfo=None))
    moments = [*_MOMENTS, *midnights, *before, *(_FAR_MOMENTS if setting.wild else ())]
    return [_stored_moment(moment) for moment in moments]


def _stored_moment(moment: datetime) -> datetime:
    if settings.USE_TZ:
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).replace(tzinfo=None) if moment.tzinfo else moment


def _moment_of(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else None


def _fit_moment(field: Field, setting: Setting, value: object) -> object | None:
    moment = _moment_of(value)
    return _stored_moment(moment) if moment else None


def _vary_moment(field: Field, setting: Setting, value: datetime) -> list[object]:
    near = (timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1))
    if not 2 < value.year < 9998:
        return []
    return [value + sign * span for span in near for sign in (-1, 1)]


def _times(field: Field, setting: Setting) -> list[object]:
    return [*_TIMES]


def _fit_time(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            return None
    return value.replace(tzinfo=None) if isinstance(value, time) else None


def _spans(field: Field, setting: Setting) -> list[object]:
    far = (timedelta(days=100_000), timedelta(days=-100_000)) if setting.wild else ()
    return [*_SPANS, *far]


def _fit_span(field: Field, setting: Setting, value: object) -> object | None:
    return value if isinstance(value, timedelta) and abs(value.days) < 10_000_000 else None


def _vary_span(field: Field, setting: Setting, value: timedelta) -> list[object]:
    return [value - timedelta(microseconds=1), value + timedelta(microseconds=1), 2 * value, -value]


# --- others --------------------------------------------------------------------------------------


def _uuids(field: Field, setting: Setting) -> list[object]:
    drawn = [UUID(int=setting.random.getrandbits(128), version=4) for _ in range(6)]
    return [UUID(int=0), UUID(int=2**128 - 1), *drawn]


def _fit_uuid(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            return None
    return value if isinstance(value, UUID) else None


def _bytes(field: Field, setting: Setting) -> list[object]:
    values = [b"", b"\x00", b"\x00\xff", b"text", b"TEXT", "é".encode(), b"%s", b"'"]
    values += [b"\x00\x01\xfe" * 500] if setting.wild else []
    return [value for value in values if field.max_length is None or len(value) <= field.max_length]


def _fit_bytes(field: Field, setting: Setting, value: object) -> object | None:
    if isinstance(value, str) and _encodable(value) is not None:
        value = value.encode()
    longest = field.max_length
    return (
        value if isinstance(value, bytes) and (longest is None or len(value) <= longest) else None
    )


def _addresses(field: Field, setting: Setting) -> list[object]:
    values = ["127.0.0.1", "10.0.0.9", "10.0.0.10", "255.255.255.255", "::1", "2001:db8::1"]
    return [value for value in values if _fit_address(field, setting, value)]


def _fit_address(field: Field, setting: Setting, value: object) -> object | None:
    try:
        version = ipaddress.ip_address(value).version if isinstance(value, str) else 0
    except ValueError:
        return None
    protocol = getattr(field, "protocol", "ipv4").lower()
    return value if version and protocol in ("both", f"ipv{version}") else None


# --- JSON ----------------------------------------------------------------------------------------

_JSON: tuple[Any, ...] = (
    *(
        {},
        [],
        "",
        "text",
        0,
        1,
        -1.5,
        True,
        False,
        2**53 + 1,
        [None],
        [1, "1", 1.0],
        ["b", "a", "a"],
    ),
    *({"a": None}, {"": 1}, {"A": 1, "a": 2}, {"é": "😀", 'q"': "it's"}),
    *({"a": 1, "b": [1, {"c": None}]}, {"a": {"b": {"c": []}}}),
)
_MOST_DOCUMENTS = 40
_LEAVES: tuple[Any, ...] = ("text", "", 1, 0, None, True, [], {}, ["a"], {"a": 1}, "1")


def _documents(field: Field, setting: Setting) -> list[object]:
    paths = _paths(field, setting)
    if paths and not setting.wild:
        return [{}]  # ordinary code asks for its keys without a look at what it asks
    default = _default_document(field)
    if default is not None and not setting.wild:
        return [each for each in _JSON if type(each) is type(default)]
    wrong = [_nested(path, leaf) for path in paths for leaf in _LEAVES]
    return [*wrong, *_JSON, models.Value(None, models.JSONField())]


def _documents_with_keys(field: Field, setting: Setting) -> list[object]:
    """Documents with all keys that the source asks for, one for each value of each key."""
    paths = _paths(field, setting)
    leaves = {path: _leaves_of(path, setting) for path in paths}
    drawn = [(path, leaf) for path in paths for leaf in leaves[path]]
    default = _default_document(field)
    documents: list[object] = _like(default) if default is not None else []
    for path, leaf in drawn[:_MOST_DOCUMENTS]:
        document: dict[str, object] = deepcopy(default) if isinstance(default, dict) else {}
        for each in paths:
            _put(document, each, leaf if each == path else setting.random.choice(leaves[each]))
        documents.append(document)
    return documents


def _default_document(field: Field) -> dict[str, Any] | list[Any] | None:
    """What a row has that nobody gave one: code takes for granted that all are like it."""
    try:
        found = json.loads(json.dumps(field.get_default()))
    except Exception:  # of the project's own function, or of what is no JSON
        return None
    return found if isinstance(found, (dict, list)) else None


def _like(default: dict[str, Any] | list[Any]) -> list[Any]:
    """A default, and others that differ from it in the value of a key, or lack the key."""
    if isinstance(default, list):
        return [default]
    documents: list[Any] = [default]
    for key, value in default.items():
        documents.append({name: each for name, each in default.items() if name != key})
        documents += [{**default, key: each} for each in _values_like(value)]
    return documents[:_MOST_DOCUMENTS]


def _values_like(value: object) -> list[object]:
    """Others of its type, and none at all."""
    return [
        each for each in _LEAVES if each is None or (type(each) is type(value) and each != value)
    ]


def _put(document: dict[str, Any], path: tuple[object, ...], leaf: object) -> None:
    key, rest = str(path[0]), path[1:]
    if rest and isinstance(rest[0], str):
        inner = document.setdefault(key, {})
        if isinstance(inner, dict):
            _put(inner, rest, leaf)
    else:
        document[key] = _nested(rest, leaf)


def _leaves_of(path: tuple[object, ...], setting: Setting) -> list[Any]:
    known = [value for value in setting.constants.by_name.get(str(path[-1]), ()) if _is_json(value)]
    return [*known[:8], *_vary_leaves(known[:4])] or ["text", 1, None]


def _vary_leaves(values: Iterable[object]) -> list[object]:
    return [value.upper() if isinstance(value, str) else str(value) for value in values]


def _paths(field: Field, setting: Setting) -> list[tuple[object, ...]]:
    """The paths of keys that the source asks of a field; no path that goes on in another."""
    found = setting.constants.keys.get(field.name, ())
    texts = [path for path in found if isinstance(path[0], str)]
    return [
        path
        for path in texts
        if not any(len(path) < len(each) and each[: len(path)] == path for each in texts)
    ]


def _nested(path: tuple[object, ...], leaf: object) -> object:
    for key in reversed(path):
        leaf = {key: leaf} if isinstance(key, str) else [leaf, leaf]
    return leaf


def _is_json(value: object) -> bool:
    return isinstance(value, (str, int, float)) and value == value


def _fit_document(field: Field, setting: Setting, value: object) -> object | None:
    """A value of the source's, with the keys that it asks for where it asks for any."""
    if not _is_json(value) or (_paths(field, setting) and not setting.wild):
        return None
    return value


def _hstores(field: Field, setting: Setting) -> list[object]:
    named = [{str(path[0]): leaf} for path in _paths(field, setting) for leaf in ("text", "", None)]
    return [{}, {"a": "b"}, {"a": None}, {"A": "1", "a": "2"}, {"": ""}, *named]


def _fit_nothing(field: Field, setting: Setting, value: object) -> object | None:
    return None


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


_TEXT = _Kind(_texts, _fit_text, _vary_text)
_FILE = _Kind(_texts, _fit_text)
_INTEGER = _Kind(_integers, _fit_integer, _vary_integer)
_BOOLEAN = _Kind(_booleans, _fit_boolean)
_ADDRESS = _Kind(_addresses, _fit_address)
_RANGE = _Kind(_ranges, _fit_nothing)
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
    "FloatField": _Kind(_floats, _fit_float, _vary_float),
    "DecimalField": _Kind(_decimals, _fit_decimal, _vary_decimal),
    "BooleanField": _BOOLEAN,
    "NullBooleanField": _BOOLEAN,
    "DateField": _Kind(_days, _fit_day, _vary_day),
    "DateTimeField": _Kind(_moments, _fit_moment, _vary_moment),
    "TimeField": _Kind(_times, _fit_time),
    "DurationField": _Kind(_spans, _fit_span, _vary_span),
    "UUIDField": _Kind(_uuids, _fit_uuid),
    "BinaryField": _Kind(_bytes, _fit_bytes),
    "GenericIPAddressField": _ADDRESS,
    "IPAddressField": _ADDRESS,
    "JSONField": _Kind(_documents, _fit_document, own=_documents_with_keys),
    "ArrayField": _Kind(_arrays, _fit_array),
    "HStoreField": _Kind(_hstores, _fit_nothing),
    "IntegerRangeField": _RANGE,
    "BigIntegerRangeField": _RANGE,
    "DecimalRangeField": _RANGE,
    "DateRangeField": _RANGE,
    "DateTimeRangeField": _RANGE,
}
