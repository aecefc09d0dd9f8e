"""Loops of which a row fails half-way, outside of a transaction and where the error is caught."""

from __future__ import annotations

from textwrap import indent

import django
import pytest

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten
from tests.running import Case, run

pytestmark = pytest.mark.behaviour

CHECK = "condition" if django.VERSION >= (5, 1) else "check"
MODELS = """
migrations.CreateModel("Owner", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=20, default="")),
]),
migrations.CreateModel("Order", [
    ("id", models.BigAutoField(primary_key=True)),
    ("flag", models.BooleanField(null=True)),
    ("n", models.IntegerField(default=0)),
    ("null", models.IntegerField(null=True)),
    ("small", models.SmallIntegerField(default=0)),
    ("up", models.PositiveIntegerField(default=0)),
    ("short", models.CharField(max_length=5, default="")),
    ("long", models.CharField(max_length=20, default="")),
    ("text", models.TextField(default="")),
    ("checked", models.IntegerField(default=0)),
    ("owner", models.ForeignKey("Owner", models.CASCADE, null=True)),
], options={"constraints": [RULE]}),
migrations.CreateModel("Log", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=20, default="")),
]),
""".replace("RULE", f"models.CheckConstraint({CHECK}=models.Q(checked__lt=3), name='few')")
ROWS = {
    "Owner": [{"pk": 1, "name": "a"}],
    "Order": [
        {"flag": True, "n": 1, "null": 1, "long": "a", "text": "t"},
        {"flag": False, "n": 40000, "null": 2, "long": "abc", "text": "u", "owner_id": 1},
        {"flag": None, "n": -3, "null": None, "long": "a" * 12, "text": "v"},
        {"flag": True, "n": 2, "null": 4, "long": "b", "text": "w"},
    ],
}
LOOP = "for order in Order.objects.order_by('pk'):\n{}\n    order.save()\n"
AUTOCOMMIT = """
from django.db import migrations, models, transaction


def forwards(apps, schema_editor):
    Order = apps.get_model("shop", "Order")
    Owner = apps.get_model("shop", "Owner")
    Log = apps.get_model("shop", "Log")
{body}

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""


def migration(body: str, atomic: bool = False) -> str:
    source = AUTOCOMMIT.format(body=indent(body, "    "))
    return source.replace("    atomic = False\n", "") if atomic else source


def saving(assignment: str) -> str:
    return LOOP.format(indent(assignment, "    "))


TRY = "try:\n{}except Exception:\n    pass\n"
# Where a loop runs, with whether the migration is atomic.
PLACES = {
    "autocommit": ("{}", False),
    "caught in autocommit": (TRY, False),
    "caught": (TRY, True),
    "a transaction in a try": (TRY.format("    with transaction.atomic():\n{}"), False),
    "a try in a transaction": (
        "with transaction.atomic():\n    try:\n{}    except Exception:\n        pass\n",
        False,
    ),
    "dropped": ("try:\n{}finally:\n    return\n", False),
    "a caller's try": (
        "def process():\n{}try:\n    process()\nexcept Exception:\n    pass\n",
        False,
    ),
}
DEPTHS = {"autocommit": 0, "a transaction in a try": 2, "a try in a transaction": 2}
BODIES = {
    "constant": saving("order.n = 5"),
    "constant that no row takes": saving("order.n = None"),
    "constant that some rows take": saving("order.checked = None if order.n < 0 else 2"),
    "constants of some rows": saving("if order.flag:\n    order.n = 9\nelse:\n    order.n = 8"),
    "NULL of some rows": saving("if order.null:\n    order.n = 9\nelse:\n    order.n = None"),
    "negative of some rows": saving("if order.flag:\n    order.up = 9\nelse:\n    order.up = -1"),
    "key of some rows": saving("if order.flag:\n    order.owner_id = 1\nelse:\n    order.owner_id = 77"),
    "key that is not there": saving("order.owner_id = 77"),
    "column": saving("order.null = order.n"),
    "NULL column": saving("order.n = order.null"),
    "NULL column that is tested": saving("if order.null is not None:\n    order.n = order.null"),
    "wider column": saving("order.small = order.n"),
    "signed column": saving("order.up = order.n"),
    "longer column": saving("order.short = order.long"),
    "shorter column": saving("order.long = order.short"),
    "column without a length": saving("order.text = order.long"),
    "sum": saving("order.small = order.n + 1"),
    "text": saving("order.short = order.long + 'xyz'"),
    "long text": saving("order.text = order.text + 'xyz'"),
    "answer": saving("order.flag = order.n == 2"),
    "rule": saving("order.checked = order.n"),
    "rule of a constant": saving("order.checked = 3"),
    "fields of a save": saving("order.n = order.null").replace("save()", "save(update_fields=['n'])"),
    "two fields": saving("order.n = order.null\norder.text = 'x'"),
    "update by key": "for order in Order.objects.order_by('pk'):\n"
    "    Order.objects.filter(pk=order.pk).update(n=order.null)\n",
    "delete": "for order in Order.objects.order_by('pk'):\n    order.delete()\n",
    "delete of a row that others need": "for owner in Owner.objects.all():\n    owner.delete()\n",
    "other table": "for owner in Owner.objects.all():\n    Order.objects.filter(owner=owner).update(n=owner.pk)\n",
    "batch": saving("order.short = 'x' * order.n if order.n < 50 else 'y' * 50"),
    "batch beside another write": saving("order.n = order.null and order.null + 1\nprint()")
    + "    Log.objects.create(name=order.long)\n",
    "new rows": "for order in Order.objects.order_by('pk'):\n    Order.objects.create(n=order.null, pk=order.pk + 90)\n",
    "new rows of two tables": "for order in Order.objects.order_by('pk'):\n"
    "    Log.objects.create(name=order.long)\n    Owner.objects.create(name=order.null, pk=order.pk + 90)\n",
    "list": "rows = []\nfor order in Order.objects.order_by('pk'):\n    order.short = 'x' * (order.null + 1)\n"
    "    rows.append(order)\nOrder.objects.bulk_update(rows, ['short'])\n",
    "list of new rows": "rows = []\nfor order in Order.objects.order_by('pk'):\n"
    "    rows.append(Log(name='x' * (order.null + 1)))\nLog.objects.bulk_create(rows)\n",
}  # fmt: skip


def placed(place: str, body: str) -> str:
    around, atomic = PLACES[place]
    return migration(around.format(indent(body, "    " * DEPTHS.get(place, 1))), atomic)


def compared(before: str, after: str, database: str) -> bool:
    """Do both leave the same, and fail or not alike? Which error it is that nothing catches is no matter."""
    first, second = (run(Case(MODELS, ROWS, database), each) for each in (before, after))
    assert first.start == second.start
    return (first.tables, first.error is None) == (second.tables, second.error is None)


@pytest.mark.thorough
@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("body", BODIES)
def test_what_is_safe_leaves_the_same(body, database):
    for place in PLACES:
        before = placed(place, BODIES[body])
        after, outcome = rewritten(MODELS, before)
        assert not outcome.changed or compared(before, after, database), (place, after)


# The codemod, where it is not safe, and on which databases that shows.
UNSAFE = {
    "NULL column": "MF101",
    "NULL of some rows": "MF101",
    "constant that some rows take": "MF101",
    "negative of some rows": "MF101",
    "key of some rows": "MF101",
    "wider column": "MF101",
    "signed column": "MF101",
    "longer column": "MF101",
    "rule": "MF101",
    "two fields": "MF101",
    "fields of a save": "MF101",
    "batch beside another write": "MF301",
    "new rows of two tables": "MF302",
}
# SQLite looks at no ranges and lengths, and at foreign keys when the migration is done.
ON_SERVERS = {"wider column", "longer column", "key of some rows"}


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("body", UNSAFE)
def test_what_is_unsafe_leaves_something_else(body, database):
    if database.startswith("sqlite") and body in ON_SERVERS:
        pytest.skip("no row fails")
    settings = {"select": frozenset({UNSAFE[body]})}
    before = placed("autocommit", BODIES[body])
    after, outcome = rewritten(MODELS, before, Settings(**settings))
    assert not outcome.changed
    assert outcome.loops[0].blocked_by == "transaction"
    after, outcome = rewritten(MODELS, before, Settings(**settings, unsafe_fixes=True))
    assert outcome.changed
    assert not compared(before, after, database)


@pytest.mark.parametrize(
    "body", ["constant", "column", "shorter column", "answer", "delete", "long text"]
)
@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_fail_stays_safe(body, place):
    _, outcome = rewritten(MODELS, placed(place, BODIES[body]))
    assert outcome.loops[0].codes in {("MF101",), ("MF102",)}


# What the loop fails at before it has a row, or at the first one, and the update that would not.
AT_ONCE = {
    "a lock outside of a transaction": (
        LOOP.replace("objects", "objects.select_for_update()").format("    order.n = 5"),
        "Order.objects.select_for_update().update(n=5)\n",
        False,
    ),
    "a durable transaction in another one": (
        "for order in Order.objects.all():\n    with transaction.atomic(durable=True):\n"
        "        order.n = 5\n        order.save()\n",
        "Order.objects.update(n=5)\n",
        True,
    ),
}


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize(("body", "naive", "atomic"), AT_ONCE.values(), ids=AT_ONCE)
def test_what_fails_at_once_in_the_loop_alone(body, naive, atomic, database):
    if database.startswith("sqlite") and "select_for_update" in body:
        pytest.skip("SQLite locks no rows")
    before = migration(body, atomic)
    assert not compared(before, migration(naive, atomic), database)
    _, outcome = rewritten(MODELS, before, Settings(select=frozenset({"MF101"})))
    assert not outcome.changed, outcome.loops


# What runs after the row that failed, and tells how far the loop came.
LOGGED = "Log.objects.create(name=str({}))\n"
COUNTING = (
    "done = 0\nlast = []\n{}for order in Order.objects.order_by('pk'):\n"
    "    order.n = order.null\n    order.save(update_fields=['n'])\n    done += 1\n    last.append(order.pk)\n"
)
COUNTED = COUNTING.replace("    last.append(order.pk)\n", "")
CREATED = COUNTED.replace("    order.n = order.null\n    order.save(update_fields=['n'])\n",
                          "    Log.objects.create(name='x' * (order.null + 1))\n")  # fmt: skip
AROUND = {
    "a finally": "try:\n{}finally:\n    " + LOGGED,
    "a transaction in a finally": "try:\n    with transaction.atomic():\n{}finally:\n    " + LOGGED,
    "a handler": "try:\n    with transaction.atomic():\n{}except Exception:\n    " + LOGGED,
    "a handler that raises again": "try:\n    with transaction.atomic():\n{}except Exception:\n    "
    + LOGGED + "    raise\n",
    "what follows": "try:\n    with transaction.atomic():\n{}except Exception:\n    pass\n" + LOGGED,
    "a finally that breaks by an else": "for _ in '1':\n    try:\n{}    finally:\n        for each in ():\n"
    "            break\n        else:\n            continue\n" + LOGGED,
}  # fmt: skip
SEEN = [
    (COUNTING, "done"),
    (COUNTING, "last"),
    (COUNTING, "order.pk"),
    (COUNTED, "done"),
    (CREATED, "done"),
]


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize("around", AROUND)
def test_what_runs_after_an_error_sees_the_same(around, database):
    for loop, seen in SEEN:
        before, _, after = AROUND[around].partition("{}")
        depth = 1 + before.rstrip("\n").rpartition("\n")[2].count("    ")
        start, _, body = loop.partition("{}")
        whole = f"order = None\n{start}{before}{indent(body, '    ' * depth)}{after.format(seen)}"
        source = migration(whole, atomic=False)
        rewrite, outcome = rewritten(MODELS, source)
        assert not outcome.changed or compared(source, rewrite, database), (seen, rewrite)
