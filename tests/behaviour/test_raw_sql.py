"""Loops over raw SQL that migfix streams, run beside the original on every database."""

from __future__ import annotations

import pytest

from migfix.settings import Settings
from tests.databases import PARAMETERS
from tests.rewritten import rewritten, run_rewritten
from tests.running import run_both

pytestmark = pytest.mark.behaviour

EVERYWHERE = Settings(
    select=frozenset({"MF203"}),
    databases=frozenset({"postgresql", "mysql", "mariadb", "sqlite"}),
)
MODELS = """
migrations.CreateModel("Book", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40, default="t")),
    ("slug", models.CharField(max_length=40, default="")),
    ("n", models.IntegerField(null=True, db_index=True)),
    ("m", models.IntegerField(default=0)),
    ("price", models.DecimalField(max_digits=8, decimal_places=2, default="1.50")),
    ("day", models.DateField(null=True)),
    ("data", models.BinaryField(null=True)),
    ("extra", models.JSONField(null=True)),
]),
migrations.CreateModel("Shelf", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40, default="s")),
]),
"""


def books(count):
    return {
        "Book": [
            {
                "title": f"t{n}",
                "n": (n * 7919) % count,
                "day": f"2020-01-{n % 28 + 1:02}" if n % 3 else None,
                "data": bytes([n % 256]),
                "extra": {"a": n},
            }
            for n in range(count)
        ]
    }


def function(body):
    return (
        "from django.db import connection, connections, transaction\n\n\n"
        "def forwards(apps, schema_editor):\n"
        '    Book = apps.get_model("shop", "Book")\n'
        '    Shelf = apps.get_model("shop", "Shelf")\n'
        f"{body}"
    )


MANY = {
    "the index that is walked": """
    cursor = connection.cursor()
    cursor.execute("SELECT id, n FROM shop_book WHERE n >= 0 ORDER BY n")
    for pk, n in cursor.fetchall():
        if n % 20 == 0:
            Book.objects.filter(pk=pk).update(n=n + 100000)
            Shelf.objects.create(name=str(n))
""",
    "the cursor writes what it has read": """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, n FROM shop_book WHERE n >= 0 ORDER BY n")
        for row in cursor.fetchall():
            if row[1] % 20 == 0:
                cursor.execute("UPDATE shop_book SET n = %s WHERE id = %s", [row[1] + 100000, row[0]])
                cursor.execute("SELECT n FROM shop_book WHERE id = %s", [row[0]])
                print(cursor.fetchone())
""",
    "rows ahead leave the filter": """
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT id FROM shop_book WHERE m = %s ORDER BY id", [0])
        rows = cursor.fetchall()
    for (pk,) in rows:
        if pk % 20 == 0:
            Book.objects.filter(pk__gt=pk, pk__lte=pk + 3).update(m=1)
        if pk % 20 < 4:
            Book.objects.filter(pk=pk).update(slug="seen")
""",
    "rows ahead change": """
    cursor = schema_editor.connection.cursor()
    cursor.execute("SELECT id, slug FROM shop_book ORDER BY id")
    rows = cursor.fetchall()
    cursor.close()
    for pk, slug in rows:
        if pk % 20 < 2:
            Book.objects.filter(pk=pk + 1).update(slug=slug + "x")
""",
    "rows ahead are deleted": """
    cursor = connections["default"].cursor()
    cursor.execute("SELECT id FROM shop_book ORDER BY id")
    for i, (pk,) in enumerate(cursor.fetchall()):
        if pk < 50:
            Book.objects.filter(pk=pk + 2050).delete()
        elif pk > 2000:
            Shelf.objects.create(name=str(i))
""",
    "rows are added": """
    cursor = connection.cursor()
    cursor.execute("SELECT id, title FROM shop_book ORDER BY id")
    for pk, title in cursor.fetchall():
        if pk % 20 == 0:
            cursor.execute("INSERT INTO shop_book (title, slug, m, price) VALUES (%s, '', 0, 1)", [title])
""",
    "the schema changes": """
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM shop_book ORDER BY id")
    for (pk,) in cursor.fetchall():
        if pk % 500 == 0:
            cursor.execute("CREATE INDEX late_%d ON shop_book (m)" % pk)
            Book.objects.filter(pk=pk + 1).update(m=1)
""",
    "a savepoint for each row": """
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM shop_book ORDER BY id")
    for (pk,) in cursor.fetchall():
        if pk % 50 < 2:
            try:
                with transaction.atomic():
                    Book.objects.filter(pk__gte=pk).update(m=pk)
                    if pk % 50:
                        raise ValueError
            except ValueError:
                print("back", pk)
""",
    "the loop ends early and the schema changes": """
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM shop_book ORDER BY id")
    for (pk,) in cursor.fetchall():
        Book.objects.filter(pk=pk).update(m=1)
        if pk > 250:
            break
    cursor.execute("CREATE INDEX late ON shop_book (m)")
""",
    "raw rows": """
    for book in Book.objects.raw("SELECT * FROM shop_book WHERE n >= %s ORDER BY n", [0]):
        if book.n % 20 == 0:
            book.n += 100000
            book.save()
            Shelf.objects.create(name=book.title)
""",
    "raw rows whose other columns come later": """
    books = Book.objects.raw("SELECT id FROM shop_book ORDER BY id")
    for i, book in enumerate(books):
        if book.pk % 50 < 2:
            Book.objects.filter(pk=book.pk + 1).update(slug=book.slug + "x")
""",
    "raw rows while the schema changes": """
    for book in Book.objects.raw("SELECT * FROM shop_book ORDER BY id"):
        if book.pk % 500 == 0:
            connection.cursor().execute("CREATE INDEX late_%d ON shop_book (m)" % book.pk)
            Book.objects.filter(pk=book.pk + 1).update(m=1)
""",
}


@pytest.mark.parametrize("database", PARAMETERS)
@pytest.mark.parametrize("body", MANY.values(), ids=MANY)
def test_more_rows_than_a_chunk_are_those_of_the_full_list(body, database):
    run_rewritten(MODELS, function(body), books(2500), EVERYWHERE, database=database)


FEW = {
    "values of every kind": """
    cursor = connection.cursor()
    cursor.execute("SELECT id, title, n, price, day, data, extra FROM shop_book ORDER BY id")
    for row in cursor.fetchall():
        print(type(row).__name__, [type(v).__name__ for v in row], row[:5], bytes(row[5]), row[6])
""",
    "percent signs without parameters": """
    cursor = connection.cursor()
    cursor.execute("SELECT id, title FROM shop_book WHERE title LIKE 't%1' ORDER BY id")
    for row in cursor.fetchall():
        print(row)
    cursor.execute("SELECT id, '%%' FROM shop_book ORDER BY id", None)
    for row in cursor.fetchall():
        print(row)
""",
    "percent signs with parameters": """
    cursor = connection.cursor()
    cursor.execute("SELECT id, '%%' FROM shop_book WHERE title LIKE %s ORDER BY id", ["t%1"])
    for row in cursor.fetchall():
        print(row)
    cursor.execute("SELECT id, '%%' FROM shop_book ORDER BY id", [])
    for row in cursor.fetchall():
        print(row)
""",
    "a cursor that is gone over": """
    cursor = connection.cursor()
    cursor.execute("SELECT id, title FROM shop_book ORDER BY id")
    for row in cursor:
        print(row)
    print("done")
""",
    "quoted names": """
    cursor = connection.cursor()
    sql = "SELECT {id} FROM {table} ORDER BY {id}".format(
        id=schema_editor.quote_name("id"), table=schema_editor.quote_name(Book._meta.db_table)
    )
    cursor.execute(sql)
    for row in cursor.fetchall():
        print(row)
""",
    "no rows": """
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM shop_book WHERE n < 0")
    for row in cursor.fetchall():
        print(row)
    else:
        print("none")
""",
    "a query for each row": """
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM shop_book ORDER BY id")
    for (pk,) in cursor.fetchall():
        cursor.execute("SELECT id FROM shop_book WHERE id > %s ORDER BY id", [pk])
        for (other,) in cursor.fetchall():
            print(pk, other)
""",
}


@pytest.mark.parametrize("database", PARAMETERS)
@pytest.mark.parametrize("body", FEW.values(), ids=FEW)
def test_the_rows_are_equal(body, database):
    run_rewritten(
        MODELS, function(body), books(25), EVERYWHERE, database=database, expect="no changes"
    )


@pytest.mark.parametrize("database", [p for p in PARAMETERS if p.marks])
def test_locked_rows_are_not_skipped_when_they_change(database):
    body = """
    cursor = connection.cursor()
    cursor.execute("SELECT id, m FROM shop_book ORDER BY id FOR UPDATE")
    for pk, m in cursor.fetchall():
        if pk % 20 < 2:
            Book.objects.filter(pk=pk + 1).update(m=m + 1)
"""
    run_rewritten(MODELS, function(body), books(2500), EVERYWHERE, database=database)


ERRORS = {
    "a table that is missing": """
    Shelf.objects.create()
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM missing")
    for row in cursor.fetchall():
        print(row)
""",
    "an error that is caught": """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT id FROM missing")
                for row in cursor.fetchall():
                    print(row)
    except Exception as error:
        print(type(error).__name__)
        Shelf.objects.create(name="caught")
""",
}


@pytest.mark.parametrize("database", PARAMETERS)
@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_errors_of_the_query_come_from_the_loop(body, database):
    before = function(body)
    after, outcome = rewritten(MODELS, before, EVERYWHERE)
    assert outcome.changed
    both = run_both(MODELS, before, after, books(3), database=database, expect="anything")
    assert (both.before.error is None) == ("except" in body)
    assert type(both.after.error) is type(both.before.error)
