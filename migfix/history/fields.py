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
class DjangoField:
    """``loads`` is the type of a loaded value, as ``migfix.reading.kinds.plain`` names it, None for another row's."""

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
    "AutoField": DjangoField("int", _AUTO),
    "BigAutoField": DjangoField("int", _AUTO),
    "SmallAutoField": DjangoField("int", _AUTO),
    "IntegerField": DjangoField("int", _NUMBER),
    "BigIntegerField": DjangoField("int", _NUMBER),
    "SmallIntegerField": DjangoField("int", _NUMBER),
    "PositiveIntegerField": DjangoField("int", _POSITIVE),
    "PositiveBigIntegerField": DjangoField("int", _POSITIVE),
    "PositiveSmallIntegerField": DjangoField("int", _POSITIVE),
    "OrderWrt": DjangoField("int", Is.INERT),
    "BooleanField": DjangoField("bool", _PLAIN),
    "NullBooleanField": DjangoField("bool", _PLAIN),
    "CharField": DjangoField("str", _TEXT),
    "TextField": DjangoField("str", _TEXT | Is.WIDE),
    "SlugField": DjangoField("str", _TEXT | Is.INDEXED),
    "EmailField": DjangoField("str", _TEXT),
    "URLField": DjangoField("str", _TEXT),
    "GenericIPAddressField": DjangoField("str", Is.KNOWN | Is.FIXED),
    "IPAddressField": DjangoField("str", Is.OTHER),
    "FilePathField": DjangoField("str", Is.OTHER),
    "CommaSeparatedIntegerField": DjangoField("str", Is.OTHER),
    "CICharField": DjangoField("str", Is.OTHER),
    "CITextField": DjangoField("str", Is.OTHER),
    "CIEmailField": DjangoField("str", Is.OTHER),
    "FloatField": DjangoField("float", _PLAIN | Is.SORTED),
    "DecimalField": DjangoField("Decimal", _PLAIN | Is.BY_OPTIONS | Is.SORTED),
    "DateField": DjangoField("date", _MOMENT),
    "DateTimeField": DjangoField("datetime", _MOMENT),
    "TimeField": DjangoField("time", _MOMENT),
    "DurationField": DjangoField("timedelta", _PLAIN | Is.SORTED),
    "UUIDField": DjangoField("UUID", _PLAIN),
    "BinaryField": DjangoField("bytes", Is.KNOWN | Is.INERT | Is.WIDE),
    "JSONField": DjangoField("data", Is.KNOWN | Is.WIDE),
    "HStoreField": DjangoField("data", Is.WIDE),
    "ArrayField": DjangoField("data", Is.WIDE),
    "GeneratedField": DjangoField(None, Is.INERT),
    "FileField": DjangoField("file", _FILE),
    "ImageField": DjangoField("file", _FILE),
    "ForeignKey": DjangoField(None, _KEY),
    "OneToOneField": DjangoField(None, _KEY),
    "ManyToManyField": DjangoField(None, _RELATION),
    "ForeignObject": DjangoField(None, _RELATION),
}


def fields(traits: Is) -> frozenset[str]:
    """The names of the classes that have (all of) these."""
    return frozenset(name for name, field in FIELDS.items() if traits in field.traits)


def fields_loading(value: str) -> frozenset[str]:
    """The names of the classes whose values are of this type."""
    return frozenset(name for name, field in FIELDS.items() if field.loads == value)
