"""Loops that migfix narrows or streams, run beside the original on every database.

Equal tables and output are checked by ``run_rewritten``; here also that no column is fetched row by
row, that is, that no query more is sent than before.
"""

from __future__ import annotations

from itertools import chain

import pytest

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import run_both

pytestmark = pytest.mark.behaviour


LOOPS = frozenset({"MF201", "MF202", "MF203"})
EVERYWHERE = Settings(
    select=LOOPS, databases=frozenset({"postgresql", "mysql", "mariadb", "sqlite"})
)
BY_ITSELF = {
    "sqlite": Settings(select=LOOPS, databases=frozenset({"sqlite"})),
    "sqlite-memory": Settings(select=LOOPS, databases=frozenset({"sqlite"})),
    "postgresql": Settings(select=LOOPS, databases=frozenset({"postgresql"})),
    "mariadb": Settings(select=LOOPS, databases=frozenset({"mariadb"})),
}
MODELS = """
migrations.CreateModel("Land", [
    ("id", models.BigAutoField(primary_key=True)),
    ("iso", models.CharField(max_length=9, unique=True)),
    ("name", models.CharField(max_length=40)),
    ("anthem", models.TextField(default="la la")),
]),
migrations.CreateModel("Town", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40, default="t")),
    ("land", models.ForeignKey("shop.Land", models.CASCADE, to_field="iso", null=True,
                               related_name="towns")),
]),
migrations.CreateModel("Shelf", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40, default="s")),
    ("total", models.IntegerField(default=0)),
]),
migrations.CreateModel("Book", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40, default="Title")),
    ("slug", models.CharField(max_length=40, default="")),
    ("text", models.TextField(default="text")),
    ("note", models.TextField(null=True)),
    ("n", models.IntegerField(null=True, db_index=True)),
    ("m", models.IntegerField(default=0)),
    ("file", models.FileField(null=True)),
    ("extra", models.JSONField(null=True)),
    ("address", models.GenericIPAddressField(null=True)),
    ("price", models.DecimalField(max_digits=8, decimal_places=2, default="1.50")),
    ("changed", models.DateTimeField(auto_now=True)),
    ("shelf", models.ForeignKey("shop.Shelf", models.CASCADE, null=True, related_name="books")),
    ("friends", models.ManyToManyField("self")),
]),
"""
SHELVES = [{"id": n, "name": f"s{n}"} for n in range(1, 8)]


def books(count):
    return {
        "Shelf": SHELVES,
        "Land": [{"iso": f"i{n}", "name": f"land {n}"} for n in range(20)],
        "Book": [
            {
                "title": f"Title {n}",
                "n": (n * 7919) % count,
                "shelf_id": n % 7 + 1,
                "extra": {"a": n},
                "file": f"{n}.txt" if n % 2 else "",
            }
            for n in range(count)
        ],
    }


def function(body, before="", functions=""):
    return (
        "import json\n"
        "from django.db import transaction\n\n\n"
        f"{functions}\n\n"
        "def forwards(apps, schema_editor):\n"
        '    Book = apps.get_model("shop", "Book")\n'
        '    Shelf = apps.get_model("shop", "Shelf")\n'
        '    Land = apps.get_model("shop", "Land")\n'
        '    Town = apps.get_model("shop", "Town")\n'
        f"{body}"
    )


FUNCTIONS = """
def rename(book, *, to):
    book.slug = f"{to} {book.title}"
    book.save(update_fields=["slug"])


def titles_of(Book, books):
    found = {}
    for pk, title in Book.objects.filter(pk__in=books.filter(m=0).values("pk")).values_list("pk", "title"):
        found[pk] = title
    return found


def fill(Book, books):
    titles = titles_of(Book, books)
    for book in books:
        book.slug = titles[book.pk].lower()
        book.save()
"""
FEW = {
    "a queryset that a function is given": """
    for n in range(3):
        books = Book.objects.filter(n=n).order_by("pk")
        fill(Book, books)
    books.filter(n=2).update(m=3)
""",
    "a bare save writes what it computes": """
    for book in Book.objects.order_by("pk"):
        book.slug = book.title.lower()
        book.save()
""",
    "update_fields that nothing reads": """
    for book in Book.objects.order_by("pk"):
        if book.n == 1:
            book.slug = "x"
        book.save(update_fields=["m", "slug"])
        book.slug = str(book.m)
        book.save(update_fields=["slug"])
""",
    "only what is set": """
    for book in Book.objects.order_by("pk"):
        book.m = 5
        book.save()
""",
    "an attribute that is no column": """
    for book in Book.objects.order_by("pk"):
        book._old = book.title
        book.slug = book._old + "!"
        book.save()
""",
    "a foreign key that is followed and set": """
    shelf = Shelf.objects.get(pk=3)
    for book in Book.objects.order_by("pk"):
        book.slug = book.shelf.name
        book.shelf = shelf
        book.save()
""",
    "rows that point to it": """
    for shelf in Shelf.objects.all():
        shelf.total = shelf.books.count()
        for book in shelf.books.all():
            book.slug = f"{shelf}"
            book.save()
        shelf.save(update_fields=["total"])
""",
    "rows that are made for it": """
    for book in Book.objects.filter(n__gt=3):
        Shelf.objects.create(name=book.title, total=book.n)
""",
    "relations to another column than the key": """
    for land in Land.objects.order_by("pk"):
        land.towns.create(name=land.name)
        Town.objects.create(land=land, name="other")
        Town(land=land, name="third").save()
        print(land.towns.count(), Town.objects.filter(land=land).count(), land.towns.get(name="other").land_id)
""",
    "many-to-many relations": """
    for book in Book.objects.order_by("pk"):
        for friend in Book.objects.filter(n=book.n):
            book.friends.add(friend)
        print(book.friends.count(), book.title)
""",
    "a function of the file": """
    for i, book in enumerate(Book.objects.order_by("pk"), 1):
        rename(book, to=i)
""",
    "formats and comparisons": """
    last = None
    for book in Book.objects.order_by("pk"):
        print(f"{book} {book!r}", "%s" % book, book == last, book.title)
""",
    "a nested function": """
    for book in Book.objects.order_by("pk"):
        def title():
            return book.title
        print([title() for _ in range(2)], (lambda: book.m)())
""",
    "an early end": """
    for book in Book.objects.order_by("pk"):
        if book.m == 0 and book.title.endswith("7"):
            break
        book.slug = "seen"
        book.save()
    else:
        print("none")
""",
    "a savepoint for each row": """
    for book in Book.objects.order_by("pk"):
        try:
            with transaction.atomic():
                book.slug = book.title
                book.save()
                if book.title.endswith("3"):
                    raise ValueError
        except ValueError:
            print("back", book.pk)
""",
    "prefetched rows": """
    for book in Book.objects.order_by("pk").prefetch_related("shelf"):
        book.slug = book.shelf.name
        book.save()
""",
    "only the key is needed": """
    for book in Book.objects.all():
        Shelf.objects.create(name="of a book", total=book.pk)
""",
    "columns of one index": """
    for i, book in enumerate(Book.objects.filter(m=0)):
        Shelf.objects.create(name=str(i), total=book.n)
""",
    "values": """
    for pk, title in Book.objects.order_by("pk").values_list("pk", "title"):
        Book.objects.filter(pk=pk).update(slug=title)
""",
    "files and documents": """
    for book in Book.objects.order_by("pk"):
        print(book.file.name, bool(book.file))
        book.extra["b"] = book.m
        book.save()
""",
}


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("body", FEW.values(), ids=FEW)
def test_the_tables_are_equal_and_no_column_is_fetched_row_by_row(body, database):
    before = function(body, functions=FUNCTIONS)
    variants = {rewritten(MODELS, before, each)[0] for each in (EVERYWHERE, BY_ITSELF[database])}
    assert before not in variants
    for after in variants:
        both = run_both(MODELS, before, after, books(25), database=database, expect="anything")
        assert both.before.error is None
        extra = 2 if "stream(" in after else 0  # the helper opens and ends a transaction
        assert both.after.queries <= both.before.queries + extra, both.after.sql[:20]


def test_stored_forms_that_a_full_save_changes_change_in_the_same_way():
    rows = {
        "shop_book": [
            {"title": "t", "slug": "", "text": "", "m": 0, "price": 1.005, "changed": "2020-01-01",
             "extra": "null", "address": "2001:0db8::0001"},
        ],
    }  # fmt: skip
    body = """
    for book in Book.objects.all():
        book.slug = "x"
        book.save()
"""
    _, both = run_rewritten(MODELS, function(body), rows, EVERYWHERE)
    assert "extra=None" in both.after.tables["shop_book"][0]


MANY = {
    "the index that is walked": """
    for book in Book.objects.filter(n__gte=0).order_by("n"):
        if book.n % 20 == 0:
            book.n += 100000
            book.save()
""",
    "rows ahead leave the filter": """
    for book in Book.objects.filter(m=0).order_by("pk"):
        if book.pk % 20 == 0:
            Book.objects.filter(pk__gt=book.pk, pk__lte=book.pk + 3).update(m=1)
        if book.pk % 20 < 4:
            book.slug = "seen"
            book.save(update_fields=["slug"])
""",
    "rows ahead change": """
    for book in Book.objects.order_by("pk"):
        if book.pk % 20 < 2:
            Book.objects.filter(pk=book.pk + 1).update(slug=book.slug + "x")
""",
    "rows ahead are deleted": """
    for book in Book.objects.order_by("pk"):
        if book.pk < 50:
            Book.objects.filter(pk=book.pk + 2050).delete()
        elif book.pk > 2000:
            Shelf.objects.create(name=book.title)
""",
    "rows are added": """
    for book in Book.objects.order_by("pk"):
        if book.pk % 20 == 0:
            Book.objects.create(title="copy of " + book.title, n=-1)
""",
    "rows are locked": """
    for book in Book.objects.select_for_update().order_by("pk"):
        if book.pk % 20 < 2:
            Book.objects.filter(pk=book.pk + 1).update(m=book.m + 1)
""",
    "the loop ends early": """
    for book in Book.objects.order_by("pk"):
        book.slug = "x"
        book.save()
        if book.pk > 250:
            return
""",
    "documents of two loops": """
    for book in Book.objects.order_by("pk").values("pk", "extra"):
        if book["extra"]["a"] % 20 == 0:
            Book.objects.filter(pk=book["pk"]).update(m=book["extra"]["a"])
    for book in Book.objects.filter(m__gt=5):
        Book.objects.filter(pk=book.pk).update(slug=str(book.m))
""",
}


# More than the 2,000 rows of a chunk; MariaDB sends all rows at once whatever their number is.
COUNT = {"sqlite-memory": 2100, "postgresql": 2100, "mariadb": 2100}


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("body", MANY.values(), ids=MANY)
def test_more_rows_than_a_chunk_are_those_of_the_full_list(body, database):
    settings = BY_ITSELF[database]
    for each in (EVERYWHERE, settings) if database == "postgresql" else (settings,):
        _, both = run_rewritten(MODELS, function(body), books(2300), each, database=database)
        assert both.after.queries <= both.before.queries + 4


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_the_schema_changes_under_a_loop(database):
    body = """
    for book in Book.objects.order_by("pk"):
        book.slug = "x"
        book.save()
        if book.pk == 5:
            with schema_editor.connection.cursor() as cursor:
                cursor.execute("CREATE INDEX late ON shop_book (m)")
"""
    outcome, _ = run_rewritten(MODELS, function(body), books(30), EVERYWHERE, database=database)
    assert outcome.loops[0].codes[-1] == "MF203"


def test_the_rows_of_an_index_would_come_in_another_order():
    """Why a loop that needs only indexed columns keeps some of the table."""
    body = """
    for i, book in enumerate(Book.objects.all()):
        Shelf.objects.create(name=str(i), total=book.n)
"""
    outcome, both = run_rewritten(MODELS, function(body), books(60), EVERYWHERE, database="sqlite")
    assert outcome.loops[0].defer == ("text", "note", "extra")
    assert len(set(chain(*both.after.tables.values()))) > 60
