"""Lists and dicts of constants that a body looks values up in: ``NAMES``, ``MAP[row.kind]``."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Collection, Mapping

from migfix.expressions.conditions import textual
from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.values.cases import as_expression, output_field, value_kind
from migfix.expressions.values.computed import column_value
from migfix.expressions.values.constants import UNKNOWN, fits
from migfix.expressions.values.operands import Operand, found_operand
from migfix.expressions.values.references import imports, model_class
from migfix.expressions.values.types import drift_caveats, has_type_of, is_below, is_value_of
from migfix.facts.body.changes import holds_what_was_written
from migfix.findings import Reason
from migfix.reading.rows.querysets import Resolver
from migfix.sql.filters import WHEN_PARAMETERS
from migfix.sql.kinds import FOREIGN_KEYS
from migfix.sql.nodes import Condition, Items, Lookup
from migfix.sql.render import Import


def frozen_collection(node: ast.expr, context: Context) -> Collection[object] | None:
    """The items of a literal collection, or of a name for one that nothing changes; else None."""
    display = _display(node, context)
    if display is None:
        return None
    try:
        value = ast.literal_eval(display)
    except (ValueError, TypeError, SyntaxError):
        return None
    return value if isinstance(value, (list, tuple, set, dict)) else None


def mapping_of(node: ast.expr) -> ast.expr:
    """The dict itself where the node may ask for its keys."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="keys")):
            return owner
    return node


def _display(node: ast.expr, context: Context) -> ast.expr | None:
    """The literal itself."""
    if isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict)):
        return node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        keys = node.func.attr == "keys" and not node.args
        inner = _display(node.func.value, context) if keys else None
        return inner if isinstance(inner, ast.Dict) else None
    if not isinstance(node, ast.Name) or node.id in context.local:
        return None
    resolver, scope = context.resolver, context.resolver.scope
    if node.id not in scope.bindings:
        if scope.outer is not None and node.id in scope.outer.bindings:
            return None
        scope = context.loop.module.scope
        resolver = Resolver(context.loop.module, scope, {}, context.loop.state)
    binding = scope.bound_once(node.id)
    if binding is None or binding.position is not None:
        return None
    if not holds_what_was_written(node.id, resolver):
        return None
    if scope is context.loop.resolver.scope and scope.binding(node.id, context.loop.node) is None:
        return None
    known = isinstance(binding.value, (ast.List, ast.Tuple, ast.Set, ast.Dict))
    return binding.value if known else None


def compile_lookup(node: ast.expr, target: Target, context: Context) -> SqlValue | None:
    """``MAP.get(row.kind, default)`` and ``MAP[row.kind]`` as one ``Case``; None for all else."""
    given: ast.expr | None = None
    match node:
        case ast.Call(
            func=ast.Attribute(value=owner, attr="get"), args=[key, *default], keywords=[]
        ):
            given = default[0] if default else ast.Constant(None)
        case ast.Subscript(value=owner, slice=key):
            pass
        case _:
            return None
    found = frozen_collection(owner, context)
    if not isinstance(found, Mapping) or not found or len(node_args(node)) > 2:
        return None
    key, inside = context.settled(key)
    operand = found_operand(key, inside)
    if operand is None or operand.links or operand.is_instance or not operand.column.verified:
        return None
    if _repeats_keys(owner, found) or not _are_typed(found, operand, target, context):
        return None
    value = _case_of(owner, found, operand, given, target, context)
    return _with_caveats(value, owner, operand, given, context)


def _repeats_keys(owner: ast.expr, found: Mapping[object, object]) -> bool:
    """Does a key occur twice? Python takes the last one, ``Case`` the first."""
    return isinstance(owner, ast.Dict) and len(owner.keys) != len(found)


def node_args(node: ast.expr) -> list[ast.expr]:
    return node.args if isinstance(node, ast.Call) else []


def _are_typed(
    found: Mapping[object, object], operand: Operand, target: Target, context: Context
) -> bool:
    """Keys that SQL compares as Python does, values that a ``Case`` gives as they are stored."""
    keyed = operand.column
    keys = all(has_type_of(key, keyed, context) for key in found)
    keys = keys and not all(is_below(key, keyed) for key in found)
    column = target.column
    values = all(
        is_value_of(value, column, context) and fits(value, column, context.key_of)
        for value in found.values()
    )
    return keys and values and column.kind not in FOREIGN_KEYS and len({*map(type, found)}) == 1


def _case_of(
    owner: ast.expr,
    found: Mapping[object, object],
    operand: Operand,
    given: ast.expr | None,
    target: Target,
    context: Context,
) -> SqlValue:
    case, when, value = (model_class(name, context) for name in ("Case", "When", "Value"))
    condition, more = _key_test(operand, context)
    made = f"{when.text}({condition}, then={value.text}(%s))"
    if isinstance(owner, ast.Dict):
        whens = [
            made % (context.text(k), context.text(v))
            for k, v in zip(owner.keys, owner.values, strict=True)
            if k is not None
        ]
    else:
        name = context.text(owner)
        key, new = ("old", "new") if name not in {"old", "new"} else ("key", "value")
        whens = [f"*({made % (key, new)} for {key}, {new} in {name}.items())"]
    kinds, needed = set(map(value_kind, found.values())), (*imports(case, when, value), *more)
    reads = frozenset({operand.column.name})
    if given is not None and (default := _default(given, target, context)) is not None:
        whens.append(f"default={default.text}")
        kinds.add(default.kind)
        reads |= default.reads
        needed = (*needed, *default.imports)
    field, more = output_field(kinds, target.column, context)
    text = f"{case.text}({', '.join([*whens, *field])})"
    kind = target.column.kind if field else next(iter(kinds))
    return SqlValue(text, reads, imports=(*needed, *more), kind=kind)


def _key_test(operand: Operand, context: Context) -> tuple[str, tuple[Import, ...]]:
    """The first argument of a ``When``, with a gap for the key, and what it needs imported."""
    if operand.name not in WHEN_PARAMETERS:
        return f"{operand.name}=%s", ()
    q = model_class("Q", context)
    return f"{q.text}({operand.name}=%s)", imports(q)


def _default(node: ast.expr, target: Target, context: Context) -> SqlValue | None:
    """What rows get that are not in the map; None where that is NULL, as without a default."""
    node, inside = context.settled(node)
    constant = inside.constant(node)
    if constant is None:
        return None
    column = None if constant is not UNKNOWN else inside.row_column(node)
    if column is not None and column.name == target.column.name:
        return column_value(column, context)
    known = is_value_of(constant, target.column, context)
    if not known or not fits(constant, target.column, context.key_of):
        raise Refused(
            Reason.VALUE, f"`{context.loop.text(node)}` is no constant of the column's type"
        )
    value = as_expression(SqlValue(inside.text(node), literal=constant), target.column, context)
    assert value is not None
    return value


def _with_caveats(
    value: SqlValue, owner: ast.expr, operand: Operand, given: ast.expr | None, context: Context
) -> SqlValue:
    name = context.loop.text(owner)
    doubts = (*textual.caveats(operand.column, context), *drift_caveats(operand.column, context))
    value = dataclasses.replace(value, caveats=(*value.caveats, *doubts))
    if given is None and not any(_is_in(fact, operand, name) for fact in context.facts):
        value = value.but(
            Reason.NOT_TOTAL, f"the loop stops at a `{operand.name}` that `{name}` does not have"
        )
    return value


def _is_in(fact: Condition, operand: Operand, mapping: str) -> bool:
    """``row.kind in MAP``"""
    match fact:
        case Lookup(subject=subject, name="in", value=Items(mapping=str(name))):
            return subject == operand.node and name == mapping
    return False
