"""Turn a loop that sets fields and saves each row into one ``update()``.

Before:

    for order in Order.objects.filter(owner=bob):
        order.owner = sharon
        order.save()

After:

    Order.objects.filter(owner=bob).update(owner=sharon)

Refuses when the body does anything else than set fields of the row and save it; when a value or
condition has no exact form in SQL on every database of the project; when ``save()`` would do more
than write what it read (``auto_now``, file, JSON and third-party fields); when an assigned column
is unique; and when the queryset's rows or the row itself are used elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from migfix.codemod import Codemod, Decision
from migfix.expressions import gates, saves
from migfix.expressions.body import Path, compile_body
from migfix.expressions.conditions import chain_calls, needs_q
from migfix.expressions.context import Context, Refused, SqlValue
from migfix.findings import Outcome, Part, Reason, Refusal, ReplaceLoop, Rewrite
from migfix.loops import uses
from migfix.loops.loop import Loop


def decide(loop: Loop) -> Decision:
    if not loop.used(uses.Kind.WRITE):
        return None
    model, columns, caveats = gates.check_all(loop, "update")
    paths = compile_body(loop.node.body, Context(loop, columns)).paths
    if any(path.deleted for path in paths):
        return None
    path = _the_storing_path(paths)
    assigned = dict(path.saved or {})
    caveats += [*_never_saved(paths), *gates.source_caveats(loop), *path.caveats]
    caveats += gates.signal_caveats(loop)
    caveats += [caveat for value in assigned.values() for caveat in value.caveats]
    caveats += saves.unique_caveats(loop, model, assigned)
    caveats += saves.save_caveats(loop, columns, paths)
    saves.check_walk(loop, assigned)
    assigned |= saves.refreshed(loop, columns, paths, path)
    ordered = saves.in_set_order(loop, assigned)
    return _built(loop, path, ordered, tuple(dict.fromkeys(caveats)))


def _the_storing_path(paths: Sequence[Path]) -> Path:
    """The one path that stores something, or would if it saved. Raises ``Refused``."""
    storing = [path for path in paths if path.saved]
    if all(path.saved is None for path in paths):
        storing = [replace(path, saved=path.assigned) for path in paths if path.assigned]
    if not storing:
        raise Refused(
            Reason.NEVER_SAVED, "no assigned value reaches a save(): nothing is stored today"
        )
    if len(storing) > 1:
        raise Refused(Reason.BRANCHES, "different rows get different values")
    return storing[0]


def _never_saved(paths: Sequence[Path]) -> Iterator[Refusal]:
    if all(path.saved is None for path in paths):
        yield Refusal(
            Reason.NEVER_SAVED, "the loop assigns but never saves: it changes nothing today"
        )


def _built(
    loop: Loop,
    path: Path,
    assigned: Sequence[tuple[str, SqlValue]],
    caveats: tuple[Refusal, ...],
) -> Rewrite:
    conditions = path.conditions
    q = loop.names.models("Q") if needs_q(conditions) else None
    imports = [q.import_] if q and q.import_ else []
    imports += [i for _, value in assigned for i in value.imports]
    keywords = ", ".join(f"{value.attribute}={value.text}" for _, value in assigned)
    calls = chain_calls(conditions, q.text if q else None)
    return Rewrite(
        part=Part.WHOLE,
        edit=ReplaceLoop((f"{gates.source_text(loop)}{calls}.update({keywords})",)),
        message="one update() instead of a query per row",
        outcome=Outcome.UPDATE,
        caveats=caveats,
        imports=tuple(dict.fromkeys(imports)),
    )


codemod = Codemod(__name__, "MF101", Part.WHOLE, decide)
__getattr__ = codemod.module_attribute
