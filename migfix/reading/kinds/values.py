"""What an expression of a migration can stand for, as far as it matters to a loop over rows."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from migfix.history.state import ModelKey


@dataclass(frozen=True, slots=True)
class Apps:
    """The registry of historical models that RunPython passes in."""


@dataclass(frozen=True, slots=True)
class SchemaEditor:
    """The schema editor that RunPython passes in, and what is reached through it.

    ``part``: Django's "connections" and a "connection" of them are reached by import as well, a
    "cursor" is Django's own wrapper, and "other" is anything else, such as a cursor of the driver.
    """

    part: Literal["editor", "connections", "connection", "cursor", "other"] = "editor"


@dataclass(frozen=True, slots=True)
class Model:
    """A model class. ``key`` is None when it is not known which; ``real`` when it was imported.

    ``is_plain``: making, loading and saving rows runs Django's own code alone, as with every
    historical model. ``instead`` is how one that was imported is taken from ``apps``, where that is known.
    """

    key: ModelKey | None
    real: bool = False
    is_plain: bool = True
    instead: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Manager:
    """``Model.objects`` and its like; ``related`` when it hangs on a row.

    ``links`` is the model, if any, whose rows pair those of a many-to-many relation with the row; None in
    it where that is not known.
    """

    model: Model
    name: str
    related: bool = False
    links: tuple[ModelKey | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a queryset chain: ``.filter(...)``, a slice (``[]``), ``|``, ``list()``.

    ``pages`` is the ``Paginator`` that takes the slice, None where it is written out.
    """

    name: str
    node: ast.expr
    pages: Pages | None = field(default=None, compare=False)

    @property
    def call(self) -> ast.Call | None:
        return self.node if isinstance(self.node, ast.Call) and self.pages is None else None

    @property
    def lookups(self) -> list[str | None]:
        """The names of lookups and orders in the arguments; None for each that is not written out."""
        if self.call is None:
            return []
        named = [name for argument in self.call.args for name in _lookups_in(argument)]
        return [*named, *(keyword.arg for keyword in self.call.keywords)]

    @property
    def expressions(self) -> list[str]:
        """The texts in calls among the arguments, which may name columns: ``F("name")``."""
        calls = [
            node
            for keyword in ast.walk(self.node)
            if isinstance(keyword, ast.keyword)
            for node in ast.walk(keyword.value)
            if isinstance(node, ast.Call)
        ]
        inside = (
            node.value
            for call in calls
            for node in ast.walk(call)
            if isinstance(node, ast.Constant)
        )
        return [text for text in inside if isinstance(text, str)]


def _lookups_in(argument: ast.expr) -> list[str | None]:
    """The names in ``"-name"`` and in ``Q(name=1) | ~Q(other=2)``."""
    match argument:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.UnaryOp(operand=inner):
            return _lookups_in(inner)
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd(), right=right):
            return [*_lookups_in(left), *_lookups_in(right)]
        case ast.Call(func=ast.Name(id="Q") | ast.Attribute(attr="Q"), args=args, keywords=given):
            names = [name for a in args for name in _lookups_in(a)]
            return [*(keyword.arg for keyword in given), *names]
    return [None]


@dataclass(frozen=True, slots=True)
class Rows:
    """A queryset: where its rows come from and every step of the chain, in order."""

    manager: Manager
    steps: tuple[Step, ...] = ()

    @property
    def model(self) -> Model:
        return self.manager.model

    def then(self, name: str, node: ast.expr) -> Rows:
        return replace(self, steps=(*self.steps, Step(name, node)))

    def has(self, *names: str) -> bool:
        return any(step.name in names for step in self.steps)


@dataclass(frozen=True, slots=True)
class Pages:
    """Django's ``Paginator`` of a queryset: each of its pages is a slice. ``size`` is how many rows go on one."""

    rows: Rows
    call: ast.Call

    @property
    def size(self) -> ast.expr | None:
        """The expression for the number of rows."""
        named = (keyword.value for keyword in self.call.keywords if keyword.arg == "per_page")
        return self.call.args[1] if len(self.call.args) > 1 else next(named, None)

    def page(self, node: ast.expr) -> Rows:
        """The rows of the page that ``node`` takes."""
        return replace(self.rows, steps=(*self.rows.steps, Step("[]", node, self)))


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows of ``Model.objects.raw(...)``, or of a database cursor where there is no model.

    ``call`` is that of ``raw()`` or of ``fetchall()`` and its like; None where the cursor itself, or
    anything else that belongs to a connection, is gone over. ``live`` rows are read as the loop goes
    where the driver does so.
    """

    model: Model | None = None
    call: ast.Call | None = None
    live: bool = False

    @property
    def what(self) -> str:
        return "raw SQL" if self.model else "a cursor"


@dataclass(frozen=True, slots=True)
class Row:
    """A saved instance of a historical model; ``may_be_none`` for ``.first()`` and nullable links."""

    model: Model
    may_be_none: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """``get_or_create`` and its like: a row and whether it is new."""

    row: Row


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a call passes for a parameter."""

    text: str


Value: TypeAlias = (
    Apps | SchemaEditor | Model | Manager | Rows | Pages | RawRows | Row | Pair | None
)
"""None: anything else."""

Argument: TypeAlias = Value | Text
"""What a parameter stands for."""
