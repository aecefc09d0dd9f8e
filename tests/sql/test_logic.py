"""What a condition is written as means what the condition means."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migfix.findings import Refused
from migfix.sql import filters
from migfix.sql.logic import ALWAYS, NEVER, all_of, any_of, negated, not_null_fields
from migfix.sql.nodes import (
    All,
    Any,
    Condition,
    Constant,
    Exists,
    IsNull,
    Items,
    Lookup,
    Named,
    Not,
    OuterRef,
    Select,
)
from migfix.sql.types import constant
from tests.sql.made import column, equal, linked, member, write

Row = Mapping[str, int | None]
ROWS: list[Row] = [
    dict(zip("abc", values, strict=True)) for values in itertools.product((0, 1, 2, None), repeat=3)
]


def holds(condition: Condition, row: Row) -> bool:
    """Python's answer."""
    match condition:
        case Not(term=term):
            return not holds(term, row)
        case All(terms=terms):
            return all(holds(term, row) for term in terms)
        case Any(terms=terms):
            return any(holds(term, row) for term in terms)
        case IsNull(subject=subject, yes=yes):
            return (row[subject.name] is None) is yes
        case Lookup(subject=subject, value=Constant(value=value)):
            return row[subject.name] == value
        case Lookup(subject=subject, value=tuple(values)):
            return row[subject.name] in {v.value for v in values if isinstance(v, Constant)}
    raise AssertionError(condition)


class Q:
    """Django's ``Q`` over one row: lookups, ``&``, ``|`` and ``~``."""

    def __init__(self, **lookups: object) -> None:
        self.test: Callable[[Row], bool] = lambda row: all(
            _matches(row, key, value) for key, value in lookups.items()
        )

    @classmethod
    def of(cls, test: Callable[[Row], bool]) -> Q:
        made = cls()
        made.test = test
        return made

    def __and__(self, other: Q) -> Q:
        return Q.of(lambda row: self.test(row) and other.test(row))

    def __or__(self, other: Q) -> Q:
        return Q.of(lambda row: self.test(row) or other.test(row))

    def __invert__(self) -> Q:
        return Q.of(lambda row: not self.test(row))


def _matches(row: Row, key: str, value: object) -> bool:
    name, _, lookup = key.partition("__")
    if lookup == "isnull":
        return (row[name] is None) is value
    if lookup == "in":
        assert isinstance(value, list)
        return row[name] in value
    return row[name] == value


class When(Q):
    """``When`` without its ``then``."""

    def __init__(self, *tests: Q, **lookups: object) -> None:
        super().__init__(**lookups)
        (self.test,) = [test.test for test in tests] or [self.test]


class Rows:
    """A queryset of ``ROWS``."""

    def __init__(self, tests: tuple[Q, ...] = ()) -> None:
        self.tests = tests

    def filter(self, *tests: Q, **lookups: object) -> Rows:
        return Rows((*self.tests, *tests, Q(**lookups)))

    def exclude(self, **lookups: object) -> Rows:
        return Rows((*self.tests, ~Q(**lookups)))

    def __iter__(self):
        return (row for row in ROWS if all(test.test(row) for test in self.tests))


def chain(condition: Condition) -> str:
    return filters.chain(condition, write())


ROWS_OF = Select("T.objects").then("filter", ("id", OuterRef("a")))


def lookups() -> st.SearchStrategy[Condition]:
    name = st.sampled_from("abc")
    is_equal = st.builds(equal, name, st.sampled_from([0, 1, 2]))
    is_member = st.builds(member, name, st.sampled_from([[0, 1], [2], [1, 2]]))
    null = st.builds(lambda n, yes: IsNull(column(n), yes), name, st.booleans())
    return st.one_of(is_equal, is_equal, is_member, null)


def conditions() -> st.SearchStrategy[Condition]:
    return st.recursive(
        st.one_of(lookups(), lookups(), lookups(), st.sampled_from([ALWAYS, NEVER])),
        lambda inner: st.one_of(
            st.builds(negated, inner),
            st.lists(inner, max_size=3).map(lambda terms: all_of(*terms)),
            st.lists(inner, max_size=3).map(lambda terms: any_of(*terms)),
        ),
        max_leaves=8,
    )


many = settings(max_examples=300, deadline=None, database=None, derandomize=True)


@many
@given(conditions())
def test_negation_holds_where_the_condition_does_not(condition):
    assert [holds(negated(condition), row) for row in ROWS] == [
        not holds(condition, row) for row in ROWS
    ]


@many
@given(st.lists(conditions(), max_size=3))
def test_joined_conditions_hold_where_all_or_any_do(terms):
    for row in ROWS:
        assert holds(all_of(*terms), row) == all(holds(term, row) for term in terms)
        assert holds(any_of(*terms), row) == any(holds(term, row) for term in terms)


def is_decided(condition: Condition) -> bool:
    """Always and never are no conditions that are written anywhere, nor are they parts of one."""
    match condition:
        case Not(term=term):
            return is_decided(term)
        case All(terms=terms) | Any(terms=terms):
            return not terms or any(map(is_decided, terms))
    return False


@many
@given(conditions().filter(lambda c: not is_decided(c)))
def test_what_is_written_means_the_same(condition):
    expected = [row for row in ROWS if holds(condition, row)]
    assert [row for row in ROWS if eval(filters.q(condition, write())).test(row)] == expected
    assert list(eval(f"Rows(){chain(condition)}")) == expected
    when = eval(f"When({filters.when(condition, write())})")
    assert [row for row in ROWS if when.test(row)] == expected


@many
@given(conditions())
def test_fields_that_are_said_not_to_be_null_are_not(condition):
    for name in not_null_fields(condition):
        assert not any(row[name] is None for row in ROWS if holds(condition, row))


@pytest.mark.parametrize(
    ("condition", "calls"),
    [
        (equal("a", 1), ".filter(a=1)"),
        (Not(equal("a", 1)), ".exclude(a=1)"),
        (all_of(equal("a", 1), equal("b", 2)), ".filter(a=1, b=2)"),
        (any_of(equal("a", 1), equal("a", 2)), ".filter(a__in=[1, 2])"),
        (any_of(equal("a", 1), member("a", [2, 1, 3])), ".filter(a__in=[1, 2, 3])"),
        (any_of(equal("a", 1), equal("b", 2)), ".filter(Q(a=1) | Q(b=2))"),
        (Not(All((equal("a", 1), equal("b", 2)))), ".exclude(a=1, b=2)"),
        (Lookup(column("a"), "lt", column("b")), '.filter(a__lt=F("b"))'),
        (Lookup(column("a"), "in", Items("SOME")), ".filter(a__in=SOME)"),
        (Lookup(column("a"), "in", Items("MAP", "MAP")), ".filter(a__in=list(MAP))"),
        (Exists(ROWS_OF), '.filter(Exists(T.objects.filter(id=OuterRef("a"))))'),
        (Not(Exists(ROWS_OF)), '.exclude(Exists(T.objects.filter(id=OuterRef("a"))))'),
        (ALWAYS, ""),
        (NEVER, ".none()"),
    ],
)
def test_the_plainest_words(condition, calls):
    assert chain(condition) == calls


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (equal("a", 1), Lookup(column("a"), "", column("b"))),
        (equal("a", 1), Lookup(column("a"), "in", Items("SOME"))),
        (equal("a", 1), Lookup(Named("a", column("b")), "", constant("2", 2))),
        (equal("a", 1), Lookup(linked("b", "a"), "", constant("2", 2))),
        (
            Lookup(linked("b", "a"), "", constant("1", 1)),
            Lookup(linked("b", "a"), "", constant("2", 2)),
        ),
    ],
)
def test_only_constants_of_one_column_of_the_row_are_joined(one, other):
    assert any_of(one, other) == Any((one, other))


def test_a_condition_is_denied_by_its_own_opposite():
    empty = Lookup(Named("size", column("a")), "", constant("0", 0))
    condition = replace(empty, name="gt", opposite=any_of(empty, IsNull(column("a"), True)))
    assert negated(condition) == condition.opposite
    assert negated(All((condition, equal("b", 1)))) == any_of(
        empty, IsNull(column("a"), True), Not(equal("b", 1))
    )


def test_two_computed_values_cannot_have_one_name():
    one, other = Named("size", column("a")), Named("size", column("b"))
    assert filters.alias([one, one], write()) == '.alias(size=F("a"))'
    with pytest.raises(Refused, match="several tests would be called `size`"):
        filters.alias([one, other], write())
