"""Random loops over random rows: what migfix calls safe leaves the same rows behind.

A run of the tests makes 200 of them, always the same ones; ``pytest -m nightly`` makes 2,000 others.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from textwrap import indent
from uuid import UUID

import pytest
from hypothesis import HealthCheck, currently_in_test_context, given, note, seed, settings
from hypothesis import strategies as st

from migfix.settings import Settings
from tests.databases import ONE_SQLITE, PARAMETERS
from tests.rewritten import rewritten
from tests.running import Case, run

pytestmark = [pytest.mark.behaviour, pytest.mark.thorough]

NOON = datetime(2020, 2, 29, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Kind:
    """A class of field: how it is declared, what rows hold, what a body may give it or compare it with."""

    declared: str
    stored: tuple[object, ...]
    constants: tuple[str, ...]


NUMBERS = ("0", "1", "-1", "3", "2147483647", '"3"', "1.5", "None", "True", "LIMIT", "2147483648")
TEXTS = ('""', '"a"', '"A"', '"a "', '" "', "None", "5", "NAME", '"' + "x" * 11 + '"')
WORDS = ("", " ", "a", "A", "a ", "é", "É", "x" * 10, "3", "%")
KINDS = {
    "integer": Kind("IntegerField(", (0, 1, -1, 3, 2**31 - 1, -(2**31)), NUMBERS),
    "small": Kind("SmallIntegerField(", (0, 1, -1, 3, 2**15 - 1, -(2**15)), NUMBERS),
    "big": Kind("BigIntegerField(", (0, 1, -1, 3, 2**53 + 1, 2**63 - 1), NUMBERS),
    "positive": Kind("PositiveIntegerField(", (0, 1, 3, 2**31 - 1), NUMBERS),
    "float": Kind("FloatField(", (0.0, 1.0, -0.5, 0.1, 1e300), (*NUMBERS, "0.1", "-0.5")),
    "decimal": Kind(
        "DecimalField(max_digits=6, decimal_places=2, ", ("0", "1.00", "-0.50", "9999.99"), NUMBERS
    ),
    "boolean": Kind("BooleanField(", (True, False), ("True", "False", "None", "1", '"f"')),
    "char": Kind("CharField(max_length=10, ", WORDS, TEXTS),
    "text": Kind("TextField(", (*WORDS, "x" * 30), TEXTS),
    "slug": Kind("SlugField(max_length=10, ", WORDS, TEXTS),
    "date": Kind(
        "DateField(",
        (date(2020, 2, 29), date(1999, 12, 31)),
        ("None", '"2020-02-29"', "datetime.date(2020, 2, 29)", "5"),
    ),
    "datetime": Kind(
        "DateTimeField(",
        (NOON, NOON + timedelta(hours=11, microseconds=1)),
        ("None", '"2020-02-29 10:00:00+00:00"', "datetime.datetime(2020, 1, 1)"),
    ),
    "time": Kind("TimeField(", (time(0), time(23, 59, 59, 9)), ("None", '"10:00:00"')),
    "duration": Kind("DurationField(", (timedelta(0), timedelta(-1, 5)), ("None", "A_DAY")),
    "uuid": Kind("UUIDField(", (UUID(int=1), UUID(int=2)), ("None", "AN_ID")),
    "binary": Kind("BinaryField(", (b"", b"a\0"), ('b"x"', "None")),
    "key": Kind(
        'ForeignKey("shop.A", models.CASCADE, related_name="+", ',
        (1, 2),
        ("None", "first", "first.pk", "1", "2"),
    ),
}
HEAD = """
import datetime
import uuid
from django.db.models import F, Q

LIMIT = 3
NAME = "a"
A_DAY = datetime.timedelta(days=1)
AN_ID = uuid.UUID(int=1)
SOME = (1, 3)
NAMES = ["a", "A"]
WORDS = {1: "one", 3: "three"}


def add_one(number):
    return number + 1


def shown(number):
    if number > 1:
        return "many"
    return "few"


def forwards(apps, schema_editor):
    A = apps.get_model("shop", "A")
    P = apps.get_model("shop", "P")
    first = A.objects.get(pk=1)
    seen = []
    known = {str(p.pk) for p in P.objects.all()}
    later = P.objects.order_by("pk")
"""
ENDING = """
    print(seen, A.objects.count())
"""


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    null: bool
    unique: bool

    @property
    def declared(self) -> str:
        options = f"null={self.null}, unique={self.unique}"
        return f'("{self.name}", models.{KINDS[self.kind].declared}{options})),\n'

    @property
    def attribute(self) -> str:
        return f"p.{self.name}"


@st.composite
def columns(draw):
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=4))
    twice = [*kinds, draw(st.sampled_from(kinds)), draw(st.sampled_from(kinds))]
    unique = draw(st.sampled_from([None, *range(len(twice)), None, None, None, None, None]))
    return [
        Column(f"c{i}", kind, draw(st.booleans()), i == unique and kind in {"integer", "char"})
        for i, kind in enumerate(twice)
    ]


def attributes(column: Column) -> st.SearchStrategy[str]:
    if column.kind == "key":
        return st.sampled_from([column.attribute, f"{column.attribute}_id"])
    return st.just(column.attribute)


WHOLE = {"integer", "small", "big", "positive"}
TEXTUAL = {"char", "text", "slug"}


def of_kinds(every: list[Column], kinds: set[str]) -> list[str]:
    return [c.attribute for c in every if c.kind in kinds]


def numbers(every: list[Column]) -> list[str]:
    """What a body may compute as a whole number."""
    found = []
    for n in of_kinds(every, WHOLE):
        found += [f"{n} + 1", f"2 - {n}", f"{n} * 2", f"{n} - LIMIT", f"-{n}", f"abs({n})"]
        found += [f"max({n}, 0)", f"min({n}, 5)", f"{n} // 3", f"{n} % 5", f"({n} + 1) * 2"]
        found += [f"add_one({n})", f"{n} / 2"]
    found += [f"len({t})" for t in of_kinds(every, TEXTUAL)]
    found += [f"int({b})" for b in of_kinds(every, {"boolean"})]
    return [*found, *(f"{k}.age" for k in of_kinds(every, {"key"}))]


def words(every: list[Column]) -> list[str]:
    """What a body may compute as text."""
    found = []
    for t in of_kinds(every, TEXTUAL):
        found += [f'{t} + "x"', f'"x" + {t}', f"{t}[:3]", f"{t}[1:]", f"{t}[-2:]", f"{t}[1:4]"]
        found += [f'{t}.replace("a", "b")', f'{t}.replace("a", "")', f'{t}.strip(" ")']
        found += [f'f"{{{t}}}!"', f'"%s-%s" % ({t}, {t})', f"{t}.lower()", f"({t} + NAME)[:4]"]
        found += [f"{t} + {other}" for other in of_kinds(every, TEXTUAL)[:2]]
    for n in of_kinds(every, WHOLE):
        found += [f"str({n})", f'f"<{{{n}}}>"', f'"{{}}".format({n})', f"WORDS.get({n})"]
        found += [f'WORDS.get({n}, "")', f"WORDS[{n}]", f"shown({n})"]
    return [*found, *(f"{k}.name" for k in of_kinds(every, {"key"}))]


def computed(column: Column, every: list[Column]) -> list[str]:
    if column.kind in WHOLE:
        return numbers(every)
    if column.kind in TEXTUAL:
        return words(every)
    same = of_kinds(every, {column.kind})
    match column.kind:
        case "float":
            return [f"{x} {sign} 1.5" for x in same for sign in "+-*"] + numbers(every)
        case "decimal":
            return [f"{x} + 1" for x in same]
        case "date" | "datetime" | "duration":
            return [f"{x} {sign} A_DAY" for x in same for sign in "+-"]
        case "boolean":
            return [f"not {x}" for x in same] + [f"{n} > 1" for n in of_kinds(every, WHOLE)]
    return []


@st.composite
def values(draw, column: Column, every: list[Column], depth: int = 1):
    """A right-hand side: mostly of the right kind, sometimes of another one."""
    near = [c for c in every if c.kind == column.kind] if draw(st.integers(0, 4)) else every
    other = draw(attributes(draw(st.sampled_from(near or every))))
    constant = draw(st.sampled_from(KINDS[column.kind].constants))
    shapes = [constant, constant, other]
    if found := computed(column, every):
        shapes += [draw(st.sampled_from(found)) for _ in range(4)]
    if depth:
        left, right = (draw(values(column, every, 0)) for _ in range(2))
        test = draw(conditions(every, 0))
        shapes += [f"{left} if {test} else {right}", f"{other} or {constant}"]
    return draw(st.sampled_from(shapes))


def of_kind_alone(kind: str, name: str, constant: str) -> list[str]:
    """Tests that only make sense of one kind."""
    if kind in TEXTUAL:
        ways = [f'{name}.startswith("a")', f'{name}.endswith("a")', f'"A" in {name}']
        guarded = [f"{name} and {way}" for way in ways]
        return [*ways, *guarded, f"{name} in NAMES", f"{name} == NAME", f'{name} != "a "']
    if kind in WHOLE:
        return [f"{name} in SOME", f"{name} not in SOME", f"{name} and {name} % 2 == 0"]
    if kind == "boolean":
        return [f"{name} is True", f"{name} is not False", f"bool({name})"]
    if kind == "key":
        return [
            f"{name} == first",
            f"p.{name.split('.')[1].removesuffix('_id')}.age == 1",
            f"{name} and p.{name.split('.')[1].removesuffix('_id')}.name == 'a'",
        ]
    return [f"{name} == {constant}"]


@st.composite
def conditions(draw, every: list[Column], depth: int = 1):
    column = draw(st.sampled_from(every))
    name = draw(attributes(column))
    constants = KINDS[column.kind].constants
    constant, another = draw(st.sampled_from(constants)), draw(st.sampled_from(constants))
    order = draw(st.sampled_from(["<", "<=", ">", ">="]))
    alike = [c for c in every if c.kind == column.kind] if draw(st.integers(0, 3)) else every
    other = draw(attributes(draw(st.sampled_from(alike))))
    shapes = [
        name,
        f"not {name}",
        f"{name} == {constant}",
        f"{name} != {constant}",
        f"{name} is None",
        f"{name} is not None",
        f"{name} in ({constant}, {another})",
        f"{name} not in ({constant}, {another})",
        f"{name} is not None and {name} {order} {constant}",
        f"{name} is None or {name} {order} {constant}",
        f"{name} {order} {constant}",
        f"{name} == {other}",
        f"{name} != {other}",
        f"{name} {order} {other}",
        *of_kind_alone(column.kind, name, constant),
    ]
    if depth:
        left, right = draw(conditions(every, depth - 1)), draw(conditions(every, depth - 1))
        shapes += [f"({left}) and ({right})", f"({left}) or ({right})", f"not ({left})"]
    return draw(st.sampled_from(shapes))


@st.composite
def assignments(draw, every: list[Column], most: int = 2):
    """Lines that set columns, also through a local name or several at once."""
    lines = []
    for _ in range(draw(st.integers(1, most))):
        column = draw(st.sampled_from(every))
        target, value = draw(attributes(column)), draw(values(column, every))
        other = draw(st.sampled_from(every))
        shapes = [
            [f"{target} = {value}"],
            [f"{target} = {value}"],
            [f"new = {value}", f"{target} = new"],
            [f"{target}, {other.attribute} = {value}, {draw(values(other, every))}"],
        ]
        if draw(st.booleans()) and column.kind in WHOLE:
            shapes.append([f"{target} += 1"])
        lines += draw(st.sampled_from(shapes))
    return "\n".join(lines) + "\n"


@st.composite
def bodies(draw, every: list[Column]):
    body, other = draw(assignments(every)), draw(assignments(every, 1))
    third = draw(assignments(every, 1))
    saves = draw(st.sampled_from(["p.save()", "p.save()", "p.save()", "names", "query"]))
    if saves == "names":
        written = {word.split(",")[0] for word in body.split() if word.startswith("p.c")}
        names = sorted({word.removeprefix("p.") for word in written if "." not in word[2:]})
        saves = f"p.save(update_fields={names})"
    test, second = draw(conditions(every)), draw(conditions(every))
    inner, inner2, inner3 = (indent(each, "    ") for each in (body, other, third))
    if saves == "query":
        column = draw(st.sampled_from(every))
        value = draw(values(column, every))
        return f"if {test}:\n    P.objects.filter(pk=p.pk).update({column.name}={value})"
    subject = draw(st.sampled_from(every))
    cases = KINDS[subject.kind].constants
    known = [c for c in cases if c[0] in '0123456789"-TFN' and c not in {"NAME"}] or ["None"]
    case = draw(st.sampled_from(known))
    shapes = [
        f"{body}{saves}",
        f"if {test}:\n{inner}    {saves}",
        f"if {test}:\n{inner}{saves}",
        f"if {test}:\n    continue\n{body}{saves}",
        f"if {test}:\n    pass\nelse:\n{inner}    {saves}",
        f"if {test}:\n{inner}elif {second}:\n{inner2}{saves}",
        f"if {test}:\n{inner}elif {second}:\n{inner2}else:\n{inner3}{saves}",
        f"if {test}:\n{inner}else:\n{inner2}{saves}",
        f"if {test}:\n{inner}if {second}:\n{inner2}{saves}",
        f"if {test}:\n{inner}    {saves}\nelif {second}:\n{inner2}    {saves}",
        f"if {test}:\n{inner}    {saves}\n    continue",
        f"if {test}:\n    if {second}:\n{indent(inner, '    ')}        {saves}",
        f"changed = False\nif {test}:\n{inner}    changed = True\n"
        f"if {second}:\n{inner2}    changed = True\nif changed:\n    {saves}",
        f"{body}{saves}\n{other}{saves}",
        f"{body}if {test}:\n{inner2}{saves}",
        f"match {subject.attribute}:\n    case {case}:\n{indent(inner, '    ')}"
        f"    case _:\n{indent(inner2, '    ')}{saves}",
    ]
    return draw(st.sampled_from(shapes))


# What the body of a loop that writes in batches may do besides; OWN looks at the rows that wait.
ELSEWHERE = (
    "",
    "",
    "note = A.objects.filter(name=NAME).count()\n",
    "A.objects.create(name=str(p.pk), age=p.pk)\n",
    "made, _ = A.objects.get_or_create(name=NAME, defaults={'age': 7})\n",
    "A.objects.filter(age=p.pk).update(age=0)\n",
    "for item in p.items.all():\n    item.x += 1\n    item.save()\n",
    "seen.append(str(A.objects.count()))\n",
    "if p.pk == 5:\n    break\n",
    "if p.pk == 6:\n    raise ValueError(p.pk)\n",
    "print(p.pk, len(known), A.objects.count())\n",
)
OWN = (
    "print(P.objects.filter({}__isnull=True).count())\n",
    "print([str(p.{}) for p in later])\n",
)


@st.composite
def mixed_bodies(draw, every: list[Column]):
    """Assignments and saves between queries, most of them of other tables."""
    body = draw(bodies(every))
    before, after = draw(st.sampled_from(ELSEWHERE)), draw(st.sampled_from(ELSEWHERE))
    if draw(st.integers(0, 4)) == 0:
        before = draw(st.sampled_from(OWN)).format(draw(st.sampled_from(every)).name)
    return f"{before}{body}\n{after}"


@st.composite
def sources(draw, every: list[Column]):
    column = draw(st.sampled_from([c for c in every if c.kind != "binary"] or every))
    constant = draw(st.sampled_from(KINDS[column.kind].constants[:2]))
    return draw(
        st.sampled_from(
            [
                "P.objects.all()",
                "P.objects.all()",
                f"P.objects.filter({column.name}__isnull=False)",
                f"P.objects.exclude({column.name}__isnull=True).order_by('-{column.name}')",
                f"P.objects.filter(Q({column.name}={constant}) | Q(pk__gt=1)).iterator()",
                "P.objects.filter(items__x__gte=0)",
                "P.objects.filter(items__x=1).distinct()",
            ]
        )
    )


@st.composite
def stored(draw, column: Column, number: int):
    if column.unique:
        return number if column.kind == "integer" else f"u{number}"
    pool = KINDS[column.kind].stored
    return draw(st.sampled_from([*pool, None] if column.null else pool))


@dataclass(frozen=True)
class Program:
    columns: list[Column]
    source: str
    body: str
    rows: list[dict[str, object]]
    collected: tuple[str, ...] = ()  # the columns that one bulk_update() writes in place of save()

    @property
    def models(self) -> str:
        declared = "".join(column.declared for column in self.columns)
        key = '("id", models.BigAutoField(primary_key=True)),'
        return f"""
migrations.CreateModel("A", [{key}
    ("name", models.CharField(max_length=10)), ("age", models.IntegerField())
]),
migrations.CreateModel("P", [{key}
{declared}]),
migrations.CreateModel("Item", [{key}
    ("p", models.ForeignKey("shop.P", models.CASCADE, related_name="items")),
    ("x", models.IntegerField()),
]),
"""

    @property
    def migration(self) -> str:
        body, end = self.body, ""
        if self.collected:
            body = body.replace("p.save()", "rows.append(p)")
            end = f"    P.objects.bulk_update(rows, {list(self.collected)})\n"
        start = "    rows = []\n" if self.collected else ""
        loop = f"    for p in {self.source}:\n{indent(body, ' ' * 8)}\n"
        return f"{HEAD}{start}{loop}{end}{ENDING}"

    @property
    def data(self) -> dict[str, list[dict[str, object]]]:
        items = [{"p_id": n + 1, "x": x} for n in range(len(self.rows)) for x in range(n % 3)]
        return {
            "A": [{"id": 1, "name": "a", "age": 1}, {"id": 2, "name": "A ", "age": 0}],
            "P": self.rows,
            "Item": items,
        }


@st.composite
def programs(draw, body=bodies):
    every = draw(columns())
    rows = [
        {f"{c.name}_id" if c.kind == "key" else c.name: draw(stored(c, number)) for c in every}
        for number in range(draw(st.sampled_from([0, 1, 4, 5, 6, 6])))
    ]
    return Program(every, draw(sources(every)), draw(body(every)), rows)


@st.composite
def collecting(draw):
    """Programs whose loop fills a list for one bulk_update()."""
    program = draw(programs(mixed_bodies))
    names = [column.name for column in program.columns]
    fields = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return replace(program, collected=tuple(fields))


COUNTS: Counter[str] = Counter()


def check(program: Program, database: str, *codes: str, batch_size: int = 1000) -> None:
    vendor = database.removesuffix("-memory")
    chosen = Settings(
        select=frozenset(codes or {"MF101"}),
        databases=frozenset({vendor}),
        batch_size=batch_size,
    )
    after, outcome = rewritten(program.models, program.migration, chosen)
    COUNTS["made"] += 1
    if not outcome.changed:
        COUNTS[outcome.loops[0].blocked_by or "no reason"] += 1
        return
    COUNTS["converted"] += 1
    if currently_in_test_context():
        note(f"{program.models}{program.migration}{after}")
    case = Case(program.models, program.data, database)
    first, second = run(case, program.migration), run(case, after)
    COUNTS["raising"] += first.error is not None
    COUNTS["changing rows"] += first.tables != first.start
    assert first.start == second.start
    assert (first.error is None) == (second.error is None), (first.error, second.error)
    assert first.tables == second.tables
    if first.error is None:  # an error of the database comes later, after more of the output
        assert first.output == second.output


# What random loops have found, shrunk by hand: (kinds of the columns c0, c1..., body).
FOUND = [
    (("boolean", "uuid", "uuid"), "if p.c0:\n    p.c2 = None\nelif p.c2 == AN_ID:\n    p.c1 = p.c2\np.save()"),
    (
        ("big", "datetime", "datetime", "float"),
        "if not p.c0:\n    p.c0 = 2147483648\n    p.save()\n"
        "elif p.c2 != p.c1:\n    p.c3 = p.c3 or 0\n    p.save()",
    ),
]  # fmt: skip


def found_program(kinds: tuple[str, ...], body: str) -> Program:
    """The loop over rows that hold each stored value, and NULL, in every column."""
    every = [Column(f"c{i}", kind, null=True, unique=False) for i, kind in enumerate(kinds)]
    pools = [[*KINDS[column.kind].stored, None] for column in every]
    rows = [
        {c.name: pool[(number // (i + 1)) % len(pool)] for i, (c, pool) in enumerate(zip(every, pools, strict=True))}
        for number in range(12)
    ]  # fmt: skip
    return Program(every, "P.objects.all()", body, rows)


@pytest.mark.parametrize("database", ONE_SQLITE)
@pytest.mark.parametrize(("kinds", "body"), FOUND)
def test_loops_that_were_found_at_random(kinds, body, database):
    check(found_program(kinds, body), database)


def few(examples: int) -> settings:
    """Always the same ones."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@few(140)
@given(programs())
def test_random_loops_on_sqlite(program):
    check(program, "sqlite-memory")


@pytest.mark.parametrize("database", [p for p in PARAMETERS if p.marks])
def test_random_loops_on_servers(database):
    @few(30)
    @given(programs())
    def each(program):
        check(program, database)

    each()


BATCHED = ("MF201", "MF202", "MF203", "MF301")


@few(120)
@given(programs(mixed_bodies), st.sampled_from([1, 2, 1000]))
def test_random_batches_on_sqlite(program, size):
    check(program, "sqlite-memory", *BATCHED, batch_size=size)


@pytest.mark.parametrize("database", [p for p in PARAMETERS if p.marks])
def test_random_batches_on_servers(database):
    @few(25)
    @given(programs(mixed_bodies), st.sampled_from([2, 1000]))
    def each(program, size):
        check(program, database, *BATCHED, batch_size=size)

    each()


@few(120)
@given(collecting(), st.sampled_from([1, 2, 1000]))
def test_random_lists_on_sqlite(program, size):
    check(program, "sqlite-memory", *BATCHED, batch_size=size)


@pytest.mark.parametrize("database", [p for p in PARAMETERS if p.marks])
def test_random_lists_on_servers(database):
    @few(25)
    @given(collecting(), st.sampled_from([2, 1000]))
    def each(program, size):
        check(program, database, *BATCHED, batch_size=size)

    each()


NIGHTLY = {"sqlite-memory": 1200, "postgresql": 400, "mariadb": 400}


@pytest.mark.nightly
@pytest.mark.parametrize("database", ONE_SQLITE)
def test_many_random_loops(database):
    """MIGFIX_SEED repeats a run, whose seed is printed."""
    number = int(os.environ.get("MIGFIX_SEED") or random.randrange(2**32))
    print(f"MIGFIX_SEED={number}: {NIGHTLY[database]} loops on {database}")

    @seed(number)
    @settings(few(NIGHTLY[database]), derandomize=False)
    @given(programs())
    def each(program):
        check(program, database)

    @seed(number)
    @settings(few(NIGHTLY[database]), derandomize=False)
    @given(programs(mixed_bodies), st.sampled_from([1, 2, 1000]))
    def each_in_batches(program, size):
        check(program, database, *BATCHED, batch_size=size)

    @seed(number)
    @settings(few(NIGHTLY[database]), derandomize=False)
    @given(collecting(), st.sampled_from([1, 2, 1000]))
    def each_list(program, size):
        check(program, database, *BATCHED, batch_size=size)

    each()
    each_in_batches()
    each_list()
    print(dict(COUNTS))


def test_many_of_the_random_loops_are_converted():
    if not COUNTS["made"]:
        pytest.skip("the random loops run elsewhere")
    print(dict(COUNTS))
    assert COUNTS["converted"] > COUNTS["made"] / 5
    assert COUNTS["changing rows"] > COUNTS["converted"] / 10
