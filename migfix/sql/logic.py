"""Conditions on a row put together and denied, in the plainest terms.

Every form here is true or false, never NULL: Django's ``~Q`` says so for columns that may be NULL
(https://docs.djangoproject.com/en/stable/ref/models/querysets/#exclude).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from migfix.sql.nodes import (
    All,
    Any,
    Column,
    Condition,
    Constant,
    IsNull,
    Lookup,
    Not,
    Outer,
    Value,
    parts,
)

ALWAYS = All(())
NEVER = Any(())


def negated(condition: Condition) -> Condition:
    match condition:
        case Not(term=term):
            return term
        case Lookup(opposite=opposite) if opposite is not None:
            return opposite
        case IsNull(yes=yes):
            return replace(condition, yes=not yes)
        case All(terms=terms) if all(map(_is_negative, terms)) or _may_be_null(condition):
            return any_of(*map(negated, terms))
        case Any(terms=terms):
            return all_of(*map(negated, terms))
    return Not(condition)


def _may_be_null(condition: Condition) -> bool:
    """Is there a part that SQL cannot deny, as it is neither true nor false of NULL?"""
    return any(isinstance(each, Lookup) and each.opposite for each in parts(condition))


def _is_negative(term: Condition) -> bool:
    return isinstance(term, Not | IsNull)


def all_of(*conditions: Condition) -> Condition:
    """The conjunction, flat, with every term once."""
    if NEVER in conditions:
        return NEVER
    terms = dict.fromkeys(
        term for c in conditions for term in (c.terms if isinstance(c, All) else (c,))
    )
    return next(iter(terms)) if len(terms) == 1 else All(tuple(terms))


def any_of(*conditions: Condition) -> Condition:
    """The disjunction, flat; several values of one column become ``column__in``."""
    if ALWAYS in conditions:
        return ALWAYS
    terms = dict.fromkeys(
        term for c in conditions for term in (c.terms if isinstance(c, Any) else (c,))
    )
    joined = _joined(list(terms))
    return joined[0] if len(joined) == 1 else Any(tuple(joined))


def _joined(terms: Sequence[Condition]) -> list[Condition]:
    """``a=1`` or ``a=2`` is ``a__in=[1, 2]``."""
    found: dict[object, Condition] = {}
    for term in terms:
        if not isinstance(term, Lookup) or (values := _values(term)) is None:
            found[term] = term
            continue
        earlier = found.get((term.subject,))
        if isinstance(earlier, Lookup):
            values = tuple(dict.fromkeys([*(_values(earlier) or ()), *values]))
            term = Lookup(term.subject, "in", values)
        found[(term.subject,)] = term
    return list(found.values())


def _values(term: Lookup) -> tuple[Value, ...] | None:
    """The constants that the column is compared with, None for every other lookup."""
    if not isinstance(term.subject, Column) or term.subject.links:
        return None
    match term:
        case Lookup(name="in", value=tuple(values)):
            return values
        case Lookup(name="", value=Constant() | Outer() as value):
            return (value,)
    return None


def not_null_fields(condition: Condition) -> frozenset[str]:
    """Fields that cannot be NULL in a row for which the condition holds."""
    match condition:
        case Lookup(subject=subject) | IsNull(subject=subject, yes=False):
            return frozenset({subject.own})
        case Not(term=Any(terms=terms)):
            return frozenset().union(*(not_null_fields(negated(term)) for term in terms))
        case All(terms=terms):
            return frozenset().union(*map(not_null_fields, terms))
        case Any(terms=terms) if terms:
            return frozenset.intersection(*map(not_null_fields, terms))
    return frozenset()
