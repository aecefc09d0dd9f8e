"""What a ``delete()`` takes along: the relations that lead to the rows, through cascades too.

https://docs.djangoproject.com/en/stable/ref/models/fields/#django.db.models.ForeignKey.on_delete
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migfix.expressions.context import Refused
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelKey, ModelState, ProjectState
from migfix.reading.kinds.values import Rows

_CASCADE = "django.db.models.CASCADE"
# What may happen to rows of other tables without the order of the deletes showing.
_HARMLESS = frozenset({_CASCADE, "django.db.models.SET_NULL"})


def relation_caveats(loop: Loop, model: ModelState) -> Iterator[Refusal]:
    """What pointing rows undergo. Raises ``Refused`` where the order of the deletes decides."""
    own = _with_parents(loop.state, _table(loop.state, model.key))
    for table in _reached(loop.state, model):
        for key in _sharing(loop.state, table):
            if why := loop.state.relations_to(key).incomplete:
                yield Refusal(Reason.DELETE_RELATIONS, why)
        for other, field in _pointing(loop.state, table):
            if field is not None:
                yield from _doubts(other, field, is_own=_table(loop.state, other.key) in own)


def memory_caveats(loop: Loop, model: ModelState) -> Iterator[Refusal]:
    """Rows that the loop reads in parts, and ``delete()`` all at once."""
    assert isinstance(loop.rows, Rows)
    parts = loop.rows.has("iterator") and not loop.rows.has("list()")
    if not parts or {"list", "tuple"}.intersection(loop.wrappers):
        return
    if (why := taking_along(loop.state, model)) is not None:
        yield Refusal(
            Reason.KEEPS_ROWS,
            f"delete() holds all rows at once, which iterator() reads in parts, as {why}",
        )


def taking_along(state: ProjectState, model: ModelState) -> str | None:
    """Why ``delete()`` has to read the rows that it deletes; None where one statement deletes them.

    ``Collector.can_fast_delete`` of ``django.db.models.deletion``.
    """
    table = state.model(*_table(state, model.key))
    if not isinstance(table, ModelState) or any(isinstance(base, tuple) for base in table.bases):
        return f"{model.label} is in several tables"
    for key in _sharing(state, table.key):
        known = state.model(*key)
        own = known.fields if isinstance(known, ModelState) else ()
        if any(field.kind == "ManyToManyField" for field in own):
            return f"{model.label} has pairs with others"
        for other, _ in state.relations_to(key).found:
            return f"{other.label} points to them"
    child = next((other for other, field in _pointing(state, table.key) if field is None), None)
    return f"{child.label} inherits from them" if child else None


def failing_relation(loop: Loop, model: ModelState) -> str | None:
    """How deleting a row may fail: NULL is not what a row that points to it may hold; None if it cannot."""
    for table in _reached(loop.state, model):
        for other, field in _pointing(loop.state, table):
            if field is None or field.on_delete == _CASCADE:
                continue
            checked = "constraints" in other.options or other.unverified
            if field.null is not True or not field.verified or checked:
                return f"setting {other.label}.{field.name} to NULL may break a rule"
    return None


def changed_with(state: ProjectState, model: ModelState) -> Mapping[ModelKey, frozenset[str]]:
    """The models whose rows are gone or changed with rows of the model, and by which links of theirs."""
    found: dict[ModelKey, frozenset[str]] = {}
    for table in _reached(state, model):
        for other, field in _pointing(state, table):
            if field is not None:
                found[other.key] = found.get(other.key, frozenset()) | {field.name}
    return found


def _reached(state: ProjectState, model: ModelState) -> Iterator[ModelKey]:
    """The table of the model and those whose rows are deleted with its rows."""
    tables: set[ModelKey] = set()
    waiting = [_table(state, model.key)]
    while waiting:
        table = waiting.pop()
        if table in tables:
            continue
        tables.add(table)
        yield table
        waiting += _with_parents(state, table)
        waiting += [
            _table(state, other.key)
            for other, field in _pointing(state, table)
            if field is None or field.on_delete == _CASCADE
        ]


def _with_parents(state: ProjectState, table: ModelKey) -> list[ModelKey]:
    """The table, and those that hold the other columns of its rows."""
    found = [table]
    for each in found:  # which grows meanwhile
        model = state.models.get(each)
        bases = model.bases if isinstance(model, ModelState) else ()
        parents = (_table(state, base) for base in bases if isinstance(base, tuple))
        found += [parent for parent in parents if parent not in found]
    return found


def _doubts(other: ModelState, field: FieldState, is_own: bool) -> Iterator[Refusal]:
    name = f"{other.label}.{field.name}"
    if field.on_delete not in _HARMLESS:
        raise Refused(Reason.DELETE_RELATIONS, f"{name} neither cascades nor is set to NULL")
    if is_own:
        yield Refusal(Reason.DELETE_RELATIONS, f"{name} points to rows that are deleted as well")


def _pointing(
    state: ProjectState, table: ModelKey
) -> Iterator[tuple[ModelState, FieldState | None]]:
    """Models with the relation that leads to the table; None for that of a child to its parent."""
    for key in _sharing(state, table):
        for other, field in state.relations_to(key).found:
            if field.kind != "ManyToManyField":  # the rows between go with either end
                yield other, field
    for model in state.models.values():
        if isinstance(model, ModelState) and model.proxy is not True:
            parents = [base for base in model.bases if isinstance(base, tuple)]
            if any(_table(state, base) == table for base in parents):
                yield model, None


def _sharing(state: ProjectState, table: ModelKey) -> list[ModelKey]:
    """The model of the table and its proxies."""
    return [table, *(key for key in state.models if key != table and _table(state, key) == table)]


def _table(state: ProjectState, key: ModelKey) -> ModelKey:
    """The model whose table holds the rows: the one that a proxy stands for."""
    model = state.models.get(key)
    while isinstance(model, ModelState) and model.proxy is True:
        base = next((base for base in model.bases if isinstance(base, tuple)), None)
        if base is None or base == key:
            break
        key, model = base, state.models.get(base)
    return key
