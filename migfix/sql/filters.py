"""Conditions as ``filter()``, ``exclude()``, ``Q`` and ``When`` take them: how these are written.

https://docs.djangoproject.com/en/stable/topics/db/queries/#complex-lookups-with-q-objects
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from migfix.findings import Reason, Refused
from migfix.sql.logic import NEVER
from migfix.sql.nodes import (
    All,
    Any,
    Condition,
    Exists,
    IsNull,
    Items,
    Lookup,
    Named,
    Not,
    Select,
    Value,
)

# A field of such a name cannot be a keyword of ``When``.
WHEN_PARAMETERS = frozenset({"condition", "then"})


class Writer(Protocol):
    """What writes values."""

    def value(self, value: Value) -> str: ...
    def rows(self, rows: Select) -> str: ...
    def model(self, name: str) -> str: ...


def alias(computed: Iterable[Named], write: Writer) -> str:
    """``.alias(...)`` for all of them, each once. Raises ``Refused`` where two want one name."""
    found: dict[str, Named] = {}
    for each in computed:
        if found.setdefault(each.name, each) != each:
            raise Refused(Reason.CONDITION, f"several tests would be called `{each.name}`")
    given = ", ".join(f"{each.name}={write.value(each.value)}" for each in found.values())
    return f".alias({given})" if given else ""


def chain(condition: Condition, write: Writer) -> str:
    """``.filter(...).exclude(...)`` for what must hold."""
    if condition == NEVER:
        return ".none()"
    calls: list[str] = []
    together: dict[str, Lookup | IsNull] = {}
    for term in _terms(condition):
        match term:
            case Lookup() | IsNull() if term.key not in together:
                together[term.key] = term
            case Lookup() | IsNull():
                calls.append(f".filter({_keyword(term, write)})")
            case Exists():
                calls.append(f".filter({_exists(term, write)})")
            case Not(term=Exists() as inner):
                calls.append(f".exclude({_exists(inner, write)})")
            case Not(term=Lookup() | IsNull() as inner):
                calls.append(f".exclude({_keyword(inner, write)})")
            case Not(term=All(terms=terms)) if _is_plain(terms):
                calls.append(f".exclude({_keywords(terms, write)})")
            case _:
                calls.append(f".filter({q(term, write)})")
    first = [f".filter({_keywords(together.values(), write)})"] if together else []
    return "".join([*first, *calls])


def when(condition: Condition, write: Writer) -> str:
    """The condition of a ``When``: keywords where they say it, else a ``Q``."""
    terms = _terms(condition)
    keys = {term.key for term in terms if isinstance(term, Lookup | IsNull)}
    if len(keys) != len(terms) or keys & WHEN_PARAMETERS:
        return q(condition, write)
    return _keywords(terms, write)


def q(condition: Condition, write: Writer) -> str:
    """The condition as one ``Q``."""
    name = write.model("Q")
    match condition:
        case Lookup() | IsNull():
            return f"{name}({_keyword(condition, write)})"
        case Exists():
            return f"{name}({_exists(condition, write)})"
        case Not(term=All(terms=terms)) if _is_plain(terms):
            return f"~{q(All(terms), write)}"
        case Not(term=All() | Any() as term):
            return f"~({q(term, write)})"
        case Not(term=term):
            return f"~{q(term, write)}"
        case All(terms=terms) if _is_plain(terms):
            return f"{name}({_keywords(terms, write)})"
        case All(terms=terms):
            return " & ".join(_grouped(term, Any, write) for term in terms)
        case Any(terms=terms):
            return " | ".join(_grouped(term, All, write) for term in terms)


def _grouped(term: Condition, kind: type[All] | type[Any], write: Writer) -> str:
    text = q(term, write)
    one_q = isinstance(term, All) and _is_plain(term.terms)
    return f"({text})" if isinstance(term, kind) and not one_q else text


def _terms(condition: Condition) -> tuple[Condition, ...]:
    return condition.terms if isinstance(condition, All) else (condition,)


def _is_plain(terms: tuple[Condition, ...]) -> bool:
    """Can one ``Q`` take them all as keywords?"""
    keys = {term.key for term in terms if isinstance(term, Lookup | IsNull)}
    return len(keys) == len(terms)


def _keywords(terms: Iterable[Condition], write: Writer) -> str:
    known = (term for term in terms if isinstance(term, Lookup | IsNull))
    return ", ".join(_keyword(term, write) for term in known)


def _keyword(term: Lookup | IsNull, write: Writer) -> str:
    value = str(term.yes) if isinstance(term, IsNull) else _value(term, write)
    return f"{term.key}={value}"


def _value(lookup: Lookup, write: Writer) -> str:
    match lookup.value:
        case tuple(values):
            return f"[{', '.join(map(write.value, values))}]"
        case Items(source=source, mapping=mapping):
            return source if mapping is None else f"list({source})"
        case value:
            return write.value(value)


def _exists(condition: Exists, write: Writer) -> str:
    return f"{write.model('Exists')}({write.rows(condition.rows)})"
