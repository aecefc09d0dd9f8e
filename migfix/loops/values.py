"""What an expression of a migration can stand for, as far as it matters to a loop over rows."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TypeAlias

from migfix.history.state import ModelKey


@dataclass(frozen=True, slots=True)
class Apps:
    """The registry of historical models that RunPython passes in."""


@dataclass(frozen=True, slots=True)
class SchemaEditor:
    """The schema editor that RunPython passes in, and its connection and cursors."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model class. ``key`` is None when it is not known which; ``real`` when it was imported."""

    key: ModelKey | None
    real: bool = False


@dataclass(frozen=True, slots=True)
class Manager:
    """``Model.objects`` and its like; ``related`` when it hangs on a row."""

    model: Model
    name: str
    related: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a queryset chain: ``.filter(...)``, a slice (``[]``), ``|``, ``list()``."""

    name: str
    node: ast.expr

    @property
    def call(self) -> ast.Call | None:
        return self.node if isinstance(self.node, ast.Call) else None


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
class RawRows:
    """Rows of ``Model.objects.raw(...)`` or of a database cursor."""

    what: str


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


Value: TypeAlias = Apps | SchemaEditor | Model | Manager | Rows | RawRows | Row | Pair | None
"""None: anything else."""

Argument: TypeAlias = Value | Text
"""What a parameter stands for."""
