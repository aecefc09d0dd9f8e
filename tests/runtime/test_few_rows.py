"""Of few rows a batch sends no more to the server than the loop that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import ceil
from typing import Any

import django
import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext

from tests.runtime.helper import create_in_batches, update_in_batches

KEYS = 100_000  # of the rows that are there; PostgreSQL counts the new ones from 1
SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 20, 50]
MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocommit": nullcontext,
    "transaction": transaction.atomic,
}


class Parcel(models.Model):
    n = models.IntegerField(null=True, unique=True)
    text = models.TextField(default="")
    data = models.JSONField(null=True)

    class Meta:
        app_label = "few"


@pytest.fixture
def parcels(database: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    with connection.schema_editor() as editor:
        editor.create_model(Parcel)
    return database


def fill(rows: int) -> list[Parcel]:
    Parcel.objects.all().delete()
    Parcel.objects.bulk_create(Parcel(id=KEYS + i, n=i) for i in range(1, rows + 1))
    return list(Parcel.objects.order_by("pk"))


def changed(parcels: list[Parcel], text: str = "x", data: object = None) -> Iterator[Parcel]:
    for parcel in parcels:
        parcel.n = KEYS - parcel.pk
        parcel.text = text
        parcel.data = data if parcel.pk % 2 else None
        yield parcel


def save(parcels: list[Parcel], **values: Any) -> None:
    for parcel in changed(parcels, **values):
        parcel.save(update_fields=["n", "text", "data"])


def save_in_batches(parcels: list[Parcel], **values: Any) -> None:
    with update_in_batches("n", "text", "data") as batch:
        for parcel in changed(parcels, **values):
            batch.save(parcel)


def update(parcels: list[Parcel], **values: Any) -> None:
    Parcel.objects.bulk_update(list(changed(parcels, **values)), ["n", "text", "data"])


def update_a_list_in_batches(parcels: list[Parcel], **values: Any) -> None:
    with update_in_batches("n", "text", "data") as batch:
        for parcel in changed(parcels, **values):
            batch.update(parcel)


def new(parcels: list[Parcel], key: bool = False, text: str = "x") -> Iterator[dict[str, Any]]:
    """Some rows with a key and some without, which no INSERT takes together, where `key` says so."""
    for parcel in parcels:
        given = {"pk": KEYS + parcel.pk} if key and parcel.pk % 2 else {}
        yield {**given, "n": parcel.pk - KEYS + 1000, "text": text}


def create(parcels: list[Parcel], **values: Any) -> None:
    for each in new(parcels, **values):
        Parcel.objects.create(**each)


def create_a_batch(parcels: list[Parcel], **values: Any) -> None:
    with create_in_batches(Parcel.objects) as batch:
        for each in new(parcels, **values):
            batch.create(**each)


def create_list(parcels: list[Parcel], **values: Any) -> None:
    Parcel.objects.bulk_create([Parcel(**each) for each in new(parcels, **values)])


def create_list_in_batches(parcels: list[Parcel], **values: Any) -> None:
    with create_in_batches(Parcel.objects) as batch:
        for each in new(parcels, **values):
            batch.append(Parcel(**each))


WIDE = {"text": "x" * 70_000}  # a packet of its own
PAIRS = {
    "save": (save, save_in_batches, {}),
    "save wide rows": (save, save_in_batches, WIDE),
    "save documents": (save, save_in_batches, {"data": {"a": 1}}),
    "bulk_update": (update, update_a_list_in_batches, {}),
    "bulk_update wide rows": (update, update_a_list_in_batches, {"text": "x" * 10_000}),
    "bulk_update documents": (update, update_a_list_in_batches, {"data": {"a": 1}}),
    "create": (create, create_a_batch, {}),
    "create wide rows": (create, create_a_batch, WIDE),
    "create with keys": (create, create_a_batch, {"key": True}),
    "bulk_create": (create_list, create_list_in_batches, {}),
    "bulk_create with keys": (create_list, create_list_in_batches, {"key": True}),
}


@contextmanager
def counting(sent: list[int]) -> Iterator[None]:
    """Appends how often the block goes to the server; MariaDB says it, others' statements are logged."""
    before = questions()
    with CaptureQueriesContext(connection) as queries:
        yield
    sent.append(max(len(queries), questions() - before))


def questions() -> int:
    """https://mariadb.com/kb/en/server-status-variables/#questions"""
    if connection.vendor != "mysql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Questions'")
        return int(cursor.fetchone()[1])


def stored() -> list[tuple[Any, ...]]:
    return list(Parcel.objects.order_by("n").values_list("n", "text", "data"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pair", PAIRS)
def test_no_more_goes_to_the_server(parcels: BaseDatabaseWrapper, mode: str, pair: str) -> None:
    *loops, values = PAIRS[pair]
    for size in SIZES:
        sent: list[int] = []
        left = []
        for loop in loops:
            rows = fill(size)
            with MODES[mode](), counting(sent):
                loop(rows, **values)
            left.append(stored())
        assert left[0] == left[1], size
        assert sent[1] <= sent[0], size


@pytest.mark.parametrize("mode", MODES)
def test_many_rows_of_a_list_send_no_more_by_the_driver(
    parcels: BaseDatabaseWrapper, mode: str
) -> None:
    """Where `executemany` takes them; the other databases are asked a few statements for each batch.

    Django 6 puts as many rows into one statement of SQLite as that takes, a batch holds 1,000.
    """
    if connection.vendor != "sqlite":
        return
    of_a_batch = 1 if mode == "transaction" else 3  # BEGIN and COMMIT
    for size in [51, 100, 600, 2100]:
        sent: list[int] = []
        for loop in (update, update_a_list_in_batches):
            rows = fill(size)
            with MODES[mode](), counting(sent):
                loop(rows)
        most = 0 if django.VERSION < (6, 0) else ceil(size / 1000) * of_a_batch
        assert sent[1] <= max(sent[0], most), size


@pytest.mark.parametrize("pair", ["save", "create"])
def test_many_rows_send_few_statements(parcels: BaseDatabaseWrapper, pair: str) -> None:
    sent: list[int] = []
    for loop in PAIRS[pair][:2]:
        rows = fill(50)
        with transaction.atomic(), counting(sent):
            loop(rows)
    assert sent[1] < 10 < 50 <= sent[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loop", [save_in_batches, create_a_batch])
def test_an_error_leaves_the_rows_before_it(
    parcels: BaseDatabaseWrapper, mode: str, loop: Callable[[list[Parcel]], None]
) -> None:
    """As `save()` of each does, outside of a transaction; inside of one nothing goes on after it."""
    rows = fill(3)
    Parcel.objects.create(id=100, n=-2 if loop is save_in_batches else 1002)
    with pytest.raises(IntegrityError), MODES[mode]():
        loop(rows)
    found = set(Parcel.objects.values_list("n", flat=True))
    assert ({-1, 1001} & found != set()) == (mode == "autocommit")
    assert not {-3, 1003} & found


def test_an_error_of_few_rows_breaks_the_transaction(parcels: BaseDatabaseWrapper) -> None:
    rows = fill(3)
    Parcel.objects.create(id=100, n=-2)
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            save_in_batches(rows)
        with pytest.raises(transaction.TransactionManagementError):
            Parcel.objects.count()


def test_a_list_is_written_as_a_whole(parcels: BaseDatabaseWrapper) -> None:
    for size in (3, 70):
        rows = fill(size)
        Parcel.objects.create(id=100, n=-2)
        with pytest.raises(IntegrityError), transaction.atomic():
            update_a_list_in_batches(rows)
        assert set(Parcel.objects.values_list("n", flat=True)) == {*range(1, size + 1), -2}
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            update_a_list_in_batches(rows)
        with pytest.raises(transaction.TransactionManagementError):
            Parcel.objects.count()


def test_rows_of_a_list_move_to_the_table_by_their_batch(parcels: BaseDatabaseWrapper) -> None:
    """Also when those that wait were few at first, and when some are kept for the end."""
    rows = fill(130)
    with update_in_batches("n", "text", "data", batch_size=60) as batch:
        for parcel in changed(rows, data={"a": 1}):
            batch.update(parcel)
    assert [n for n, *_ in stored()] == list(range(-130, 0))
