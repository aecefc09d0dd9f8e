"""A batch of new rows leaves what one ``create()`` after another leaves, on every database."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from django.apps.registry import Apps
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db import (
    DatabaseError,
    IntegrityError,
    connection,
    migrations,
    models,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Value
from django.db.models.functions import Upper
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from tests.databases import MODES
from tests.running import read_tables
from tests.runtime.helper import create_in_batches, update_in_batches
from tests.runtime.historical import made

pytestmark = pytest.mark.usefixtures("database", "together")

STORAGE = InMemoryStorage()


class Shouting(models.QuerySet):  # type: ignore[type-arg]
    def create(self, **values: Any) -> Any:
        return super().create(**{**values, "name": values["name"].upper()})

    def bulk_create(self, rows: Any, *args: Any, **kwargs: Any) -> Any:
        for row in rows:
            row.name = row.name.upper()
        return super().bulk_create(rows, *args, **kwargs)


class ShoutingManager(models.Manager.from_queryset(Shouting)):  # type: ignore[misc]
    use_in_migrations = True


class Saving(models.Model):
    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name = self.name.upper()
        super().save(*args, **kwargs)


KEY = ("id", models.BigAutoField(primary_key=True))
NAME = ("name", models.CharField(max_length=40))
OPERATIONS = [
    migrations.CreateModel("Author", [KEY, NAME]),
    migrations.CreateModel(
        "Book",
        [
            KEY,
            ("name", models.CharField(max_length=40, default="no name")),
            ("n", models.IntegerField(null=True, unique=True)),
            ("made", models.DateTimeField(auto_now_add=True)),
            ("changed", models.DateTimeField(auto_now=True)),
            ("data", models.JSONField(default=dict)),
            ("file", models.FileField(null=True, storage=STORAGE)),
            ("text", models.TextField(default="")),
            ("author", models.ForeignKey("shop.Author", models.CASCADE, null=True)),
        ],
    ),
    migrations.CreateModel(
        "Token", [("id", models.UUIDField(primary_key=True, default=uuid.uuid4)), NAME]
    ),
    migrations.CreateModel("Code", [("code", models.CharField(max_length=9, primary_key=True)), NAME]),
    migrations.CreateModel("Nothing", [KEY]),
    migrations.CreateModel(
        "Poem",
        [("book_ptr", models.OneToOneField("shop.Book", models.CASCADE, parent_link=True, primary_key=True))],
        bases=("shop.book",),
    ),
    migrations.CreateModel("Alias", [], options={"proxy": True}, bases=("shop.author",)),
    migrations.CreateModel(
        "Page",
        [KEY, NAME, ("author", models.ForeignKey("shop.Author", models.CASCADE))],
        options={"order_with_respect_to": "author"},
    ),
    migrations.CreateModel("Loud", [KEY, NAME], managers=[("objects", ShoutingManager())]),
    migrations.CreateModel("Saved", [KEY, NAME], bases=(Saving, models.Model)),
]  # fmt: skip


@pytest.fixture
def shop(database: BaseDatabaseWrapper) -> Iterator[Apps]:
    """A historical registry whose tables are there and empty, and a clock that moves at each look."""
    apps = made(OPERATIONS, database)
    start = timezone.now().replace(microsecond=0)
    ticks = (start + timedelta(seconds=n) for n in itertools.count())
    with mock.patch("django.utils.timezone.now", side_effect=ticks):
        yield apps


def stored(table: str) -> list[str]:
    return read_tables(connection)[table]  # type: ignore[arg-type]


def inserts(queries: CaptureQueriesContext) -> int:
    return sum(query["sql"].startswith("INSERT") for query in queries.captured_queries)


def test_rows_of_a_batch_are_those_of_create(shop):
    Book, author = shop.get_model("shop", "Book"), shop.get_model("shop", "Author")(name="A")
    author.save()
    rows = [
        {"name": f"b{n}", "n": n, "data": {"n": n}, "author": author if n % 2 else None}
        for n in range(50)
    ]
    with CaptureQueriesContext(connection) as queries, create_in_batches(Book.objects) as books:
        for row in rows:
            books.create(**row)
    assert inserts(queries) == 1
    found = list(Book.objects.order_by("pk").values("name", "n", "data", "author"))
    assert found == [{**row, "author": author.pk if row["author"] else None} for row in rows]
    keys = list(Book.objects.order_by("n").values_list("pk", flat=True))
    assert keys == list(range(keys[0], keys[0] + 50))
    later = Book.objects.create(name="later")
    assert later.pk == keys[-1] + 1


def test_each_row_has_a_moment_of_its_own(shop):
    Book = shop.get_model("shop", "Book")
    with create_in_batches(Book) as books:
        for n in range(3):
            books.add(Book(n=n))
            timezone.now()
    made = list(Book.objects.order_by("n").values_list("made", flat=True))
    assert [int((each - made[0]).total_seconds()) for each in made] == [0, 3, 6]


def test_keys_that_are_given_keep_their_place(shop):
    """``bulk_create`` would insert them first, and the others would get other keys."""
    Book = shop.get_model("shop", "Book")

    def fill(create):
        start = Book.objects.create().pk
        for n in range(1, 10):
            create(n=n) if n % 3 else create(pk=start + 1000 + n, n=n)
        create(n=10)
        found = [(book.n, book.pk - start) for book in Book.objects.order_by("n").exclude(n=None)]
        Book.objects.all().delete()
        return found

    one_by_one = fill(Book.objects.create)
    with create_in_batches(Book.objects) as books:

        def create(**values):
            books.create(**values)
            if values.get("n") == 10:
                books.flush()

        batched = fill(create)
    assert batched == one_by_one


def test_keys_that_a_default_makes(shop):
    Token = shop.get_model("shop", "Token")
    with CaptureQueriesContext(connection) as queries, create_in_batches(Token) as tokens:
        tokens.create(name="a")
        tokens.add(Token(name="b"))
        tokens.add(Token(id=None, name="c"))
        tokens.append(Token(name="d"))
    assert inserts(queries) == 2, "those of a list are inserted as a whole, the others are not"
    assert sorted(Token.objects.values_list("name", flat=True)) == ["a", "b", "c", "d"]


def test_save_looks_for_a_row_whose_key_is_given(shop):
    Code = shop.get_model("shop", "Code")
    Code.objects.create(code="x", name="before")
    with create_in_batches(Code) as codes:
        codes.add(Code(code="y", name="new"))
        codes.add(Code(code="x", name="after"))
    assert dict(Code.objects.values_list("code", "name")) == {"x": "after", "y": "new"}


def test_a_row_that_is_there_is_updated(shop):
    Author = shop.get_model("shop", "Author")
    row = Author.objects.create(name="before")
    row.name = "after"
    with create_in_batches(Author) as authors:
        authors.add(row)
    assert list(Author.objects.values_list("name", flat=True)) == ["after"]


def test_models_without_columns_of_their_own(shop):
    Nothing = shop.get_model("shop", "Nothing")
    with create_in_batches(Nothing) as rows:
        for _ in range(3):
            rows.create()
    assert Nothing.objects.count() == 3


def test_later_changes_do_not_reach_what_waits(shop):
    Book = shop.get_model("shop", "Book")
    data = {"n": [1]}
    with create_in_batches(Book) as books:
        books.create(n=1, data=data)
        book = Book(n=2, data=data)
        books.add(book)
        data["n"].append(2)
        book.name = "changed"
    assert list(Book.objects.values_list("name", "data")) == [("no name", {"n": [1]})] * 2


def test_a_list_holds_its_rows_until_they_are_inserted(shop):
    Book = shop.get_model("shop", "Book")
    data = {"n": [1]}
    with create_in_batches(Book) as books:
        books.append(book := Book(n=3, data=data))
        data["n"].append(2)
        book.name = "changed"
    assert list(Book.objects.values_list("name", "data")) == [("changed", {"n": [1, 2]})]
    assert book.pk


def test_a_file_is_stored_at_once(shop):
    Book = shop.get_model("shop", "Book")
    with create_in_batches(Book) as books:
        books.create(file=ContentFile(b"x", name="some.txt"))
        assert STORAGE.exists("some.txt")
        STORAGE.delete("some.txt")
    assert Book.objects.get().file.name == "some.txt"


def test_what_the_database_computes_is_inserted_at_once_and_in_order(shop):
    Author = shop.get_model("shop", "Author")
    with create_in_batches(Author.objects) as authors:
        authors.create(name="a")
        authors.create(name=Upper(Value("b")))
        assert list(Author.objects.order_by("pk").values_list("name", flat=True)) == ["a", "B"]
        authors.create(name="c")
    assert list(Author.objects.order_by("pk").values_list("name", flat=True)) == ["a", "B", "c"]


@pytest.mark.parametrize(
    ("model", "values"),
    [("Poem", {"name": "a"}), ("Page", {"name": "a", "author": 1}), ("Loud", {"name": "a"}),
     ("Saved", {"name": "a"})],
)  # fmt: skip
@pytest.mark.parametrize("method", ["create", "add", "append"])
def test_models_that_a_batch_would_insert_differently(shop, model, values, method):
    """Parents in other tables, an order that is computed, managers and save() of the project."""
    Model, Author = shop.get_model("shop", model), shop.get_model("shop", "Author")
    author = Author.objects.create(name="a")
    values = {**values, "author": author} if "author" in values else values

    def one(method):
        match method:
            case "create":
                Model.objects.create(**values)
            case "add":
                Model(**values).save()
            case "append":
                Model.objects.bulk_create([Model(**values)])

    def outcome(insert):
        try:
            for _ in range(2):
                insert()
        except (ValueError, IntegrityError) as error:  # bulk_create() with parents, without order
            return type(error)
        fields = [f.name for f in Model._meta.fields if f.name in {"name", "_order", "author"}]
        found = list(Model.objects.order_by("pk").values_list(*fields))
        Model.objects.all().delete()
        return found

    expected = outcome(lambda: one(method))

    def in_batch():
        with create_in_batches(Model.objects) as rows:
            (
                getattr(rows, method)(**values)
                if method == "create"
                else getattr(rows, method)(Model(**values))
            )

    assert outcome(in_batch) == expected


def test_receivers_hear_every_row(shop):
    Author, heard = shop.get_model("shop", "Author"), []

    def receiver(instance, created, **kwargs):
        heard.append((instance.name, created, instance.pk is not None))

    post_save.connect(receiver)
    try:
        with create_in_batches(Author.objects) as authors:
            authors.create(name="a")
            authors.add(Author(name="b"))
            authors.append(Author(name="c"))
    finally:
        post_save.disconnect(receiver)
    assert heard == [("a", True, True), ("b", True, True)]
    assert Author.objects.count() == 3


def test_proxies_and_related_managers(shop):
    Alias, Author, Book = (shop.get_model("shop", name) for name in ("Alias", "Author", "Book"))
    with create_in_batches(Alias) as rows:
        rows.create(name="a")
    author = Author.objects.get()
    with create_in_batches(author.book_set) as books:
        books.create(n=1)
    assert Book.objects.get().author == author


def test_a_row_of_another_model_is_saved(shop):
    Author, Token = shop.get_model("shop", "Author"), shop.get_model("shop", "Token")
    with create_in_batches(Author) as rows:
        rows.add(Token(name="t"))
        rows.append(Author(name="a"))
    assert (Token.objects.count(), Author.objects.count()) == (1, 1)


@pytest.mark.parametrize("values", [{"n": "x"}, {"nothing": 1}, {"author": 1}])
def test_what_cannot_be_stored_fails_at_its_call(shop, values):
    Book = shop.get_model("shop", "Book")
    with pytest.raises((ValueError, TypeError)) as expected:
        Book.objects.create(**values)
    with create_in_batches(Book.objects) as books:
        books.create(n=1)
        with pytest.raises((ValueError, TypeError)) as found:
            books.create(**values)
    assert type(found.value) is type(expected.value)
    assert Book.objects.get().n == 1, "what was created before stays"


def test_a_relation_to_an_unsaved_row_fails_at_its_call(shop):
    Book, Author = shop.get_model("shop", "Book"), shop.get_model("shop", "Author")
    with create_in_batches(Book.objects) as books, pytest.raises(ValueError, match="unsaved"):
        books.create(author=Author(name="x"))


# Errors: what a loop leaves, row by row and in batches


ROWS, BATCH = 12, 5


@contextmanager
def row_by_row(source, batch_size=0):
    """What a batch stands for."""
    yield SimpleNamespace(
        create=lambda **values: source.create(**values),
        add=lambda row: row.save(),
        flush=lambda: None,
    )


def outcome(Book, loop, in_batches, mode):
    """The rows, their keys counted from the first, and the error."""
    Book.objects.all().delete()
    start, error = Book.objects.create(n=0).pk, None
    try:
        with MODES[mode]():
            loop(partial(in_batches, batch_size=BATCH))
    except (Exception, KeyboardInterrupt) as caught:
        error = type(caught)
    rows = Book.objects.order_by("pk").values_list("pk", "n", "name")
    return [(pk - start, *values) for pk, *values in rows], error


def check_outcome(Book, loop, mode, error=IntegrityError, *, same_keys=False):
    """Return what is there after the loop, which is the same either way."""
    expected = outcome(Book, loop, row_by_row, mode)
    found = outcome(Book, loop, create_in_batches, mode)
    if not same_keys and connection.vendor != "sqlite":  # others count on after an error
        expected, found = (([row[1:] for row in rows], e) for rows, e in (expected, found))
    assert found == expected
    assert found[1] is error
    return [row[-2] for row in found[0]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [1, 2, BATCH, BATCH + 2, ROWS])
def test_an_error_leaves_the_rows_before_it(shop, mode, bad):
    Book = shop.get_model("shop", "Book")

    def loop(in_batches):
        with in_batches(Book.objects) as books:
            for n in range(1, ROWS + 1):
                books.create(n=0 if n == bad else n)

    left = check_outcome(Book, loop, mode)
    rolled_back = mode == "transaction" or (mode == "manual" and connection.vendor == "postgresql")
    assert left == ([0] if rolled_back else [*range(bad)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [None, "\0", "x" * 41])
def test_a_value_that_the_database_refuses(shop, mode, name):
    Book = shop.get_model("shop", "Book")

    def loop(in_batches):
        with in_batches(Book.objects) as books:
            for n in range(1, ROWS + 1):
                books.add(Book(n=n, name=name if n == BATCH + 2 else "x"))

    _, error = outcome(Book, loop, row_by_row, mode)
    check_outcome(Book, loop, mode, error)


@pytest.mark.parametrize("mode", MODES)
def test_a_relation_to_a_row_that_is_not_there(shop, mode):
    """Of which PostgreSQL and SQLite hear at the end of the transaction, in autocommit of the batch."""
    Book = shop.get_model("shop", "Book")

    def loop(in_batches):
        with in_batches(Book.objects) as books:
            for n in range(1, ROWS + 1):
                books.create(n=n, author_id=n if n == BATCH + 2 else None)

    if mode == "manual" and connection.vendor != "mysql":
        pytest.skip("what the commit refuses is no matter of the batch")
    check_outcome(Book, loop, mode)


@pytest.mark.parametrize("mode", ["transaction", "manual"])
def test_an_error_that_is_caught_within_the_transaction(shop, mode):
    Book = shop.get_model("shop", "Book")

    def loop(in_batches):
        with suppress(IntegrityError), in_batches(Book.objects) as books:
            for n in range(1, ROWS + 1):
                books.create(n=n % 7)
        Book.objects.count()

    _, error = outcome(Book, loop, row_by_row, mode)
    check_outcome(Book, loop, mode, error)


def create_all(Book, numbers):
    with create_in_batches(Book.objects) as books:
        for n in numbers:
            books.create(n=n)


def test_the_keys_after_an_error(shop):
    """The rows before it are inserted twice: in the batch, and one by one."""
    Book = shop.get_model("shop", "Book")
    start = Book.objects.create(n=0).pk
    with pytest.raises(IntegrityError):
        create_all(Book, [1, 2, 0, 3])
    found = Book.objects.filter(n__gt=0).order_by("n").values_list("pk", flat=True)
    keys = [pk - start for pk in found]
    taken = {"sqlite": 0, "postgresql": 3}.get(connection.vendor, keys[0] - 1)
    assert keys == [taken + 1, taken + 2]


def test_a_key_that_the_sequence_comes_to(shop):
    """PostgreSQL counts on after the batch that met it; `create()` would fail once, and then count on."""
    if connection.vendor != "postgresql":
        pytest.skip("knows of keys that are given")
    Book = shop.get_model("shop", "Book")
    start = Book.objects.create(n=0).pk
    Book.objects.create(pk=start + 1, n=1)
    with pytest.raises(IntegrityError):
        create_all(Book, [2])
    Book.objects.create(pk=start + 2, n=2)
    create_all(Book, [3, 4])
    assert [Book.objects.get(n=n).pk - start for n in (3, 4)] == [3, 4]


def test_the_error_of_the_row_comes_without_that_of_its_batch(shop):
    with pytest.raises(IntegrityError) as caught:
        create_all(shop.get_model("shop", "Book"), [1, 1])
    assert not isinstance(caught.value.__context__, DatabaseError)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, DatabaseError])
def test_an_error_of_the_block_leaves_what_was_created(shop, mode, error):
    Book = shop.get_model("shop", "Book")

    def loop(in_batches):
        with in_batches(Book.objects) as books:
            for n in range(1, BATCH + 3):
                books.create(n=n)
            raise error

    check_outcome(Book, loop, mode, error, same_keys=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("query", [True, False])
def test_an_error_of_a_query_in_the_block(shop, mode, query):
    """Django does not know of an error of SQL that the transaction is broken."""
    Book = shop.get_model("shop", "Book")

    def loop(in_batches):
        with in_batches(Book.objects) as books:
            for n in range(1, BATCH + 3):
                books.create(n=n)
            if query:
                Book.objects.create(n=0)
            else:
                connection.cursor().execute("SELECT nothing FROM nowhere")

    _, error = outcome(Book, loop, row_by_row, mode)
    check_outcome(Book, loop, mode, error)


@pytest.mark.parametrize("mode", MODES)
def test_an_earlier_error_of_a_row_comes_before_that_of_the_block(shop, mode):
    Book = shop.get_model("shop", "Book")

    def loop(in_batches):
        with in_batches(Book.objects) as books:
            books.create(n=0)
            raise DatabaseError("of the block")

    check_outcome(Book, loop, mode)


def collect(Book, numbers):
    with create_in_batches(Book.objects) as books:
        for n in numbers:
            books.append(Book(n=int(n)))


@pytest.mark.parametrize(
    ("numbers", "error"), [((1, 2, 1), IntegrityError), ((1, 2, "x"), ValueError)]
)
def test_a_list_is_inserted_as_a_whole(shop, numbers, error):
    """Or not at all, as by `bulk_create()`, also where the block did not collect it to its end."""
    Book = shop.get_model("shop", "Book")
    with pytest.raises(error):
        collect(Book, numbers)
    assert not Book.objects.exists()


def test_an_error_of_a_list_ends_the_transaction(shop):
    Book = shop.get_model("shop", "Book")
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            collect(Book, [1, 1])
        assert connection.needs_rollback


def test_batches_end_by_number_and_by_size(shop):
    Book = shop.get_model("shop", "Book")
    with (
        CaptureQueriesContext(connection) as queries,
        create_in_batches(Book.objects, batch_size=3) as books,
    ):
        for n in range(7):
            books.create(n=n)
    assert inserts(queries) == 3
    with CaptureQueriesContext(connection) as queries, create_in_batches(Book.objects) as books:
        for _ in range(10):
            books.create(text="x" * 300_000)
    assert inserts(queries) == 3
    with pytest.raises(ValueError, match="batch_size"), create_in_batches(Book, batch_size=0):
        pass


def test_many_rows_of_many_columns(shop):
    """More values than SQLite takes in one statement."""
    Book = shop.get_model("shop", "Book")
    with create_in_batches(Book.objects) as books:
        for n in range(2300):
            books.create(n=n)
    assert list(Book.objects.order_by("pk").values_list("n", flat=True)) == list(range(2300))


def test_the_log_of_statements_stays_short(shop):
    Author = shop.get_model("shop", "Author")
    with override_settings(DEBUG=True):
        connection.queries_log.clear()
        with create_in_batches(Author.objects, batch_size=2) as authors:
            for n in range(20):
                authors.create(name=str(n))
        assert len(connection.queries_log) <= 1


def test_both_batches_in_one_block(shop):
    Author, Book = shop.get_model("shop", "Author"), shop.get_model("shop", "Book")
    Author.objects.bulk_create([Author(name=str(n)) for n in range(5)])
    with update_in_batches("name") as batch, create_in_batches(Book.objects) as books:
        for author in Author.objects.all():
            author.name += "!"
            batch.save(author)
            books.create(name=author.name, author=author)
    assert Book.objects.filter(name=F("author__name")).count() == 5


def test_nothing_waits_for_long(shop):
    """The rows that wait hold their values and nothing of the rows that they were made of."""
    Book, Author = shop.get_model("shop", "Book"), shop.get_model("shop", "Author")
    author = Author.objects.create(name="a")
    with create_in_batches(Book.objects) as books:
        books.create(author=author)
        _, row = books._waiting[0]
        assert row.author_id == author.pk
        assert author not in vars(row).values()
