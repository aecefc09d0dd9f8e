"""Insert the rows that a loop creates in batches, not one by one: ``create_in_batches``.

Before:

    for post in Post.objects.all():
        Tag.objects.create(name=post.title)

After:

    with create_in_batches(Tag.objects) as tags:
        for post in Post.objects.all():
            tags.create(name=post.title)

``Tag(name=post.title).save()`` becomes ``tags.add(Tag(name=post.title))``; a list that the loop fills
for one ``bulk_create()`` becomes a batch of the same name, also with ``ignore_conflicts=True`` and with lists
and dicts for values, if nothing in the loop may change them. ``create_in_batches`` comes
from ``_migfix.py``, a module that migfix adds to the project. It keeps the values of the moment
of ``create()``, defaults and ``auto_now_add`` included, and inserts them after every thousand rows (or
``batch-size`` of ``[tool.migfix]``, or the ``batch_size`` that ``bulk_create()`` is given) and at the
end, in order, so that they get the keys that they would get one by one.

Refuses when the new row is used; when anything in the body may look for rows that wait: queries of the
same table, queries that may join it, rows that may point to them, deletions, SQL, transactions, code
that is not known (unsafe); when errors of ``create()`` are caught; and for models whose rows the
database or the project completes: columns in two tables, managers of the project, ``db_default``.
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
from migfix.writes import batching, collecting, creating, wording
from migfix.writes.collecting import Collected
from migfix.writes.creating import Creation


def decide(loop: Loop) -> Decision:
    every = creating.creations(loop)
    collected = collecting.collected_by(loop) if isinstance(loop.rows, Rows) else None
    if not every and collected is None:
        return None
    if isinstance(loop.rows, Rows) and (few := holds_few_rows(loop, of_page=bool(every))):
        return few
    batching.check_surroundings(loop)
    creating.check_rows(loop)
    in_batches = loop.names.create_in_batches()
    if in_batches is None:
        return Refusal(Reason.NAME_CLASH, "`create_in_batches` means something else in this file")
    rewrites: list[Rewrite] = []
    refusals: list[Refusal] = []
    taken: set[str] = set()
    for group in batching.grouped(every, lambda each: each.model).values():
        try:
            rewrites.append(_rewrite(group, every, loop, in_batches.text, taken))
        except Refused as refused:
            refusals.append(refused.refusal)
    if collected is not None and not every:
        rewrites.append(_of_list(collected, loop, in_batches.text))
    if not rewrites:
        return refusals[0]
    return _joined(rewrites, (in_batches.import_,) if in_batches.import_ else ())


def _rewrite(
    group: Sequence[Creation],
    every: Sequence[Creation],
    loop: Loop,
    in_batches: str,
    taken: set[str],
) -> Rewrite:
    """Let the rows of one model wait, in a batch whose name is not ``taken``. Raises ``Refused``."""
    model, caveats = creating.check_group(group, every, loop)
    batch = loop.names.free(*(n for n in wording.names_for(model) if n not in taken))
    if batch is None:
        raise Refused(Reason.NAME_CLASH, "the names of a batch mean something else in this file")
    taken.add(batch)
    arguments = [wording.source_text(group, loop), *_sized(loop.batch_size)]
    pairs = tuple(pair for each in group for pair in wording.replaced(each, batch, loop))
    return Rewrite(
        part=Part.CREATES,
        edit=InBlock(f"{in_batches}({', '.join(arguments)}) as {batch}", pairs),
        message=f"creates {model.label} rows in batches",
        outcome=Outcome.STREAM if already_streams(loop) else Outcome.LEFT,
        gains=(Gain("queries that insert", "for each row", "for each batch"),),
        caveats=tuple(caveats),
    )


def _of_list(collected: Collected, loop: Loop, in_batches: str) -> Rewrite:
    """Insert the rows of a list as the loop makes them. Raises ``Refused``."""
    model, caveats = collecting.check_collected(collected, loop)
    size = collecting.batch_size(collected, loop)
    arguments = [wording.manager_text(collected.manager, loop), *_sized(size or loop.batch_size)]
    if collecting.ignores_conflicts(collected, loop):
        arguments.append("ignore_conflicts=True")
    return Rewrite(
        part=Part.CREATES,
        edit=InBlock(
            f"{in_batches}({', '.join(arguments)}) as {collected.name}", (), collected.statements
        ),
        message=f"creates {model.label} rows in batches, without a list of them all",
        outcome=Outcome.STREAM if already_streams(loop) else Outcome.LEFT,
        gains=(Gain("new rows held", "all", "a batch"),),
        caveats=tuple(caveats),
    )


def _sized(batch_size: object) -> list[str]:
    return [] if batch_size is None else [f"batch_size={batch_size}"]


def _joined(rewrites: Sequence[Rewrite], imports: tuple[tuple[str, str], ...]) -> Rewrite:
    """One rewrite for the batches of all models."""
    edits = [each.edit for each in rewrites if isinstance(each.edit, InBlock)]
    return Rewrite(
        part=Part.CREATES,
        edit=InBlock(
            ", ".join(edit.header for edit in edits),
            tuple(pair for edit in edits for pair in edit.pairs),
            tuple(drop for edit in edits for drop in edit.drops),
        ),
        message="; ".join(each.message for each in rewrites),
        outcome=rewrites[0].outcome,
        gains=tuple(dict.fromkeys(gain for each in rewrites for gain in each.gains)),
        caveats=tuple(dict.fromkeys(caveat for each in rewrites for caveat in each.caveats)),
        imports=imports,
    )


codemod = Codemod(__name__, "MF302", Part.CREATES, decide)
__getattr__ = codemod.module_attribute
