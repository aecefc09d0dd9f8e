"""One way through a loop's body."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from migfix.expressions.context import Bound, Context, SqlValue, Test
from migfix.findings import Refusal
from migfix.sql.logic import NEVER, negated, not_null_fields
from migfix.sql.nodes import Condition


@dataclass(frozen=True, eq=False)
class Path:
    """What a row undergoes on this way.

    ``values`` are what is set so far, ``saved`` what the row's ``save()`` writes, both by field name;
    ``saved`` is None as long as no save() ran, ``saves`` counts them. ``fields`` are the names of
    ``update_fields``, None for a full save. ``unsaved`` names what was set after the last save().
    ``collected`` rows go into the list of a ``bulk_update()``, those ``by_query`` were changed by a query.
    ``counted`` says by how much counters grow; ``ended`` is set by ``continue`` and ``return``.
    """

    context: Context
    caveats: tuple[Refusal, ...] = ()
    values: Mapping[str, SqlValue] = field(default_factory=dict)
    saved: Mapping[str, SqlValue] | None = None
    saves: int = 0
    fields: frozenset[str] | None = None
    unsaved: frozenset[str] = frozenset()
    collected: bool = False
    by_query: bool = False
    deleted: bool = False
    ended: bool = False
    returned: Bound | None = None
    counted: Mapping[str, int] = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return self.context.facts

    def but(self, *caveats: Refusal) -> Path:
        """The path with more things that may differ."""
        new = tuple(caveat for caveat in caveats if caveat not in self.caveats)
        return dataclasses.replace(self, caveats=(*self.caveats, *new))

    def within(self, context: Context) -> Path:
        return dataclasses.replace(self, context=context)


def under(path: Path, test: Test) -> Path | None:
    """The path where the test holds too; None where it cannot."""
    condition, context = test.condition, path.context
    # What is denied twice may be written in another way: each is compared with the other's denial.
    denied = (negated(fact) for fact in context.facts)
    if condition == NEVER or negated(condition) in context.facts or condition in denied:
        return None
    if condition in context.facts or negated(condition) == NEVER:
        return path
    known = context.not_null | not_null_fields(condition)
    facts = (*context.facts, condition)
    return path.within(dataclasses.replace(context, not_null=known, facts=facts)).but(*test.caveats)


def branches(path: Path, test: Test) -> tuple[Path | None, Path | None]:
    """The path where the test holds and where it does not."""
    return under(path, test), under(path, test.negated())
