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
