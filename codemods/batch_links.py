"""Add rows to many-to-many relations in batches, not one by one: ``link_in_batches``.

Before:

    for post in Post.objects.all():
        post.tags.add(post.main_tag)

After:

    with link_in_batches() as links:
        for post in Post.objects.all():
            links.of(post.tags).add(post.main_tag)

``link_in_batches`` comes from ``_migfix.py``, a module that migfix adds to the project. It keeps the pairs of keys, and
inserts them after every thousand (or ``batch-size`` of ``[tool.migfix]``) and at the end, in order: by a statement for each, as
``add()`` does, which leaves pairs alone that are there already, but without a round trip and a transaction for each.

Refuses when anything in the body may look for pairs that wait: the relation by either of its names, queries that
join other tables, deletions, SQL, transactions, code that is not known (unsafe); when errors of ``add()`` are caught; when ``add()``
is given several rows or ``through_defaults``; for relations with a model of their own between the two, or
to the same model; and, unsafe, when receivers hear of ``m2m_changed``.
"""

from __future__ import annotations

import ast

from migfix.codemod import Codemod, Decision
from migfix.expressions.context import Refused
from migfix.facts.loop import Loop
from migfix.facts.rows.few import holds_few_rows
from migfix.facts.rows.streaming import already_streams
from migfix.findings import Gain, InBlock, Outcome, Part, Reason, Refusal, Rewrite
from migfix.reading.kinds.values import Rows
from migfix.writes import batching, linking


def decide(loop: Loop) -> Decision:
    every = linking.links(loop)
    if not every:
        return None
    if isinstance(loop.rows, Rows) and (few := holds_few_rows(loop, of_page=True)):
        return few
    batching.check_surroundings(loop)
    in_batches = loop.names.link_in_batches()
    if in_batches is None:
        return Refusal(Reason.NAME_CLASH, "`link_in_batches` means something else in this file")
    sized = "" if loop.batch_size is None else f"batch_size={loop.batch_size}"
    headers: list[str] = []
    pairs: list[tuple[ast.expr, str]] = []
    messages: list[str] = []
    caveats: list[Refusal] = []
    refusals: list[Refusal] = []
    for (_, field), group in batching.grouped(every, lambda each: each.relation).items():
        try:
            label, doubts = linking.check_group(group, loop)
        except Refused as refused:
            refusals.append(refused.refusal)
            continue
        names = (f"{field}_links", f"new_{field}") if headers else ("links", f"{field}_links")
        batch = loop.names.free(*names)
        if batch is None:
            return Refusal(Reason.NAME_CLASH, "the names of a batch mean something else here")
        headers.append(f"{in_batches.text}({sized}) as {batch}")
        pairs += [(each.manager, f"{batch}.of({loop.text(each.manager)})") for each in group]
        messages.append(f"adds to {label} in batches")
        caveats += doubts
    if not headers:
        return refusals[0]
    return Rewrite(
        part=Part.LINKS,
        edit=InBlock(", ".join(headers), tuple(pairs)),
        message="; ".join(messages),
        outcome=Outcome.STREAM if already_streams(loop) else Outcome.LEFT,
        gains=(Gain("round trips that add", "for each row", "for each batch"),),
        caveats=tuple(dict.fromkeys(caveats)),
        imports=(in_batches.import_,) if in_batches.import_ else (),
    )


codemod = Codemod(__name__, "MF304", Part.LINKS, decide)
__getattr__ = codemod.module_attribute
