"""Every page says something of every operation that there is, and of no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import product

import pytest

from migfix.history.state import FieldState
from migfix.sql.databases import PAGES, doubts
from migfix.sql.databases.page import family_of
from migfix.sql.nodes import Column, Constant, Operation, Type, Value
from migfix.sql.operations import OPERATIONS, operation
from migfix.sql.render import Renderer
from migfix.sql.types import stores, type_of_column, type_of_constant, type_of_key

KINDS = (
    "IntegerField BigAutoField SmallIntegerField PositiveIntegerField CharField TextField FloatField DecimalField "
    "DateField DateTimeField TimeField DurationField BooleanField UUIDField"
).split()
CONSTANTS = [0, 1, 2, -1, 1.5, Decimal("0.5"), "", "a", True, None, timedelta(days=1)]
# What operations are given besides.
GIVEN: dict[str, Callable[[Sequence[Value], Sequence[Value]], list[Sequence[Value]]]] = {
    **dict.fromkeys(("+", "-", "*", "max", "min", "concat"), lambda values, constants: [values]),
    **dict.fromkeys(("%", "//"), lambda values, constants: [constants]),
    **dict.fromkeys(("slice", "replace"), lambda values, constants: [constants, constants]),
}


def state(name: str, kind: str) -> FieldState:
    options = {"max_digits": 8, "decimal_places": 2} if kind == "DecimalField" else {}
    return FieldState(name, f"django.db.models.{kind}", options)


def columns() -> Iterator[Column]:
    for kind in KINDS:
        column = state(kind.lower(), kind)
        yield Column((column.name,), type_of_column(column), column, present=True)
    for pointed in ("BigAutoField", "DateField", "CharField", "UUIDField"):
        column = state(f"to_{pointed.lower()}", "ForeignKey")
        typed = type_of_key(column, state("id", pointed))
        yield Column((column.name,), typed, column, present=True)


def every_operation() -> Iterator[Operation]:
    constants = [Constant(repr(each), type_of_constant(each), each) for each in CONSTANTS]
    values: list[Value] = [*columns(), *constants]
    for name in sorted(OPERATIONS):
        for arguments in product(values, *GIVEN.get(name, lambda _, __: [])(values, constants)):
            if (found := operation(name, *arguments)) is not None:
                yield found


@pytest.fixture(scope="module")
def operations() -> dict[tuple[str, str], Operation]:
    """One operation for each key."""
    return {(each.name, family_of(each)): each for each in every_operation()}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_lists_what_there_is(page, operations):
    assert PAGES[page].operations.keys() == operations.keys()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_lists_what_can_be_stored(page):
    families = {type_of_column(state("n", kind)).family for kind in KINDS}
    kinds = [state("n", kind) for kind in KINDS]
    places = [Type(family, bits=64, places=0) for family in families]
    stored = {each.family for each in places if any(stores(each, kind) for kind in kinds)}
    assert PAGES[page].stores.keys() == stored


class _Names:
    """Every name is there."""

    def models(self, name):
        return _Name(name)

    def function(self, name):
        return _Name(name)

    def utc(self):
        return _Name("timezone.utc")

    def quoted(self, text):
        return f'"{text}"'


class _Name:
    import_ = None

    def __init__(self, text):
        self.text = text


def test_an_engine_without_a_page_doubts_everything(operations):
    write = Renderer(_Names(), lambda key: "Other.objects")
    for node in operations.values():
        text = write.value(node)
        found = doubts(node, state("n", "IntegerField"), frozenset({"acme"}), write)
        said = [each.message for each in found]
        assert f"what acme makes of `{text}` is not known" in said
        assert f"how acme stores `{text}` is not known" in said
