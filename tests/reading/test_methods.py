"""What the table says of a method is what Django does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models
from django.db.models.manager import Manager
from django.db.models.query import QuerySet
from django.test.utils import CaptureQueriesContext

from migfix.reading.rows.methods import METHODS, Does, methods
from tests.databases import opened

PSEUDO = {"list()", "[]", "|"}
OF_RELATED_MANAGERS = {"add", "set", "remove", "clear"}


class Book(models.Model):
    title = models.CharField(max_length=20, unique=True)
    day = models.DateTimeField(null=True)
    other = models.ForeignKey("self", models.CASCADE, null=True)

    class Meta:
        app_label = "reading_methods"


CALLS: dict[str, Callable[[QuerySet[Any]], object]] = {
    "all": lambda books: books.all(),
    "filter": lambda books: books.filter(title="a"),
    "exclude": lambda books: books.exclude(title="a"),
    "complex_filter": lambda books: books.complex_filter({"title": "a"}),
    "annotate": lambda books: books.annotate(x=models.F("title")),
    "alias": lambda books: books.alias(x=models.F("title")),
    "order_by": lambda books: books.order_by("title"),
    "reverse": lambda books: books.reverse(),
    "distinct": lambda books: books.distinct(),
    "values": lambda books: books.values("title"),
    "values_list": lambda books: books.values_list("title"),
    "dates": lambda books: books.dates("day", "year"),
    "datetimes": lambda books: books.datetimes("day", "year"),
    "none": lambda books: books.none(),
    "union": lambda books: books.union(Book.objects.all()),
    "intersection": lambda books: books.intersection(Book.objects.all()),
    "difference": lambda books: books.difference(Book.objects.all()),
    "select_related": lambda books: books.select_related("other"),
    "prefetch_related": lambda books: books.prefetch_related("other"),
    "extra": lambda books: books.extra(where=["1 = 1"]),
    "defer": lambda books: books.defer("title"),
    "only": lambda books: books.only("title"),
    "using": lambda books: books.using("default"),
    "select_for_update": lambda books: books.select_for_update(),
    "iterator": lambda books: books.iterator(),
    "get": lambda books: books.get(title="a"),
    "first": lambda books: books.first(),
    "last": lambda books: books.last(),
    "earliest": lambda books: books.earliest("title"),
    "latest": lambda books: books.latest("title"),
    "count": lambda books: books.count(),
    "exists": lambda books: books.exists(),
    "contains": lambda books: books.contains(Book.objects.get(title="a")),
    "aggregate": lambda books: books.aggregate(models.Max("title")),
    "in_bulk": lambda books: books.in_bulk(),
    "explain": lambda books: books.explain(),
    "create": lambda books: books.create(title="new"),
    "get_or_create": lambda books: books.get_or_create(title="new"),
    "update_or_create": lambda books: books.update_or_create(title="new"),
    "bulk_create": lambda books: books.bulk_create([Book(title="new")]),
    "bulk_update": lambda books: books.bulk_update([*Book.objects.all()], ["title"]),
    "update": lambda books: books.update(day=None),
    "delete": lambda books: books.delete(),
}
if hasattr(QuerySet, "fetch_mode"):
    CALLS["fetch_mode"] = lambda books: books.fetch_mode(models.FETCH_ONE)
# Statements that do nothing but hold others together.
AROUND = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")


@pytest.fixture
def books(tmp_path):
    with opened("sqlite-memory", tmp_path) as database:
        with database.schema_editor() as editor:
            editor.create_model(Book)
        Book.objects.bulk_create(Book(title=title) for title in "ab")
        yield Book.objects.all()


def statements(books: QuerySet[Any], name: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        CALLS[name](books)
    return [q["sql"] for q in captured.captured_queries if not q["sql"].startswith(AROUND)]


def test_the_table_lists_methods_of_django():
    known = {*dir(QuerySet), *dir(Manager), *dir(models.Model), *PSEUDO, *OF_RELATED_MANAGERS}
    assert METHODS.keys() - known <= {"fetch_mode"}
    called = METHODS.keys() - PSEUDO - OF_RELATED_MANAGERS - {"db_manager", "raw", "save"}
    assert called - CALLS.keys() <= {"fetch_mode"}


def test_every_method_of_querysets_is_listed():
    """What is not is none that migrations call, or an asynchronous one."""
    public = {name for name in dir(QuerySet) if not name.startswith("_")}
    methods = {name for name in public if callable(getattr(QuerySet, name))}
    others = {"as_manager", "resolve_expression", "ordered"}
    asynchronous = {name for name in methods if name.startswith("a") and name[1:] in methods}
    assert methods - asynchronous - others <= METHODS.keys()


@pytest.mark.parametrize("name", sorted(methods(Does.CHAINS) & CALLS.keys()))
def test_what_chains_sends_nothing(name, books):
    assert statements(books, name) == []


@pytest.mark.parametrize("name", sorted(methods(Does.READS)))
def test_what_reads_sends_selects(name, books):
    sent = statements(books, name)
    assert sent
    assert all(each.startswith(("SELECT", "EXPLAIN")) for each in sent)


@pytest.mark.parametrize("name", sorted(methods(Does.WRITES) & CALLS.keys()))
def test_what_writes_sends_something_else(name, books):
    assert any(not each.startswith("SELECT") for each in statements(books, name))


@pytest.mark.parametrize("name", sorted(methods(Does.SKIPS_CACHE) & CALLS.keys()))
def test_what_skips_the_cache_asks_anew_and_keeps_nothing(name, books):
    fresh = statements(books, name)
    assert books._result_cache is None
    Book.objects.all().delete()
    Book.objects.bulk_create(Book(title=title) for title in "ab")
    list(books)
    assert [*map(shape, statements(books, name))] == [*map(shape, fresh)]


@pytest.mark.parametrize("name", sorted(methods(Does.READS_CACHE)))
def test_what_reads_the_cache_asks_nothing_then_and_keeps_nothing(name, books):
    assert statements(books, name)
    assert books._result_cache is None
    list(books)
    assert statements(books, name) == []


@pytest.mark.parametrize("name", sorted(methods(Does.KEEPS_ROWS)))
def test_what_keeps_the_rows_gives_the_same(name, books):
    assert {*CALLS[name](books)} == {*books}


@pytest.mark.parametrize("name", sorted(methods(Does.COUNTS_ALIKE) & CALLS.keys()))
def test_what_counts_alike_has_as_many_rows_as_its_count(name, books):
    chained = CALLS[name](books)
    again = books if name == "iterator" else CALLS[name](books)
    assert len([*chained]) == again.count()


@pytest.mark.parametrize("name", sorted(methods(Does.STAYS_IN_TABLE) & methods(Does.CHAINS)))
def test_what_stays_in_its_table_joins_nothing(name, books):
    chained = CALLS[name](books)
    sql = "" if name in {"iterator", "none"} else str(chained.query)
    assert "JOIN" not in sql


@pytest.mark.parametrize("name", sorted(methods(Does.UPDATABLE) & methods(Does.CHAINS)))
def test_what_is_updatable_can_be_updated(name, books):
    chained = CALLS[name](books)
    assert chained.update(day=None) == len(chained)


def shape(sql: str) -> str:
    return "".join(letter for letter in sql if not letter.isdigit())
