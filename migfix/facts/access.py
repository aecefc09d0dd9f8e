"""``Access``: what is known of one place where a function meets rows of a database, whatever it does to them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar

from migfix.facts.failure.errors import Importers
from migfix.findings import Location, Refused
from migfix.history.state import FieldState, ModelKey, ModelState, ProjectState, Unknown
from migfix.project.discovery import top_folder
from migfix.reading.kinds.values import RawRows, Rows
from migfix.reading.names.functions import Function, Reach
from migfix.reading.names.module import Module
from migfix.reading.names.places import Names
from migfix.reading.rows.querysets import Resolver
from migfix.reading.rows.relations import possible_columns
from migfix.source import Source
from migfix.sql.databases import Databases

Self = TypeVar("Self", bound="Access")
Listener: TypeAlias = "Callable[[frozenset[str], ModelState | None, ProjectState], str | None]"


@dataclass(frozen=True)
class Surroundings:
    """What matters of the project besides its models.

    ``listener`` says where the project may hear one of these signals of rows of a model, or with None of any, as
    a state has it; None if nowhere.
    ``importers`` finds the modules that import one of the project's.
    ``batch_size`` is the number of rows that the user wants to be written in one go; None for that of the helper.
    """

    databases: Databases
    listener: Listener
    importers: Importers
    batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A function as one state reaches it, and what is around it."""

    function: Function
    reach: Reach
    names: Names
    surroundings: Surroundings


@dataclass(frozen=True, eq=False)
class Access:
    """Rows that ``node`` meets, as one migration state sees it."""

    source: Source
    module: Module
    names: Names
    function: str
    resolver: Resolver
    node: ast.stmt
    rows: Rows | RawRows
    state: ProjectState
    databases: Databases
    listener: Listener
    importers: Importers

    @classmethod
    def met(
        cls: type[Self],
        visit: Visit,
        node: ast.stmt,
        resolver: Resolver,
        rows: Rows | RawRows,
        **own: object,
    ) -> Self:
        """The rows that ``node`` meets; ``own`` is what this kind of access holds besides."""
        return cls(
            source=visit.reach.module.source,
            module=visit.reach.module,
            names=visit.names,
            function=visit.function.name,
            resolver=resolver,
            node=node,
            rows=rows,
            state=visit.reach.state,
            databases=visit.surroundings.databases,
            listener=visit.surroundings.listener,
            importers=visit.surroundings.importers,
            **own,
        )

    @cached_property
    def model(self) -> ModelState | Unknown:
        if not isinstance(self.rows, Rows):
            return Unknown("the rows come from raw SQL")
        key = self.rows.model.key
        if key is None:
            return Unknown("the model is not named by literals")
        return self.state.model(*key)

    @cached_property
    def columns(self) -> tuple[FieldState, ...] | Unknown:
        """The model's fields that have a column, or may have one, its parents' included."""
        if isinstance(self.model, Unknown):
            return self.model
        return possible_columns(self.state, self.model)

    def columns_of(self, key: ModelKey) -> Mapping[str, FieldState] | None:
        """The concrete fields of any model by name and by attname; None when they are not known."""
        model = self.state.model(*key)
        found = model if isinstance(model, Unknown) else possible_columns(self.state, model)
        return None if isinstance(found, Unknown) else by_name(found)

    @property
    def model_label(self) -> str | None:
        key = self.rows.model.key if self.rows.model else None
        known = self.state.model(*key) if key else None
        if isinstance(known, ModelState):
            return known.label
        return ".".join(key) if key else None

    def at(self, node: ast.AST) -> Location:
        """Where a message says that the node stands; the loop's own place for what stands nowhere."""
        if not isinstance(node, (ast.stmt, ast.expr)) or not hasattr(node, "lineno"):
            node = self.node
        library = self.module.library
        if self.module.holds(node) or library is None:
            return Location(node.lineno, self.source.column(node))
        other = next((each for each in library.read if each.holds(node)), None)
        if other is None:  # a rewrite made it up
            return Location(node.lineno, node.col_offset + 1)
        path = other.source.path
        shown = path.relative_to(top_folder(path.parent, library.files)).as_posix()
        return Location(node.lineno, other.source.column(node), shown)

    @contextmanager
    def locating(self, node: ast.AST) -> Iterator[None]:
        """A refusal from in here that names no place is one of the node."""
        try:
            yield
        except Refused as refused:
            refused.locate(self.at(node))
            raise

    def text(self, node: ast.expr) -> str:
        """The source of an expression on one line, also of one that a rewrite made up."""
        return self.source.segment(node) if hasattr(node, "lineno") else ast.unparse(node)


def by_name(columns: Iterable[FieldState]) -> dict[str, FieldState]:
    """Columns by the names that a row has for them: ``author`` and ``author_id``."""
    columns = tuple(columns)
    attnames = {c.attname: c for c in columns if isinstance(c.attname, str)}
    return attnames | {c.name: c for c in columns}
