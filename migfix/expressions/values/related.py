"""``row.fk.name``: columns of rows that the row points to, as SQL reads them.

A subquery finds one row by its key, where the loop loads it; so each link must be there (or the loop
would stop), its row too, and the table must be another one than that which is updated, whose rows
the loop changes as it goes. https://docs.djangoproject.com/en/stable/ref/models/expressions/#subquery-expressions
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from migfix.expressions.context import Context, Refused
from migfix.facts.loop import Loop
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelKey, ModelState, Unknown
from migfix.reading.rows.lookups import share_table
from migfix.sql.kinds import FOREIGN_KEYS
from migfix.sql.render import Renderer


@dataclass(frozen=True, slots=True)
class Linked:
    """``row.a.b.name``: the foreign keys ``a`` and ``b``, and the column of the last row.

    ``attribute`` is how the body calls the column: ``name``, or ``fk_id`` of a foreign key.
    """

    links: tuple[FieldState, ...]
    column: FieldState
    attribute: str

    @property
    def is_instance(self) -> bool:
        return self.column.kind in FOREIGN_KEYS and self.attribute == self.column.name


def linked_column(node: ast.expr, context: Context) -> Linked | None:
    """The column that ``row.fk.name`` reads; None where that is not what the node is.

    Raises ``Refused`` where it is, and the loop may stop there or meet rows that it changed.
    """
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node, context = context.settled(node.value)
    if len(names) < 2 or not context.is_row(node):
        return None
    links: list[FieldState] = []
    columns = context.columns
    for name in names[:-1]:
        column = columns.get(name)
        if column is None or column.kind not in FOREIGN_KEYS or name != column.name:
            return None
        _check_link(column, links, context)
        links.append(column)
        assert isinstance(column.target, tuple)
        columns = context.loop.columns_of(column.target) or {}
    found = _named(names[-1], columns)
    return Linked(tuple(links), found, names[-1]) if found else None


def _named(name: str, columns: object) -> FieldState | None:
    assert isinstance(columns, dict)
    if name == "pk":
        return next((c for c in columns.values() if c.primary_key is True), None)
    return columns.get(name)


def _check_link(column: FieldState, before: Sequence[FieldState], context: Context) -> None:
    """The row that the link leads to is there, is loaded as it is stored, and is no updated one."""
    context.check_link(column)
    if not before and column.name in context.assigned:
        raise Refused(Reason.VALUE, f"`{column.name}` is read after it was set to another row")
    certain = column.null is False and column.verified
    if not certain and (before or not context.is_not_null(column)):
        raise Refused(
            Reason.NULLABLE,
            f"`{column.name}` may be NULL: the loop would stop there, SQL would not",
        )
    assert isinstance(column.target, tuple)  # check_link has found the model
    is_changed_one = not before and column.name == context.through
    if not is_changed_one and may_be_updated(column.target, context):
        raise Refused(
            Reason.VALUE, f"`{column.name}` leads to rows of a table that the loop itself changes"
        )


def may_be_updated(key: ModelKey, context: Context, own: Collection[str] = ()) -> bool:
    """May the table of the model hold rows that the loop changes as it goes?

    ``own`` are the foreign keys by which they belong to the loop's row, where only such rows matter: what
    is deleted with other rows are none of these.
    """
    model, state = context.loop.model, context.loop.state
    if isinstance(model, Unknown) or share_table(key, model.key, state):
        return True
    return any(
        not links or not links.issubset(own)
        for changed, links in context.changing.items()
        if share_table(key, changed, state)
    )


def renderer(loop: Loop) -> Renderer:
    return Renderer(loop.names, lambda key: _rows_of(key, loop))


def _rows_of(key: ModelKey, loop: Loop) -> str:
    """All rows of the model, as a foreign key sees them. Raises ``Refused``."""
    name = loop.model_text(key)
    if name is None:
        raise Refused(Reason.NAME_CLASH, f"the function has no name for the model {'.'.join(key)}")
    model = loop.state.model(*key)
    plain = isinstance(model, ModelState) and model.has_plain_managers
    return f"{name}.{'objects' if plain else '_base_manager'}"
