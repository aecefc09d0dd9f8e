"""Places that count-in-database lets the database answer, run beside the original on every database."""

from __future__ import annotations

import pytest

from tests.rewritten import rewritten, run_rewritten
from tests.running import Different, run_both

pytestmark = pytest.mark.behaviour

MODELS = """
migrations.CreateModel("Shelf", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40)),
    ("floor", models.IntegerField(default=0)),
], options={"ordering": ["-name"]}),
migrations.CreateModel("Book", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40, null=True)),
    ("n", models.IntegerField(default=0)),
    ("shelf", models.ForeignKey("shop.Shelf", models.CASCADE, null=True, related_name="books")),
]),
"""
COUNT = 1200  # more than a chunk of the helper


def rows(count):
    return {
        "Shelf": [{"name": f"s{n}"} for n in range(5)],
        "Book": [
            {
                "title": None if n % 7 == 0 else f"t{n % 11}",
                "shelf_id": n % 5 + 1 if n % 3 else None,
            }
            for n in range(count)
        ],
    }


QUERYSETS = {
    "all": "Book.objects.all()",
    "filtered": 'Book.objects.filter(title="t3")',
    "nothing": 'Book.objects.filter(title="no such")',
    "NULLs": "Book.objects.exclude(title=None).order_by('-pk')",
    "in any order": 'Book.objects.order_by("?")',
    "rows that a join repeats": 'Shelf.objects.filter(books__title__in=["t1", "t2"])',
    "distinct rows of a join": 'Shelf.objects.filter(books__title="t1").distinct()',
    "dicts": 'Book.objects.values("title")',
    "distinct values": 'Book.objects.values_list("title", flat=True).distinct()',
    "distinct values in their own order": 'Book.objects.values("n").distinct().order_by("-n")',
    "distinct values in no order": 'Shelf.objects.filter(name="s1").values("name").distinct()',
    "distinct values with a key": 'Shelf.objects.values("pk").distinct()',
    "tuples of a join": 'Book.objects.filter(n=0).values_list("title", "shelf__name")',
    "columns": 'Book.objects.only("n").filter(n=0)',
    "prefetched": 'Book.objects.prefetch_related("shelf")',
    "an alias": "Book.objects.using(schema_editor.connection.alias).filter(n=0)",
}
BODY = """
from django.db import migrations


def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    Shelf = apps.get_model("shop", "Shelf")
    rows = {queryset}
    print(len(rows), len(rows) == 0, bool(rows), "rows" if rows else "none")
    if len(rows) > 0 and not len(rows) == 0:
        print("some")
    if not rows:
        return
    done = 0
    for row in rows:
        done += 1
    Shelf.objects.create(name=str(done))
"""


@pytest.mark.parametrize("queryset", QUERYSETS.values(), ids=QUERYSETS)
def test_the_database_counts_what_the_list_would_hold(queryset, database):
    outcome, _ = run_rewritten(
        MODELS, BODY.format(queryset=queryset), rows(COUNT), database=database, expect="anything"
    )
    assert "MF401" in outcome.loops[0].codes and outcome.loops[0].outcome.value == "cursor"


SORTED_APART = {
    "the order of the model": 'Shelf.objects.values("floor").distinct()',
    "the order of the query": 'Book.objects.values_list("n", flat=True).order_by("title").distinct()',
    "any order": 'Book.objects.values("n").distinct().order_by("?")',
    "any order of a join": 'Shelf.objects.filter(books__n=0).distinct().order_by("?")',
    "a computed value": 'Shelf.objects.values(level=F("floor")).distinct()',
}


@pytest.mark.parametrize("queryset", SORTED_APART.values(), ids=SORTED_APART)
def test_distinct_values_that_are_sorted_by_others_are_counted_as_before(queryset, database):
    """A SELECT DISTINCT takes what it is sorted by for one of its columns, count() does not."""
    before = f"""
from django.db import migrations
from django.db.models import F


def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    Shelf = apps.get_model("shop", "Shelf")
    rows = {queryset}
    print(len(rows))
    for row in rows:
        Shelf.objects.create(name="new")
"""
    after, outcome = rewritten(MODELS, before)
    assert "MF401" not in outcome.loops[0].codes
    run_both(MODELS, before, after, rows(COUNT), database=database)
    counted = before.replace("len(rows)", "rows.count()")
    with pytest.raises(Different):
        run_both(MODELS, before, counted, rows(COUNT), database=database)


def test_a_list_that_goes_leaves_the_rows_as_they_were(database):
    body = """
from django.db import migrations


def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    books = list(Book.objects.order_by("n", "pk"))
    print(len(books))
    for book in books:
        book.n = hash(book.pk) + 5
        book.save()
        Book.objects.create(title="new", n=9 ** 6)
"""
    outcome, both = run_rewritten(MODELS, body, rows(COUNT), database=database)
    assert outcome.loops[0].outcome.value == "cursor"
    assert len(both.after.tables["shop_book"]) == 2 * COUNT


GUARDED = {
    "a test around": "    if books:\n{loop}",
    "an early end": "    if len(books) == 0:\n        return\n{loop}",
    "a test on which more depends": "    if books:\n{loop}\n        print()",
}
SETS = {
    "each row": "{0}for book in books:\n{0}    book.n = 7\n{0}    book.save()",
    "some rows": "{0}for book in books:\n{0}    if book.title == 't3':\n{0}        book.n = 7\n{0}        book.save()",
    "delete": "{0}for book in books:\n{0}    book.delete()",
}


@pytest.mark.parametrize("count", [0, 1, 12])
@pytest.mark.parametrize("body", SETS.values(), ids=SETS)
@pytest.mark.parametrize("guard", GUARDED.values(), ids=GUARDED)
def test_a_test_for_rows_costs_no_query_beside_one_statement(guard, body, count, database):
    depth = " " * (4 if "return" in guard else 8)
    before = f"""
from django.db import migrations


def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    books = Book.objects.filter(n=0)
{guard.format(loop=body.format(depth))}
"""
    outcome, both = run_rewritten(MODELS, before, rows(count), database=database, expect="anything")
    assert outcome.loops[0].outcome.value in {"update", "delete"}
    free = both.before.queries if "print" not in guard or count == 0 else both.before.queries + 1
    assert both.after.queries <= free, both.after.sql
    assert both.before.tables == both.after.tables
