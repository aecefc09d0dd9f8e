"""Turn a loop that deletes each row into one ``delete()`` of the queryset.

Before:

    for token in Token.objects.filter(used=True):
        token.delete()

After:

    Token.objects.filter(used=True).delete()

Refuses when the body does anything else; when the relations that lead to the model, through
cascades too, are not all known; when one of them protects, restricts or is the model's own; and
when the queryset's rows are used elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from migfix.codemod import Codemod, Decision
from migfix.expressions import gates
from migfix.expressions.body import Path, compile_body
from migfix.expressions.conditions import chain_calls, needs_q
from migfix.expressions.context import Context, Refused
from migfix.expressions.deletes import relation_caveats
from migfix.findings import Outcome, Part, Reason, Refusal, ReplaceLoop, Rewrite
from migfix.loops import uses
from migfix.loops.loop import Loop
from migfix.loops.values import Rows


def decide(loop: Loop) -> Decision:
    if not loop.used(uses.Kind.DELETE):
        return None
    model, columns, caveats = gates.check_all(loop, "delete")
    path = _the_deleting_path(compile_body(loop.node.body, Context(loop, columns)).paths)
    caveats += [*gates.source_caveats(loop), *path.caveats, *relation_caveats(loop, model)]
    return _built(loop, path, tuple(dict.fromkeys(caveats)))


def _the_deleting_path(paths: Sequence[Path]) -> Path:
    deleting = [path for path in paths if path.deleted]
    if any(path.saved is not None or path.assigned for path in paths):
        raise Refused(Reason.OTHER_STATEMENTS, "some rows are deleted, others are changed")
    if len(deleting) != 1:
        raise Refused(Reason.BRANCHES, "rows are deleted in several branches")
    return deleting[0]


def _built(loop: Loop, path: Path, caveats: tuple[Refusal, ...]) -> Rewrite:
    q = loop.names.models("Q") if needs_q(path.conditions) else None
    calls = chain_calls(path.conditions, q.text if q else None)
    return Rewrite(
        part=Part.WHOLE,
        edit=ReplaceLoop((f"{_source(loop, calls)}.delete()",)),
        message="one delete() of the queryset instead of a query per row",
        outcome=Outcome.DELETE,
        caveats=caveats,
        imports=(q.import_,) if q and q.import_ else (),
    )


def _source(loop: Loop, calls: str) -> str:
    """Managers have no ``delete()``: a bare one keeps its ``.all()``."""
    text = gates.source_text(loop)
    bare = not isinstance(loop.resolver.value(gates.source(loop), loop.node), Rows)
    return f"{text}{calls}" if calls or not bare else f"{text}.all()"


codemod = Codemod(__name__, "MF102", Part.WHOLE, decide)
__getattr__ = codemod.module_attribute
