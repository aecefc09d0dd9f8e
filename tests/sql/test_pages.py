"""Every page says something of every operation that there is, and of no other."""

from __future__ import annotations

import pytest

from migfix.sql.databases import PAGES, Databases, Trait, doubts
from migfix.sql.databases.page import family_of
from migfix.sql.nodes import Operation, Type
from migfix.sql.render import Renderer
from migfix.sql.types import stores, type_of_column
from tests.sql.operations import KINDS, every_operation, state


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


KNOWN = sorted(PAGES.keys() - {"Django"})


@pytest.mark.parametrize("trait", Trait)
def test_a_trait_tells_databases_apart(trait):
    having = {name for name in KNOWN if Databases(frozenset({name})).have(trait)}
    assert having and having < set(KNOWN)


@pytest.mark.parametrize("trait", Trait)
def test_several_databases_have_what_each_of_them_has(trait):
    having = frozenset(name for name in KNOWN if trait in PAGES[name].traits)
    assert Databases(having).have(trait)
    for other in KNOWN:
        assert Databases(having | {other}).have(trait) == (other in having)


@pytest.mark.parametrize("trait", Trait)
def test_an_engine_without_a_page_has_no_trait(trait):
    having = frozenset(name for name in KNOWN if trait in PAGES[name].traits)
    assert not Databases(having, unknown="settings.py names acme").have(trait)
    assert not Databases(frozenset({"acme"})).have(trait)
