"""Write what a loop saves in batches, not row by row: ``update_in_batches``.

Before:

    for post in Post.objects.all():
        post.slug = slugify(post.title)
        post.save()

After:

    with update_in_batches("slug") as batch:
        for post in Post.objects.all():
            post.slug = slugify(post.title)
            batch.save(post)

``update_in_batches`` comes from ``_migfix.py``, a module that migfix puts beside the migrations. It
keeps the values of the moment of ``batch.save(post)``, what ``save()`` computes (``auto_now``) included,
and writes them after every thousand rows (or ``batch-size`` of ``[tool.migfix]``) and at the end: row
by row and in order, as ``save()`` does, but without a round trip for each.

Refuses when anything in the body may look for the rows that wait: queries of the same table, queries
that may join it, querysets made before the loop, deletions, SQL, transactions, code that is not known
(unsafe); when errors of a ``save()`` are caught; when the row is handed on, becomes another one, is saved
in a function, or with other fields on other ways; when other loops may have changed the same objects;
and for models with columns in two tables.
"""

from __future__ import annotations

from migfix.codemod import Codemod, Decision
from migfix.expressions import batching, gates, saves
from migfix.expressions.waiting import check_nothing_looks
from migfix.findings import InBlock, Outcome, Part, Reason, Refusal, Rewrite
from migfix.loops import uses
from migfix.loops.loop import Loop
from migfix.loops.streaming import already_streams, holds_few_rows
from migfix.loops.values import Rows


def decide(loop: Loop) -> Decision:
    if not isinstance(loop.rows, Rows) or not loop.used(uses.Kind.SAVE):
        return None
    if few := holds_few_rows(loop):
        return few
    saved = batching.saving_calls(loop)
    batching.check_surroundings(loop)
    model, columns, caveats = gates.check_model(loop)
    batching.check_row(loop, model, columns)
    fields = batching.written_fields(loop, columns)
    batching.check_columns(loop, model, fields, columns)
    batching.check_source(loop, fields)
    caveats += batching.written_caveats(fields, columns)
    caveats += check_nothing_looks(loop, model)
    caveats += [*gates.signal_caveats(loop), *saves.connected(columns)]
    in_batches, name = loop.names.update_in_batches(), loop.names.free("batch", "pending")
    if in_batches is None or name is None:
        return Refusal(Reason.NAME_CLASH, "the names of a batch mean something else in this file")
    arguments = [*map(loop.names.quoted, fields)]
    if loop.batch_size is not None:
        arguments.append(f"batch_size={loop.batch_size}")
    return Rewrite(
        part=Part.WRITES,
        edit=InBlock(
            f"{in_batches.text}({', '.join(arguments)}) as {name}",
            tuple((call, f"{name}.save({loop.text(row)})") for call, row in saved),
        ),
        message=f"writes {', '.join(fields)} in batches",
        outcome=Outcome.STREAM if already_streams(loop) else Outcome.LEFT,
        caveats=tuple(dict.fromkeys(caveats)),
        imports=(in_batches.import_,) if in_batches.import_ else (),
        needs_helper=True,
    )


codemod = Codemod(__name__, "MF301", Part.WRITES, decide)
__getattr__ = codemod.module_attribute
