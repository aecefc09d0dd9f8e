"""Wrong rewrites, each with a trap that people fall into: what a loop did and what is not the same."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

MODELS = """
migrations.CreateModel("Shelf", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40)),
    ("code", models.CharField(max_length=40, unique=True, null=True)),
]),
migrations.CreateModel("Book", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40)),
    ("kind", models.CharField(max_length=40)),
    ("flag", models.BooleanField(null=True)),
    ("n", models.IntegerField(null=True, db_index=True)),
    ("m", models.IntegerField(null=True)),
    ("place", models.PositiveIntegerField(default=0)),
    ("cover", models.FileField(null=True)),
    ("extra", models.JSONField(null=True)),
    ("seen", models.DateTimeField(null=True)),
    ("day", models.DateField(null=True)),
    ("shelf", models.ForeignKey("shop.Shelf", models.CASCADE, null=True)),
    ("parent", models.ForeignKey("shop.Book", models.CASCADE, null=True)),
]),
migrations.CreateModel("Note", [
    ("id", models.BigAutoField(primary_key=True)),
    ("text", models.CharField(max_length=40)),
    ("changed", models.DateTimeField(auto_now=True)),
]),
migrations.CreateModel("Ticket", [
    ("id", models.BigAutoField(primary_key=True)),
    ("number", models.IntegerField(unique=True)),
]),
"""


@dataclass(frozen=True)
class Planted:
    """Two bodies of ``forwards``; the second leaves something else on ``database``.

    ``atomic``: whether the migration runs in a transaction.
    """

    name: str
    before: str
    after: str
    database: str = "sqlite"
    atomic: bool = True

    def modules(self) -> tuple[str, str]:
        return self._module(self.before), self._module(self.after)

    def _module(self, body: str) -> str:
        return HEAD + indent(dedent(body).strip("\n"), "    ") + TAIL.format(atomic=self.atomic)


HEAD = """\
import datetime

from django.db import IntegrityError, migrations, models, transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Cast, Concat, ExtractYear
from django.utils import timezone


def forwards(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    Note = apps.get_model("shop", "Note")
    Shelf = apps.get_model("shop", "Shelf")
    Ticket = apps.get_model("shop", "Ticket")
"""
TAIL = """


class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""


def _each(assignments: str, queryset: str = "Book.objects.all()", save: str = "book.save()") -> str:
    lines = indent(dedent(assignments).strip("\n"), "    ")
    return f"for book in {queryset}:\n{lines}\n    {save}\n"


PLANTED = [
    Planted(
        "the cached rows of a queryset are used again",
        'books = Book.objects.filter(kind="a")\n'
        + _each('book.kind = "q"', "books")
        + _each("book.m = 55", "books"),
        'books = Book.objects.filter(kind="a")\nbooks.update(kind="q")\nbooks.update(m=55)',
    ),
    Planted(
        "a message counts the rows afterwards",
        'books = Book.objects.filter(kind="a")\n'
        + _each('book.kind = "q"', "books")
        + "Shelf.objects.create(name=str(len(books)))",
        'books = Book.objects.filter(kind="a")\nbooks.update(kind="q")\n'
        "Shelf.objects.create(name=str(len(books)))",
    ),
    Planted(
        "the rows were read before another one came",
        'books = Book.objects.filter(kind="a")\nif books:\n    Book.objects.create(kind="a")\n'
        + _each("book.m = 55", "books"),
        'books = Book.objects.filter(kind="a")\nif books:\n    Book.objects.create(kind="a")\n'
        "books.update(m=55)",
    ),
    Planted(
        "a get() that fails without rows moves in front of the loop",
        _each('book.shelf = Shelf.objects.filter(code="x").order_by("id").latest("id")'),
        'Book.objects.update(shelf=Shelf.objects.filter(code="x").order_by("id").latest("id"))',
    ),
    Planted(
        "save() refreshes auto_now",
        _each('book.text = "x"', "Note.objects.all()"),
        'Note.objects.update(text="x")',
    ),
    Planted("None in a FileField", _each("book.cover = None"), "Book.objects.update(cover=None)"),
    Planted(
        "save() ignores what is set on auto_now",
        _each("book.changed = timezone.now()", "Note.objects.all()"),
        "for note in Note.objects.all():\n"
        "    Note.objects.filter(pk=note.pk).update(changed=timezone.now())",
    ),
    Planted(
        "a column is read after it was set",
        _each("book.n = 5\nbook.m = book.n"),
        'Book.objects.update(n=5, m=F("n"))',
    ),
    Planted(
        "two columns change places",
        _each("book.n, book.m = book.m, book.n"),
        'Book.objects.update(n=F("m"), m=F("n"))',
        "mariadb",
    ),
    Planted(
        "texts are joined with +",
        _each('book.title = "_" + book.title[:30]'),
        "from django.db.models.functions import Left\n"
        'Book.objects.update(title=Value("_") + Left("title", 30))',
    ),
    Planted(
        "not of a NULL",
        _each("if not book.flag:\n    book.n = 1"),
        "Book.objects.filter(flag=False).update(n=1)",
    ),
    Planted(
        "a NULL in JSON",
        _each("book.extra = None"),
        "Book.objects.update(extra=Value(None, models.JSONField()))",
    ),
    Planted(
        "a collation does not tell cases apart",
        _each('if book.title == "A":\n    book.n = 1'),
        'Book.objects.filter(title="A").update(n=1)',
        "mariadb",
    ),
    Planted(
        "a collation pads with spaces",
        _each("book.n = 1 if book.title else 0"),
        'Book.objects.update(n=Case(When(title="", then=0), default=1))',
        "mariadb",
    ),
    Planted(
        "startswith of SQLite",
        _each('if book.title.startswith("a"):\n    book.n = 1'),
        'Book.objects.filter(title__startswith="a").update(n=1)',
    ),
    Planted(
        "division of negative numbers",
        _each("if book.n is not None:\n    book.m = book.n // 2"),
        'Book.objects.filter(n__isnull=False).update(m=F("n") / 2)',
    ),
    Planted(
        "an unsigned column goes below zero on its way",
        _each("book.place = book.place % 100 - 10 + 20"),
        'Book.objects.update(place=F("place") % 100 - 10 + 20)',
        "mariadb",
    ),
    Planted(
        "hours are taken from a date",
        _each("if book.day:\n    book.day = book.day - datetime.timedelta(hours=5)"),
        'Book.objects.filter(day__isnull=False).update(day=F("day") - datetime.timedelta(hours=5))',
    ),
    Planted(
        "a moment becomes a date",
        _each("book.day = book.seen"),
        'Book.objects.update(day=F("seen"))',
    ),
    Planted(
        "the year of a moment in another zone",
        _each("if book.seen:\n    book.m = book.seen.year"),
        'Book.objects.filter(seen__isnull=False).update(m=ExtractYear("seen"))',
    ),
    Planted(
        "None among the values of in",
        _each('if book.n in (1, None):\n    book.title = "x"'),
        'Book.objects.filter(n__in=[1, None]).update(title="x")',
    ),
    Planted(
        "two NULLs are equal in Python",
        _each('if book.n == book.m:\n    book.title = "x"'),
        'Book.objects.filter(n=F("m")).update(title="x")',
    ),
    Planted(
        "a fraction becomes an integer",
        _each('if book.n == 1.5:\n    book.title = "x"'),
        'Book.objects.filter(n=1.5).update(title="x")',
    ),
    Planted(
        "two branches become two updates",
        _each(
            'if book.kind == "a":\n    book.kind = "b"\nelif book.kind == "b":\n    book.kind = "c"'
        ),
        'Book.objects.filter(kind="a").update(kind="b")\nBook.objects.filter(kind="b").update(kind="c")',
    ),
    Planted(
        "update() after distinct()",
        _each('book.title = "x"', 'Book.objects.order_by("kind", "id").distinct("kind")'),
        'Book.objects.order_by("kind", "id").filter(pk__gt=0).update(title="x")',
        "postgresql",
    ),
    Planted(
        "an attribute that is no column",
        _each("book.nosuch = 1"),
        "Book.objects.update(nosuch=1)",
    ),
    Planted(
        "a column of the parent row, which the loop changes, too",
        _each(
            "if book.parent:\n    book.m = (book.parent.m or 0) % 10 + 1",
            'Book.objects.order_by("id")',
        ),
        'parents = Book.objects.filter(pk=OuterRef("parent"))\n'
        "for book in list(Book.objects.filter(parent__isnull=False).select_related('parent')):\n"
        "    Book.objects.filter(pk=book.pk).update(m=(book.parent.m or 0) % 10 + 1)",
    ),
    Planted(
        "a joined column in update()",
        _each("if book.shelf:\n    book.title = book.shelf.name"),
        'Book.objects.filter(shelf__isnull=False).update(title=F("shelf__name"))',
    ),
    Planted(
        "a conversion that fails",
        _each("book.m = int(book.title)"),
        'Book.objects.update(m=Cast("title", models.IntegerField()))',
    ),
    Planted(
        "an error is caught for each row",
        _each(
            'shelf = book.shelf\nif shelf is None:\n    continue\nshelf.code = "x"\n'
            "try:\n    with transaction.atomic():\n        shelf.save()\n"
            "except IntegrityError:\n    pass",
            save="pass",
        ),
        'try:\n    with transaction.atomic():\n        Shelf.objects.filter(book__isnull=False).update(code="x")\n'
        "except IntegrityError:\n    pass",
    ),
    Planted(
        "no transaction keeps what came before the error",
        _each("book.m = 10 // (book.n - 7)", 'Book.objects.exclude(n=None).order_by("id")'),
        "with transaction.atomic():\n"
        + indent(
            _each("book.m = 10 // (book.n - 7)", 'Book.objects.exclude(n=None).order_by("id")'),
            "    ",
        ),
        atomic=False,
    ),
    Planted(
        "save() writes some of the columns",
        _each("book.n = 1\nbook.m = 2", save='book.save(update_fields=["m"])'),
        "Book.objects.update(n=1, m=2)",
    ),
    Planted(
        "SQLite meets a row again that has moved in an index",
        _each("book.n = book.n + 1000", "Book.objects.filter(n__gt=0, n__lt=5000)"),
        _each(
            "book.n = book.n + 1000",
            "Book.objects.filter(n__gt=0, n__lt=5000).iterator(chunk_size=1)",
        ),
    ),
    Planted(
        "a method that historical models lack",
        _each("book.title = book.get_absolute_url()"),
        'Book.objects.update(title="x")',
    ),
    Planted(
        "a foreign key is set twice",
        _each(
            "book.shelf = None\nbook.shelf_id = book.pk and Shelf.objects.order_by('id').first().pk"
        ),
        "Book.objects.update(shelf=None, shelf_id=Shelf.objects.order_by('id').first())",
    ),
    Planted(
        "unique numbers move on",
        _each("book.number += 1", 'Ticket.objects.filter(number__lt=1000).order_by("-number")'),
        'Ticket.objects.filter(number__lt=1000).update(number=F("number") + 1)',
    ),
    Planted(
        "the last batch is never written",
        _each('book.title = "x"'),
        "batch = []\n"
        "for book in Book.objects.all():\n"
        '    book.title = "x"\n'
        "    batch.append(book)\n"
        "    if len(batch) == 4:\n"
        '        Book.objects.bulk_update(batch, ["title"])\n'
        "        batch.clear()",
    ),
    Planted(
        "every second page is skipped",
        _each('book.title = "x"', 'Book.objects.exclude(title="x")'),
        "from django.core.paginator import Paginator\n"
        'pages = Paginator(Book.objects.exclude(title="x").order_by("id"), 4)\n'
        "for page in pages.page_range:\n"
        "    for book in pages.page(page).object_list if page <= pages.num_pages else []:\n"
        '        book.title = "x"\n'
        "        book.save()\n"
        '    pages = Paginator(Book.objects.exclude(title="x").order_by("id"), 4)',
    ),
    Planted(
        "only() leaves a column to a later change",
        _each('book.kind = "x"\nBook.objects.filter(pk=book.pk).update(m=7)'),
        _each(
            'book.kind = "x"\nBook.objects.filter(pk=book.pk).update(m=7)',
            'Book.objects.only("kind")',
        ),
    ),
    Planted(
        "bulk_update() runs no pre_save",
        _each('book.text = "x"', "Note.objects.all()"),
        'notes = list(Note.objects.all())\nfor note in notes:\n    note.text = "x"\n'
        'if notes:\n    Note.objects.bulk_update(notes, ["text"])',
    ),
    Planted(
        "a row is stamped once for all",
        _each("book.seen = timezone.now()"),
        "Book.objects.update(seen=timezone.now())",
    ),
]
