"""Field classes of the project whose source says that their values go the way of Django's own."""

from __future__ import annotations

from textwrap import indent

import pytest

from tests.databases import PARAMETERS
from tests.rewritten import rewritten
from tests.running import Case, run

pytestmark = pytest.mark.behaviour

MODELS = """
import shop.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Status", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=40)),
        ]),
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", shop.fields.Text(max_length=40, null=True, wrapper="name")),
            ("status", shop.fields.Status(null=True, on_delete=models.PROTECT, to="shop.status")),
            ("note", models.TextField(default="")),
        ]),
    ]
"""
FIELDS = """
import functools

from django.db import models


class Mixin:
    def __init__(self, *args, wrapper=None, **kwargs):
        self.wrapper = wrapper
        super().__init__(*args, **kwargs)

    def to_row(self, row, data):
        setattr(row, self.name, data)

    def to_activity(self, value):
        return {self.wrapper: value}


class Text(Mixin, models.CharField):
    def __init__(self, *args, max_length=20, **kwargs):
        super().__init__(*args, max_length=max_length, **kwargs)
        self._shown = max_length


class Status(Mixin, models.ForeignKey):
    def __init__(self, *args, **kwargs):
        kwargs.setdefault("to", "shop.Status")
        super().__init__(*args, **kwargs)

    def get_limit_choices_to(self):
        return {"name": "never"}

    def contribute_to_class(self, cls, *args, **kwargs):
        super().contribute_to_class(cls, *args, **kwargs)

        def shown(row, field):
            row.note += "shown"
            return str(field.value_from_object(row))

        if f"get_{self.name}_display" not in cls.__dict__:
            setattr(cls, f"get_{self.name}_display", functools.partialmethod(shown, field=self))
"""
NAMES = [None, "", " ", "a", "A", "a ", "é", "b" * 40]
ROWS = {
    "shop_status": [{"id": n, "name": f"s{n}"} for n in range(1, 4)],
    "shop_item": [
        {"id": n, "name": name, "status_id": n % 4 or None, "note": f"n{n}"}
        for n, name in enumerate(NAMES * 3, start=1)
    ],
}
BODIES = {
    "a constant": (
        'for item in Item.objects.all():\n    item.name = "x"\n    item.save()',
        "MF101",
    ),
    "a test of both": (
        "for item in Item.objects.all():\n    if item.status_id == 2 and item.name is not None:\n"
        "        item.name = None\n        item.save()",
        "MF101",
    ),
    "another row": (
        'status = Status.objects.get(name="s1")\nfor item in Item.objects.filter(status=None):\n'
        "    item.status = status\n    item.save()",
        "MF101",
    ),
    "a lookup of its own": (
        "for item in Item.objects.all():\n    item.note = item.name\n    if item.name is not None:\n"
        "        item.save()",
        "MF101",
    ),
    "a related row": (
        'for item in Item.objects.select_related("status").order_by("pk"):\n'
        "    if item.status:\n        item.name = item.status.name.swapcase()\n        item.save()",
        "MF301",
    ),
    "columns that are read": (
        'for item in Item.objects.order_by("pk"):\n    print(item.name, item.status_id)',
        "MF201",
    ),
    "rows that are deleted": (
        "for item in Item.objects.filter(status__isnull=True):\n    item.delete()",
        "MF102",
    ),
}


def migration(body: str) -> str:
    return (
        "from django.db import migrations\n\n\ndef forwards(apps, schema_editor):\n"
        '    Item = apps.get_model("shop", "Item")\n    Status = apps.get_model("shop", "Status")\n'
        + indent(body, "    ")
        + '\n\n\nclass Migration(migrations.Migration):\n    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(forwards)]\n"
    )


def files(fields: str = FIELDS) -> dict[str, str]:
    return {"shop/__init__.py": "", "shop/fields.py": fields}


@pytest.mark.parametrize("database", PARAMETERS)
@pytest.mark.parametrize("name", BODIES)
def test_values_go_the_way_of_djangos_own(name, database):
    body, code = BODIES[name]
    before = migration(body)
    after, outcome = rewritten(MODELS, before, files=files())
    assert code in outcome.loops[-1].codes, outcome.loops
    case = Case(MODELS, ROWS, database, files())
    first, second = run(case, before), run(case, after)
    assert first.error is None and (first.tables != first.start or first.output)
    assert (second.error, second.tables, second.output) == (None, first.tables, first.output)


OTHERS = {
    "pre_save()": '    def pre_save(self, row, add):\n        return "saved"\n',
    "get_prep_value()": '    def get_prep_value(self, value):\n        return f"<{value}>"\n',
    "from_db_value()": "    def from_db_value(self, value, *args):\n        return (value or '') + '!'\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_class_whose_values_go_another_way(name):
    fields = FIELDS.replace("class Status(", OTHERS[name] + "\n\nclass Status(")
    body = "for item in Item.objects.all():\n    item.note = 'x'\n    item.save()"
    before = migration(body)
    _, outcome = rewritten(MODELS, before, files=files(fields))
    assert "MF101" not in outcome.loops[-1].codes, outcome.loops
    case = Case(MODELS, ROWS, "sqlite-memory", files(fields))
    naive = migration("Item.objects.update(note='x')")
    assert run(case, before).tables != run(case, naive).tables


def test_a_method_that_the_class_gives_the_rows_may_read_any_column():
    before = migration(
        'for item in Item.objects.order_by("pk"):\n    print(item.get_status_display())'
    )
    _, outcome = rewritten(MODELS, before, files=files())
    assert not {"MF201", "MF101"} & set(outcome.loops[-1].codes), outcome.loops


SLUG = """
from django.db import models


class Slug(models.CharField):
    def __init__(self, *args, populate_from=None, **kwargs):
        self.populate_from = populate_from
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        kwargs["populate_from"] = self.populate_from
        return name, path, args, kwargs

    def pre_save(self, row, add):
        return getattr(row, self.populate_from)
"""
SLUGGED = """
import shop.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=40)),
            ("slug", shop.fields.Slug(max_length=40, populate_from="name")),
            ("note", models.TextField(default="")),
        ]),
        migrations.CreateModel("Status", []),
    ]
"""
SLUGGED_ROWS = {
    "shop_item": [{"id": n, "name": f"n{n}", "slug": "", "note": "x" * n} for n in range(1, 6)]
}


@pytest.mark.parametrize("database", PARAMETERS)
def test_rows_of_a_class_that_computes_in_save_are_read(database):
    before = migration('for item in Item.objects.order_by("pk"):\n    print(item.name)')
    after, outcome = rewritten(SLUGGED, before, files=files(SLUG))
    assert "MF201" in outcome.loops[-1].codes, outcome.loops
    case = Case(SLUGGED, SLUGGED_ROWS, database, files(SLUG))
    first, second = run(case, before), run(case, after)
    assert first.output and second.queries == first.queries
    assert (second.error, second.tables, second.output) == (None, first.tables, first.output)


@pytest.mark.parametrize("save", ["item.save()", 'item.save(update_fields=["note"])'])
def test_rows_of_a_class_that_computes_in_save_are_saved(save):
    body = f'for item in Item.objects.order_by("pk"):\n    item.note = item.note.swapcase()\n    {save}'
    _, outcome = rewritten(SLUGGED, migration(body), files=files(SLUG))
    assert not {"MF101", "MF201"} & set(outcome.loops[-1].codes), outcome.loops


def test_such_a_column_itself_is_not_read_alone():
    before = migration('for item in Item.objects.order_by("pk"):\n    print(item.slug)')
    _, outcome = rewritten(SLUGGED, before, files=files(SLUG))
    assert "MF201" not in outcome.loops[-1].codes, outcome.loops
