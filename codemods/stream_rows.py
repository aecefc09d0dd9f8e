"""Read rows in chunks instead of all at once: ``.iterator()``, where the database streams it.

Before:

    for post in Post.objects.order_by("pk"):
        credit(post)

After, when PostgreSQL or Oracle is the project's only database:

    for post in Post.objects.order_by("pk").iterator():
        credit(post)

Refuses when the queryset's rows are used again, since every use would then run a query of its own
and see other objects; when the rows are kept or come from raw SQL; and where ``.iterator()`` would
not stream or not give the same rows, or would hold too much, as its 2,000 rows at a time may have a
long text, JSON or binary column; and where the order of rows that are not sorted by something unique
shows in what the loop leaves, as PostgreSQL may find them in another way for ``.iterator()``: all that is
what server-side-cursor is for.
"""

from __future__ import annotations

from migfix.codemod import Codemod, Decision
from migfix.columns.ordering import cursor_refusal
from migfix.columns.widths import too_wide
from migfix.expressions.preconditions import gates
from migfix.facts.costs import rows_held
from migfix.facts.loop import Loop
from migfix.facts.rows.counts import needs_counts
from migfix.facts.rows.streaming import (
    already_streams,
    cannot_stream,
    needs_batches,
    plain_iterator_falls_short,
    streams_already,
)
from migfix.findings import ChainCall, Gain, Outcome, Part, Reason, Refusal, Rewrite
from migfix.reading.kinds.values import RawRows


def decide(loop: Loop) -> Decision:
    if isinstance(loop.rows, RawRows):
        return Refusal(Reason.RAW_SQL, f"the rows come from {loop.rows.what}")
    if already_streams(loop):
        return streams_already(loop)
    refusal = cannot_stream(loop, in_batches=True)
    refusal = refusal or plain_iterator_falls_short(loop) or too_wide(loop)
    if refusal := refusal or cursor_refusal(loop):
        return cannot_stream(loop) or refusal
    return Rewrite(
        part=Part.SOURCE,
        edit=ChainCall("iterator"),
        message="streams its rows with .iterator()",
        outcome=Outcome.STREAM,
        gains=(Gain("rows held", rows_held(loop), "a chunk"),),
        caveats=tuple(gates.init_caveats(loop, gates.MADE_LATER)),
        beside=needs_batches(loop, Part.WRITES) + needs_counts(loop),
    )


codemod = Codemod(__name__, "MF202", Part.SOURCE, decide)
__getattr__ = codemod.module_attribute
