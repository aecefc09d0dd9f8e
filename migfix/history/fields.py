"""Django's field classes, one a line: what Django loads from a column, and what its values go through.

https://docs.djangoproject.com/en/stable/ref/models/fields/#field-types
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto


class Is(Flag):
    OTHER = 0
    KNOWN = auto()  # what its values go through is known
    BY_OPTIONS = auto()  # but for what options make of it: auto_now, null, width_field, max_digits
    INERT = auto()  # pre_save returns the loaded value, and a full save leaves what is stored alone
    FIXED = auto()  # its values cannot be changed in place
    INTEGER = auto()
    UNSIGNED = auto()
    COUNTED = auto()  # the database gives a number to a new row
    TEXT = auto()  # texts that are compared as they are
    SORTED = auto()  # Python and databases sort its values alike, numbers aside
    MOMENT = auto()  # of a day or clock
    INDEXED = auto()  # by itself
    WIDE = auto()  # its values have no length that anybody could count on
    KEY = auto()  # holds the key of another row
    RELATION = auto()


@dataclass(frozen=True, slots=True)
class FieldClass:
    """``loads`` is the type of a loaded value, as ``migfix.reading.plain`` names it, None for another row's."""

    loads: str | None
    traits: Is


_PLAIN = Is.KNOWN | Is.INERT | Is.FIXED
_NUMBER = _PLAIN | Is.INTEGER
_POSITIVE = _NUMBER | Is.UNSIGNED
_AUTO = _NUMBER | Is.COUNTED
_TEXT = _PLAIN | Is.TEXT
_MOMENT = _PLAIN | Is.BY_OPTIONS | Is.SORTED | Is.MOMENT
_FILE = Is.KNOWN | Is.BY_OPTIONS
_RELATION = Is.KNOWN | Is.RELATION
_KEY = _RELATION | Is.KEY | Is.INERT | Is.INDEXED

FIELDS = {
    "AutoField": FieldClass("int", _AUTO),
    "BigAutoField": FieldClass("int", _AUTO),
    "SmallAutoField": FieldClass("int", _AUTO),
    "IntegerField": FieldClass("int", _NUMBER),
    "BigIntegerField": FieldClass("int", _NUMBER),
    "SmallIntegerField": FieldClass("int", _NUMBER),
    "PositiveIntegerField": FieldClass("int", _POSITIVE),
    "PositiveBigIntegerField": FieldClass("int", _POSITIVE),
    "PositiveSmallIntegerField": FieldClass("int", _POSITIVE),
    "OrderWrt": FieldClass("int", Is.INERT),
    "BooleanField": FieldClass("bool", _PLAIN),
    "NullBooleanField": FieldClass("bool", _PLAIN),
    "CharField": FieldClass("str", _TEXT),
    "TextField": FieldClass("str", _TEXT | Is.WIDE),
    "SlugField": FieldClass("str", _TEXT | Is.INDEXED),
    "EmailField": FieldClass("str", _TEXT),
    "URLField": FieldClass("str", _TEXT),
    "GenericIPAddressField": FieldClass("str", Is.KNOWN | Is.FIXED),
    "IPAddressField": FieldClass("str", Is.OTHER),
    "FilePathField": FieldClass("str", Is.OTHER),
    "CommaSeparatedIntegerField": FieldClass("str", Is.OTHER),
    "CICharField": FieldClass("str", Is.OTHER),
    "CITextField": FieldClass("str", Is.OTHER),
    "CIEmailField": FieldClass("str", Is.OTHER),
    "FloatField": FieldClass("float", _PLAIN | Is.SORTED),
    "DecimalField": FieldClass("Decimal", _PLAIN | Is.BY_OPTIONS | Is.SORTED),
    "DateField": FieldClass("date", _MOMENT),
    "DateTimeField": FieldClass("datetime", _MOMENT),
    "TimeField": FieldClass("time", _MOMENT),
    "DurationField": FieldClass("timedelta", _PLAIN | Is.SORTED),
    "UUIDField": FieldClass("UUID", _PLAIN),
    "BinaryField": FieldClass("bytes", Is.KNOWN | Is.INERT | Is.WIDE),
    "JSONField": FieldClass("data", Is.KNOWN | Is.WIDE),
    "HStoreField": FieldClass("data", Is.WIDE),
    "ArrayField": FieldClass("data", Is.WIDE),
    "GeneratedField": FieldClass(None, Is.INERT),
    "FileField": FieldClass("file", _FILE),
    "ImageField": FieldClass("file", _FILE),
    "ForeignKey": FieldClass(None, _KEY),
    "OneToOneField": FieldClass(None, _KEY),
    "ManyToManyField": FieldClass(None, _RELATION),
    "ForeignObject": FieldClass(None, _RELATION),
}


def fields(traits: Is) -> frozenset[str]:
    """The names of the classes that have (all of) these."""
    return frozenset(name for name, field in FIELDS.items() if traits in field.traits)


def fields_loading(value: str) -> frozenset[str]:
    """The names of the classes whose values are of this type."""
    return frozenset(name for name, field in FIELDS.items() if field.loads == value)
