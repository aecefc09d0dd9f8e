"""What loop-to-update and loop-to-delete make of whole bodies leaves the same rows, on every database.

Each loop has rows of its own: those of its number in ``part``. ``ROWS`` in a loop stands for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from textwrap import indent

import pytest

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import run_rewritten

pytestmark = [
    pytest.mark.behaviour,
    pytest.mark.parametrize("database", ONE_SQLITE),
]

KEY = '("id", models.BigAutoField(primary_key=True)),'
MODELS = f"""
migrations.CreateModel("A", [{KEY} ("age", models.IntegerField())]),
migrations.CreateModel("P", [{KEY}
    ("part", models.IntegerField()),
    ("n", models.IntegerField(default=0)),
    ("m", models.IntegerField(default=0)),
    ("x", models.IntegerField(null=True)),
    ("b", models.BooleanField(default=False)),
    ("b0", models.BooleanField(null=True)),
    ("t", models.TextField(default="")),
    ("a", models.ForeignKey("shop.A", models.CASCADE, null=True, related_name="ps")),
    ("a2", models.ForeignKey("shop.A", models.CASCADE, related_name="+")),
    ("own", models.IntegerField(unique=True)),
]),
migrations.CreateModel("Item", [{KEY}
    ("p", models.ForeignKey("shop.P", models.CASCADE, related_name="items")),
]),
migrations.CreateModel("S", [{KEY}
    ("part", models.IntegerField()),
    ("n", models.IntegerField(default=0)),
    ("file", models.FileField(null=True)),
    ("data", models.JSONField(null=True)),
    ("stamp", models.DateTimeField(auto_now=True)),
]),
"""
HEAD = """
from django.db import transaction
from django.db.models import F, Q

LIMIT = 2


def raise_by(row, step):
    row.m = row.m + step


def set_and_save(row):
    if row.b:
        row.n = LIMIT
    else:
        row.n = 7
        row.x = None
    row.save()


def give_back(row):
    old = row.n
    row.n = 5
    return old


def named(number):
    if number > 1:
        return "many"
    elif number == 1:
        return "one"


def touch(row):
    with transaction.atomic():
        row.n += 1
        return


"""
NAMES = """
    A = apps.get_model("shop", "A")
    P = apps.get_model("shop", "P")
    S = apps.get_model("shop", "S")
    one = A.objects.get(age=1)
    two = A.objects.get(age=2)
"""


def function(loops: Sequence[str]) -> str:
    """A data migration that runs each of the loops in a function of its own."""
    texts = [
        each.replace("ROWS", f"P.objects.filter(part={i})").replace("PART", f"part={i}")
        for i, each in enumerate(loops)
    ]
    parts = [f"def part{i}(apps):{NAMES}{indent(t, '    ')}\n\n\n" for i, t in enumerate(texts)]
    calls = "".join(f"    part{i}(apps)\n" for i in range(len(loops)))
    return f"{HEAD}{''.join(parts)}def forwards(apps, schema_editor):\n{calls}"


def rows_of(parts: int):
    """For each part all that can be together of NULLs, small numbers and flags."""
    every = [
        (n, x, b, b0) for n in range(3) for x in (None, 0, 1) for b in (0, 1) for b0 in (None, 1, 0)
    ]

    def rows(apps, connection):
        A, P, S, Item = (apps.get_model("shop", name) for name in ("A", "P", "S", "Item"))
        owners = [A.objects.create(age=age) for age in range(3)]
        number = itertools.count()
        for part in range(parts):
            P.objects.bulk_create(
                P(
                    part=part, n=n, m=i % 4, x=x, b=b, b0=b0, t="ab"[i % 2], own=next(number),
                    a=[None, *owners][i % 4], a2=owners[i % 3],
                )
                for i, (n, x, b, b0) in enumerate(every)
            )  # fmt: skip
            S.objects.bulk_create(S(part=part, n=n, file=f"{n}.txt") for n in range(3))
        for p in P.objects.filter(n=1):
            for _ in range(p.m):
                Item.objects.create(p=p)

    return rows


def check(database: str, text: str, code: str = "MF101", **options: object):
    """Every loop of the text, parted by ``---``, is rewritten as safe, and the rows are the same."""
    loops = [each.strip("\n") for each in text.split("---\n")]
    vendors = frozenset({database.removesuffix("-memory")})
    settings = Settings(select=frozenset({code}), databases=vendors)
    outcome, both = run_rewritten(
        MODELS, function(loops), rows_of(len(loops)), settings, database=database, **options
    )
    left = [f"line {loop.line}: {loop.reason}" for loop in outcome.loops if not loop.changed]
    assert not left
    assert len(outcome.loops) == len(loops)
    return both


BRANCHES = """
for p in ROWS:
    if p.n == 1:
        p.n = 2
    elif p.n == 2:
        p.n = 1
    else:
        continue
    p.save()
---
for p in ROWS:
    if p.n == 1:
        p.n = 2
    if p.n == 2:
        p.m = 9
    p.save()
---
for p in ROWS:
    if p.b:
        p.n = 8
    if p.x is None:
        p.m = 9
    if not p.b0:
        p.t = "x"
    p.save()
---
for p in ROWS:
    if p.b:
        p.x = p.n
    elif p.b0:
        p.x = p.m
    p.save()
---
for p in ROWS:
    if p.b or p.x:
        if not p.b0 and p.n == 1:
            p.x = 5
        elif p.b:
            p.x = None
        p.save()
---
for p in ROWS:
    if not p.b:
        if p.x is None:
            continue
        p.x += 1
    p.n = 4
    p.save()
---
for p in ROWS:
    p.x = 0 if p.x is None else p.x + 1
    p.n = p.m if p.b else 3
    p.save()
---
for p in ROWS:
    if p.x is None:
        p.x = 3
    p.n = p.x
    p.save()
---
for p in ROWS:
    changed = False
    if p.b:
        p.n = 7
        changed = True
    if p.b0 is None:
        p.b0 = p.b
        changed = True
    if changed:
        p.save()
---
for p in ROWS:
    dirty = p.b
    if p.x == 1:
        p.m = 5
        dirty = True
    if not dirty:
        continue
    p.n = 6
    p.save()
---
for p in ROWS:
    match p.n:
        case 0:
            p.x = 5
        case 1 | 2 if p.b:
            p.x = 6
        case 2:
            continue
    p.t = "m"
    p.save()
---
for p in ROWS:
    match p.x:
        case None:
            p.n = 5
        case _:
            p.n = 6
    p.save()
---
for p in ROWS:
    if p.a and p.a.age == 1:
        p.n = 5
    elif p.a2.age > 1:
        p.m = 6
    p.save()
---
for p in ROWS:
    if p.a is None:
        p.a = p.a2
    elif p.a == p.a2:
        p.a = None
    p.save()
---
for p in ROWS:
    if p.a is None:
        p.m = 5
    else:
        p.n = p.a.age
    p.save()
"""
SAVES = """
for p in ROWS:
    p.n = 5
    p.save()
    if p.b:
        p.m = 6
        p.save()
---
for p in ROWS:
    p.n, p.m = 5, 6
    p.save(update_fields=["n"])
    p.save(update_fields=["m"])
---
for p in ROWS:
    p.n = 5
    p.m = 6
    p.x = 7
    if p.b:
        p.save(update_fields=("n", "m"))
    elif p.x == 7:
        p.save(update_fields=["x"])
---
for p in ROWS:
    p.n = 5
    if p.b:
        p.save()
        continue
    p.m = 6
    if p.b0:
        p.save()
---
for p in ROWS:
    with transaction.atomic():
        p.n = 9
        p.save(force_update=True)
---
for p in ROWS:
    if p.b:
        p.n = p.n
    else:
        p.n = 4
    p.save()
---
for p in ROWS.only("n", "m"):
    p.n = p.m
    p.save()
---
for p in ROWS.defer("t").select_related("a"):
    p.t = "t"
    p.n = p.m
    p.save()
"""
NAMED = """
for p in ROWS:
    old = p.n
    p.n = p.m + 1
    p.x = old
    p.save()
---
for p in ROWS:
    new = p.n
    if p.b:
        new = p.m
    p.x = new
    p.n = 5
    p.save()
---
for p in ROWS:
    new = p.n
    new += 2
    p.n, p.m = 4, new
    p.save()
---
for p in ROWS:
    low, high = p.n, p.m
    p.t = "low" if low < high else "high"
    p.save()
---
for p in ROWS:
    row = p
    row.n = 3
    p.m = row.n
    row.save()
---
for p in ROWS.filter(a__isnull=False):
    owner = p.a
    p.n = owner.age
    p.save()
---
for p in ROWS:
    p.n = p.m = 2
    p.x: int = 3
    p.save()
---
for p in ROWS:
    raise_by(p, 2)
    p.save()
---
for p in ROWS:
    step = p.n
    raise_by(p, step)
    raise_by(row=p, step=1)
    p.m = step
    p.n = 9
    p.save()
---
for p in ROWS:
    set_and_save(p)
---
for p in ROWS:
    p.x = give_back(p)
    p.save()
---
for p in ROWS:
    label = named(p.n)
    p.t = label or "none"
    p.save()
---
for p in ROWS:
    if p.b:
        touch(p)
        p.save()
"""
SWAPS = """
for p in ROWS:
    p.n, p.m = p.m, p.n
    p.save()
---
for p in ROWS:
    old = p.n
    p.n = p.m
    p.m = old + 1
    p.save()
---
for p in ROWS:
    if p.b:
        p.n, p.m = p.m, p.n
    p.save()
"""
IN_BULK = """
changed = []
for p in ROWS:
    p.n = 7
    p.m = 8
    changed.append(p)
P.objects.bulk_update(changed, ["n"])
---
changed: list = []
for p in ROWS:
    if not p.b:
        continue
    changed.append(p)
    p.n = p.m
if changed:
    P.objects.bulk_update(changed, ["n", "m"], batch_size=10)
---
changed = []
for p in ROWS.iterator():
    if p.b:
        p.x = 5
        changed.append(p)
    elif p.b0:
        p.x = p.n
        changed.append(p)
P.objects.bulk_update(changed, fields=["x"])
---
rows = ROWS.order_by("-n")
for p in rows:
    if p.b:
        p.n = 9
    p.t = "all"
P.objects.bulk_update(rows, ["n", "t"])
---
changed = []
for s in S.objects.filter(PART):
    s.n = 7
    changed.append(s)
S.objects.bulk_update(changed, ["n", "stamp"])
"""
BY_KEY = """
for p in ROWS:
    P.objects.filter(pk=p.pk).update(n=p.m)
---
for p in ROWS:
    P.objects.filter(id=p.id).update(n=p.m, x=p.n)
---
for p in ROWS:
    if p.b:
        P.objects.filter(pk=p.id).update(n=5)
    elif p.x is None:
        P.objects.filter(pk=p.pk).update(n=6, x=p.n)
---
for s in S.objects.filter(PART):
    S.objects.filter(pk=s.pk).update(n=5)
---
for s in S.objects.filter(PART):
    s.n = 5
    s.save(update_fields=["n"])
"""
COUNTED = """
count = 0
for p in ROWS:
    if p.b:
        p.n = 5
        p.save()
        count += 1
print("set", count)
---
count = 3  # from before
for p in ROWS.filter(a2__age=1):
    p.n = p.m if p.b else 9
    p.save()
    count += 1
print(count)
---
count = 0
for p in ROWS:
    if p.b:
        p.n = 5
    elif p.x is None:
        p.t = "none"
    else:
        continue
    count += 1
    p.save()
print(f"{count} rows")
---
count = 0
changed = []
for p in ROWS.exclude(items__isnull=True):
    p.n = 5
    count += 1
    changed.append(p)
P.objects.bulk_update(changed, ["n"])
print(count)
---
total = 0
for p in ROWS.filter(n=99):
    p.n = 5
    p.save()
    total += 1
print(total)
"""
IN_A_ROW = """
for p in ROWS.filter(m=1):
    if p.b:
        p.m = 2
    if p.b0:
        p.n = 3
    p.save()
---
for p in ROWS.filter(x=F("n")):
    if p.b:
        p.n = 5
    if p.b0:
        p.t = "x"
    p.save()
---
for p in ROWS.filter(Q(x=F("n")) | Q(b=True)):
    if p.b:
        p.n = 5
    if p.b0:
        p.t = "x"
    p.save()
---
for p in ROWS.extra(where=["n = 1"]):
    if p.b:
        p.n = 5
    if p.b0:
        p.t = "x"
    p.save()
---
for p in ROWS.annotate(k=F("n")).filter(k=1):
    if p.b:
        p.n = 5
    if p.b0:
        p.t = "x"
    p.save()
---
for p in one.ps.filter(PART):
    if p.b:
        p.m = 5
    if p.b0:
        p.t = "x"
    p.save()
---
for p in ROWS:
    if p.b:
        p.x = p.n
    if p.b0:
        p.n = 4
    p.save()
---
for p in ROWS:
    if p.b or p.m == p.n:
        p.n = 5
    elif p.b0:
        p.t = "x"
    p.save()
---
for p in ROWS:
    if p.m == p.n:
        p.x = 8
        p.n = p.x
    p.m = 9
    p.save()
"""
GONE = """
for p in ROWS:
    if p.b:
        continue
    p.delete()
---
for p in ROWS:
    old = p.x
    if old is None or p.n == 1:
        p.delete()
---
for p in ROWS.filter(items__isnull=False):
    with transaction.atomic():
        p.delete()
---
for p in ROWS.order_by("n"):
    match p.n:
        case 0:
            p.delete()
        case 1:
            if p.b:
                p.delete()
---
for p in one.ps.filter(PART):
    p.delete()
---
for p in ROWS.extra(where=["n = 1"]):
    if p.a is not None:
        p.delete()
"""


@pytest.mark.parametrize(
    "text",
    [BRANCHES, SAVES, NAMED, IN_BULK, BY_KEY, COUNTED, IN_A_ROW],
    ids=["branches", "saves", "names", "in bulk", "by key", "counted", "in a row"],
)
def test_bodies_that_become_an_update(database, text):
    check(database, text)


def test_columns_that_change_places(database):
    """MySQL and MariaDB set one column after the other."""
    if database == "mariadb":
        pytest.skip("not rewritten there")
    check(database, SWAPS)


def test_bodies_that_become_a_delete(database):
    check(database, GONE, "MF102")
