"""What migfix makes of a migration, run beside the original."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from migfix.findings import Applicability
from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import Different

pytestmark = pytest.mark.behaviour

MODELS = """
migrations.CreateModel("Order", [
    ("id", models.BigAutoField(primary_key=True)),
    ("flag", models.BooleanField(null=True)),
    ("n", models.IntegerField(default=0)),
    ("text", models.TextField(default="")),
]),
"""
ROWS = {"Order": [{"flag": flag, "text": "a" * 9} for flag in (None, True, False)]}
FUNCTION = """
def forwards(apps, schema_editor):
    for order in apps.get_model("shop", "Order").objects.all():
"""


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_loop_that_becomes_an_update(database):
    body = "        if not order.flag:\n            order.n = 1\n            order.save()\n"
    outcome, both = run_rewritten(MODELS, FUNCTION + body, ROWS, database=database)
    assert outcome.loops[0].codes == ("MF101",)
    assert both.after.queries == 1


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_loop_that_streams_its_rows(database):
    body = "        order.n = len(order.text)\n        order.save()\n        print(order.pk)\n"
    outcome, _ = run_rewritten(MODELS, FUNCTION + body, ROWS, database=database)
    assert "MF203" in outcome.loops[0].codes


def test_a_migration_that_is_left_alone_keeps_its_source():
    before = """
        def forwards(apps, schema_editor):
            orders = apps.get_model("shop", "Order").objects.all()
            for order in orders:
                order.n = orders[1].n
                order.save()
    """
    after, outcome = rewritten(MODELS, before)
    assert outcome.loops[0].blocked_by == "queryset-reused"
    assert "for order in orders:\n" in after
    with pytest.raises(AssertionError, match="used again"):
        run_rewritten(MODELS, before, ROWS)


STAMPED = """
migrations.CreateModel("Stamped", [
    ("id", models.BigAutoField(primary_key=True)),
    ("n", models.IntegerField(default=0)),
    ("data", models.JSONField(null=True)),
    ("file", models.FileField(null=True)),
    ("updated", models.DateTimeField(auto_now=True)),
]),
"""


@pytest.mark.parametrize("narrowed", ['only("n")', 'defer("data", "file", "updated")'])
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_an_update_of_narrowed_rows_leaves_what_their_save_left(database, narrowed):
    def rows(apps, connection):
        stamped = apps.get_model("shop", "Stamped")
        stamped.objects.bulk_create([stamped(n=n) for n in (1, 2)])
        with connection.cursor() as cursor:
            cursor.execute("UPDATE shop_stamped SET data = 'null', file = NULL WHERE n = 1")

    before = f"""
        def forwards(apps, schema_editor):
            for row in apps.get_model("shop", "Stamped").objects.{narrowed}:
                row.n = 7
                row.save()
    """
    outcome, both = run_rewritten(STAMPED, before, rows, database=database)
    assert outcome.loops[0].codes == ("MF101",)
    assert both.after.queries == 1


FILED = """
migrations.CreateModel("Filed", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=99, default="")),
    ("text", models.TextField(default="")),
    ("file", models.FileField(upload_to="x")),
    ("image", models.ImageField(default="none.png")),
]),
"""


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_a_save_leaves_the_names_of_files_that_are_never_null(database):
    names = [
        "",
        " ",
        "a/b.txt",
        "../x",
        "a\\\\b",
        "/abs",
        " x ",
        "0",
        "None",
        "naïve 中文.png",
        "a//b",
    ]

    def rows(apps, connection):
        filed = apps.get_model("shop", "Filed")
        filed.objects.bulk_create([filed(name=f"N {n}") for n in range(len(names))])
        with connection.cursor() as cursor:
            for n, name in enumerate(names):
                sql = "UPDATE shop_filed SET file = %s, image = %s WHERE name = %s"
                cursor.execute(sql, [name, name, f"N {n}"])

    before = """
        from django.utils.text import slugify

        def forwards(apps, schema_editor):
            for row in apps.get_model("shop", "Filed").objects.all():
                row.name = slugify(row.name)
                row.save()
    """
    outcome, _ = run_rewritten(FILED, before, rows, database=database)
    assert outcome.loops[0].codes[:1] == ("MF201",)
    assert outcome.loops[0].reason.startswith("loads only name;")


OF_THE_PROJECT = """
from django.db import migrations, models


class Price(models.DecimalField):
    def __init__(self, *args, **kwargs):
        kwargs["max_digits"] = 9
        kwargs.setdefault("decimal_places", 2)
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"]
        return name, path, args, kwargs


class Day(models.DateTimeField):
    description = "a day"


class Sized(models.CharField):
    def __init__(self, *args, size=20, **kwargs):
        self.size = size
        super().__init__(*args, max_length=size, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, {**kwargs, "size": self.size}


class Owner(models.ForeignKey):
    def check(self, **kwargs):
        return []


class Upper(models.CharField):
    def pre_save(self, instance, add):
        return getattr(instance, self.attname).upper()


class Labelled:
    def __str__(self):
        return self.text


class Shouting:
    def save(self, *args, **kwargs):
        self.text = "loud"
        super().save(*args, **kwargs)


class Titled:
    @property
    def text(self):
        return "titled"

    @text.setter
    def text(self, value):
        self.n = 5


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True)),
            ("n", models.IntegerField(default=0)),
            ("text", models.CharField(max_length=20)),
            ("price", Price(null=True)),
            ("day", Day(null=True)),
            ("sized", Sized(null=True)),
            ("owner", Owner("self", models.CASCADE, null=True)),
        ], bases=(Labelled, models.Model)),
        migrations.CreateModel("Proxy", [], bases=("shop.Item",), options={"proxy": True}),
    ]
"""


ITEM = {"id": 1, "n": 1, "text": "t", "sized": "lower"}


def items(apps, connection):
    item = apps.get_model("shop", "Item")
    first = item.objects.create(
        text="a", price="1.005", day=datetime(2020, 2, 29, 23, 59, 59, 9, timezone.utc), sized="É "
    )
    item.objects.bulk_create(
        [
            item(n=1, text="b", owner=first, price="-9999999.99", sized=""),
            item(n=2, text="", price=0, day=datetime(1, 1, 1, tzinfo=timezone.utc)),
        ]
    )


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_classes_that_leave_values_as_they_are(database):
    before = """
        def forwards(apps, schema_editor):
            for row in apps.get_model("shop", "Item").objects.all():
                row.price = 2.5
                row.n = 7
                row.save()
    """
    outcome, both = run_rewritten(OF_THE_PROJECT, before, items, database=database)
    assert outcome.loops[0].applicability is Applicability.SAFE
    assert both.after.queries == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Sized(null=True)", 'Upper(max_length=20, default="a")'),
        ("bases=(Labelled,", "bases=(Shouting,"),
        ('bases=("shop.Item",)', 'bases=(Titled, "shop.Item")'),
    ],
)
def test_classes_that_do_not_are_unsafe_for_a_reason(old, new):
    before = """
        def forwards(apps, schema_editor):
            for row in apps.get_model("shop", "Proxy").objects.all():
                row.text = "x"
                row.save()
    """
    models = OF_THE_PROJECT.replace(old, new)
    one_update = frozenset({"MF101"})
    assert not rewritten(models, before, Settings(select=one_update))[1].changed
    unsafe = Settings(select=one_update, unsafe_fixes=True)
    with pytest.raises(Different):
        run_rewritten(models, before, {"shop_item": [ITEM]}, unsafe, expect="anything")
