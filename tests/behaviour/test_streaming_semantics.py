"""What streaming may not change: loops over more rows than a chunk, beside their rewrites, on every database.

The tables of results, transactions and schema changes under an open cursor are run here line by line: where a
plain ``.iterator()`` would differ, the rewrite must not, or there must be none.
"""

from __future__ import annotations

import pytest
from django.db import IntegrityError
from django.db.transaction import TransactionManagementError

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import run_both

pytestmark = pytest.mark.behaviour

LOOPS = frozenset({"MF202", "MF203"})
EVERYWHERE = Settings(
    select=LOOPS, databases=frozenset({"postgresql", "mysql", "mariadb", "sqlite"})
)
ON_POSTGRESQL = Settings(select=LOOPS, databases=frozenset({"postgresql"}))
ON_EACH = pytest.mark.parametrize("database", ONE_SQLITE)
MODELS = """
migrations.CreateModel("Shelf", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=40)),
    ("total", models.IntegerField(default=0)),
    ("notes", models.JSONField(default=dict)),
]),
migrations.CreateModel("Book", [
    ("id", models.BigAutoField(primary_key=True)),
    ("title", models.CharField(max_length=40)),
    ("slug", models.CharField(max_length=40, default="")),
    ("n", models.IntegerField(db_index=True)),
    ("code", models.IntegerField(unique=True)),
    ("shelf", models.ForeignKey("shop.Shelf", models.CASCADE, null=True, related_name="books")),
]),
migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
"""
COUNT = 1100  # more than the 1,000 of a chunk of the helper
ROWS = {
    "Shelf": [{"id": n, "name": f"s{n}"} for n in range(1, 4)],
    "Book": [
        {"title": f"Title {n}", "n": n * 7919 % COUNT, "code": n, "shelf_id": n % 3 + 1}
        for n in range(COUNT)
    ],
}
IMPORTS = "from django.db import IntegrityError, connection, models, transaction\n"


def function(body):
    return (
        f"{IMPORTS}\n\ndef forwards(apps, schema_editor):\n"
        '    Book = apps.get_model("shop", "Book")\n'
        '    Shelf = apps.get_model("shop", "Shelf")\n'
        '    Other = apps.get_model("shop", "Other")\n'
        f"{body}"
    )


def without_transaction(body):
    return (
        f"from django.db import migrations\n{function(body)}\n\nclass Migration(migrations.Migration):\n"
        '    atomic = False\n    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(forwards)]\n"
    )


def settings_for(database):
    return (EVERYWHERE, ON_POSTGRESQL) if database == "postgresql" else (EVERYWHERE,)


# --- kinds of querysets: the rows, their order and their values -----------------------------------

KINDS = {
    "values": ("row", 'Book.objects.order_by("n").values("id", "n", "shelf__name")', 'row["id"]'),
    "tuples": ("pk, n", 'Book.objects.order_by("n").values_list("id", "n")', "pk"),
    "flat": ("pk", 'Book.objects.order_by("n").values_list("id", flat=True)', "pk"),
    "named": ("row", 'Book.objects.order_by("n").values_list("id", "n", named=True)', "row.id"),
    "union": (
        "book",
        'Book.objects.filter(n__lt=600).union(Book.objects.filter(n__gte=400)).order_by("n")',
        "book.pk",
    ),
    "annotate": (
        "book",
        'Book.objects.annotate(twice=models.F("n") * 2).order_by("-twice")',
        "book.pk",
    ),
    "distinct": ("book", 'Book.objects.filter(shelf__books__n__gt=1098).distinct().order_by("n")', "book.pk"),
    "duplicates of a join": (
        "book",
        'Book.objects.filter(shelf__books__n__gt=1095).order_by("n", "shelf__books__n")',
        "book.pk",
    ),
    "joined": ("book", 'Book.objects.select_related("shelf").order_by("n")', "book.pk"),
    "extra": ("book", 'Book.objects.extra(select={"x": "n + 1"}).order_by("n")', "book.pk"),
    "locked": ("book", 'Book.objects.select_for_update().order_by("n")', "book.pk"),
    "the rows of one row": ("book", 'Shelf.objects.get(pk=1).books.order_by("n")', "book.pk"),
}  # fmt: skip


@ON_EACH
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_gives_the_rows_as_they_were(kind, database):
    target, rows, key = kind
    # Rows ahead change their place in the order, leave the filter, appear and go.
    body = f"""
    print_next = 0
    for i, {"(" + target + ")" if "," in target else target} in enumerate({rows}):
        print(i, {target})
        if i % 100 == 0:
            Book.objects.filter(n__gt=1050).update(n=models.F("n") - 40)
            Book.objects.filter(pk=({key}) + 7).delete()
            Book.objects.create(title="new", n=500, code=9000 + i)
            Book.objects.filter(pk={key}).update(n=99999 + i)
"""
    for settings in settings_for(database):
        run_rewritten(MODELS, function(body), ROWS, settings, database=database)


# --- transactions in the loop ---------------------------------------------------------------------

TRANSACTIONS = {
    "savepoints that roll back": function("""
    for book in Book.objects.order_by("n"):
        if book.n % 100 == 0:
            try:
                with transaction.atomic():
                    Book.objects.filter(pk=book.pk).update(slug="lost")
                    Book.objects.create(title="x", n=1, code=book.code)
            except IntegrityError:
                Book.objects.filter(pk=book.pk).update(slug="back")
"""),
    "a transaction around the loop rolls back": function("""
    try:
        with transaction.atomic():
            for book in Book.objects.order_by("n"):
                if book.n % 100 == 0:
                    Book.objects.filter(pk=book.pk).update(slug="lost")
            raise KeyError
    except KeyError:
        pass
    for book in Book.objects.filter(slug="").order_by("n"):
        if book.n % 100 == 0:
            Book.objects.filter(pk=book.pk).update(slug="seen")
"""),
    "commits by hand": without_transaction("""
    transaction.set_autocommit(False)
    for book in Book.objects.order_by("n"):
        if book.n % 100 == 0:
            Book.objects.filter(pk=book.pk).update(n=book.n + 5000)
            transaction.commit()
    transaction.commit()
    transaction.set_autocommit(True)
"""),
    "rollbacks by hand": without_transaction("""
    transaction.set_autocommit(False)
    for book in Book.objects.order_by("n"):
        Book.objects.filter(pk=book.pk, n__gt=1090).update(n=book.n + 5000)
        if book.n == 1095:
            transaction.rollback()
    transaction.commit()
    transaction.set_autocommit(True)
"""),
    "no transaction": without_transaction("""
    for book in Book.objects.order_by("n"):
        if book.n % 100 == 0:
            book.n += 5000
            book.save()
"""),
    "a transaction for each row": without_transaction("""
    for book in Book.objects.order_by("n"):
        if book.n % 100 == 0:
            with transaction.atomic():
                book.n += 5000
                book.save()
"""),
}


@ON_EACH
@pytest.mark.parametrize("before", TRANSACTIONS.values(), ids=TRANSACTIONS)
def test_transactions_end_under_the_loop(before, database):
    for settings in settings_for(database):
        run_rewritten(MODELS, before, ROWS, settings, database=database)


@ON_EACH
def test_an_error_of_the_database_ends_the_loop_as_before(database):
    body = """
    for book in Book.objects.order_by("n"):
        if book.n == 1050:
            Book.objects.create(title="x", n=1, code=book.code)
        elif book.n % 100 == 0:
            book.save()
"""
    for settings in settings_for(database):
        run_rewritten(
            MODELS, function(body), ROWS, settings, database=database, expect=IntegrityError
        )


CAUGHT = {
    "in the body": """
    for book in Book.objects.order_by("code"):
        if book.code == 5:
            try:
                Other.objects.create(pk=1)
            except IntegrityError:
                print("known")
        print(book.title)
""",
    "in a function": """
    for book in Book.objects.order_by("code"):
        if book.code == 5:
            make(Other)
        print(book.title)
""",
    "of a function": """
    for book in Book.objects.order_by("code"):
        try:
            if book.code == 5:
                other(Other)
        except Exception:
            print("known")
        print(book.title)
""",
    "by the end of a block": """
    for book in Book.objects.order_by("code"):
        print(book.title)
        try:
            Other.objects.create(pk=book.code + 1)
        finally:
            continue
""",
}
MAKING = """
def other(Other):
    Other.objects.create(pk=1)


def make(Other):
    try:
        other(Other)
    except IntegrityError:
        print("known")
"""
PASSED_ON = {
    "another error": ("number = int(book.title)", "except ValueError:\n            number = 1"),
    "a row that is not there": (
        "number = Other.objects.get(pk=book.n).pk",
        "except Other.DoesNotExist:\n            number = 1",
    ),
    "what sends nothing": ("number = int(book.title)", "except Exception:\n            number = 1"),
    "raised again": ("number = Other.objects.count()", "except Exception:\n            raise"),
}


@ON_EACH
@pytest.mark.parametrize("body", CAUGHT.values(), ids=CAUGHT)
def test_an_error_of_the_database_is_caught_under_the_loop(body, database):
    """PostgreSQL ends the cursors of the transaction with it."""
    rows = {**ROWS, "Other": [{"id": 1}]}
    for settings in settings_for(database):
        outcome, _ = run_rewritten(
            MODELS, MAKING + function(body), rows, settings, database=database, expect="anything"
        )
        assert outcome.loops[0].codes == ("MF203",)


@pytest.mark.parametrize("body", CAUGHT.values(), ids=CAUGHT)
def test_rows_are_read_before_an_error_of_the_database_is_caught(body):
    text, _ = rewritten(MODELS, MAKING + function(body), ON_POSTGRESQL)
    assert 'mode="spool"' in text


@pytest.mark.parametrize("case", PASSED_ON.values(), ids=PASSED_ON)
def test_other_errors_may_be_caught_under_an_open_cursor(case):
    tried, handler = case
    body = f"""
    for book in Book.objects.order_by("code"):
        try:
            {tried}
        {handler}
        print(book.title, number)
"""
    text, _ = rewritten(MODELS, function(body), ON_POSTGRESQL)
    assert 'Book.objects.order_by("code").iterator()' in text


@ON_EACH
def test_locked_rows_need_a_transaction_as_before(database):
    body = """
    for book in Book.objects.select_for_update().order_by("n"):
        if book.n % 100 == 0:
            book.n += 5000
            book.save()
"""
    expect = "changes" if database == "sqlite-memory" else TransactionManagementError
    run_rewritten(
        MODELS, without_transaction(body), ROWS, EVERYWHERE, database=database, expect=expect
    )


# --- the schema changes under the loop ------------------------------------------------------------

SCHEMA = {
    "alter": ("Book", 'schema_editor.execute("ALTER TABLE shop_book ADD COLUMN later integer")'),
    "create index": ("Book", 'schema_editor.execute("CREATE INDEX late ON shop_book (title)")'),
    "add field": (
        "Book",
        'f = models.IntegerField(null=True)\n        f.set_attributes_from_name("later")\n'
        "        schema_editor.add_field(Book, f)",
    ),
    "rebuild": (
        "Book",
        'f = models.CharField(max_length=90)\n        f.set_attributes_from_name("title")\n'
        '        schema_editor.alter_field(Book, Book._meta.get_field("title"), f)',
    ),
    "truncate": ("Book", 'schema_editor.execute("TRUNCATE TABLE shop_book")'),
    "drop another": ("Book", 'schema_editor.execute("DROP TABLE shop_other")'),
    "create another": ("Book", 'schema_editor.execute("CREATE TABLE late (id integer)")'),
}  # fmt: skip


@ON_EACH
@pytest.mark.parametrize("change", SCHEMA, ids=SCHEMA)
@pytest.mark.parametrize("write", [function, without_transaction], ids=["atomic", "autocommit"])
def test_the_schema_changes_under_the_loop(change, write, database):
    if database == "sqlite-memory" and change == "truncate":
        pytest.skip("there is no such statement")
    if database == "mariadb" and write is function:
        pytest.skip("the plain loop fails, too: Django forbids schema changes in a transaction")
    model, statement = SCHEMA[change]
    body = f"""
    for i, book in enumerate({model}.objects.order_by("n")):
        if i == 3:
            {statement.replace(chr(10), chr(10) + "    ")}
        if i > 1090:
            Shelf.objects.create(name=f"{{book.n}} {{book.title}}")
"""
    for settings in settings_for(database):
        run_rewritten(MODELS, write(body), ROWS, settings, database=database)


@ON_EACH
def test_the_schema_changes_after_a_break(database):
    body = """
    for book in Book.objects.order_by("n"):
        book.slug = "seen"
        book.save()
        if book.n == 5:
            break
    schema_editor.execute("ALTER TABLE shop_book ADD COLUMN later integer")
"""
    write = without_transaction if database == "mariadb" else function
    for settings in settings_for(database):
        run_rewritten(MODELS, write(body), ROWS, settings, database=database)


# --- queries on the same connection ---------------------------------------------------------------


@ON_EACH
def test_loops_and_writes_within_the_loop(database):
    body = """
    for book in Book.objects.order_by("n"):
        if book.n % 200 == 0:
            for shelf in Shelf.objects.order_by("pk").iterator():
                shelf.total += Book.objects.filter(shelf=shelf, n__gt=book.n).count()
                shelf.save()
            Other.objects.bulk_create([Other(), Other()])
            Book.objects.filter(n=book.n + 150).delete()
"""
    for settings in settings_for(database):
        run_rewritten(MODELS, function(body), ROWS, settings, database=database)


# --- what must stay a list ------------------------------------------------------------------------

BOOKS = "    books = Book.objects.order_by('n')\n"
LOOP = "    for book in books:\n        book.slug = book.title.lower()\n        book.save()\n"
REFUSED = {
    "length": BOOKS + LOOP + "    print(len(books))\n",
    "second loop": BOOKS + LOOP + "    for book in books:\n        print(book.slug)\n",
    "index": BOOKS + LOOP + "    print(books[0].slug)\n",
    "membership": BOOKS + LOOP + "    print(Book.objects.first() in books)\n",
    "evaluated before": BOOKS + "    list(books)\n" + LOOP,
    "value of a filter": BOOKS + LOOP + "    Shelf.objects.filter(books__in=books).update(total=1)\n",
    "reversed": BOOKS + LOOP.replace("in books", "in reversed(books)"),
    "returned": BOOKS + LOOP + "    return books\n",
    "captured": BOOKS + "    def size():\n        return len(books)\n" + LOOP + "    print(size())\n",
    "in a container": "    kept = {}\n    kept['all'] = books = Book.objects.all()\n"
    + LOOP
    + "    print([b.slug for b in kept['all']])\n",
    "an attribute": "    Book.kept = books = Book.objects.all()\n" + LOOP + "    print(len(Book.kept))\n",
    "in a list": BOOKS + "    kept = [books]\n" + LOOP + "    print([b.slug for b in kept[0]])\n",
    "with a step": LOOP.replace("in books", "in Book.objects.order_by('n')[::2]"),
    "rows that are kept": "    kept = []\n"
    + LOOP.replace("in books", "in Book.objects.all()")
    + "        kept.append(book)\n    print(len(kept))\n",
    "prefetched rows of a row": """
    for shelf in Shelf.objects.prefetch_related("books"):
        for book in shelf.books.all():
            book.slug = shelf.name
            book.save()
""",
}  # fmt: skip
PREFETCHED = {
    "a document": "book.shelf.notes['n'] = book.shelf.notes.get('n', 0) + 1\n"
    "        book.slug = str(book.shelf.notes['n'])",
    "a part of it": "book.shelf.notes.setdefault('n', []).append(1)\n"
    "        book.slug = str(len(book.shelf.notes['n']))",
    "by setattr": "setattr(book.shelf, 'total', book.shelf.total + 1)\n"
    "        book.slug = str(book.shelf.total)",
    "an attribute": "book.shelf.total += 1\n        book.slug = str(book.shelf.total)",
    "by identity": "if book.shelf is not last:\n            last = book.shelf\n"
    "            book.slug = 'first'",
    "by number": "if id(book.shelf) not in seen:\n            book.slug = 'first'\n"
    "        seen.add(id(book.shelf))",
    "by a function": "book.slug = str(visit(book.shelf))",
    "a document by a function": "book.slug = str(note(book.shelf.notes, str(book.pk)))",
    "by number in a function": "book.slug = str(number(book.shelf))",
    "by a function for numbers": "book.slug = str(list(map(id, [book.shelf]))[0])",
    "a document by another name": "notes = book.shelf.notes\n        notes |= {str(book.pk): 1}\n"
    "        book.slug = str(len(notes))",
    "a document by a method": "list(map(book.shelf.notes.setdefault, [str(book.pk)], [1]))\n"
    "        book.slug = str(len(book.shelf.notes))",
}  # fmt: skip
FUNCTIONS = """
def visit(shelf):
    shelf.total += 1
    return shelf.total


def note(notes, key):
    notes[key] = 1
    return len(notes)


def number(shelf):
    return id(shelf)


def described(book):
    words = []
    words += [book.shelf.name]
    return words[0]
"""
REFUSED.update(
    (
        f"prefetched objects, {name}",
        f"""
    last, seen = None, set()
    for book in Book.objects.order_by("n").prefetch_related("shelf"):
        {statement}
        book.save()
""",
    )
    for name, statement in PREFETCHED.items()
)


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("settings", [EVERYWHERE, ON_POSTGRESQL], ids=["everywhere", "postgresql"])
def test_a_loop_that_shares_its_rows_is_left_alone(body, settings):
    _, outcome = rewritten(MODELS, FUNCTIONS + function(body), settings)
    assert outcome.loops
    assert not outcome.changed


def test_the_objects_of_a_prefetch_are_shared_by_all_rows_of_the_plain_loop_alone():
    """Why they must not be changed: the plain loop and the stream differ."""
    body = REFUSED["prefetched objects, a document"]
    streamed = body.replace("in Book.objects", "in stream(Book.objects").replace('"):', '")):')
    streamed = "    from ._migfix import stream\n" + streamed
    with pytest.raises(AssertionError):
        run_both(MODELS, function(body), function(streamed), ROWS)


@pytest.mark.parametrize(
    "text", ['f"{book.shelf.name} {counts[book.shelf.name]}"', "described(book)"]
)
def test_prefetched_objects_that_are_only_read_may_be_streamed(text):
    body = f"""
    counts = {{}}
    for book in Book.objects.order_by("n").prefetch_related("shelf"):
        counts[book.shelf.name] = counts.get(book.shelf.name, 0) + 1
        book.slug = {text}
        book.save()
"""
    before = FUNCTIONS + function(body)
    outcome, _ = run_rewritten(MODELS, before, ROWS, EVERYWHERE)
    assert outcome.loops[0].codes == ("MF203",)


# --- where a plain .iterator() is not enough on PostgreSQL ----------------------------------------

TITLE_OF = """
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION title_of(key bigint) RETURNS text LANGUAGE sql VOLATILE "
            "AS 'SELECT title FROM shop_book WHERE id = key'"
        )
"""
CALLS = {
    "a function": 'annotate(x=models.Func("pk", function="title_of", output_field=models.TextField()))',
    "an expression of the file": 'annotate(x=TitleOf("pk"))',
    "extra": 'extra(select={"x": "title_of(id)"})',
}  # fmt: skip


@pytest.mark.postgresql
@pytest.mark.parametrize("query", CALLS.values(), ids=CALLS)
def test_a_function_in_the_query_sees_the_table_as_it_was(query):
    body = f"""{TITLE_OF}
    for book in Book.objects.{query}.order_by("pk"):
        if book.pk % 100 == 5:
            Book.objects.filter(pk__gt=book.pk).update(title=book.x + "!")
"""
    own = '\n\nclass TitleOf(models.Func):\n    function = "title_of"\n    output_field = models.TextField()\n'
    before = function(body).replace("\n\ndef", f"{own}\n\ndef", 1)
    outcome, _ = run_rewritten(MODELS, before, ROWS, ON_POSTGRESQL, database="postgresql")
    assert outcome.loops[0].codes == ("MF203",)


SIMPLE = '    for book in Book.objects.all():\n        print(book.title)\n'  # fmt: skip
IN_AUTOCOMMIT = {
    "a migration that is not atomic": without_transaction(SIMPLE),
    "another database": without_transaction(SIMPLE.replace("all()", 'using("other")')).replace(
        "    atomic = False\n", ""
    ),
}
IN_A_TRANSACTION = {
    "the default": without_transaction(SIMPLE).replace("    atomic = False\n", ""),
    # The schema editor of PostgreSQL opens one for the whole migration, whatever the operation says.
    "an operation that is not atomic": without_transaction(SIMPLE)
    .replace("    atomic = False\n", "")
    .replace("RunPython(forwards)", "RunPython(forwards, atomic=False)"),
    "written out": without_transaction(SIMPLE).replace("atomic = False", "atomic = True"),
    "its own database": without_transaction(
        SIMPLE.replace("all()", "using(schema_editor.connection.alias)")
    ).replace("    atomic = False\n", ""),
    "a name for it": without_transaction(
        "    alias = schema_editor.connection.alias\n" + SIMPLE.replace("all()", "using(alias)")
    ).replace("    atomic = False\n", ""),
}


@pytest.mark.parametrize("before", IN_AUTOCOMMIT.values(), ids=IN_AUTOCOMMIT)
def test_an_iterator_in_autocommit_would_break_behind_a_pooler(before):
    _, outcome = rewritten(MODELS, before, ON_POSTGRESQL)
    assert outcome.loops[0].codes == ("MF203",)


@pytest.mark.parametrize("before", IN_A_TRANSACTION.values(), ids=IN_A_TRANSACTION)
def test_an_iterator_in_a_transaction_is_enough(before):
    _, outcome = rewritten(MODELS, before, ON_POSTGRESQL)
    assert outcome.loops[0].codes == ("MF202",)
