"""Nodes of integer columns called as they are, and what writes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from migfix.history.state import FieldState
from migfix.sql.nodes import Column, Lookup
from migfix.sql.render import Renderer
from migfix.sql.types import constant, type_of_column


class Names:
    """Everything is called by its own name."""

    def models(self, name: str):
        return Called(name)

    function = models

    def today(self):
        return Called("date.today")

    def timezone_now(self):
        return Called("timezone.now")

    def quoted(self, text: str) -> str:
        return f'"{text}"'


@dataclass
class Called:
    text: str
    import_: None = None


def write() -> Renderer:
    return Renderer(Names(), lambda key: f"{key[1]}.objects")


def column(name: str) -> Column:
    state = FieldState(name, "django.db.models.IntegerField")
    return Column((name,), type_of_column(state), state)


def linked(*path: str) -> Column:
    return replace(column(path[-1]), path=path, links=(column(path[0]).column,))


def equal(name: str, value: int) -> Lookup:
    return Lookup(column(name), "", constant(str(value), value))


def member(name: str, values: list[int]) -> Lookup:
    return Lookup(column(name), "in", tuple(constant(str(each), each) for each in values))
