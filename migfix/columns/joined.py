"""Which columns a body needs of the rows that ``select_related()`` joins to those of the loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from migfix.columns import needs
from migfix.expressions.context import Refused
from migfix.facts.body import uses
from migfix.facts.loop import Loop
from migfix.facts.rows.indexes import reads_table
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Rows
from migfix.reading.rows import relations
from migfix.sql.kinds import FILES


@dataclass(eq=False)
class Link:
    """A foreign key that the query follows. ``path`` is its name from the row: ``author__country``.

    ``needed`` are the columns of its target that are needed, None where all of them are.
    """

    path: str
    foreign_key: FieldState
    model: ModelState
    columns: Mapping[str, FieldState]
    needed: dict[str, None] | None = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """What ``only()`` says of it: nothing where ``author`` alone stands for all columns."""
        return [f"{self.path}__{name}" for name in self.needed or ()]

    @property
    def spared(self) -> dict[str, FieldState]:
        """The columns that are not needed, by their names from the row."""
        if self.needed is None:
            return {}
        columns = {column.name: column for column in self.columns.values()}
        return {
            f"{self.path}__{name}": column
            for name, column in columns.items()
            if name not in self.needed and column.primary_key is not True
        }


def links_of(loop: Loop, model: ModelState, *, is_ordered: bool) -> tuple[Link, ...]:
    """Every link of ``select_related()`` with what is needed of it. Raises ``Refused``."""
    links = {link.path: link for link in _links(loop, model)}
    for link in links.values():
        _add_what_always_is(link, links, loop)
    for lookup in needs.prefetches(loop):
        for path in links:
            if f"{lookup}__".startswith(f"{path}__"):
                links[path].needed = None
    for use in loop.used(uses.Kind.READ):
        if use.field in links:
            _follow(use, links[use.field], links, loop)
    for link in links.values():
        above = links.get(link.path.rpartition("__")[0])
        if above is not None and above.needed is None:
            link.needed = None
        if link.needed is not None:
            _settle(link, is_ordered=is_ordered)
    return tuple(links.values())


def _links(loop: Loop, model: ModelState) -> Iterator[Link]:
    """The links in the order of their depth, each once. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    paths: dict[str, None] = {}
    for step in loop.rows.steps:
        if step.name == "select_related":
            for lookup in _lookups(step.call):
                parts = lookup.split("__")
                paths |= dict.fromkeys("__".join(parts[: n + 1]) for n in range(len(parts)))
    models = {"": model}
    for path in sorted(paths, key=lambda path: path.count("__")):
        above, _, name = path.rpartition("__")
        found = relations.forward_target(loop.state, models[above].key, name)
        target = loop.state.model(*found[1]) if found else None
        columns = loop.columns_of(found[1]) if found else None
        if found is None or not isinstance(target, ModelState) or columns is None:
            raise Refused(
                Reason.QUERYSET_SHAPE, f"where `.select_related()` leads by `{path}` is not known"
            )
        models[path] = target
        yield Link(path, found[0], target, columns)


def _lookups(call: ast.Call | None) -> list[str]:
    arguments = call.args if call else []
    texts = [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if not texts or len(texts) != len(arguments) or (call and call.keywords):
        raise Refused(Reason.QUERYSET_SHAPE, "`.select_related()` does not name what it follows")
    return texts


def _add_what_always_is(link: Link, links: Mapping[str, Link], loop: Loop) -> None:
    """The foreign keys that lead on, and the column that the one that leads here holds.

    A class with code of the project needs all: it may read any.
    """
    assert link.needed is not None
    inner = (other for path, other in links.items() if path.rpartition("__")[0] == link.path)
    link.needed |= dict.fromkeys(other.foreign_key.name for other in inner)
    target = link.foreign_key.options.get("to_field")
    plain = all(column.has_column is True for column in link.columns.values())
    try:
        needs.check_plain(loop, link.model, link.columns)
    except Refused:
        plain = False
    if isinstance(loop.state.parents(link.model), Unknown) or any(
        isinstance(base, tuple) for base in link.model.bases
    ):
        plain = False
    if isinstance(target, str):
        link.needed[target] = None
    elif target is not None:
        plain = False
    if not plain:
        link.needed = None


def _follow(use: uses.Use, link: Link, links: Mapping[str, Link], loop: Loop) -> None:
    """Adds what becomes of the row behind ``row.author``."""
    if use.place is None or not isinstance(use.node, ast.expr):
        link.needed = None
        return
    for inner in uses.uses_at(use.node, use.place):
        column = link.columns.get(inner.field)
        match inner.kind:
            case uses.Kind.READ if column is not None and column.kind not in FILES:
                if column.kind == "OneToOneField" and inner.field == column.name:
                    link.needed = None  # it may lead back to this row
                if link.needed is not None:
                    link.needed[column.name] = None
                deeper = links.get(f"{link.path}__{inner.field}")
                if deeper is not None:
                    _follow(inner, deeper, links, loop)
            case uses.Kind.READ if inner.field == "pk":
                pass
            case uses.Kind.KEY:
                if link.needed is not None:
                    link.needed |= dict.fromkeys(needs.targets(loop, link.model))
            case _:
                link.needed = None


def _settle(link: Link, *, is_ordered: bool) -> None:
    """Names the key where nothing else is needed; takes all where an index could hold what is."""
    assert link.needed is not None
    columns = {column.name: column for column in link.columns.values()}
    key = next((name for name, column in columns.items() if column.primary_key is True), None)
    if key is None or not (is_ordered or reads_table([link.model], link.columns, link.needed)):
        link.needed = None
    elif not link.needed:
        link.needed[key] = None
