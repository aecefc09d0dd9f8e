"""What loop-to-update writes for values of other tables leaves the rows that the loop leaves."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

import pytest

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import Different, run_both

pytestmark = [
    pytest.mark.behaviour,
    pytest.mark.parametrize("database", ONE_SQLITE),
]

MODELS = """
migrations.CreateModel("Country", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=20)),
    ("code", models.CharField(max_length=2, unique=True)),
]),
migrations.CreateModel("Author", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=20)),
    ("nick", models.CharField(max_length=20, null=True)),
    ("age", models.IntegerField(default=0)),
    ("rank", models.IntegerField(null=True)),
    ("active", models.BooleanField(default=True)),
    ("country", models.ForeignKey("shop.Country", models.CASCADE, null=True)),
    ("home", models.ForeignKey("shop.Country", models.CASCADE, to_field="code", related_name="+")),
]),
migrations.CreateModel("Book", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=20, default="")),
    ("note", models.CharField(max_length=20, null=True)),
    ("code", models.CharField(max_length=2, default="")),
    ("n", models.IntegerField(default=0)),
    ("m", models.IntegerField(null=True)),
    ("live", models.BooleanField(default=False)),
    ("author", models.ForeignKey("shop.Author", models.CASCADE, related_name="books")),
    ("editor", models.ForeignKey("shop.Author", models.SET_NULL, null=True, related_name="+")),
    ("country", models.ForeignKey("shop.Country", models.SET_NULL, null=True)),
    ("place", models.ForeignKey("shop.Country", models.SET_NULL, null=True, to_field="code", related_name="+")),
    ("before", models.ForeignKey("self", models.SET_NULL, null=True)),
]),
migrations.CreateModel("Copy", [
    ("id", models.BigAutoField(primary_key=True)),
    ("book", models.ForeignKey("shop.Book", models.CASCADE, related_name="copies")),
    ("shelf", models.CharField(max_length=20, default="")),
    ("n", models.IntegerField(default=0)),
]),
"""
HEAD = """
def forwards(apps, schema_editor):
    Country = apps.get_model("shop", "Country")
    Author = apps.get_model("shop", "Author")
    Book = apps.get_model("shop", "Book")
    Copy = apps.get_model("shop", "Copy")
"""


def rows(apps, connection):
    """Shared, missing and equal parents; NULLs; parents without children."""
    model = {name: apps.get_model("shop", name) for name in ("Country", "Author", "Book", "Copy")}
    countries = [
        model["Country"].objects.create(name=c * 3, code=c) for c in ("de", "fr", "DE "[:1])
    ]
    authors = [
        model["Author"].objects.create(
            name=name,
            nick=None if i % 2 else name,
            age=i,
            rank=i or None,
            active=i != 2,
            country=countries[i] if i < 2 else None,
            home=countries[i % 3],
        )
        for i, name in enumerate(["ann", "Ann", "bob ", "", "é"])
    ]
    books = []
    for i in range(8):
        books.append(
            model["Book"].objects.create(
                title=f"t{i % 3}",
                note=None if i % 3 == 1 else "x",
                code=["de", "DE", "D"][i % 3],
                n=i - 2,
                m=None if i % 2 else i,
                live=i % 2 == 0,
                author=authors[i % 4],
                editor=authors[i % 3] if i % 3 else None,
                country=countries[1] if i == 3 else None,
                before=books[-1] if books else None,
            )
        )
    for i in range(9):
        model["Copy"].objects.create(book=books[i % 4], shelf="ab"[i % 2], n=i)


def loop(body: str, source: str = "Book.objects.all()") -> str:
    return f"for book in {source}:\n{indent(body, '    ')}\n    book.save()\n"


def migration(*codes: str) -> str:
    """A data migration that runs each of the codes in a function of its own, one after the other."""
    parts = [
        f"{HEAD.replace('forwards(apps, schema_editor)', f'part{i}(apps)')}{indent(code, '    ')}\n"
        for i, code in enumerate(codes)
    ]
    calls = "".join(f"    part{i}(apps)\n" for i in range(len(codes)))
    return f"{''.join(parts)}\n\ndef forwards(apps, schema_editor):\n{calls}"


def together(codes: Sequence[str], size: int = 6) -> list[tuple[str, ...]]:
    """Some at a time: starting a database takes longer than the loops."""
    return [tuple(codes[start : start + size]) for start in range(0, len(codes), size)]


def check(database: str, codes: Sequence[str], *, unsafe: bool = False) -> None:
    vendor = database.removesuffix("-memory")
    settings = Settings(
        select=frozenset({"MF101", "MF102"}), databases=frozenset({vendor}), unsafe_fixes=unsafe
    )
    outcome, _ = run_rewritten(
        MODELS, migration(*codes), rows, settings, database=database, expect="anything"
    )
    left = [each.reason for each in outcome.loops if not each.changed]
    assert not left, (codes, left)


EXACT = [
    loop("book.title = book.author.name"),
    loop("book.n = book.author.age"),
    loop("book.m = book.author.rank"),
    loop("book.note = book.author.nick"),
    loop("book.live = book.author.active"),
    loop("book.title = 'by ' + book.author.name"),
    loop("book.title = f'{book.author.name}!'"),
    loop("book.n = book.author.age + 1"),
    loop("book.country = book.author.country"),
    loop("book.country_id = book.author.country_id"),
    loop("book.place = book.author.home"),
    loop("if book.editor:\n    book.title = book.editor.name"),
    loop("if book.editor_id:\n    book.m = book.editor.rank"),
    loop("book.title = book.editor.name if book.editor else 'none'"),
    loop("book.title = book.editor.name", "Book.objects.filter(editor__isnull=False)"),
    loop("book.title = book.editor.name", "Book.objects.exclude(editor=None)"),
    loop("book.title = book.author.home.name"),
    loop("book.code = book.author.home.code"),
    loop("if book.author.age == 2:\n    book.n = 50"),
    loop("if book.author.age != 2:\n    book.n = 50"),
    loop("if book.author.rank is None:\n    book.n = 50"),
    loop("if book.author.active:\n    book.n = 50\nelse:\n    book.n = 60"),
    loop(
        "if book.author.age > 1 and book.live:\n    book.n = 50\nelif not book.author.active:\n    book.m = 1"
    ),
    loop("a = Author.objects.filter(age=book.n).first()\nif a:\n    book.author = a"),
    loop("book.editor = Author.objects.filter(age=book.n).first()"),
    loop(
        "a = Author.objects.filter(pk=book.author_id).first()\nif a is not None:\n    book.title = a.name"
    ),
    loop(
        "try:\n    book.author = Author.objects.get(pk=book.author_id)\nexcept Author.DoesNotExist:\n    continue"
    ),
    loop(
        "try:\n    book.country = Country.objects.get(code=book.code)\nexcept Country.DoesNotExist:\n    pass"
    ),
    loop(
        "try:\n    c = Country.objects.get(code=book.code)\nexcept Country.DoesNotExist:\n    book.n = 70\nelse:\n    book.country = c"
    ),
    "pks = {a.pk: a for a in Author.objects.all()}\n" + loop("book.editor = pks.get(book.n)"),
    "names = dict(Author.objects.filter(active=True).values_list('pk', 'name'))\n"
    + loop("book.note = names.get(book.author_id)"),
    loop("c = book.copies.first()\nbook.title = c.shelf if c else 'none'"),
    loop("c = book.copies.filter(shelf='b').first()\nif c is None:\n    continue\nbook.n = c.n"),
]
BY_TEXT = [
    "countries = {c.code: c.pk for c in Country.objects.all()}\n"
    + loop("if book.code in countries:\n    book.country_id = countries[book.code]"),
    "countries = {c.code: c for c in Country.objects.all()}\n"
    + loop("c = countries.get(book.code)\nif c is None:\n    continue\nbook.title = c.name"),
]
COLLECTED = [
    "found = []\nfor book in Book.objects.filter(copies__n__gte=0):\n    book.n += 1\n    found.append(book)\n"
    "Book.objects.bulk_update(found, ['n'], batch_size=2)\n",
    "books = Book.objects.order_by('copies__n')\nfor book in books:\n    book.title = book.author.name\n"
    "Book.objects.bulk_update(books, ['title'])\n",
]
PER_ROW = [
    "for a in Author.objects.all():\n    Book.objects.filter(author=a).update(n=77)\n",
    "for a in Author.objects.all():\n    Book.objects.filter(editor=a).update(title=a.name)\n",
    "for a in Author.objects.filter(age=1):\n    Book.objects.filter(author=a).update(title=a.name, m=None)\n",
    "for a in Author.objects.exclude(nick=None):\n    a.books.filter(live=True).update(note=a.nick)\n",
    "for a in Author.objects.all():\n    a.books.update(n=5)\n    Book.objects.filter(author_id=a.pk, live=False).update(n=6)\n",
    "for a in Author.objects.filter(books__n=1):\n    a.books.all().update(n=1000)\n",
    "ages = [1, 2]\nfor a in Author.objects.all():\n    a.books.filter(n__in=ages, live=False).update(live=True)\n",
    "bob = Author.objects.get(name='bob ')\nfor a in Author.objects.all():\n    Book.objects.filter(author=a, editor=bob).update(n=8)\n",
    "for book in Book.objects.all():\n    book.author.age = 9\n    book.author.save()\n",
    "for book in Book.objects.filter(live=True):\n    if book.editor:\n        book.editor.rank = None\n        book.editor.save(update_fields=['rank'])\n",
    "for book in Book.objects.all():\n    if book.n == 1:\n        book.author.name = 'one'\n        book.author.save()\n",
    "for book in Book.objects.order_by('-pk'):\n    if book.author.age == 1:\n        book.author.age = 2\n        book.author.save()\n",
    "for c in Copy.objects.filter(shelf='a'):\n    c.book.live = True\n    c.book.save()\n",
    "for c in Copy.objects.order_by('pk'):\n    if c.book.author.age == 1:\n        c.book.n = 7\n        c.book.save()\n",
]
ASKED_ONCE = [
    loop("book.n = book.copies.count()"),
    loop("book.n = book.copies.filter(shelf='b').count()"),
    loop("book.n = Copy.objects.filter(shelf='b', book=book).count()"),
    loop("if not book.copies.exists():\n    book.n = 40"),
    loop("if book.copies.filter(shelf='b').exists():\n    book.n = 40"),
    loop("if book.copies.count() > 0:\n    book.n = 40\nelse:\n    book.n = 41"),
    loop("book.author = Author.objects.get(pk=book.author_id)"),
    "for book in Book.objects.all():\n    if not book.copies.exists():\n        book.delete()\n",
    "for book in Book.objects.order_by('-n')[:3]:\n    book.n = 90\n    book.save()\n",
    "for book in Book.objects.order_by('-n')[:3]:\n    book.delete()\n",
]


@pytest.mark.parametrize("codes", together([*EXACT, *PER_ROW, *COLLECTED]))
def test_exactly(database, codes):
    check(database, codes)


@pytest.mark.parametrize("code", BY_TEXT)
def test_text_that_a_dict_finds_letter_by_letter(database, code):
    if database == "mariadb":
        code = code.replace("Book.objects.all()", "Book.objects.exclude(code='')")
        _, outcome = rewritten(
            MODELS,
            migration(code),
            Settings(select=frozenset({"MF101"}), databases=frozenset({database})),
        )
        assert outcome.loops[0].blocked_by == "text-comparison"
        return
    check(database, [code])


@pytest.mark.parametrize("codes", together(ASKED_ONCE))
def test_with_a_caveat_that_does_not_show_in_these_rows(database, codes):
    check(database, codes, unsafe=True)


# What would be written without the check, and leaves other rows.
WRONG = [
    (
        "a parent of the table that changes",
        loop("if book.before:\n    book.n = book.before.n + 5", "Book.objects.order_by('pk')"),
        "Book.objects.filter(before__isnull=False).update(n=models.Subquery(Book.objects.filter("
        "pk=models.OuterRef('before_id')).values('n')[:1]) + 5)",
    ),
    (
        "two foreign keys of one table",
        "for a in Author.objects.order_by('-pk'):\n    Book.objects.filter(author=a).update(n=1)\n"
        "    Book.objects.filter(editor=a).update(n=2)\n",
        "Book.objects.update(n=1)\nBook.objects.filter(editor__isnull=False).update(n=2)",
    ),
    (
        "rows that are found by what earlier turns changed",
        "for a in Author.objects.order_by('pk'):\n"
        "    Book.objects.filter(author=a, before__title='t0').update(title='t0')\n",
        "Book.objects.filter(before__title='t0').update(title='t0')",
    ),
    (
        "rows that each turn finds by another number",
        "numbers = iter([2, 3, 2, 3, 2])\nfor a in Author.objects.order_by('pk'):\n"
        "    a.books.filter(n=next(numbers)).update(title='x')\n",
        "numbers = iter([2, 3, 2, 3, 2])\nBook.objects.filter(n=next(numbers)).update(title='x')",
    ),
    (
        "parents that are found by what earlier turns changed",
        "for book in Book.objects.filter(editor__isnull=False).order_by('pk'):\n"
        "    if book.editor.age == 2:\n        book.author.age = 2\n        book.author.save()\n",
        "Author.objects.filter(pk__in=Book.objects.filter(editor__isnull=False).filter("
        "editor__age=2).values('author')).update(age=2)",
    ),
    (
        "an expression behind a name, for rows that a join brings twice",
        "from django.db.models import F\none = F('n')\nbump = one + 1\n"
        + loop("book.n = bump", "Book.objects.filter(copies__n__gte=0)"),
        "from django.db.models import F\none = F('n')\nbump = one + 1\n"
        "Book.objects.filter(copies__n__gte=0).update(n=bump)",
    ),
    (
        "a value that depends on the last row",
        "for book in Book.objects.order_by('pk'):\n    book.author.age = book.n\n    book.author.save()\n",
        "Author.objects.filter(pk__in=Book.objects.values('author')).update(age=models.Subquery("
        "Book.objects.filter(author=models.OuterRef('pk')).order_by('pk').values('n')[:1]))",
    ),
    (
        "NULL finds NULL",
        loop("book.editor = Author.objects.filter(rank=book.m).order_by('pk').first()"),
        "Book.objects.update(editor=models.Subquery(Author.objects.filter("
        "rank=models.OuterRef('m')).order_by('pk').values('pk')[:1]))",
    ),
    (
        "a key that is not the primary key",
        loop("book.country = book.author.country"),
        "Book.objects.update(country=models.Subquery(Author.objects.filter("
        "pk=models.OuterRef('author_id')).values('home__pk')[:1]))",
    ),
]


@pytest.mark.parametrize(("code", "naive"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_would_be_wrong_is_not_written(database, code, naive):
    if database.startswith("sqlite"):  # whose UPDATE sees the rows that it has changed already
        code = code.replace(
            "order_by('pk'):\n    if book.before", "order_by('-pk'):\n    if book.before"
        )
    with pytest.raises(Different):
        run_both(
            MODELS,
            "from django.db import models\n" + migration(code),
            "from django.db import models\n" + migration(naive),
            rows,
            database=database,
        )
    after, _ = rewritten(MODELS, migration(code), Settings(select=frozenset({"MF101"})))
    assert " ".join(naive.split()) not in " ".join(after.replace('"', "'").split())
