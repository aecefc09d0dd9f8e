"""Django's field classes in groups that behave alike in SQL."""

from __future__ import annotations

from migfix.history.fields import Is, fields, fields_loading
from migfix.history.state import FieldState

INTEGERS = fields(Is.INTEGER)
UNSIGNED = fields(Is.UNSIGNED)
BOOLEANS = fields_loading("bool")
TEXTS = fields(Is.TEXT)
FOREIGN_KEYS = fields(Is.KEY)
FILES = fields_loading("file")
WIDE = fields(Is.WIDE)
INERT = fields(Is.INERT)

DIMENSIONS = ("width_field", "height_field")
_OPTIONS_OF_DOCUMENTS = frozenset({"encoder", "decoder"})  # with code of its own


def is_document(column: FieldState) -> bool:
    """Does the column hold lists and dicts that Python's own code reads and writes?"""
    return column.kind == "JSONField" and _OPTIONS_OF_DOCUMENTS.isdisjoint(column.options)


def is_file(column: FieldState) -> bool:
    """Do rows hold an object for the file of which the column has the name?"""
    return not FILES.isdisjoint({column.kind, column.saved_as})


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
