"""Random loops over random rows: what migfix calls safe leaves the same rows behind.

MIGFIX_EXAMPLES sets how many loops are made; without it there are few, and always the same ones.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from textwrap import indent
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from migfix.settings import Settings
from tests.databases import PARAMETERS
from tests.rewritten import rewritten
from tests.running import Case, run

pytestmark = pytest.mark.behaviour

EXAMPLES = int(os.environ.get("MIGFIX_EXAMPLES", "0"))
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


def forwards(apps, schema_editor):
    P = apps.get_model("shop", "P")
    first = apps.get_model("shop", "A").objects.get(pk=1)
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


@st.composite
def values(draw, column: Column, every: list[Column]):
    """A right-hand side: mostly of the right kind, sometimes of another one."""
    near = [c for c in every if c.kind == column.kind] if draw(st.integers(0, 4)) else every
    other = draw(attributes(draw(st.sampled_from(near or every))))
    constant = draw(st.sampled_from(KINDS[column.kind].constants))
    third = draw(st.sampled_from([draw(st.sampled_from(NUMBERS[:5])), other]))
    operator = draw(st.sampled_from(["+", "-", "*", "+", "-", "/", "%"]))
    numeric = column.kind in {"integer", "small", "big", "positive", "float", "decimal"}
    sums = [f"{other} {operator} {third}", f"{third} {operator} {other}"] if numeric else []
    return draw(st.sampled_from([constant, constant, other, *sums]))


@st.composite
def conditions(draw, every: list[Column], depth: int = 1):
    column = draw(st.sampled_from(every))
    name = draw(attributes(column))
    constants = KINDS[column.kind].constants
    constant, another = draw(st.sampled_from(constants)), draw(st.sampled_from(constants))
    order = draw(st.sampled_from(["<", "<=", ">", ">="]))
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
        f"{name} == {draw(attributes(draw(st.sampled_from(every))))}",
    ]
    if depth:
        left, right = draw(conditions(every, depth - 1)), draw(conditions(every, depth - 1))
        shapes += [f"({left}) and ({right})", f"({left}) or ({right})", f"not ({left})"]
    return draw(st.sampled_from(shapes))


@st.composite
def bodies(draw, every: list[Column], depth: int = 1):
    lines = []
    for _ in range(draw(st.integers(1, 2))):
        column = draw(st.sampled_from(every))
        target = draw(attributes(column))
        lines.append(f"{target} = {draw(values(column, every))}")
    saves = draw(st.sampled_from(["p.save()", "p.save()", "p.save()", "names"]))
    if saves == "names":
        names = {line.split(" = ")[0].removeprefix("p.") for line in lines[:1]}
        saves = f"p.save(update_fields={sorted(names)})"
    body = "\n".join(lines) + "\n"
    test = draw(conditions(every))
    inner = indent(body, "    ")
    shapes = [
        f"{body}{saves}",
        f"if {test}:\n{inner}    {saves}",
        f"if {test}:\n{inner}{saves}",
        f"if {test}:\n    continue\n{body}{saves}",
        f"if {test}:\n    pass\nelse:\n{inner}    {saves}",
        f"if {test}:\n    pass\nelif {draw(conditions(every))}:\n{inner}{saves}",
        f"if {test}:\n{inner}    {saves}\n    continue",
        f"if {test}:\n    if {draw(conditions(every))}:\n{indent(inner, '    ')}        {saves}",
    ]
    return draw(st.sampled_from(shapes))


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

    @property
    def models(self) -> str:
        declared = "".join(column.declared for column in self.columns)
        key = '("id", models.BigAutoField(primary_key=True)),'
        return f"""
migrations.CreateModel("A", [{key}]),
migrations.CreateModel("P", [{key}
{declared}]),
migrations.CreateModel("Item", [{key}
    ("p", models.ForeignKey("shop.P", models.CASCADE, related_name="items")),
    ("x", models.IntegerField()),
]),
"""

    @property
    def migration(self) -> str:
        return f"{HEAD}    for p in {self.source}:\n{indent(self.body, ' ' * 8)}\n"

    @property
    def data(self) -> dict[str, list[dict[str, object]]]:
        items = [{"p_id": n + 1, "x": x} for n in range(len(self.rows)) for x in range(n % 3)]
        return {"A": [{"id": 1}, {"id": 2}], "P": self.rows, "Item": items}


@st.composite
def programs(draw):
    every = draw(columns())
    rows = [
        {f"{c.name}_id" if c.kind == "key" else c.name: draw(stored(c, number)) for c in every}
        for number in range(draw(st.sampled_from([0, 1, 4, 5, 6, 6])))
    ]
    return Program(every, draw(sources(every)), draw(bodies(every)), rows)


COUNTS: Counter[str] = Counter()


def check(program: Program, database: str) -> None:
    vendor = database.removesuffix("-memory")
    chosen = Settings(select=frozenset({"MF101"}), databases=frozenset({vendor}))
    after, outcome = rewritten(program.models, program.migration, chosen)
    COUNTS["made"] += 1
    if not outcome.changed:
        COUNTS[outcome.loops[0].blocked_by or "no reason"] += 1
        return
    COUNTS["converted"] += 1
    note(program.models)
    note(program.migration)
    note(after)
    case = Case(program.models, program.data, database)
    first, second = run(case, program.migration), run(case, after)
    COUNTS["raising"] += first.error is not None
    COUNTS["changing rows"] += first.tables != first.start
    assert first.start == second.start
    assert (first.error is None) == (second.error is None), (first.error, second.error)
    assert first.tables == second.tables


def usual(examples: int) -> settings:
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@usual(100)
@given(programs())
def test_random_loops_on_sqlite(program):
    check(program, "sqlite-memory")


@pytest.mark.parametrize("database", [p for p in PARAMETERS if p.marks])
def test_random_loops_on_servers(database):
    @usual(10)
    @given(programs())
    def each(program):
        check(program, database)

    each()


def test_many_of_the_random_loops_are_converted():
    if not COUNTS["made"]:
        pytest.skip("the random loops run elsewhere")
    print(dict(COUNTS))
    assert COUNTS["converted"] > COUNTS["made"] / 10
    assert COUNTS["changing rows"] > COUNTS["converted"] / 10
