"""``row.fk.name``: columns of rows that the row points to, as SQL reads them.

A subquery finds one row by its key, where the loop loads it; so each link must be there (or the loop
would stop), its row too, and the table must be another one than that which is updated, whose rows
the loop changes as it goes. https://docs.djangoproject.com/en/stable/ref/models/expressions/#subquery-expressions
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from migfix.expressions.context import Context, Refused, SqlValue
from migfix.expressions.kinds import FOREIGN_KEYS
from migfix.expressions.references import imports, model_class
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelKey, ModelState, Unknown


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
    if column.target in updated_models(context):
        raise Refused(
            Reason.VALUE, f"`{column.name}` leads to rows of the table that the loop itself changes"
        )


def updated_models(context: Context) -> set[ModelKey]:
    """The models whose tables hold the loop's rows."""
    model = context.loop.model
    if isinstance(model, Unknown):
        return set()
    state = context.loop.state
    own = {model.key, *_ancestors(model, context)}
    others = (other for other in state.models.values() if isinstance(other, ModelState))
    return own | {other.key for other in others if own & _ancestors(other, context)}


def _ancestors(model: ModelState, context: Context) -> set[ModelKey]:
    parents = context.loop.state.parents(model)
    return set() if isinstance(parents, Unknown) else {parent.key for parent in parents}


def _manager_of(key: ModelKey, context: Context) -> str:
    """What sees every row of the model, as a foreign key does."""
    model = context.loop.state.model(*key)
    plain = isinstance(model, ModelState) and model.has_plain_managers
    return "objects" if plain else "_base_manager"


def subquery(linked: Linked, context: Context) -> SqlValue:
    """The column as a ``Subquery``. Raises ``Refused``."""
    first, *further = linked.links
    assert isinstance(first.target, tuple)
    model = context.loop.model_text(first.target)
    if model is None:
        raise Refused(
            Reason.NAME_CLASH, f"the function has no name for the model {'.'.join(first.target)}"
        )
    outer, query = model_class("OuterRef", context), model_class("Subquery", context)
    quoted = context.loop.names.quoted
    manager = _manager_of(first.target, context)
    to_field = first.options.get("to_field")
    key = to_field if isinstance(to_field, str) else "pk"
    path = "__".join([*(link.name for link in further), linked.column.name])
    text = (
        f"{query.text}({model}.{manager}.filter({key}={outer.text}({quoted(str(first.attname))}))"
        f".values({quoted(path)})[:1])"
    )
    reads = frozenset({first.name})
    return SqlValue(text, reads, imports=imports(outer, query), kind=linked.column.kind)
