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
computes (``auto_now``) is always in the list. Rows that ``select_related()`` joins are narrowed with
it: ``.only("author", "author__name", "title")``.

Refuses when the row is handed to code that is not in the file; when every column is needed, or all
but one or two small ones; when a full ``save()`` follows and the body may change the same rows in
other ways; and when the rows are not sorted and an index holds all that is left to load, since
databases then answer in the order of that index. Rows of ``distinct()``, of an aggregate and of
multi-table inheritance must be sorted by something unique, for the same reason.
"""

from __future__ import annotations

from migfix.codemod import Codemod, Decision
from migfix.expressions.narrowing import narrowing
from migfix.findings import ChainCall, Outcome, Part, Rewrite
from migfix.loops.loop import Loop
from migfix.loops.values import Rows


def decide(loop: Loop) -> Decision:
    if not isinstance(loop.rows, Rows) or loop.rows.has(
        "values", "values_list", "dates", "datetimes"
    ):
        return None
    found = narrowing(loop)
    only = found.method == "only"
    return Rewrite(
        part=Part.COLUMNS,
        edit=ChainCall(
            found.method, ", ".join(map(loop.names.quoted, found.names)), replaces_all=True
        ),
        message=f"{'loads only' if only else 'does not load'} {', '.join(found.names)}",
        outcome=Outcome.STREAM,
        only=found.names if only else None,
        defer=None if only else found.names,
    )


codemod = Codemod(__name__, "MF201", Part.COLUMNS, decide)
__getattr__ = codemod.module_attribute
