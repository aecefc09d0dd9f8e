"""Rows that bite: what each kind of column, relation and constraint gets, on every database."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import django
import pytest
from django.apps.registry import Apps
from django.db import migrations, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.state import ProjectState
from django.test import override_settings

from migfix.verify.worker.rows.filling import fill
from migfix.verify.worker.values.constants import Asked, Constants
from tests.databases import opened
from tests.processes import ran

Database = BaseDatabaseWrapper

KEY = ("id", models.BigAutoField(primary_key=True))
PERSON = migrations.CreateModel("Person", [KEY, ("name", models.CharField(max_length=40))])


class Upper(models.CharField):
    """A field of a project's that cannot read all that it can store."""

    def from_db_value(self, value: str, expression: object, connection: object) -> str:
        if value != value.upper():
            raise ValueError(value)
        return value


class Strange(models.Field):
    """A field that nothing is known of."""

    def db_type(self, connection: Database) -> str:
        return "integer"


class Number(models.CharField):
    """A field of a project's that does all that Django's does."""


def model(*fields: tuple[str, models.Field], name: str = "Thing", **arguments: Any) -> Any:
    return migrations.CreateModel(name, [KEY, *fields], **arguments)


def created(database: Database, *operations: Any) -> Apps:
    migration = migrations.Migration("0001_initial", "shop")
    migration.operations = [*operations]
    with database.schema_editor() as editor:
        return migration.apply(ProjectState(), editor).apps


def filled(
    database: Database,
    *operations: Any,
    constants: Constants = Constants(),  # noqa: B008 - is frozen
    seed: int = 1,
    rows: int = 60,
    wild: bool = True,
) -> Apps:
    apps = created(database, *operations)
    fill(apps, database, apps.get_models(), constants, seed=seed, rows=rows, wild=wild)
    return apps


def values(apps: Apps, name: str, column: str) -> list[Any]:
    return [*apps.get_model("shop", name).objects.order_by("pk").values_list(column, flat=True)]


def count(apps: Apps, name: str) -> int:
    return len(values(apps, name, "pk"))


@contextmanager
def recorded(database: Database) -> Iterator[list[str]]:
    """The statements that are sent."""
    statements: list[str] = []

    def record(execute: Any, sql: str, *arguments: Any) -> Any:
        statements.append(str(sql))
        return execute(sql, *arguments)

    with database.execute_wrapper(record):
        yield statements


def column(database: Database, field: models.Field, **arguments: Any) -> list[Any]:
    """What one column of a table gets."""
    return values(filled(database, model(("x", field)), **arguments), "Thing", "x")


# --- kinds of columns ----------------------------------------------------------------------------

UTC = timezone.utc
KINDS: dict[str, tuple[models.Field, set[Any]]] = {
    "char": (
        models.CharField(max_length=30, null=True),
        {"", " ", " lead", "TITLE", "title", "café", "cafe\u0301", "straße", "\u0131I", "日本語"}
        | {
            "😀",
            "it's",
            "100%",
            "back\\slash",
            "new\nline",
            "None",
            "0",
            "-1",
            "1.5",
            "é" * 30,
            None,
        }
        | {"2024-02-29", "[1, 2]"},
    ),
    "text": (models.TextField(), {"", "trail ", "x" * 4000}),
    "slug": (models.SlugField(), {"a-b", "title-1", "A-B", ""}),
    "email": (models.EmailField(), {"x@example.com", "X@Example.COM", "no-mail"}),
    "url": (models.URLField(), {"https://example.com/", "example.com/a"}),
    "file": (models.FileField(null=True), {"", "a/b.txt", None}),
    "whole": (models.IntegerField(null=True), {0, 1, -1, 7, 65536, None}),
    "small": (models.SmallIntegerField(), {0, -1, 1000}),
    "positive": (models.PositiveIntegerField(), {0, 1, 42}),
    "large": (models.BigIntegerField(), {0, -(2**63), 2**63 - 1}),
    "real": (models.FloatField(), {0.1 + 0.2, 0.3, 1e16, 1.7e308}),
    "price": (
        models.DecimalField(max_digits=6, decimal_places=2),
        {
            Decimal("0.05"),
            Decimal("2.50"),
            Decimal("0.01"),
            Decimal("9999.99"),
            Decimal("-9999.99"),
        },
    ),
    "flag": (models.BooleanField(null=True), {True, False, None}),
    "day": (
        models.DateField(),
        {date(1900, 1, 1), date(1970, 1, 1), date(2024, 2, 29), date(2024, 12, 31), date.max},
    ),
    "moment": (
        models.DateTimeField(),
        {datetime(2024, 6, 15, tzinfo=UTC), datetime(2024, 6, 14, 23, tzinfo=UTC)}
        | {datetime(2024, 6, 15, 4, tzinfo=UTC), datetime(2024, 10, 27, 1, 30, tzinfo=UTC)}
        | {datetime(2000, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)},
    ),
    "hour": (models.TimeField(), {time(0), time(23, 59, 59, 999999)}),
    "span": (models.DurationField(), {timedelta(0), timedelta(days=-1), timedelta(microseconds=1)}),
    "uuid": (models.UUIDField(), {UUID(int=0)}),
    "blob": (models.BinaryField(), {b"", b"\x00\xff", b"text"}),
    "ip": (models.GenericIPAddressField(null=True), {"127.0.0.1", "::1", None}),
    "ip4": (models.GenericIPAddressField(protocol="ipv4"), {"10.0.0.9"}),
}


def test_every_kind_of_column_gets_values_that_bite(database: Database) -> None:
    apps = filled(
        database, model(*((name, field) for name, (field, _) in KINDS.items())), rows=1500
    )
    assert count(apps, "Thing") > 1400
    # Before Django 5 a connection to MariaDB knows no characters of four bytes.
    unknown = {"😀"} if database.vendor == "mysql" and django.VERSION < (5,) else set()
    for name, (_, expected) in KINDS.items():
        found = {bytes(x) if isinstance(x, memoryview) else x for x in values(apps, "Thing", name)}
        assert expected - unknown <= found, name
    assert "::1" not in values(apps, "Thing", "ip4")


def test_json_gets_nulls_of_both_kinds_and_values_of_every_type(database: Database) -> None:
    apps = filled(database, model(("x", models.JSONField(null=True))), rows=600)
    found = [repr(each) for each in values(apps, "Thing", "x")]
    assert {"None", "{}", "[]", "''", "0", "-1.5", "True", "{'a': None}"} <= {*found}
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*), count(x) FROM shop_thing")
        rows, not_null = cursor.fetchone()
    assert 0 < rows - not_null < found.count("None")


def test_moments_have_no_zone_where_the_project_has_none(database: Database) -> None:
    with override_settings(USE_TZ=False):
        assert datetime(2024, 2, 29, 12, 30) in column(database, models.DateTimeField(), rows=300)


def test_clocks_are_not_asked(database: Database) -> None:
    apps = filled(
        database,
        model(
            ("x", models.DateTimeField(auto_now=True)), ("y", models.DateField(auto_now_add=True))
        ),
    )
    assert len({*values(apps, "Thing", "x")}) > 5
    assert max(values(apps, "Thing", "y")) not in (date.today(), date.today() - timedelta(days=1))
    assert len({*values(apps, "Thing", "y")}) > 5


EXTREMES = [
    *(models.IntegerField(null=True), models.CharField(max_length=30), models.TextField()),
    *(models.DateField(), models.DateTimeField(), models.DurationField(), models.FloatField()),
    *(models.DecimalField(max_digits=6, decimal_places=2), models.BinaryField()),
]


def _size(value: Any) -> Any:
    if isinstance(value, (str, bytes, memoryview)):
        return len(value)
    if isinstance(value, date):
        return abs(value.year - 2000)
    return abs(value.days) if isinstance(value, timedelta) else abs(value)


def test_extremes_are_for_wild_rows(database: Database) -> None:
    names = "abcdefghi"
    operation = model(*((name, EXTREMES[index]) for index, name in enumerate(names)))
    apps = created(database, operation)
    largest = []
    for wild in (False, True):
        fill(apps, database, apps.get_models(), Constants(), seed=1, rows=400, wild=wild)
        largest.append(
            [max(_size(x) for x in values(apps, "Thing", name) if x is not None) for name in names]
        )
        apps.get_model("shop", "Thing").objects.all().delete()
    assert all(tame < wild for tame, wild in zip(*largest, strict=True))


def test_nulls_are_rarer_where_rows_are_not_wild(database: Database) -> None:
    apps = created(
        database, model(*((name, models.IntegerField(null=True)) for name in "abcdefgh"))
    )
    shares = []
    for wild in (False, True):
        fill(apps, database, apps.get_models(), Constants(), seed=1, rows=50, wild=wild)
        shares.append([values(apps, "Thing", name).count(None) for name in "abcdefgh"])
        apps.get_model("shop", "Thing").objects.all().delete()
    assert all(shares[1])
    assert not all(shares[0])
    assert any(shares[0])


def test_every_column_that_may_be_null_is_where_rows_are_wild(database: Database) -> None:
    names = "abcdefghijkl"
    operation = model(*((name, models.IntegerField(null=True)) for name in names))
    apps = filled(database, operation, rows=4)
    assert all(None in values(apps, "Thing", name) for name in names)


def test_few_values_are_shared_by_several_rows(database: Database) -> None:
    found = Counter(column(database, models.CharField(max_length=30), rows=24))
    assert 2 < len(found) < 12


def test_rows_tie_in_what_orders_them(database: Database) -> None:
    operation = model(("x", models.IntegerField()), options={"ordering": ["-x"]})
    assert len({*values(filled(database, operation), "Thing", "x")}) <= 3


def test_limits_of_integers_are_those_of_the_database(database: Database) -> None:
    apps = filled(database, model(("x", models.IntegerField())), rows=400)
    least, most = -(2**31), 2**31 - 1  # also where SQLite would take more
    found = values(apps, "Thing", "x")
    assert min(found) == (-(2**63) if least is None else least)
    assert max(found) == (2**63 - 1 if most is None else most)


# --- constants -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "given", "expected"),
    [
        (models.CharField(max_length=9), ("draft", 7, "too long for it"), {"draft", "7"}),
        (models.IntegerField(), (1234, "-55", 6.0, 2**40, "x"), {1234, -55, 6}),
        (models.FloatField(), (12.25, 8), {12.25, 8.0}),
        (
            models.DecimalField(max_digits=5, decimal_places=1),
            ("1.25", Decimal("33.3"), 4, 10**9),
            {Decimal("1.2"), Decimal("33.3"), Decimal("4.0")},
        ),
        (
            models.DateField(),
            (date(2011, 5, 6), "2012-07-08"),
            {date(2011, 5, 6), date(2012, 7, 8)},
        ),
        (
            models.DateTimeField(),
            (datetime(2011, 5, 6, 7), date(2012, 7, 8)),
            {datetime(2011, 5, 6, 7, tzinfo=UTC), datetime(2012, 7, 8, tzinfo=UTC)},
        ),
        (models.TimeField(), ("05:06", time(7, 8)), {time(5, 6), time(7, 8)}),
        (models.DurationField(), (timedelta(hours=77),), {timedelta(hours=77)}),
        (models.BooleanField(), (True,), {True}),
        (
            models.UUIDField(),
            ("6ba7b810-9dad-11d1-80b4-00c04fd430c8",),
            {UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")},
        ),
        (models.GenericIPAddressField(), ("192.168.7.7", "x"), {"192.168.7.7"}),
        (models.FileField(), ("old/",), {"old/"}),
    ],
)
def test_every_constant_of_a_field_that_fits_comes_up(
    database: Database, field: models.Field, given: tuple[object, ...], expected: set[object]
) -> None:
    for wild in (False, True):
        constants = Constants(by_name={"x": given})
        operation = model(("x", field), name=f"Thing{wild}")
        apps = filled(database, operation, constants=constants, rows=12, wild=wild)
        found = {*values(apps, f"Thing{wild}", "x")}
        assert expected <= found
        assert not found & {"too long for it", "x"}


ASKED = [
    model(("a", models.CharField(max_length=9)), ("b", models.IntegerField(null=True)), name=name)
    for name in ("Thing", "Other")
]


@pytest.mark.parametrize("wild", [True, False])
def test_a_row_that_the_source_asks_for_has_all_its_values(database: Database, wild: bool) -> None:
    asked = Asked("thing", {"a": "draft", "b": 4711, "pk": 987_654}, one=True)
    apps = filled(database, *ASKED, constants=Constants(asked=(asked,)), wild=wild)
    rows = apps.get_model("shop", "Thing").objects
    assert rows.filter(a="draft", b=4711, pk=987_654).count() == 1
    assert count(apps, "Thing") == 60
    assert 4711 not in values(apps, "Other", "b")


def test_a_row_of_a_model_that_is_not_known_is_in_each_table_that_can_hold_it(
    database: Database,
) -> None:
    names = ({"a": "draft"}, {"a": "draft", "nothing": 1}, {"a": "longer than it may be"})
    asked = tuple(Asked("", values, one=True) for values in names)
    apps = filled(database, *ASKED, constants=Constants(asked=asked), wild=False)
    assert "draft" in values(apps, "Thing", "a")
    assert "draft" in values(apps, "Other", "a")
    assert "longer than it may be" not in values(apps, "Thing", "a")


def test_the_only_row_is_the_only_one_unless_rows_are_wild(database: Database) -> None:
    constants = Constants(
        by_name={"b": (4711,), "a": ("draft",)}, asked=(Asked("thing", {"b": 4711}, one=True),)
    )
    apps = filled(database, *ASKED, constants=constants, wild=False)
    assert values(apps, "Thing", "b").count(4711) == 1
    assert values(apps, "Other", "b").count(4711) > 1


def test_the_only_row_may_be_one_of_several_where_rows_are_wild(database: Database) -> None:
    constants = Constants(by_name={"b": (4711,)}, asked=(Asked("thing", {"b": 4711}, one=True),))
    assert values(filled(database, *ASKED, constants=constants), "Thing", "b").count(4711) > 1


def test_about_half_of_the_values_are_near_to_constants(database: Database) -> None:
    constants = Constants(by_name={"x": ("draft",)})
    found = column(database, models.CharField(max_length=30), constants=constants, rows=400)
    near = [value for value in found if "draft" in value.lower()]
    assert 100 < len(near) < 280
    assert {"DRAFT", " draft", "draftx", "xdraft", "draft,draft"} & {*near}


def test_numbers_next_to_a_constant_come_up(database: Database) -> None:
    constants = Constants(by_name={"x": (500,)})
    assert {499, 500, 501} <= {*column(database, models.IntegerField(), constants=constants)}


def test_other_constants_come_up_where_a_field_has_none(database: Database) -> None:
    constants = Constants(texts=("special",), numbers=(5555,))
    assert "special" in column(database, models.CharField(max_length=30), constants=constants)
    constants = Constants(texts=("special",), numbers=(5555,))
    operation = model(("x", models.IntegerField()), name="Other")
    assert 5555 in values(filled(database, operation, constants=constants), "Other", "x")


def test_choices_come_up_and_what_is_none(database: Database) -> None:
    choices = [("one", "One"), ("Group", [("two", "Two")])]
    found = {*column(database, models.CharField(max_length=30, choices=choices))}
    assert {"one", "two"} <= found
    assert found - {"one", "two"}


def test_what_the_source_parses_can_be_parsed_unless_rows_are_wild(database: Database) -> None:
    constants = Constants(by_name={"x": ("1", "22")}, parsed=frozenset({"x"}))
    field = models.CharField(max_length=30)
    operations = [model(("x", field), name=name) for name in ("Tame", "Wild")]
    apps = created(database, *operations)
    for name in ("Tame", "Wild"):
        chosen = [apps.get_model("shop", name)]
        fill(apps, database, chosen, constants, seed=1, rows=60, wild=name == "Wild")
    assert {*values(apps, "Tame", "x")} == {"1", "22"}
    assert len({*values(apps, "Wild", "x")}) > 2


def test_documents_have_the_keys_that_the_source_asks_for(database: Database) -> None:
    constants = Constants(
        by_name={"kind": ("a", "b"), "x": ("text", 5)},
        keys={"x": (("kind",), ("size",), ("size", "width"))},
    )
    apps = created(
        database, *(model(("x", models.JSONField()), name=name) for name in ("Tame", "Wild"))
    )
    for name in ("Tame", "Wild"):
        chosen = [apps.get_model("shop", name)]
        fill(apps, database, chosen, constants, seed=1, rows=200, wild=name == "Wild")
    tame = values(apps, "Tame", "x")
    assert all(isinstance(each, dict) for each in tame)
    assert {"a", "b"} <= {each.get("kind") for each in tame}
    assert all(each.keys() == {"kind", "size"} and "width" in each["size"] for each in tame if each)
    wild = [each for each in values(apps, "Wild", "x") if isinstance(each, dict)]
    assert any(each.get("kind") == [] for each in wild)
    assert any(isinstance(each.get("size"), dict) for each in wild)


def _switches() -> dict[str, Any]:
    return {"on": True, "name": "x", "inner": {"n": 1}}


def _failing() -> dict[str, Any]:
    raise ValueError


@pytest.mark.parametrize(
    ("default", "kind"),
    [
        (dict, dict),
        (list, list),
        (_switches, dict),
        (_failing, None),
        (int, None),
        (models.NOT_PROVIDED, None),
    ],
)
def test_documents_are_of_the_type_of_the_default(
    default: Any, kind: type | None, database: Database
) -> None:
    fields = models.JSONField(default=default)
    apps = created(database, *(model(("x", fields), name=name) for name in ("Tame", "Wild")))
    for name in ("Tame", "Wild"):
        chosen = [apps.get_model("shop", name)]
        fill(apps, database, chosen, Constants(), seed=1, rows=200, wild=name == "Wild")
    found = {type(each) for each in values(apps, "Tame", "x")}
    assert found == {kind} if kind else len(found) > 2
    assert len({type(each) for each in values(apps, "Wild", "x")}) > 2


def test_documents_have_the_keys_of_the_default(database: Database) -> None:
    constants = Constants(by_name={"kind": ("a", "b")}, keys={"y": (("kind",), ("inner", "m"))})
    fields = [(name, models.JSONField(default=_switches)) for name in ("x", "y")]
    apps = filled(database, model(*fields), constants=constants, rows=200, wild=False)
    plain = values(apps, "Thing", "x")
    assert _switches() in plain
    assert {**_switches(), "name": "text"} in plain
    assert {**_switches(), "on": None} in plain
    assert {"name": "x", "inner": {"n": 1}} in plain  # without the key
    asked = [each for each in values(apps, "Thing", "y") if "kind" in each]
    assert {"a", "b"} <= {each["kind"] for each in asked}
    assert all(each["on"] is True and {"n", "m"} <= each["inner"].keys() for each in asked)
    assert _switches() == {"on": True, "name": "x", "inner": {"n": 1}}


# --- keys and constraints ------------------------------------------------------------------------


def test_keys_have_gaps_and_later_rows_get_others(database: Database) -> None:
    apps = filled(database, PERSON)
    keys = values(apps, "Person", "pk")
    assert max(keys) > len(keys) == 60
    new = apps.get_model("shop", "Person").objects.create(name="later")
    assert new.pk > max(keys)


@pytest.mark.postgresql
def test_rows_are_not_inserted_in_the_order_of_their_keys(tmp_path: Path) -> None:
    with opened("postgresql", tmp_path) as database:
        filled(database, PERSON)
        with database.cursor() as cursor:
            cursor.execute("SELECT id FROM shop_person ORDER BY ctid")
            keys = [key for (key,) in cursor.fetchall()]
    assert keys != sorted(keys)


@pytest.mark.parametrize(
    "field",
    [
        *(models.CharField(max_length=12), models.UUIDField(), models.IntegerField()),
        *(models.DateField(), models.DateTimeField(), models.FloatField()),
        models.DecimalField(max_digits=8, decimal_places=2),
    ],
)
@pytest.mark.parametrize("option", ["unique", "primary_key"])
def test_columns_may_be_unique(database: Database, field: models.Field, option: str) -> None:
    field = field.clone()
    setattr(field, "primary_key" if option == "primary_key" else "_unique", True)
    fields = [("x", field)] if option == "primary_key" else [KEY, ("x", field)]
    apps = filled(database, migrations.CreateModel("Thing", fields), rows=300)
    found = values(apps, "Thing", "x")
    assert len(found) == len({*found}) > 290


def test_rows_that_differ_only_for_some_databases_are_left_to_them(database: Database) -> None:
    constants = Constants(by_name={"x": ("draft", "Draft", "DRAFT")})
    found = column(
        database, models.CharField(max_length=30, unique=True), constants=constants, rows=12
    )
    assert len(found) == 12
    assert len({"draft", "Draft", "DRAFT"} & {*found}) == (1 if database.vendor == "mysql" else 3)


@pytest.mark.parametrize(
    "options",
    [
        {"unique_together": {("x", "y")}},
        {"constraints": [models.UniqueConstraint(fields=["x", "y"], name="once")]},
    ],
)
def test_columns_may_be_unique_together(database: Database, options: dict[str, Any]) -> None:
    fields = [("x", models.IntegerField()), ("y", models.BooleanField())]
    with recorded(database) as statements:
        apps = filled(database, model(*fields, options=options), rows=20)
    assert len({*apps.get_model("shop", "Thing").objects.values_list("x", "y")}) == 20
    assert not any("ROLLBACK" in sql for sql in statements)


def test_columns_may_be_unique_in_some_rows_only(database: Database) -> None:
    constraint = models.UniqueConstraint(fields=["x"], condition=models.Q(y=True), name="some")
    fields = [("x", models.BooleanField()), ("y", models.BooleanField())]
    operation = model(*fields, options={"constraints": [constraint]})
    assert count(filled(database, operation, rows=10), "Thing") > 5


def test_rows_that_a_constraint_refuses_are_left_out_and_made_up_for(database: Database) -> None:
    name = "condition" if django.VERSION >= (5, 1) else "check"
    check = models.CheckConstraint(name="positive", **{name: models.Q(x__gt=0)})
    operation = model(("x", models.IntegerField()), options={"constraints": [check]})
    found = values(filled(database, operation, rows=40), "Thing", "x")
    assert len(found) == 40
    assert min(found) > 0


@pytest.mark.postgresql
def test_a_constraint_that_waits_refuses_its_row_alone(tmp_path: Path) -> None:
    constraint = models.UniqueConstraint(
        fields=["x"], name="waits", deferrable=models.Deferrable.DEFERRED
    )
    operation = model(("x", models.BooleanField()), options={"constraints": [constraint]})
    check = migrations.RunSQL(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.x THEN RAISE check_violation; END IF; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER refusing AFTER INSERT ON shop_thing"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    with opened("postgresql", tmp_path) as database:
        assert values(filled(database, operation, check), "Thing", "x") == [False]


@pytest.mark.postgresql
def test_constraints_wait_again_behind_the_rows(tmp_path: Path) -> None:
    with opened("postgresql", tmp_path) as database:
        apps = created(database, PERSON, model(("x", reference("shop.Person"))))
        person, thing = apps.get_model("shop", "Person"), apps.get_model("shop", "Thing")
        with transaction.atomic():
            fill(apps, database, [person], Constants(), seed=1, rows=5, wild=True)
            thing.objects.create(x_id=1000)
            person.objects.create(pk=1000)


# --- relations -----------------------------------------------------------------------------------


def reference(to: str, **arguments: Any) -> models.Field:
    return models.ForeignKey(to, models.CASCADE, related_name="+", **arguments)


def test_some_parents_have_several_rows_and_others_none(database: Database) -> None:
    # Django's own order of the models is that of their creation.
    apps = filled(database, PERSON, model(("x", reference("shop.Person", null=True))))
    found = values(apps, "Thing", "x")
    parents = {*values(apps, "Person", "pk")}
    assert None in found
    assert {*found} - {None} < parents
    assert max(Counter(found).values()) > 2


def test_children_come_after_their_parents(database: Database) -> None:
    apps = created(database, PERSON, model(("x", reference("shop.Person"))))
    backwards = [*reversed(apps.get_models())]
    fill(apps, database, backwards, Constants(), seed=1, rows=20, wild=True)
    assert count(apps, "Thing") == 20


def test_a_reference_may_be_to_another_column_than_the_key(database: Database) -> None:
    person = model(("code", models.CharField(max_length=9, unique=True)), name="Person")
    apps = filled(database, person, model(("x", reference("shop.Person", to_field="code"))))
    assert count(apps, "Thing") == 60
    assert {*values(apps, "Thing", "x")} < {*values(apps, "Person", "code")}


def test_references_dangle_where_no_constraint_holds_them(database: Database) -> None:
    operation = model(
        ("free", reference("shop.Person", db_constraint=False)), ("held", reference("shop.Person"))
    )
    apps = filled(database, PERSON, operation, rows=200)
    keys = {*values(apps, "Person", "pk")}
    assert {*values(apps, "Thing", "free")} - keys
    assert not {*values(apps, "Thing", "held")} - keys


def test_wild_rows_are_their_own_parents_and_run_in_circles(database: Database) -> None:
    apps = filled(database, model(("x", reference("self", null=True)), name="Node"))
    parents = dict(apps.get_model("shop", "Node").objects.values_list("pk", "x"))
    assert any(parent == key for key, parent in parents.items())
    assert any(parents.get(parent) == key != parent for key, parent in parents.items())
    assert None in parents.values()
    assert max(Counter(filter(None, parents.values())).values()) > 1


def test_other_rows_make_trees(database: Database) -> None:
    apps = filled(database, model(("x", reference("self", null=True)), name="Node"), wild=False)
    parents = dict(apps.get_model("shop", "Node").objects.values_list("pk", "x"))
    assert sum(parent is not None for parent in parents.values()) > 20
    for node in parents:
        seen = [node]
        while (parent := parents[seen[-1]]) is not None:
            assert parent not in seen
            seen.append(parent)


def test_a_row_that_needs_a_parent_is_its_own(database: Database) -> None:
    apps = filled(database, model(("x", reference("self")), name="Node"))
    assert count(apps, "Node") == 60
    assert values(apps, "Node", "x") == values(apps, "Node", "pk")


def test_a_key_may_be_declared_behind_a_reference_to_it(database: Database) -> None:
    fields = [("x", reference("self")), ("id", models.BigAutoField(primary_key=True))]
    apps = filled(database, migrations.CreateModel("Node", fields))
    assert count(apps, "Node") == 60


@pytest.mark.parametrize("wild", [False, True])
def test_one_row_may_follow_another(database: Database, wild: bool) -> None:
    field = models.OneToOneField("self", models.CASCADE, related_name="+", null=True)
    found = values(filled(database, model(("x", field), name="Node"), wild=wild), "Node", "x")
    chosen = [each for each in found if each is not None]
    assert len(chosen) == len({*chosen}) > 10


@pytest.mark.parametrize("unique", [False, True])
def test_tables_may_refer_to_one_another(database: Database, unique: bool) -> None:
    apps = filled(
        database,
        model(name="Head"),
        model(("head", reference("shop.Head")), name="Body"),
        migrations.AddField("Head", "body", reference("shop.Body", null=True, unique=unique)),
    )
    assert count(apps, "Body") == 60
    bodies = [each for each in values(apps, "Head", "body") if each is not None]
    assert 30 < len(bodies) < 60
    assert (len({*bodies}) == len(bodies)) is unique


def test_a_parent_of_a_one_to_one_has_at_most_one_row(database: Database) -> None:
    field = models.OneToOneField("shop.Person", models.CASCADE, related_name="+")
    found = values(filled(database, PERSON, model(("x", field))), "Thing", "x")
    assert len(found) == len({*found}) == 43


def test_tables_of_children_get_rows_for_some_of_their_parents(database: Database) -> None:
    link = models.OneToOneField(
        "shop.Person", models.CASCADE, parent_link=True, primary_key=True, serialize=False
    )
    writer = migrations.CreateModel(
        "Writer", [("person_ptr", link), ("x", models.IntegerField())], bases=("shop.person",)
    )
    proxy = migrations.CreateModel("Reader", [], {"proxy": True}, bases=("shop.person",))
    apps = filled(database, PERSON, writer, proxy)
    assert 30 < count(apps, "Writer") < 60 == count(apps, "Person") == count(apps, "Reader")
    assert len({*values(apps, "Writer", "name")}) > 3


def test_many_to_many_fields_get_rows(database: Database) -> None:
    through = model(
        *(("person", reference("shop.Person")), ("thing", reference("shop.Thing"))),
        *(("since", models.DateField()),),
        name="Membership",
    )
    auto = models.ManyToManyField("shop.Person", related_name="+")
    explicit = models.ManyToManyField("shop.Person", through="shop.Membership", related_name="+")
    apps = filled(
        *(database, PERSON, model(), migrations.AddField("Thing", "auto", auto), through),
        migrations.AddField("Thing", "explicit", explicit),
    )
    assert count(apps, "Membership") == 60
    linked = apps.get_model("shop", "Thing").auto.through.objects
    assert 40 < linked.count() <= 60
    assert max(Counter(linked.values_list("thing", flat=True)).values()) > 1
    assert linked.create(thing_id=values(apps, "Thing", "pk")[0], person_id=_free(apps, linked)).pk


def _free(apps: Apps, linked: Any) -> int:
    thing = values(apps, "Thing", "pk")[0]
    taken = {*linked.filter(thing=thing).values_list("person", flat=True)}
    return next(key for key in values(apps, "Person", "pk") if key not in taken)


_PAIRS = (
    [
        migrations.CreateModel(
            "Pair",
            [
                ("pk", models.CompositePrimaryKey("x", "y", blank=True, editable=False)),
                *(("x", models.IntegerField()), ("y", models.IntegerField())),
            ],
        )
    ]
    if django.VERSION >= (5, 2)
    else []
)


def test_generic_keys_are_of_rows_that_there_are(database: Database) -> None:
    state = ProjectState()
    with database.schema_editor() as editor:
        for label, operations in (
            (
                "contenttypes",
                [
                    migrations.CreateModel(
                        "ContentType",
                        [
                            ("id", models.AutoField(primary_key=True)),
                            ("app_label", models.CharField(max_length=100)),
                            ("model", models.CharField(max_length=100)),
                        ],
                        {"unique_together": {("app_label", "model")}},
                    )
                ],
            ),
            (
                "shop",
                [
                    migrations.CreateModel("Person", [("id", models.UUIDField(primary_key=True))]),
                    *_PAIRS,
                    model(
                        ("content_type", reference("contenttypes.ContentType")),
                        ("object_id", models.CharField(max_length=40)),
                    ),
                ],
            ),
        ):
            migration = migrations.Migration("0001_initial", label)
            migration.operations = operations
            state = migration.apply(state, editor)
    apps = state.apps
    fill(apps, database, apps.get_models(), Constants(), seed=1, rows=60, wild=False)
    types = apps.get_model("contenttypes", "ContentType").objects
    assert ("shop", "person") in types.values_list("app_label", "model")
    assert count(apps, "Thing") == 60
    keys = {*map(str, values(apps, "Person", "pk"))}
    assert keys & {*values(apps, "Thing", "object_id")}


# --- fields that are not plain -------------------------------------------------------------------


def test_what_a_custom_field_cannot_read_is_left_out(database: Database) -> None:
    constants = Constants(by_name={"x": ("draft", "DRAFT")})
    found = {*column(database, Upper(max_length=30), constants=constants)}
    assert "DRAFT" in found
    assert len(found) > 3


def test_an_unknown_field_gets_null_or_its_default(database: Database) -> None:
    operation = model(("x", Strange(null=True)), ("y", Strange(default=7)))
    apps = filled(database, operation)
    assert {*values(apps, "Thing", "x")} == {None}
    assert {*values(apps, "Thing", "y")} == {7}


def test_defaults_that_may_ask_a_clock_are_not_called(database: Database) -> None:
    field = Strange(null=True, default=lambda: pytest.fail("was called"))
    assert {*column(database, field)} == {None}


@pytest.mark.skipif(django.VERSION < (5, 0), reason="db_default came with Django 5")
def test_an_unknown_field_may_be_left_to_the_database(database: Database) -> None:
    assert {*column(database, Strange(db_default=9))} == {9}


def test_a_custom_field_whose_values_the_database_refuses_gets_its_default(
    database: Database,
) -> None:
    name = "condition" if django.VERSION >= (5, 1) else "check"
    check = models.CheckConstraint(name="only", **{name: models.Q(x="default")})
    field = Number(max_length=30, default="default")
    apps = filled(database, model(("x", field), options={"constraints": [check]}), rows=20)
    assert {*values(apps, "Thing", "x")} == {"default"}


@pytest.mark.skipif(django.VERSION < (5, 0), reason="GeneratedField came with Django 5")
def test_generated_columns_are_left_to_the_database(database: Database) -> None:
    field = models.GeneratedField(
        expression=models.F("x"), output_field=models.BooleanField(), db_persist=True
    )
    apps = filled(database, model(("x", models.BooleanField()), ("y", field)))
    assert values(apps, "Thing", "x") == values(apps, "Thing", "y")
    assert count(apps, "Thing") == 60


@pytest.mark.skipif(django.VERSION < (5, 2), reason="composite keys came with Django 5.2")
def test_keys_may_be_of_several_columns(database: Database) -> None:
    fields = [
        ("pk", models.CompositePrimaryKey("x", "y", blank=True, editable=False, primary_key=True)),
        *(("x", models.IntegerField()), ("y", models.BooleanField())),
    ]
    apps = filled(database, migrations.CreateModel("Thing", fields), rows=20)
    assert count(apps, "Thing") == 20


def test_files_of_images_need_not_exist(database: Database) -> None:
    field = models.ImageField(width_field="width")
    apps = filled(database, model(("x", field), ("width", models.IntegerField(null=True))))
    with database.cursor() as cursor:
        cursor.execute("SELECT DISTINCT x FROM shop_thing")
        assert len(cursor.fetchall()) > 3
    assert (
        apps.get_model("shop", "Thing").objects.count() == 60
    )  # no object, which would read a file


@pytest.mark.postgresql
def test_fields_of_postgresql(tmp_path: Path) -> None:
    from django.contrib.postgres import fields
    from django.contrib.postgres.operations import HStoreExtension

    text = models.CharField(max_length=9)
    operation = model(
        ("array", fields.ArrayField(text)),
        ("short", fields.ArrayField(models.IntegerField(), size=1)),
        ("nested", fields.ArrayField(fields.ArrayField(text))),
        ("store", fields.HStoreField()),
        ("days", fields.DateRangeField()),
        ("numbers", fields.IntegerRangeField(null=True)),
    )
    constants = Constants(by_name={"array": ("own",)}, keys={"store": (("key",),)})
    with opened("postgresql", tmp_path) as database:
        apps = filled(database, HStoreExtension(), operation, constants=constants, rows=200)
        rows = [*apps.get_model("shop", "Thing").objects.values()]
    assert len(rows) > 150
    arrays = [row["array"] for row in rows]
    assert [] in arrays
    assert [None] in arrays
    assert ["own"] in arrays
    assert any(len(array) > 1 for array in arrays)
    assert max(len(row["short"]) for row in rows) == 1
    assert any(row["nested"] for row in rows)
    assert any("key" in row["store"] for row in rows)
    assert any(row["days"].isempty for row in rows)
    assert {row["numbers"] is None for row in rows} == {True, False}


@pytest.mark.postgresql
def test_rows_that_exclude_one_another_are_left_out(tmp_path: Path) -> None:
    from django.contrib.postgres.constraints import ExclusionConstraint
    from django.contrib.postgres.fields import IntegerRangeField

    constraint = ExclusionConstraint(name="apart", expressions=[("x", "&&")])
    operation = model(("x", IntegerRangeField()), options={"constraints": [constraint]})
    with opened("postgresql", tmp_path) as database:
        assert count(filled(database, operation), "Thing") > 1


# --- the whole -----------------------------------------------------------------------------------


def test_tables_stay_empty_where_no_rows_are_asked_for(database: Database) -> None:
    apps = filled(database, PERSON, model(("x", reference("shop.Person"))), rows=0)
    assert count(apps, "Person") == count(apps, "Thing") == 0


def test_tables_that_are_not_there_are_left_alone(database: Database) -> None:
    gone = model(name="Gone", options={"managed": False})
    swapped = model(name="Swapped", options={"swappable": "SHOP_MODEL"})
    with override_settings(SHOP_MODEL="shop.Person"), recorded(database) as statements:
        apps = filled(database, gone, swapped, PERSON)
    assert count(apps, "Person") == 60
    inserts = [sql for sql in statements if sql.startswith("INSERT")]
    assert not any("gone" in sql or "swapped" in sql for sql in inserts)


def test_a_proxy_has_no_rows_of_its_own(database: Database) -> None:
    proxy = migrations.CreateModel("Reader", [], {"proxy": True}, bases=("shop.person",))
    apps = created(database, PERSON, proxy)
    reader = apps.get_model("shop", "Reader")
    fill(apps, database, [reader], Constants(), seed=1, rows=9, wild=True)
    assert count(apps, "Person") == 0
    both = [reader, apps.get_model("shop", "Person")]
    fill(apps, database, both, Constants(), seed=1, rows=9, wild=True)
    assert count(apps, "Person") == 9


def test_parents_come_first_where_they_can(database: Database) -> None:
    zoo, yard = reference("shop.Zoo", null=True), reference("shop.Yard")
    ape = model(("zoo", zoo), ("yard", yard), name="Ape")
    apps = created(database, model(name="Zoo"), model(name="Yard"), ape)
    with recorded(database) as statements:
        fill(apps, database, apps.get_models(), Constants(), seed=1, rows=9, wild=True)
    assert count(apps, "Ape") == 9
    assert not any(sql.startswith("UPDATE") for sql in statements)


def test_the_order_of_the_models_is_no_matter(tmp_path: Path) -> None:
    operations = [
        *(model(name="Head"), model(("head", reference("shop.Head", null=True)), name="Body")),
        migrations.AddField("Head", "body", reference("shop.Body", null=True)),
    ]
    found = []
    for step in (1, -1):
        with opened("sqlite-memory", tmp_path) as database:
            apps = created(database, *operations)
            chosen = sorted(apps.get_models(), key=lambda each: each.__name__)[::step]
            fill(apps, database, chosen, Constants(), seed=1, rows=20, wild=True)
            found.append((values(apps, "Head", "body"), values(apps, "Body", "head")))
    assert found[0] == found[1]


def test_many_rows_are_inserted_in_chunks(database: Database) -> None:
    apps = filled(database, PERSON, model(("x", reference("shop.Person"))), rows=3000)
    assert count(apps, "Person") == count(apps, "Thing") == 3000


DETERMINISTIC = [
    PERSON,
    model(
        *((name, field) for name, (field, _) in KINDS.items()),
        ("json", models.JSONField()),
        ("person", reference("shop.Person", null=True)),
        ("parent", reference("self", null=True)),
        ("friends", models.ManyToManyField("shop.Person", related_name="+")),
    ),
]


def dump(database: Database, seed: int) -> str:
    constants = Constants(("a", "b"), (5, 7), (date(2020, 2, 3),), {"char": ("own",)})
    apps = filled(database, *DETERMINISTIC, constants=constants, seed=seed, rows=40)
    tables = sorted(apps.get_models(True), key=lambda each: each._meta.label)
    return repr([[*each.objects.order_by("pk").values_list()] for each in tables])


def test_another_seed_gives_other_rows(tmp_path: Path) -> None:
    with opened("sqlite-memory", tmp_path) as database:
        first = dump(database, 1)
    with opened("sqlite-memory", tmp_path) as database:
        assert dump(database, 2) != first


@pytest.mark.parametrize("name", ["sqlite-memory", "postgresql", "mariadb"])
def test_every_process_makes_the_same_rows(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path) as database:
        here = dump(database, 1) if name != "postgresql" else None
    script = (
        "from pathlib import Path; from tests.databases import opened; from tests.verify import test_rows\n"
        f"with opened({name!r}, Path('.')) as database: print(ascii(test_rows.dump(database, 1)))"
    )
    outputs = {
        ran(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert here is None or outputs == {ascii(here) + "\n"}
