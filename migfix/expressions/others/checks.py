"""What must hold where one statement finds rows and updates those of another table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from migfix.expressions.context import Context, Refused
from migfix.expressions.values.related import may_be_updated
from migfix.facts.access import by_name
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal
from migfix.history.state import ModelState, Unknown
from migfix.reading.kinds.values import Manager, Rows, Step
from migfix.reading.names.scopes import walk
from migfix.reading.rows.lookups import stays_in_table
from migfix.reading.rows.methods import Does, methods
from migfix.sql.databases import Trait
from migfix.sql.logic import ALWAYS
from migfix.sql.nodes import (
    Condition,
    Exists,
    columns,
    parts,
)
from migfix.sql.render import Import


@dataclass(frozen=True)
class OuterUpdate:
    """One statement that updates rows of another table: its text, and what may differ."""

    text: str
    imports: tuple[Import, ...] = ()
    caveats: tuple[Refusal, ...] = ()


TAKING_ALL = methods(Does.KEEPS_ROWS)


def caveats_of_subquery(loop: Loop, condition: Condition = ALWAYS) -> Iterator[Refusal]:
    """What may differ where one statement finds the rows and changes others. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    if loop.rows.has("using", "db_manager"):
        raise Refused(Reason.QUERYSET_SHAPE, "the rows may be of another database than the others")
    linked = any(column.links for column in columns(condition))
    joins = linked or any(isinstance(part, Exists) for part in parts(condition))
    if not loop.databases.have(Trait.UPDATES_TABLE_IT_READS) and (
        joins or any(_reads_more(s, loop) for s in loop.rows.steps)
    ):
        yield Refusal(
            Reason.QUERYSET_SHAPE, "MySQL cannot update a table that its own filter reads"
        )


def _reads_more(step: Step, loop: Loop) -> bool:
    """May the step read other tables than that of the rows?"""
    if step.name in TAKING_ALL:
        return False
    if step.call is None or step.call.args:
        return True
    return not all(_is_own(keyword, loop) for keyword in step.call.keywords)


def _is_own(keyword: ast.keyword, loop: Loop) -> bool:
    """``name=1``, ``name__gt=1``: a test of the row's own column with a value that is no query."""
    columns = by_name(loop.columns) if not isinstance(loop.columns, Unknown) else {}
    if not stays_in_table(keyword.arg, columns):
        return False
    inside = [n for n in walk(keyword.value) if isinstance(n, ast.expr)]
    return not any(isinstance(loop.resolver.value(n), (Manager, Rows)) for n in inside)


def check_other(model: ModelState, context: Context) -> None:
    if not model.has_plain_managers:
        raise Refused(Reason.CUSTOM_MANAGER, f"{model.label} has managers of its own")
    if may_be_updated(model.key, context) or any(isinstance(b, tuple) for b in model.bases):
        raise Refused(Reason.INHERITANCE, f"{model.label} shares its table with the loop's rows")
