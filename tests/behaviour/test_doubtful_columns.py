"""Columns that are listed with a doubt: where it is unfounded nothing differs, where it is not what the message says."""

from __future__ import annotations

import re

import pytest

from migfix.settings import Settings
from tests.databases import PARAMETERS
from tests.rewritten import rewritten
from tests.running import Case, run

pytestmark = [pytest.mark.behaviour, pytest.mark.parametrize("database", PARAMETERS)]

COLUMNS = Settings(select=frozenset({"MF201"}), unsafe_fixes=True)
MODELS = """
import shop.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Order", [
            ("id", models.BigAutoField(primary_key=True)),
            ("rank", models.IntegerField(default=0, db_index=True)),
            ("title", models.CharField(max_length=40, null=True)),
            ("place", models.IntegerField(null=True)),
            ("long", models.TextField(default="")),
            ("far", FIELD),
        ]),
    ]
"""
# A class that a function makes is none that can be read.
FIELDS = """
from django.db import models


def made(stamping):
    class Text(models.TextField):
        def pre_save(self, row, add):
            if stamping:
                row.far = "stamped"
            return super().pre_save(row, add)

    return Text


Plain, Stamping = made(False), made(True)
"""
BEFORE = """
from django.db import migrations


def forwards(apps, schema_editor):
    Order = apps.get_model("shop", "Order")
    place = 0
    for order in Order.objects{rows}:
        {body}


class Migration(migrations.Migration):
    operations = [migrations.RunPython(forwards)]
"""
ROWS = {
    "shop_order": [
        {"id": n, "rank": n % 2, "title": title, "place": None, "long": "x" * 99, "far": "far"}
        for n, title in enumerate([None, "", "A", "a ", "Ä" * 40], 1)
    ]
}


def both(database, field, rows, body):
    """What migfix says, and the tables after both versions."""
    models = MODELS.replace("FIELD", field)
    before = BEFORE.format(rows=rows, body=body)
    files = {"shop/__init__.py": "", "shop/fields.py": FIELDS}
    after, outcome = rewritten(models, before, COLUMNS, files)
    assert ".only(" in after or ".defer(" in after, outcome.loops[0]
    old, new = (run(Case(models, ROWS, database, files), text) for text in (before, after))
    assert (old.error, new.error) == (None, None)
    assert old.tables != old.start
    return outcome.loops[0], old.tables, new.tables


@pytest.mark.parametrize(("name", "same"), [("Plain", True), ("Stamping", False)])
def test_a_column_whose_class_cannot_be_read_beside_a_full_save(database, name, same):
    body = "order.title = (order.title or '').lower()\n        order.save()"
    loop, old, new = both(database, f"shop.fields.{name}(default='')", ".all()", body)
    assert f"what save() does with `far`, a shop.fields.{name}" in loop.reason
    assert (old == new) is same


def test_rows_that_tie_may_change_places_and_nothing_else(database):
    body = "place += 1\n        order.place = place\n        order.save(update_fields=['place'])"
    loop, old, new = both(database, "models.TextField()", ".order_by('rank')", body)
    assert "sorted by `rank`, which is not unique" in loop.reason
    assert _places_by_rank(old) == _places_by_rank(new)


def _places_by_rank(tables):
    found = [re.search(r"rank='?(\d).* place='?(\d)", row) for row in tables["shop_order"]]
    return sorted(each.groups() for each in found)
