"""Write what a loop updates by key in batches, not row by row: ``update_by_key``.

Before:

    for post in Post.objects.all():
        Post.objects.filter(pk=post.pk).update(slug=slugify(post.title))

After:

    with update_by_key(Post.objects) as posts:
        for post in Post.objects.all():
            posts.filter(pk=post.pk).update(slug=slugify(post.title))

The key may be that of any row, of the loop's own model or of another one. ``update_by_key`` comes from
``_migfix.py``, a module that migfix adds to the project. It keeps the values of the moment of ``update()``
and writes them after every thousand rows (or ``batch-size`` of ``[tool.migfix]``) and at the end, in order; a row that is
gone is passed over, as by ``update()``, which neither calls ``save()`` nor sends signals.

Refuses when the number of rows that ``update()`` returns is used; when anything in the body may look for the
rows that wait: queries of the same table, queries that may join it, rows that load a column later,
deletions, SQL, transactions, code that is not known (unsafe); when errors of ``update()`` are caught; when the updates of one
model write different fields, or what the database computes (``F()``); and for models with columns
in two tables and managers of the project.
"""

from __future__ import annotations

from collections.abc import Sequence

from migfix.codemod import Codemod, Decision
from migfix.expressions.context import Refused
from migfix.facts.loop import Loop
from migfix.facts.rows.few import holds_few_rows
from migfix.facts.rows.streaming import already_streams
from migfix.findings import Gain, InBlock, Outcome, Part, Reason, Refusal, Rewrite
from migfix.reading.kinds.values import Rows
from migfix.writes import batching, updating, wording
from migfix.writes.updating import KeyUpdate


def decide(loop: Loop) -> Decision:
    every = updating.key_updates(loop)
    if not every:
        return None
    if isinstance(loop.rows, Rows) and (few := holds_few_rows(loop, of_page=True)):
        return few
    batching.check_surroundings(loop)
    by_key = loop.names.update_by_key()
    if by_key is None:
        return Refusal(Reason.NAME_CLASH, "`update_by_key` means something else in this file")
    edits: list[InBlock] = []
    messages: list[str] = []
    caveats: list[Refusal] = []
    refusals: list[Refusal] = []
    taken: set[str] = set()
    for group in batching.grouped(every, lambda each: each.model).values():
        try:
            model, doubts = updating.check_group(group, loop)
            edits.append(_edit(group, wording.names_for(model), loop, by_key.text, taken))
        except Refused as refused:
            refusals.append(refused.refusal)
        else:
            messages.append(f"updates {model.label} rows in batches")
            caveats += doubts
    if not edits:
        return refusals[0]
    return Rewrite(
        part=Part.UPDATES,
        edit=InBlock(
            ", ".join(edit.header for edit in edits),
            tuple(pair for edit in edits for pair in edit.pairs),
        ),
        message="; ".join(messages),
        outcome=Outcome.STREAM if already_streams(loop) else Outcome.LEFT,
        gains=(Gain("queries that update", "for each row", "for each batch"),),
        caveats=tuple(dict.fromkeys(caveats)),
        imports=(by_key.import_,) if by_key.import_ else (),
    )


def _edit(
    group: Sequence[KeyUpdate], names: Sequence[str], loop: Loop, by_key: str, taken: set[str]
) -> InBlock:
    """Let the updates of one model wait, in a batch whose name is not ``taken``. Raises ``Refused``."""
    managers = list(dict.fromkeys(wording.manager_text(each.manager, loop) for each in group))
    if len(managers) > 1:
        raise Refused(Reason.LOOP_SHAPE, "the loop updates rows of one model by several managers")
    batch = loop.names.free(*(name for name in names if name not in taken))
    if batch is None:
        raise Refused(Reason.NAME_CLASH, "the names of a batch mean something else in this file")
    taken.add(batch)
    sized = [] if loop.batch_size is None else [f"batch_size={loop.batch_size}"]
    arguments = ", ".join([managers[0], *sized])
    return InBlock(
        f"{by_key}({arguments}) as {batch}", tuple((each.manager, batch) for each in group)
    )


codemod = Codemod(__name__, "MF303", Part.UPDATES, decide)
__getattr__ = codemod.module_attribute
