"""
Streams and batches behind a transaction pooler, which gives the server connection to other clients between transactions.

The control shows that the plain `.iterator()` breaks there: what the streams pass is a test that bites.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from itertools import islice
from pathlib import Path

import pytest
from django.db import DatabaseError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tests import databases
from tests.poolers import pooled
from tests.runtime import helper
from tests.runtime.helper import stream, stream_sql, update_in_batches

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]
ROWS = 40
CHUNK = 3


class Parcel(models.Model):
    n = models.IntegerField()

    class Meta:
        app_label = "poolers"


class Pooler:
    """`database` reaches the pooler, as do the `others`, which take its server connections in turns."""

    def __init__(self, database: BaseDatabaseWrapper, others: list[BaseDatabaseWrapper]) -> None:
        self.database = database
        self.others = others

    def serve_others(self) -> None:
        """Let every other client run a transaction, the odd ones with a cursor in it."""
        for number, other in enumerate(self.others):
            with other.cursor() as cursor:
                cursor.execute("SELECT 1")
            if number % 2:
                other.set_autocommit(False)
                with other.chunked_cursor() as cursor:
                    cursor.execute("SELECT g FROM generate_series(1, 9) g")
                    cursor.fetchone()
                other.rollback()
                other.set_autocommit(True)


@pytest.fixture(params=[1, 2], ids=["one connection", "two connections"])
def size(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(params=[False, True], ids=["cursors", "no cursors"])
def disabled(request: pytest.FixtureRequest) -> bool:
    """The setting DISABLE_SERVER_SIDE_CURSORS."""
    return request.param


@pytest.fixture
def pooler(size: int, disabled: bool, database: BaseDatabaseWrapper) -> Iterator[Pooler]:
    """A pooler with `size` server connections; what reaches it is `connections["default"]`."""
    with database.schema_editor() as editor:
        editor.create_model(Parcel)
    Parcel.objects.bulk_create(Parcel(n=n) for n in range(ROWS))
    database.close()
    with ExitStack() as stack:
        entry = stack.enter_context(pooled(databases.configuration("postgresql", Path()), size))
        entry["DISABLE_SERVER_SIDE_CURSORS"] = disabled
        clients = [stack.enter_context(closing(databases.connected(entry))) for _ in range(4)]
        stack.callback(connections.__setitem__, "default", database)
        connections["default"] = clients[0]
        yield Pooler(clients[0], clients[1:])


Read = Callable[[], Iterable[int]]
READS: dict[str, Read] = {
    "stream": lambda: (p.n for p in stream(Parcel.objects.order_by("n"), chunk_size=CHUNK)),
    "spool": lambda: (
        p.n for p in stream(Parcel.objects.order_by("n"), chunk_size=CHUNK, mode="spool")
    ),
    "locked rows": lambda: (
        p.n for p in stream(Parcel.objects.select_for_update().order_by("n"), chunk_size=CHUNK)
    ),
    "raw": lambda: (
        p.n
        for p in stream(
            Parcel.objects.raw("SELECT * FROM poolers_parcel ORDER BY n"), chunk_size=CHUNK
        )
    ),
    "stream_sql": lambda: (
        n
        for (n,) in stream_sql(
            connections["default"],
            "SELECT n FROM poolers_parcel WHERE n > %s ORDER BY n",
            [-1],
            chunk_size=CHUNK,
        )
    ),
}


def numbers(pooler: Pooler, rows: Iterable[int]) -> list[int]:
    """The rows of a loop that writes, with other clients at work during each turn."""
    seen = []
    for n in rows:
        seen.append(n)
        pooler.serve_others()
        Parcel.objects.filter(n=n).update(n=n + 1000)
    return seen


@pytest.mark.parametrize("size", [1, 2], indirect=True)
@pytest.mark.parametrize("disabled", [False], ids=["cursors"], indirect=True)
def test_the_plain_iterator_breaks_in_autocommit(pooler: Pooler) -> None:
    rows = Parcel.objects.order_by("n").iterator(chunk_size=CHUNK)
    with pytest.raises(DatabaseError, match=r"cursor .* (does not exist|already exists)"):
        numbers(pooler, (parcel.n for parcel in rows))


@pytest.mark.parametrize("read", [name for name in READS if name != "locked rows"])
def test_a_stream_goes_on_in_autocommit(pooler: Pooler, read: str) -> None:
    assert numbers(pooler, READS[read]()) == list(range(ROWS))
    assert_nothing_is_left(pooler)


@pytest.mark.parametrize("size", [2], indirect=True)
@pytest.mark.parametrize("read", READS)
def test_a_stream_goes_on_in_a_transaction(pooler: Pooler, read: str) -> None:
    with transaction.atomic():
        assert numbers(pooler, READS[read]()) == list(range(ROWS))
    assert_nothing_is_left(pooler)


def test_streams_within_streams_and_ends_half_way_leave_the_server_connections_clean(
    pooler: Pooler,
) -> None:
    for outer in READS["stream"](), READS["spool"](), READS["stream_sql"]():
        for n in islice(outer, CHUNK + 1):
            pooler.serve_others()
            assert len(list(READS["stream"]())) == ROWS, n
    assert_nothing_is_left(pooler)


@pytest.mark.parametrize("size", [2], indirect=True)
@pytest.mark.parametrize("surroundings", [nullcontext, transaction.atomic])
@pytest.mark.parametrize("many", [2, ROWS], ids=["one statement", "a prepared statement"])
@pytest.mark.usefixtures("together")
def test_a_batch_is_written(
    pooler: Pooler,
    surroundings: Callable[[], AbstractContextManager[None]],
    many: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(helper, "_MANY", many)
    with surroundings(), update_in_batches("n", batch_size=CHUNK) as batch:
        for parcel in stream(Parcel.objects.order_by("n"), chunk_size=CHUNK):
            pooler.serve_others()
            parcel.n += 1000
            batch.save(parcel)
    assert sorted(Parcel.objects.values_list("n", flat=True)) == [*range(1000, 1000 + ROWS)]
    assert_nothing_is_left(pooler)


def assert_nothing_is_left(pooler: Pooler) -> None:
    """Ask every server connection for its cursors, prepared statements and the planner's setting."""
    for client in (pooler.database, *pooler.others):
        with client.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT count(*) FROM pg_cursors),"
                " (SELECT count(*) FROM pg_prepared_statements),"
                " current_setting('cursor_tuple_fraction')"
            )
            assert cursor.fetchone() == (0, 0, "0.1")
