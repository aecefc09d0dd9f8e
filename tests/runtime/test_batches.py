"""A batch of saves leaves the database, and the error, that `save(update_fields=...)` of each row leaves."""

from __future__ import annotations

import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
import pytest
from django.apps.registry import Apps
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    connection,
    connections,
    models,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.db.models.lookups import Exact
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext, override_settings

from tests import databases
from tests.databases import MODES
from tests.runtime import helper
from tests.runtime.helper import stream, update_in_batches

pytestmark = pytest.mark.usefixtures("together")

ROWS = 12
BATCH = 5  # several batches, the last one not full

only_postgresql = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
only_mariadb = pytest.mark.parametrize(
    "database", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True
)
on_one_database = pytest.mark.parametrize("database", ["sqlite-memory"], indirect=True)


class Shelf(models.Model):
    code = models.CharField(max_length=40, unique=True)

    class Meta:
        app_label = "batches"


class Loud(models.CharField):
    """A field with code of its own: it numbers the rows that are in the table when one is saved."""

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        value = f"{type(model_instance).objects.exclude(**{self.name: ''}).count()}"
        setattr(model_instance, self.attname, value)
        return value


class Shouted(models.CharField):
    """A field that sends something else than what it holds."""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return super().get_db_prep_save(value and value.upper(), connection)


class Joined(models.CharField):
    """A field that sends SQL."""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return value and Concat(Value(value), Value("!")).resolve_expression()


class Thing(models.Model):
    n = models.IntegerField(default=0)
    big = models.BigIntegerField(null=True)
    small = models.SmallIntegerField(null=True)
    positive = models.PositiveIntegerField(null=True)
    flag = models.BooleanField(null=True)
    real = models.FloatField(null=True)
    decimal = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    char = models.CharField(max_length=200, null=True)
    text = models.TextField(null=True)
    slug = models.SlugField(null=True)
    url = models.URLField(null=True)
    email = models.EmailField(null=True)
    binary = models.BinaryField(null=True)
    json = models.JSONField(null=True)
    moment = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    hour = models.TimeField(null=True)
    span = models.DurationField(null=True)
    uuid = models.UUIDField(null=True)
    address = models.GenericIPAddressField(null=True)
    file = models.FileField(null=True, storage=InMemoryStorage())
    image_path = models.FilePathField(null=True)
    shelf = models.ForeignKey(Shelf, models.CASCADE, null=True, related_name="+")
    by_code = models.ForeignKey(
        Shelf, models.CASCADE, to_field="code", null=True, related_name="+", db_constraint=False
    )
    odd = models.CharField(max_length=40, null=True, db_column="odd' :x /*100")
    shouted = Shouted(max_length=40, null=True)
    joined = Joined(max_length=40, null=True)
    touched = models.DateTimeField(auto_now=True)
    loud = Loud(max_length=40, default="")

    class Meta:
        app_label = "batches"


class Unique(models.Model):
    n = models.IntegerField(unique=True)
    word = models.CharField(max_length=5, default="")

    class Meta:
        app_label = "batches"


# Django asks MariaDB for all of Unicode since 5.2.
WIDE_CHARACTER = "😀" if django.VERSION >= (5, 2) else "中"
TEXTS = [
    "",
    " ",
    "100% %s %(a)s %%",
    "a'b\"c`d",
    "\\ \\' \\\\",
    "; END; DROP TABLE batches_thing; --",
    "/* */ -- # \n\r\t\x1a",
    f"naïve 中文 {WIDE_CHARACTER}  ",
    "$1 {} :x ?",
    None,
]
VALUES: dict[str, list[Any]] = {
    "n": [0, -1, 2**31 - 1],
    "big": [2**63 - 1, -(2**63), None],
    "small": [-(2**15), "7", True],
    "positive": [0, None],
    "flag": [True, False, None],
    "real": [0.1, -1e300, 5e-324, 3, None],
    "decimal": [Decimal("0.000001"), Decimal("-12345678901234.567891"), Decimal(0), 1, None],
    "char": TEXTS,
    "text": [*TEXTS, "x" * 100_000],
    "slug": ["a-b", None],
    "url": ["https://example.com/?a=%20&b='", None],
    "email": ["a@example.com", None],
    "binary": [
        b"",
        b"\x00\xff'%\\",
        bytes(range(256)),
        memoryview(b"\x80"),
        bytearray(b"%s"),
        None,
    ],
    "json": [{"a": [1, None, "%s'\\\""]}, [], "text", 1, 1.5, True, {}, {"😀": {"b": {}}}, None],
    "moment": [
        datetime(2020, 2, 29, 23, 59, 59, 999999, tzinfo=timezone.utc),
        datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=-11))),
        None,
    ],
    "day": [date(1, 1, 1), date(9999, 12, 31), datetime(2020, 1, 1), None],
    "hour": [time(0), time(23, 59, 59, 999999), None],
    "span": [timedelta(days=-3, microseconds=1), timedelta(0), None],
    "uuid": [uuid.UUID(int=0), str(uuid.UUID(int=2**128 - 1)), None],
    "address": ["10.0.0.1", "::ffff:10.0.0.1", "2001:DB8::1", None],
    "file": ["a/b%.txt", "", None],
    "image_path": ["/tmp/a", None],
    "shelf_id": [1, 2, None],
    "by_code_id": ["a", "b%s", None],
    "odd": ["x", None],
    "shouted": ["x", None],
    "joined": ["x", "y"],
    "loud": ["", "x"],
}
SAVED_AT_ONCE = {"binary", "joined", "loud"}  # where save() does more than a plain UPDATE


@contextmanager
def row_by_row(*fields: str, batch_size: int = 0) -> Iterator[Any]:
    """What a batch stands for."""
    yield SimpleNamespace(save=lambda row: row.save(update_fields=fields), flush=lambda: None)


def small_batches(*fields: str) -> AbstractContextManager[Any]:
    return update_in_batches(*fields, batch_size=BATCH)


Update = Callable[..., AbstractContextManager[Any]]
Loop = Callable[[Update], object]


def create(*created: type[models.Model]) -> None:
    with connection.schema_editor() as editor:
        for model in created:
            editor.create_model(model)


def stored(model: type[models.Model]) -> list[tuple[Any, ...]]:
    """The table as the driver gives it, without the moments of the clock."""
    columns = [f.column for f in model._meta.local_concrete_fields if not getattr(f, "auto_now", 0)]
    names = ", ".join(map(connection.ops.quote_name, columns)).replace("%", "%%")
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {table} ORDER BY 1", [])
        return cursor.fetchall()


@dataclass
class Outcome:
    """What a loop leaves behind."""

    rows: list[tuple[Any, ...]]
    error: tuple[type[BaseException], str] | None = None
    at_once: list[Any] = field(default_factory=list, compare=False)


def outcome(
    loop: Loop, update: Update, model: type[models.Model], mode: str = "autocommit"
) -> Outcome:
    error, at_once = None, []

    def is_saved(sender: object, instance: Any, **kwargs: object) -> None:
        at_once.append(instance.pk)

    post_save.connect(is_saved)
    try:
        with MODES[mode]():
            loop(update)
    except (Exception, KeyboardInterrupt) as caught:
        error = (type(caught), str(caught))
    finally:
        post_save.disconnect(is_saved)
    return Outcome(stored(model), error, at_once)


def both(
    fill: Callable[[], object],
    loop: Loop,
    model: type[models.Model],
    mode: str = "autocommit",
    update: Update = small_batches,
) -> tuple[Outcome, Outcome]:
    """The outcomes of the loop, row by row and in batches, each from the same rows."""
    fill()
    one_by_one = outcome(loop, row_by_row, model, mode)
    fill()
    return one_by_one, outcome(loop, update, model, mode)


def fill_things(rows: int = ROWS) -> None:
    Thing.objects.all().delete()
    Shelf.objects.all().delete()
    Shelf.objects.bulk_create([Shelf(id=1, code="a"), Shelf(id=2, code="b%s")])
    Thing.objects.bulk_create(Thing(id=i, n=i, loud="") for i in range(1, rows + 1))


def fill_unique() -> None:
    Unique.objects.all().delete()
    Unique.objects.bulk_create(Unique(id=i, n=i) for i in range(1, ROWS + 1))


@pytest.fixture
def things(database: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    create(Shelf, Thing)
    fill_things()
    return database


@pytest.fixture
def uniques(database: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    create(Unique)
    fill_unique()
    return database


def test_every_field_is_written_as_by_save(things: BaseDatabaseWrapper) -> None:
    for name, values in VALUES.items():

        def loop(update: Update, name: str = name, values: list[Any] = values) -> None:
            with update(name) as batch:
                for number, thing in enumerate(Thing.objects.order_by("pk")):
                    setattr(thing, name, values[number % len(values)])
                    batch.save(thing)

        expected, found = both(fill_things, loop, Thing)
        assert found == expected, name
        assert expected.error is None, name
        assert len(found.at_once) == (ROWS if name in SAVED_AT_ONCE else 0), name


def write_all_fields(update: Update) -> None:
    names = [name for name in VALUES if name not in SAVED_AT_ONCE]
    with update(*reversed(names)) as batch:
        for number, thing in enumerate(Thing.objects.order_by("-pk")):
            for name in names:
                setattr(thing, name, VALUES[name][number % len(VALUES[name])])
            batch.save(thing)


def test_all_fields_together(things: BaseDatabaseWrapper) -> None:
    expected, found = both(fill_things, write_all_fields, Thing)
    assert found == expected
    assert expected.error is None
    assert not found.at_once


# --- update(): rows of a list for bulk_update() -------------------------------------------------


@contextmanager
def in_one_go(*fields: str) -> Iterator[Any]:
    """What `update()` stands for."""
    rows: list[Any] = []
    yield SimpleNamespace(update=rows.append)
    if rows:
        type(rows[0]).objects.bulk_update(rows, fields)


def both_in_bulk(
    fill: Callable[[], object], loop: Loop, model: type[models.Model]
) -> tuple[Outcome, Outcome]:
    """The outcomes of the loop, with a list and in batches, each from the same rows."""
    fill()
    in_a_list = outcome(loop, in_one_go, model, "transaction")
    fill()
    return in_a_list, outcome(loop, small_batches, model, "transaction")


def test_every_field_is_written_as_by_bulk_update(things: BaseDatabaseWrapper) -> None:
    for name, values in VALUES.items():
        if name in {"shouted", "joined"}:  # which take no expression, as bulk_update() gives them
            continue

        def loop(update: Update, name: str = name, values: list[Any] = values) -> None:
            with update(name) as batch:
                for number, thing in enumerate(Thing.objects.order_by("pk")):
                    setattr(thing, name, values[number % len(values)])
                    batch.update(thing)

        expected, found = both_in_bulk(fill_things, loop, Thing)
        assert found == expected, name
        assert expected.error is None, name
        assert not found.at_once, name


def test_a_text_that_is_too_long_is_cut_off_where_bulk_update_does(
    things: BaseDatabaseWrapper,
) -> None:
    def loop(update: Update) -> None:
        with update("char") as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.char = "x" * 201
                batch.update(thing)

    expected, found = both_in_bulk(fill_things, loop, Thing)
    assert found.rows == expected.rows
    assert (found.error and found.error[0]) == (expected.error and expected.error[0])


def test_no_field_computes_a_value_for_update(things: BaseDatabaseWrapper) -> None:
    past = datetime(2020, 1, 1, tzinfo=timezone.utc)
    Thing.objects.update(touched=past)
    with update_in_batches("n", "touched", batch_size=BATCH) as batch:
        for thing in Thing.objects.all():
            batch.update(thing)
    assert {*Thing.objects.values_list("touched", flat=True)} == {past}


def test_rows_that_are_gone_are_passed_over_by_update(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                if thing.pk == BATCH + 2:
                    Thing.objects.filter(pk=thing.pk).delete()
                thing.n = 100
                batch.update(thing)

    expected, found = both_in_bulk(fill_things, loop, Thing)
    assert found == expected
    assert expected.error is None
    assert len(found.rows) == ROWS - 1


def test_an_error_after_a_row_that_is_gone(uniques: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in Unique.objects.order_by("pk"):
                row.n = row.pk + 100 if row.pk < 4 else 101
                if row.pk == 2:
                    Unique.objects.filter(pk=2).delete()
                batch.update(row)

    expected, found = both_in_bulk(fill_unique, loop, Unique)
    assert found.rows == expected.rows
    assert found.error
    assert expected.error
    assert found.error[0] is expected.error[0] is IntegrityError


def test_expressions_are_written_by_bulk_update(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("n", "char") as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.n = F("n") + 1 if thing.pk % 3 else 7
                thing.char = Concat(Value("x" * 300), Value("y")) if thing.pk % 4 else "z"
                batch.update(thing)

    expected, found = both_in_bulk(fill_things, loop, Thing)
    assert found.rows == expected.rows
    assert (found.error and found.error[0]) == (expected.error and expected.error[0])
    assert not found.at_once


def test_values_that_change_after_update_are_those_of_the_end(
    things: BaseDatabaseWrapper,
) -> None:
    def loop(update: Update) -> None:
        seen: list[Any] = []
        shelf = Shelf(code="later")
        with update("json", "char", "shelf") as batch:
            for thing in Thing.objects.order_by("pk"):
                seen.append(thing.pk)
                thing.json = {"seen": seen} if thing.pk % 2 else None
                thing.char = seen if thing.pk % 3 else "x"
                thing.shelf = shelf if thing.pk % 5 else None
                batch.update(thing)
            shelf.pk = 9
            shelf.save()

    expected, found = both_in_bulk(fill_things, loop, Thing)
    assert found == expected
    assert expected.error is None


def test_final_documents_are_written_as_the_loop_goes(things: BaseDatabaseWrapper) -> None:
    seen: list[Any] = []
    with update_in_batches("json", "char", batch_size=6) as batch:
        for thing in Thing.objects.order_by("pk"):
            seen.append(thing.pk)
            thing.json, thing.char = {"seen": seen}, "later"
            batch.update(thing, final=True)
            if len(seen) == 6:
                assert Thing.objects.filter(char="later").count() == 6
    assert Thing.objects.filter(char="later").count() == ROWS


def test_final_documents_are_those_of_the_moment(things: BaseDatabaseWrapper) -> None:
    """Of so many rows that `bulk_update()` is not asked to write them."""
    Thing.objects.bulk_create(Thing(pk=pk) for pk in range(100, 160))
    seen: list[Any] = []
    with update_in_batches("json") as batch:
        for thing in Thing.objects.order_by("pk"):
            seen.append(thing.pk)
            thing.json = {"seen": seen}
            batch.update(thing, final=True)
    counts = [len(each.json["seen"]) for each in Thing.objects.order_by("pk")]
    assert counts == list(range(1, len(seen) + 1))


def test_other_values_than_documents_are_not_final(things: BaseDatabaseWrapper) -> None:
    with update_in_batches("char", batch_size=6) as batch:
        for thing in Thing.objects.order_by("pk"):
            thing.char = ["later"]
            batch.update(thing, final=True)
        assert not Thing.objects.filter(char__contains="later").exists()
    assert Thing.objects.filter(char__contains="later").count() == ROWS


def test_rows_that_are_kept_are_not_written_after_an_error(things: BaseDatabaseWrapper) -> None:
    with suppress(ZeroDivisionError), update_in_batches("json") as batch:
        for thing in Thing.objects.all():
            thing.json = {"a": 1}
            batch.update(thing)
        raise ZeroDivisionError
    assert not Thing.objects.filter(json__isnull=False).exists()


def test_rows_that_wait_are_not_written_after_an_error(things: BaseDatabaseWrapper) -> None:
    """`bulk_update()` would not be reached: its own error neither."""

    def loop(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.n = None if thing.pk == 2 else 50
                batch.update(thing)
                if thing.pk == 4:
                    raise KeyError(thing.pk)

    expected, found = both_in_bulk(fill_things, loop, Thing)
    assert found.rows == expected.rows
    assert found.error and expected.error
    assert found.error[0] is expected.error[0] is KeyError


def test_rows_that_bulk_update_refuses(things: BaseDatabaseWrapper) -> None:
    thing = Thing.objects.get(pk=1)
    thing.pk = None
    with (
        pytest.raises(ValueError, match="must have a primary key set"),
        update_in_batches("n") as batch,
    ):
        batch.update(thing)
    thing = Thing.objects.get(pk=2)
    thing.shelf = Shelf()
    with pytest.raises(ValueError, match="unsaved related"), update_in_batches("shelf") as batch:
        batch.update(thing)
    with update_in_batches("n") as batch:  # which writes no shelf
        batch.update(thing)


def test_save_and_update_in_one_batch_keep_their_order(things: BaseDatabaseWrapper) -> None:
    thing = Thing.objects.get(pk=1)
    with update_in_batches("n") as batch:
        for number in range(1, 8):
            thing.n = number
            (batch.save if number % 2 else batch.update)(thing)
    assert Thing.objects.get(pk=1).n == 7


def test_a_row_whose_own_save_is_the_batch_s(things: BaseDatabaseWrapper) -> None:
    """It waits where it writes what the batch writes; all else is done at once, after what waits."""

    def fix(thing: Any, n: int, **given: Any) -> None:
        thing.n, thing.char = n, f"{n}"
        thing.save(**given)

    first, second, third = Thing.objects.order_by("pk")[:3]
    with update_in_batches("n") as batch:
        fix(batch.saving(first), 1)
        fix(batch.saving(second), 2, update_fields=["n"])
        fix(batch.saving(third), 3, update_fields=[])
        assert not Thing.objects.filter(n__in=[1, 2, 3], char__isnull=False).exists()
        batch.saving(first).save(update_fields=["char"])  # not a column of the batch
        assert Thing.objects.get(pk=first.pk).char == "1"
        assert Thing.objects.get(pk=second.pk).n == 2
        first.n = F("n") + 10  # of which save() does more than an UPDATE
        first.save()
    assert Thing.objects.get(pk=first.pk).n == 11
    assert Thing.objects.get(pk=third.pk).char != "3"


@pytest.mark.parametrize("fails", [False, True])
def test_a_row_has_its_own_save_again_after_the_next_row_and_the_block(
    things: BaseDatabaseWrapper, fails: bool
) -> None:
    """What is set on it then is written, too, though the batch does not write it."""
    first, second = Thing.objects.order_by("pk")[:2]
    with suppress(ZeroDivisionError), update_in_batches("n") as batch:
        batch.saving(first).save()
        batch.saving(second).save()
        assert "save" not in vars(first)
        second.n = 1 // (not fails)
    assert "save" not in vars(second)
    for each in (first, second):
        each.char = "own"
        each.save()
    assert Thing.objects.filter(char="own").count() == 2


def test_a_router_sends_what_is_updated_where_bulk_update_does(
    things: BaseDatabaseWrapper,
) -> None:
    given: list[dict[str, Any]] = []

    class Router:
        def db_for_write(self, model: object, **hints: Any) -> str:
            given.append(hints)
            return "default"

    with override_settings(DATABASE_ROUTERS=[Router()]), update_in_batches("n") as batch:
        batch.update(Thing.objects.get(pk=1))
    assert given == [{}]


@only_postgresql
def test_values_that_the_server_binds(things: BaseDatabaseWrapper) -> None:
    if things.Database.__name__ != "psycopg":
        pytest.skip("an option of psycopg 3")
    things.settings_dict["OPTIONS"]["server_side_binding"] = True
    things.close()
    expected, found = both(fill_things, write_all_fields, Thing)
    assert found == expected
    assert expected.error is None
    assert not found.at_once


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_floats_that_are_no_numbers(things: BaseDatabaseWrapper, value: float) -> None:
    def loop(update: Update) -> None:
        with update("real") as batch:
            for thing in Thing.objects.filter(pk__lt=4):
                thing.real = value
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing)
    assert repr(found.rows) == repr(expected.rows)  # nan is not itself
    assert (found.error and found.error[0]) is (expected.error and expected.error[0])


def test_values_are_those_of_the_moment_of_the_save(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        kept = {"a": [1]}
        with update("json", "char") as batch:
            for thing in Thing.objects.order_by("pk"):
                kept["a"].append(thing.pk)
                thing.json, thing.char = kept, "before"
                batch.save(thing)
                thing.json, thing.char = "after", "after"

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert not found.at_once


def test_values_that_may_change_and_cannot_be_copied_are_saved_at_once(
    things: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field hands the driver an object that only it knows."""

    class Number:
        def __init__(self, n: int) -> None:
            self.n = n

        def __conform__(self, protocol: object) -> object:
            return self.n

    field = Thing._meta.get_field("n")
    sent = []
    monkeypatch.setattr(field, "get_db_prep_save", lambda value, connection: value)
    monkeypatch.setattr(
        Thing, "save_base", lambda self, **kwargs: sent.append(self.n.n), raising=True
    )
    monkeypatch.setattr(models.Model, "save_base", Thing.save_base)
    with update_in_batches("n") as batch:
        thing = Thing.objects.get(pk=1)
        thing.n = Number(7)
        batch.save(thing)
        thing.n.n = 8
    assert sent == [7]


def test_auto_now_is_that_of_the_save(things: BaseDatabaseWrapper) -> None:
    before = dict(Thing.objects.values_list("pk", "touched"))
    saved = {}
    with update_in_batches("n", "touched") as batch:
        for thing in Thing.objects.all():
            batch.save(thing)
            saved[thing.pk] = thing.touched
    assert dict(Thing.objects.values_list("pk", "touched")) == saved
    assert all(saved[pk] > before[pk] for pk in before)
    assert len(set(saved.values())) > 1


def test_a_file_is_stored_by_the_save(things: BaseDatabaseWrapper) -> None:
    with update_in_batches("file") as batch:
        thing = Thing.objects.get(pk=1)
        thing.file = ContentFile(b"text", name="a%.txt")
        batch.save(thing)
        assert thing.file.storage.open(thing.file.name).read() == b"text"
    assert Thing.objects.get(pk=1).file.name == thing.file.name


def test_a_row_knows_where_it_is_saved(things: BaseDatabaseWrapper) -> None:
    """A router reads elsewhere than it writes."""
    thing = Thing.objects.get(pk=1)
    thing._state.db = "replica"
    thing.n = 50
    router = SimpleNamespace(db_for_write=lambda model, **hints: "default")
    with override_settings(DATABASE_ROUTERS=[router]), small_batches("n") as batch:
        batch.save(thing)
    assert thing._state.db == "default"
    assert Thing.objects.get(pk=1).n == 50


@pytest.fixture
def other_things(things: BaseDatabaseWrapper) -> Iterator[None]:
    """A second database that has the same things."""
    other = databases.connected(
        {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}, "other"
    )
    connections["other"] = other
    try:
        with other.schema_editor() as editor:
            editor.create_model(Shelf)
            editor.create_model(Thing)
        Thing.objects.using("other").bulk_create(Thing(id=i) for i in range(1, ROWS + 1))
        yield
    finally:
        del connections["other"]
        other.connection.close()


def keys_of_hundred(alias: str) -> list[int]:
    written = Thing.objects.using(alias).filter(n=100)
    return sorted(written.values_list("pk", flat=True))


@on_one_database
@pytest.mark.usefixtures("other_things")
def test_a_router_sends_rows_to_two_databases() -> None:
    router = SimpleNamespace(
        db_for_write=lambda model, **hints: "other" if hints["instance"].pk % 2 else "default"
    )
    with override_settings(DATABASE_ROUTERS=[router]), small_batches("n") as batch:
        for thing in Thing.objects.order_by("pk"):
            thing.n = 100
            batch.save(thing)
    for alias, rest in ("other", 1), ("default", 0):
        assert keys_of_hundred(alias) == [pk for pk in range(1, ROWS + 1) if pk % 2 == rest]


@on_one_database
@pytest.mark.usefixtures("other_things")
@pytest.mark.parametrize("value", [100, Value(100)], ids=["plain", "an expression"])
@pytest.mark.parametrize("method", ["save", "update"])
def test_rows_that_are_sent_to_two_databases(method: str, value: object) -> None:
    """Whatever a router says, and wherever they come from."""
    router = SimpleNamespace(db_for_write=lambda model, **hints: "default")
    with override_settings(DATABASE_ROUTERS=[router]), small_batches("n") as batch:
        for thing in Thing.objects.using("other").order_by("pk"):
            thing.n = value
            getattr(batch, method)(thing, using="other" if thing.pk % 3 else None)
    assert keys_of_hundred("other") == [pk for pk in range(1, ROWS + 1) if pk % 3]
    assert keys_of_hundred("default") == [pk for pk in range(1, ROWS + 1) if not pk % 3]


def test_the_same_row_twice_and_in_other_instances(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for number in 5, 3, 9:
                for thing in (Thing.objects.get(pk=1), Thing.objects.get(pk=2)):
                    thing.n = number * thing.pk
                    batch.save(thing)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert not found.at_once
    assert found.rows[0][1] == 9


def test_expressions_are_saved_at_once_and_in_order(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                for value in (
                    100,
                    F("n") + 1,
                    F("id"),
                    Value(7),
                    F("n") * 2 if thing.pk % 2 else thing.pk,
                ):
                    thing.n = value
                    batch.save(thing)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert found.at_once


def test_a_deferred_field_is_read_after_what_waits_is_written(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("n", "char") as batch:
            first, second = Thing.objects.get(pk=1), Thing.objects.only("char").get(pk=1)
            first.n, second.char = 50, "x"
            batch.save(first)
            batch.save(second)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert found.rows[0][1] == 50


def test_narrow_rows_are_written_in_batches(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("char") as batch:
            for thing in Thing.objects.only("n"):
                thing.char = f"{thing.n}"
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert not found.at_once


def test_a_foreign_key_to_a_row_that_is_saved_later(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("shelf", "by_code") as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.shelf = thing.by_code = Shelf(code=f"new {thing.pk}")
                thing.shelf.pk = 100 + thing.pk
                thing.shelf.save()
                thing.shelf_id = None
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert set(Thing.objects.values_list("shelf__code", flat=True)) == {
        f"new {n}" for n in range(1, ROWS + 1)
    }


@pytest.mark.parametrize("fields", [("shelf",), ("n",)])
def test_a_foreign_key_to_a_row_that_is_not_saved(
    things: BaseDatabaseWrapper, fields: tuple[str, ...]
) -> None:
    def loop(update: Update) -> None:
        with update(*fields) as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.n = 50
                if thing.pk == BATCH + 2:
                    thing.shelf = Shelf()
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert found.error is not None
    assert found.error[0] is ValueError


def test_a_row_as_the_value_of_a_key(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        shelf = Shelf.objects.get(pk=2)
        with update("shelf") as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.shelf_id = shelf
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert found.error is None


class Keyed(models.Model):
    n = models.IntegerField(default=0)

    class Meta:
        app_label = "batches"
        abstract = True


class ByUuid(Keyed):
    key = models.UUIDField(primary_key=True)


class ByText(Keyed):
    key = models.CharField(max_length=40, primary_key=True)


class ByShelf(Keyed):
    shelf = models.OneToOneField(Shelf, models.CASCADE, primary_key=True)


class ByAddress(Keyed):
    key = models.GenericIPAddressField(primary_key=True)


class ByMoment(Keyed):
    key = models.DateTimeField(primary_key=True)


class ByDecimal(Keyed):
    key = models.DecimalField(max_digits=9, decimal_places=3, primary_key=True)


class ByBinary(Keyed):
    key = models.BinaryField(primary_key=True)


class OddName(Keyed):
    class Meta:
        app_label = "batches"
        db_table = "odd' table--"


KEYS: dict[type[Keyed], list[Any]] = {
    ByUuid: [uuid.UUID(int=1), uuid.UUID(int=2**127)],
    ByText: ["a'b", "%s", f"{WIDE_CHARACTER}\\", " a", "A"],
    ByShelf: [Shelf(id=1), Shelf(id=2)],
    ByAddress: ["10.0.0.1", "2001:db8::1"],
    ByMoment: [
        datetime(2020, 1, 1, tzinfo=timezone.utc),
        datetime(2021, 1, 1, tzinfo=timezone.utc),
    ],
    ByDecimal: [Decimal("0.001"), Decimal("12.5")],
    OddName: [7, 2**40],
}


@pytest.mark.parametrize("model", KEYS, ids=lambda model: model.__name__)
def test_every_key(database: BaseDatabaseWrapper, model: type[Keyed]) -> None:
    create(Shelf, model)
    Shelf.objects.bulk_create([Shelf(id=1, code="a"), Shelf(id=2, code="b")])
    model.objects.bulk_create(model(pk=getattr(key, "pk", key)) for key in KEYS[model])

    def loop(update: Update) -> None:
        with update("n") as batch:
            for number, row in enumerate(model.objects.all(), 1):
                row.n = number
                batch.save(row)

    expected, found = both(lambda: model.objects.update(n=0), loop, model)
    assert found == expected
    assert found.error is None
    assert not found.at_once


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
def test_a_binary_key(database: BaseDatabaseWrapper) -> None:
    create(ByBinary)
    ByBinary.objects.bulk_create([ByBinary(key=b"\x00a"), ByBinary(key=b"\xffb")])

    def loop(update: Update) -> None:
        with update("n") as batch:
            for number, row in enumerate(ByBinary.objects.order_by("pk"), 1):
                row.n = number
                batch.save(row)

    expected, found = both(lambda: ByBinary.objects.update(n=0), loop, ByBinary)
    assert [row[0] for row in found.rows] == [row[0] for row in expected.rows] == [1, 2]
    assert len(found.at_once) == 2


@pytest.mark.parametrize("mode", MODES)
def test_unique_columns_move_row_by_row(uniques: BaseDatabaseWrapper, mode: str) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in Unique.objects.order_by("-n"):
                row.n += 1
                batch.save(row)

    expected, found = both(fill_unique, loop, Unique, mode)
    assert found == expected
    assert found.error is None
    assert not found.at_once


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [1, 2, BATCH, BATCH + 2, ROWS])
def test_an_error_leaves_the_rows_before_it(
    uniques: BaseDatabaseWrapper, bad: int, mode: str
) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in Unique.objects.order_by("pk"):
                row.n = 1000 + row.pk if row.pk != bad else ROWS if bad < ROWS else 1001
                batch.save(row)

    expected, found = both(fill_unique, loop, Unique, mode)
    assert found == expected
    assert found.error is not None
    assert found.error[0] is IntegrityError
    if mode == "autocommit":
        assert [n for pk, n, _ in found.rows if n > 1000 and pk < bad] == [*range(1001, 1000 + bad)]


@pytest.mark.parametrize("mode", MODES)
def test_what_goes_well_before_an_error_is_done_once(
    uniques: BaseDatabaseWrapper, mode: str
) -> None:
    """The first of these saves would fail after the third."""

    def loop(update: Update) -> None:
        with update("n", "word") as batch:
            rows = Unique.objects.in_bulk()
            for pk, n, word in (1, 100, "a"), (1, 101, "b"), (2, 100, "c"), (3, 102, None):
                rows[pk].n, rows[pk].word = n, word
                batch.save(rows[pk])

    expected, found = both(fill_unique, loop, Unique, mode)
    assert found.rows == expected.rows
    assert found.error
    assert expected.error
    assert found.error[1][:20] == expected.error[1][:20]


def test_an_error_that_is_caught_within_the_transaction(uniques: BaseDatabaseWrapper) -> None:
    """Django rolls that back."""

    def loop(update: Update) -> None:
        with transaction.atomic(), suppress(IntegrityError), update("n") as batch:
            for row in Unique.objects.order_by("pk"):
                row.n = 100 + row.n % 2
                batch.save(row)

    assert_same(*both(fill_unique, loop, Unique))


def test_the_error_of_the_row_comes_without_that_of_its_batch(uniques: BaseDatabaseWrapper) -> None:
    def loop() -> None:
        with update_in_batches("n") as batch:
            for row in Unique.objects.order_by("pk"):
                row.n = ROWS
                batch.save(row)

    with pytest.raises(IntegrityError) as caught:
        loop()
    assert not isinstance(caught.value.__context__, DatabaseError)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("value", ["too long", "\0", None])
def test_a_value_that_the_database_refuses(
    uniques: BaseDatabaseWrapper, value: str | None, mode: str
) -> None:
    def loop(update: Update) -> None:
        with update("word") as batch:
            for row in Unique.objects.order_by("pk"):
                row.word = value if row.pk == BATCH + 2 else "x"
                batch.save(row)

    assert_same(*both(fill_unique, loop, Unique, mode))


@pytest.mark.parametrize("mode", MODES)
def test_json_that_cannot_be_written(things: BaseDatabaseWrapper, mode: str) -> None:
    def loop(update: Update) -> None:
        with update("json") as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.json = {"a": {1} if thing.pk == BATCH + 2 else 1}
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing, mode)
    assert found == expected
    assert found.error
    assert found.error[0] is TypeError


@pytest.mark.parametrize("mode", MODES)
def test_a_row_that_is_gone(things: BaseDatabaseWrapper, mode: str) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                if thing.pk == BATCH + 2:
                    batch.flush()
                    Thing.objects.filter(pk=thing.pk).delete()
                thing.n = 100
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing, mode)
    assert found.rows == expected.rows
    assert found.error
    assert expected.error
    assert found.error[0] is expected.error[0]
    assert (
        found.error[1] == f"batches.Thing with the primary key {BATCH + 2} was saved, but is gone"
    )
    if mode == "autocommit":
        assert [row[0] for row in found.rows if row[1] == 100] == [*range(1, BATCH + 2)]


@pytest.mark.parametrize("mode", ["autocommit", "transaction"])
def test_a_row_that_others_delete_meanwhile(
    things: BaseDatabaseWrapper, mode: str, tmp_path: Path
) -> None:
    if things.vendor == "sqlite":
        pytest.skip("has one connection that writes")
    name = "mariadb" if things.vendor == "mysql" else things.vendor
    other = databases.connected(databases.configuration(name, tmp_path))
    if name == "mariadb":  # where a count shows what others have deleted
        with things.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def loop() -> None:
        with MODES[mode](), small_batches("n") as batch:
            rows = list(Thing.objects.order_by("pk"))
            with closing(other), other.cursor() as cursor:
                cursor.execute("DELETE FROM batches_thing WHERE id = 2")
            for thing in rows:
                batch.save(thing)

    with pytest.raises(DatabaseError, match="primary key 2 was saved, but is gone"):
        loop()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemError, DatabaseError])
def test_what_was_saved_before_an_error_of_the_block_is_written(
    things: BaseDatabaseWrapper, error: type[BaseException], mode: str
) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                if thing.pk == BATCH + 3:
                    raise error("of the block")
                thing.n = 100
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing, mode)
    assert found == expected
    assert found.error == (error, "of the block")


@pytest.mark.parametrize("mode", MODES)
def test_an_error_of_a_query_in_the_block(uniques: BaseDatabaseWrapper, mode: str) -> None:
    def loop(update: Update) -> None:
        with update("word") as batch:
            for row in Unique.objects.order_by("pk"):
                if row.pk == BATCH + 3:
                    Unique.objects.create(n=1)
                row.word = "x"
                batch.save(row)

    assert_same(*both(fill_unique, loop, Unique, mode))


@pytest.mark.parametrize("mode", MODES)
def test_an_error_of_sql_in_the_block(uniques: BaseDatabaseWrapper, mode: str) -> None:
    """Django does not know then that the transaction is broken."""

    def loop(update: Update) -> None:
        with update("word") as batch:
            for row in Unique.objects.order_by("pk"):
                row.word = "x"
                batch.save(row)
                if row.pk == BATCH + 3:
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT nothing FROM nowhere")

    assert_same(*both(fill_unique, loop, Unique, mode))


def test_an_earlier_error_of_a_save_comes_before_that_of_the_block(
    uniques: BaseDatabaseWrapper,
) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in Unique.objects.order_by("pk"):
                row.n = ROWS
                batch.save(row)
                raise DatabaseError("of the block")

    assert_same(*both(fill_unique, loop, Unique))


def assert_same(expected: Outcome, found: Outcome) -> None:
    """With the same kind of error; messages may quote the statement."""
    assert found.rows == expected.rows
    assert (found.error and found.error[0]) is (expected.error and expected.error[0])


def test_ends_of_the_loop(things: BaseDatabaseWrapper) -> None:
    def broken(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                if thing.pk == 2:
                    continue
                if thing.pk == 9:
                    break
                thing.n = 100
                batch.save(thing)

    def returned(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.n = 100
                batch.save(thing)
                if thing.pk == 4:
                    return

    for loop in broken, returned:
        expected, found = both(fill_things, loop, Thing)
        assert found == expected


@pytest.mark.parametrize("saves", [1, BATCH])
def test_in_a_transaction_that_is_marked_for_rollback(
    things: BaseDatabaseWrapper, saves: int
) -> None:
    def loop(update: Update) -> None:
        with transaction.atomic():
            transaction.set_rollback(True)
            with update("n") as batch:
                for thing in Thing(pk=1, n=7), Thing(pk=2, n=7):
                    thing._state.adding = False
                    batch.save(thing)

    assert_same(*both(fill_things, loop, Thing))


def test_an_error_of_the_block_that_marks_the_transaction(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with transaction.atomic(), update("n") as batch:
            batch.save(Thing.objects.get(pk=1))
            with transaction.atomic(savepoint=False):
                raise ValueError("of the block")

    assert_same(*both(fill_things, loop, Thing))


def test_an_error_that_ends_the_transaction_comes_out(
    things: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MySQL rolls all back when it finds a deadlock: there is no going on row by row."""

    def deadlock(cursor: Any, *_: object) -> None:
        cursor.execute("ROLLBACK")
        raise OperationalError("deadlock")

    monkeypatch.setattr(helper, "_way_to_join", lambda *_: None)
    monkeypatch.setattr(helper, "_way_to_run_many", lambda *_: deadlock)

    def loop() -> None:
        with transaction.atomic(), update_in_batches("n") as batch:
            batch.save(Thing.objects.get(pk=1))
            batch.save(Thing.objects.get(pk=2))

    with pytest.raises(OperationalError, match="deadlock"):
        loop()


def test_a_savepoint_of_the_block_keeps_what_is_flushed_before(things: BaseDatabaseWrapper) -> None:
    with transaction.atomic(), update_in_batches("n") as batch:
        thing = Thing.objects.get(pk=1)
        thing.n = 50
        batch.save(thing)
        batch.flush()
        with pytest.raises(ValueError, match="inner"), transaction.atomic():
            raise ValueError("inner")
    assert Thing.objects.get(pk=1).n == 50


def test_batches_within_batches(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("n") as outer, update("code") as inner:
            for thing in Thing.objects.order_by("pk"):
                thing.n = -thing.pk
                outer.save(thing)
                shelf = Shelf(id=1 + thing.pk % 2, code=f"code {thing.pk}")
                shelf._state.adding = False
                inner.save(shelf)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert set(Shelf.objects.values_list("code", flat=True)) == {f"code {ROWS}", f"code {ROWS - 1}"}


def test_rows_of_several_models_in_one_batch(things: BaseDatabaseWrapper) -> None:
    create(Unique)
    fill_unique()

    def loop(update: Update) -> None:
        with update("n") as batch:
            for thing, other in zip(
                Thing.objects.order_by("pk"), Unique.objects.order_by("-pk"), strict=True
            ):
                thing.n = other.n = 100 + thing.n
                batch.save(thing)
                batch.save(other)

    expected, found = both(fill_things, loop, Thing)
    assert found == expected
    assert sorted(Unique.objects.values_list("n", flat=True)) == [*range(101, 101 + ROWS)]


@pytest.mark.parametrize("mode", ["autocommit", "transaction"])
@pytest.mark.parametrize("reading", ["auto", "spool", "iterator"])
def test_while_a_stream_is_open(things: BaseDatabaseWrapper, reading: str, mode: str) -> None:
    def loop(update: Update) -> None:
        rows = Thing.objects.order_by("pk")
        with update("n") as batch:
            for thing in (
                rows.iterator(chunk_size=2)
                if reading == "iterator"
                else stream(rows, chunk_size=2, mode=reading)
            ):
                thing.n += 100
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing, mode)
    assert found == expected
    assert [row[1] for row in found.rows] == [*range(101, 101 + ROWS)]


@only_postgresql
@pytest.mark.parametrize("bad", [None, ROWS - 1])
def test_while_a_cursor_of_the_server_is_open(
    uniques: BaseDatabaseWrapper, bad: int | None
) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in stream(Unique.objects.order_by("pk"), chunk_size=2, mode="server"):
                row.n = 1 if row.pk == bad else 100 + row.n
                batch.save(row)

    assert_same(*both(fill_unique, loop, Unique, "transaction"))


class Parent(models.Model):
    n = models.IntegerField(default=0)

    class Meta:
        app_label = "batches"


class Child(Parent):
    m = models.IntegerField(default=0)

    class Meta:
        app_label = "batches"


class Same(Parent):
    class Meta:
        app_label = "batches"
        proxy = True


@pytest.mark.parametrize("fields", [("n",), ("m",), ("n", "m")])
def test_columns_in_two_tables_are_saved_at_once(
    database: BaseDatabaseWrapper, fields: tuple[str, ...]
) -> None:
    create(Parent, Child)

    def fill() -> None:
        Child.objects.all().delete()
        for number in range(ROWS):
            Child.objects.create(pk=number + 1, n=number, m=number)

    def loop(update: Update) -> None:
        with update(*fields) as batch:
            for child in Child.objects.order_by("pk"):
                child.n, child.m = child.n + 1, child.m + 2
                batch.save(child)

    expected, found = both(fill, loop, Child)
    assert found == expected
    assert len(found.at_once) == ROWS
    expected, found = both(fill, loop, Parent)
    assert found == expected


def test_a_proxy_is_written_like_its_model(database: BaseDatabaseWrapper) -> None:
    create(Parent)

    def fill() -> None:
        Parent.objects.all().delete()
        Parent.objects.bulk_create(Parent(id=n) for n in range(1, ROWS))

    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in Same.objects.all():
                row.n = 7
                batch.save(row)

    expected, found = both(fill, loop, Parent)
    assert found == expected
    assert not found.at_once


class Wordy(models.Model):
    n = models.IntegerField(default=0)

    class Meta:
        app_label = "batches"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.n *= 2
        super().save(*args, **kwargs)


class OddOnes(models.Manager):
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(n__lt=3)


class Hidden(models.Model):
    n = models.IntegerField(default=0)
    objects = models.Manager()
    some = OddOnes()

    class Meta:
        app_label = "batches"
        base_manager_name = "some"


@pytest.mark.parametrize("model", [Wordy, Hidden], ids=lambda model: model.__name__)
def test_models_with_code_of_their_own(
    database: BaseDatabaseWrapper, model: type[models.Model]
) -> None:
    create(model)

    def fill() -> None:
        model.objects.all().delete()
        model.objects.bulk_create(model(id=n, n=n) for n in range(1, 5))

    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in model.objects.order_by("pk"):
                row.n += 10
                batch.save(row)

    assert_same(*both(fill, loop, model))


def test_a_key_with_a_lookup_of_its_own(database: BaseDatabaseWrapper) -> None:
    class Reversed(Exact):
        def get_prep_lookup(self) -> str:
            return str(self.rhs)[::-1]

    class Backwards(models.CharField):
        pass

    Backwards.register_lookup(Reversed)

    class ByBackwards(Keyed):
        key = Backwards(max_length=9, primary_key=True)

        class Meta:
            app_label = "batches"
            apps = Apps()

    create(ByBackwards)
    ByBackwards.objects.bulk_create([ByBackwards(key="ab"), ByBackwards(key="ba")])

    def loop(update: Update) -> None:
        with update("n") as batch:
            for number, row in enumerate(ByBackwards.objects.order_by("pk")):
                row.n = number + 1
                batch.save(row)

    expected, found = both(lambda: ByBackwards.objects.update(n=0), loop, ByBackwards)
    assert found == expected
    assert len(found.at_once) == 2


@pytest.mark.skipif(django.VERSION < (5, 2), reason="since Django 5.2")
def test_a_composite_key(database: BaseDatabaseWrapper) -> None:
    class Pair(models.Model):
        pk = models.CompositePrimaryKey("left", "right")
        left = models.IntegerField()
        right = models.IntegerField()
        n = models.IntegerField(default=0)

        class Meta:
            app_label = "batches"
            apps = Apps()

    create(Pair)
    Pair.objects.bulk_create(Pair(left=1, right=n) for n in range(4))

    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in Pair.objects.all():
                row.n = row.right + 1
                batch.save(row)

    expected, found = both(lambda: Pair.objects.update(n=0), loop, Pair)
    assert found == expected
    assert found.error is None


@pytest.mark.skipif(django.VERSION < (5, 0), reason="since Django 5.0")
def test_generated_columns(database: BaseDatabaseWrapper) -> None:
    class Doubled(models.Model):
        n = models.IntegerField(default=0)
        twice = models.GeneratedField(
            expression=F("n") * 2, output_field=models.IntegerField(), db_persist=True
        )

        class Meta:
            app_label = "batches"
            apps = Apps()

    create(Doubled)

    def fill() -> None:
        Doubled.objects.all().delete()
        for number in range(1, 4):
            Doubled.objects.create(id=number, n=number)

    for fields in ("n",), ("n", "twice"), ("twice",):
        seen: list[list[int]] = []

        def loop(update: Update, fields: tuple[str, ...] = fields, seen: Any = seen) -> None:
            seen.append([])
            with update(*fields) as batch:
                for row in Doubled.objects.order_by("pk"):
                    row.n += 1
                    batch.save(row)
                    seen[-1].append(row.twice)

        expected, found = both(fill, loop, Doubled)
        assert found == expected
        assert found.error is None
        assert seen[0] == seen[1]


@only_postgresql
def test_arrays_and_ranges(database: BaseDatabaseWrapper) -> None:
    from django.contrib.postgres.fields import ArrayField, HStoreField, IntegerRangeField
    from django.contrib.postgres.signals import register_type_handlers

    class Typed(models.Model):
        numbers = ArrayField(models.IntegerField(), null=True)
        words = ArrayField(ArrayField(models.CharField(max_length=9)), null=True)
        span = IntegerRangeField(null=True)
        store = HStoreField(null=True)

        class Meta:
            app_label = "batches"
            apps = Apps()

    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION hstore")
    register_type_handlers(connection)
    create(Typed)
    changed = {
        "numbers": [1, 2],
        "words": [["a'%"], ["b"]],
        "span": (1, 5),
        "store": {"a": "%s'", "b": None},
    }

    def loop(update: Update) -> None:
        for name, value in changed.items():
            with update(name) as batch:
                for row in Typed.objects.all():
                    setattr(row, name, value)
                    batch.save(row)
                    if isinstance(value, dict):
                        value = {**value, "c": str(row.pk)}

    def fill() -> None:
        Typed.objects.all().delete()
        Typed.objects.bulk_create(Typed(id=number) for number in range(1, 4))

    expected, found = both(fill, loop, Typed)
    assert found == expected
    assert found.error is None


@pytest.mark.parametrize(
    "fields", [("nothing",), ("n", "nothing"), ("id",), ("n", "pk"), ("n", "n"), ("shelf_id", "n")]
)
def test_names_of_fields_are_those_of_save(
    things: BaseDatabaseWrapper, fields: tuple[str, ...]
) -> None:
    def loop(update: Update) -> None:
        with update(*fields) as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.n, thing.shelf_id = 100, 2
                batch.save(thing)

    assert_same(*both(fill_things, loop, Thing))


class Defaulted(Keyed):
    key = models.UUIDField(primary_key=True, default=uuid.uuid4)


@pytest.mark.parametrize("pk", [0, 1])
def test_rows_that_are_new(database: BaseDatabaseWrapper, pk: int) -> None:
    """Django inserts those whose key has a default, even if they are there."""
    create(Defaulted)

    def fill() -> None:
        Defaulted.objects.all().delete()
        Defaulted.objects.create(pk=uuid.UUID(int=1))

    def loop(update: Update) -> None:
        with update("n") as batch:
            batch.save(Defaulted(pk=uuid.UUID(int=pk), n=100))

    assert_same(*both(fill, loop, Defaulted))


def test_a_row_that_has_lost_its_key(things: BaseDatabaseWrapper) -> None:
    def loop(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                thing.pk, thing.n = None, 100
                batch.save(thing)

    assert_same(*both(fill_things, loop, Thing))


@on_one_database
def test_wrong_arguments(things: BaseDatabaseWrapper) -> None:
    for size in 0, -1:
        with (
            pytest.raises(ValueError, match="batch_size must be 1 or more"),
            update_in_batches("n", batch_size=size),
        ):
            pass
    with pytest.raises(ValueError, match="name the fields"), update_in_batches():
        pass


@pytest.mark.parametrize("size", [1, 2, ROWS, ROWS + 1])
def test_batches_of_every_size(things: BaseDatabaseWrapper, size: int) -> None:
    def update(*fields: str) -> AbstractContextManager[Any]:
        return update_in_batches(*fields, batch_size=size)

    def loop(update: Update) -> None:
        with update("n") as batch:
            for thing in Thing.objects.order_by("pk"):
                if thing.pk == size + 1:
                    assert Thing.objects.filter(n=100).count() == size
                thing.n = 100
                batch.save(thing)

    expected, found = both(fill_things, loop, Thing, update=update)
    assert found.error == expected.error
    assert found == expected


def test_nothing_is_sent_for_an_empty_batch(things: BaseDatabaseWrapper) -> None:
    with CaptureQueriesContext(things) as queries, update_in_batches("n") as batch:
        batch.flush()
    assert not len(queries)


def test_few_statements_are_sent(things: BaseDatabaseWrapper) -> None:
    fill_things(450)
    rows = list(Thing.objects.all())
    with CaptureQueriesContext(things) as queries, update_in_batches("n", "touched") as batch:
        for thing in [*rows, *rows]:  # the second time in vain
            batch.save(thing)
    assert len(queries) <= 12


def test_the_query_log_stays_short(things: BaseDatabaseWrapper) -> None:
    with override_settings(DEBUG=True):
        things.queries_log.clear()
        rows = list(Thing.objects.all())
        before = list(things.queries_log)
        with update_in_batches("n", batch_size=2) as batch:
            for thing in rows:
                batch.save(thing)
        assert list(things.queries_log) == before


def test_memory_does_not_grow_with_the_rows(things: BaseDatabaseWrapper) -> None:
    """Nor with the width of the values."""
    thing = Thing.objects.get(pk=1)

    def peak(saves: int, width: int) -> int:
        tracemalloc.start()
        with update_in_batches("text", "json", batch_size=100_000) as batch:
            for number in range(saves):
                thing.text, thing.json = f"{number:x>{width}}", {"a": f"{number:x>{width}}"}
                batch.save(thing)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10, 10)
    mebibyte = 1024 * 1024
    assert peak(5_000, 20) < 12 * mebibyte
    assert peak(30, 300_000) < 12 * mebibyte


def test_wide_values_do_not_break_the_limits_of_the_server(things: BaseDatabaseWrapper) -> None:
    with things.cursor() as cursor:
        width = 15 * 1024 * 1024
        if things.vendor == "mysql":
            cursor.execute("SELECT @@max_allowed_packet")
            width = cursor.fetchone()[0] - 200
    with update_in_batches("text") as batch:
        for thing in Thing.objects.only("n"):
            thing.text = f"{thing.n}" * (width if thing.n == 3 else 1_000_000)
            batch.save(thing)
    lengths = {pk: len(text) for pk, text in Thing.objects.values_list("pk", "text")}
    assert lengths == {
        n: len(str(n)) * (width if n == 3 else 1_000_000) for n in range(1, ROWS + 1)
    }


@pytest.mark.parametrize("mode", MODES)
def test_other_drivers_run_one_statement_after_the_other(
    uniques: BaseDatabaseWrapper, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are not known, and MySQL."""
    monkeypatch.setattr(helper, "_way_to_join", lambda *_: None)
    monkeypatch.setattr(helper, "_way_to_run_many", lambda *_: helper._one_by_one)

    def loop(update: Update) -> None:
        with update("n") as batch:
            for row in Unique.objects.order_by("-n"):
                row.n = 2 if row.pk == 3 else row.n + 1
                batch.save(row)

    expected, found = both(fill_unique, loop, Unique, mode)
    assert_same(expected, found)


def test_packets_hold_few_statements_and_wide_ones_go_alone() -> None:
    lengths = [helper._PACKET_LENGTH * 2, *[10] * (helper._PACKET + 1), helper._PACKET_LENGTH - 50]
    packets = list(helper._packets([["x" * length] for length in lengths], 10))
    assert [len(packet) for packet in packets] == [1, helper._PACKET, 1, 1]


def test_a_packet_counts_the_statements_without_their_values() -> None:
    packets = list(helper._packets([[1], [2], [3]], helper._PACKET_LENGTH // 2 - 50))
    assert packets == [[[1], [2]], [[3]]]


def test_a_packet_of_one_statement_is_no_longer_than_that() -> None:
    sent: list[tuple[str, list[str]]] = []
    cursor = SimpleNamespace(execute=lambda *statement: sent.append(statement))
    helper._in_compound_statements(cursor, lambda place: "UPDATE", [["a"]])
    helper._in_compound_statements(cursor, lambda place: "UPDATE", [["a"], ["b"]])
    assert sent == [("UPDATE", ["a"]), ("BEGIN NOT ATOMIC UPDATE; UPDATE; END", ["a", "b"])]


@dataclass
class Backend:
    """What the choice of a way looks at."""

    vendor: str
    driver: str = ""
    mariadb: bool = True
    options: dict[str, bool] = field(default_factory=dict)

    @property
    def Database(self) -> Any:
        return SimpleNamespace(__name__=self.driver)

    @property
    def mysql_is_mariadb(self) -> bool:
        return self.mariadb

    @property
    def settings_dict(self) -> dict[str, Any]:
        return {"OPTIONS": self.options}


MOGRIFY = SimpleNamespace(mogrify=str)


@pytest.mark.parametrize(
    ("backend", "cursor", "way"),
    [
        (Backend("postgresql", "psycopg"), MOGRIFY, helper._prepared),
        (Backend("postgresql", "psycopg2"), MOGRIFY, helper._prepared_and_joined),
        (Backend("postgresql", "pg8000"), MOGRIFY, helper._one_by_one),
        (
            Backend("postgresql", "psycopg", options={"server_side_binding": True}),
            MOGRIFY,
            helper._one_by_one,
        ),
        (Backend("mysql", "MySQLdb"), MOGRIFY, helper._in_compound_statements),
        (Backend("mysql", "MySQLdb", mariadb=False), MOGRIFY, helper._one_by_one),
        (Backend("mysql", "mysql.connector"), SimpleNamespace(), helper._one_by_one),
        (Backend("sqlite", "sqlite3"), MOGRIFY, helper._one_by_one),
        (Backend("oracle", "oracledb"), MOGRIFY, helper._one_by_one),
        (Backend("cockroachdb", "psycopg"), MOGRIFY, helper._one_by_one),
    ],
)
def test_the_way_of_each_driver(backend: Backend, cursor: Any, way: object) -> None:
    assert helper._way_to_run_many(backend, cursor) is way
