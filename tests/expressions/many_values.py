"""Values and where they are stored: those of the behaviour tests, and random ones of the same ingredients.

The random ones are the same on every run. Most have no exact form in SQL: what is said of those matters, too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tests.behaviour import test_values
from tests.many import Given

T = TypeVar("T")

INTEGERS = (
    "p.n p.m p.n0 p.small p.big p.pos p.pos2 p.id p.order 1 2 -1 0 3 10 7 2147483648 True p.a.age LIMIT "
    "p.{c} p.a0_id p.numbered_id len(p.s) len(p.t0) 1.5 first.age p.fl"
).split()
DECIMALS = "p.dec p.dec0 1 2 decimal.Decimal('0.5') decimal.Decimal('1.25') 0 1.5 p.n p.{c}".split()
FLOATS = "p.fl p.fl0 1 1.5 -2 0 0.0 1e300 p.n p.dec p.{c}".split()
TEXTS = [
    *"p.s p.s0 p.t p.t0 p.slug p.email 'x' \"y\" '' NAME p.a.name p.a.nick p.a.b.name".split(),
    *"str(p.n) str(p.d) str(p.s) p.n p.select p.{c} str(p.a_id) first.name f'{p.s}-{p.n}'".split(),
    *["'%s/%s' % (p.s, p.n)", "'{}-{}'.format(p.s, p.t)", "f'{p.s0}x'"],
]
MOMENTS = "p.d p.d0 p.dt p.dt0 p.dur p.dur0 p.tm p.{c} p.a.name".split()
STEPS = ["A_DAY", "datetime.timedelta(days=2)", "datetime.timedelta(hours=1)", "p.dur", "1"]
PARTS = "date() time() year month day".split()
SLICES = ":3 1: -2: 1:4 0:2 :0 2 ::2 :LIMIT".split()
METHODS = ["lower()", "upper()", "strip()", 'strip(" ")', "lstrip()", 'rstrip(" ")']

COLUMNS = {
    "integer": [
        "IntegerField(null=True)",
        "BigIntegerField(null=True)",
        "SmallIntegerField(default=0)",
        "PositiveIntegerField(default=0)",
    ],
    "decimal": [
        "DecimalField(max_digits=8, decimal_places=2, null=True)",
        "DecimalField(max_digits=20, decimal_places=4, default=0)",
    ],
    "float": ["FloatField(null=True)"],
    "text": [
        "CharField(max_length=80, null=True)",
        "TextField(null=True)",
        "SlugField(max_length=80, default='')",
    ],
    "moment": [
        "DateField(null=True)",
        "DateTimeField(null=True)",
        "DurationField(null=True)",
        "TimeField(null=True)",
        "IntegerField(null=True)",
    ],
}


def listed_values() -> list[Given]:
    """The values of the behaviour tests, each assigned to a column."""
    return list(_listed())


def random_values() -> list[Given]:
    """120 for each kind of column."""
    return list(_Values(7).many(120))


def _listed() -> Iterator[Given]:
    groups = [v for k, v in vars(test_values).items() if k.isupper() and isinstance(v, dict)]
    for group in groups:
        for field, lines in group.items():
            for line in lines.strip("\n").split("\n") if isinstance(lines, str) else []:
                if line and not line.startswith("_id"):
                    yield Given(f"p.{{c}} = {line}", field)


class _Values:
    """Expressions by the chances of one generator of random numbers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def many(self, number: int) -> Iterator[Given]:
        kinds: dict[str, Callable[[], str]] = {
            "integer": lambda: self.number(INTEGERS, self.some([1, 2, 2, 3])),
            "decimal": lambda: self.number(DECIMALS, self.some([1, 2, 3])),
            "float": lambda: self.number(FLOATS, self.some([1, 2, 2, 3])),
            "text": lambda: self.text(self.some([1, 2, 3])),
            "moment": self.moment,
        }
        for _ in range(number):
            for kind, columns in COLUMNS.items():
                made = kinds[kind]()
                alone = made.startswith("(") and made.endswith(")") and made.count("(") == 1
                value = made[1:-1] if alone else made
                yield Given(self.statement(value), self.some(columns))

    def some(self, values: Sequence[T]) -> T:
        return self.random.choice(values)

    def number(self, leaves: list[str], depth: int) -> str:
        chance = self.random.random()
        if depth == 0 or chance < 0.2:
            return self.some(leaves)

        def inner() -> str:
            return self.number(leaves, depth - 1)

        chance = self.random.random()
        if chance < 0.62:
            return f"({inner()} {self.some('+ - * + - * % // /'.split())} {inner()})"
        if chance < 0.70:
            return f"-{inner()}"
        if chance < 0.76:
            return f"abs({inner()})"
        if chance < 0.88:
            return f"{self.some(['max', 'min'])}({inner()}, {inner()})"
        if chance < 0.92:
            return f"int({inner()})"
        return f"len({self.text(1)})" if chance < 0.96 else self.some(leaves)

    def text(self, depth: int) -> str:
        if depth == 0 or self.random.random() < 0.2:
            return self.some(TEXTS)
        chance, inner = self.random.random(), self.text(depth - 1)
        if chance < 0.5:
            return f"({inner} + {self.text(depth - 1)})"
        if chance < 0.6:
            return f"{inner}[{self.some(SLICES)}]"
        if chance < 0.7:
            old = self.some(['"a"', "NAME", '""'])
            new = self.some(['"b"', '""', "NAME", "p.s"])
            return f"{inner}.replace({old}, {new})"
        if chance < 0.8:
            return f"{inner}.{self.some(METHODS)}"
        if chance < 0.86:
            one = self.some("p.s p.t p.n p.d p.s0 p.a.name".split())
            two = self.some("p.slug p.n p.fl".split())
            return f'f"{{{one}}}{self.some(["-", "", " x"])}{{{two}}}"'
        return self.some(TEXTS)

    def moment(self) -> str:
        if self.random.random() < 0.6:
            return f"{self.some(MOMENTS)} {self.some('+-')} {self.some(STEPS)}"
        return f"{self.some(MOMENTS)}.{self.some(PARTS)}"

    def statement(self, value: str) -> str:
        """The value assigned, perhaps by a name, under a condition or after something else."""
        other = self.some(["None", value])
        forms = {
            f"p.{{c}} = {value}": 17,
            f"x = {value}\np.{{c}} = x": 2,
            f"if p.b:\n    p.{{c}} = {value}": 2,
            f"p.{{c}} = {value}\nif p.n0 is None:\n    p.{{c}} = {other}": 1,
            f"if p.s0 and p.n0 and p.t0 and p.dec0:\n    p.{{c}} = {value}": 2,
            f"p.n = 3\np.{{c}} = {value}": 1,
            f"a, b = p.n, p.s\np.{{c}} = {_renamed(value)}": 1,
        }
        return self.random.choices([*forms], [*forms.values()])[0]


def _renamed(value: str) -> str:
    """The value with names in the place of two columns."""
    words = {"p.n": "a", "p.s": "b"}
    return re.sub(r"p\.\w+", lambda found: words.get(found[0], found[0]), value)
