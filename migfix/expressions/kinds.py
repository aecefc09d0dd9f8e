"""Django's field classes in groups that behave alike in SQL."""

from __future__ import annotations

from migfix.history.state import FieldState
from migfix.loops.loop import Databases

INTEGERS = frozenset(
    "AutoField BigAutoField SmallAutoField IntegerField BigIntegerField SmallIntegerField "
    "PositiveIntegerField PositiveBigIntegerField PositiveSmallIntegerField".split()
)
UNSIGNED = frozenset(
    {"PositiveIntegerField", "PositiveBigIntegerField", "PositiveSmallIntegerField"}
)
BOOLEANS = frozenset({"BooleanField", "NullBooleanField"})
TEXTS = frozenset({"CharField", "TextField", "SlugField", "EmailField", "URLField"})
FOREIGN_KEYS = frozenset({"ForeignKey", "OneToOneField"})
FILES = frozenset({"FileField", "ImageField"})
# Kinds whose values have no length that anybody could count on.
WIDE = frozenset({"TextField", "JSONField", "BinaryField", "HStoreField", "ArrayField"})
# Kinds whose pre_save returns the loaded value and whose stored form a full save leaves alone.
INERT = (
    INTEGERS
    | BOOLEANS
    | TEXTS
    | FOREIGN_KEYS
    | frozenset(
        "FloatField DecimalField DateField DateTimeField TimeField DurationField UUIDField "
        "BinaryField GeneratedField OrderWrt".split()
    )
)


def bits_of(integer: str) -> int:
    """The width of an integer column on PostgreSQL, the narrowest of all databases.

    https://docs.djangoproject.com/en/stable/ref/models/fields/#integerfield
    """
    if "Small" in integer:
        return 16
    return 64 if "Big" in integer else 32


def is_rounded(decimal: FieldState, databases: Databases) -> bool:
    """SQLite keeps decimals as floats, of which Django before 6.0 reads 15 digits."""
    if decimal.kind != "DecimalField" or not databases.any("sqlite"):
        return False
    digits = decimal.options.get("max_digits")
    return not isinstance(digits, int) or digits > 15
