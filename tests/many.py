"""Many loops in one migration, each with a column of its own, run beside what migfix makes of them.

``check`` is given what stands for the value or the test in each loop, ``{c}`` for the loop's own column.
All of them read one row with a column of every kind. Every loop has to become a safe ``update()``, and
each column has to hold the same afterwards.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from textwrap import indent
from uuid import UUID

import django
from django.apps.registry import Apps
from django.db.backends.base.base import BaseDatabaseWrapper

from migfix.settings import Settings
from tests.rewritten import rewritten
from tests.running import Case, Run, original, run

EVERYWHERE = frozenset({"sqlite", "postgresql", "mariadb"})
NUMBER = "IntegerField(null=True)"
PEOPLE = """
migrations.CreateModel("B", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=20)),
    ("nick", models.CharField(max_length=20, null=True)),
    ("age", models.IntegerField(default=0)),
]),
migrations.CreateModel("A", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=20)),
    ("code", models.CharField(max_length=20, unique=True)),
    ("num", models.IntegerField(unique=True)),
    ("nick", models.CharField(max_length=20, null=True)),
    ("age", models.IntegerField(default=0)),
    ("ok", models.BooleanField(null=True)),
    ("b", models.ForeignKey("shop.B", models.CASCADE, related_name="+")),
    ("b0", models.ForeignKey("shop.B", models.CASCADE, related_name="+", null=True)),
]),
"""
# A name that ends with 0 may be NULL. ``condition`` and ``then`` are what ``When`` calls its arguments.
FIELDS = """
    ("id", models.BigAutoField(primary_key=True)),
    ("s", models.CharField(max_length=40, default="")),
    ("s0", models.CharField(max_length=40, null=True)),
    ("t", models.TextField(default="")),
    ("t0", models.TextField(null=True)),
    ("slug", models.SlugField(max_length=40, default="")),
    ("email", models.EmailField(default="")),
    ("n", models.IntegerField(default=0)),
    ("m", models.IntegerField(default=0)),
    ("n0", models.IntegerField(null=True)),
    ("m0", models.IntegerField(null=True)),
    ("small", models.SmallIntegerField(default=0)),
    ("big", models.BigIntegerField(default=0)),
    ("pos", models.PositiveIntegerField(default=0)),
    ("pos2", models.PositiveIntegerField(default=0)),
    ("fl", models.FloatField(default=0)),
    ("fl0", models.FloatField(null=True)),
    ("dec", models.DecimalField(max_digits=8, decimal_places=2, default=0)),
    ("dec0", models.DecimalField(max_digits=8, decimal_places=2, null=True)),
    ("b", models.BooleanField(default=False)),
    ("b0", models.BooleanField(null=True)),
    ("b1", models.BooleanField(null=True)),
    ("d", models.DateField()),
    ("d0", models.DateField(null=True)),
    ("dt", models.DateTimeField()),
    ("dt0", models.DateTimeField(null=True)),
    ("tm", models.TimeField()),
    ("tm0", models.TimeField(null=True)),
    ("dur", models.DurationField()),
    ("dur0", models.DurationField(null=True)),
    ("u", models.UUIDField()),
    ("u0", models.UUIDField(null=True)),
    ("order", models.IntegerField(default=0, db_column="group by")),
    ("select", models.CharField(max_length=20, default="", db_column="from")),
    ("condition", models.CharField(max_length=20, default="")),
    ("then", models.IntegerField(default=0)),
    ("a", models.ForeignKey("shop.A", models.CASCADE, related_name="+", db_column="the a")),
    ("a0", models.ForeignKey("shop.A", models.CASCADE, related_name="+", null=True)),
    ("a1", models.ForeignKey("shop.A", models.CASCADE, related_name="+", null=True)),
    ("coded0", models.ForeignKey("shop.A", models.CASCADE, related_name="+", null=True, to_field="code")),
    ("numbered", models.ForeignKey("shop.A", models.CASCADE, related_name="+", to_field="num")),
"""
PRELUDE = """
import datetime
import decimal
import enum
import uuid

LIMIT = 3
NAME = "a"
A_DAY = datetime.timedelta(days=1)
WORDS = {1: "one", 3: "three", -1: "minus"}
TENS = {1: 10, 3: 30}
LETTERS = {"a": "x", "A": "y", "é": "z"}
NAMES = ["a", "A", "%"]
SOME = (1, 3)


class Color(models.TextChoices):
    RED = "a", "Red"
    BLUE = "A", "Blue"


class Level(enum.IntEnum):
    ONE = 1
    THREE = 3
"""


@dataclass(frozen=True)
class Given:
    """The body of a loop, the declaration of its own column ``{c}``, and the rows that it goes over."""

    body: str
    field: str = NUMBER
    source: str = "P.objects.all()"

    def written(self, position: int) -> str:
        """The loop in a function of its own."""
        column = name_of(position)
        save = "" if "save()" in self.body else "p.save()"
        body = f"{self.body}\n{save}".replace("{c}", column)
        saved = body.replace("save()", f'save(update_fields=["{column}"])')
        return (
            f"\n\ndef part{position}(apps):\n"
            '    A = apps.get_model("shop", "A")\n'
            '    B = apps.get_model("shop", "B")\n'
            '    P = apps.get_model("shop", "P")\n'
            '    first = A.objects.get(name="a")\n'
            f"    for p in {self.source}:\n{indent(saved, '        ')}\n"
        )


def check(database: str, given: Iterable[Given], databases: frozenset[str] | None = None) -> None:
    """Runs the loops on ``database``, as rewritten for it or for all of ``databases``."""
    loops = list(given)
    for start in range(0, len(loops), _IN_ONE_TABLE):
        some = loops[start : start + _IN_ONE_TABLE]
        _check(database, some, databases or frozenset({vendor(database)}))


_IN_ONE_TABLE = 100  # MariaDB does not take a row of any length


def _check(database: str, loops: Sequence[Given], databases: frozenset[str]) -> None:
    models, before = models_of(loops), migration(loops)
    settings = Settings(select=frozenset({"MF101"}), databases=databases)
    after, outcome = rewritten(models, before, settings)
    left = [f"{loop.line}: {loop.reason}" for loop in outcome.loops if not loop.changed]
    assert not left
    assert len(outcome.loops) == len(loops)
    case = Case(models, rows_of(database), database)
    first, second = original(case, before), run(case, after)
    assert not first.error, first.error
    assert not second.error, second.error
    assert first.tables != first.start
    assert not differences(loops, first, second, after)


def differences(loops: Sequence[Given], first: Run, second: Run, after: str) -> list[str]:
    """What the loops left where the updates left something else."""
    found = []
    columns, others = columns_of(first), columns_of(second)
    for position, loop in enumerate(loops):
        name = name_of(position)
        before, now = columns[name], others[name]
        some = [f"{b} is {n}" for b, n in zip(before, now, strict=True) if b != n][:3]
        if some:
            written = after.partition(f"def part{position}(")[2].partition("\n\n\ndef ")[0]
            found.append(f"{loop.body} ({loop.field}): {', '.join(some)}; {written}")
    return found


def columns_of(one: Run) -> Mapping[str, list[str]]:
    """The values of each column that loops write, as stored, by the order of the rows' keys."""
    rows = sorted(one.tables["shop_p"], key=lambda row: int(re.findall(r"id='?(\d+)", row)[0]))
    split = [re.split(r" (own\d+)(?:_id)?=", row) for row in rows]
    return {name: [row[row.index(name) + 1] for row in split] for name in split[0][1::2]}


def name_of(position: int) -> str:
    return f"own{position}"


def vendor(database: str) -> str:
    return database.removesuffix("-memory")


def models_of(loops: Sequence[Given]) -> str:
    own = "".join(f'    ("{name_of(i)}", models.{loop.field}),\n' for i, loop in enumerate(loops))
    return f'{PEOPLE}migrations.CreateModel("P", [{FIELDS}{own}]),\n'


def migration(loops: Sequence[Given]) -> str:
    parts = "".join(loop.written(position) for position, loop in enumerate(loops))
    calls = "".join(f"    part{position}(apps)\n" for position in range(len(loops)))
    return f"{PRELUDE}{parts}\n\ndef forwards(apps, schema_editor):\n{calls}"


TEXTS = [
    *["", " ", "  ", "a", "A", "a ", " a", "é", "É", "e\u0301", "ß", "ss", "SS", "İ", "ﬁ", "fi"],
    *["%", "_", "\\", "a%b", "a_b", "a\\b", "ab", "aB", "abc", "Abc", "bca", "😀a", "👨‍👩‍👧", "a\tb"],
    *["a\n", "one", "'", '"', "x" * 12],
]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 3, 5, 7, -7, 10, 100, -100, 99, 999, -2000, 9999]
FLOATS = [0.0, 1.0, -0.5, 0.1, 0.3, 1e300, -1e-300, 10 / 3, 2.0**53 + 2, 0.5]
DAYS = [date(2020, 2, 28), date(2020, 2, 29), date(1999, 12, 31), date(1900, 1, 1)]
MOMENTS = [
    datetime(2020, 2, 29, 23, 59, 59, 999999, tzinfo=timezone.utc),
    datetime(2020, 1, 1, tzinfo=timezone.utc),
    datetime(2020, 3, 8, 7, 30, tzinfo=timezone.utc),
    datetime(2021, 1, 1, 3, 0, 0, 5, tzinfo=timezone.utc),
]
TIMES = [time(0), time(10), time(23, 59, 59, 999999)]
DURATIONS = [
    timedelta(0),
    timedelta(days=-3, microseconds=1),
    timedelta(days=1),
    timedelta(hours=5, microseconds=999999),
]
DECIMALS = [Decimal(each) for each in ("0", "0.30", "-0.50", "1.00", "9999.99", "2.50")]
IDS = [UUID(int=0), UUID(int=1), UUID(int=0xABCD)]
ROWS = 36


@cache
def rows_of(database: str) -> Callable[[Apps, BaseDatabaseWrapper], None]:
    """Rows that mix values of every kind, the same ones on each run."""
    texts, floats = TEXTS, FLOATS
    if database == "postgresql":
        floats = [*FLOATS, float("nan"), float("inf"), float("-inf")]
    if database == "mariadb" and django.VERSION < (5, 2):  # whose connection takes three bytes
        texts = [text for text in TEXTS if all(ord(letter) < 2**16 for letter in text)]

    def rows(apps: Apps, connection: BaseDatabaseWrapper) -> None:
        people = _people(apps)
        P = apps.get_model("shop", "P")
        P.objects.bulk_create(P(**_row(i, texts, floats, people)) for i in range(ROWS))

    return rows


def _people(apps: Apps) -> list[object]:
    A, B = apps.get_model("shop", "A"), apps.get_model("shop", "B")
    some = [("b", None), ("B", ""), ("é", "n")]
    bs = [B.objects.create(name=n, nick=k, age=i) for i, (n, k) in enumerate(some)]
    named = [("a", None, None), ("bb", "", True), ("é", "a", False), ("x ", "A", True)]
    return [
        A.objects.create(
            name=n,
            code=n,
            num=i * 10,
            nick=k,
            age=i,
            ok=o,
            b=bs[i % 3],
            b0=bs[0] if i % 2 else None,
        )
        for i, (n, k, o) in enumerate(named)
    ]


def _row(
    i: int, texts: Sequence[str], floats: Sequence[float], people: Sequence[object]
) -> dict[str, object]:
    r = random.Random(i)

    def some(values: Sequence[object]) -> object:
        """All of them in turn, in an order of its own for every column."""
        return values[i % len(values)] if r.random() < 0.5 else r.choice(values)

    def perhaps(values: Sequence[object]) -> object:
        return r.choice([None, r.choice(values), r.choice(values)])

    return {
        **{name: some(texts) for name in ("s", "t", "slug", "email")},
        **{name: perhaps(texts) for name in ("s0", "t0")},
        **{name: some(NUMBERS) for name in ("n", "m", "small")},
        **{name: perhaps(NUMBERS) for name in ("n0", "m0")},
        "big": some([*NUMBERS, 2**53 + 1, -(2**62)]),
        "pos": some([0, 1, 2, 3, 99, 9999]),
        "pos2": some([0, 1, 3, 5]),
        "fl": some(floats),
        "fl0": perhaps(floats),
        "dec": some(DECIMALS),
        "dec0": perhaps(DECIMALS),
        "b": r.random() < 0.5,
        **{name: perhaps([True, False]) for name in ("b0", "b1")},
        **{"d": some(DAYS), "d0": perhaps(DAYS), "dt": some(MOMENTS), "dt0": perhaps(MOMENTS)},
        **{"tm": some(TIMES), "tm0": perhaps(TIMES)},
        **{"dur": some(DURATIONS), "dur0": perhaps(DURATIONS), "u": some(IDS), "u0": perhaps(IDS)},
        **{"order": some([0, 1, 2]), "then": some([0, 1]), "condition": some(["a", "b", ""])},
        "select": some(["a", "b", ""]),
        **{name: some(people) for name in ("a", "numbered")},
        **{name: perhaps(people) for name in ("a0", "a1", "coded0")},
    }
