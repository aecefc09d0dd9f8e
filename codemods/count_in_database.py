"""Count and test rows in the database, not by loading them: ``.count()`` and ``.exists()``.

Before:

    posts = Post.objects.filter(slug="")
    if not posts:
        return
    print(f"{len(posts)} posts")
    for post in posts:
        post.slug = slugify(post.title)
        post.save()

After:

    posts = Post.objects.filter(slug="")
    if not posts.exists():
        return
    print(f"{posts.count()} posts")
    for post in stream(posts):
        post.slug = slugify(post.title)
        post.save()

Every such place in front of a loop would load the whole table, and keep the loop from streaming.
Where one ``update()`` or ``delete()`` takes the place of the loop, a test on which nothing else depends goes with it.

Refuses when something between the place and the loop may change the table, since the list was made
at the first place; when rows are needed elsewhere, too; and when ``count()`` would not count what the
queryset gives: it leaves out the joins of ``select_related`` and of an order by another table.
"""

from __future__ import annotations

from migfix.codemod import Codemod, Decision
from migfix.expressions.preconditions import gates
from migfix.facts.loop import Loop
from migfix.facts.rows.counts import Count, filling
from migfix.facts.rows.streaming import already_streams, cannot_stream, needs_batches
from migfix.findings import Beside, Outcome, Part, Reason, Refusal, ReplaceExpressions, Rewrite
from migfix.fragments import as_receiver


def decide(loop: Loop) -> Decision:
    held = cannot_stream(loop, in_batches=True) is not None
    fills = filling(loop)
    counts = [count for count in loop.counts if not (held and count in fills)]
    if not counts:
        return None
    methods = ", ".join(sorted({f".{count.method}()" for count in counts}))
    lines = sorted({loop.at(count.node).line for count in counts})
    where = f"line{'s' if len(lines) > 1 else ''} {' and '.join(map(str, lines))}"
    return Rewrite(
        part=Part.COUNTS,
        edit=ReplaceExpressions(tuple((count.node, _asked(count, loop)) for count in counts)),
        message=f"asks the database ({methods}) on {where} instead of loading the rows",
        outcome=Outcome.STREAM if already_streams(loop) else Outcome.LEFT,
        caveats=tuple(gates.init_caveats(loop, "rows that are only counted are not made")),
        beside=() if held or not fills else _needs_stream(fills[0], loop),
    )


def _needs_stream(count: Count, loop: Loop) -> tuple[Beside, ...]:
    """A query more pays where the loop then streams, and does not need the list that was made before."""
    at = loop.at(count.node)
    why = f"the rows that {at} reads are those of the loop, which holds them all anyway"
    return needs_batches(loop, Part.SOURCE) or (
        Beside(Part.SOURCE, Refusal(Reason.QUERYSET_REUSED, why, at)),
    )


def _asked(count: Count, loop: Loop) -> str:
    """``not posts.exists()``"""
    return f"{'not ' if count.negated else ''}{as_receiver(loop.text(count.rows))}.{count.method}()"


codemod = Codemod(__name__, "MF401", Part.COUNTS, decide)
__getattr__ = codemod.module_attribute
