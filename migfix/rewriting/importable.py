"""What a rewrite may import: names that are there in every version that migfix knows of.

https://docs.djangoproject.com/en/stable/ref/models/expressions/
https://docs.djangoproject.com/en/stable/ref/models/database-functions/
"""

from __future__ import annotations

from migfix.reading.cutting import FUNCTIONS

IMPORTABLE: dict[str, frozenset[str]] = {
    "datetime": frozenset({"date", "timezone"}),
    "django.db": frozenset({"models"}),
    "django.db.models": frozenset(
        "Case Count Exists ExpressionWrapper F OuterRef Q Subquery Value When "
        "AutoField BigAutoField BigIntegerField BinaryField BooleanField CharField DateField "
        "DateTimeField DecimalField DurationField EmailField FileField FilePathField FloatField "
        "GenericIPAddressField ImageField IntegerField JSONField PositiveBigIntegerField "
        "PositiveIntegerField PositiveSmallIntegerField SlugField SmallAutoField SmallIntegerField "
        "TextField TimeField URLField UUIDField".split()
    ),
    "django.db.models.functions": frozenset(
        "Abs Cast Coalesce Concat ExtractDay ExtractMonth ExtractYear Floor Greatest LTrim Least Left "
        "Length Lower RTrim Replace Right StrIndex Substr Trim TruncDate TruncTime Upper".split()
    ),
    "django.utils": frozenset({"timezone"}),
    "django.utils.timezone": frozenset({"now"}),
}


def is_importable(module: str, name: str, helper: str) -> bool:
    """Is there ``name`` in ``module`` (perhaps ``name as other``)? ``helper`` is the helper's module."""
    plain = name.partition(" as ")[0]
    return plain in (FUNCTIONS if module == helper else IMPORTABLE.get(module, frozenset()))
