"""Load only the columns that a loop needs: ``.only(...)``, or ``.defer(...)`` of the few others.

Before:

    for post in Post.objects.all():
        post.author = credit(post.title)
        post.save()

After:

    for post in Post.objects.only("author", "title"):
        post.author = credit(post.title)
        post.save()

A ``save()`` of such a row writes the listed columns and no others, so a column that ``save()``
computes (``auto_now``) is always in the list, and so is one that it may store in another form (JSON,
files that may be NULL, decimals on SQLite). Rows that ``select_related()`` joins are narrowed with
it: ``.only("author", "author__name", "title")``.

Rows that a name holds for other uses as well are narrowed where they are made, if these count or test them, ask one
for its key, give them to ``bulk_update()`` (whose fields are in the list, too) or make a query that names its own columns:
``page = list(Post.objects.filter(pk__gt=last).only("author", "title")[:1000])``.

Refuses when the row is handed to code that is not in the file; when every column is needed, or all
but one or two small ones; when a full ``save()`` follows and the body may change the same rows in
other ways. Unsafe when what the loop leaves depends on the order of its rows (the last one wins, they
are numbered, printed or make new rows), these are not sorted by something unique, and loading less may
bring ties in another order: after any sort, and where an index holds all that is left to load. A slice
then takes other rows, and a window function numbers others, whatever the loop does: it refuses these.
"""

from __future__ import annotations

from migfix.codemod import Codemod, Decision
from migfix.columns.narrow_saves import listing
from migfix.columns.narrowing import Narrowing, narrowing
from migfix.facts.loop import Loop
from migfix.facts.rows.counts import needs_counts
from migfix.facts.rows.streaming import needs_batches_of_rows
from migfix.findings import ChainCall, Gain, Outcome, Part, ReplaceExpressions, Rewrite
from migfix.history.state import Unknown
from migfix.reading.kinds.values import Rows
from migfix.writes import bulk_updates


def decide(loop: Loop) -> Decision:
    if not isinstance(loop.rows, Rows) or loop.rows.has(
        "values", "values_list", "dates", "datetimes"
    ):
        return None
    found = narrowing(loop, batched=bulk_updates.is_batched(loop))
    only = found.method == "only"
    arguments = ", ".join(map(loop.names.quoted, found.names))
    beside = () if found.place else needs_counts(loop) + needs_batches_of_rows(loop)
    return Rewrite(
        part=Part.COLUMNS,
        edit=(
            ReplaceExpressions(((found.place, f".{found.method}({arguments})"),))
            if found.place
            else ChainCall(found.method, arguments, replaces_all=True)
        ),
        message=f"{'loads only' if only else 'does not load'} {listing(found.names, found.back)}",
        outcome=Outcome.STREAM,
        gains=_gains(found, loop),
        caveats=found.doubts,
        only=found.names if only else None,
        defer=None if only else found.names,
        beside=beside,
    )


def _gains(found: Narrowing, loop: Loop) -> tuple[Gain, ...]:
    """Of the row's own table; what is joined comes on top of both."""
    assert not isinstance(loop.columns, Unknown)  # else nothing is narrowed
    every = {column.name for column in loop.columns if column.has_column is True}
    keys = {column.name for column in loop.columns if column.primary_key is True}
    left = every & (keys | {*found.names}) if found.method == "only" else every - {*found.names}
    if len(left) == len(every):
        return ()
    return (Gain("columns loaded", str(len(every)), str(len(left))),)


codemod = Codemod(__name__, "MF201", Part.COLUMNS, decide)
__getattr__ = codemod.module_attribute
