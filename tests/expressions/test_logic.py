"""What a condition is written as means what the condition means."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migfix.expressions.conditions.logic import (
    ALWAYS,
    NEVER,
    All,
    Any,
    Condition,
    Expression,
    Lookup,
    Not,
    all_of,
    any_of,
    chain_calls,
    negated,
    not_null_fields,
    q_text,
    when_arguments,
    when_needs_q,
)

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
        case Lookup(key=key, value=value):
            return Q(**{key: eval(value)}).test(row)
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


def lookups() -> st.SearchStrategy[Condition]:
    name = st.sampled_from("abc")
    equal = st.builds(lambda n, v: Lookup(n, str(v), n), name, st.sampled_from([0, 1, 2]))
    member = st.builds(
        lambda n, v: Lookup(f"{n}__in", str(v), n), name, st.sampled_from([[0, 1], [2], [1, 2]])
    )
    null = st.builds(
        lambda n, yes: Lookup(f"{n}__isnull", str(yes), n, not_null=not yes), name, st.booleans()
    )
    return st.one_of(equal, equal, member, null)


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
    assert [row for row in ROWS if eval(q_text(condition, "Q")).test(row)] == expected
    assert list(eval(f"Rows(){chain_calls(condition, 'Q')}")) == expected
    given = when_arguments(condition, "Q")
    when = eval(given if when_needs_q(condition) else f"Q({given})")
    assert [row for row in ROWS if when.test(row)] == expected


@many
@given(conditions())
def test_fields_that_are_said_not_to_be_null_are_not(condition):
    for name in not_null_fields(condition):
        assert not any(row[name] is None for row in ROWS if holds(condition, row))


@pytest.mark.parametrize(
    ("condition", "calls"),
    [
        (Lookup("a", "1", "a"), ".filter(a=1)"),
        (Not(Lookup("a", "1", "a")), ".exclude(a=1)"),
        (all_of(Lookup("a", "1", "a"), Lookup("b", "2", "b")), ".filter(a=1, b=2)"),
        (any_of(Lookup("a", "1", "a"), Lookup("a", "2", "a")), ".filter(a__in=[1, 2])"),
        (any_of(Lookup("a", "1", "a"), Lookup("b", "2", "b")), ".filter(Q(a=1) | Q(b=2))"),
        (Not(All((Lookup("a", "1", "a"), Lookup("b", "2", "b")))), ".exclude(a=1, b=2)"),
        (Expression("Exists(x)", frozenset()), ".filter(Exists(x))"),
        (Not(Expression("Exists(x)", frozenset())), ".exclude(Exists(x))"),
        (ALWAYS, ""),
    ],
)
def test_the_plainest_words(condition, calls):
    assert chain_calls(condition, "Q") == calls
