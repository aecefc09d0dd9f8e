"""What the paths of a body come to: one ``update()``, or a few of them in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import eq

from migfix.expressions.context import Context, Refused, SqlValue
from migfix.expressions.decisions import Decision, Fork, among, answers, conditions, decide, where
from migfix.expressions.path import Path
from migfix.expressions.preconditions import saves, sources
from migfix.expressions.values.cases import case_value, check_own_columns
from migfix.expressions.values.computed import column_value
from migfix.expressions.values.related import renderer
from migfix.facts.loop import Loop
from migfix.findings import Reason
from migfix.history.state import FieldState
from migfix.reading.kinds.values import Rows
from migfix.sql import filters
from migfix.sql.kinds import FOREIGN_KEYS
from migfix.sql.logic import NEVER
from migfix.sql.nodes import Condition, Step, named, reads
from migfix.sql.render import Import

_MAX_UPDATES = 4


@dataclass(frozen=True)
class Update:
    """``filter(condition).update(values)``"""

    condition: Condition
    values: Mapping[str, SqlValue]


def updates_of(
    paths: Sequence[Path], columns: Mapping[str, FieldState], context: Context
) -> list[Update]:
    """The fewest statements that leave what the paths leave. Raises ``Refused``."""
    stored = decide(paths, lambda path: bool(path.saved))
    condition = where(stored, bool)
    if condition == NEVER:
        raise Refused(
            Reason.NEVER_SAVED, "no assigned value reaches a save(): nothing is stored today"
        )
    decisions = {name: _decision(name, paths, columns, context) for name in _names(paths)}
    if not any(isinstance(decision, Fork) for decision in decisions.values()):
        return [Update(condition, {n: d for n, d in decisions.items() if isinstance(d, SqlValue)})]
    several = _several(paths, context)
    if several is not None and len(several) == 2 and len(decisions) > 1:
        return several
    try:
        return [_with_cases(condition, decisions, columns, context)]
    except Refused:
        if several is None:
            raise
        return several


def _names(paths: Sequence[Path]) -> list[str]:
    return list(dict.fromkeys(name for path in paths for name in path.saved or ()))


def _decision(
    name: str, paths: Sequence[Path], columns: Mapping[str, FieldState], context: Context
) -> Decision[SqlValue]:
    """Which value the column gets in which of the stored rows; its own where a path leaves it alone."""
    own = column_value(columns[name], context)

    def value(path: Path) -> SqlValue | None:
        return (path.saved or {}).get(name, own) if path.saved else None

    found = among(decide(paths, value), lambda answer: answer is not None)
    assert found is not None
    return found  # type: ignore[return-value]


def _several(paths: Sequence[Path], context: Context) -> list[Update] | None:
    """Statements one after the other; None where an earlier one would change a later one's rows."""
    groups: dict[Condition, dict[str, SqlValue]] = {}
    for name in _names(paths):
        decision = decide(paths, _saved_as(name))
        for value in dict.fromkeys(answer for answer in answers(decision) if answer is not None):
            groups.setdefault(where(decision, partial(eq, value)), {})[name] = value
    updates = [Update(rows, values) for rows, values in groups.items()]
    return updates if len(updates) <= _MAX_UPDATES and _in_order(updates, context) else None


def _saved_as(name: str) -> Callable[[Path], SqlValue | None]:
    return lambda path: (path.saved or {}).get(name)


def _in_order(updates: Sequence[Update], context: Context) -> bool:
    """Does none of them see what an earlier one has set, and may rows be stored between them?"""
    if len(updates) == 1:
        return True
    done: set[str] = set()
    rows = context.loop.rows
    assert isinstance(rows, Rows)
    if saves.has_constraints(context.loop):  # which a row may break between two statements
        return False
    for position, update in enumerate(updates):
        read = reads(update.condition).union(*(v.reads for v in update.values.values()))
        if done & read:
            return False
        if position and any(saves.may_choose_by(done, step) for step in rows.steps):
            return False
        if position and rows.manager.related and _holds_link(done, context):
            return False
        done |= set(update.values) | {value.attribute for value in update.values.values()}
    return saves.is_repeatable(context.loop)


def _holds_link(names: set[str], context: Context) -> bool:
    """Is there a foreign key among the columns, perhaps the one by which ``parent.items`` finds rows?"""
    return any(context.columns[name].kind in FOREIGN_KEYS for name in names)


def _with_cases(
    condition: Condition,
    decisions: Mapping[str, Decision[SqlValue]],
    columns: Mapping[str, FieldState],
    context: Context,
) -> Update:
    for decision in decisions.values():
        check_own_columns(list(conditions(decision)))
    values = {
        name: case_value(decision, columns[name], context) for name, decision in decisions.items()
    }
    return Update(condition, values)


def statement_of(update: Update, loop: Loop) -> tuple[str, tuple[Import, ...]]:
    """The source of one update and what it needs imported. Raises ``Refused``."""
    ordered = saves.in_set_order(loop, update.values)
    write = renderer(loop)
    computed = [*named(update.condition), *(n for _, value in ordered for n in named(value.node))]
    calls = filters.alias(computed, write) + filters.chain(update.condition, write)
    given = tuple((value.attribute, value.node) for _, value in ordered)
    text = f"{sources.source_text(loop)}{calls}{write.step(Step('update', given))}"
    return text, write.imports
