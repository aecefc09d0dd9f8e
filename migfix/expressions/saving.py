"""What ``save()``, ``delete()`` and their like make of a path."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence

from migfix.expressions.context import Context, Refused
from migfix.expressions.path import Path
from migfix.facts.rows.aliases import is_of_rows
from migfix.findings import Reason
from migfix.reading.kinds.values import Manager, Rows


def saved(path: Path, fields: frozenset[str] | None) -> Path:
    if path.deleted or path.by_query:
        raise Refused(Reason.SAVED_TWICE, "the row is saved after a query changed or deleted it")
    for name, value in (path.saved or {}).items():
        if (fields is None or name in fields) and path.values.get(name) != value:
            raise Refused(Reason.SAVED_TWICE, f"`{name}` is saved with two values on one path")
    written = {n: value for n, value in path.values.items() if fields is None or n in fields}
    both = None if path.saves and path.fields is None else fields
    if both is not None and path.fields is not None:
        both |= path.fields
    return dataclasses.replace(
        path,
        saved={**(path.saved or {}), **written},
        saves=path.saves + 1,
        fields=both,
        unsaved=frozenset(),
    )


def deleted(path: Path) -> Path:
    if path.deleted or path.saves:
        raise Refused(Reason.SAVED_TWICE, "the row is saved or deleted before it is deleted")
    return dataclasses.replace(path, deleted=True)


def collected(path: Path) -> Path:
    if path.collected:
        raise Refused(Reason.SAVED_TWICE, "the row is collected twice on one path")
    return dataclasses.replace(path, collected=True)


def is_same_model(manager: ast.expr, context: Context) -> bool:
    """Does the manager find every row of the loop, in the loop's own database?"""
    found = context.resolver.value(manager, context.place)
    rows = context.loop.rows
    if not isinstance(found, Manager) or not isinstance(rows, Rows):
        return False
    return found == rows.manager and not found.related and not rows.has("using", "db_manager")


def queried(way: Path, before: Context) -> Path:
    context = dataclasses.replace(before, facts=way.context.facts, not_null=way.context.not_null)
    return dataclasses.replace(way, context=context, by_query=True)


def update_fields(call: ast.Call, path: Path) -> frozenset[str] | None:
    """The field names of ``save(update_fields=[...])``; None for a full save. Raises ``Refused``."""
    fields: frozenset[str] | None = None
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg="update_fields", value=ast.Constant(value=None)):
                continue
            case ast.keyword(
                arg="update_fields",
                value=ast.List(elts=names) | ast.Tuple(elts=names) | ast.Set(elts=names),
            ) if names and all(
                isinstance(n, ast.Constant) and isinstance(n.value, str) for n in names
            ):
                fields = _named_fields(names, path.context)
            case ast.keyword(arg="force_update", value=ast.Constant(value=True)):
                continue
            case ast.keyword(arg="using", value=alias) if is_of_rows(
                path.context.text(alias), path.context.loop
            ):
                continue
            case _:
                raise _refused(call, path)
    if call.args:
        raise _refused(call, path)
    return fields


def _refused(call: ast.Call, path: Path) -> Refused:
    return Refused(Reason.SAVE_ARGUMENTS, f"`{path.context.loop.text(call)}` is not a plain save()")


def _named_fields(names: Sequence[ast.expr], context: Context) -> frozenset[str]:
    columns = [context.column(str(n.value)) for n in names if isinstance(n, ast.Constant)]
    keys = [column.name for column in columns if column.primary_key is not False]
    if keys:
        raise Refused(Reason.SAVE_ARGUMENTS, f"save() does not take `{keys[0]}` in update_fields")
    return frozenset(column.name for column in columns)
