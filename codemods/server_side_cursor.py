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
comes from ``_migfix.py``, a module that migfix puts beside the migrations: a server-side cursor
where that is the same as the full list, else rows spooled to a temporary file.

Refuses when the queryset's rows are used again or kept, and when ``.iterator()`` is enough.
"""

from __future__ import annotations

from migfix.codemod import Codemod, Decision
from migfix.findings import Outcome, Part, Reason, Refusal, Rewrite, WrapRows
from migfix.loops import effects
from migfix.loops.loop import Loop
from migfix.loops.streaming import already_streams, cannot_stream, plain_iterator_falls_short


def decide(loop: Loop) -> Decision:
    if refusal := cannot_stream(loop):
        return refusal
    if plain_iterator_falls_short(loop) is None:
        return None
    buffered = loop.databases.certain and loop.databases.any("mysql", "mariadb")
    if loop.is_over_iterator or (already_streams(loop) and not buffered):
        return Refusal(Reason.ALREADY_STREAMS, "the loop streams already")
    stream = loop.names.stream()
    if stream is None:
        return Refusal(Reason.NAME_CLASH, "`stream` means something else in this file")
    return Rewrite(
        part=Part.SOURCE,
        edit=WrapRows(stream.text, 'mode="spool"' if _disturbs_cursor(loop) else ""),
        message="streams its rows through a server-side cursor or a temporary file",
        outcome=Outcome.CURSOR,
        imports=(stream.import_,) if stream.import_ else (),
        needs_helper=True,
    )


def _disturbs_cursor(loop: Loop) -> bool:
    """An open cursor would block schema changes and die with the transaction: spool the rows first."""
    return bool(loop.having(effects.Kind.SQL, effects.Kind.TRANSACTION))


codemod = Codemod(__name__, "MF203", Part.SOURCE, decide)
__getattr__ = codemod.module_attribute
