"""What each database does. What is not on its page is in doubt; an engine without one doubts all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState
from migfix.sql.databases import django, mysql, oracle, postgresql, sqlite
from migfix.sql.databases.page import Answer, Doubt, Never, Page, family_of
from migfix.sql.databases.traits import Trait as Trait
from migfix.sql.nodes import Operation, Value, parts
from migfix.sql.render import Renderer

PAGES: dict[str, Page] = {
    "Django": django.PAGE,  # on the way to each of them
    "postgresql": postgresql.PAGE,
    "mysql": mysql.MYSQL,
    "mariadb": mysql.MARIADB,
    "sqlite": sqlite.PAGE,
    "oracle": oracle.PAGE,
}
_EMPTY = Page({}, {})


@dataclass(frozen=True)
class Databases:
    """What the project may run on; ``certain`` when its settings or the user said so.

    ``unknown`` says where the project names a database of which nothing is known, ``why`` why it may be these.
    """

    names: frozenset[str]
    certain: bool = False
    unknown: str | None = None
    why: str = ""

    @property
    def engines(self) -> frozenset[str]:
        """The names, and one of which nothing is known where the project has such an engine."""
        return self.names if self.unknown is None else self.names | {"an unknown engine"}

    def have(self, trait: Trait) -> bool:
        """Does each of them have it?"""
        return all(trait in PAGES.get(name, _EMPTY).traits for name in self.engines)


class Impossible(Exception):
    """There is no form for one of the databases. ``why`` is empty where nobody need be told."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def doubts(
    value: Value, column: FieldState, databases: frozenset[str], write: Renderer
) -> tuple[Refusal, ...]:
    """What may differ where the value is stored in the column. Raises ``Impossible``."""
    found: dict[Refusal, None] = {}
    for node, answer in _answers(value, column, databases):
        if isinstance(answer, Never):
            raise Impossible(answer.why)
        if answer is not None:
            found[Refusal(Reason.VALUE, answer.why.replace("{}", write.value(node)))] = None
    return tuple(found)


def _answers(
    value: Value, column: FieldState, databases: frozenset[str]
) -> Iterator[tuple[Value, Answer]]:
    """What differs from Python, innermost first."""
    names = ["Django", *sorted(databases)]
    for each in parts(value):
        if isinstance(each, Operation):
            yield from ((each, _computed(each, name)) for name in names)
    yield from ((value, _stored(value, column, name)) for name in names)


def _computed(node: Operation, name: str) -> Answer:
    rule = PAGES.get(name, _EMPTY).operations.get((node.name, family_of(node)))
    return rule(node) if rule else Doubt(f"what {name} makes of `{{}}` is not known")


def _stored(value: Value, column: FieldState, name: str) -> Answer:
    rule = PAGES.get(name, _EMPTY).stores.get(value.type.family)
    return rule(value, column) if rule else Doubt(f"how {name} stores `{{}}` is not known")
