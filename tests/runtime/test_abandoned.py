"""
Blocks that are left half-way: what waits is written when the plain loop would have written it, or never.

A generator that nobody asks for more stands still in its block until somebody throws it away: in a moment, at the end
of a transaction, when the garbage is collected, with the process.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.databases import ONE_SQLITE
from tests.runtime.helper import create_in_batches, stream, update_in_batches

ROWS = 6
pytestmark = pytest.mark.parametrize("database", ONE_SQLITE, indirect=True)


class Letter(models.Model):
    n = models.IntegerField()
    note = models.CharField(max_length=40, default="")

    class Meta:
        app_label = "abandoned"


@pytest.fixture
def letters(database: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    with database.schema_editor() as editor:
        editor.create_model(Letter)
    Letter.objects.bulk_create(Letter(n=n) for n in range(1, ROWS + 1))
    return database


def numbers() -> list[int]:
    return [*Letter.objects.order_by("pk").values_list("n", flat=True)]


def changed(rows: int) -> list[int]:
    return [n + 100 if n <= rows else n for n in range(1, ROWS + 1)]


def saving() -> Iterator[int]:
    with update_in_batches("n") as batch:
        for letter in stream(Letter.objects.order_by("pk")):
            letter.n += 100
            batch.save(letter)
            yield letter.pk


def saving_in_a_stack() -> Iterator[int]:
    with ExitStack() as stack:
        batch = stack.enter_context(update_in_batches("n"))
        for letter in stream(Letter.objects.order_by("pk")):
            letter.n += 100
            batch.save(letter)
            yield letter.pk


def delegating() -> Iterator[int]:
    yield from saving()


def creating() -> Iterator[int]:
    with create_in_batches(Letter) as batch:
        for n in range(ROWS + 1, 2 * ROWS + 1):
            batch.create(n=n)
            yield n


def adding() -> Iterator[int]:
    with create_in_batches(Letter) as batch:
        for n in range(ROWS + 1, 2 * ROWS + 1):
            batch.add(Letter(n=n))
            yield n


def updating() -> Iterator[int]:
    with update_in_batches("n", batch_size=2) as batch:
        for letter in stream(Letter.objects.order_by("pk")):
            letter.n += 100
            batch.update(letter)
            yield letter.pk


def appending() -> Iterator[int]:
    with create_in_batches(Letter, batch_size=2) as batch:
        for n in range(ROWS + 1, 2 * ROWS + 1):
            batch.append(Letter(n=n))
            yield n


MORE = [*range(1, ROWS + 1), *range(ROWS + 1, 2 * ROWS + 1)]
# What is in the table while a generator stands still after its third row, as after that of the plain loop.
GENERATORS: list[tuple[Callable[[], Iterator[int]], list[int], list[int]]] = [
    (saving, changed(3), changed(ROWS)),
    (saving_in_a_stack, changed(3), changed(ROWS)),
    (delegating, changed(3), changed(ROWS)),
    (creating, MORE[: ROWS + 3], MORE),
    (adding, MORE[: ROWS + 3], MORE),
    (updating, changed(0), changed(ROWS)),
    (appending, MORE[:ROWS], MORE),
]
every_generator = pytest.mark.parametrize(
    ("generator", "half", "whole"), GENERATORS, ids=[each[0].__name__ for each in GENERATORS]
)


@every_generator
def test_a_generator_that_is_read_to_its_end(letters, generator, half, whole):
    for _ in generator():
        pass
    assert numbers() == whole


def closed(rows: list[Iterator[int]]) -> None:
    rows.pop().close()


def dropped(rows: list[Iterator[int]]) -> None:
    rows.clear()


def collected(rows: list[Iterator[int]]) -> None:
    cycle: list[Any] = [rows.pop()]
    cycle.append(cycle)
    del cycle
    gc.collect()


def thrown_into(rows: list[Iterator[int]]) -> None:
    with suppress(ValueError):
        rows.pop().throw(ValueError)  # type: ignore[attr-defined]


@every_generator
@pytest.mark.parametrize("leave", [closed, dropped, collected, thrown_into])
def test_a_generator_that_is_left_writes_nothing_later(letters, generator, half, whole, leave):
    rows = [generator()]
    for _ in range(3):
        next(rows[0])
    assert numbers() == half
    Letter.objects.update(n=0)
    before = numbers()
    leave(rows)
    assert numbers() == before


@every_generator
def test_a_generator_that_outlives_its_transaction(letters, generator, half, whole):
    rows = generator()
    with suppress(ZeroDivisionError), transaction.atomic():
        for _ in range(3):
            next(rows)
        raise ZeroDivisionError
    rows.close()
    assert numbers() == changed(0)
    with transaction.atomic():  # in which nothing fails
        assert numbers() == changed(0)


def test_the_cursor_of_a_stream_that_outlives_its_transaction(letters):
    with transaction.atomic():
        rows = stream(Letter.objects.order_by("pk"), chunk_size=2)
        next(rows)
    with transaction.atomic():
        Letter.objects.filter(n=1).update(n=7)
        rows.close()
        Letter.objects.filter(n=2).update(n=8)
    assert numbers() == [7, 8, 3, 4, 5, 6]


class Awaited:
    def __await__(self) -> Iterator[None]:
        yield


def test_a_coroutine(letters):
    async def saves() -> None:
        with update_in_batches("n") as batch:
            for letter in Letter.objects.order_by("pk"):
                letter.n += 100
                batch.save(letter)
                await Awaited()

    task = saves()
    for _ in range(3):
        task.send(None)
    assert numbers() == changed(3)
    Letter.objects.update(n=0)
    task.close()
    assert numbers() == [0] * ROWS


def test_rows_after_the_block_and_before_it_are_written_at_once(letters):
    first, second, third = Letter.objects.order_by("pk")[:3]
    batch = update_in_batches("n")
    first.n += 100
    batch.save(first)
    assert numbers() == changed(1)
    with batch:
        second.n += 100
        batch.save(second)
        assert numbers() == changed(1)
    third.n += 100
    batch.save(third)
    assert numbers() == changed(3)


def test_a_function_that_a_generator_calls_writes_in_batches(letters):
    sent: list[str] = []

    def saves(rows: Iterable[Letter]) -> None:
        with update_in_batches("n") as batch:
            for letter in rows:
                letter.n += 100
                batch.save(letter)
                assert not sent

    def generator() -> Iterator[None]:
        saves([*Letter.objects.order_by("pk")])
        yield

    def note(run: Any, sql: str, *rest: Any) -> Any:
        sent.extend([sql] if sql.startswith(("UPDATE", "BEGIN NOT", "PREPARE")) else [])
        return run(sql, *rest)

    rows = generator()
    with transaction.atomic():
        letters_before = numbers()
        with connection.execute_wrapper(note):
            next(rows)
    assert letters_before == changed(0)
    assert sent
    assert numbers() == changed(ROWS)
