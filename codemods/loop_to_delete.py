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
from dataclasses import replace

from migfix.codemod import Codemod, Decision
from migfix.expressions.body import compile_body
from migfix.expressions.context import Context, Refused
from migfix.expressions.decisions import decide as decided
from migfix.expressions.decisions import where
from migfix.expressions.deletes import (
    changed_with,
    failing_relation,
    memory_caveats,
    relation_caveats,
)
from migfix.expressions.path import Path
from migfix.expressions.preconditions import failing, gates, sources
from migfix.expressions.values.related import renderer
from migfix.facts.body import uses
from migfix.facts.costs import rows_held
from migfix.facts.loop import Loop
from migfix.findings import Gain, Outcome, Part, Reason, Refusal, ReplaceLoop, Rewrite
from migfix.reading.kinds.values import Rows
from migfix.sql import filters
from migfix.sql.logic import NEVER
from migfix.sql.nodes import Condition, named


def decide(loop: Loop) -> Decision:
    if not loop.used(uses.Kind.DELETE):
        return None
    model, columns, caveats = gates.check_all(loop, "delete")
    context = Context.of(loop, columns, sources.not_null_by_source(loop, columns))
    context = replace(context, changing=changed_with(loop.state, model))
    paths = compile_body(loop.node.body, context)
    condition = _deleted(paths)
    caveats += [*sources.source_caveats(loop, "delete"), *relation_caveats(loop, model)]
    caveats += [*gates.delete_caveats(loop), *memory_caveats(loop, model)]
    caveats += failing.partly(loop, failing_relation(loop, model), "delete() deletes none")
    caveats += [caveat for path in paths for caveat in path.caveats]
    return _built(loop, condition, tuple(dict.fromkeys(caveats)))


def _deleted(paths: Sequence[Path]) -> Condition:
    """Which rows go. Raises ``Refused``."""
    if any(path.saved is not None or path.values or path.collected for path in paths):
        raise Refused(Reason.OTHER_STATEMENTS, "some rows are deleted, others are changed")
    found = where(decided(paths, lambda path: path.deleted), bool)
    if found == NEVER:
        raise Refused(Reason.NEVER_SAVED, "no row reaches its delete(): none is deleted today")
    return found


def _built(loop: Loop, condition: Condition, caveats: tuple[Refusal, ...]) -> Rewrite:
    made = sources.definition(loop)
    write = renderer(loop)
    calls = filters.alias(named(condition), write) + filters.chain(condition, write)
    return Rewrite(
        part=Part.WHOLE,
        edit=ReplaceLoop((f"{_source(loop, calls)}.delete()",), (made,) if made else ()),
        message="one delete() of the queryset instead of a query per row",
        outcome=Outcome.DELETE,
        gains=(
            Gain("queries", "for each row", "one delete()"),
            Gain("rows held", rows_held(loop), "none"),
        ),
        caveats=caveats,
        imports=write.imports,
    )


def _source(loop: Loop, calls: str) -> str:
    """Managers have no ``delete()``: a bare one keeps its ``.all()``."""
    text = sources.source_text(loop)
    assert isinstance(loop.rows, Rows)
    manager = not isinstance(loop.resolver.value(sources.source(loop), loop.node), Rows)
    bare = manager and not loop.rows.has("[]")
    return f"{text}{calls}" if calls or not bare else f"{text}.all()"


codemod = Codemod(__name__, "MF102", Part.WHOLE, decide)
__getattr__ = codemod.module_attribute
