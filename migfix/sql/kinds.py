"""Django's field classes in groups that behave alike in SQL."""

from __future__ import annotations

from migfix.history.state import FieldState

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


DIMENSIONS = ("width_field", "height_field")


def is_settled_file(column: FieldState) -> bool:
    """A file that ``save()`` writes as the name that it has: NULL alone would become an empty one.

    ``FileField.pre_save`` and ``get_prep_value`` of every version; images that know their size may open
    the file: ``ImageField.update_dimension_fields``.
    """
    sized = not column.options.keys().isdisjoint(DIMENSIONS)
    return column.saved_as in FILES and column.null is False and not sized


def bits_of(integer: str) -> int:
    """The width of an integer column on PostgreSQL, the narrowest of all databases.

    https://docs.djangoproject.com/en/stable/ref/models/fields/#integerfield
    """
    if "Small" in integer:
        return 16
    return 64 if "Big" in integer else 32
