"""Values of every kind are stored as the loop stores them, also where they come together in one column.

A value that starts with ``_id =`` is given to the key of a foreign key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.databases import ONE_SQLITE
from tests.many import EVERYWHERE, Given, check

pytestmark = [
    pytest.mark.behaviour,
    pytest.mark.thorough,
    pytest.mark.parametrize("database", ONE_SQLITE),
]

TEXTS = {
    "CharField(max_length=80, null=True)": r"""
"x" if p.b else "y"
"" if p.b else p.s
None if p.b else p.s
p.s if p.b else p.t
p.s0 or "x"
p.s or "x"
p.t0 or p.s
p.s0 or p.t0 or "z"
p.s0 or p.s
p.s and "x"
p.s0 and p.t
p.slug if p.b else "x"
p.email if p.b0 else p.slug
"a\"b'c\\" if p.b else "😀%s"
p.s + p.t
p.t + p.s
p.s + p.slug + p.email
"x" + p.s
p.s + "%"
"%s {} \\" + p.s
p.s + " " + p.t
p.t + "-" + str(p.n)
str(p.n)
str(p.id)
str(p.pk) + p.s
str(p.d)
f"{p.d}"
f"{p.big}-{p.pos}-{p.small}"
f"{p.a_id}"
f"{p.numbered_id}"
f"{p.a_id}{p.s}"
f"{p.s}%"
f"{{}}{p.s}"
f"{p.s!s}x"
"%s-%s" % (p.s, p.n)
"{}-{}".format(p.s, p.n)
"\n{}\t".format(p.s)
p.s[:3]
p.s[0:3]
p.s[:100]
p.s[1:]
p.s[100:]
p.s[-1:]
p.s[-100:]
p.s[1:2]
p.s[50:60]
p.s[:1] + p.t[-1:]
p.s[:2][1:]
(p.s + p.t)[:5]
(p.s + p.t)[1:3]
(p.s + p.t)[-3:]
p.t[:4]
p.t[2:]
p.slug[:2] + p.s
f"{p.s[:1]}{p.n}"
str(p.n)[:2]
str(p.n)[1:]
str(p.n)[-1:]
p.s[:LIMIT]
p.s.replace("a", "b")
p.s.replace("a", "")
p.s.replace(" ", "")
p.s.replace("%", "_")
p.s.replace("\\", "/")
p.s.replace("A", "aa")
p.s.replace("ss", "ß")
p.s.replace("é", "e")
p.t.replace("a", "b")
p.t.replace("a", "")
p.slug.replace("a", "-").replace("b", "_")
p.s.replace("a", "b") + p.t
(p.s + p.t).replace("a", "b")
p.s.replace("a", NAME)
p.s.replace(NAME, "zz")
p.s.replace("'", "\"")
p.s.strip(" ")
p.s.lstrip(" ")
p.s.rstrip(" ")
p.t.strip(" ")
p.t.strip(" ") + p.s
WORDS.get(p.n)
WORDS.get(p.n, "z")
WORDS.get(p.n0, "")
WORDS.get(p.n0, p.{c})
WORDS.get(p.n, None)
WORDS[p.n] if p.n in WORDS else "none"
WORDS[p.n0] if p.n0 in WORDS else p.s
{True: "t", False: "f"}.get(p.b)
{True: "t", False: "f"}.get(p.b0, "n")
{1: "x", 2: "y"}.get(p.a0_id, "z")
{1: "x", 2: "y"}.get(p.a_id)
{10: "x"}.get(p.numbered_id)
{0.1: "x"}.get(p.fl)
{1: "a", 3: "%s"}.get(p.n, "b")
WORDS.get(p.big)
WORDS.get(p.pos)
WORDS.get(p.order)
{1: "q"}.get(p.then)
p.a.name
p.a.nick
p.numbered.name
p.numbered.nick
p.a.b.name
p.a.b.nick
p.numbered.b.name
p.a0.name if p.a0 else "none"
p.a0.name if p.a0_id else p.s
p.coded0.name if p.coded0 else None
p.coded0.b.name if p.coded0 else None
p.a.name + p.s
f"{p.a.name}-{p.n}"
f"{p.a.b.name} {p.t}"
p.a.name[:1]
p.a.name.replace("b", "c")
p.a.code
p.a.name if p.b else p.s
p.a.b.name if p.a.age == 1 else "y"
p.a.nick if p.b else "x"
p.s0 if p.s0 is not None else "d"
p.s0 + "x" if p.s0 else "e"
f"{p.s0}{p.n0}" if p.s0 and p.n0 else p.s
p.s0[:2] if p.s0 is not None else p.t0
"x" if p.s == "a" else "y" if p.s == "A" else "z"
"1" if p.n0 else "2" if p.b0 else None
p.t if p.s.startswith("a") else p.s
p.s + ("x" if p.b else "y")
f"{p.s}{'x' if p.b else p.t}"
Color.BLUE if p.s == Color.RED else p.s
p.s if p.s in ("a", "b") else "c"
"x" if p.a.age == 2 else p.s
"x" if p.a.ok else "y"
p.s + ""
"" + p.s + ""
p.s + "" + "x"
f"{p.s}" + ""
str(p.s) + p.t
str(str(p.s))
p.s if p.s else p.t
p.s == "a"
p.s[:2] if p.b else p.slug
p.slug if p.b else p.s[:2]
p.slug[:2] if p.b else p.slug
p.s + p.t if p.b else p.s
p.s.strip(" ") if p.b else p.slug.strip(" ")
p.slug.strip(" ") if p.b else p.slug
p.slug.replace("a", "b") if p.b else p.slug
p.email.replace("a", "b") if p.b else "x"
str(p.n) if p.b else p.s
p.s if p.b else p.a.name
p.t[:2] if p.b else p.t
p.t.strip(" ") if p.b else p.t
f"{p.s}" if p.b else p.slug
p.s + "x" if p.b else p.t + "x"
p.a.name + "x" if p.b else p.slug
""",
    "EmailField(null=True)": r"""
p.email or "x@y.z"
p.s + "@" + p.email
f"{p.s}@x" if p.b else p.email
"x" if p.b else None
""",
    "FileField(null=True)": r"""
"a" if p.b else "b"
None if p.b else "x"
""",
    "SlugField(max_length=80, null=True)": r"""
p.slug if p.b else "x"
p.s if p.b else p.slug
p.slug + p.slug
f"{p.slug}-{p.n}"
p.slug[:2]
p.slug.replace("a", "b")
WORDS.get(p.n, "z")
WORDS.get(p.n, p.{c})
p.a.code if p.b else p.slug
p.slug or "x"
p.t
p.slug.strip(" ") if p.b else p.slug
p.slug + "x" if p.b else p.slug
p.slug[:2] if p.b else p.slug
""",
    "TextField(null=True)": r"""
"x" if p.b else p.t
p.s if p.b else p.t
p.s + p.t
f"{p.t}"
p.t.replace("a", "b")
p.s.replace("a", "b")
p.t[:3]
p.t0 or "x"
p.s0 or p.t
WORDS.get(p.n, "z")
WORDS.get(p.n, p.{c})
p.a.name
p.a.name if p.b else p.t
p.t + p.a.name
p.t.strip(" ")
"x" if p.b else f"{p.n}"
p.t if p.b else p.s[:2]
"a" if p.b else None
f"{p.s}" if p.b else p.t
p.s[:2] if p.b else p.t
p.t[:2] if p.b else p.t
p.t.strip(" ") if p.b else p.t
p.t.replace("a", "") if p.b else p.s.replace("a", "")
str(p.n) if p.b else p.t
""",
}

NUMBERS = {
    "BigIntegerField(null=True)": r"""
p.big
9223372036854775807 if p.b else 1
9007199254740993 if p.b else p.big
p.n if p.b else p.big
p.big if p.b else 1
p.id
p.pk if p.b else p.n
""",
    "BooleanField(null=True)": r"""
p.b
not p.b
not p.b0
p.n > 3
p.n == 3 or p.b0
p.b0 or p.b1
p.b0 and p.b1
p.b and p.b0
bool(p.n0)
bool(p.s)
p.s == "a"
p.s0 != "a"
p.s.startswith("a")
"a" in p.s
p.n0 is None
p.n in (1, 3)
p.b if p.n == 3 else None
True if p.b0 is None else p.b0
1 if p.b else 0
{1: True, 3: False}.get(p.n)
{1: True}.get(p.n, False)
{1: True}.get(p.n, p.{c})
p.n < p.m
p.a0 is None
p.a0 == first
p.pos > -1
p.pos != -1
p.pos == -1
p.pos >= 0 and p.b
not (p.b and p.b0)
p.a.ok
p.a.age > 1
p.a.ok or p.b
p.d == datetime.date(2020, 2, 29)
not p.s0
not p.t
"" == p.s0
p.n > 2147483647
p.n <= 2147483647
p.small == 5
p.n in []
True
p.b0 is not None and p.b0
p.n == p.m
-1 <= p.n <= 3
p.n != 3 if p.b else p.b0
bool(p.b0)
""",
    "DecimalField(max_digits=8, decimal_places=2, null=True)": r"""
p.dec
p.dec0
1 if p.b else 2
1 if p.b else decimal.Decimal("2.50")
decimal.Decimal("0.30") if p.b else p.dec
1.25 if p.b else 2.5
0.1 if p.b else 1
{1: 1, 3: 2}.get(p.n, p.{c})
{1: 0.5}.get(p.n, 1)
None if p.b else p.dec
0 if p.dec0 is None else p.dec0
-1 if p.b else -0.25
p.dec if p.b else p.dec0
p.dec if p.b else 1
""",
    "FloatField(null=True)": r"""
p.fl + 1
p.fl - 1
p.fl * 2
p.fl * 1.1
1 - p.fl
p.fl + p.fl
p.fl - p.fl
p.fl * 1.1 + 0.3
p.fl + 0.1 - 0.1
p.n
p.big
1 if p.b else 2
1 if p.b else 2.5
0.1 if p.b else p.fl
1 if p.b else p.fl
p.fl0 or 0.5
p.fl0 or 0
p.fl or 1
p.n if p.b else p.fl
p.n if p.b else 0.5
{1: 0.1, 3: 2.5}.get(p.n)
{1: 1, 3: 2}.get(p.n)
{1: 1, 3: 2.5}.get(p.n)
{1: 0.1}.get(p.n, 0)
{1: 0.1}.get(p.n, p.{c})
{1: 1}.get(p.n, 0.5)
p.fl0 * 2 if p.fl0 is not None else None
-0.0
-0.0 if p.b else 1.5
1e300
p.a.age
p.fl + 1e9
2 * p.fl * 3
p.pos
True if p.b else 0.5
p.fl + 1 if p.b else p.fl
p.fl if p.b else p.fl * 2
p.n if p.b else p.fl + 1
1 if p.b else p.fl + 1
p.fl + 1 if p.b else 1
""",
    "IntegerField(null=True)": r"""
p.n + 1
p.n - 1
1 - p.n
-p.n
p.n * 3
p.n * -1
p.n + p.m
p.n - p.m
p.n * p.small
p.pos + 1
p.pos * p.pos2
p.n // 2
p.n // 10
p.n // 7
p.n // 100000
p.n // 200001
p.n // 1000000
p.n // 1
p.pos // 3
p.pos2 // 2
p.n % 10
p.n % 1
p.n % 2
p.pos % 7
p.pos2 % 2
p.n % LIMIT
p.n // LIMIT
int(p.n)
int(p.b)
abs(p.n)
abs(p.pos)
max(p.n, 0)
min(p.n, 10)
max(p.n, p.m)
min(p.n, p.m, 5)
max(p.n, p.n)
max(len(p.s), 2)
len(p.s)
len(p.t)
len(p.s) + 1
len(p.s) - 5
5 - len(p.s)
len(p.s) - len(p.t)
len(p.s) + p.n
len(p.s) * p.n
len(p.s + p.t)
len(f"{p.n}")
len(str(p.n))
len(p.s.strip(" "))
len(p.s) // 2
len(p.s) % 3
-len(p.s)
len(p.a.name)
len(p.s0) if p.s0 is not None else 0
len(p.s0) if p.s0 else None
p.n0 + 1 if p.n0 is not None else 0
p.n0 or 0
p.n0 or p.m0
p.n or 5
p.n and 5
p.n0 and p.m0
p.n0 or p.m0 or 7
(p.n0 or 0)
(p.n if p.b else p.m) + 1
p.n + (1 if p.b else 2)
p.n if p.n > 0 else -p.n
p.n if p.n < p.m else p.m
1 if p.b else 0
1 if p.b0 else 0 if p.b0 is not None else None
None if p.n == 3 else p.n
None if p.b else None
TENS.get(p.n)
TENS.get(p.n, 0)
TENS.get(p.n, p.{c})
TENS.get(p.n0)
TENS[p.n] if p.n in TENS else -1
p.a.age
p.a.age + 1
p.a.age * p.n
p.a.b.age
p.numbered.age
p.numbered.num
p.a0.age if p.a0 else None
p.a0.age if p.a0_id is not None else p.n
p.coded0.age if p.coded0 else 0
p.coded0.b.age if p.coded0 else 0
p.pk
p.id
p.d.year
p.d.month
p.d.day
p.d0.year if p.d0 else 0
p.pos
p.small
p.pos2
True if p.b else False
p.n == 3
p.s.startswith("a")
not p.b
bool(p.n)
Level.ONE if p.b else Level.THREE
Level.ONE if p.b else p.n
2 if p.n in SOME else 3
p.n + LIMIT
p.n + 0
p.n * 1
p.n * 0
min(p.n, p.small) if p.b else p.n
min(p.small, p.n)
min(p.n, p.small)
max(p.n, len(p.s))
max(len(p.s), p.small)
p.n if p.b else p.n + 1
p.n + 1 if p.b else p.n
p.n // 2 if p.b else p.n
p.n if p.b else p.n // 2
p.n % 3 if p.b else p.n
p.d.year if p.b else p.n
len(p.s) if p.b else p.small
max(p.n, 3) if p.b else p.n
p.a.age if p.b else p.small
p.pk if p.b else p.n
p.n if p.b else p.a.pk
""",
    "PositiveIntegerField(null=True)": r"""
p.pos + 1
p.pos * p.pos2
p.pos // 2
p.pos % 7
max(p.n, 0)
abs(p.n)
p.pos if p.b else 3
len(p.s)
p.pos2 - 1 if p.pos2 else 0
p.n % 5
TENS.get(p.n, 0)
TENS.get(p.n, p.{c})
p.pos2 + 1
p.pos + 1 if p.b else p.pos
p.pos if p.b else p.pos + 1
p.pos % 3 if p.b else p.pos
p.pos // 2 if p.b else p.pos
max(p.n, 0) if p.b else p.pos
""",
    "SmallIntegerField(null=True)": r"""
p.small + 1
p.small * 2
p.n
p.n // 100
p.n % 100
p.small // 2
p.d.year
len(p.s)
1 if p.b else p.small
max(p.small, 0)
-p.small
abs(p.small)
p.small or 3
p.small if p.b else p.n
TENS.get(p.n, 1)
p.a.age
p.small + p.n
p.small + 1 if p.b else p.small
p.small if p.b else p.small + 1
max(0, p.small)
-p.small if p.b else p.small
p.small % 3 if p.b else p.small
abs(p.small) if p.b else p.small
0 if p.b else p.small + 1
""",
}

OTHERS = {
    "BinaryField(null=True)": r"""
b"a" if p.b else b"b"
None if p.b else b"x"
""",
    "DateField(null=True)": r"""
p.d
p.d0
datetime.date(2020, 1, 1) if p.b else p.d
datetime.date(2020, 1, 1) if p.b else None
p.d0 or p.d
p.d0 or datetime.date(2020, 2, 29)
"2020-01-01" if p.b else p.d
""",
    "DateTimeField(null=True)": r"""
p.dt
p.dt0 or p.dt
datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc) if p.b else p.dt
datetime.datetime(2020, 1, 1, 5, 6, 7, 8, tzinfo=datetime.timezone.utc) if p.b else None
datetime.datetime(2020, 1, 1) if p.b else p.dt
""",
    "DurationField(null=True)": r"""
p.dur
A_DAY if p.b else p.dur
A_DAY if p.b else None
p.dur0 if p.dur0 is not None else A_DAY
datetime.timedelta(days=-1, microseconds=3) if p.b else datetime.timedelta(microseconds=999999)
""",
    'ForeignKey("shop.A", models.CASCADE, null=True, related_name="+")': r"""
first
p.a0
p.a
p.a1
p.a0 or p.a
p.a0 if p.a0 else first
first if p.b else p.a0
first if p.b else None
p.a0 or p.a1
None if p.b else p.a
p.a if p.b else p.a1
p.a0 or first
first if p.a.age == 2 else p.a
p.a0 and p.a
_id = p.a0_id
_id = p.a_id
_id = 1 if p.b else 2
_id = 1 if p.b else p.a0_id
_id = p.a0_id or 1
_id = p.a0_id or p.a_id
_id = None if p.b else p.a_id
_id = first.pk if p.b else p.a0_id
_id = first.id
_id = None if p.b else None
p.a0 if p.b else p.a
p.a if p.b else None
""",
    'ForeignKey("shop.A", models.CASCADE, null=True, related_name="+", to_field="code")': r"""
p.coded0
first
first if p.b else p.coded0
p.coded0 or first
None if p.b else p.coded0
_id = p.coded0_id
_id = "a" if p.b else "é"
_id = "a" if p.b else p.coded0_id
_id = first.code
_id = None if p.b else p.coded0_id
""",
    "JSONField(null=True)": r"""
[] if p.b else {}
"x" if p.b else 1
None if p.b else "x"
""",
    "TimeField(null=True)": r"""
p.tm
p.tm0 or p.tm
datetime.time(10) if p.b else p.tm
datetime.time(10, 0, 0, 5) if p.b else None
""",
    "UUIDField(null=True)": r"""
p.u
p.u0
p.u0 or p.u
uuid.UUID(int=7) if p.b else p.u
uuid.UUID(int=7) if p.b else None
p.u if p.u0 is None else p.u0
uuid.UUID(int=7) if p.b else uuid.UUID(int=8)
""",
}

# What has an exact form on some databases only.
BUT_ON_SQLITE = {
    "BigIntegerField(null=True)": r"""
p.big + 1
p.big % 7
-p.big
abs(p.big)
max(p.big, 0)
p.id + 1
p.id % 3
p.big + 1 if p.b else p.big
p.big % 7 if p.b else p.big
p.id if p.b else p.id + 1
p.id * 2 if p.b else p.big
""",
    "DecimalField(max_digits=8, decimal_places=2, null=True)": r"""
p.dec + 1
p.dec0 or 0
p.dec0 or decimal.Decimal("1.10")
p.dec or 1
""",
    "IntegerField(null=True)": r"""
p.id * 2
p.id + 1 if p.b else p.id
""",
}

ON_SQLITE = {
    "IntegerField(null=True)": r"""
p.pos % 5 - 10
p.pos % 5 * 2
p.pos2 % 3 - p.small
""",
    "PositiveIntegerField(null=True)": r"""
p.pos % 7 + 1
""",
}

BUT_ON_POSTGRESQL = {
    "DateField(null=True)": r"""
p.d + A_DAY
p.d - A_DAY
p.d + datetime.timedelta(days=1)
p.d - datetime.timedelta(weeks=3)
p.d + datetime.timedelta(hours=24)
p.d0 + A_DAY if p.d0 else p.d
p.d + A_DAY if p.b else p.d
p.d if p.b else p.d + A_DAY
p.d + A_DAY if p.b else datetime.date(2020, 1, 1)
p.d + A_DAY if p.b else None
p.d0 if p.b else p.d - A_DAY
""",
    "DateTimeField(null=True)": r"""
p.dt + A_DAY
p.dt - datetime.timedelta(days=1, microseconds=5)
p.dt + datetime.timedelta(hours=5)
p.dt - datetime.timedelta(days=-3, microseconds=1)
p.dt + datetime.timedelta(microseconds=1)
p.dt0 + A_DAY if p.dt0 is not None else None
p.dt + A_DAY if p.b else p.dt
p.dt if p.b else p.dt - A_DAY
p.dt - A_DAY if p.b else datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
""",
    "DurationField(null=True)": r"""
p.dur + A_DAY
p.dur + datetime.timedelta(days=-1, microseconds=3)
p.dur + A_DAY if p.b else p.dur
p.dur if p.b else p.dur + A_DAY
A_DAY if p.b else p.dur + A_DAY
""",
    "FloatField(null=True)": r"""
-p.fl
p.fl * 0
p.fl * -2
""",
    "IntegerField(null=True)": r"""
p.n + p.m + 1
p.n * 2 + 1
(p.n + 1) * 2
p.n % 10 + 1
p.n - p.n % 10
p.n % 10 * 5 - 1
abs(p.n) + 1
max(p.n, 3) + 1
""",
}

BUT_ON_MARIADB = {
    "CharField(max_length=80, null=True)": r"""
LETTERS.get(p.s)
LETTERS.get(p.s0, "none")
{"a": "q"}.get(p.condition)
p.a.nick or "x"
p.a.name or "x"
""",
    "IntegerField(null=True)": r"""
p.pos + p.n
len(p.s) - p.pos2
{"a": 1, "b": 2}.get(p.condition, 0)
""",
}


def loops(values: Mapping[str, str]) -> Iterator[Given]:
    for field, lines in values.items():
        for value in lines.strip().split("\n"):
            target = "p.{c}" + ("" if value.startswith("_id = ") else " = ")
            yield Given(f"{target}{value}", field)


@pytest.mark.parametrize("values", [TEXTS, NUMBERS, OTHERS], ids=["texts", "numbers", "others"])
def test_values_with_one_form(database, values):
    check(database, loops(values))


def test_values_as_they_are_written_for_every_database(database):
    text = TEXTS["CharField(max_length=80, null=True)"].strip().split("\n")
    tests = [value for value in text if '"a"' in value or " or " in value]
    check(database, loops({"TextField(null=True)": "\n".join(tests)}), EVERYWHERE)


def test_values_of_some_databases(database):
    some = {
        "sqlite-memory": [ON_SQLITE, BUT_ON_POSTGRESQL, BUT_ON_MARIADB],
        "postgresql": [BUT_ON_SQLITE, BUT_ON_MARIADB],
        "mariadb": [BUT_ON_SQLITE, BUT_ON_POSTGRESQL],
    }
    check(database, (given for values in some[database] for given in loops(values)))
