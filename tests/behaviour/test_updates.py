"""What loop-to-update writes leaves the rows that the loop leaves, on every database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from textwrap import indent
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError

from migfix.settings import Settings
from tests.databases import ONE_SQLITE
from tests.rewritten import run_rewritten

pytestmark = [
    pytest.mark.behaviour,
    pytest.mark.parametrize("database", ONE_SQLITE),
]

COLUMNS = """
    ("id", models.BigAutoField(primary_key=True)),
    ("s", models.CharField(max_length=20, default="")),
    ("s0", models.CharField(max_length=20, null=True)),
    ("t", models.TextField(default="")),
    ("n", models.IntegerField(default=0)),
    ("n0", models.IntegerField(null=True)),
    ("small", models.SmallIntegerField(default=0)),
    ("big", models.BigIntegerField(default=0)),
    ("pos", models.PositiveIntegerField(default=0)),
    ("pos2", models.PositiveIntegerField(default=0)),
    ("fl", models.FloatField(default=0)),
    ("dec", models.DecimalField(max_digits=6, decimal_places=2, default=0)),
    ("dec0", models.DecimalField(max_digits=6, decimal_places=2, null=True)),
    ("b", models.BooleanField(default=False)),
    ("b0", models.BooleanField(null=True)),
    ("d", models.DateField(null=True)),
    ("dt", models.DateTimeField(null=True)),
    ("tm", models.TimeField(null=True)),
    ("dur", models.DurationField(null=True)),
    ("u", models.UUIDField(null=True)),
    ("bin", models.BinaryField(default=b"")),
    ("a", models.ForeignKey("shop.A", models.CASCADE, null=True, related_name="ps")),
    ("a2", models.ForeignKey("shop.A", models.CASCADE, null=True, related_name="+")),
"""
PRELUDE = """
import datetime
import decimal
import uuid
from django.db.models import Count, Exists, F, OuterRef, Q

LIMIT = 3
A_UUID = uuid.UUID("00000000-0000-0000-0000-00000000abcd")

"""


NAMES = """
    A = apps.get_model("shop", "A")
    P = apps.get_model("shop", "P")
    first = A.objects.get(name="a")
"""


def function(loops: Sequence[str]) -> str:
    """A data migration that runs each of the loops in a function of its own."""
    parts = [f"\n\ndef part{i}(apps):{NAMES}{indent(each, '    ')}" for i, each in enumerate(loops)]
    calls = "".join(f"    part{i}(apps)\n" for i in range(len(loops)))
    return f"{PRELUDE}{''.join(parts)}\n\ndef forwards(apps, schema_editor):\n{calls}"


def models(columns: Sequence[str] = ()) -> str:
    more = "".join(f"    {column},\n" for column in columns)
    return f"""
migrations.CreateModel("A", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=9)),
    ("age", models.IntegerField(default=0)),
]),
migrations.CreateModel("P", [{COLUMNS}{more}]),
migrations.CreateModel("Proxy", [], bases=("shop.P",), options={{"proxy": True}}),
migrations.CreateModel("Item", [
    ("id", models.BigAutoField(primary_key=True)),
    ("p", models.ForeignKey("shop.P", models.CASCADE)),
    ("x", models.IntegerField(default=0)),
]),
"""


TEXT = ["", " ", "  ", "a", "A", "a ", "é", "É", "ß", "x" * 20, "%", "\\"]
NUMBERS = [0, 1, -1, 2, 3, 5, 100, -100, 2**15 - 1, -(2**15), 7, 1]
SINCE = datetime(2020, 2, 29, 23, 59, 59, 999999, tzinfo=timezone.utc)


def rows(apps, connection):
    """Rows with NULL, empty and padded text, case variants, limits, and several rows through joins."""
    model = {name: apps.get_model("shop", name) for name in ("A", "P", "Item")}
    people = [model["A"].objects.create(name=name, age=n) for n, name in enumerate("abc")]
    for i, (text, number) in enumerate(zip(TEXT, NUMBERS, strict=True)):
        some = i % 3 != 1
        p = model["P"].objects.create(
            s=text,
            s0=text if some else None,
            t=text,
            n=number,
            n0=number if some else None,
            small=number,
            big=number * 2**40,
            pos=abs(number),
            pos2=i,
            fl=number / 3,
            dec=f"{number % 1000}.{i:02}",
            dec0="12.50" if some else None,
            b=i % 2 == 0,
            b0=(None, True, False)[i % 3],
            d=date(2020, 2, 28) + timedelta(days=i) if some else None,
            dt=SINCE + timedelta(days=i) if some else None,
            tm=SINCE.time() if some else None,
            dur=timedelta(days=-i, microseconds=1) if some else None,
            u=UUID(int=i) if some else None,
            bin=text.encode(),
            a=people[i % 4] if i % 4 < 3 else None,
            a2=people[i % 2] if some else None,
        )
        for x in range(i % 3):
            model["Item"].objects.create(p=p, x=x)


def check(database: str, loops: Sequence[str], columns: Sequence[str] = (), **options: object):
    """Every loop becomes a safe update, and the rows are the same."""
    settings = Settings(
        select=frozenset({"MF101"}), databases=frozenset({database.removesuffix("-memory")})
    )
    before = function(loops)
    given = options.pop("rows", rows)
    outcome, both = run_rewritten(
        models(columns), before, given, settings, database=database, **options
    )
    left = [f"line {loop.line}: {loop.reason}" for loop in outcome.loops if not loop.changed]
    assert not left
    assert len(outcome.loops) == len(loops)
    return both


def loop(body: str, source: str = "P.objects.all()") -> str:
    return f"for p in {source}:\n{indent(body, '    ')}\n    p.save()\n"


CONDITIONS = """
p.n == 3
p.n != 3
p.n0 == 3
p.n0 != 3
not p.n0 == 3
p.n0 is None
p.n0 is not None
p.n0 == None
p.b
not p.b
p.b0
not p.b0
p.b0 == True
p.b0 == False
p.b0 != True
p.b0 is None
p.n
not p.n
p.n0
not p.n0
p.pos
p.pos != -1
p.pos > -1
p.n in (1, 3)
p.n not in (1, 3)
p.n0 in (1, 3)
p.n0 not in (1, 3)
p.n0 in (1, None)
p.n0 not in (1, None)
p.n0 in (None,)
p.n0 not in (None,)
p.n < 3
p.n <= 3
p.n > LIMIT
3 < p.n
3 >= p.n
-1 <= p.n < 3
not p.n < 3
p.n0 is not None and p.n0 > 1
p.n0 is None or p.n0 > 1
p.n0 is not None and not p.n0 > 1
not (p.n0 is None or p.n0 < 2)
not (p.n0 is not None and p.n0 < 2)
p.n0 and p.n0 < 3
p.small == -32768
p.small == 32767
p.n == 2147483647
p.n > -2147483648
p.big == 3298534883328
p.big < -9223372036854775807
p.fl == 1.0
p.fl != 1
p.fl < 0.5
p.fl == 0.3333333333333333
p.dec == 0
p.dec == 9999
p.dec != 9999
p.dec > 9999
p.dec < 3
p.d is None
p.d
p.d == datetime.date(2020, 2, 28)
p.d != datetime.date(2020, 2, 28)
p.d is not None and p.d <= datetime.date(2020, 3, 1)
p.dt
not p.dt
p.u
p.a
not p.a
p.a_id
p.a is None
p.a == first
p.a != first
first == p.a
p.a_id == 1
p.a_id != 1
p.a_id in (1, 2)
p.a_id not in (1, None)
p.pk == 3
p.id < 3
p.b and p.n
p.b or p.n0
p.b and not p.b0 or p.n == 1
not (p.b and p.b0)
not (p.b or p.b0)
not (p.n0 == 1 or p.b0)
not (not p.b0 and not p.n0)
(p.b0 or p.n0) and (p.b or p.a)
p.b0 and p.n0 and p.a and p.d
""".strip().split("\n")

TEXT_CONDITIONS = """
p.s == "a"
p.s != "a"
p.s == ""
p.s0 == "a "
p.s0 != "a"
p.s0 != ""
p.s
not p.s
p.s0
not p.s0
p.s in ("a", "%")
p.s0 not in ("a", "\\\\")
p.s0 in ("a", None)
p.s0 is None
p.t == "É"
not p.t
p.s0 and p.s0 != "A"
""".strip().split("\n")


def test_conditions(database):
    tests = CONDITIONS + TEXT_CONDITIONS
    if database.startswith("sqlite"):  # which keeps decimals as floats
        tests = [test for test in tests if "p.dec" not in test]
    columns = [f'("c{i}", models.IntegerField(null=True))' for i in range(len(tests))]
    loops = [loop(f"if {test}:\n    p.c{i} = 1") for i, test in enumerate(tests)]
    check(database, loops, columns)


VALUES = [
    ("CharField(max_length=20", ['"a"', '""', "None", "5", "True", '"x" "y"', "p.s", "p.s0", "p.t", "first.name"]),
    ("TextField(", ['"a\'\\n"', "p.s", "p.s0", "p.t"]),
    ("SlugField(max_length=20", ['"a b"', "p.s"]),
    (
        "IntegerField(",
        ["1", "-1", '"12"', "1.7", "True", "None", "2147483647", "-2147483648", "LIMIT", "p.n", "p.n0", "p.small", "p.pos", "p.id", "first.age", "p.n + 1", "p.n - 1", "3 - p.n", "p.n * -2", "p.n + p.n", "p.n * p.small", "p.n - p.small", "p.pos + 1", "p.pos * p.pos2", "p.n - -1"],
    ),
    ("SmallIntegerField(", ["p.n", "p.n - 0", "p.small * 1"]),
    ("BigIntegerField(", ["p.n", "9223372036854775807", "p.big"]),
    ("PositiveIntegerField(", ["p.pos", "p.pos + 3", "p.pos * 2", "p.pos2 + p.pos"]),
    ("FloatField(", ["1", "0.1", '"1.5"', "1e300", "p.n", "p.big", "p.fl", "p.fl * 1.1", "p.fl + 0.3", "p.fl - 1", "2 * p.fl", "p.fl + p.fl"]),
    ("DecimalField(max_digits=6, decimal_places=2", ["1", '"1.255"', "1.255", 'decimal.Decimal("9999.99")', "p.dec", "p.dec0"]),
    ("BooleanField(", ["True", "None", '"f"', "1", "p.b", "p.b0"]),
    ("DateField(", ['"2020-02-29"', "datetime.date(2020, 2, 29)", "None", "p.d"]),
    (
        "DateTimeField(",
        ['"2020-02-29 10:00:00"', '"2020-02-29 10:00:00+02:00"', "datetime.datetime(2020, 3, 8, 2, 30)", "p.dt", "datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)", "datetime.date(2020, 1, 1)"],
    ),
    ("TimeField(", ['"10:00:00"', "datetime.time(10, 0)", "p.tm"]),
    ("DurationField(", ["datetime.timedelta(days=1, microseconds=5)", "p.dur"]),
    ("UUIDField(", ['"00000000-0000-0000-0000-00000000abcd"', "A_UUID", "p.u"]),
    ("BinaryField(", ['b"\\0a"', "p.bin"]),
    ("JSONField(", ["[]", "{}", '{"a": [1, None, "é"]}', '"text"', "1", "None", "True", "1.5"]),
    ("FileField(", ['"a/b.txt"', "None", '""']),
    ('ForeignKey("shop.A", models.CASCADE, related_name="+"', ["first", "None", "p.a", "p.a2"]),
]  # fmt: skip


def test_values(database):
    columns, loops = [], []
    for field, values in VALUES:
        for value in values:
            name = f"c{len(columns)}"
            columns.append(f'("{name}", models.{field}, null=True))')
            loops.append(
                loop(f"p.{name} = {value}").replace("save()", f'save(update_fields=["{name}"])')
            )
    check(database, loops, [c.replace("(, ", "(") for c in columns])


def test_keys_of_foreign_keys(database):
    key = 'models.ForeignKey("shop.A", models.CASCADE, related_name="+", null=True)'
    values = ["first.pk", "first.id", "1", "None", "p.a_id", "p.a2_id", "LIMIT"]
    columns = [f'("c{i}", {key})' for i in range(len(values))]
    check(database, [loop(f"p.c{i}_id = {value}") for i, value in enumerate(values)], columns)


def test_columns_that_are_written_and_read_in_one_body(database):
    loops = [
        loop("p.n0 = p.n\np.n = 5"),
        loop("p.n = 7\np.n0 = p.small\np.small = 1\np.pos = p.n"),
        loop("p.t = p.s\np.s = p.s0\np.s0 = None", "P.objects.filter(s0__isnull=False)"),
        loop("p.fl = p.n0\np.n0 += 1", "P.objects.filter(n0__isnull=False)").replace(
            "p.n0 += 1", "p.n0 = 2"
        ),
        loop(
            "if p.n0 is not None:\n    p.n0 += 1\n    p.small = p.n0"
            if False
            else "if p.n0 is not None:\n    p.n0 += 1"
        ),
    ]
    check(database, loops)


SOURCES = """
P.objects.filter(n__gt=0)
P.objects.exclude(n0=1)
P.objects.filter(item__x=0)
P.objects.filter(item__x__gte=0)
P.objects.filter(item__x__gte=0).distinct()
P.objects.exclude(item__x=1)
P.objects.filter(a__name="a")
P.objects.filter(a__ps__n=3)
P.objects.filter(a__ps__n=3).exclude(a__ps__n=5)
P.objects.filter(a__ps__n=3).order_by("a__ps__n")
P.objects.order_by("item__x")
P.objects.order_by("?")
P.objects.order_by("-n").reverse()
P.objects.select_related("a")
P.objects.annotate(x=Count("item"))
P.objects.annotate(x=Count("item")).filter(x=1)
P.objects.annotate(x=Count("item")).order_by("x")
P.objects.annotate(x=Count("item")).order_by("-x").filter(x__gt=0)
P.objects.annotate(x=F("n") + 1).order_by("x").filter(x__gt=1)
P.objects.alias(x=Count("item")).filter(x=1)
P.objects.filter(pk__in=P.objects.filter(n=3))
P.objects.filter(pk__in=P.objects.filter(a__ps__n=3).values("pk"))
P.objects.filter(Exists(P.objects.filter(a=OuterRef("a"), n=3)))
P.objects.filter(Q(n=3) | Q(item__x=1))
P.objects.extra(where=["n > %s"], params=[0])
P.objects.using("default")
P.objects.db_manager("default").filter(n=1)
P.objects.select_for_update()
P._base_manager.all()
first.ps.all()
first.ps.filter(item__x=0)
first.ps.order_by("-item__x")
apps.get_model("shop", "Proxy").objects.filter(n=3)
""".strip().split("\n")


# They look for each row at rows that the update() changes: unsafe on SQLite (test_own_table).
READING_THEMSELVES = """
P.objects.filter(a__ps__n=3).exclude(a__ps__n=5)
P.objects.filter(Exists(P.objects.filter(a=OuterRef("a"), n=3)))
P.objects.filter(a__ps__n=1).exclude(a__ps__n=5)
P.objects.filter(Exists(P.objects.filter(a=OuterRef("a"), n=1)))
P.objects.filter(~Exists(P.objects.filter(a=OuterRef("a"), n=3)))
""".strip().split("\n")


@pytest.mark.parametrize("named", [False, True], ids=["in the header", "under a name"])
def test_querysets(database, named):
    loops, columns = [], []
    for i, source in enumerate(SOURCES):
        columns.append(f'("c{i}", models.IntegerField(default=0))')
        if "sqlite" in database and source in READING_THEMSELVES:
            continue
        # Outside of the database that is migrated, no row may fail.
        value = "7" if '"default"' in source else "p.n + 1"
        body = f"if p.pos2 != 3:\n    p.c{i} = {value}"
        name = f"rows{i}" if named else source
        loops.append((f"{name} = {source}\n" if named else "") + loop(body, name))
    check(database, loops, columns)


ON_ITSELF = """
P.objects.filter(n__lt=3)
P.objects.exclude(n0=1)
P.objects.filter(a__ps__n=1)
P.objects.filter(a__ps__n=1).exclude(a__ps__n=5)
P.objects.filter(pk__in=P.objects.filter(n=1))
P.objects.filter(Exists(P.objects.filter(a=OuterRef("a"), n=1)))
P.objects.filter(~Exists(P.objects.filter(a=OuterRef("a"), n=3)))
P.objects.annotate(x=Count("a__ps", filter=Q(a__ps__n=1))).filter(x__gt=0)
""".strip().split("\n")


def test_filters_on_the_very_column_that_is_set(database):
    sources = [s for s in ON_ITSELF if "sqlite" not in database or s not in READING_THEMSELVES]
    check(database, [loop("p.n = 3", source) for source in reversed(sources)])
    check(database, [loop("p.n = p.pos2 + 1", source) for source in sources])


FAILING = {
    "text that is too long": ("p.s = p.t", {"t": "x" * 21}, DatabaseError, {"sqlite-memory"}),
    "NULL where there must be a value": ("p.n = p.n0", {"n0": None}, IntegrityError, set()),
    "None where there must be a value": ("p.n = None", {}, IntegrityError, set()),
    "a number out of range": ("p.small = p.n", {"n": 2**15}, DatabaseError, {"sqlite-memory"}),
    "one more than the largest": ("p.small += 1", {"small": 2**15 - 1}, DatabaseError, {"sqlite-memory"}),
    "a negative number": ("p.pos -= 1", {"pos": 0}, DatabaseError, set()),
    "a difference of positive numbers": ("p.pos = p.pos - p.pos2", {"pos2": 5}, DatabaseError, set()),
    "a missing row": ("p.a_id = 999", {}, IntegrityError, set()),
}  # fmt: skip


@pytest.mark.parametrize(("body", "row", "error", "silent"), FAILING.values(), ids=FAILING)
def test_what_fails_fails_in_both(database, body, row, error, silent):
    given = {"A": [{"name": "a"}], "P": [row, {}]}
    expected = "anything" if database in silent else error
    check(database, [loop(body)], rows=given, expect=expected)


@pytest.mark.parametrize(
    "body", ["p.n = None", "p.s = p.t", "p.n = p.n0", "p.a_id = 999", "p.pos = -1"]
)
def test_what_may_fail_does_not_fail_without_rows(database, body):
    check(database, [loop(body)], rows={"A": [{"name": "a"}]}, expect="no changes")


def test_only_the_columns_of_update_fields_are_stored(database):
    body = 'for p in P.objects.all():\n    p.n = 1\n    p.n0 = 2\n    p.save(update_fields=["n"])\n'
    check(database, [body])


def test_paths_of_a_body(database):
    bodies = """
    if p.b:
        continue
    p.c0 = 1
    p.save()
---
    if p.b0:
        if p.n0:
            p.c1 = 1
            p.save()
    else:
        p.save()
---
    if p.b:
        pass
    elif p.b0:
        p.c2 = 1
    else:
        pass
    p.save()
---
    if p.b:
        p.c3 = p.n0
        p.save()
        continue
    if p.n0 is None:
        pass
---
    if not p.b0:
        if p.n0 is not None and p.n0 > 0:
            continue
        if p.a:
            p.c4 = 1
            p.save()
""".strip("\n").split("---\n")
    columns = [f'("c{i}", models.IntegerField(null=True))' for i in range(len(bodies))]
    check(database, [f"for p in P.objects.all():\n{body}" for body in bodies], columns)


def test_a_loop_in_a_loop(database):
    inner = "    for p in P.objects.filter(a=person):\n        p.n = person.age\n        p.save()\n"
    body = function([f"for person in A.objects.all():\n{inner}"])
    settings = Settings(select=frozenset({"MF101"}), databases=frozenset({"postgresql"}))
    outcome, both = run_rewritten(models(), body, rows, settings, database=database)
    assert outcome.loops[1].changed
    assert both.after.queries < both.before.queries
