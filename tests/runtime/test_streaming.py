"""The loop over a stream sees what the plain loop sees, in flat memory, on every database."""

from __future__ import annotations

import asyncio
import copyreg
import io
import itertools
import pickle
import sys
import tracemalloc
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any

import django
import pytest
from django.apps.registry import Apps
from django.core.exceptions import SynchronousOnlyOperation
from django.db import IntegrityError, connection, connections, migrations, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, Func, Model, Prefetch, Q, Window
from django.db.models.functions import Lower, RowNumber
from django.db.models.query import ModelIterable
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext, override_settings

from tests import databases
from tests.runtime import helper as streaming
from tests.runtime.helper import stream, stream_sql
from tests.runtime.historical import made

BOOKS = 20
CHUNK = 3  # many chunks, the last one not full
ENOUGH = 1000  # rows after which a loop will not end

OPERATIONS: list[migrations.CreateModel] = [
    migrations.CreateModel(
        "Author",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=40)),
        ],
    ),
    migrations.CreateModel(
        "Tag",
        [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=40))],
    ),
    migrations.CreateModel(
        "Book",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("n", models.IntegerField(db_index=True)),
            ("title", models.TextField()),
            ("printed", models.DateTimeField(null=True)),
            ("author", models.ForeignKey("shop.Author", models.CASCADE, null=True)),
            ("tags", models.ManyToManyField("shop.Tag")),
        ],
    ),
    migrations.CreateModel(
        "Thing",
        [
            ("id", models.UUIDField(primary_key=True)),
            ("binary", models.BinaryField(null=True)),
            ("json", models.JSONField(null=True)),
            ("decimal", models.DecimalField(max_digits=20, decimal_places=6, null=True)),
            ("moment", models.DateTimeField(null=True)),
            ("day", models.DateField(null=True)),
            ("hour", models.TimeField(null=True)),
            ("span", models.DurationField(null=True)),
            ("flag", models.BooleanField(null=True)),
            ("real", models.FloatField(null=True)),
            ("address", models.GenericIPAddressField(null=True)),
            ("file", models.FileField(null=True)),
        ],
    ),
]
if django.VERSION >= (5, 2):
    OPERATIONS.append(
        migrations.CreateModel(
            "Pair",
            [
                ("pk", models.CompositePrimaryKey("left", "right")),
                ("left", models.IntegerField()),
                ("right", models.IntegerField()),
            ],
        )
    )


only_postgresql = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
only_mariadb = pytest.mark.parametrize(
    "database", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True
)
on_one_database = pytest.mark.parametrize("database", ["sqlite-memory"], indirect=True)


class Endless(Exception):
    pass


@pytest.fixture
def shop(database: BaseDatabaseWrapper) -> Apps:
    """A historical registry whose tables are there and empty."""
    return made(OPERATIONS, database)


def fill(apps: Apps) -> None:
    for name in ("Book", "Author", "Tag"):
        apps.get_model("shop", name).objects.all().delete()
    author, book, tag = (apps.get_model("shop", name) for name in ("Author", "Book", "Tag"))
    author.objects.bulk_create(author(id=i, name=f"author {i}") for i in range(1, 5))
    tag.objects.bulk_create(tag(id=i, name=f"tag {i}") for i in range(1, 4))
    start = datetime(2020, 1, 31, tzinfo=timezone.utc)
    book.objects.bulk_create(
        book(
            id=i,
            n=(i * 7) % BOOKS,
            title=f"title {i} 100%",
            printed=start + timedelta(days=i),
            author_id=i % 4 + 1,
        )
        for i in range(1, BOOKS + 1)
    )
    through = book.tags.through
    through.objects.bulk_create(
        through(book_id=i, tag_id=t) for i in range(1, BOOKS + 1) for t in range(1, i % 3 + 1)
    )


def seen(row: Any) -> Any:
    """What there is to compare of a row, as it is now."""
    if not isinstance(row, Model):
        return type(row).__name__, row
    values = {k: v for k, v in vars(row).items() if not k.startswith("_")}
    return row._meta.label, row._state.db, row._state.adding, values


def watched(rows: Iterable[Any], into: list[Any]) -> Iterator[Any]:
    for row in rows:
        into.append(seen(row))
        if len(into) > ENOUGH:
            raise Endless
        yield row


Rows = Callable[[Any], Iterable[Any]]
Scenario = Callable[[Apps, Rows], None]
BLOCKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "transaction": transaction.atomic,
    "autocommit": nullcontext,
}


def outcome(apps: Apps, scenario: Scenario, block: str, rows: Rows) -> tuple[list[Any], list[Any]]:
    """The rows that a loop sees and the table that it leaves behind."""
    fill(apps)
    visited: list[Any] = []
    with BLOCKS[block]():
        scenario(apps, lambda source: watched(rows(source), visited))
    return visited, [seen(book) for book in apps.get_model("shop", "Book").objects.order_by("pk")]


def streamed(source: Any) -> Iterator[Any]:
    return stream(source, chunk_size=CHUNK)


def spooled(source: Any) -> Iterator[Any]:
    return stream(source, chunk_size=CHUNK, mode="spool")


# --- the body of the loop writes ------------------------------------------------------------------


def moves_rows_along_the_order(apps: Apps, rows: Rows) -> None:
    for book in rows(apps.get_model("shop", "Book").objects.order_by("n")):
        book.n += 100_000
        book.save()


def moves_rows_along_the_filtered_index(apps: Apps, rows: Rows) -> None:
    for book in rows(apps.get_model("shop", "Book").objects.filter(n__gte=0).order_by("n")):
        book.n += 100_000
        book.save(update_fields=["n"])


def takes_rows_ahead_out_of_the_filter(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    for book in rows(manager.filter(n__lt=15).order_by("n")):
        manager.filter(n=book.n + 10).update(n=500)


def changes_values_ahead(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    for book in rows(manager.order_by("n")):
        manager.filter(n=book.n + 5).update(title=f"changed by {book.pk}")


def inserts_rows(apps: Apps, rows: Rows) -> None:
    model = apps.get_model("shop", "Book")
    for book in rows(model.objects.order_by("id")):
        model.objects.create(pk=book.pk + 5000, n=book.n + 50, title="new")


def deletes_rows_ahead(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    for book in rows(manager.order_by("pk")):
        manager.filter(pk=book.pk + 8).delete()


def deletes_all_rows_at_once(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    for _ in rows(manager.order_by("pk")):
        manager.all().delete()


def deletes_each_row(apps: Apps, rows: Rows) -> None:
    for book in rows(apps.get_model("shop", "Book").objects.order_by("n")):
        book.delete()


def writes_in_a_loop_within_the_loop(apps: Apps, rows: Rows) -> None:
    books, authors = (apps.get_model("shop", name).objects for name in ("Book", "Author"))
    for author in rows(authors.order_by("pk")):
        for book in rows(author.book_set.order_by("n")):
            book.n, book.title = book.n + 1000, f"{author.name}: {book.title}"
            book.save()
        books.filter(author_id=author.pk + 1).update(title="next")


def rolls_a_savepoint_back(apps: Apps, rows: Rows) -> None:
    model = apps.get_model("shop", "Book")
    for book in rows(model.objects.order_by("n")):
        try:
            with transaction.atomic():
                model.objects.filter(pk=book.pk).update(title="lost")
                model.objects.create(pk=book.pk if book.n % 3 else book.pk + 7000, n=1, title="x")
        except IntegrityError:
            pass


def stops_early(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    for book in rows(manager.order_by("n")):
        manager.filter(pk=book.pk).update(title="seen")
        if book.n == 7:
            break
    manager.filter(n=8).delete()


def fails_half_way(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    try:
        for book in rows(manager.order_by("n")):
            manager.filter(pk=book.pk).update(title="seen")
            if book.n == 7:
                raise KeyError
    except KeyError:
        manager.filter(n=8).delete()


def locks_rows_and_changes_those_ahead(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    with transaction.atomic():
        for book in rows(manager.select_for_update().order_by("n")):
            manager.filter(n=book.n + 4).update(title=F("title"))


def locks_rows_in_a_subquery_and_changes_those_ahead(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    with transaction.atomic():
        locked = manager.select_for_update().values("pk")
        for book in rows(manager.filter(pk__in=locked).order_by("pk")):
            manager.filter(pk=book.pk + 6).update(title=F("title"))


def loops_over_raw_sql(apps: Apps, rows: Rows) -> None:
    model = apps.get_model("shop", "Book")
    query = "SELECT id, n, n + 1 AS following FROM shop_book WHERE n >= %s ORDER BY n"
    for book in rows(model.objects.raw(query, [3])):
        book.n += book.following + 100_000
        book.save(update_fields=["n"])


def loops_over_tuples(apps: Apps, rows: Rows) -> None:
    manager = apps.get_model("shop", "Book").objects
    for pk, n in rows(manager.order_by("n").values_list("pk", "n")):
        manager.filter(pk=pk).update(n=n + 100_000)


WRITING: list[Scenario] = [
    moves_rows_along_the_order,
    moves_rows_along_the_filtered_index,
    takes_rows_ahead_out_of_the_filter,
    changes_values_ahead,
    inserts_rows,
    deletes_rows_ahead,
    deletes_all_rows_at_once,
    deletes_each_row,
    writes_in_a_loop_within_the_loop,
    rolls_a_savepoint_back,
    stops_early,
    fails_half_way,
    locks_rows_and_changes_those_ahead,
    locks_rows_in_a_subquery_and_changes_those_ahead,
    loops_over_raw_sql,
    loops_over_tuples,
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_loop_that_writes_ends_as_the_plain_loop_does(shop: Apps, block: str) -> None:
    for scenario in WRITING:
        plain = outcome(shop, scenario, block, iter)
        assert outcome(shop, scenario, block, streamed) == plain, scenario.__name__
        assert outcome(shop, scenario, block, spooled) == plain, scenario.__name__


# --- the body of the loop does what no open cursor survives ---------------------------------------


def alters_the_table(apps: Apps, rows: Rows) -> None:
    for number, _ in enumerate(rows(apps.get_model("shop", "Book").objects.order_by("n"))):
        if number in (0, 5):
            with connection.cursor() as cursor:
                action = "ADD COLUMN later integer" if number == 0 else "DROP COLUMN later"
                cursor.execute(f"ALTER TABLE shop_book {action}")


def makes_and_drops_another_table(apps: Apps, rows: Rows) -> None:
    for _ in rows(apps.get_model("shop", "Book").objects.order_by("n")):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE shop_other (id integer)")
            cursor.execute("DROP TABLE shop_other")


def truncates_the_table(apps: Apps, rows: Rows) -> None:
    for _ in rows(apps.get_model("shop", "Tag").objects.order_by("pk")):
        with connection.cursor() as cursor:
            truncate = "DELETE FROM" if connection.vendor == "sqlite" else "TRUNCATE"
            cursor.execute(f"{truncate} {connection.ops.quote_name('shop_book_tags')}")


def goes_on_after_the_savepoint_it_began_in(apps: Apps, rows: Rows) -> None:
    with transaction.atomic():
        books = iter(rows(apps.get_model("shop", "Book").objects.order_by("n")))
        try:
            with transaction.atomic():
                next(books)
                raise KeyError
        except KeyError:
            pass
        for book in books:
            book.title = "after"
            book.save()


@pytest.mark.parametrize("block", BLOCKS)
def test_a_spooled_loop_may_change_the_schema_and_outlive_its_savepoint(
    shop: Apps, block: str
) -> None:
    for scenario in (
        alters_the_table,
        makes_and_drops_another_table,
        truncates_the_table,
        goes_on_after_the_savepoint_it_began_in,
    ):
        plain = outcome(shop, scenario, block, iter)
        assert outcome(shop, scenario, block, spooled) == plain, scenario.__name__


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_loop_with_transactions_by_hand_may_end_them(shop: Apps, end: str) -> None:
    def ends_the_transaction_after_some_rows(apps: Apps, rows: Rows) -> None:
        transaction.set_autocommit(False)
        for book in rows(apps.get_model("shop", "Book").objects.order_by("n")):
            book.n += 1000
            book.save()
            if book.n % 4 == 0:
                getattr(transaction, end)()
        transaction.commit()
        transaction.set_autocommit(True)

    plain = outcome(shop, ends_the_transaction_after_some_rows, "autocommit", iter)
    for rows in (streamed, spooled):
        assert outcome(shop, ends_the_transaction_after_some_rows, "autocommit", rows) == plain


def test_a_loop_in_autocommit_goes_on_when_the_connection_was_closed(shop: Apps) -> None:
    fill(shop)
    visited = []
    for book in streamed(shop.get_model("shop", "Book").objects.all()):
        connection.close()
        visited.append(book)
    assert len(visited) == BOOKS


# --- kinds of sources -----------------------------------------------------------------------------

SHAPES: dict[str, Callable[[Any], Any]] = {
    "manager": lambda book: book.objects,
    "all": lambda book: book.objects.all(),
    "filter without rows": lambda book: book.objects.filter(n=-1),
    "none": lambda book: book.objects.none(),
    "impossible filter": lambda book: book.objects.filter(pk__in=[]),
    "impossible filter of values": lambda book: book.objects.filter(pk__in=[]).values_list("n"),
    "values": lambda book: book.objects.order_by("pk").values("n", "author__name"),
    "values of all fields": lambda book: book.objects.order_by("pk").values(),
    "values_list": lambda book: book.objects.order_by("pk").values_list("n", "title"),
    "flat": lambda book: book.objects.order_by("pk").values_list("title", flat=True),
    "named": lambda book: book.objects.order_by("pk").values_list("n", "title", named=True),
    "extra columns": lambda book: book.objects.order_by("pk").extra(select={"twice": "n * 2"}),
    "order by an extra column": lambda book: (
        book.objects.extra(select={"twice": "n * 2"}).order_by("-twice").values_list("pk")
    ),
    "dates": lambda book: book.objects.dates("printed", "month"),
    "datetimes": lambda book: book.objects.datetimes("printed", "day", tzinfo=timezone.utc),
    "annotate": lambda book: book.objects.annotate(m=F("n") + 1, low=Lower("title")).order_by("m"),
    "aggregate per row": lambda book: book.objects.annotate(t=Count("tags")).order_by("pk"),
    "group": lambda book: book.objects.values("author").annotate(c=Count("pk")).order_by("author"),
    "window": lambda book: book.objects.annotate(
        place=Window(RowNumber(), order_by=F("n").desc())
    ).order_by("pk"),
    "union": lambda book: (
        book.objects.filter(n__lt=5).union(book.objects.filter(n__gt=15)).order_by("n")
    ),
    "union of values": lambda book: (
        book.objects.values_list("n").union(book.objects.values_list("id"), all=True).order_by("n")
    ),
    "slice": lambda book: book.objects.order_by("-n")[3:14],
    "distinct": lambda book: book.objects.filter(tags__gt=0).distinct().order_by("pk"),
    "duplicates of a join": lambda book: book.objects.filter(tags__gt=0).order_by("pk", "tags"),
    "select_related": lambda book: book.objects.select_related("author").order_by("pk"),
    "only": lambda book: book.objects.only("title").order_by("pk"),
    "defer": lambda book: book.objects.defer("title").order_by("pk"),
    "subquery": lambda book: book.objects.filter(pk__in=book.objects.filter(Q(n=1) | Q(n=4))),
    "percent in a parameter": lambda book: book.objects.filter(title__contains="0%").order_by("pk"),
    "raw": lambda book: book.objects.raw("SELECT id, n AS n FROM shop_book ORDER BY n"),
    "raw with a translation": lambda book: book.objects.raw(
        "SELECT id, n AS number FROM shop_book ORDER BY id", translations={"number": "n"}
    ),
    "raw with named parameters": lambda book: book.objects.raw(
        "SELECT * FROM shop_book WHERE n > %(low)s AND title LIKE '%%' ORDER BY id", {"low": 5}
    ),
    "raw with a comment": lambda book: book.objects.raw("/* why */ SELECT * FROM shop_book;"),
    "list": lambda book: list(book.objects.order_by("pk")),
    "generator": lambda book: (n for n in range(7)),
}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_kind_of_source_gives_the_same_rows(shop: Apps, block: str) -> None:
    fill(shop)
    book = shop.get_model("shop", "Book")
    with BLOCKS[block]():
        for name, source in SHAPES.items():
            made = source(book)
            plain = [seen(row) for row in (made.all() if name == "manager" else made)]
            for rows in (streamed, spooled, stream):
                assert [seen(row) for row in rows(source(book))] == plain, name


@pytest.mark.parametrize("rows", [streamed, spooled])
def test_all_types_of_fields_come_back_as_the_plain_loop_has_them(shop: Apps, rows: Rows) -> None:
    model = shop.get_model("shop", "Thing")
    full = {
        "binary": b"\x00\xff'",
        "json": {"a": [1, None, "ü"]},
        "decimal": Decimal("12345.678900"),
        "moment": datetime(2024, 3, 31, 1, 30, 0, 123456, tzinfo=timezone.utc),
        "day": date(1970, 1, 1),
        "hour": time(23, 59, 59, 999999),
        "span": timedelta(days=-1, microseconds=7),
        "flag": True,
        "real": 0.1,
        "address": "2001:db8::1",
        "file": "a/b.txt",
    }
    model.objects.bulk_create(
        [model(id=uuid.UUID(int=i), **(full if i % 2 else {})) for i in range(10)]
    )
    plain = [
        (seen(row), row.json, bytes(row.binary or b"")) for row in model.objects.order_by("pk")
    ]
    with transaction.atomic():
        given = [
            (seen(row), row.json, bytes(row.binary or b""))
            for row in rows(model.objects.order_by("pk"))
        ]
    assert given == plain
    assert len(given) == 10


@pytest.mark.skipif(django.VERSION < (5, 2), reason="composite primary keys came with Django 5.2")
@pytest.mark.parametrize("rows", [streamed, spooled])
def test_a_composite_primary_key_comes_back(shop: Apps, rows: Rows) -> None:
    model = shop.get_model("shop", "Pair")
    model.objects.bulk_create([model(left=i, right=-i) for i in range(7)])
    with transaction.atomic():
        pairs = rows(model.objects.order_by("pk"))
        assert [pair.pk for pair in pairs] == [(i, -i) for i in range(7)]
        assert list(rows(model.objects.order_by("pk").values_list("pk", flat=True)))[1] == (1, -1)


def test_rows_that_are_not_committed_are_seen(shop: Apps) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    with transaction.atomic():
        manager.create(pk=900, n=900, title="not committed")
        for rows in (streamed, spooled):
            assert [book.pk for book in rows(manager.order_by("pk"))][-1] == 900


def test_a_related_manager_keeps_the_parent_that_is_known(shop: Apps) -> None:
    fill(shop)
    author = shop.get_model("shop", "Author").objects.get(pk=2)
    tag = shop.get_model("shop", "Tag").objects.get(pk=1)
    with CaptureQueriesContext(connection) as queries:
        books = list(streamed(author.book_set))
        assert len(books) == BOOKS // 4
        assert all(book.author is author for book in books)
        assert len(list(streamed(tag.book_set))) == tag.book_set.count()
    assert len(statements(queries, "FROM")) == 3


def test_prefetched_objects_come_per_chunk(shop: Apps) -> None:
    fill(shop)
    book = shop.get_model("shop", "Book")
    tags = Prefetch("tags", shop.get_model("shop", "Tag").objects.order_by("-pk"), to_attr="labels")
    raw = book.objects.raw("SELECT * FROM shop_book ORDER BY id")
    for source in (book.objects.order_by("pk"), raw):
        for lookup, attribute in (("author", "author"), (tags, "labels")):
            plain = [getattr(row, attribute) for row in source.prefetch_related(lookup)]
            with CaptureQueriesContext(connection) as queries:
                rows = list(stream(source.prefetch_related(lookup), chunk_size=8))
                assert [getattr(row, attribute) for row in rows] == plain
            assert len(statements(queries, "FROM")) == 1 + 3  # three chunks of 8, 8 and 4 rows


def test_a_queryset_that_is_evaluated_is_not_queried_again(shop: Apps) -> None:
    fill(shop)
    books = shop.get_model("shop", "Book").objects.all()
    first = list(books)
    author = shop.get_model("shop", "Author").objects.prefetch_related("book_set")[0]
    with CaptureQueriesContext(connection) as queries:
        assert all(a is b for a, b in zip(streamed(books), first, strict=True))
        assert len(list(streamed(author.book_set.all()))) == BOOKS // 4
        assert len(list(streamed(author.book_set))) == BOOKS // 4
    assert not queries


def test_a_queryset_of_a_class_with_its_own_iterable_goes_through_it(shop: Apps) -> None:
    class Shouted(ModelIterable):
        def __iter__(self) -> Iterator[Any]:
            list(type(self.queryset)(self.queryset.model).values_list("pk"))  # a query before
            for row in super().__iter__():
                row.title = row.title.upper()
                yield row

    fill(shop)
    books = shop.get_model("shop", "Book").objects.order_by("n")
    books._iterable_class = Shouted
    titles = []
    for book in streamed(books):
        titles.append(book.title)
        type(book).objects.filter(pk=book.pk).update(n=book.n + 100_000)
    assert len(titles) == BOOKS
    assert titles[0].startswith("TITLE")


def test_a_queryset_with_its_own_way_to_evaluate_is_evaluated_in_its_way(shop: Apps) -> None:
    class Filled(models.QuerySet):
        def _fetch_all(self) -> None:
            super()._fetch_all()
            self._result_cache = [(n, row) for n, row in enumerate(self._result_cache)]

    class Turned(models.QuerySet):
        def __iter__(self) -> Iterator[Any]:
            return reversed([*super().__iter__()])

    fill(shop)
    model = shop.get_model("shop", "Book")
    assert [n for n, _ in streamed(Filled(model).order_by("pk"))] == list(range(BOOKS))
    assert [book.pk for book in streamed(Turned(model).order_by("pk"))][-1] == 1


def test_a_backend_that_asks_for_no_cursor_is_given_the_full_list(
    shop: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    execute = SQLCompiler.execute_sql

    def execute_in_its_own_way(self: Any, *arguments: Any, **options: Any) -> Any:
        vars(self.connection).pop("chunked_cursor", None)  # what the helper hands out
        return execute(self, *arguments, **options)

    monkeypatch.setattr(SQLCompiler, "execute_sql", execute_in_its_own_way)
    more = 150  # rows, for Django to ask its cursor twice
    for block in BLOCKS.values():
        manager.all().delete()
        manager.bulk_create(shop.get_model("shop", "Book")(n=n, title="") for n in range(more))
        visited = []
        with block():
            for n in streamed(manager.order_by("n").values_list("n", flat=True)):
                visited.append(n)
                manager.filter(n=n).update(n=n + 1000)
                if len(visited) > ENOUGH:
                    raise Endless
        assert visited == list(range(more))


class ByTurns:
    """A router that names another database each time it is asked, as one does for replicas."""

    def __init__(self, *aliases: str) -> None:
        self.aliases = itertools.cycle(aliases)

    def db_for_read(self, model: object, **hints: object) -> str:
        return next(self.aliases)


@on_one_database
def test_the_query_runs_where_the_router_said_first(
    shop: Apps, files: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    model = shop.get_model("shop", "Book")
    monkeypatch.setitem(connections.databases, "other", connections.databases["default"])
    other = databases.connected(
        {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}, "other"
    )
    connections["other"] = other
    try:
        with override_settings(DATABASE_ROUTERS=[ByTurns("default", "other")]):
            assert len(list(streamed(model.objects.all()))) == BOOKS
    finally:
        del connections["other"]
    assert files


def test_queries_of_signal_receivers_do_not_disturb_the_query(shop: Apps) -> None:
    fill(shop)
    author, book = (shop.get_model("shop", name) for name in ("Author", "Book"))
    known = []

    def receive(instance: Model, **_: object) -> None:
        known.append(author.objects.count())
        known.extend(streamed(author.objects.values_list("pk", flat=True)))

    models.signals.post_init.connect(receive, sender=book)
    try:
        for rows in (streamed, spooled):
            assert len(list(rows(book.objects.all()))) == BOOKS
            with transaction.atomic():
                assert len(list(rows(book.objects.all()))) == BOOKS
    finally:
        models.signals.post_init.disconnect(receive, sender=book)
    assert known == [4, 1, 2, 3, 4] * BOOKS * 4


@only_postgresql
def test_a_connection_that_is_lost_is_told_as_such(shop: Apps) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    killer = databases.connected(databases.server("postgresql"), "killer")

    def lose_the_connection_half_way() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        for _ in streamed(manager.all()):
            with killer.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    lost = pytest.raises(django.db.DatabaseError, match=r"terminat|closed|lost")
    with closing(killer), lost, transaction.atomic():
        lose_the_connection_half_way()
    assert manager.count() == BOOKS


def test_a_transaction_marked_for_rollback_is_refused_as_by_the_plain_loop(shop: Apps) -> None:
    manager = shop.get_model("shop", "Book").objects
    raised = []
    for rows in (iter, streamed, spooled):
        with transaction.atomic():
            try:
                with transaction.atomic(savepoint=False):
                    manager.extra(where=["nothing_like_it = 1"]).count()
            except django.db.DatabaseError:
                pass
            try:
                list(rows(manager.all()))
            except django.db.DatabaseError as error:
                raised.append((type(error), str(error)))
            transaction.set_rollback(True)
    assert len(raised) == 3
    assert len(set(raised)) == 1


def test_an_interrupt_while_the_rows_are_fetched_leaves_the_connection_fit(
    shop: Apps, files: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    real = streaming._fetch

    def fetch(cursor: Any, chunk_size: int) -> Iterator[Any]:
        yield next(real(cursor, chunk_size))
        raise KeyboardInterrupt

    monkeypatch.setattr(streaming, "_fetch", fetch)
    for block in BLOCKS.values():
        for mode in ("auto", "spool"):
            with block():
                with pytest.raises(KeyboardInterrupt):
                    list(stream(manager.all(), chunk_size=CHUNK, mode=mode))
                assert manager.count() == BOOKS
                assert not is_open(files)


def test_streams_side_by_side_on_one_connection_do_not_mix(shop: Apps) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    with transaction.atomic():
        pairs = zip(
            streamed(manager.order_by("pk")), streamed(manager.order_by("-pk")), strict=True
        )
        sums = {up.pk + down.pk for up, down in pairs}
    assert sums == {BOOKS + 1}


# --- SQL ------------------------------------------------------------------------------------------

STATEMENTS: list[tuple[str, Any]] = [
    ("SELECT id, n FROM shop_book ORDER BY n", None),
    ("SELECT id, '%%' FROM shop_book ORDER BY n", None),
    ("SELECT id, '%%' FROM shop_book WHERE n > %s ORDER BY n", [3]),
    ("SELECT id, '%%' FROM shop_book WHERE n > %(n)s ORDER BY n", {"n": 3}),
    ("SELECT id FROM shop_book WHERE n < 0", []),
    ("\n  (SELECT id FROM shop_book) ; ", None),
    ("WITH low AS (SELECT id FROM shop_book WHERE n < 9) SELECT * FROM low ORDER BY id", None),
    ("-- why\nSELECT id FROM shop_book ORDER BY id", None),
    ('SELECT n AS "update" FROM shop_book ORDER BY n', None),
]


@pytest.mark.parametrize("block", BLOCKS)
def test_sql_gives_the_rows_of_fetchall_as_tuples(shop: Apps, block: str) -> None:
    fill(shop)
    with BLOCKS[block]():
        for sql, params in STATEMENTS:
            if connection.vendor == "sqlite" and sql.lstrip().startswith("("):
                continue
            if connection.vendor == "mysql":
                sql = sql.replace('"', "`")
            with connection.cursor() as cursor:
                cursor.execute(sql, params)
                plain = [tuple(row) for row in cursor.fetchall()]
            for mode in ("auto", "spool"):
                # `connection` is Django's proxy, connections["default"] what is behind it.
                for given in (connection, connections["default"]):
                    rows = list(stream_sql(given, sql, params, chunk_size=CHUNK, mode=mode))
                    assert rows == plain, sql
                    assert all(type(row) is tuple for row in rows)


def test_sql_keeps_its_rows_while_the_loop_uses_the_connection(shop: Apps) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    for block in BLOCKS.values():
        with block():
            for pk, n in (rows := stream_sql(connection, "SELECT id, n FROM shop_book ORDER BY n")):
                manager.filter(pk=pk).update(n=n + 1000)
        assert next(rows, None) is None
    assert sorted(manager.values_list("n", flat=True)) == list(range(2000, 2000 + BOOKS))


# --- nothing is left open -------------------------------------------------------------------------


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The temporary files that were opened."""
    opened: list[Any] = []
    real = streaming.TemporaryFile

    def remembered(**options: Any) -> Any:
        opened.append(real(**options))
        return opened[-1]

    monkeypatch.setattr(streaming, "TemporaryFile", remembered)
    return opened


def is_open(files: list[Any]) -> bool:
    return any(not file.closed for file in files)


def server_cursors() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("block", BLOCKS)
def test_however_a_loop_ends_nothing_stays_open(shop: Apps, files: list[Any], block: str) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    sources: list[Callable[[], Iterator[Any]]] = [
        lambda: streamed(manager.all()),
        lambda: spooled(manager.values_list("n")),
        lambda: streamed(manager.raw("SELECT * FROM shop_book")),
        lambda: stream_sql(connection, "SELECT id FROM shop_book", chunk_size=CHUNK),
    ]
    with BLOCKS[block]():
        for source, end in itertools.product(sources, (by_break, by_error, by_close, list, iter)):
            end(source())
            assert not is_open(files)
            assert connection.vendor != "postgresql" or server_cursors() == 0
            assert {"cursor", "chunked_cursor"}.isdisjoint(vars(connections["default"]))
    with connection.cursor() as cursor:  # would fail if a statement were still being read
        cursor.execute("DROP TABLE shop_book_tags")


def by_break(rows: Iterator[Any]) -> None:
    for _ in rows:
        break


def by_error(rows: Iterator[Any]) -> None:
    try:
        for _ in rows:
            raise KeyError
    except KeyError:
        pass


def by_close(rows: Iterator[Any]) -> None:
    next(rows)
    rows.close()


def test_a_query_that_fails_leaves_nothing_open(shop: Apps, files: list[Any]) -> None:
    manager = shop.get_model("shop", "Book").objects
    bad = "SELECT nothing_like_it FROM shop_book"
    for block in BLOCKS.values():
        for make in (
            lambda: streamed(manager.extra(where=["nothing_like_it = 1"])),
            lambda: streamed(manager.raw(bad)),
            lambda: stream_sql(connection, bad),
        ):
            with pytest.raises(django.db.DatabaseError), block():
                list(make())
            assert not is_open(files)
            assert {"cursor", "chunked_cursor"}.isdisjoint(vars(connections["default"]))
            assert manager.count() == 0


def test_a_stream_runs_its_query_once_and_only_when_a_row_is_asked_for(shop: Apps) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    with CaptureQueriesContext(connection) as queries:
        rows = streamed(manager.all())
        sql = stream_sql(connection, "SELECT id FROM shop_book", chunk_size=CHUNK)
    assert not queries
    with CaptureQueriesContext(connection) as queries:
        assert len(list(rows)) == len(list(sql)) == BOOKS
        manager.get(pk=1)
    assert len(statements(queries, "FROM")) == 3


def statements(queries: CaptureQueriesContext, word: str) -> list[str]:
    return [query["sql"] for query in queries if word in query["sql"]]


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "width"), [(5000, 1000), (80, 100_000)], ids=["many", "wide"])
@pytest.mark.parametrize("block", BLOCKS)
def test_memory_stays_flat_for_many_and_for_wide_rows(
    shop: Apps, number: int, width: int, block: str
) -> None:
    model = shop.get_model("shop", "Book")
    text = "x" * width
    for start in range(0, number, 1000):
        last = min(start + 1000, number)
        model.objects.bulk_create([model(n=n, title=text) for n in range(start, last)])
    with BLOCKS[block]():
        for source in (
            model.objects.all(),
            model.objects.raw("SELECT * FROM shop_book"),
        ):
            next(closing_first(source))  # imports and caches
            tracemalloc.start()
            try:
                assert sum(1 for _ in stream(source)) == number
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < 3_500_000 < number * width


@only_postgresql
def test_memory_stays_flat_for_dictionaries(shop: Apps) -> None:
    sql = "SELECT json_build_object('a', repeat('x', 1000000)) FROM generate_series(1, 60)"
    tracemalloc.start()
    try:
        with transaction.atomic():
            for mode in ("auto", "spool"):
                kinds = {type(value) for (value,) in stream_sql(connection, sql, mode=mode)}
                assert kinds == {dict}
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000


def closing_first(source: Any) -> Iterator[Any]:
    with closing(stream(source)) as rows:
        yield from itertools.islice(rows, 1)


def test_the_query_log_of_debug_does_not_grow_with_the_loop(shop: Apps) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    with override_settings(DEBUG=True):
        connection.queries_log.clear()
        manager.count()
        longest = 0
        keys = stream_sql(connection, "SELECT id FROM shop_book", chunk_size=CHUNK)
        for (pk,) in itertools.chain(streamed(manager.values_list("pk")), keys):
            manager.filter(pk=pk).update(n=1)
            longest = max(longest, len(connection.queries_log))
        left = [entry["sql"] for entry in connection.queries_log]
        connection.queries_log.clear()
    assert longest <= CHUNK + 7  # a chunk of updates, the count, two queries with transactions
    assert "COUNT" in left[0]
    assert not any(sql.startswith("UPDATE") for sql in left)


def test_statements_that_something_captures_are_not_forgotten(shop: Apps) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    with override_settings(DEBUG=True), CaptureQueriesContext(connection) as queries:
        for book in streamed(manager.order_by("pk")):
            manager.filter(pk=book.pk).update(n=1)
    assert len(statements(queries, "UPDATE")) == BOOKS


# --- what each database does ----------------------------------------------------------------------


@only_postgresql
@pytest.mark.parametrize("disabled", [False, True])
def test_postgresql_keeps_the_rows_in_its_cursor_inside_a_transaction(
    shop: Apps, files: list[Any], disabled: bool
) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = disabled
    with transaction.atomic():
        for rows in (
            stream(manager.all()),
            stream(manager.raw("SELECT * FROM shop_book")),
            stream_sql(connection, "SELECT id FROM shop_book"),
        ):
            next(rows)
            assert server_cursors() == 1
            rows.close()
    assert not files


@only_postgresql
def test_postgresql_reads_in_a_short_transaction_of_its_own_in_autocommit(
    shop: Apps, files: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    reading = []
    real = streaming._fetch

    def fetch(cursor: Any, chunk_size: int) -> Iterator[Any]:
        reading.append((not connection.get_autocommit(), server_cursors()))
        yield from real(cursor, chunk_size)

    monkeypatch.setattr(streaming, "_fetch", fetch)
    rows = stream(shop.get_model("shop", "Book").objects.all())
    next(rows)
    assert reading == [(True, 1)]  # a pooler stays with the server connection that has the cursor
    assert server_cursors() == 0
    assert is_open(files)
    assert connection.get_autocommit()
    assert not connection.in_atomic_block


@only_postgresql
def test_postgresql_plans_the_cursor_for_all_rows_and_keeps_the_setting(shop: Apps) -> None:
    manager = shop.get_model("shop", "Book").objects
    with connection.cursor() as cursor, transaction.atomic():
        # A filter for which the planner follows the index for the first rows, and the table for all.
        cursor.execute(
            "INSERT INTO shop_book (n, title) SELECT mod(g * 7919, 100003), 'x' "
            "FROM generate_series(1, 20000) g"
        )
        cursor.execute("ANALYZE shop_book")
        cursor.execute("SET LOCAL random_page_cost = 1.5")
        cursor.execute("SET LOCAL cursor_tuple_fraction = 0.09")
        query = manager.filter(n__lt=20_000).values_list("pk", "n")
        plain = list(query.all())
        assert list(query.iterator()) != plain, "the test shows nothing: both have one plan"
        assert list(stream(query)) == plain
        cursor.execute("SHOW cursor_tuple_fraction")
        assert cursor.fetchone() == ("0.09",)


@only_postgresql
def test_a_function_that_reads_the_table_sees_it_as_it_was(shop: Apps) -> None:
    fill(shop)
    manager = shop.get_model("shop", "Book").objects
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION title_of(key bigint) RETURNS text LANGUAGE sql VOLATILE "
            "AS 'SELECT title FROM shop_book WHERE id = key'"
        )
    titled = manager.annotate(
        found=Func("pk", function="title_of", output_field=models.TextField())
    )
    with transaction.atomic():
        for book in stream(titled.order_by("pk"), chunk_size=CHUNK):
            manager.all().update(title="changed")
            assert book.found == f"title {book.pk} 100%"


LONG = 200_000
LONG_STATEMENTS = {
    "a literal": f"SELECT '{'a' * LONG}' FROM t",
    "words": f"SELECT {'a ' * LONG} FROM t",
    "quotes": f"SELECT {chr(34) * LONG} FROM t",
    "parentheses": f"SELECT {'(' * LONG}",
    "spaces": f"SELECT a{' ' * LONG}(b) FROM t",
    "spaces of a lock": f"SELECT a FROM t for{' ' * LONG}no{' ' * LONG}key{' ' * LONG}x",
    "half a lock": f"SELECT {'for no key ' * LONG}",
    "lines": f"{chr(10) * LONG}SELECT a FROM t",
    "comments": f"{'/**/' * LONG}SELECT a FROM t",
    "lines of comments": f"{'-- ' * LONG}{'--' * LONG}\nSELECT a FROM t",
    "a comment without an end": f"/*{'*' * LONG}",
    "semicolons": f"SELECT a FROM t{'; ' * LONG}",
}


@pytest.mark.parametrize("name", LONG_STATEMENTS)
def test_long_statements_are_looked_at_in_no_time(name: str) -> None:
    """Twice as long, twice the time: a literal of 40 KB took a minute when that was squared."""
    there = SimpleNamespace(vendor="postgresql", in_atomic_block=True)
    started = process_time()
    streaming._stays_on_server(there, LONG_STATEMENTS[name], "auto")
    assert process_time() - started < 5


@only_postgresql
def test_parameters_of_unknown_type_are_bound_as_in_the_plain_loop(shop: Apps) -> None:
    fill(shop)
    sql = "SELECT concat(%s, %s, '%%'), coalesce(%s, title) FROM shop_book ORDER BY id"
    params = ["a%", 1, None]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        plain = cursor.fetchall()
    assert plain[0][0] == "a%1%"
    with transaction.atomic():
        assert list(stream_sql(connection, sql, params, mode="server")) == plain
        assert list(stream_sql(connection, sql, params, mode="spool")) == plain


SERVED = [
    'SELECT "t"."a", COUNT(*) FILTER (WHERE (a > 1)) FROM t WHERE a IN (1, 2) GROUP BY 1;\n',
    "-- why\n/* all\nof it */ SELECT a FROM t",
    "/*** why **/ /**/ SELECT a FROM t",
    "( SELECT a FROM t ) UNION (VALUES (1))",
    "WITH x AS (SELECT LOWER (a)::varchar(3) FROM t) SELECT updated FROM x",
]
NOT_SERVED = [
    "SELECT a FROM t FOR UPDATE",
    "SELECT a FROM t FOR NO KEY UPDATE OF t",
    "SELECT a FROM t WHERE b IN (SELECT b FROM u FOR  SHARE SKIP LOCKED)",
    "SELECT own(a) FROM t",
    'SELECT "lower" (a) FROM t',
    "SELECT own/**/(a) FROM t",
    "SELECT own/* lower */(a) FROM t",
    "SELECT own -- lower\n(a) FROM t",
    "SELECT own -- (lower\n(a) FROM t",
    "SELECT own -- (lower\r\n\n (a) FROM t",
    "SELECT lower.own(a) FROM t",
    "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x",
    "SELECT a INTO u FROM t",
    "SELECT a FROM t; SELECT a FROM u",
    "UPDATE t SET a = 1 RETURNING a",
    "EXPLAIN SELECT a FROM t",
    "/* a */ -- b\n" * 60 + "EXPLAIN SELECT a FROM t",  # decided at once, however many there are
]


@pytest.mark.parametrize("vendor", ["postgresql", "oracle"])
@pytest.mark.parametrize("inside", [True, False])
def test_the_server_keeps_what_only_reads_inside_a_transaction(vendor: str, inside: bool) -> None:
    there = SimpleNamespace(vendor=vendor, in_atomic_block=inside)
    for sql in SERVED:
        assert streaming._stays_on_server(there, sql, "auto") is inside, sql
        assert streaming._stays_on_server(there, sql, "spool") is False, sql
        if inside:
            assert streaming._stays_on_server(there, sql, "server") is True, sql
    for sql in NOT_SERVED:
        assert streaming._stays_on_server(there, sql, "auto") is False, sql


@only_postgresql
def test_a_statement_that_writes_and_returns_rows_runs_in_full(shop: Apps) -> None:
    fill(shop)
    sql = "UPDATE shop_book SET n = n + 1 WHERE n < %s RETURNING n"
    with transaction.atomic():
        rows = stream_sql(connection, sql, [10], chunk_size=CHUNK)
        next(rows)
        rows.close()
    assert shop.get_model("shop", "Book").objects.filter(n=10).count() == 2


@only_postgresql
def test_values_that_cannot_be_pickled_are_kept_in_memory(shop: Apps) -> None:
    types = pytest.importorskip("psycopg.types.composite")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TYPE place AS (x integer, y integer)")
        info = types.CompositeInfo.fetch(connection.connection, "place")
        types.register_composite(info, connection.connection)
    sql = (
        "SELECT g, CASE WHEN g BETWEEN 4 AND 7 THEN (g, 1)::place END FROM generate_series(1, 20) g"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        plain = cursor.fetchall()
    assert plain[5][1].x == 6
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(plain[5])
    assert list(stream_sql(connection, sql, chunk_size=2)) == plain


@only_postgresql
@pytest.mark.parametrize(
    "narrow",
    [
        lambda books: books.select_for_update(),
        lambda books: books.annotate(r=Func(function="random", output_field=models.FloatField())),
    ],
)
def test_server_mode_refuses_what_the_server_cannot_keep(
    shop: Apps, narrow: Callable[[Any], Any]
) -> None:
    manager = shop.get_model("shop", "Book").objects
    with transaction.atomic(), pytest.raises(ValueError, match='mode="server" cannot keep'):
        next(stream(narrow(manager), mode="server"))


@only_postgresql
def test_server_mode_needs_a_transaction(shop: Apps) -> None:
    with pytest.raises(ValueError, match=r"on postgresql, not inside atomic\(\)"):
        next(stream(shop.get_model("shop", "Book").objects.all(), mode="server"))


@only_mariadb
def test_mariadb_sends_the_rows_unbuffered_and_its_other_cursors_stay_as_they_were(
    shop: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    used = []
    real = streaming._fetch

    def fetch(cursor: Any, chunk_size: int) -> Iterator[Any]:
        used.append(type(cursor.cursor.cursor).__mro__)
        yield from real(cursor, chunk_size)

    monkeypatch.setattr(streaming, "_fetch", fetch)
    cursorclass = connection.connection.cursorclass
    manager = shop.get_model("shop", "Book").objects
    for _ in stream(manager.all(), chunk_size=CHUNK):
        assert manager.count() == BOOKS  # "commands out of sync" if rows were still on their way
    assert ["SSCursor" in [kind.__name__ for kind in kinds] for kinds in used] == [True]
    assert connection.connection.cursorclass is cursorclass


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True
)
def test_server_mode_is_refused_where_there_is_no_such_cursor(shop: Apps) -> None:
    with transaction.atomic(), pytest.raises(ValueError, match=r"on (sqlite|mysql), inside atomic"):
        next(stream(shop.get_model("shop", "Book").objects.all(), mode="server"))


# --- arguments, and what needs no database of its own ---------------------------------------------


@on_one_database
def test_progress_is_told_after_each_chunk_and_at_the_end(shop: Apps) -> None:
    fill(shop)
    told: list[int] = []
    for source in (shop.get_model("shop", "Book").objects.all(), range(BOOKS), range(6), []):
        list(stream(source, chunk_size=8 if source else 1, progress=told.append))
    assert told == [8, 16, 20, 8, 16, 20, 6]


@on_one_database
@pytest.mark.parametrize("wrong", [{"chunk_size": 0}, {"mode": "fast"}])
def test_a_wrong_argument_is_refused_at_the_call(shop: Apps, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        stream(shop.get_model("shop", "Book").objects.all(), **wrong)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        stream_sql(connection, "SELECT 1", **wrong)


@on_one_database
def test_the_temporary_file_lies_where_it_is_told(
    shop: Apps, tmp_path: Path, files: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    missing = str(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="missing"):
        next(stream(shop.get_model("shop", "Book").objects.all(), directory=missing))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_reported_with_what_to_do(
    shop: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    full = partial(open, "/dev/full", "w+b")
    monkeypatch.setattr(streaming, "TemporaryFile", lambda **_: full())
    manager = shop.get_model("shop", "Book").objects
    for block in BLOCKS.values():
        with block():
            for rows in (spooled(manager.all()), stream(manager.all(), mode="spool")):
                with pytest.raises(OSError, match=r"No space left .* set TMPDIR"):
                    next(rows)
                assert manager.count() == BOOKS  # the connection is fit for use


def test_a_stream_refuses_to_run_in_an_event_loop_as_the_plain_loop_does(
    database: BaseDatabaseWrapper, shop: Apps
) -> None:
    source = shop.get_model("shop", "Book").objects.all()

    async def body(rows: Rows) -> None:
        connections["default"] = database  # each task has its own
        for _ in rows(source):
            pass

    for rows in (iter, streamed, spooled):
        with pytest.raises(SynchronousOnlyOperation):
            asyncio.run(body(rows))


class Lob:
    """As Oracle's driver gives large values: to be read while the cursor is open, not to be pickled."""

    __reduce__ = None

    def __init__(self, value: str | bytes | None) -> None:
        self.read = lambda: value


def test_large_values_that_a_driver_gives_as_objects_are_read_into_the_file() -> None:
    driver = SimpleNamespace(Database=SimpleNamespace(LOB=Lob))
    spool = streaming._Spool(io.BytesIO(), driver)
    spool.write([(1, Lob("text"), Lob(b"bytes"), Lob(None), memoryview(b"view").cast("c"))])
    spool.write([(2, None, None, None, None)])
    rows = [row for block in spool.read() for row in block]
    assert rows == [
        (1, "text", b"bytes", None, memoryview(b"view").cast("c")),
        (2, None, None, None, None),
    ]
    assert memoryview not in copyreg.dispatch_table


def test_the_helper_imports_only_the_standard_library_and_django() -> None:
    source = Path(streaming.__file__).read_text(encoding="utf-8")
    imported = {
        line.split()[1].split(".")[0]
        for line in map(str.strip, source.splitlines())
        if line.startswith(("import ", "from ")) and not line.startswith("from __future__")
    }
    assert imported <= {*sys.stdlib_module_names, "django"}
    assert streaming.HELPER_VERSION == 1


# --- the databases of the tests themselves --------------------------------------------------------


@pytest.mark.parametrize("ci", [False, True])
def test_a_server_that_does_not_answer_skips_its_tests_and_fails_them_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: bool
) -> None:
    monkeypatch.setenv("MIGFIX_TEST_POSTGRESQL", "postgresql://nobody@127.0.0.1:1/test")
    monkeypatch.setenv("CI", "true") if ci else monkeypatch.delenv("CI", raising=False)
    databases.unavailable.cache_clear()
    try:
        expected = pytest.fail.Exception if ci else pytest.skip.Exception
        with pytest.raises(expected, match=r"127.0.0.1:1/test .* set MIGFIX_TEST_POSTGRESQL"):
            databases.configuration("postgresql", tmp_path)
    finally:
        databases.unavailable.cache_clear()
