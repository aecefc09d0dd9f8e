"""What loop-to-delete writes deletes the rows that the loop deletes, on every database."""

from __future__ import annotations

from textwrap import indent

import pytest

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import Different, run_both

pytestmark = [
    pytest.mark.behaviour,
    pytest.mark.parametrize("database", ONE_SQLITE),
]

KEY = '("id", models.BigAutoField(primary_key=True)),'
MODELS = f"""
migrations.CreateModel("P", [{KEY}
    ("n", models.IntegerField(null=True)),
    ("b", models.BooleanField(null=True)),
]),
migrations.CreateModel("Proxy", [], bases=("shop.P",), options={{"proxy": True}}),
migrations.CreateModel("Child", [("more", models.IntegerField(default=0))], bases=("shop.P",)),
migrations.CreateModel("Item", [{KEY}
    ("p", models.ForeignKey("shop.P", models.CASCADE, related_name="items")),
    ("x", models.IntegerField()),
]),
migrations.CreateModel("Part", [{KEY}
    ("item", models.ForeignKey("shop.Item", models.CASCADE)),
    ("p", models.ForeignKey("shop.Proxy", models.SET_NULL, null=True)),
]),
migrations.CreateModel("Tag", [{KEY} ("ps", models.ManyToManyField("shop.P"))]),
"""


def rows(apps, connection):
    P, Child, Item, Part, Tag = (
        apps.get_model("shop", name) for name in ("P", "Child", "Item", "Part", "Tag")
    )
    tag = Tag.objects.create()
    for i in range(12):
        n, b = (None, 0, 1, 2)[i % 4], (None, True, False)[i % 3]
        p = Child.objects.create(n=n, b=b).p_ptr if i % 5 == 4 else P.objects.create(n=n, b=b)
        tag.ps.add(p)
        for x in range(i % 3):
            item = Item.objects.create(p=p, x=x)
            Part.objects.create(item=item, p_id=P.objects.order_by("pk").first().pk)
            Part.objects.create(item=Item.objects.order_by("pk").first(), p_id=p.pk)


@pytest.mark.parametrize(
    "source",
    [
        "P.objects.all()",
        "P.objects.filter(n=1)",
        "P.objects.exclude(n=1).order_by('-n')",
        "P.objects.filter(items__x__gte=0)",
        "P.objects.filter(items__part__p__n=1)",
        "P.objects.filter(pk__in=P.objects.filter(items__x=1))",
        "P.objects.annotate(c=Count('items')).filter(c__gt=0).order_by('c')",
        "P.objects.select_related().only('n')",
        "list(P.objects.filter(n__gte=1).iterator())",
        "apps.get_model('shop', 'Proxy').objects.filter(n=1)",
    ],
)
@pytest.mark.parametrize("test", [None, "not p.b", "p.n and p.n > 1 or p.b is None"])
def test_rows_and_what_goes_with_them(database, source, test):
    if test is not None and database != "sqlite-memory" and "Count" not in source:
        pytest.skip("conditions are compared where values are stored")
    body = f"if {test}:\n    p.delete()" if test else "p.delete()"
    before = (
        "from django.db.models import Count\n\n\ndef forwards(apps, schema_editor):\n"
        '    P = apps.get_model("shop", "P")\n'
        f"    rows = {source.removesuffix('.iterator())').removeprefix('list(')}\n"
        f"    for p in {'rows' if 'iterator' not in source else source}:\n{indent(body, ' ' * 8)}\n"
    )
    vendor = database.removesuffix("-memory")
    settings = Settings(select=frozenset({"MF102"}), databases=frozenset({vendor}))
    expect = "anything" if test else "changes"  # some conditions leave no row to delete
    run_rewritten(MODELS, before, rows, settings, database=database, expect=expect)


HEAD = (
    "from django.db.models import Exists, OuterRef\n\n\ndef forwards(apps, schema_editor):\n"
    '    P = apps.get_model("shop", "P")\n    Item = apps.get_model("shop", "Item")\n'
)
ASKING = "    for p in P.objects.exclude(n=None).order_by('pk'):\n        if {}:\n            p.delete()\n"


def test_a_test_on_rows_that_go_with_others(database):
    """The naive delete() asks before any of them is gone."""
    before = HEAD + ASKING.format("Item.objects.filter(x=p.n).first()")
    found = 'Exists(Item.objects.filter(x=OuterRef("n")))'
    naive = f"{HEAD}    P.objects.exclude(n=None).filter({found}).delete()\n"
    one_item = {"P": [{"n": 1}, {"n": 1}], "Item": [{"p_id": 1, "x": 1}]}
    with pytest.raises(Different):
        run_both(MODELS, before, naive, one_item, database=database)
    text, outcome = rewritten(MODELS, before)
    assert "Exists(" not in text.partition("def forwards")[2], outcome.loops


def test_a_test_on_rows_that_no_other_takes_along(database):
    before = HEAD + ASKING.format("p.items.filter(x=1).first()")
    vendor = database.removesuffix("-memory")
    settings = Settings(select=frozenset({"MF102"}), databases=frozenset({vendor}))
    run_rewritten(MODELS, before, rows, settings, database=database)
