"""`update_in_windows` and `delete_in_windows`: what one statement does, window by window, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from math import ceil
from typing import Any
from uuid import UUID

import django
import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Case, Exists, F, Q, Value, When
from django.db.models.functions import Concat, Length, Lower, Now, Random, Upper
from django.db.models.lookups import Exact
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext

from tests.runtime.helper import delete_in_windows, update_in_windows

KEYS = [-7, -3, 1, 2, 3, 5, 10, 11, 12, 13, 500, 2**40]
SIZES = [5, 1, 12, 1000]
BELOW_100 = {"condition" if django.VERSION >= (5, 1) else "check": Q(n__lt=100)}


class Depot(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "windows"


class Child(Depot):
    n = models.IntegerField(default=0)

    class Meta:
        app_label = "windows"


class OwnQuerySet(models.QuerySet["Parcel"]):
    pass


class Parcel(models.Model):
    id = models.BigAutoField(primary_key=True)
    n = models.IntegerField(default=0)
    m = models.IntegerField(null=True)
    text = models.CharField(max_length=20, default="")
    code = models.IntegerField(unique=True)
    left = models.IntegerField(default=0)
    right = models.IntegerField(default=0)
    depot = models.ForeignKey(Depot, models.CASCADE, null=True)

    objects = models.Manager()
    own = OwnQuerySet.as_manager()

    class Meta:
        app_label = "windows"
        ordering = ("-text",)
        unique_together = (("left", "code"),)
        constraints = (
            models.CheckConstraint(name="below", **BELOW_100),
            models.UniqueConstraint(fields=["code", "right"], name="both"),
        )


class Stamp(models.Model):
    id = models.UUIDField(primary_key=True)
    n = models.IntegerField(default=0)

    class Meta:
        app_label = "windows"


class Named(models.Model):
    name = models.CharField(max_length=20, primary_key=True)
    n = models.IntegerField(default=0)

    class Meta:
        app_label = "windows"


class Node(models.Model):
    n = models.IntegerField(default=0)
    parent = models.ForeignKey("self", models.DO_NOTHING, null=True)

    class Meta:
        app_label = "windows"


class ParcelOfToday(Parcel):
    class Meta:
        app_label = "windows"
        proxy = True


class Shared(models.Model):
    n = models.IntegerField(default=0)
    text = models.CharField(max_length=20)

    class Meta:
        app_label = "windows"
        constraints = (models.UniqueConstraint(Lower("text"), name="lower"),)


class Some(models.Model):
    n = models.IntegerField(default=0)
    text = models.CharField(max_length=20)

    class Meta:
        app_label = "windows"
        constraints = (models.UniqueConstraint(fields=["text"], condition=Q(n=1), name="where"),)


class OwnLookup(Exact):  # type: ignore[misc]
    """It may be any SQL."""


MODELS = [Depot, Child, Parcel, Stamp, Named, Node]
TEXTS = ["", "a", "A", "a ", "ä", "b"]


@pytest.fixture
def tables(database: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    fill()
    return database


def fill() -> None:
    Parcel.objects.all().delete()
    Depot.objects.all().delete()
    depot = Depot.objects.create(name="a")
    Parcel.objects.bulk_create(
        Parcel(
            id=key,
            n=i % 3,
            m=i % 2 or None,
            text=TEXTS[i % len(TEXTS)],
            code=i,
            depot=depot if i % 4 else None,
        )
        for i, key in enumerate(reversed(KEYS))
    )


def stored(model: Any = Parcel) -> list[dict[str, Any]]:
    return list(model.objects.order_by("pk").values())


CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "all": lambda rows: rows.all(),
    "a manager": lambda rows: rows,
    "none": lambda rows: rows.none(),
    "no value": lambda rows: rows.filter(n__in=[]),
    "what is assigned": lambda rows: rows.filter(n=1),
    "what is not assigned": lambda rows: rows.exclude(n=2),
    "null": lambda rows: rows.filter(m__isnull=True),
    "not null": lambda rows: rows.exclude(m=1),
    "text": lambda rows: rows.filter(text__gte="A").exclude(text="b"),
    "other columns": lambda rows: rows.filter(Q(n__lt=F("m") + 1) | ~Q(code__in=[1, 5])),
    "a foreign key": lambda rows: rows.filter(depot__isnull=False),
    "a function": lambda rows: rows.filter(n=Length("text")),
    "keys": lambda rows: rows.filter(pk__gt=0, pk__in=KEYS),
}
VALUES: dict[str, dict[str, Any]] = {
    "a constant": {"n": 2},
    "null": {"m": None, "text": "z"},
    "another column": {"n": F("left") + F("code"), "m": Value(3)},
    "a function": {"text": Lower(Concat("n", Value("X"), output_field=models.CharField()))},
}


@pytest.mark.parametrize("values", VALUES)
def test_what_one_update_does(tables: object, values: str) -> None:
    for (name, condition), size in zip(CONDITIONS.items(), cycle(SIZES), strict=False):
        fill()
        count = condition(Parcel.objects).update(**VALUES[values])
        expected = [count, [{**row, "depot_id": None} for row in stored()]]
        fill()
        count = update_in_windows(condition(Parcel.objects), size=size, **VALUES[values])
        found = [count, [{**row, "depot_id": None} for row in stored()]]
        assert found == expected, name


def test_what_one_delete_does(tables: object) -> None:
    for (name, condition), size in zip(CONDITIONS.items(), cycle(SIZES), strict=False):
        fill()
        expected = condition(Parcel.objects.all()).delete(), [row["id"] for row in stored()]
        fill()
        done = delete_in_windows(condition(Parcel.objects), size=size)
        assert (done, [row["id"] for row in stored()]) == expected, name


@pytest.mark.parametrize("size", [7, 100])
def test_keys_that_are_uuids(tables: object, size: int) -> None:
    keys = [UUID(int=(i * 2**121 + i * 77777777) % 2**128) for i in range(1, 60)]
    Stamp.objects.bulk_create(Stamp(id=key, n=i % 2) for i, key in enumerate(keys))
    assert update_in_windows(Stamp.objects.filter(n=1), size=size, n=5) == 29
    assert sorted(Stamp.objects.values_list("n", flat=True)) == [0] * 30 + [5] * 29
    assert delete_in_windows(Stamp.objects.filter(n=5), size=size)[0] == 29
    assert {row["n"] for row in stored(Stamp)} == {0}


def test_a_window_is_one_statement_of_so_many_rows_and_is_committed(tables: object) -> None:
    done: list[int] = []

    def progress(number: int) -> None:
        assert not connection.in_atomic_block
        connection.close_if_unusable_or_obsolete()
        done.append(number)

    with CaptureQueriesContext(connection) as queries:
        update_in_windows(Parcel.objects.all(), size=5, progress=progress, n=4)
    assert done == [5, 10, 12]
    updates = [q["sql"] for q in queries if q["sql"].startswith("UPDATE")]
    assert len(updates) == ceil(len(KEYS) / 5)
    ends = [q["sql"] for q in queries if " LIMIT 1" in q["sql"]]
    assert len(ends) == len(updates) + 1


def test_the_pause_is_between_windows(tables: object, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr("tests.runtime.helper.sleep", paused.append)
    update_in_windows(Parcel.objects.all(), size=5, pause=0.5, n=4)
    assert paused == [0.5, 0.5]


def test_rows_that_come_meanwhile_are_left(tables: object) -> None:
    """As many as there are would else keep it going for ever."""

    def progress(number: int) -> None:
        assert number <= len(KEYS), "it goes on with those that came"
        for key in range(number * 10, number * 10 + 5):
            Parcel.objects.create(id=2**41 + key, n=1, code=1000 + key)

    assert update_in_windows(Parcel.objects.all(), size=5, progress=progress, n=4) == len(KEYS)
    assert Parcel.objects.filter(n=1).count() == 15


@pytest.mark.parametrize("condition", ["all", "what is not assigned", "text"])
def test_after_an_error_a_second_run_does_the_rest(tables: object, condition: str) -> None:
    values: dict[str, Any] = {"n": F("left"), "m": 9}
    rows = CONDITIONS[condition]
    rows(Parcel.objects).update(**values)
    expected = [{**row, "depot_id": None} for row in stored()]
    fill()
    bad = rows(Parcel.objects).order_by("pk")[4].pk
    Parcel.objects.filter(pk=bad).update(left=100)  # which the table does not take for n
    with pytest.raises(IntegrityError):
        update_in_windows(rows(Parcel.objects), size=2, **values)
    assert Parcel.objects.filter(m=9).count() == 4
    Parcel.objects.filter(pk=bad).update(left=0)
    update_in_windows(rows(Parcel.objects), size=2, **values)
    assert [{**row, "depot_id": None} for row in stored()] == expected


def test_rows_that_were_read_are_read_again(tables: object) -> None:
    parcels = Parcel.objects.filter(n__lt=50)
    assert {parcel.m for parcel in parcels} == {None, 1}
    update_in_windows(parcels, m=7)
    assert {parcel.m for parcel in parcels} == {7}
    delete_in_windows(parcels)
    assert not parcels


SHAPES: dict[str, Callable[[], Any]] = {
    "a slice": lambda: Parcel.objects.all()[:5],
    "an order": lambda: Parcel.objects.order_by("code"),
    "distinct": lambda: Parcel.objects.distinct(),
    "an annotation": lambda: Parcel.objects.annotate(x=F("n")),
    "a union": lambda: Parcel.objects.filter(n=1).union(Parcel.objects.filter(n=2)),
    "a lock": lambda: Parcel.objects.select_for_update(),
    "values": lambda: Parcel.objects.values("n"),
    "SQL": lambda: Parcel.objects.extra(where=["n = 1"]),
    "a join": lambda: Parcel.objects.filter(depot__name="a"),
    "a subquery": lambda: Parcel.objects.filter(depot__in=Depot.objects.all()),
    "a subquery of values": lambda: Parcel.objects.filter(n__in=Parcel.objects.values("m")),
    "exists": lambda: Parcel.objects.filter(Exists(Parcel.objects.filter(n=1))),
    "chance": lambda: Parcel.objects.filter(n__lt=Random()),
    "a lookup of the project": lambda: Parcel.objects.filter(OwnLookup(F("n"), 1)),
    "the clock": lambda: Stamp.objects.filter(n=Now()),
    "a queryset of the project": lambda: Parcel.own.all(),
    "two tables": lambda: Child.objects.all(),
    "a proxy": lambda: ParcelOfToday.objects.all(),
    "a key of text": lambda: Named.objects.all(),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("run", [lambda rows: update_in_windows(rows, n=50), delete_in_windows])
def test_rows_of_which_windows_are_not_the_same(tables: object, shape: str, run: Any) -> None:
    before = stored()
    with pytest.raises(ValueError, match=r"condition|querysets|table|key"):
        run(SHAPES[shape]())
    assert stored() == before


ASSIGNED: dict[str, dict[str, Any]] = {
    "the key": {"pk": 5},
    "a unique column": {"code": F("n")},
    "one that is unique with others": {"left": 1},
    "one that may be unique with others": {"right": 1},
    "itself": {"n": F("n") + 1},
    "one another": {"n": F("m"), "m": F("n")},
    "one that changes": {"n": 1, "text": Upper(F("n"), output_field=models.CharField())},
    "a subquery": {"n": Parcel.objects.filter(code=1).values("n")},
    "a case": {"n": Case(When(m=1, then=1), default=2)},
    "chance": {"n": Random()},
}


@pytest.mark.parametrize("assigned", ASSIGNED)
def test_values_that_windows_do_not_leave_alike(tables: object, assigned: str) -> None:
    before = stored()
    with pytest.raises(ValueError, match=r"unique|reads|own columns"):
        update_in_windows(Parcel.objects.all(), **ASSIGNED[assigned])
    assert stored() == before


@pytest.mark.parametrize("model", [Shared, Some])
def test_a_constraint_that_may_read_any_column(tables: object, model: Any) -> None:
    with pytest.raises(ValueError, match="unique"):
        update_in_windows(model.objects.all(), n=1)


def test_deletes_that_are_more_than_one_statement(tables: object) -> None:
    state = ProjectState()
    for model in (Depot, Parcel, Node):
        state.add_model(ModelState.from_model(model))
    for name in ("Depot", "Node"):  # historical models know who points to them
        with pytest.raises(ValueError, match="takes more"):
            delete_in_windows(state.apps.get_model("windows", name)._base_manager)

    def hears(**_: object) -> None:
        pass

    post_delete.connect(hears, sender=Parcel)
    try:
        with pytest.raises(ValueError, match="takes more"):
            delete_in_windows(Parcel.objects)
    finally:
        post_delete.disconnect(hears, sender=Parcel)
    assert Parcel.objects.count() == len(KEYS)
    assert Depot.objects.count() == 1


@pytest.mark.parametrize("run", [lambda rows: update_in_windows(rows, n=50), delete_in_windows])
def test_in_a_transaction(tables: object, run: Any) -> None:
    before = stored()
    with transaction.atomic(), pytest.raises(transaction.TransactionManagementError, match="False"):
        run(Parcel.objects)
    connection.set_autocommit(False)
    try:
        with pytest.raises(transaction.TransactionManagementError, match="False"):
            run(Parcel.objects)
    finally:
        connection.set_autocommit(True)
    assert stored() == before


@pytest.mark.parametrize("wrong", [{"size": 0}, {"pause": -1}])
def test_wrong_arguments(tables: object, wrong: dict[str, int]) -> None:
    before = stored()
    with pytest.raises(ValueError, match="size must be 1 or more"):
        update_in_windows(Parcel.objects, n=50, **wrong)
    assert stored() == before
