"""Loops over models that a migration imports: the class of today, with its own ``save()`` and signals.

Nothing is known of its columns, so only constants are moved, and never without being asked for.
https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from migfix.expressions.context import Refused
from migfix.expressions.preconditions.sources import check_source, source_text
from migfix.expressions.values.constants import UNKNOWN, constant_of
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import imported
from migfix.findings import Reason, Refusal
from migfix.reading.kinds.values import Rows


def real_update(loop: Loop) -> tuple[str, Refusal] | None:
    """One ``update()`` of constants and what may differ; None for a historical model.

    Raises ``Refused`` where the body does more.
    """
    if not isinstance(loop.rows, Rows) or not loop.rows.model.real:
        return None
    *assignments, last = loop.node.body
    values = [_constant(statement, loop) for statement in assignments]
    known = [value for value in values if value is not None]
    names = _saved_names(last, loop)
    if (
        not known
        or len(known) != len(values)
        or names is None
        or loop.rows.manager.name != "objects"
    ):
        raise Refused.by(imported(loop.rows.model))
    check_source(loop, "update")
    if loop.rows.has("[]"):
        raise Refused.by(imported(loop.rows.model))
    written = {name: text for name, text in known if not names or name in names}
    given = ", ".join(f"{name}={text}" for name, text in written.items())
    if not given:
        raise Refused(Reason.NEVER_SAVED, "no assigned value reaches a save()")
    return f"{source_text(loop)}.update({given})", imported(loop.rows.model)


def _constant(statement: ast.stmt, loop: Loop) -> tuple[str, str] | None:
    """``row.name = constant``"""
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=row), attr=name)], value=value):
            known = constant_of(value, loop) is not UNKNOWN
            plain = row == loop.row and name not in {"pk", "id"}
            return (name, loop.text(value)) if known and plain else None
    return None


def _saved_names(statement: ast.stmt, loop: Loop) -> Sequence[str] | None:
    """The names in ``save(update_fields=[...])``, none for a plain ``save()``; None for all else."""
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id=row), attr="save"), args=[], keywords=given
            )
        ) if (row == loop.row):
            pass
        case _:
            return None
    match given:
        case []:
            return []
        case [ast.keyword(arg="update_fields", value=ast.List(elts=names) | ast.Tuple(elts=names))]:
            texts = [n.value for n in names if isinstance(n, ast.Constant)]
            return [str(text) for text in texts] if texts and len(texts) == len(names) else None
    return None
