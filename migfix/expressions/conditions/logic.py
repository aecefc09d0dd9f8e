"""Conditions on a row as ``filter()`` and ``Q`` take them: what they are, and how they are written.

Every form here is true or false, never NULL: Django's ``~Q`` says so for columns that may be NULL
(https://docs.djangoproject.com/en/stable/ref/models/querysets/#exclude).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from migfix.expressions.context import Refused
from migfix.findings import Reason, Refusal
from migfix.fragments import elements_of

Import: TypeAlias = tuple[str, str]
Alias: TypeAlias = tuple[str, str]
"""``.alias(name=text)``: something computed of a row for a condition to name."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """``field__lookup=value`` as in ``filter()``. ``not_null``: true of it means the field is not NULL.

    ``joins``: it looks at another table, which a ``When`` of an ``update()`` cannot.
    ``opposite`` is what holds where it does not, if ``~Q`` would not say that. ``others`` are columns
    of the row in ``value``.
    """

    key: str
    value: str
    field: str
    not_null: bool = True
    alias: Alias | None = None
    imports: tuple[Import, ...] = ()
    joins: bool = False
    opposite: Condition | None = None
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition that is an expression of its own: ``Exists(...)``."""

    text: str
    fields: frozenset[str]
    imports: tuple[Import, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    term: Condition


@dataclass(frozen=True, slots=True)
class All:
    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    terms: tuple[Condition, ...]


Condition: TypeAlias = Lookup | Expression | Not | All | Any
ALWAYS = All(())
NEVER = Any(())


@dataclass(frozen=True, slots=True)
class Test:
    """A compiled condition and what may differ with it."""

    condition: Condition
    caveats: tuple[Refusal, ...] = ()

    def negated(self) -> Test:
        return replace(self, condition=negated(self.condition))


def negated(condition: Condition) -> Condition:
    match condition:
        case Not(term=term):
            return term
        case Lookup(opposite=opposite) if opposite is not None:
            return opposite
        case Lookup(key=key, value="True" | "False" as value) if key.endswith("__isnull"):
            absent = value == "False"
            return replace(condition, value=str(absent), not_null=not absent)
        case All(terms=terms) if all(map(_is_negative, terms)) or _may_be_null(condition):
            return any_of(*map(negated, terms))
        case Any(terms=terms):
            return all_of(*map(negated, terms))
    return Not(condition)


def _may_be_null(condition: Condition) -> bool:
    """Is there a part that SQL cannot deny, as it is neither true nor false of NULL?"""
    return any(isinstance(each, Lookup) and each.opposite for each in lookups_of(condition))


def _is_negative(term: Condition) -> bool:
    return isinstance(term, Not) or (isinstance(term, Lookup) and term.key.endswith("__isnull"))


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
        key = term.key.removesuffix("__in")
        earlier = found.get((key,))
        if isinstance(earlier, Lookup):
            values = list(dict.fromkeys([*(_values(earlier) or ()), *values]))
            term = Lookup(f"{key}__in", f"[{', '.join(values)}]", term.field, imports=term.imports)
        found[(key,)] = term
    return list(found.values())


def _values(term: Lookup) -> list[str] | None:
    """The constants that the column is compared with, None for every other lookup."""
    if term.alias or term.joins or term.imports or term.others:
        return None
    if term.key.endswith("__in"):
        return elements_of(term.value)
    return None if "__" in term.key else [term.value]


def not_null_fields(condition: Condition) -> frozenset[str]:
    """Fields that cannot be NULL in a row for which the condition holds."""
    match condition:
        case Lookup(field=field, not_null=True):
            return frozenset({field})
        case Not(term=Any(terms=terms)):
            return frozenset().union(*(not_null_fields(negated(term)) for term in terms))
        case All(terms=terms):
            return frozenset().union(*map(not_null_fields, terms))
        case Any(terms=terms) if terms:
            return frozenset.intersection(*map(not_null_fields, terms))
    return frozenset()


def lookups_of(condition: Condition) -> tuple[Lookup | Expression, ...]:
    """Every lookup in the condition, in order."""
    match condition:
        case Not(term=term):
            return lookups_of(term)
        case All(terms=terms) | Any(terms=terms):
            return tuple(lookup for term in terms for lookup in lookups_of(term))
    return (condition,)


def fields_of(condition: Condition) -> frozenset[str]:
    """The columns of the row that decide on the condition."""
    return frozenset().union(
        *(
            each.fields if isinstance(each, Expression) else {each.field, *each.others}
            for each in lookups_of(condition)
        )
    )


def imports_of(condition: Condition) -> tuple[Import, ...]:
    return tuple(import_ for lookup in lookups_of(condition) for import_ in lookup.imports)


def aliases_of(condition: Condition) -> tuple[Alias, ...]:
    """What the condition needs to be computed first."""
    found = (lookup.alias for lookup in lookups_of(condition) if isinstance(lookup, Lookup))
    return tuple(alias for alias in found if alias is not None)


def alias_call(aliases: Iterable[Alias]) -> str:
    """``.alias(...)`` for all of them, each once. Raises ``Refused`` where two want one name."""
    texts: dict[str, str] = {}
    for name, text in aliases:
        if texts.setdefault(name, text) != text:
            raise Refused(Reason.CONDITION, f"several tests would be called `{name}`")
    given = ", ".join(f"{name}={text}" for name, text in texts.items())
    return f".alias({given})" if given else ""


def chain_calls(condition: Condition, q: str | None) -> str:
    """``.filter(...).exclude(...)`` for what must hold. ``q`` is the name of ``Q``.

    Raises ``Refused`` when a ``Q`` is needed and there is no name for it.
    """
    calls: list[str] = []
    together: dict[str, str] = {}
    for term in _terms(condition):
        match term:
            case Lookup(key=key, value=value) if key not in together:
                together[key] = value
            case Lookup(key=key, value=value):
                calls.append(f".filter({key}={value})")
            case Expression(text=text):
                calls.append(f".filter({text})")
            case Not(term=Expression(text=text)):
                calls.append(f".exclude({text})")
            case Not(term=Lookup(key=key, value=value)):
                calls.append(f".exclude({key}={value})")
            case Not(term=All(terms=terms)) if _is_plain(terms):
                calls.append(f".exclude({_keywords(_by_key(terms))})")
            case _:
                calls.append(f".filter({q_text(term, q)})")
    first = [f".filter({_keywords(together)})"] if together else []
    return "".join([*first, *calls])


def when_arguments(condition: Condition, q: str | None) -> str:
    """The condition of a ``When``: keywords where they say it, else a ``Q``."""
    if when_needs_q(condition):
        return q_text(condition, q)
    return _keywords(_by_key(_terms(condition)))


def _keywords(lookups: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in lookups.items())


def _by_key(terms: Iterable[Condition]) -> dict[str, str]:
    return {term.key: term.value for term in terms if isinstance(term, Lookup)}


def chain_needs_q(condition: Condition) -> bool:
    return not all(map(_is_one_call, _terms(condition)))


def _is_one_call(term: Condition) -> bool:
    """Can ``filter()`` or ``exclude()`` take the term without a ``Q``?"""
    match term:
        case Not(term=All(terms=terms)):
            return _is_plain(terms)
        case Not(term=inner):
            return isinstance(inner, Lookup | Expression)
    return isinstance(term, Lookup | Expression)


def when_needs_q(condition: Condition) -> bool:
    terms = _terms(condition)
    keys = {term.key for term in terms if isinstance(term, Lookup)}
    return len(keys) != len(terms) or bool(keys & WHEN_PARAMETERS)


# A field of such a name cannot be a keyword of ``When``.
WHEN_PARAMETERS = frozenset({"condition", "then"})


def _terms(condition: Condition) -> tuple[Condition, ...]:
    return condition.terms if isinstance(condition, All) else (condition,)


def q_text(condition: Condition, q: str | None) -> str:
    """The condition as one ``Q``. Raises ``Refused`` where ``q``, the name of ``Q``, is None."""
    if q is None:
        raise Refused(Reason.NAME_CLASH, "every name for `Q` means something else in this file")
    match condition:
        case Lookup(key=key, value=value):
            return f"{q}({key}={value})"
        case Expression(text=text):
            return f"{q}({text})"
        case Not(term=All(terms=terms)) if _is_plain(terms):
            return f"~{q_text(All(terms), q)}"
        case Not(term=All() | Any() as term):
            return f"~({q_text(term, q)})"
        case Not(term=term):
            return f"~{q_text(term, q)}"
        case All(terms=terms) if _is_plain(terms):
            return f"{q}({_keywords(_by_key(terms))})"
        case All(terms=terms):
            return " & ".join(_grouped(t, q, Any) for t in terms)
        case Any(terms=terms):
            return " | ".join(_grouped(t, q, All) for t in terms)


def _is_plain(terms: tuple[Condition, ...]) -> bool:
    """Can one ``Q`` take them all as keywords?"""
    keys = {term.key for term in terms if isinstance(term, Lookup)}
    return len(keys) == len(terms)


def _grouped(term: Condition, q: str, kind: type[All] | type[Any]) -> str:
    text = q_text(term, q)
    one_q = isinstance(term, All) and _is_plain(term.terms)
    return f"({text})" if isinstance(term, kind) and not one_q else text
