"""The comparison itself: wrong rewrites are told apart from right ones."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from tests.databases import PARAMETERS
from tests.running import BadCase, Case, Different, run, run_both

pytestmark = pytest.mark.behaviour

MODELS = """
migrations.CreateModel("Shelf", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40)),
]),
migrations.CreateModel("Book", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40, default="t")),
    ("kind", models.CharField(max_length=40, default="a")),
    ("flag", models.BooleanField(null=True)),
    ("n", models.IntegerField(null=True, db_index=True)),
    ("m", models.IntegerField(null=True)),
    ("code", models.IntegerField(null=True, unique=True)),
    ("cover", models.FileField(null=True)),
    ("extra", models.JSONField(null=True)),
    ("seen", models.DateTimeField(null=True)),
    ("shelf", models.ForeignKey("shop.Shelf", models.CASCADE, null=True)),
]),
migrations.CreateModel("Note", [
    ("id", models.BigAutoField(primary_key=True)),
    ("text", models.CharField(max_length=40, default="t")),
    ("changed", models.DateTimeField(auto_now=True)),
]),
"""

NUMBERS = {"Book": [{"n": n} for n in (None, -7, -1, 0, 1, 3, 7)]}


def function(body: str) -> str:
    """A data migration with ``Book`` and ``Note`` at hand; the body is indented by four spaces."""
    return (
        "import random\n"
        "import uuid\n\n"
        "from django.db.models import Case, F, Q, Value, When\n"
        "from django.db.models.functions import Concat\n"
        "from django.utils import timezone\n\n\n"
        "def forwards(apps, schema_editor):\n"
        '    Book = apps.get_model("shop", "Book")\n'
        '    Note = apps.get_model("shop", "Note")\n'
        '    Shelf = apps.get_model("shop", "Shelf")\n'
        f"{body}"
    )


def compare(before, after, rows=NUMBERS, **options):
    return run_both(MODELS, function(before), function(after), rows, **options)


WRONG = {
    "a null flag is not false": (
        """
    for book in Book.objects.all():
        if not book.flag:
            book.n = 1
            book.save()
""",
        """
    Book.objects.filter(flag=False).update(n=1)
""",
        r"\+ id=1 .* flag=None n=None",
        {"Book": [{"flag": None}, {"flag": True}, {"flag": False}]},
    ),
    "a null number is not truthy": (
        """
    for book in Book.objects.all():
        if book.n:
            book.m = 1
            book.save()
""",
        """
    Book.objects.exclude(n=0).update(m=1)
""",
        r"\+ id=1 .* n=None m=1 ",
        NUMBERS,
    ),
    "two nulls are equal in Python and not in SQL": (
        """
    for book in Book.objects.all():
        if book.n == book.m:
            book.kind = "same"
            book.save()
""",
        """
    Book.objects.filter(n=F("m")).update(kind="same")
""",
        r"\+ id=1 .* kind='a' .* n=None m=None",
        {"Book": [{"n": None, "m": None}, {"n": 1, "m": 1}, {"n": 1, "m": 2}]},
    ),
    "auto_now is not refreshed": (
        """
    for note in Note.objects.all():
        note.text = "new"
        note.save()
""",
        """
    Note.objects.update(text="new")
""",
        r"\+ id=2 .* changed='2030-01-01 00:00:01'",
        {"Note": [{}, {}]},
    ),
    "one instant instead of one for each row": (
        """
    for book in Book.objects.all():
        book.seen = timezone.now()
        book.save()
""",
        """
    Book.objects.update(seen=timezone.now())
""",
        r"- id=3 .* seen='2030-01-01 00:00:02'",
        NUMBERS,
    ),
    "a file of None is stored as an empty text by save": (
        """
    for book in Book.objects.all():
        book.cover = None
        book.save()
""",
        """
    Book.objects.update(cover=None)
""",
        r"\+ .* cover=None",
        {"Book": [{"cover": "a.png"}]},
    ),
    "save turns a null file into an empty text": (
        """
    for book in Book.objects.all():
        book.n = 1
        book.save()
""",
        """
    Book.objects.update(n=1)
""",
        r"\+ .* cover=None",
        {"shop_book": [{"title": "t", "kind": "a", "cover": None}]},
    ),
    "save turns a JSON null into an SQL NULL": (
        """
    for book in Book.objects.all():
        book.n = 1
        book.save()
""",
        """
    Book.objects.update(n=1)
""",
        r"\+ .* extra='null'",
        {"shop_book": [{"title": "t", "kind": "a", "cover": "", "extra": "null"}]},
    ),
    "plus on text is arithmetic in SQLite": (
        """
    for book in Book.objects.all():
        book.title = "_" + book.title
        book.save()
""",
        """
    Book.objects.update(title=Value("_") + F("title"))
""",
        r"\+ id=1 title='0'",
        NUMBERS,
    ),
    "floor division is not the division of SQL": (
        """
    for book in Book.objects.exclude(n=None):
        book.n = book.n // 2
        book.save()
""",
        """
    Book.objects.update(n=F("n") / 2)
""",
        r"\+ id=2 .* n=-3",
        NUMBERS,
    ),
    "SQLite keeps a fraction in an integer column": (
        """
    for book in Book.objects.exclude(n=None):
        book.n = int(book.n * 1.5)
        book.save()
""",
        """
    Book.objects.update(n=F("n") * 1.5)
""",
        r"\+ id=2 .* n=4.5",
        {"Book": [{"n": 2}, {"n": 3}]},
    ),
    "an elif becomes a second update that sees the first": (
        """
    for book in Book.objects.all():
        if book.n == 1:
            book.n = 3
        elif book.n == 3:
            book.n = 7
        book.save()
""",
        """
    Book.objects.filter(n=1).update(n=3)
    Book.objects.filter(n=3).update(n=7)
""",
        r"\+ id=5 .* n=7",
        NUMBERS,
    ),
    "a column read after it was assigned": (
        """
    for book in Book.objects.all():
        book.n = 5
        book.m = book.n
        book.save()
""",
        """
    Book.objects.update(n=5, m=F("n"))
""",
        r"\+ id=2 .* n=5 m=-7",
        NUMBERS,
    ),
    "a cached queryset is filtered again": (
        """
    books = Book.objects.filter(kind="a")
    for book in books:
        book.kind = "b"
        book.save()
    for book in books:
        book.m = 55
        book.save()
""",
        """
    books = Book.objects.filter(kind="a")
    books.update(kind="b")
    for book in books:
        book.m = 55
        book.save()
""",
        r"\+ id=1 .* kind='b' .* m=None",
        NUMBERS,
    ),
    "a lookup above the loop needs its row on an empty table too": (
        """
    for book in Book.objects.all():
        book.shelf = Shelf.objects.get(name="new")
        book.save()
""",
        """
    Book.objects.update(shelf=Shelf.objects.get(name="new"))
""",
        r"the second DoesNotExist",
        {},
        "no changes",
    ),
    "the loop stops at a null where the update goes on": (
        """
    for book in Book.objects.all():
        book.n = book.n + 1
        book.save()
""",
        """
    Book.objects.update(n=F("n") + 1)
""",
        r"raised TypeError.*, the second None",
        NUMBERS,
        TypeError,
    ),
    "what the loop prints is lost": (
        """
    for book in Book.objects.all():
        print("done", book.pk)
        book.n = 1
        book.save()
""",
        """
    Book.objects.update(n=1)
""",
        r"printed 'done 1",
        NUMBERS,
    ),
    "an unread row is visited again through the index that is walked": (
        """
    for book in Book.objects.filter(n__gte=0).order_by("n"):
        book.n += 100000
        book.save(update_fields=["n"])
""",
        """
    for book in Book.objects.filter(n__gte=0).order_by("n").iterator():
        book.n += 100000
        book.save(update_fields=["n"])
""",
        r"Runaway",
        {"Book": [{"n": n} for n in range(2100)]},
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_a_wrong_rewrite_is_reported(case):
    before, after, told, rows, *expected = case
    with pytest.raises(Different, match=told):
        compare(before, after, rows, expect=expected[0] if expected else "changes")


RIGHT = {
    "the negation keeps null flags": (
        """
    for book in Book.objects.all():
        if not book.flag:
            book.n = 1
            book.save(update_fields=["n"])
""",
        """
    Book.objects.filter(~Q(flag=True)).update(n=1)
""",
        {"Book": [{"flag": None}, {"flag": True}, {"flag": False}]},
    ),
    "one Case for if and elif": (
        """
    for book in Book.objects.all():
        if book.n == 1:
            book.n = 3
        elif book.n == 3:
            book.n = 7
        book.save(update_fields=["n"])
""",
        """
    Book.objects.update(n=Case(When(n=1, then=Value(3)), When(n=3, then=Value(7)), default="n"))
""",
        NUMBERS,
    ),
    "concatenation by Concat": (
        """
    for book in Book.objects.all():
        book.title = "_" + book.title
        book.save(update_fields=["title"])
""",
        """
    Book.objects.update(title=Concat(Value("_"), "title"))
""",
        {"Book": [{"title": title} for title in ("", " ", "é", "%s", "'")]},
    ),
    "an instant for each row in the same order": (
        """
    for note in Note.objects.order_by("pk"):
        note.text = "new"
        note.save()
""",
        """
    for note in Note.objects.order_by("pk").only("text").iterator():
        note.text = "new"
        note.save(update_fields=["text", "changed"])
""",
        {"Note": [{}, {}, {}]},
    ),
    "the same identifiers and random numbers in the same order": (
        """
    for book in Book.objects.order_by("pk"):
        book.title, book.m = str(uuid.uuid4()), random.randint(0, 10**6)
        book.save(update_fields=["title", "m"])
""",
        """
    for book in Book.objects.order_by("pk").only("pk").iterator():
        book.title, book.m = str(uuid.uuid4()), random.randint(0, 10**6)
        book.save(update_fields=["title", "m"])
""",
        NUMBERS,
    ),
    "deleting with what hangs on it": (
        """
    for shelf in Shelf.objects.filter(name="old"):
        shelf.delete()
""",
        """
    Shelf.objects.filter(name="old").delete()
""",
        {
            "Book": [{"shelf_id": 1}, {"shelf_id": 2}, {"shelf_id": None}],
            "Shelf": [{"id": 1, "name": "old"}, {"id": 2, "name": "new"}],
        },
    ),
    "both raise and nothing stays": (
        """
    for book in Book.objects.all():
        book.code = 1
        book.save()
""",
        """
    Book.objects.update(code=1)
""",
        NUMBERS,
        IntegrityError,
    ),
}


@pytest.mark.parametrize("case", RIGHT.values(), ids=RIGHT)
def test_a_right_rewrite_is_accepted(case):
    before, after, rows, *expected = case
    compare(before, after, rows, expect=expected[0] if expected else "changes")


ASSIGN = """
    for book in Book.objects.all():
        book.n = 1
        book.save()
"""


@pytest.mark.parametrize("database", PARAMETERS)
def test_every_database_tells_right_from_wrong(database):
    loop, _, _, rows = WRONG["a null flag is not false"]
    update = "\n    Book.objects.exclude(flag=True).update(n=1)\n"
    both = compare(loop, update, rows, database=database)
    assert both.after.tables["shop_book"] != both.after.start["shop_book"]
    with pytest.raises(Different, match="flag=None n=None"):
        compare(
            loop,
            update.replace("exclude(flag=True)", "filter(flag=False)"),
            rows,
            database=database,
        )


@pytest.mark.parametrize("database", PARAMETERS)
def test_every_database_rolls_back_what_raises(database):
    loop, update, _, expected = RIGHT["both raise and nothing stays"]
    both = compare(loop, update, expect=expected, database=database)
    assert both.before.tables == both.before.start


def test_queries_of_both_versions_are_counted_without_those_of_the_machinery():
    both = compare(ASSIGN, "\n    Book.objects.update(n=1)\n", {"Book": [{}, {}]})
    assert (both.before.queries, both.after.queries) == (3, 1)
    assert both.after.sql[0].startswith("UPDATE")


def test_a_case_that_changes_nothing_is_no_proof():
    with pytest.raises(BadCase, match="changes nothing"):
        compare(ASSIGN, ASSIGN, {})


def test_a_case_that_fails_by_accident_is_no_proof():
    with pytest.raises(BadCase, match="raises") as caught:
        compare("\n    Book.objects.updat(n=1)\n", ASSIGN)
    assert isinstance(caught.value.__cause__, AttributeError)


@pytest.mark.parametrize("database", [each for each in PARAMETERS if each.marks])
def test_versions_that_start_from_different_rows_prove_nothing(database):
    """Rows are sent once more for the second version; these are sent past those who listen."""

    def rows(apps, connection):
        with connection.connection.cursor() as cursor:
            cursor.execute("INSERT INTO shop_shelf (name) VALUES ('x')")

    assign = "\n    Shelf.objects.update(name='y')\n"
    with pytest.raises(BadCase, match="equal rows"):
        compare(assign, assign, rows, database=database)


LEFT_BY_A_VERSION = {
    "rows go": "Book.objects.all().delete()",
    "rows come": "Note.objects.create(); Shelf.objects.create(name='s')",
    "rows come and go": "Note.objects.create().delete()",
    "rows come in vain": "Note.objects.create(); 1 / 0",
    "a row is refused": "Note.objects.create(text=None)",
    "a key is given": "Book.objects.create(id=1000).delete()",
    "a column goes": "execute('ALTER TABLE shop_book DROP COLUMN m')",
    "an index comes": "execute('CREATE UNIQUE INDEX some ON shop_note (text)')",
    "a table comes": "execute('CREATE TABLE other (id integer)')",
    "a table goes": "execute('DROP TABLE shop_note')",
    "the class of a model changes": "Book.save = None; Note._meta.get_field('changed').auto_now = False",
    "random numbers and moments are used": "random.random(); timezone.now(); uuid.uuid4()",
}


@pytest.mark.parametrize("database", PARAMETERS)
@pytest.mark.parametrize("left", LEFT_BY_A_VERSION.values(), ids=LEFT_BY_A_VERSION)
def test_what_a_version_leaves_does_not_reach_the_next(left, database):
    case = Case(MODELS, NUMBERS, database)
    creates = function(
        "    for title in (str(uuid.uuid4()), str(random.random()), str(timezone.now())):\n"
        "        Book(title=title).save()\n        Note.objects.create()\n"
        "    Shelf.objects.create(name='new')\n"
    )
    first = run(case, creates)
    assert first.error is None
    run(case, function(f"    execute = schema_editor.connection.cursor().execute\n    {left}\n"))
    second = run(case, creates)
    assert (second.start, second.tables, second.error) == (first.start, first.tables, None)


@pytest.mark.parametrize("database", PARAMETERS)
def test_tables_are_those_of_the_case(database):
    """Whatever cases took the database in between."""
    for models, rows in [
        (MODELS, NUMBERS),
        (MODELS, {"Note": [{}]}),
        (FEWER, {}),
        (MODELS, NUMBERS),
    ]:
        ran = run(Case(models, rows, database), "def forwards(apps, schema_editor): pass")
        assert len(ran.start) == (1 if models is FEWER else 3)
        assert sum(map(len, ran.start.values())) == sum(map(len, rows.values()))


FEWER = """
migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))]),
"""


def test_another_error_than_the_expected_one_is_reported():
    with pytest.raises(Different, match="NameError"):
        compare("\n    Book.objects.update(code=1)\n", "\n    boom\n", expect=IntegrityError)


NOT_ATOMIC = """
from django.db import migrations


def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    {body}


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
"""


def test_rows_that_stay_after_an_error_without_a_transaction_are_compared():
    loop = "for book in Book.objects.all(): book.code = 1; book.save()"
    before = NOT_ATOMIC.format(body=loop)
    after = NOT_ATOMIC.format(body="Book.objects.update(code=1)")
    run_both(MODELS, before, before, NUMBERS, expect=IntegrityError)
    with pytest.raises(Different, match="code=1"):
        run_both(MODELS, before, after, NUMBERS, expect=IntegrityError)


def test_models_of_several_apps_refer_to_each_other():
    apps = {
        "shop": """
            migrations.CreateModel("Order", [("id", models.AutoField(primary_key=True)),
                                             ("total", models.IntegerField(default=0))]),
        """,
        "mail": """
            migrations.CreateModel("Letter", [
                ("id", models.AutoField(primary_key=True)),
                ("order", models.ForeignKey("shop.Order", models.CASCADE)),
                ("total", models.IntegerField(default=0)),
            ]),
        """,
    }
    before = """
        def forwards(apps, schema_editor):
            for letter in apps.get_model("mail", "Letter").objects.all():
                letter.total = letter.order.total
                letter.save()
    """
    after = """
        def forwards(apps, schema_editor):
            order = apps.get_model("shop", "Order").objects.filter(pk=models.OuterRef("order_id"))
            total = models.Subquery(order.values("total")[:1])
            apps.get_model("mail", "Letter").objects.update(total=total)
    """
    rows = {"Order": [{"id": 4, "total": 40}], "mail.Letter": [{"order_id": 4}, {"order_id": 4}]}
    both = run_both(apps, before, after, rows)
    assert all("total=40" in row for row in both.after.tables["mail_letter"])


def test_rows_may_be_made_by_a_function():
    def rows(apps, connection):
        apps.get_model("shop", "Book").objects.create(code=9)

    both = compare(ASSIGN, ASSIGN, rows)
    assert "code=9" in both.before.start["shop_book"][0]


def test_the_helper_is_imported_from_beside_the_migration():
    before = function(ASSIGN)
    streamed = ASSIGN.replace("Book.objects.all()", "stream(Book.objects.all())")
    after = "from ._migfix import stream\n" + function(streamed)
    assert run_both(MODELS, before, after, NUMBERS).after.queries >= 7
