"""Managers and querysets of the project, whose own methods a rewrite must not begin, or cease, to call."""

from __future__ import annotations

import pytest

from tests.rewritten import rewritten
from tests.running import run_both

pytestmark = pytest.mark.behaviour

MODELS = """
from django.db import migrations, models


class Shouting(models.query.ModelIterable):
    def __iter__(self):
        for row in super().__iter__():
            row.text += "!"
            yield row


class Queryset(models.QuerySet):
{method}


class Manager(models.Manager.from_queryset(Queryset)):
    use_in_migrations = True


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True)),
            ("num", models.IntegerField(default=0)),
            ("name", models.CharField(max_length=50, default="")),
            ("text", models.CharField(max_length=50, default="")),
            ("more", models.CharField(max_length=50, default="")),
        ], managers=[("objects", Manager())]),
        migrations.CreateModel("Child", [
            ("item_ptr", models.OneToOneField(
                "Item", models.CASCADE, auto_created=True, parent_link=True, primary_key=True, serialize=False,
            )),
        ], bases=("shop.item",)),
        migrations.CreateModel("Proxy", [], bases=("shop.item",), options={{"proxy": True}}),
    ]
"""


def ROWS(apps, connection):
    with connection.cursor() as cursor:
        for number in range(6):
            cursor.execute(
                "INSERT INTO shop_item (id, num, name, text, more) VALUES (%s, %s, '', %s, '')",
                [number + 1, number, f"t{number}"],
            )
        cursor.execute("INSERT INTO shop_child (item_ptr_id) SELECT id FROM shop_item")


def method(name: str, body: str) -> str:
    return f"    def {name}(self, *args, **kwargs):\n        {body}\n"


METHODS = {
    "iterator": "for row in super().iterator():\n            row.text += '?'\n            yield row",
    "only": "return self.exclude(num=1)",
    "defer": "return self.exclude(num=1)",
    "count": "return 99",
    "exists": "return False",
    "update": "return super().update(name='updated')",
    "delete": "return super().update(name='deleted')",
    "filter": "return super().filter(*args, **kwargs).exclude(num=3)",
    "using": "return super().using(*args).exclude(num=3)",
    "_chain": "rows = super()._chain()\n        rows.query.set_limits(high=4)\n        return rows",
    "__iter__": "self._fetch_all()\n        return iter(self._result_cache[:2])",
    "_fetch_all": "super()._fetch_all()\n        self._result_cache = self._result_cache[:2]",
    "__init__": "super().__init__(*args, **kwargs)\n        self._iterable_class = Shouting",
    "bulk_update": "return 0",
    "bulk_create": "return []",
    "create": "return super().create(more='created', **kwargs)",
}
LOOPS = {
    "read": "for item in Item.objects.all():\n    print(item.text)",
    "saved": "for item in Item.objects.all():\n    item.name = item.text * 2\n    item.save()",
    "set": "for item in Item.objects.all():\n    item.name = 'x'\n    item.save()",
    "deleted": "for item in Item.objects.all():\n    item.delete()",
    "counted": "print(len(Item.objects.all()))\nfor item in Item.objects.all():\n    print(item.text)",
    "tested": "items = Item.objects.all()\nif items:\n    for item in items:\n        print(item.text)",
    "in a list": "items = []\nfor item in Item.objects.all():\n    item.name = 'x' * item.num\n"
    "    items.append(item)\nItem.objects.bulk_update(items, ['name'])",
    "created": "for number in range(3):\n    pass\nfor item in Item.objects.all():\n    Item.objects.create(text=item.text)",
}


@pytest.mark.parametrize("model", ["Item", "Child", "Proxy"])
@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("name", METHODS)
def test_methods_of_the_project_run_where_they_ran(name, loop, model):
    models = MODELS.format(method=method(name, METHODS[name]))
    lines = [f"Item = apps.get_model('shop', '{model}')", *loop.splitlines()]
    before = "def forwards(apps, schema_editor):\n" + "".join(f"    {line}\n" for line in lines)
    after, outcome = rewritten(models, before)
    if outcome.changed:
        run_both(models, before, after, ROWS, expect="anything")


@pytest.mark.parametrize("model", ["Item", "Child", "Proxy"])
def test_rows_of_a_manager_of_the_project_go_through_the_helper(model):
    models = MODELS.format(method=method("iterator", METHODS["iterator"]))
    before = (
        f"def forwards(apps, schema_editor):\n    for item in apps.get_model('shop', '{model}').objects.all():\n"
        "        print(item.text)\n"
    )
    after, outcome = rewritten(models, before)
    assert outcome.loops[0].codes == ("MF203",)
    assert ".iterator()" not in after
