"""A batch of updates by key leaves what one `filter(pk=key).update()` after another leaves, on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import django
import pytest
from django.apps.registry import Apps
from django.db import DatabaseError, connection, migrations, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext

from tests.databases import MODES, ONE_SQLITE
from tests.running import read_tables
from tests.runtime import helper
from tests.runtime.helper import update_by_key
from tests.runtime.historical import made

pytestmark = [
    pytest.mark.usefixtures("together"),
    pytest.mark.parametrize("database", ONE_SQLITE, indirect=True),
]


class Hiding(models.Manager):  # type: ignore[type-arg]
    use_in_migrations = True

    def get_queryset(self) -> Any:
        return super().get_queryset().exclude(pk=3)


class Choosing(models.Manager):  # type: ignore[type-arg]
    use_in_migrations = True

    def filter(self, *args: Any, **lookups: Any) -> Any:
        return super().filter(*args, **lookups).exclude(pk=3)


class Shouting(models.QuerySet):  # type: ignore[type-arg]
    def update(self, **values: Any) -> Any:
        return super().update(**{name: f"{value}!" for name, value in values.items()})


class ShoutingManager(models.Manager.from_queryset(Shouting)):  # type: ignore[misc]
    use_in_migrations = True


class Joined(models.CharField):  # type: ignore[type-arg]
    """A field that sends SQL."""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return value and Concat(Value(value), Value("!")).resolve_expression()


KEY = ("id", models.IntegerField(primary_key=True))
NAME = ("name", models.CharField(max_length=9, default=""))
OPERATIONS = [
    migrations.CreateModel("Shelf", [KEY, NAME]),
    migrations.CreateModel(
        "Book",
        [
            KEY,
            NAME,
            ("n", models.IntegerField(null=True)),
            ("place", models.IntegerField(unique=True)),
            ("price", models.DecimalField(max_digits=9, decimal_places=2, null=True)),
            ("real", models.FloatField(null=True)),
            ("day", models.DateField(null=True)),
            ("moment", models.DateTimeField(null=True)),
            ("span", models.DurationField(null=True)),
            ("uuid", models.UUIDField(null=True)),
            ("address", models.GenericIPAddressField(null=True)),
            ("blob", models.BinaryField(null=True)),
            ("data", models.JSONField(null=True)),
            ("file", models.FileField(null=True)),
            ("shelf", models.ForeignKey("shop.Shelf", models.CASCADE, null=True)),
            ("changed", models.DateTimeField(auto_now=True)),
            ("joined", Joined(max_length=9, null=True)),
        ],
    ),
    migrations.CreateModel(
        "Poem",
        [("book_ptr", models.OneToOneField("shop.Book", models.CASCADE, parent_link=True, primary_key=True))],
        bases=("shop.book",),
    ),
    migrations.CreateModel("Alias", [], options={"proxy": True}, bases=("shop.book",)),
    migrations.CreateModel("Code", [("code", models.CharField(max_length=9, primary_key=True)), NAME]),
    migrations.CreateModel("Token", [("id", models.UUIDField(primary_key=True)), NAME]),
    migrations.CreateModel("Hidden", [KEY, NAME], managers=[("objects", Hiding())]),
    migrations.CreateModel("Chosen", [KEY, NAME], managers=[("objects", Choosing())]),
    migrations.CreateModel("Loud", [KEY, NAME], managers=[("objects", ShoutingManager())]),
]  # fmt: skip
COUNT = 9
Loop = Callable[[Any, Apps], None]
START = datetime(2020, 1, 1, tzinfo=timezone.utc)


TABLES = ("Poem", "Book", "Shelf", "Code", "Token", "Hidden", "Chosen", "Loud")


@pytest.fixture
def shop(database: BaseDatabaseWrapper) -> Apps:
    """A historical registry whose tables are there."""
    apps = made(OPERATIONS, database)
    fill(apps)
    return apps


def fill(apps: Apps) -> None:
    """Put the rows into the tables that each way starts from."""
    get = partial(apps.get_model, "shop")
    for name in TABLES:
        get(name)._base_manager.all()._raw_delete("default")
    numbers = range(1, COUNT + 1)
    get("Shelf").objects.bulk_create([get("Shelf")(id=n) for n in (1, 2)])
    books = [get("Book")(id=n, name=f"b{n}", place=n, n=n) for n in numbers]
    get("Book").objects.bulk_create(books)
    get("Book").objects.update(changed=START)
    get("Poem")(book_ptr_id=1).save_base(raw=True)
    for name, keys in {
        "Code": ["ä", "B", "c", "e"],
        "Token": [UUID(int=n) for n in numbers],
        "Hidden": numbers,
        "Chosen": numbers,
        "Loud": numbers,
    }.items():
        get(name)._base_manager.bulk_create([get(name)(pk=key) for key in keys])


def error_of(loop: Loop, apps: Apps, name: str, *, batched: bool) -> Exception | None:
    """Run a loop over updates of the model's rows, in a batch or not."""
    model = apps.get_model("shop", name)
    around: Any = update_by_key(model.objects) if batched else nullcontext(model.objects)
    try:
        with around as rows:
            loop(rows, apps)
    except Exception as error:
        return error
    return None


def same(
    loop: Loop,
    apps: Apps,
    name: str = "Book",
    mode: str = "autocommit",
    raises: type[Exception] | None = None,
) -> None:
    """Both ways leave the same rows and the same kind of error; the plain one is as said."""
    found = []
    for batched in (False, True):
        fill(apps)
        before = read_tables(connection)
        with MODES[mode]():
            error = error_of(loop, apps, name, batched=batched)
            broken = connection.vendor == "postgresql" and isinstance(error, DatabaseError)
            if error is None or not (mode == "transaction" or (mode == "manual" and broken)):
                left = read_tables(connection)
            elif mode == "manual":
                left = {}  # the transaction is broken
                connection.rollback()
            else:
                left = {}
                connection.set_rollback(True)
        assert left != before or raises
        found.append((type(error), left))
    assert issubclass(found[0][0], raises or type(None))
    assert found[0] == found[1]


def update(**values: Any) -> Loop:
    def loop(rows: Any, apps: Apps) -> None:
        for key in range(1, COUNT + 1):
            rows.filter(pk=key).update(
                **{n: v(key) if callable(v) else v for n, v in values.items()}
            )

    return loop


def over(*pairs: tuple[Any, dict[str, Any]], by: str = "pk") -> Loop:
    """A loop that updates the rows with these keys, one after another."""

    def loop(rows: Any, apps: Apps) -> None:
        for key, values in pairs:
            rows.filter(**{by: key}).update(**values)

    return loop


def with_shelves(rows: Any, apps: Apps) -> None:
    for shelf in apps.get_model("shop", "Shelf").objects.order_by("pk"):
        rows.filter(pk=shelf.pk).update(shelf=shelf)
        rows.filter(pk=shelf.pk + 3).update(shelf_id=shelf.pk)
        rows.filter(pk=shelf.pk + 5).update(shelf=shelf.pk)


def with_an_unsaved_shelf(rows: Any, apps: Apps) -> None:
    rows.filter(pk=1).update(shelf=2)
    rows.filter(pk=2).update(shelf=apps.get_model("shop", "Shelf")())


def with_a_document_that_changes(rows: Any, apps: Apps) -> None:
    data: dict[str, list[int]] = {"seen": []}
    for key in range(1, 6):
        data["seen"].append(key)
        rows.filter(pk=key).update(data=data)
    data["seen"].append(99)


def with_objects_in_memory(rows: Any, apps: Apps) -> None:
    for book in apps.get_model("shop", "Book").objects.order_by("pk"):
        rows.filter(id=book.id).update(name=book.name.upper(), n=None)
        assert book.name == f"b{book.pk}"
        assert book.n == book.pk


def of_two_kinds(rows: Any, apps: Apps) -> None:
    for key in range(1, COUNT + 1):
        rows.filter(pk=key).update(**({"n": 0} if key % 2 else {"name": "even", "n": key}))


# SQLite's driver takes no number of more than 64 bits; Django sends none since 5.0.
MUCH_TOO_LARGE = -(2**70) if django.VERSION >= (5, 0) else -(2**63)


LOOPS: dict[str, Loop] = {
    "texts": update(name=lambda key: f"n{key}"),
    "many columns": update(
        n=lambda key: key * 2,
        price=lambda key: Decimal(key) / 4,
        real=lambda key: key / 3,
        day=lambda key: date(2020, 1, key),
        moment=lambda key: START + timedelta(hours=key, microseconds=1),
        span=lambda key: timedelta(days=key),
        uuid=lambda key: UUID(int=key),
        address="2001:0db8:0000::00ff",
        data=lambda key: {"n": [key, None, "ä'\"\\"]},
        file=lambda key: f"{key}.txt",
    ),
    "binary data": update(blob=lambda key: bytes([key, 0, 255])),
    "NULL and values": update(n=lambda key: None if key % 3 else key, data=None),
    "values to be converted": update(n=lambda key: f"{key}", price=lambda key: key + 0.125),
    "one row twice": over((1, {"n": 5}), (2, {"n": 6}), (1, {"n": 7}), (3, {"n": 8}), (1, {"n": 9})),
    "rows that are gone": over((1, {"n": 5}), (77, {"n": 6}), (2, {"n": 7}), (78, {"n": 6}), (3, {"n": 7})),
    "a unique column that moves": update(place=lambda key: key - 1),
    "expressions": over((1, {"n": 5}), (2, {"n": F("n") + 1}), (1, {"n": F("n") + 1}), (3, {"n": 1})),
    "a field that sends SQL": over((1, {"name": "x"}), (1, {"joined": "y"}), (2, {"joined": None})),
    "other fields by turns": of_two_kinds,
    "rows as values": with_shelves,
    "a document that changes": with_a_document_that_changes,
    "the objects in memory": with_objects_in_memory,
    "keys that are texts, numbers too large, or none": over(
        ("1", {"n": 5}), (2**40, {"n": 5}), (MUCH_TOO_LARGE, {"n": 5}), (None, {"n": 5}), (True, {"name": "x"}), (2, {"name": "y"})
    ),
    "another column": over(("b1", {"n": 5}), ("b2", {"n": 6}), by="name"),
    "a condition on the key": over((3, {"n": 5}), (7, {"n": 6}), by="pk__lt"),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["autocommit", "transaction"])
def test_a_batch_leaves_what_the_loop_leaves(shop, mode):
    for loop in LOOPS.values():
        same(loop, shop, mode=mode)


FAILING: dict[str, tuple[Loop, type[Exception]]] = {
    "a unique value": (over((1, {"place": 21}), (2, {"place": 22}), (3, {"place": 9}), (4, {"place": 23})), DatabaseError),
    "NULL": (update(name=lambda key: None if key == 6 else "x"), DatabaseError),
    "a value that does not fit": (update(n=lambda key: 2**40 if key == 6 else 0), Exception),
    "a value that is none": (update(n=lambda key: "six" if key == 6 else 0), ValueError),
    "no such field": (update(nothing=1), Exception),
    "a column twice": (update(shelf=1, shelf_id=2), Exception),
    "an unsaved row as value": (with_an_unsaved_shelf, ValueError),
    "an error of the loop": (update(n=lambda key: 6 // (6 - key)), ZeroDivisionError),
}  # fmt: skip


TAKEN = {
    "sqlite": {"a value that does not fit", "a column twice"},
    "mysql": {"a column twice"},
    "postgresql": set(),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_row_that_fails(shop, database, mode):
    for name, (loop, error) in FAILING.items():
        takes = name in TAKEN[database.vendor]
        same(loop, shop, mode=mode, raises=None if takes else error)


def test_a_value_that_does_not_fit_a_row_that_is_gone(shop, database):
    """PostgreSQL looks at the value, whatever rows there are; the others look at those."""
    loop = over(*((key, {"name": "x" * (key + 1)}) for key in (1, 2, 3)), (99, {"name": "x" * 99}))
    same(loop, shop, raises=DatabaseError if database.vendor == "postgresql" else None)


OTHERS = {
    "Code": ["a", "B", "b", "c ", "", "x" * 50, "ä", "e"],
    "Token": [UUID(int=1), UUID(int=2), f"{UUID(int=3)}", UUID(int=77)],
    "Hidden": [1, 2, 3, 4],
    "Chosen": [1, 2, 3, 4],
    "Loud": [1, 2, 3, 4],
    "Poem": [1, 2],
    "Alias": [1, 2, 3],
}


def test_other_models(shop):
    for name, keys in OTHERS.items():
        same(over(*((key, {"name": f"n{n}"}) for n, key in enumerate(keys))), shop, name)


def test_what_the_batch_is_of(shop):
    Book = shop.get_model("shop", "Book")
    manager = Book.objects
    some = (manager.filter(n__gt=4), manager.exclude(n=3).order_by("-n"), manager.filter(n=99))
    for source in (manager, manager.using("default"), manager.order_by("-n"), *some):
        fill(shop)
        keys = {*source.values_list("pk", flat=True)}
        with update_by_key(source) as books:
            for key in range(1, COUNT + 1):
                books.filter(pk=key).update(name="x")
        assert {row.pk for row in Book.objects.filter(name="x")} == keys
    with update_by_key(Book) as books:
        books.filter(pk=1).update(name="y")
    assert Book.objects.get(name="y").pk == 1


def test_few_statements_write_many_rows(shop):
    Book = shop.get_model("shop", "Book")
    with CaptureQueriesContext(connection) as queries, update_by_key(Book.objects) as books:
        for key in range(1, COUNT + 1):
            books.filter(pk=key).update(name=f"n{key}")
    assert sum("UPDATE" in query["sql"] for query in queries.captured_queries) <= 2
    assert all(book.name == f"n{book.pk}" for book in Book.objects.all())


def test_when_rows_are_gone_those_after_them_go_one_by_one(shop, monkeypatch):
    monkeypatch.setattr(helper, "_are_few", lambda rows, calls: len(rows) <= calls)
    Book = shop.get_model("shop", "Book")
    sent = []
    with update_by_key(Book.objects, batch_size=4) as books:
        for keys in ((1, 2, 3, 99), (4, 5, 6, 7), (1, 2, 3, 4)):
            with CaptureQueriesContext(connection) as queries:
                for key in keys:
                    books.filter(pk=key).update(n=0)
            sent.append(sum("UPDATE" in query["sql"] for query in queries.captured_queries))
    assert sent[1:] == [4, 4]
    assert Book.objects.filter(n=0).count() == 7


def test_in_a_generator_rows_are_updated_at_once(shop):
    Book = shop.get_model("shop", "Book")

    def names() -> Iterator[int]:
        with update_by_key(Book.objects) as books:
            for key in (1, 2):
                books.filter(pk=key).update(name="x")
                yield Book.objects.filter(name="x").count()

    assert list(names()) == [1, 2]


def test_nothing_is_returned(shop):
    Book = shop.get_model("shop", "Book")
    with update_by_key(Book.objects) as books:
        assert books.filter(pk=1).update(n=0) is None
        assert books.filter(pk=1).update(n=F("n")) is None
    with pytest.raises(ValueError, match="batch_size must be 1 or more"):
        update_by_key(SimpleNamespace(model=Book), batch_size=0)
