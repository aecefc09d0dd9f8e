"""Rows that a migration keeps as objects, in a dict, by a name or by a link, and what may change them.

A rewrite may ask the table in place of an object only where the object is certainly as the table is.
"""

from __future__ import annotations

import pytest

from tests.databases import ONE_SQLITE
from tests.rewritten import rewritten, run_rewritten
from tests.running import run_both

pytestmark = pytest.mark.behaviour

MODELS = """
migrations.CreateModel("Kind", [
    ("id", models.BigAutoField(primary_key=True)),
    ("num", models.IntegerField(unique=True, null=True)),
    ("name", models.CharField(max_length=50, default="")),
    ("rank", models.IntegerField(default=0)),
]),
migrations.CreateModel("Item", [
    ("id", models.BigAutoField(primary_key=True)),
    ("num", models.IntegerField(default=0)),
    ("name", models.CharField(max_length=50, default="")),
    ("text", models.CharField(max_length=50, default="")),
    ("kind", models.ForeignKey("Kind", models.CASCADE, related_name="items")),
    ("other", models.ForeignKey("Kind", models.CASCADE, null=True, related_name="+")),
]),
"""


def ROWS(apps, connection):
    kind, item = apps.get_model("shop", "Kind"), apps.get_model("shop", "Item")
    kinds = [kind.objects.create(num=n, name=f"k{n}", rank=r) for r, n in enumerate((1, 2, None))]
    for number in range(6):
        row = kinds[number % 3]
        other = row if number % 2 else None
        item.objects.create(num=number % 3 + 1, text=f"t{number}", kind=row, other=other)


FUNCTION = """
import string

from django.db import transaction
from django.db.models import Prefetch

NUM = 2
NUMS = [1, 2]


def show(kind):
    print(kind.name)


def forwards(apps, schema_editor):
    Kind = apps.get_model("shop", "Kind")
    Item = apps.get_model("shop", "Item")
"""
DICT = "by = {kind.num: kind for kind in Kind.objects.all()}\n"
LOOP = """
for item in Item.objects.all():
    if item.num in by:
        item.name = by[item.num].name
        item.save()
"""
BY_VALUE = """
for item in Item.objects.all():
    if item.num in by:
        item.name = by[item.num]
        item.save()
"""
NAMED = "kinds = Kind.objects.all()\n"
OF_NAMED = "by = {kind.num: kind for kind in kinds}\n"
FIRST = "first = Kind.objects.get(num=1)\n"
OF_FIRST = """
for item in first.items.all():
    item.name = item.kind.name
    item.save()
"""


ORDERED = "kinds = Kind.objects.order_by('pk')\n"
MEM = "for kind in kinds:\n    kind.name = 'mem'\n"
OF_ITEMS = "by = {item.pk: item for item in Item.objects.filter(kind__in=ones)}\n"
LOOP_OF_KINDS = """
for kind in Kind.objects.all():
    if kind.pk in by:
        kind.name = by[kind.pk].text
        kind.save()
"""


def IN(lines: str) -> str:
    """The lines in a block."""
    return lines.replace("\n", "\n    ")


def OF(rows: str) -> str:
    """A loop around over these rows, which the rows of the inner one know."""
    return f"for first in {rows}:" + IN(OF_FIRST)


def BY(rows: str) -> str:
    """A dict of these rows."""
    return DICT.replace("Kind.objects.all()", rows)


FEW = BY("Kind.objects.filter(rank__lt=2)")


def whole(body: str) -> str:
    return FUNCTION + "".join(f"    {line}\n" for line in body.splitlines())


CHANGED = {
    "an attribute of one": DICT + "by[2].name = 'mem'\n" + LOOP,
    "one that get() gave": DICT + "kind = by.get(2)\nkind.name = 'mem'\n" + LOOP,
    "augmented": DICT + "by[2].name += 'mem'\n" + LOOP,
    "each value": DICT + "for kind in by.values():\n    kind.name = 'mem'\n" + LOOP,
    "each item": DICT + "for num, kind in by.items():\n    kind.name = str(num)\n" + LOOP,
    "each key": DICT + "for num in by:\n    by[num].name = 'mem'\n" + LOOP,
    "the last of a loop": DICT + "for kind in by.values():\n    pass\nkind.name = 'mem'\n" + LOOP,
    "a list of the values": DICT + "kinds = list(by.values())\nkinds[0].name = 'mem'\n" + LOOP,
    "unpacked": DICT + "kind, *others = by.values()\nkind.name = 'mem'\n" + LOOP,
    "a target of for": DICT + "for by[1].name in ['mem']:\n    pass\n" + LOOP,
    "a target among others": DICT + "by[1].name, x = 'mem', 1\n" + LOOP,
    "setattr()": DICT + "setattr(by[2], 'name', 'mem')\n" + LOOP,
    "setattr() in a comprehension": DICT
    + "[setattr(kind, 'name', 'mem') for kind in by.values()]\n"
    + LOOP,
    "__dict__": DICT + "by[2].__dict__['name'] = 'mem'\n" + LOOP,
    "vars()": DICT + "vars(by[2])['name'] = 'mem'\n" + LOOP,
    "del": DICT + "by[1].rank = 7\ndel by[1].name\n" + LOOP,
    "a walrus": DICT + "if kind := by.get(1):\n    kind.name = 'mem'\n" + LOOP,
    "match": DICT + "if by:\n    for num, by[1].name in [(1, 'mem')]:\n        pass\n" + LOOP,
    "a function": DICT + "def change(kind):\n    kind.name = 'mem'\nchange(by[1])\n" + LOOP,
    "a function of the dict": DICT
    + "def change(kinds):\n    kinds[1].name = 'mem'\nchange(by)\n"
    + LOOP,
    "a function around it": DICT + "def change():\n    by[1].name = 'mem'\nchange()\n" + LOOP,
    "a default": DICT + "def change(kinds=by):\n    kinds[1].name = 'mem'\nchange()\n" + LOOP,
    "a lambda": DICT + "change = lambda: setattr(by[1], 'name', 'mem')\nchange()\n" + LOOP,
    "another name": DICT + "same = by\nsame[1].name = 'mem'\n" + LOOP,
    "two names at once": DICT.replace("by =", "by = same =") + "same[1].name = 'mem'\n" + LOOP,
    "a container": DICT + "box = [by]\nbox[0][1].name = 'mem'\n" + LOOP,
    "a copy of the dict": DICT + "same = dict(by)\nsame[1].name = 'mem'\n" + LOOP,
    "the link of another row": DICT + "item = Item(kind=by[1])\nitem.kind.name = 'mem'\n" + LOOP,
    "its own rows": DICT + "for item in by[1].items.all():\n    item.kind.name = 'mem'\n" + LOOP,
    "a key that goes": DICT + "del by[1]\n" + LOOP,
    "a key that comes": DICT + "by[3] = Kind(name='new')\n" + LOOP,
    "a value that goes": DICT + "by.pop(1)\n" + LOOP,
    "refresh_from_db()": DICT
    + "Kind.objects.filter(num=1).update(name='table')\nby[2].refresh_from_db()\n"
    + LOOP,
    "update()": DICT + "Kind.objects.filter(num=1).update(name='table')\n" + LOOP,
    "save()": DICT + "kind = by[1]\nkind.name = 'table'\nkind.save()\n" + LOOP,
    "SQL": DICT + "schema_editor.execute(\"UPDATE shop_kind SET name = 'table'\")\n" + LOOP,
    "a function that writes": DICT
    + "def change():\n    Kind.objects.update(name='table')\nchange()\n"
    + LOOP,
    "the header of the loop": DICT
    + LOOP.replace(
        "Item.objects.all()",
        "Item.objects.filter(num__lt=9 + Kind.objects.filter(num=1).update(name='table'))",
    ),
    "the loop itself": DICT
    + LOOP.replace("        item.name", "        by[item.num].name += 'mem'\n        item.name"),
    "rows with a name, later": NAMED
    + OF_NAMED
    + "for kind in kinds:\n    kind.name = 'mem'\n"
    + LOOP,
    "rows with a name, before": NAMED
    + "for kind in kinds:\n    kind.name = 'mem'\n"
    + OF_NAMED
    + LOOP,
    "rows that were read before": NAMED
    + "print(len(kinds))\nKind.objects.update(name='table')\n"
    + OF_NAMED
    + LOOP,
    "another dict of the same rows": NAMED
    + OF_NAMED
    + "same = {kind.rank: kind for kind in kinds}\nsame[0].name = 'mem'\n"
    + LOOP,
    "what chooses the rows": "nums = [1]\n"
    + DICT.replace("all()", "filter(num__in=nums)")
    + "nums.append(2)\n"
    + LOOP,
    "the row that chooses them": "one = Kind.objects.get(num=1)\n"
    + DICT.replace("all()", "filter(rank=one.rank)")
    + "one.rank = 1\n"
    + LOOP,
    "values, in the table": DICT.replace(": kind for", ": kind.name for")
    + "Kind.objects.update(name='table')\n"
    + BY_VALUE,
    "values, in the dict": DICT.replace(": kind for", ": kind.name for")
    + "by[1] = 'mem'\n"
    + BY_VALUE,
    "the key that rows get": DICT
    + "by[1].pk = 3\n"
    + LOOP.replace("name = by[item.num].name", "kind = by[item.num]"),
    "a row that its rows know": FIRST + "first.name = 'mem'\n" + OF_FIRST,
    "the same, by another name": FIRST + "same = first\nsame.name = 'mem'\n" + OF_FIRST,
    "the same, by its manager": FIRST
    + "rows = first.items\nfirst.name = 'mem'\n"
    + OF_FIRST.replace("first.items", "rows"),
    "the same, in its table": FIRST + "Kind.objects.update(name='table')\n" + OF_FIRST,
    "the same, in a condition": FIRST
    + "first.rank = 9\n"
    + "for item in first.items.all():\n    if item.kind.rank == 9:\n        item.name = 'x'\n        item.save()\n",
    "the same, joined to others": FIRST
    + "first.name = 'mem'\n"
    + OF_FIRST.replace("first.items.all()", "Item.objects.filter(num=3) | first.items.all()"),
    "the row of a loop around": "for first in Kind.objects.all():\n    first.name = 'mem'"
    + OF_FIRST.replace("\n", "\n    "),
    "the table of a loop around": "for first in Kind.objects.all():\n    Kind.objects.update(name='table')"
    + OF_FIRST.replace("\n", "\n    "),
    "the table, at the end of each turn around": "for first in Kind.objects.order_by('pk'):"
    + OF_FIRST.replace("\n", "\n    ")
    + "Kind.objects.update(name='table')\n",
    "a row that is saved later": FIRST
    + "for item in first.items.all():\n    item.kind.rank = 7\n    item.kind.save(update_fields=['rank'])\n"
    + "first.save()\n",
    "a link that a Prefetch filled": (
        "for item in Item.objects.filter(other__isnull=False).prefetch_related(\n"
        "    Prefetch('other', queryset=Kind.objects.filter(rank=1))\n"
        "):\n    if item.other is not None:\n        item.name = 'x'\n        item.save()\n"
    ),
    "rows of a list that were read before": (
        "items = list(Item.objects.filter(num=1))\n"
        "if Item.objects.filter(num=2).update(num=1):\n"
        "    for item in items:\n        item.name = item.text\n        item.save(update_fields=['name'])\n"
    ),
    "a savepoint that is rolled back": "here = transaction.savepoint()\nKind.objects.update(name='table')\n"
    + DICT
    + "transaction.savepoint_rollback(here)\n"
    + LOOP,
    "a generator that waits": "def work():\n    "
    + IN(DICT + "yield 1\n" + LOOP)
    + "\nfor turn in work():\n    Kind.objects.update(name='table')\n",
    "a function with the name of a builtin": "def len(kinds):\n    kinds[1].name = 'mem'\n"
    + DICT
    + "len(by)\n"
    + LOOP,
    "a function by a keyword": "def change(num__in):\n    num__in[1].name = 'mem'\n"
    + DICT
    + "change(num__in=by)\n"
    + LOOP,
    "a name for a method": DICT + "get = by.get\nget(1).name = 'mem'\n" + LOOP,
    "a method that is handed over": DICT
    + "for kind in map(by.get, [1]):\n    kind.name = 'mem'\n"
    + LOOP,
    "an item that goes": DICT + "for each in by.popitem():\n    pass\n" + LOOP,
    "the values under a name": DICT + "next(iter(kinds := by.values())).name = 'mem'\n" + LOOP,
    "rows under one of two names": "kinds = Kind.objects.all()\nif Item.objects.count():\n    kinds = Kind.objects.order_by('pk')\n"
    + OF_NAMED
    + MEM
    + LOOP,
    "rows of a parameter": "def work(kinds):\n    "
    + IN(OF_NAMED + MEM + LOOP)
    + "\nwork(Kind.objects.all())\n",
    "rows with a type": "kinds: object = Kind.objects.all()\n" + OF_NAMED + MEM + LOOP,
    "rows with another name": NAMED
    + "same = kinds\n"
    + OF_NAMED.replace("in kinds", "in same")
    + MEM
    + LOOP,
    "rows with two names at once": NAMED.replace("kinds =", "kinds = same =")
    + OF_NAMED.replace("in kinds", "in same")
    + MEM
    + LOOP,
    "rows that a list took": NAMED + BY("list(kinds)") + MEM + LOOP,
    "rows that are gone over by a dunder": NAMED
    + OF_NAMED
    + "next(kinds.__iter__()).name = 'mem'\n"
    + LOOP,
    "a dict of the turns around": DICT
    + "for turn in range(2):\n    "
    + IN(LOOP)
    + "by[1].name = 'mem'\n",
    "a name of the function around": "Prefetch = [1]\ndef work():\n    "
    + IN(BY("Kind.objects.filter(num__in=Prefetch)") + "Prefetch.append(2)\n" + LOOP)
    + "\nwork()\n",
    "rows chosen by the turn around": "for turn in (1, 2):\n    "
    + IN(BY("Kind.objects.filter(num=turn)") + LOOP),
    "rows chosen by what was unpacked": "one, *nums = 0, 1\n"
    + BY("Kind.objects.filter(num__in=nums)")
    + "nums.append(2)\n"
    + LOOP,
    "rows chosen by rows that a list chose": "nums = [1]\nones = Kind.objects.filter(num__in=nums)\n"
    + BY("Kind.objects.filter(pk__in=ones)")
    + "nums.append(2)\n"
    + LOOP,
    "rows chosen by a list of the file": BY("Kind.objects.filter(num__in=NUMS)")
    + "NUMS.remove(2)\n"
    + LOOP,
    "a block around": DICT
    + "with open('/dev/null' if Kind.objects.update(name='table') else '/dev/zero'):"
    + IN(LOOP),
    "a match around": DICT
    + "match Kind.objects.update(name='table'):\n    case _:\n        "
    + IN(IN(LOOP)),
    "a test around": DICT + "if Kind.objects.update(name='table'):" + IN(LOOP),
    "the rows around": DICT + "while Kind.objects.update(name='table'):" + IN(LOOP + "\nbreak"),
    "the first of rows that are kept": ORDERED + MEM + "first = kinds.first()\n" + OF_FIRST,
    "one of two rows": "if Item.objects.count():\n    first = Kind.objects.get(num=1)\nelse:\n    first = Kind.objects.get(num=2)\nfirst.name = 'mem'\n"
    + OF_FIRST,
    "an item of a list": "kinds = list(Kind.objects.order_by('pk'))\nfirst = kinds[0]\nkinds[0].name = 'mem'\n"
    + OF_FIRST,
    "a row with two names at once": FIRST.replace("first =", "same = first =")
    + "same.name = 'mem'\n"
    + OF_FIRST,
    "a name for another name": FIRST.replace("first =", "same =")
    + "first = same\nsame.name = 'mem'\n"
    + OF_FIRST,
    "at the end of each turn": FIRST
    + "for turn in range(2):\n    "
    + IN(OF_FIRST)
    + "first.name = 'mem'\n",
    "rows that a deletion may take along": FIRST
    + "Item.objects.filter(num=9).delete()\n"
    + OF_FIRST,
    **{
        f"rows around that {w} took": ORDERED + MEM + OF(w)
        for w in ("list(kinds)", "sorted(kinds, key=lambda kind: kind.rank)", "iter(kinds)")
    },
    "a list of a list around": "kinds = list(Kind.objects.all())\nkinds[0].name = 'mem'\n"
    + OF("list(kinds)"),
    "a manager under a name, in its table": "rows = Kind.objects\n"
    + BY("rows.all()")
    + "rows.update(name='table')\n"
    + LOOP,
    "rows chosen by an item of a list of the file": BY("Kind.objects.filter(num=NUMS[0])")
    + "NUMS[0] = 2\n"
    + LOOP,
    "rows chosen by a list of rows": "ones = list(Kind.objects.filter(num=1))\n"
    + OF_ITEMS
    + "ones.append(Kind.objects.get(num=2))\n"
    + LOOP_OF_KINDS,
    "rows chosen by a row in a list": FIRST
    + "ones = [first]\n"
    + OF_ITEMS
    + "first.pk = 2\n"
    + LOOP_OF_KINDS,
    "rows chosen by a row in a tuple": FIRST
    + "ones = (first,)\n"
    + OF_ITEMS
    + "first.pk = 2\n"
    + LOOP_OF_KINDS,
}


@pytest.mark.parametrize("body", CHANGED.values(), ids=CHANGED)
def test_what_may_have_changed_is_not_asked_of_the_table(body):
    before = whole(body)
    after, outcome = rewritten(MODELS, before)
    assert not any({"MF101", "MF401"} & {*loop.codes} for loop in outcome.loops[-1:])
    run_both(MODELS, before, after, ROWS)


KEPT = {
    "nothing between": DICT + LOOP,
    "with a type": DICT.replace("by =", "by: dict =") + LOOP,
    "its length": DICT + "print(len(by))\n" + LOOP,
    "an exit where it is empty": DICT + "if not by:\n    return\n" + LOOP,
    "its keys": DICT + "print(sorted(num for num in by if num))\n" + LOOP,
    "one of it": DICT + "print(by[1].name, by.get(2))\n" + LOOP,
    "a name for one": DICT + "one = by.get(1)\nprint(one.name)\n" + LOOP,
    "each value": DICT + "for kind in by.values():\n    print(kind.name)\n" + LOOP,
    "each item": DICT + "for num, kind in by.items():\n    print(num, kind.pk)\n" + LOOP,
    "each key": DICT + "for num in by:\n    print(by[num].name)\n" + LOOP,
    "a comprehension": DICT + "names = [kind.name for kind in by.values()]\n" + LOOP,
    "two of it compared": DICT + "print(by[1] == by[2])\n" + LOOP,
    "a function that reads": DICT + "show(by[1])\n" + LOOP,
    "another query": DICT + "print(Item.objects.count())\n" + LOOP,
    "changed after the loop": DICT + LOOP + "by[1].name = 'later'\nby[1].save()\n",
    "made in each turn": "for turn in range(2):\n    "
    + (DICT + LOOP + "by[1].name = 'mem'").replace("\n", "\n    "),
    "rows with a name": NAMED + OF_NAMED + LOOP,
    "a chain of rows with a name": NAMED
    + "print(kinds.count())\n"
    + OF_NAMED.replace("in kinds", "in kinds.filter(rank__gte=0)")
    + LOOP,
    "another dict of other objects": DICT
    + DICT.replace("by =", "same =")
    + "same[1].name = 'mem'\n"
    + LOOP,
    "values": DICT.replace(": kind for", ": kind.name for") + "print(by[1])\n" + BY_VALUE,
    "values of values_list()": "by = dict(Kind.objects.values_list('num', 'name'))\n" + BY_VALUE,
    "rows chosen by a list": "nums = [1, 2]\n"
    + DICT.replace("all()", "filter(num__in=nums)")
    + LOOP,
    "rows chosen by a row": "one = Kind.objects.get(num=1)\n"
    + DICT.replace("all()", "filter(rank=one.rank)")
    + LOOP,
    "a row that its rows know": FIRST + OF_FIRST,
    "the same, after the loop": FIRST + OF_FIRST + "first.name = 'later'\nfirst.save()\n",
    "the same, read": FIRST + "print(first.name)\n" + OF_FIRST,
    "one object for all": FIRST
    + "first.name = 'mem'\n"
    + "for item in Item.objects.all():\n    item.name = first.name\n    item.save()\n",
    **{
        f"{f}() of it": FEW + f"print({f}(by))\n" + LOOP
        for f in "len bool list tuple sorted min max str repr".split()
    },
    **{f"{f}() of it": FEW + f"print(sorted({f}(by)))\n" + LOOP for f in "set frozenset".split()},
    "printed": FEW + "print(by)\n" + LOOP,
    "asked beside others": DICT + "print([1 for each in 'a' if by])\n" + LOOP,
    "rows of its keys": FEW + "print(Item.objects.filter(num__in=by).count())\n" + LOOP,
    "values of their own": DICT.replace(": kind for", ": kind.name for")
    + "print(sorted(by.copy().values()), len(by.keys()), len(by.items()), by.get(1))\n"
    + BY_VALUE,
    "rows chosen by a list that is asked": "nums = [1, 2]\nprint(nums.index(1), nums.count(2))\n"
    + BY("Kind.objects.filter(num__in=nums)")
    + LOOP,
    "its keys by their method": DICT + "print(sorted(num for num in by.keys() if num))\n" + LOOP,
    "each item, and the keys in a list": "nums = [0]\n"
    + DICT
    + "for nums[0], kind in by.items():\n    print(kind.name)\n"
    + LOOP,
    "a name for one of it and for another": DICT
    + "for kind in by.values():\n    print(kind.name)\nkind = Kind()\nkind.name = 'other'\n"
    + LOOP,
    "a manager with a name": "rows = Kind.objects\n" + BY("rows.all()") + LOOP,
    "rows of the registry": BY("apps.get_model('shop', 'Kind').objects.all()") + LOOP,
    "rows chosen by an import": BY("Kind.objects.exclude(name=string.digits)") + LOOP,
    "rows chosen by a number of the file": BY("Kind.objects.filter(num=NUM)") + LOOP,
    "rows chosen by a set": "nums = {1, 2}\n" + BY("Kind.objects.filter(num__in=nums)") + LOOP,
    "rows chosen by a tuple": "nums = (1, 2)\n" + BY("Kind.objects.filter(num__in=nums)") + LOOP,
    "rows chosen by a negative number": "low = -1\n"
    + BY("Kind.objects.filter(rank__gt=low)")
    + LOOP,
    "rows chosen by a text": "low = f'k{1}'\n" + BY("Kind.objects.filter(name__gte=low)") + LOOP,
    "rows chosen by a comparison": "low = 1 > 0\n"
    + BY("Kind.objects.filter(rank__gte=low)")
    + LOOP,
    "rows chosen by rows": "ones = Kind.objects.filter(num=1)\n"
    + BY("Kind.objects.filter(pk__in=ones)")
    + LOOP,
    "another link of its rows": FIRST
    + "first.name = 'mem'\nfor item in first.items.filter(other__isnull=False):\n    item.name = item.other.name\n    item.save()\n",
    "in a condition": FIRST
    + "if first.rank == 0:"
    + IN(OF_FIRST)
    + "\nfirst.name = 'later'\nfirst.save()\n",
    "writes of another table": FIRST + "Item.objects.update(text='x')\n" + OF_FIRST,
    "the first of an order": "first = Kind.objects.order_by('pk').first()\n" + OF_FIRST,
    "the first of all": "first = Kind.objects.first()\n" + OF_FIRST,
    "one of rows with a name": ORDERED + "print(len(kinds))\nfirst = kinds.get(num=1)\n" + OF_FIRST,
    "the first of rows with a name": ORDERED + "first = kinds.first()\n" + OF_FIRST,
    "the name of another before": "first = Kind()\nfirst.name = 'x'\n" + FIRST + OF_FIRST,
    "rows chosen by an item of a list of the file": BY("Kind.objects.filter(num=NUMS[0])") + LOOP,
    "rows chosen by related rows": "ones = Kind.objects.filter(num=1)\n" + OF_ITEMS + LOOP_OF_KINDS,
}


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_what_nothing_changes_is_asked_of_the_table(body):
    outcome, _ = run_rewritten(MODELS, whole(body), ROWS)
    assert outcome.loops[-1].codes == ("MF101",)


@pytest.mark.parametrize(
    "around",
    [
        OF("list(Kind.objects.all())"),
        OF("sorted(Kind.objects.all(), key=lambda kind: kind.pk)"),
        NAMED + OF("kinds"),
        NAMED + "print(len(kinds))\n" + OF("kinds.all()"),
    ],
)
def test_rows_around_that_nobody_else_has(around):
    outcome, _ = run_rewritten(MODELS, whole(around), ROWS)
    assert outcome.loops[-1].codes == ("MF101",)


@pytest.mark.parametrize("database", ONE_SQLITE)
def test_the_rows_of_a_loop_around_are_asked_of_the_table(database):
    body = "for first in Kind.objects.all():" + OF_FIRST.replace("\n", "\n    ")
    outcome, _ = run_rewritten(MODELS, whole(body), ROWS, database=database)
    assert [loop.codes for loop in outcome.loops] == [("MF203",), ("MF101",)]
