"""What migfix makes of a migration, run beside the original."""

from __future__ import annotations

import pytest

from tests.databases import PARAMETERS
from tests.rewritten import rewritten, run_rewritten

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


@pytest.mark.parametrize("database", PARAMETERS)
def test_a_loop_that_becomes_an_update(database):
    body = "        if not order.flag:\n            order.n = 1\n            order.save()\n"
    outcome, both = run_rewritten(MODELS, FUNCTION + body, ROWS, database=database)
    assert outcome.loops[0].codes == ("MF101",)
    assert both.after.queries == 1


@pytest.mark.parametrize("database", PARAMETERS)
def test_a_loop_that_streams_its_rows(database):
    body = "        order.n = len(order.text)\n        order.save()\n        print(order.pk)\n"
    outcome, _ = run_rewritten(MODELS, FUNCTION + body, ROWS, database=database)
    assert "MF203" in outcome.loops[0].codes


def test_a_migration_that_is_left_alone_keeps_its_source():
    before = """
        def forwards(apps, schema_editor):
            orders = apps.get_model("shop", "Order").objects.all()
            for order in orders:
                order.n = len(orders)
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
@pytest.mark.parametrize("database", PARAMETERS)
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
