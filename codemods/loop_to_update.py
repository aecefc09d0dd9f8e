"""Turn a loop that sets fields and saves each row into one ``update()``.

Before:

    for order in Order.objects.filter(owner=bob):
        order.owner = sharon
        order.save()

After:

    Order.objects.filter(owner=bob).update(owner=sharon)

Branches become ``filter()`` and ``exclude()``, one ``Case``, or a few updates in a row; values may be
computed of the row (arithmetic, ``Concat``, ``Replace``...) or looked up in other tables; a list that
is collected for ``bulk_update()`` and an inner loop over the rows of each row go the same way.

Refuses when a value or condition has no exact form in SQL on every database of the project; when the
body does anything else than set fields of the row and save it; when ``save()`` would do more than write
what it read (``auto_now``, file, JSON and third-party fields); when an assigned column is unique; when
output would be lost; when a query inside of the queryset may read the table that is updated, which
SQLite and MySQL cannot do alike; and when the queryset's rows or the row itself are used elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from migfix.codemod import Codemod, Decision
from migfix.expressions.body import compile_body
from migfix.expressions.context import Context
from migfix.expressions.counting import (
    check_counted,
    counter_of,
    counting_caveats,
    start_of,
)
from migfix.expressions.others.checks import OuterUpdate
from migfix.expressions.others.updating import outer_updates
from migfix.expressions.preconditions import failing, gates, sources
from migfix.expressions.preconditions.loading import loads_again
from migfix.expressions.preconditions.storing import stored_paths, storing_caveats, with_clocks
from migfix.expressions.shapes import Update, statement_of, updates_of
from migfix.expressions.values import tables
from migfix.expressions.values.real import real_update
from migfix.facts.body import uses
from migfix.facts.costs import rows_held
from migfix.facts.loop import Loop
from migfix.findings import Gain, Outcome, Part, Reason, Refusal, ReplaceLoop, Rewrite


def decide(loop: Loop) -> Decision:
    if (others := outer_updates(loop, codemod.decision)) is not None:
        return _built_of(others, loop, "one update() of the rows that belong to these")
    if loop.used(uses.Kind.WRITE) and (real := real_update(loop)) is not None:
        text, caveat = real
        return _built_of([OuterUpdate(text, caveats=(caveat,))], loop, "one update()")
    if not loop.used(uses.Kind.WRITE) and not sources.updates_rows(loop):
        return None
    model, columns, caveats = gates.check_all(loop, "update")
    context = Context.of(loop, columns, sources.not_null_by_source(loop, columns))
    paths = stored_paths(compile_body(loop.node.body, context), loop)
    if any(path.deleted for path in paths):
        return None
    caveats += [*sources.source_caveats(loop), *loads_again(loop, columns)]
    caveats += [caveat for path in paths for caveat in path.caveats]
    if loop.bulk_update is None:  # which calls no save() and sends no signals
        caveats += gates.signal_caveats(loop, model)
        fails = failing.of_paths(loop, model, columns, paths)
        caveats += [*failing.partly(loop, fails), *failing.counted(loop, fails)]
    else:
        caveats = [caveat for caveat in caveats if caveat.reason is not Reason.CUSTOM_BASE]
        caveats += gates.init_caveats(loop, "update() makes no rows")
    caveats += [c for path in paths for v in (path.saved or {}).values() for c in v.caveats]
    caveats += storing_caveats(loop, model, columns, paths)
    paths = with_clocks(loop, columns, paths)
    counter = counter_of(loop, paths)
    caveats += counting_caveats(loop, counter)
    updates = updates_of(paths, columns, context)
    check_counted(counter, paths, [update.values for update in updates])
    caveats += gates.inheritance_caveats(
        loop, [v for each in updates for v in each.values.values()]
    )
    return _built(loop, updates, counter, tuple(dict.fromkeys(caveats)))


def _built_of(updates: Sequence[OuterUpdate], loop: Loop, what: str) -> Rewrite:
    made = sources.definition(loop)
    return Rewrite(
        part=Part.WHOLE,
        edit=ReplaceLoop(tuple(each.text for each in updates), (made,) if made else ()),
        message=f"{what} instead of a query for each",
        outcome=Outcome.UPDATE,
        gains=_gains("for each row", len(updates), loop),
        caveats=tuple(dict.fromkeys(c for each in updates for c in each.caveats)),
        imports=tuple(dict.fromkeys(i for each in updates for i in each.imports)),
    )


def _built(
    loop: Loop, updates: Sequence[Update], counter: str | None, caveats: tuple[Refusal, ...]
) -> Rewrite:
    written = [statement_of(update, loop) for update in updates]
    start = start_of(counter, loop) if counter else None
    bulk = loop.bulk_update.statements if loop.bulk_update else ()
    drops = [*bulk, start, sources.definition(loop), *tables.orphans(loop)]
    several = "one update()" if len(updates) == 1 else f"{len(updates)} update()s"
    return Rewrite(
        part=Part.WHOLE,
        edit=ReplaceLoop(
            tuple(_lines([line for line, _ in written], counter, start)),
            tuple(drop for drop in drops if drop is not None),
        ),
        message=f"{several} instead of {'bulk_update()' if bulk else 'a query per row'}",
        outcome=Outcome.UPDATE,
        gains=_gains("those of bulk_update()" if bulk else "for each row", len(updates), loop),
        caveats=caveats,
        imports=tuple(dict.fromkeys(import_ for _, needed in written for import_ in needed)),
    )


def _gains(queries: str, updates: int, loop: Loop) -> tuple[Gain, ...]:
    return Gain("queries", queries, str(updates)), Gain("rows held", rows_held(loop), "none")


def _lines(calls: Sequence[str], counter: str | None, start: ast.stmt | None) -> Iterator[str]:
    """The statements; the counter takes how many rows they matched."""
    for position, call in enumerate(calls):
        sign = "=" if start is not None and not position else "+="
        yield f"{counter} {sign} {call}" if counter else call


codemod = Codemod(__name__, "MF101", Part.WHOLE, decide)
__getattr__ = codemod.module_attribute
