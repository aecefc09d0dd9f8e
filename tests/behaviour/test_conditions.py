"""Tests on a row hold in SQL where they hold in Python, however they are put together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest

from tests.databases import ONE_SQLITE
from tests.many import EVERYWHERE, Given, check

pytestmark = [
    pytest.mark.behaviour,
    pytest.mark.thorough,
    pytest.mark.parametrize("database", ONE_SQLITE),
]

NUMERIC = r"""
p.n == 3
p.n != 3
p.n0 == 3
p.n0 != 3
3 == p.n0
3 != p.n0
p.n == True
p.n in (True, 3)
p.n == -0
p.n == LIMIT
p.n == Level.THREE
p.n in (Level.ONE, 5)
p.n in (1, 3)
p.n0 not in (1, 3)
p.n0 in (1, None)
p.n0 not in (1, None)
p.n0 in (None,)
p.n0 not in [None]
p.n in SOME
p.n0 in SOME
p.n0 not in SOME
p.n in WORDS
p.n0 not in WORDS
p.n in WORDS.keys()
p.n in {1: 2, 3: 4}
p.n in {1, 3}
p.n0 is None
p.n0 is not None
None is p.n0
None == p.n0
p.n < 3
3 >= p.n
not p.n < 3
-1 <= p.n <= 3
0 < p.n != 3
p.n
not p.n
p.n0
not p.n0
not not p.n0
bool(p.n0)
isinstance(p.n0, int)
not isinstance(p.n0, int)
isinstance(p.n0, int) and p.n0 > 0
p.n <= 2147483647
p.n > 2147483647
p.n > -2147483648
p.n < -2147483648
p.small < 32767
p.small == -32768
p.big == 9007199254740993
p.big != 9007199254740993
p.big > 9007199254740992
p.big == 9223372036854775807
p.pos >= 0
p.pos < 0
p.fl
not p.fl
p.fl0
not p.fl0
p.fl == 0
p.fl == 0.1
p.fl0 != 0.3
p.fl < 0.3
p.fl <= 0
p.fl in (0.1, 1)
p.fl not in (0.1, 1.0)
p.order == 1
p.order in (1, 2)
p.then == 1
p.then
p.pk > 3
p.id in (1, 2, 3)
p.id != 5 and p.pk != 6
""".strip().split("\n")

MOMENTS = r"""
p.d == datetime.date(2020, 2, 29)
p.d < datetime.date(2020, 2, 29)
p.d0 is None or p.d0 >= datetime.date(2000, 1, 1)
p.d in (datetime.date(2020, 2, 29), datetime.date(1900, 1, 1))
p.d0 != datetime.date(2020, 2, 29)
p.d0
not p.d0
p.d0 == p.d
p.d0 != p.d
p.dt == datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
p.dt >= datetime.datetime(2020, 3, 1, tzinfo=datetime.timezone.utc)
p.dt == datetime.datetime(2020, 2, 29, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)
p.dt0 != datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
p.dt0 == p.dt
p.dt0 is not None and p.dt0 < p.dt
p.tm == datetime.time(0)
p.tm0 != datetime.time(23, 59, 59, 999999)
p.tm0
not p.tm0
p.tm in (datetime.time(10),)
p.dur == A_DAY
p.dur0 != A_DAY
p.dur > datetime.timedelta(0)
p.dur == datetime.timedelta(days=-3, microseconds=1)
p.dur0 is not None and p.dur0 < p.dur
p.u == uuid.UUID(int=1)
p.u0 != uuid.UUID(int=1)
p.u0 in (uuid.UUID(int=1), None)
p.u0
p.u0 == p.u
p.u0 != p.u
""".strip().split("\n")

FLAGS = r"""
p.b
not p.b
p.b0
not p.b0
p.b0 == True
p.b0 != True
p.b0 is True
p.b0 is not True
p.b0 is not False
p.b0 is None
p.b0 in (True, None)
p.b0 not in (True, None)
p.b0 not in (False,)
isinstance(p.b0, bool)
p.b == p.b0
p.b0 == p.b1
p.b0 != p.b1
""".strip().split("\n")

COLUMNS = r"""
p.n == p.m
p.n != p.n0
p.n0 != p.n
p.n0 == p.m0
p.n0 != p.m0
p.n0 == p.m0 or p.n0 == 1
not (p.n0 == p.m0 or p.n0 == 1)
not (p.n0 == p.m0 and p.n0 == 1)
not (p.n == p.n0 or p.n == 3)
p.n == p.m or p.n in (1, 3)
p.n < p.m
p.n >= p.big
p.n > p.pos
p.small == p.n
p.pos != p.n0
p.n == p.small == 3
p.n0 is not None and p.m0 is not None and p.n0 < p.m0
p.n0 is not None and p.n < p.n0
p.n0 is not None and not p.n < p.n0
not (p.n0 is not None and p.n < p.n0)
p.n0 is None or p.n0 <= p.n
-1 < p.n < p.m
""".strip().split("\n")

KEYS = r"""
p.a == first
p.a0 != first
first == p.a0
p.a0 in (first,)
p.a0_id == 1
p.a0_id not in (1, 2)
p.a0_id in (1, None)
p.a0 is None
p.a0
not p.a0_id
p.a == p.a0
p.a != p.a0
p.a0 == p.a1
p.a0 != p.a1
p.a0_id == p.a1_id
p.a_id != p.a0_id
p.numbered == first
p.numbered_id == 10
p.numbered_id in (0, 10)
p.coded0 == first
p.coded0 != first
p.coded0
p.coded0 is None
p.a.age == 1
p.a.age != 1
p.a.age in (1, 3)
p.a.age > 1
not p.a.age
p.a.ok
not p.a.ok
p.a.ok is None
p.a.nick is None
p.a.nick is not None
p.a0 and p.a0.age > 1
p.a0 and p.a0.nick is None
not (p.a0 and p.a0.nick is None)
p.a0 is None or p.a0.age == 1
p.a0 is not None and not p.a0.ok
not (p.a0 is not None and not p.a0.ok)
p.a0_id and p.a0.b.age == 1
p.a.b.age == 1
p.a.b.age != 1
p.a.b.nick is None
p.a.b0 is None
p.a.b0 is not None
p.a.b0_id == 1
p.a.b0_id != 1
p.a.b_id in (1, 2)
p.numbered.age == 2
p.numbered.age != 2
p.numbered.b.age == 2
p.coded0 and p.coded0.age == 2
p.coded0 is None or p.coded0.age != 2
""".strip().split("\n")

TEXTS = r"""
p.s == "a"
p.s != "a"
p.s == "a "
p.s != "a "
p.s == " "
p.s == ""
p.s != ""
p.s
not p.s
p.s == "é"
p.s != "É"
p.s == "e\u0301"
p.s == "ß"
p.s == "ss"
p.s == "a%b"
p.s == "a_b"
p.s == "a\\b"
p.s == "%"
p.s in ("a", "%", "_", "\\")
p.s not in ("a", "%", "_", "")
p.s0 == ""
p.s0 != ""
"" != p.s0
p.s0 == "a "
p.s0 != "A"
p.s0
not p.s0
bool(p.s0) and not bool(p.b0)
p.s0 is None
isinstance(p.s0, str) and p.s0 == ""
p.s0 in ("a", "", None)
p.s0 not in ("a", "", None)
p.s0 not in ("a", "")
p.s0 in ("",)
p.s0 not in ("",)
not (p.s0 == "a" or p.s0 == "A")
not (p.s0 == "a" or p.s0 is None)
not (p.s0 == "" or p.b)
not (p.s0 == "" and p.b)
p.s0 != "" and p.b0
p.s0 and p.s0 != "A"
p.t == "a"
p.t != "a"
p.t0 != ""
not p.t0
p.slug == "a"
p.email == "a "
p.email
p.s == Color.RED
p.s in (Color.RED, Color.BLUE)
p.s0 != Color.BLUE
p.s == NAME
p.condition == "a"
p.condition != "a"
not p.condition
p.select == "a"
""".strip().split("\n")

PARTS = r"""
p.s.startswith("a")
p.s.startswith("A")
p.s.startswith("é")
p.s.startswith("%")
p.s.startswith("a%")
p.s.startswith("a_")
p.s.startswith("a\\")
p.s.startswith(" ")
p.s.startswith("ab")
not p.s.startswith("a")
p.s.endswith("a")
p.s.endswith("B")
p.s.endswith(" ")
p.s.endswith("%b")
p.s.endswith("\n")
not p.s.endswith("a")
p.t.startswith("a")
p.t.endswith("c")
p.select.startswith("a")
"a" in p.s
"A" in p.s
"%" in p.s
"_" in p.s
"\\" in p.s
" " in p.s
"\t" in p.s
"é" in p.s
"a" not in p.s
"'" in p.t
'"' in p.s
p.s0 and p.s0.startswith("a")
not (p.s0 and p.s0.startswith("a"))
p.s0 is None or p.s0.startswith("a")
p.s0 is not None and "a" not in p.s0
p.s0 is None or "a" not in p.s0
not (p.s0 is None or "a" in p.s0)
p.s0 and "a" in p.s0 and "A" in p.s
p.s.startswith("a") or p.s.endswith("a")
p.s.startswith("a") and not p.s.endswith("c")
""".strip().split("\n")

TOGETHER = r"""
p.n and p.s and p.b and p.fl
not (p.n and p.s and p.b and p.fl0)
p.n0 or p.s0 or p.b0 or p.fl0
not (p.n0 or p.s0 or p.b0 or p.fl0)
not (not p.s0)
not (p.n0 is None)
not (p.n0 == 1 or p.b0)
p.n0 == 1 or p.n0 == 3 or p.n0 is None
p.n0 == 1 or p.b or p.n0 == 3
p.n0 != 1 and p.n0 != 3
p.n0 != 1 or p.n0 != 3
p.n != 1 and (p.n != 3 or p.b)
(p.n == 1 or p.b) and (p.n == 3 or p.b0)
(p.n == 1 and p.b) or (p.n == 3 and p.b0)
not ((p.n == 1 and p.b) or (p.n0 == 3 and p.b0))
(p.b or p.b0) and (p.n or p.n0) and (p.s or p.s0)
not ((p.b or p.b0) and (p.n or p.n0) and (p.s or p.s0))
(p.n0 or p.b0) and not (p.n0 and p.b0)
not ((p.b0 or p.n0) and (p.b or p.a0))
p.n0 == 1 or (p.b and (p.n0 == 3 or p.b0))
not (p.n0 == 1 or (p.b and (p.n0 == 3 or p.b0)))
not (not p.b0 and not p.n0)
not (p.b and p.n0 == 1) and not (p.s0 == "a" and p.b0)
(p.s0 == "a" or p.n0 == 1) and (p.a.age == 1 or p.b)
not ((p.s0 == "" or p.n0 == 1) and (p.a.age != 1 or p.b))
""".strip().split("\n")

# What has no exact form on some database.
ELSEWHERE = {
    "sqlite-memory": r"""
p.fl > 0.2
p.fl0 is not None and p.fl0 >= 1
""",
    "postgresql": r"""
p.dec
not p.dec0
p.dec == 0.5
p.dec == decimal.Decimal("0.30")
p.dec0 != decimal.Decimal("0.30")
p.dec > 0
p.dec < decimal.Decimal("-0.25")
p.dec in (1, decimal.Decimal("2.5"))
p.dec == p.dec0
p.a.name.startswith("a")
p.s == "😀a"
""",
    "mariadb": r"""
p.fl > 0.2
p.dec
not p.dec0
p.dec == 0.5
p.dec == decimal.Decimal("0.30")
p.dec0 != decimal.Decimal("0.30")
p.dec > 0
p.dec < decimal.Decimal("-0.25")
p.dec in (1, decimal.Decimal("2.5"))
p.dec == p.dec0
p.a.name.startswith("a")
""",
}
WITHOUT_FOLDING = r"""
p.s in NAMES
p.s0 not in NAMES
p.s in LETTERS
p.s == p.t
p.s != p.t
p.s == p.s0
p.s0 == p.t0
p.s0 != p.t0
p.s0 == p.t0 or p.b
not (p.s0 == p.t0 or p.b0)
not (p.s0 == p.t0 and p.b0)
p.a.name == "a"
p.a.name != "a"
p.a.name
p.a.nick
not p.a.nick
p.a.nick == "a"
p.a.nick != "a"
p.a.nick != ""
p.a.code == "a"
p.a0 is None or p.a0.nick != "a"
"""


FORMS = [
    "if {test}:\n    p.{{c}} = 1\n    p.save()",
    "if not ({test}):\n    p.{{c}} = 1\n    p.save()",
    "if {test}:\n    p.{{c}} = 1\nelse:\n    p.{{c}} = 2",
]


def loops(tests: Sequence[str]) -> Iterator[Given]:
    """A test as the condition of rows that are saved, the next one denied, then as a choice of a value."""
    forms = itertools.cycle(FORMS)
    for test in tests:
        yield Given(next(forms).format(test=test))


def every_form(tests: Sequence[str]) -> Iterator[Given]:
    return (Given(form.format(test=test)) for test in tests for form in FORMS)


@pytest.mark.parametrize(
    "tests",
    [NUMERIC, MOMENTS + FLAGS + COLUMNS, KEYS],
    ids=["numbers", "moments, flags and columns", "keys"],
)
def test_tests_with_one_form(database, tests):
    check(database, loops(tests))


# What no row can hold is answered without it: Django makes SQL of it that not every database takes.
ONE_ANSWER = [
    "p.pos == -1",
    "p.pos != -1",
    "p.pos > -1",
    "-2 >= p.pos",
    "p.pos in (-1, -2)",
    "p.pos not in (-1, -2)",
    "p.pos > -1 or p.n0 == 3",
    "p.n0 is not None and p.pos == -5",
]
AS_VALUES = [
    ("BooleanField(null=True)", "{test}"),
    (
        "DecimalField(max_digits=5, decimal_places=2, null=True)",
        "decimal.Decimal('1.5') if {test} else 2",
    ),
    ("CharField(max_length=9, null=True)", "'yes' if {test} else 'no'"),
]


def test_tests_with_the_same_answer_for_every_row(database):
    check(database, (Given(FORMS[2].format(test=test)) for test in ONE_ANSWER))
    values = itertools.product(ONE_ANSWER, AS_VALUES)
    check(
        database,
        (Given(f"p.{{c}} = {value.format(test=t)}", field) for t, (field, value) in values),
    )


@pytest.mark.parametrize("tests", [TEXTS, PARTS], ids=["whole", "parts"])
@pytest.mark.parametrize("databases", [None, EVERYWHERE], ids=["alone", "everywhere"])
def test_tests_of_text(database, tests, databases):
    check(database, loops(tests), databases)


def test_tests_that_meet_null_however_they_are_asked(database):
    text = [test for test in TEXTS if "0" in test]
    check(database, every_form([*text, *TOGETHER]))


def test_tests_of_some_databases(database):
    tests = ELSEWHERE[database] + ("" if database == "mariadb" else WITHOUT_FOLDING)
    check(database, loops([test for test in tests.split("\n") if test]))


def test_tests_that_lie_in_the_source(database):
    sources = [
        "P.objects.filter(n0__isnull=False)",
        "P.objects.exclude(n0=None)",
        "P.objects.exclude(n0__isnull=True)",
        "P.objects.filter(n0=3)",
    ]
    check(database, [Given("p.{c} = p.n0 + 1", source=source) for source in sources])
