"""
A connection that is lost is lost for what runs in batches and streams, too: nothing goes on in another session.

In autocommit Django's own loop raises at the save that fails, and at each one after it: the connection stays the lost
one, and no other one takes its place without a word. One without the settings of the session (`search_path`, locks,
temporary tables) would write elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from django.db import (
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    models,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Value
from django.db.models.functions import Repeat

from tests import databases
from tests.runtime import helper
from tests.runtime.helper import create_in_batches, stream, stream_sql, update_in_batches

pytestmark = pytest.mark.usefixtures("together")

ROWS = 12
BATCH = 5
LOST = (OperationalError, InterfaceError)  # of which drivers say that a connection is gone

on_servers = pytest.mark.parametrize(
    "database",
    [p for p in databases.PARAMETERS if p.values[0] in databases.SERVERS],
    indirect=True,
)


class Parcel(models.Model):
    n = models.IntegerField(unique=True)

    class Meta:
        app_label = "lost"


Save = Callable[[Any, int], None]


@pytest.fixture
def parcels(database: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    with database.schema_editor() as editor:
        editor.create_model(Parcel)
    Parcel.objects.bulk_create(Parcel(n=n) for n in range(1, ROWS + 1))
    return database


@contextmanager
def another() -> Iterator[Any]:
    """A connection of somebody else to the same database."""
    with closing(databases.connected(dict(connection.settings_dict))) as other:
        yield other


def kill(number: int | None = None) -> None:
    """End the session, on the server."""
    mine = backend() if number is None else number
    statement = "SELECT pg_terminate_backend(%s)" if is_postgresql() else "KILL %s"
    with another() as other, other.cursor() as cursor:
        cursor.execute(statement, [mine])
        for _ in range(200):
            cursor.execute(
                (
                    "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
                    if is_postgresql()
                    else "SELECT count(*) FROM information_schema.processlist WHERE id = %s"
                ),
                [mine],
            )
            if not cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("the session does not end")


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def backend() -> int:
    driver = connection.connection
    if not is_postgresql():
        return int(driver.thread_id())
    return int(driver.info.backend_pid)


def numbers() -> list[int]:
    """The table as another client sees it."""
    with another() as other, other.cursor() as cursor:
        cursor.execute("SELECT n FROM lost_parcel ORDER BY id")
        return [n for (n,) in cursor.fetchall()]


def written(rows: int) -> list[int]:
    """The table after the first rows have been written."""
    return [n + 100 if n <= rows else n for n in range(1, ROWS + 1)]


def loop(at: Callable[[Any], None]) -> None:
    """Number the parcels anew; call `at` before each save."""
    with update_in_batches("n", batch_size=BATCH) as batch:
        for parcel in list(Parcel.objects.order_by("id")):
            at(parcel)
            parcel.n += 100
            batch.save(parcel)


@contextmanager
def killed_at(statement: int) -> Iterator[None]:
    """The session ends before one of the statements is sent; SELECT aside."""
    seen = 0

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal seen
        if sql.startswith("SELECT"):
            return run(sql, params, many, context)
        seen += 1
        if seen == statement:
            kill()
        return run(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield
    assert seen >= statement


@contextmanager
def lost() -> Iterator[pytest.ExceptionInfo[Error]]:
    """The block raises what the driver says of a lost connection, and leaves that connection."""
    driver = connection.connection
    with pytest.raises(LOST) as raised:
        yield raised
    assert connection.connection is driver
    with pytest.raises(LOST):  # as after the plain loop
        Parcel.objects.count()
    assert connection.get_autocommit()
    connection.close()
    assert Parcel.objects.count() == ROWS


def is_of_driver(error: BaseException) -> bool:
    return isinstance(error.__cause__, connection.Database.Error)


@on_servers
@pytest.mark.parametrize("row", [1, 2, BATCH, BATCH + 1, ROWS])
def test_before_a_batch_is_written(parcels: BaseDatabaseWrapper, row: int) -> None:
    with lost() as raised:
        loop(lambda parcel: kill() if parcel.pk == row else None)
    assert is_of_driver(raised.value)
    assert numbers() == written((row - 1) // BATCH * BATCH)


@on_servers
@pytest.mark.parametrize("statement", [1, 2, 3, 4])
def test_while_a_batch_is_written(parcels: BaseDatabaseWrapper, statement: int) -> None:
    sent = 3 if is_postgresql() else 1  # for each batch
    if statement > 3 * sent:
        pytest.skip("sends fewer")
    Parcel.objects.count()
    with lost() as raised, killed_at(statement):
        loop(lambda parcel: None)
    assert is_of_driver(raised.value)
    assert numbers() in [written(batches * BATCH) for batches in range(statement // sent + 1)]


@on_servers
def test_while_a_batch_is_committed(
    parcels: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    Parcel.objects.count()
    commit = connection.commit
    monkeypatch.setattr(connection, "commit", lambda: (kill(), commit()))
    with lost() as raised:
        loop(lambda parcel: None)
    assert is_of_driver(raised.value)
    assert numbers() == written(0)


@on_servers
def test_while_few_rows_of_a_list_are_written(
    parcels: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper, "_FEW", 50)
    Parcel.objects.count()
    with lost() as raised, killed_at(1), update_in_batches("n") as batch:
        for parcel in list(Parcel.objects.order_by("id")):
            parcel.n += 100
            batch.update(parcel)
    assert is_of_driver(raised.value)
    assert numbers() == written(0)


def duplicate(parcel: Any) -> None:
    if parcel.pk == 3:
        parcel.n = ROWS - 100


@on_servers
@pytest.mark.parametrize("moment", ["rollback", "repeat"])
def test_between_a_batch_and_its_repetition(
    parcels: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    Parcel.objects.count()
    if moment == "rollback":
        rollback = connection.rollback
        monkeypatch.setattr(connection, "rollback", lambda: (kill(), rollback()))
    else:
        does_all = helper._does_all
        monkeypatch.setattr(helper, "_does_all", lambda *args: (does_all(*args), kill())[0])
    with lost() as raised:
        loop(duplicate)
    assert is_of_driver(raised.value) or isinstance(raised.value.__cause__, IntegrityError)
    assert numbers() == written(0)


@on_servers
@pytest.mark.parametrize("row", [1, 3, 4])
def test_while_rows_are_repeated(parcels: BaseDatabaseWrapper, row: int) -> None:
    Parcel.objects.count()
    repeated = 0

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal repeated
        repeated += sql.startswith("UPDATE")
        if repeated == row:
            kill()
        return run(sql, params, many, context)

    def at(parcel: Any) -> None:
        if parcel.pk == 4:
            parcel.n = ROWS - 100

    with lost() as raised, connection.execute_wrapper(execute):
        loop(at)
    assert is_of_driver(raised.value)
    assert numbers() == written(row - 1)


@on_servers
def test_in_a_transaction(parcels: BaseDatabaseWrapper) -> None:
    with pytest.raises(LOST) as raised, transaction.atomic():
        loop(lambda parcel: kill() if parcel.pk == BATCH + 2 else None)
    assert is_of_driver(raised.value)
    assert numbers() == written(0)


@on_servers
def test_an_error_that_the_loop_catches(parcels: BaseDatabaseWrapper) -> None:
    """Each save after it fails as well, as that of the plain loop."""
    errors = []

    def saved(batch: Any, parcel: Any) -> None:
        parcel.n += 100
        try:
            batch.save(parcel)
        except Error as error:
            errors.append(error)

    with lost(), update_in_batches("n", batch_size=BATCH) as batch:
        for parcel in list(Parcel.objects.order_by("id")):
            if parcel.pk == BATCH:
                kill()
            saved(batch, parcel)
    assert len(errors) == 2
    assert numbers() == written(0)


@on_servers
@pytest.mark.parametrize("batch_size", [BATCH, 1000])
def test_the_error_of_the_block_is_the_cause(parcels: BaseDatabaseWrapper, batch_size: int) -> None:
    with lost() as raised, update_in_batches("n", batch_size=batch_size) as batch:
        for parcel in list(Parcel.objects.order_by("id")[:3]):
            parcel.n += 100
            batch.save(parcel)
        kill()
        Parcel.objects.count()
    assert "3 rows that were saved before are not written" in str(raised.value)
    assert isinstance(raised.value.__cause__, LOST)
    assert is_of_driver(raised.value.__cause__)
    assert numbers() == written(0)


@on_servers
def test_idle_for_too_long(parcels: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SET idle_session_timeout = '200ms'"
            if is_postgresql()
            else "SET SESSION wait_timeout = 1"
        )
    with lost() as raised:
        loop(lambda parcel: time.sleep(1.5) if parcel.pk == BATCH + 1 else None)
    assert is_of_driver(raised.value)
    assert numbers() == written(BATCH)


def test_a_connection_that_is_closed_and_opened(
    parcels: BaseDatabaseWrapper,
) -> None:
    """The rows that wait belong to the session that is over; they are not written in another one."""
    if parcels.vendor == "sqlite" and parcels.is_in_memory_db():
        pytest.skip("stays open")
    with pytest.raises(OperationalError, match="5 rows that were saved before are not written"):
        loop(lambda parcel: connection.close() if parcel.pk == BATCH + 3 else None)
    assert numbers()[:BATCH] == written(BATCH)[:BATCH]
    assert numbers()[BATCH:] == written(0)[BATCH:]


@on_servers
@pytest.mark.parametrize("checks", [False, True], ids=["", "health checks"])
def test_a_connection_that_django_replaces(parcels: BaseDatabaseWrapper, checks: bool) -> None:
    parcels.settings_dict["CONN_HEALTH_CHECKS"] = checks
    connection.close()

    def at(parcel: Any) -> None:
        if parcel.pk == BATCH + 3:
            kill()
            if not checks:
                with suppress(Error):
                    Parcel.objects.count()
            connection.close_if_unusable_or_obsolete()

    with pytest.raises(OperationalError, match="5 rows that were saved before are not written"):
        loop(at)
    assert numbers() == written(BATCH)


@pytest.mark.parametrize(
    "database", [pytest.param("mariadb", marks=pytest.mark.mariadb)], indirect=True
)
def test_a_driver_that_connects_again_within_its_object(
    parcels: BaseDatabaseWrapper,
) -> None:
    """As PyMySQL did in ping() before 1.2."""
    if not hasattr(parcels.connection, "connect"):
        pytest.skip("this driver cannot")

    def at(parcel: Any) -> None:
        if parcel.pk == BATCH + 3:
            kill()
            connection.connection.connect()

    with pytest.raises(OperationalError, match="5 rows that were saved before are not written"):
        loop(at)
    assert numbers() == written(BATCH)


@on_servers
@pytest.mark.parametrize("mode", ["auto", "spool"])
@pytest.mark.parametrize("kind", ["rows", "sql"])
def test_while_a_stream_is_read(
    parcels: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str
) -> None:
    fetch = helper._fetch

    def lossy(cursor: Any, chunk_size: int) -> Iterator[Any]:
        for number, block in enumerate(fetch(cursor, chunk_size)):
            yield block
            if number == 1:
                kill()

    Parcel.objects.count()
    fill = "SELECT 1000 + n, 1000 + n FROM generate_series(1, 10000) n"
    if not is_postgresql():
        fill = "SELECT 1000 + seq, 1000 + seq FROM seq_1_to_10000"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO lost_parcel (id, n) {fill}")
    monkeypatch.setattr(helper, "_fetch", lossy)
    wide = "SELECT id, repeat('x', 2000) FROM lost_parcel"  # more than waits on the way
    rows = (
        stream(Parcel.objects.annotate(wide=Repeat(Value("x"), 2000)), chunk_size=20, mode=mode)
        if kind == "rows"
        else stream_sql(connection, wide, chunk_size=20, mode=mode)
    )
    driver = connection.connection
    with pytest.raises(LOST) as raised:
        for _ in rows:
            pass
    assert is_of_driver(raised.value)
    assert connection.connection is driver
    with pytest.raises(LOST):
        Parcel.objects.count()
    connection.close()


@on_servers
@pytest.mark.parametrize("method", ["create", "add", "append"])
@pytest.mark.parametrize("at", [2, BATCH])
def test_new_rows(parcels: BaseDatabaseWrapper, method: str, at: int) -> None:
    calls = {
        "create": lambda batch, n: batch.create(n=n),
        "add": lambda batch, n: batch.add(Parcel(n=n)),
        "append": lambda batch, n: batch.append(Parcel(n=n)),
    }
    Parcel.objects.count()

    def creates() -> None:
        with create_in_batches(Parcel, batch_size=BATCH) as batch:
            for n in range(1, ROWS + 1):
                if n == at + BATCH:
                    kill()
                calls[method](batch, 100 + n)

    with pytest.raises(LOST) as raised:
        creates()
    assert is_of_driver(raised.value)
    assert numbers() == [*written(0), *range(101, 101 + BATCH)]


@pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
def test_nothing_is_written_under_another_search_path(parcels: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA tenant")
        cursor.execute("CREATE TABLE tenant.lost_parcel (LIKE public.lost_parcel INCLUDING ALL)")
        cursor.execute("INSERT INTO tenant.lost_parcel SELECT * FROM public.lost_parcel")
        cursor.execute("SET search_path TO tenant")
    with suppress(*LOST), update_in_batches("n", batch_size=BATCH) as batch:
        for parcel in list(Parcel.objects.order_by("id")):
            if parcel.pk == 2:
                kill()
            parcel.n += 100
            with suppress(*LOST):
                batch.save(parcel)
    assert numbers() == written(0)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA tenant CASCADE")
