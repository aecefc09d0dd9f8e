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

Refuses when something between the place and the loop may change the table, since the list was made
at the first place; when rows are needed elsewhere, too; and when ``count()`` would not count what the
queryset gives: it leaves out the joins of ``select_related`` and of an order by another table.
"""

from __future__ import annotations

import ast

from migfix.codemod import Codemod, Decision
from migfix.findings import Outcome, Part, ReplaceExpressions, Rewrite
from migfix.loops.counts import Count
from migfix.loops.loop import Loop
from migfix.loops.streaming import already_streams, cannot_stream, needs_batches


def decide(loop: Loop) -> Decision:
    held = cannot_stream(loop, in_batches=True) is not None
    counts = [count for count in loop.counts if not (held and _fills_cache(count, loop))]
    if not counts:
        return None
    fills = any(_fills_cache(count, loop) for count in counts)
    methods = ", ".join(sorted({f".{count.method}()" for count in counts}))
    lines = sorted({loop.line_of(count.node) for count in counts})
    where = f"line{'s' if len(lines) > 1 else ''} {' and '.join(map(str, lines))}"
    return Rewrite(
        part=Part.COUNTS,
        edit=ReplaceExpressions(tuple((count.node, _asked(count, loop)) for count in counts)),
        message=f"asks the database ({methods}) on {where} instead of loading the rows",
        outcome=Outcome.STREAM if already_streams(loop) else Outcome.LEFT,
        beside=needs_batches(loop, Part.SOURCE) if fills else None,
    )


def _fills_cache(count: Count, loop: Loop) -> bool:
    """Does it load the very rows that the loop then goes over, and would have to load itself?"""
    name = loop.queryset
    return (
        isinstance(name, ast.Name) and isinstance(count.rows, ast.Name) and count.rows.id == name.id
    )


def _asked(count: Count, loop: Loop) -> str:
    """``not posts.exists()``"""
    return f"{'not ' if count.negated else ''}{loop.text(count.rows)}.{count.method}()"


codemod = Codemod(__name__, "MF401", Part.COUNTS, decide)
__getattr__ = codemod.module_attribute
