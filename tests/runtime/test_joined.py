"""
Batches that one statement writes, on PostgreSQL and MariaDB, leave what `save()` of each row leaves.

Where a row's own statement could do another thing than its part of the one statement does, the rows keep their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import django
import pytest
from django.apps.registry import Apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext

from tests.databases import MODES, PARAMETERS, SERVERS
from tests.runtime.helper import update_in_batches

ON_SERVERS = [parameter for parameter in PARAMETERS if parameter.values[0] in SERVERS]
ON_POSTGRESQL = [parameter for parameter in ON_SERVERS if parameter.values == ("postgresql",)]
ON_MARIADB = [parameter for parameter in ON_SERVERS if parameter.values == ("mariadb",)]

pytestmark = pytest.mark.usefixtures("together")

on_servers = pytest.mark.parametrize("database", ON_SERVERS, indirect=True)
only_postgresql = pytest.mark.parametrize("database", ON_POSTGRESQL, indirect=True)
only_mariadb = pytest.mark.parametrize("database", ON_MARIADB, indirect=True)

ROWS = 6


class Shelf(models.Model):
    class Meta:
        app_label = "joined"


class Parcel(models.Model):
    n = models.IntegerField(null=True)
    m = models.IntegerField(default=0)
    word = models.CharField(max_length=5, null=True)
    text = models.TextField(null=True)
    flag = models.BooleanField(null=True)
    real = models.FloatField(null=True)
    decimal = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    moment = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    hour = models.TimeField(null=True)
    span = models.DurationField(null=True)
    uuid = models.UUIDField(null=True)
    json = models.JSONField(null=True)
    address = models.GenericIPAddressField(null=True)
    shelf = models.ForeignKey(Shelf, models.CASCADE, null=True)

    class Meta:
        app_label = "joined"


@pytest.fixture
def parcels(database: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    create(Shelf, Parcel)
    Shelf.objects.create(pk=1)
    return database


def create(*created: type[models.Model]) -> None:
    with connection.schema_editor() as editor:
        for model in created:
            editor.create_model(model)


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, None)


def stored(model: type[models.Model]) -> list[tuple[Any, ...]]:
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
        return cursor.fetchall()


def fill(model: type[models.Model]) -> None:
    model.objects.all().delete()
    model.objects.bulk_create(model(pk=pk) for pk in range(1, ROWS + 1))


def save(values: list[dict[str, Any]], model: type[models.Model] = Parcel) -> None:
    """Save each of these rows."""
    for row, names in changed(model, values):
        row.save(update_fields=names)


def save_in_batches(values: list[dict[str, Any]], model: type[models.Model] = Parcel) -> None:
    names = [name for name in values[0] if name != "pk"]
    with update_in_batches(*names) as batch:
        for row, _ in changed(model, values):
            batch.save(row)


def changed(
    model: type[models.Model], values: list[dict[str, Any]]
) -> Iterator[tuple[models.Model, list[str]]]:
    for each in values:
        row = model(**each)
        row._state.adding = False
        yield row, [name for name in each if name != "pk"]


def outcome(
    run: Callable[..., None], values: list[dict[str, Any]], model: type[models.Model], mode: str
) -> tuple[list[tuple[Any, ...]], type[Exception] | None]:
    error = None
    try:
        with MODES[mode]():
            run(values, model)
    except DatabaseError as caught:
        error = type(caught)
    return stored(model), error


def check(
    values: list[dict[str, Any]],
    *,
    joined: bool,
    model: type[models.Model] = Parcel,
    refill: Callable[[type[models.Model]], None] = fill,
    mode: str = "transaction",
) -> type[Exception] | None:
    """Save the rows one by one, then in a batch: the same is left, and raised, which is returned."""
    refill(model)
    one_by_one = outcome(save, values, model, mode)
    refill(model)
    with CaptureQueriesContext(connection) as queries:
        batched = outcome(save_in_batches, values, model, mode)
    assert repr(batched) == repr(one_by_one)  # nan is not itself, and -0.0 is 0.0
    assert is_joined(queries) is joined
    return batched[1]


def is_joined(queries: CaptureQueriesContext) -> bool:
    marks = ("ROWS FROM (pg_catalog.unnest", "STRAIGHT_JOIN")
    # None: a statement that psycopg could not put together.
    return any(mark in (each["sql"] or "") for each in queries.captured_queries for mark in marks)


def numbered(values: list[Any], name: str) -> list[dict[str, Any]]:
    return [{"pk": pk, name: value} for pk, value in enumerate(values, 1)]


def nothing(model: type[models.Model]) -> None:
    pass


NUMBERS = numbered([10, 20, None, -5, 2**31 - 1, -(2**31)], "n")

VALUES: dict[str, list[list[Any]]] = {
    "n": [[1, None, -(2**31), 2**31 - 1], [True, False]],
    "word": [["", " ", "abcde", None, "é中"], ["abcde   ", "a "], ["NULL", "null", '"', "\\", "{}", ","]],
    "text": [["\\'\"", "%s %%", "\n\r\t\x1a", "x" * 70_000], [None, None]],
    "flag": [[True, False, None]],
    "real": [[0.1, -1e300, 5e-324, 3, None], [-0.0, 0.0, 1e22, 123456789.123456789]],
    "decimal": [[Decimal("0.000001"), Decimal("-12345678901234.567891"), 1, None, Decimal("1E+3")]],
    "moment": [
        [
            datetime(2020, 2, 29, 23, 59, 59, 999999, tzinfo=timezone.utc),
            datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=-11))),
            datetime(2021, 3, 28, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            None,
        ],
        [datetime(1, 1, 2, tzinfo=timezone.utc), datetime(9999, 12, 30, tzinfo=timezone.utc)],
    ],
    "day": [[date(1, 1, 1), date(9999, 12, 31), datetime(2020, 1, 1), None]],
    "hour": [[time(0), time(23, 59, 59, 999999), None]],
    "uuid": [[uuid.UUID(int=0), str(uuid.UUID(int=2**128 - 1)), None]],
    "json": [[{"a": [1, None, "%s'\\\""]}, [], {"é": {"b": {}}}, "text", 1.5, None]],
    "shelf_id": [[1, None]],
}  # fmt: skip


@on_servers
@pytest.mark.parametrize("name", VALUES)
def test_every_type(parcels: BaseDatabaseWrapper, name: str) -> None:
    for values in VALUES[name]:
        assert check(numbered(values, name), joined=True) is None


@on_servers
def test_types_that_are_written_row_by_row_on_postgresql(parcels: BaseDatabaseWrapper) -> None:
    joined = connection.vendor == "mysql"
    check(numbered([timedelta(days=-3, microseconds=1), None], "span"), joined=joined)
    check(numbered(["10.0.0.1", "2001:db8::1"], "address"), joined=joined)


@on_servers
def test_floats_that_are_no_numbers(parcels: BaseDatabaseWrapper) -> None:
    if connection.vendor == "mysql":
        pytest.skip("which MariaDB does not have")
    check(numbered([float("nan"), float("inf"), float("-inf")], "real"), joined=True)


@only_postgresql
def test_hours_with_a_time_zone(parcels: BaseDatabaseWrapper) -> None:
    """Drivers refuse those of a zone whose offset depends on the day, but for psycopg2, which leaves the zone out."""
    zone = ZoneInfo("Europe/Berlin")
    error = check(numbered([time(1), time(2, tzinfo=zone), time(3)], "hour"), joined=False)
    assert (error is None) is (parcels.Database.__name__ == "psycopg2")
    fixed = timezone(timedelta(hours=2))
    assert check(numbered([time(1), time(2, tzinfo=fixed)], "hour"), joined=False) is None


@only_postgresql
def test_a_negative_zero_that_the_server_binds(parcels: BaseDatabaseWrapper) -> None:
    """It is no literal, which would be a numeric without sign."""
    if parcels.Database.__name__ != "psycopg":
        pytest.skip("an option of psycopg 3")
    parcels.settings_dict["OPTIONS"]["server_side_binding"] = True
    parcels.close()
    assert check(numbered([-0.0, 1.0], "real"), joined=False) is None
    assert repr(stored(Parcel)[0][6]) == "-0.0"


@only_postgresql
def test_values_that_an_adapter_of_the_project_sends(parcels: BaseDatabaseWrapper) -> None:
    """The manuals of the drivers show one that writes the last day as infinity."""
    fill(Parcel)
    with last_day_as_infinity(parcels):
        save_in_batches(numbered([date.max, date(2020, 1, 1)], "day"))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT day::text FROM {TABLE} WHERE id < 3 ORDER BY id")
        assert cursor.fetchall() == [("infinity",), ("2020-01-01",)]


@contextmanager
def last_day_as_infinity(database: BaseDatabaseWrapper) -> Iterator[None]:
    database.ensure_connection()
    if database.Database.__name__ == "psycopg":
        from psycopg.types.datetime import DateDumper

        class Dumper(DateDumper):
            def dump(self, obj: date) -> Any:
                return b"infinity" if obj == date.max else super().dump(obj)

        database.connection.adapters.register_dumper(date, Dumper)
        yield
        return
    from psycopg2.extensions import AsIs, ISQLQuote, adapters, register_adapter

    usual = adapters[date, ISQLQuote]
    register_adapter(date, lambda day: AsIs("'infinity'::date") if day == date.max else usual(day))
    try:
        yield
    finally:
        register_adapter(date, usual)


@on_servers
def test_a_text_of_a_class_of_its_own(parcels: BaseDatabaseWrapper) -> None:
    class Text(str):
        def __str__(self) -> str:
            return "other"

    check(numbered([Text("a"), "b"], "word"), joined=connection.vendor == "mysql")


WRONG = {
    "too long": ("word", "abcdef"),
    "too big": ("n", 2**31),
    "too precise": ("decimal", Decimal("1e15")),
    "a key of nothing": ("shelf_id", 99),
    "NUL": ("word", "a\0"),
}


@on_servers
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", WRONG)
def test_a_row_in_the_middle_that_fails(parcels: BaseDatabaseWrapper, name: str, mode: str) -> None:
    column, value = WRONG[name]
    if mode == "manual" and column == "shelf_id":
        return  # of which PostgreSQL complains at the commit
    good = {"word": "a", "n": 1, "decimal": Decimal(1), "shelf_id": None}[column]
    values = numbered([good, good, value, good], column)
    fill(Parcel)
    expected = outcome(save_or_value_error, values, Parcel, mode)
    fill(Parcel)
    found = outcome(save_in_batches_or_value_error, values, Parcel, mode)
    assert found == expected


def save_or_value_error(values: list[dict[str, Any]], model: type[models.Model]) -> None:
    with suppress(ValueError):  # of a driver that refuses a NUL
        save(values, model)


def save_in_batches_or_value_error(values: list[dict[str, Any]], model: type[models.Model]) -> None:
    with suppress(ValueError):
        save_in_batches(values, model)


@on_servers
@pytest.mark.parametrize("mode", MODES)
def test_a_row_that_is_gone(parcels: BaseDatabaseWrapper, mode: str) -> None:
    error = check(
        [*NUMBERS[:3], {"pk": 99, "n": 1}, *NUMBERS[3:]], joined=mode != "manual", mode=mode
    )
    assert error


@on_servers
def test_the_batch_after_an_error_is_not_joined_again(parcels: BaseDatabaseWrapper) -> None:
    """As when the server refuses what its catalogue allows."""
    fill(Parcel)
    rows = [row for row, _ in changed(Parcel, NUMBERS)]
    refused = []

    def refuse(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "STRAIGHT_JOIN" in sql or "ROWS FROM" in sql:
            refused.append(sql)
            raise DatabaseError("not that")
        return run(sql, params, many, context)

    with (
        transaction.atomic(),
        connection.execute_wrapper(refuse),
        update_in_batches("n") as batch,
    ):
        for _ in range(2):
            for row in rows:
                batch.save(row)
            batch.flush()
    assert len(refused) == 1
    assert list(Parcel.objects.order_by("pk").values_list("n", flat=True)) == [
        each["n"] for each in NUMBERS
    ]


@on_servers
def test_the_catalogue_is_asked_once(parcels: BaseDatabaseWrapper) -> None:
    fill(Parcel)
    with (
        CaptureQueriesContext(connection) as queries,
        update_in_batches("n", batch_size=3) as batch,
    ):
        for row, _ in changed(Parcel, NUMBERS):
            batch.save(row)
    sent = [each["sql"] for each in queries.captured_queries]
    assert sum("pg_attribute" in sql or "information_schema" in sql for sql in sent) == 1
    assert sum("STRAIGHT_JOIN" in sql or "ROWS FROM" in sql for sql in sent) == 2


@on_servers
def test_a_key_twice_in_a_batch(parcels: BaseDatabaseWrapper) -> None:
    """An earlier value of a row may fail, though a later one does not."""
    check([*NUMBERS, {"pk": 1, "n": 3}], joined=False)
    assert check([*numbered(["abcdef", "x", "y"], "word"), {"pk": 1, "word": "a"}], joined=False)


@only_mariadb
def test_nothing_is_left_behind(parcels: BaseDatabaseWrapper) -> None:
    for values in NUMBERS, numbered([1, 2, 2**31], "n"):
        with suppress(DatabaseError):
            save_in_batches(values)
    with connection.cursor() as cursor:
        numbers = []
        for what in "create", "drop":
            cursor.execute(f"SHOW SESSION STATUS LIKE 'Com_{what}_temporary_table'")
            numbers.append(int(cursor.fetchone()[1]))
    assert numbers[0] == numbers[1] > 0


@on_servers
def test_a_batch_ends_no_transaction(parcels: BaseDatabaseWrapper) -> None:
    fill(Parcel)
    before = stored(Parcel)
    with suppress(KeyError), transaction.atomic():
        save_in_batches(NUMBERS)
        raise KeyError
    assert stored(Parcel) == before


# --- what keeps a row its own statement ---------------------------------------------------------

TABLE = "joined_parcel"
POSTGRESQL = {
    "a trigger": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" NEW.m = (SELECT count(*) FROM {TABLE} WHERE n > 5); RETURN NEW; END $$;"
        f" CREATE TRIGGER t BEFORE UPDATE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION f()"
    ),
    "a trigger for statements": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO joined_shelf SELECT 100 + count(*) FROM joined_shelf; RETURN NULL; END $$;"
        f" CREATE TRIGGER t AFTER UPDATE ON {TABLE} FOR EACH STATEMENT EXECUTE FUNCTION f()"
    ),
    "a rule": (
        f"CREATE RULE r AS ON UPDATE TO {TABLE} DO ALSO"
        " INSERT INTO joined_shelf SELECT 100 + count(*) FROM joined_shelf"
    ),
    "a policy": f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY",
    "a child": f"CREATE TABLE child () INHERITS ({TABLE})",
    "a generated column": (
        f"ALTER TABLE {TABLE} ADD g integer GENERATED ALWAYS AS (n % 7) STORED"
    ),
    "a unique column": f"CREATE UNIQUE INDEX u ON {TABLE} (m, n)",
    "a unique expression": f"CREATE UNIQUE INDEX u ON {TABLE} ((coalesce(n, id)))",
    "a unique condition": f"CREATE UNIQUE INDEX u ON {TABLE} (id) WHERE n > 0",
    "a unique constraint that waits": (
        f"ALTER TABLE {TABLE} ADD UNIQUE (n) DEFERRABLE INITIALLY DEFERRED"
    ),
    "an exclusion": f"ALTER TABLE {TABLE} ADD EXCLUDE USING btree (n WITH =)",
    "a check that calls a function": (
        "CREATE FUNCTION f(integer) RETURNS boolean LANGUAGE sql STABLE AS"
        f" 'SELECT count(*) < 100 FROM {TABLE} WHERE n = $1';"
        f" ALTER TABLE {TABLE} ADD CHECK (f(n))"
    ),
    "an index that calls a function": (
        "CREATE FUNCTION f(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1';"
        f" CREATE INDEX i ON {TABLE} (f(n))"
    ),
    "a key that is not unique": f"ALTER TABLE {TABLE} DROP CONSTRAINT joined_parcel_pkey",
    "a key that is unique in the end": (
        f"ALTER TABLE {TABLE} DROP CONSTRAINT joined_parcel_pkey,"
        " ADD PRIMARY KEY (id) DEFERRABLE"
    ),
    "a view": f"ALTER TABLE {TABLE} RENAME TO other; CREATE VIEW {TABLE} AS SELECT * FROM other",
    "partitions": (
        f"ALTER TABLE {TABLE} RENAME TO other;"
        f" CREATE TABLE {TABLE} (LIKE other INCLUDING ALL) PARTITION BY RANGE (id);"
        f" CREATE TABLE one PARTITION OF {TABLE} DEFAULT"
    ),
    "a partition": (
        f"ALTER TABLE {TABLE} RENAME TO other;"
        " CREATE TABLE whole (LIKE other INCLUDING ALL) PARTITION BY RANGE (id);"
        f" CREATE TABLE {TABLE} PARTITION OF whole DEFAULT"
    ),
    "no partitions yet": (
        f"ALTER TABLE {TABLE} RENAME TO other;"
        f" CREATE TABLE {TABLE} (LIKE other INCLUDING ALL) PARTITION BY RANGE (id)"
    ),
    "a check with an operator": (
        "CREATE FUNCTION f(integer, integer) RETURNS boolean LANGUAGE sql STABLE AS"
        f" 'SELECT count(*) < $2 FROM {TABLE} WHERE n = $1';"
        " CREATE OPERATOR <<<< (FUNCTION = f, LEFTARG = integer, RIGHTARG = integer);"
        f" ALTER TABLE {TABLE} ADD CHECK (n <<<< 100)"
    ),
    "a check with a type that calls a function": (
        "CREATE FUNCTION f(integer) RETURNS boolean LANGUAGE sql STABLE AS"
        f" 'SELECT count(*) < 100 FROM {TABLE} WHERE n = $1';"
        " CREATE DOMAIN few AS integer CHECK (f(VALUE));"
        f" ALTER TABLE {TABLE} ADD CHECK (n::few IS NOT NULL OR n IS NULL)"
    ),
    "an index with a comparison of its own": (
        "CREATE FUNCTION f(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE AS"
        " 'SELECT btint4cmp($1, $2)';"
        " CREATE OPERATOR CLASS own FOR TYPE integer USING btree AS OPERATOR 1 <, OPERATOR 2 <=,"
        " OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 f(integer, integer);"
        f" CREATE INDEX i ON {TABLE} (n own)"
    ),
    "a wider key": f"ALTER TABLE {TABLE} DROP CONSTRAINT joined_parcel_pkey, ADD PRIMARY KEY (id, m)",
    "another key": (
        f"ALTER TABLE {TABLE} DROP CONSTRAINT joined_parcel_pkey, ADD UNIQUE (shelf_id);"
        f" CREATE INDEX i ON {TABLE} (id)"
    ),
    "a key that is not valid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'joined_parcel_pkey'::regclass"
    ),
    "a type of its own": (
        f"CREATE DOMAIN few AS integer CHECK (VALUE < 2147483648);"
        f" ALTER TABLE {TABLE} ALTER n TYPE few"
    ),
}  # fmt: skip


@only_postgresql
@pytest.mark.parametrize("obstacle", POSTGRESQL)
def test_what_is_not_joined_on_postgresql(parcels: BaseDatabaseWrapper, obstacle: str) -> None:
    fill(Parcel)
    execute(POSTGRESQL[obstacle])
    refill = nothing if obstacle == "no partitions yet" else fill
    check(NUMBERS, joined=False, mode="autocommit", refill=refill)


@only_postgresql
@pytest.mark.parametrize("table", ["public", "own"])
def test_types_that_hide_those_of_the_server(parcels: BaseDatabaseWrapper, table: str) -> None:
    """A type of the column, or one that has nothing to do with the table."""
    fill(Parcel)
    execute("CREATE SCHEMA own; CREATE DOMAIN own.text AS varchar CHECK (VALUE <> 'x')")
    try:
        if table == "own":
            execute(f"ALTER TABLE {TABLE} ALTER text TYPE own.text")
        execute("SET search_path = own, public, pg_catalog")
        check(numbered(["a", "x", "c", None], "text"), joined=table == "public")
    finally:
        execute("DROP SCHEMA own CASCADE; RESET search_path")


@only_postgresql
@pytest.mark.parametrize(
    "sql",
    [
        f"CREATE UNIQUE INDEX u ON {TABLE} (id, m)",
        f"CREATE INDEX i ON {TABLE} (n) WHERE n > 0; CREATE INDEX j ON {TABLE} ((n + 1))",
        f"ALTER TABLE {TABLE} ADD CHECK (n <> 0 AND abs(m) >= 0)",
        f"ALTER TABLE {TABLE} ADD CONSTRAINT k FOREIGN KEY (m) REFERENCES {TABLE}",
        f"ALTER TABLE {TABLE} ADD gone integer; ALTER TABLE {TABLE} DROP gone",
    ],
)
def test_what_is_joined_on_postgresql_all_the_same(parcels: BaseDatabaseWrapper, sql: str) -> None:
    if "REFERENCES" in sql:
        sql = sql.replace("(m)", "(n)")
        execute(f"ALTER TABLE {TABLE} ALTER n TYPE bigint")
    execute(sql)
    values = numbered([2, 3, 4, 1], "n")
    check(values, joined=True)


MARIADB = {
    "a trigger": (
        f"CREATE TRIGGER t BEFORE UPDATE ON {TABLE} FOR EACH ROW"
        f" SET NEW.m = (SELECT count(*) FROM {TABLE} WHERE n > 5)"
    ),
    "a generated column": f"ALTER TABLE {TABLE} ADD g integer GENERATED ALWAYS AS (n % 7) STORED",
    "the time of the update": (
        f"ALTER TABLE {TABLE} ADD g datetime(6) DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP(6)"
    ),
    "a moment that may be that of the update": f"ALTER TABLE {TABLE} ADD g timestamp NULL",
    "a unique column": f"CREATE UNIQUE INDEX u ON {TABLE} (m, n)",
    "another engine": f"ALTER TABLE {TABLE} DROP FOREIGN KEY fk; ALTER TABLE {TABLE} ENGINE=Aria",
    "partitions": f"ALTER TABLE {TABLE} DROP FOREIGN KEY fk; ALTER TABLE {TABLE} PARTITION BY HASH (id)",
    "a view": f"RENAME TABLE {TABLE} TO other; CREATE VIEW {TABLE} AS SELECT * FROM other",
    "versions": f"ALTER TABLE {TABLE} ADD SYSTEM VERSIONING",
    "values that are cut off": "SET sql_mode = ''",
    "a wider key": f"ALTER TABLE {TABLE} DROP PRIMARY KEY, ADD PRIMARY KEY (id, m)",
    "keys that follow": (
        f"CREATE INDEX i ON {TABLE} (n); CREATE TABLE child (n integer, FOREIGN KEY (n)"
        f" REFERENCES {TABLE} (n) ON UPDATE CASCADE)"
    ),
}  # fmt: skip


@only_mariadb
@pytest.mark.parametrize("obstacle", MARIADB)
def test_what_is_not_joined_on_mariadb(parcels: BaseDatabaseWrapper, obstacle: str) -> None:
    with connection.cursor() as cursor:
        names = connection.introspection.get_constraints(cursor, TABLE)
    key = next(name for name, each in names.items() if each["foreign_key"])
    for sql in MARIADB[obstacle].split("; "):
        execute(sql.replace("KEY fk", f"KEY {key}"))
    if obstacle == "the time of the update":  # which is another one each time
        fill(Parcel)
        with CaptureQueriesContext(connection) as queries:
            save_in_batches(NUMBERS)
        assert not is_joined(queries)
        return
    check(NUMBERS, joined=False)


@only_mariadb
@pytest.mark.parametrize("granted", ["SELECT, UPDATE", "SELECT, UPDATE, TRIGGER", "ALL"])
def test_a_user_who_is_not_shown_triggers(parcels: BaseDatabaseWrapper, granted: str) -> None:
    from tests import databases

    name = f"migfix_{uuid.uuid4().hex[:8]}"
    database = connection.settings_dict["NAME"]
    fill(Parcel)
    execute(f"CREATE USER {name}@'%' IDENTIFIED BY 'x'")
    try:
        execute(f"GRANT {granted} ON `{database}`.* TO {name}@'%'")
        if granted != "ALL":
            execute(f"GRANT CREATE TEMPORARY TABLES ON `{database}`.* TO {name}@'%'")
        entry = {**connection.settings_dict, "USER": name, "PASSWORD": "x"}
        other = databases.connected(entry, "other")
        from django.db import connections

        connections["other"] = other
        try:
            with CaptureQueriesContext(other) as queries, update_in_batches("n") as batch:
                for row, _ in changed(Parcel, NUMBERS):
                    batch.save(row, using="other")
            assert is_joined(queries) is (granted != "SELECT, UPDATE")
        finally:
            del connections["other"]
            other.close()
        assert [n for _, n, *_ in stored(Parcel)] == [each["n"] for each in NUMBERS]
    finally:
        execute(f"DROP USER {name}@'%'")


# --- keys ---------------------------------------------------------------------------------------


class ByText(models.Model):
    key = models.CharField(max_length=9, primary_key=True)
    n = models.IntegerField(null=True)

    class Meta:
        app_label = "joined"


class ByUuid(models.Model):
    key = models.UUIDField(primary_key=True)
    n = models.IntegerField(null=True)

    class Meta:
        app_label = "joined"


class ByDay(models.Model):
    key = models.DateField(primary_key=True)
    n = models.IntegerField(null=True)

    class Meta:
        app_label = "joined"


class BySmall(models.Model):
    key = models.PositiveSmallIntegerField(primary_key=True)
    n = models.IntegerField(null=True)

    class Meta:
        app_label = "joined"


def check_keys(
    model: type[models.Model], there: list[Any], saved: list[Any], *, joined: bool
) -> type[Exception] | None:
    def with_keys(model: type[models.Model]) -> None:
        model.objects.all().delete()
        model.objects.bulk_create(model(pk=key) for key in there)

    values = [{"pk": key, "n": number} for number, key in enumerate(saved)]
    return check(values, joined=joined, model=model, refill=with_keys)


@on_servers
def test_keys_of_every_kind(database: BaseDatabaseWrapper) -> None:
    create(ByText, ByUuid, ByDay, BySmall)
    texts = ["a", "b'\\\"", "", "{}", "NULL", "é", "ab c", "%s"]
    assert check_keys(ByText, texts, texts, joined=True) is None
    uuids = [uuid.UUID(int=1), uuid.UUID(int=2**127)]
    of_fixed_length = connection.vendor == "mysql" and django.VERSION < (5, 0)
    assert check_keys(ByUuid, uuids, uuids, joined=not of_fixed_length) is None
    days = [date(2020, 1, 1), date(2021, 1, 1)]
    assert check_keys(ByDay, days, days, joined=False) is None
    assert check_keys(BySmall, [0, 1, 32767], [0, 1, 32767], joined=True) is None
    assert check_keys(BySmall, [0, 1], [0, 70_000, 1], joined=connection.vendor == "postgresql")


@only_mariadb
def test_keys_that_are_one_to_the_collation(database: BaseDatabaseWrapper) -> None:
    create(ByText)
    assert check_keys(ByText, ["a", "b"], ["A", "b"], joined=True) is None
    assert check_keys(ByText, ["a", "b"], ["A", "b", "a"], joined=False) is None
    assert check_keys(ByText, ["a", "b"], ["A", "b "], joined=False) is None


@only_mariadb
@pytest.mark.parametrize(("of_text", "key"), [(True, 1), (False, "1.4"), (False, "1e0")])
def test_keys_that_are_not_of_the_type_of_their_column(
    database: BaseDatabaseWrapper, of_text: bool, key: Any
) -> None:
    """A number finds each text that reads as it; a text finds no number that it is rounded to."""

    class Numbered(models.Model):
        key = models.IntegerField(primary_key=True)
        n = models.IntegerField(null=True)

        class Meta:
            app_label = "joined"
            db_table = "joined_bytext"
            managed = False
            apps = Apps()

    class Named(models.Model):
        key = models.CharField(max_length=9, primary_key=True)
        n = models.IntegerField(null=True)

        class Meta:
            app_label = "joined"
            db_table = "joined_bysmall"
            managed = False
            apps = Apps()

    made: type[models.Model] = ByText if of_text else BySmall
    create(made)

    def with_keys(_: type[models.Model]) -> None:
        made.objects.all().delete()
        made.objects.bulk_create(made(pk=key) for key in (["1", "01", "2"] if of_text else [1, 2]))

    values = [{"pk": key, "n": 5}, {"pk": 2 if of_text else "2", "n": 6}]
    check(values, joined=False, model=Numbered if of_text else Named, refill=with_keys)


@only_mariadb
@pytest.mark.parametrize("collation", ["utf8mb4_bin", "utf8mb4_nopad_bin", "utf8mb4_unicode_ci"])
def test_keys_of_other_collations(database: BaseDatabaseWrapper, collation: str) -> None:
    create(ByText)
    execute(f"ALTER TABLE joined_bytext MODIFY `key` varchar(9) COLLATE {collation} NOT NULL")
    assert check_keys(ByText, ["a", "b"], ["a", "b"], joined=True) is None
    check_keys(ByText, ["a", "b"], ["A", "b"], joined=True)
    check_keys(ByText, ["a", "b"], ["a ", "b"], joined=False)


@only_mariadb
def test_a_key_of_fixed_length(database: BaseDatabaseWrapper) -> None:
    create(ByText)
    execute("ALTER TABLE joined_bytext MODIFY `key` char(9) COLLATE utf8mb4_nopad_bin NOT NULL")
    assert check_keys(ByText, ["a", "b"], ["a", "b"], joined=False) is None


@only_postgresql
@pytest.mark.parametrize(
    "collation", ["C", "one"], ids=["of its own", "that takes two texts for one"]
)
def test_keys_of_another_collation(database: BaseDatabaseWrapper, collation: str) -> None:
    execute(
        "CREATE COLLATION one (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    execute(
        f'CREATE TABLE joined_bytext (key varchar(9) COLLATE "{collation}" PRIMARY KEY, n integer)'
    )
    assert check_keys(ByText, ["a", "b"], ["a", "b"], joined=False) is None
    assert bool(check_keys(ByText, ["a", "b"], ["A", "b", "a"], joined=False)) == (collation == "C")


# --- constraints of other tables and of later ---------------------------------------------------


@only_postgresql
def test_a_constraint_that_waits_for_the_end(parcels: BaseDatabaseWrapper) -> None:
    """Foreign keys of Django do: the error is that of the commit."""
    error = check(numbered([1, 99, None], "shelf_id"), joined=True)
    assert error is IntegrityError


@only_postgresql
def test_a_constraint_that_does_not_wait(parcels: BaseDatabaseWrapper) -> None:
    execute(f"ALTER TABLE {TABLE} ADD FOREIGN KEY (n) REFERENCES joined_shelf")
    assert check(numbered([1, 1, 99, 1], "n"), joined=True, mode="autocommit") is IntegrityError


@on_servers
def test_rows_of_a_list(parcels: BaseDatabaseWrapper) -> None:
    """`update()` passes over rows that are gone; PostgreSQL cuts off what is too long, as `bulk_update()` does."""
    fill(Parcel)
    values = [*numbered(["abcde", "a", None], "word"), {"pk": 99, "word": "x"}]
    long = connection.vendor == "postgresql"
    if long:
        values[0]["word"] = "abcdefghi"
    rows = [row for row, _ in changed(Parcel, values)]
    with transaction.atomic():
        Parcel.objects.bulk_update(rows, ["word"])
    expected = stored(Parcel)
    fill(Parcel)
    with (
        CaptureQueriesContext(connection) as queries,
        transaction.atomic(),
        update_in_batches("word") as batch,
    ):
        for row in rows:
            batch.update(row)
    assert stored(Parcel) == expected
    assert is_joined(queries)


@on_servers
@pytest.mark.parametrize("surroundings", [nullcontext, transaction.atomic])
def test_what_is_locked_and_changed_by_others(
    parcels: BaseDatabaseWrapper, surroundings: Callable[[], Any]
) -> None:
    """The whole row is not written, but the columns of the batch."""
    fill(Parcel)
    rows = [row for row, _ in changed(Parcel, NUMBERS)]
    Parcel.objects.update(m=7)
    with surroundings(), update_in_batches("n") as batch:
        for row in rows:
            batch.save(row)
    assert {*Parcel.objects.values_list("m", flat=True)} == {7}
