"""What a page is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from migfix.history.state import FieldState
from migfix.sql.databases.traits import Trait
from migfix.sql.nodes import Operation, Value


@dataclass(frozen=True, slots=True)
class Doubt:
    """It may differ. ``{}`` in ``why`` stands for the operation as it is written."""

    why: str


@dataclass(frozen=True, slots=True)
class Never:
    """It always fails, or differs. ``why`` is empty where nobody need be told."""

    why: str = ""


Answer: TypeAlias = Doubt | Never | None
"""None: as Python does it."""
Rule: TypeAlias = Callable[[Operation], Answer]
Storing: TypeAlias = Callable[[Value, FieldState], Answer]


@dataclass(frozen=True, slots=True)
class Page:
    """What is exact on a database, or not: all that is not listed is in doubt.

    ``operations`` go by name and family (``family_of``), ``stores`` by the family of what is stored, ``traits`` are
    those that it has.
    """

    operations: Mapping[tuple[str, str], Rule]
    stores: Mapping[str, Storing]
    traits: frozenset[Trait] = frozenset()


# Operations that turn what they are given into something else: they go by what they are given.
_BY_ARGUMENT = frozenset({"len", "str", "date", "time", "year", "month", "day"})


def family_of(node: Operation) -> str:
    return (node.arguments[0] if node.name in _BY_ARGUMENT else node).type.family


def exact(node: Operation) -> Answer:
    return None


def stored(value: Value, column: FieldState) -> Answer:
    """As it is computed."""
    return None


def lines(names: str, families: str, rule: Rule = exact) -> dict[tuple[str, str], Rule]:
    return {(name, family): rule for name in names.split() for family in families.split(", ")}


def storing(families: str) -> dict[str, Storing]:
    return dict.fromkeys(families.split(), stored)
