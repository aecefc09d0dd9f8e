"""Classes of the project behind a historical model that change what happens to its rows."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from tests.rewritten import rewritten
from tests.running import Case, run

pytestmark = pytest.mark.behaviour

MODELS = """
import shop.base
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("n", models.IntegerField(default=0)),
                ("name", models.CharField(max_length=40, default="")),
                ("note", models.CharField(max_length=40, default="")),
            ],
            bases=(shop.base.Mixin, models.Model),
        ),
        migrations.CreateModel(
            "Tag",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=40, default="")),
                ("order", models.ForeignKey("Order", models.CASCADE, related_name="tags")),
            ],
        ),
    ]
"""
ROWS = {
    "shop_order": [{"id": n, "n": n % 3, "name": f" {n} ", "note": f"{n} "} for n in range(1, 7)],
    "shop_tag": [{"id": n, "name": "", "order_id": n} for n in range(1, 4)],
}
PLAIN = "class Mixin:\n    def shown(self):\n        return self.name\n"
STRIPPING = """
class Mixin:
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.name = self.name.strip()
"""
TESTED = "class Mixin:\n    def __bool__(self):\n        return self.n > 1\n"
ASKING = """
class Mixin:
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.had_tags = self.pk is not None and self.tags.exists()
"""
COUNTING = """
class Mixin:
    @property
    def total(self):
        return type(self).objects.filter(note="").count()

    @total.setter
    def total(self, value):
        type(self).objects.update(name="lost")
"""
BATCHED = (
    "from ._migfix import update_in_batches\nfirst = Order.objects.first()\n"
    "with update_in_batches('n', 'note') as batch:\n"
    "    for order in Order.objects.order_by('pk'):\n        {}\n        order.note = ''\n"
    "        batch.update(order)\n"
)
IN_TURN = (
    "first = Order.objects.first()\nfor order in Order.objects.order_by('pk'):\n    {}\n"
    "    order.note = ''\n    order.save()\n"
)
COUNTS = {
    "getattr()": "order.n = getattr(first, 'total')",
    "getattr() with a default": "order.n = getattr(first, 'total', 0)",
    "getattr() by a name": "name = 'to' + 'tal'\n    order.n = getattr(first, name)",
}
SAVING = """
def save(self, **kwargs):
    self.name = self.name.strip()
    super(type(self), self).save(**kwargs)


"""
LISTED = """
rows = []
for order in Order.objects.all():
    order.note = order.name
    rows.append(order)
Order.objects.bulk_update(rows, ["note"])
"""
CASES = {
    "__init__ and bulk_update()": (
        STRIPPING, LISTED, 'Order.objects.update(note=F("name"))', "MF101",
    ),
    "__init__ of a related row": (
        STRIPPING,
        "for tag in Tag.objects.all():\n    tag.name = tag.order.name\n    tag.save()\n",
        'Tag.objects.update(name=Subquery(Order.objects.filter(pk=OuterRef("order_id")).values("name")))',
        "MF101",
    ),
    "__init__ of a row that is looked for": (
        STRIPPING,
        "for tag in Tag.objects.all():\n    order = Order.objects.filter(pk=tag.order_id).first()\n"
        "    if order is not None:\n        tag.name = order.name\n        tag.save()\n",
        'Tag.objects.update(name=Subquery(Order.objects.filter(pk=OuterRef("order_id")).values("name")))',
        "MF101",
    ),
    "__bool__ of a related row": (
        TESTED,
        'for tag in Tag.objects.all():\n    if tag.order:\n        tag.name = "has"\n        tag.save()\n',
        'Tag.objects.filter(order__isnull=False).update(name="has")',
        "MF101",
    ),
    "__bool__ of a related row and delete()": (
        TESTED,
        "for tag in Tag.objects.all():\n    if not tag.order:\n        tag.delete()\n",
        "Tag.objects.filter(order__isnull=True).delete()",
        "MF102",
    ),
    "__init__ that asks, of rows that are made in turn": (
        ASKING,
        "for order in Order.objects.order_by('pk'):\n    if not order.had_tags:\n"
        '        Tag.objects.create(name="x", order_id=order.pk % 6 + 1)\n',
        "for order in Order.objects.order_by('pk').iterator(chunk_size=1):\n    if not order.had_tags:\n"
        '        Tag.objects.create(name="x", order_id=order.pk % 6 + 1)\n',
        "MF203",
    ),
    "save() that the migration gives it": (
        PLAIN,
        "Order.save = save\nfor order in Order.objects.all():\n    order.n = 4\n    order.save()\n",
        "Order.objects.update(n=4)",
        "MF101",
    ),
    "a field's method that the migration gives it": (
        PLAIN,
        'Order._meta.get_field("name").get_prep_value = lambda value: value.strip()\n'
        "for order in Order.objects.all():\n    order.n = 4\n    order.save()\n",
        "Order.objects.update(n=4)",
        "MF101",
    ),
}  # fmt: skip


def migration(body: str) -> str:
    return (
        "from django.db import migrations\nfrom django.db.models import F, OuterRef, Subquery\n\n"
        + SAVING
        + 'def forwards(apps, schema_editor):\n    Order = apps.get_model("shop", "Order")\n'
        '    Tag = apps.get_model("shop", "Tag")\n'
        + indent(dedent(body).strip("\n"), "    ")
        + '\n\n\nclass Migration(migrations.Migration):\n    dependencies = [("shop", "0001_initial")]\n'
        "    operations = [migrations.RunPython(forwards)]\n"
    )


def files(base: str) -> dict[str, str]:
    return {"shop/__init__.py": "", "shop/base.py": base}


@pytest.mark.parametrize("name", CASES)
def test_what_such_a_class_does_is_not_left_out(name):
    base, body, naive, code = CASES[name]
    _, outcome = rewritten(MODELS, migration(body), files=files(base))
    assert code not in outcome.loops[-1].codes, outcome.loops
    case = Case(MODELS, ROWS, "sqlite-memory", files(base))
    assert run(case, migration(body)).tables != run(case, migration(naive)).tables


@pytest.mark.parametrize("name", [name for name in CASES if "migration gives" not in name])
def test_a_base_that_does_nothing_to_rows_keeps_nothing_away(name):
    _, body, _, code = CASES[name]
    _, outcome = rewritten(MODELS, migration(body), files=files(PLAIN))
    assert code in outcome.loops[-1].codes, outcome.loops


@pytest.mark.parametrize("name", COUNTS)
def test_a_property_of_another_row_that_a_text_names(name):
    line = COUNTS[name]
    before = migration(IN_TURN.format(line))
    _, outcome = rewritten(MODELS, before, files=files(COUNTING))
    assert outcome.loops[-1].codes == ("MF203",), outcome.loops
    case = Case(MODELS, ROWS, "sqlite-memory", files(COUNTING))
    naive = migration(BATCHED.format(line.replace("\n", "\n    ")))
    assert run(case, before).tables != run(case, naive).tables


@pytest.mark.parametrize(
    "line", ["setattr(first, 'total', 1)", "delattr(first, 'total')", "hasattr(first, 'total')"]
)
def test_code_of_another_row_that_a_text_runs(line):
    _, outcome = rewritten(MODELS, migration(IN_TURN.format(line)), files=files(COUNTING))
    assert outcome.loops[-1].codes == ("MF203",), outcome.loops


@pytest.mark.parametrize(
    "line",
    [
        "order.n = getattr(first, 'n')",
        "setattr(first, 'extra', 1)",
        "hasattr(first, 'other')",
        "order.n = first.n",
        "first.extra = 1",
    ],
)
def test_attributes_that_the_class_does_not_define(line):
    _, outcome = rewritten(MODELS, migration(IN_TURN.format(line)), files=files(COUNTING))
    assert "MF301" in outcome.loops[-1].codes, outcome.loops
