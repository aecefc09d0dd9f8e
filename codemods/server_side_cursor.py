"""Stream rows with a helper where ``.iterator()`` would not stream or not give the same rows.

Before:

    for post in Post.objects.all():
        post.slug = slugify(post.title)
        post.save()

After:

    for post in stream(Post.objects.all()):
        post.slug = slugify(post.title)
        post.save()

MySQL and MariaDB send the whole result at once, SQLite shows a loop its own writes. ``stream``
comes from ``_migfix.py``, a module that migfix adds to the project: a server-side cursor
where that is the same as the full list, else rows spooled to a temporary file. It counts bytes, where
``.iterator()`` counts rows, so it is also taken for rows with a text, JSON or binary column.

Rows of ``Model.objects.raw(...)`` go through ``stream`` as well, and those of a cursor through
``stream_sql(connection, sql, params)``, which takes the place of ``cursor.execute(sql, params)`` and
``cursor.fetchall()``. A cursor that nothing needs any more goes.

Refuses when the queryset's rows are used again or kept, and when ``.iterator()`` is enough; and rows
of a cursor when its SQL is not surely one SELECT, when anything but plain assignments stands between
``execute()`` and the loop, and when anything reads what the cursor has run (``rowcount``).
"""

from __future__ import annotations

import ast
from dataclasses import replace

from migfix.codemod import Codemod, Decision
from migfix.columns.ordering import cursor_refusal
from migfix.columns.widths import too_wide
from migfix.expressions.preconditions import gates
from migfix.facts.body import effects
from migfix.facts.costs import rows_held
from migfix.facts.failure.surviving import outlives_errors
from migfix.facts.loop import Loop
from migfix.facts.rows.cursors import CursorQuery, superfluous, superfluous_with
from migfix.facts.rows.streaming import (
    already_streams,
    cannot_stream,
    needs_batches,
    plain_iterator_falls_short,
    streams_already,
)
from migfix.findings import (
    Edit,
    Gain,
    Outcome,
    Part,
    Reason,
    Refusal,
    ReplaceRows,
    Rewrite,
    WrapRows,
)
from migfix.reading.kinds.values import RawRows
from migfix.reading.names.places import Reference
from migfix.source import parsed_expression, shape
from migfix.sql.databases import Trait

_WITH_CURSORS = frozenset({"postgresql", "oracle"})


def decide(loop: Loop) -> Decision:
    if refusal := cannot_stream(loop, in_batches=True):
        return refusal
    if loop.cursor_query:
        return _of_cursor(loop.cursor_query, loop)
    if isinstance(loop.rows, RawRows):
        return _wrapped(loop)
    short = plain_iterator_falls_short(loop) or too_wide(loop) or cursor_refusal(loop)
    if short is None:
        return cannot_stream(loop) or _spare(loop)
    buffered = loop.databases.certain and not loop.databases.have(Trait.STREAMS_ITERATOR)
    if loop.is_over_iterator or (already_streams(loop) and not buffered):
        return streams_already(loop)
    if already_streams(loop) and (refusal := cursor_refusal(loop)):
        return refusal
    return _wrapped(loop)


def _wrapped(loop: Loop) -> Decision:
    """``stream(queryset)``"""
    stream = loop.names.stream()
    if stream is None:
        return Refusal(Reason.NAME_CLASH, "`stream` means something else in this file")
    return replace(
        _streamed(WrapRows(stream.text, _mode(loop)), stream, loop),
        caveats=tuple(gates.init_caveats(loop, gates.MADE_LATER)),
        beside=needs_batches(loop, Part.WRITES),
    )


def _spare(loop: Loop) -> Rewrite | None:
    """The same where ``.iterator()`` is enough, for a loop of which that is not certain in every state."""
    wrapped = _wrapped(loop)
    return replace(wrapped, spare=True) if isinstance(wrapped, Rewrite) else None


def _of_cursor(query: CursorQuery, loop: Loop) -> Decision:
    """``stream_sql(connection, sql, params)``"""
    stream_sql = loop.names.stream_sql()
    if stream_sql is None:
        return Refusal(Reason.NAME_CLASH, "`stream_sql` means something else in this file")
    drops = superfluous(query, loop)
    if not drops or not all(
        map(loop.stands_alone, {*drops, query.execute, query.fetch} - {loop.node})
    ):
        return Refusal(Reason.LOOP_SHAPE, "cursor.execute(...) does not stand alone")
    if not all(_keeps_its_meaning(argument, loop) for argument in query.arguments):
        return Refusal(Reason.SQL_UNKNOWN, "the SQL does not fit into the header of the loop")
    arguments = [*map(loop.text, query.arguments), *filter(None, [_mode(loop)])]
    call = f"{stream_sql.text}({', '.join(arguments)})"
    return _streamed(ReplaceRows(call, drops, superfluous_with(query, loop)), stream_sql, loop)


def _keeps_its_meaning(node: ast.expr, loop: Loop) -> bool:
    """Does the text on one line say what the node says? Layout matters in some f-strings."""
    return shape(parsed_expression(loop.text(node))) == shape(node)


def _streamed(edit: Edit, function: Reference, loop: Loop) -> Rewrite:
    return Rewrite(
        part=Part.SOURCE,
        edit=edit,
        message=f"streams its rows through {_waiting_place(loop)}",
        outcome=Outcome.CURSOR,
        gains=(Gain("rows held", rows_held(loop), "a chunk"),),
        imports=(function.import_,) if function.import_ else (),
    )


def _waiting_place(loop: Loop) -> str:
    """Where rows wait that no turn has taken yet, see docs/helper.md."""
    if not loop.databases.engines & _WITH_CURSORS or _disturbs_cursor(loop):
        return "a temporary file"
    if not loop.databases.engines <= _WITH_CURSORS:
        names = {"postgresql": "PostgreSQL", "oracle": "Oracle"}
        on = " and ".join(names[e] for e in sorted(loop.databases.engines & _WITH_CURSORS))
        return f"a server-side cursor on {on}, a temporary file elsewhere"
    if loop.errors.autocommit is None:
        return "a server-side cursor"
    return "a server-side cursor, or a temporary file outside of a transaction"


def _mode(loop: Loop) -> str:
    return 'mode="spool"' if _disturbs_cursor(loop) else ""


def _disturbs_cursor(loop: Loop) -> bool:
    """An open cursor would block schema changes and die with the transaction: spool the rows first."""
    disturbing = loop.having(effects.Kind.SQL, effects.Kind.TRANSACTION)
    return bool(disturbing) or outlives_errors(loop)


codemod = Codemod(__name__, "MF203", Part.SOURCE, decide)
__getattr__ = codemod.module_attribute
