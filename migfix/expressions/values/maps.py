"""Lists and dicts of constants that a body looks values up in: ``NAMES``, ``MAP[row.kind]``."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Collection, Mapping

from migfix.expressions.conditions import textual
from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.values.cases import output_field
from migfix.expressions.values.computed import written
from migfix.expressions.values.constants import UNKNOWN, fits
from migfix.expressions.values.lifting import own_column
from migfix.expressions.values.operands import Operand, found_operand
from migfix.expressions.values.types import drift_caveats, has_type_of, is_below, is_value_of
from migfix.facts.body.changes import holds_what_was_written
from migfix.findings import Reason
from migfix.reading.rows.querysets import Resolver
from migfix.sql.kinds import FOREIGN_KEYS
from migfix.sql.nodes import Condition, Conditional, Items, Lookup, Mapped, Type, Value
from migfix.sql.types import constant, type_of_constant


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
    case = _case_of(owner, found, operand, given, target, context)
    return _with_caveats(written(case, context.loop), owner, operand, given, context)


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
) -> Conditional | Mapped:
    default = None if given is None else _default(given, target, context)
    types = [type_of_constant(value) for value in found.values()]
    types += [] if default is None else [default.type]
    output = output_field(types, target.column, context)
    typed = Type("other", target.column.kind) if output else types[0]
    if not isinstance(owner, ast.Dict):
        return Mapped(operand.node, context.text(owner), default, typed, output)
    written_out = zip(owner.keys, owner.values, found.items(), strict=True)
    branches = tuple(
        (
            operand.lookup("", constant(context.text(key), known)),
            constant(context.text(value), gives),
        )
        for key, value, (known, gives) in written_out
        if key is not None
    )
    return Conditional(branches, default, typed, output)


def _default(node: ast.expr, target: Target, context: Context) -> Value | None:
    """What rows get that are not in the map; None where that is NULL, as without a default."""
    node, inside = context.settled(node)
    known = inside.constant(node)
    if known is None:
        return None
    column = None if known is not UNKNOWN else inside.row_column(node)
    if column is not None and column.name == target.column.name:
        return own_column(column)
    is_own = is_value_of(known, target.column, context)
    if not is_own or not fits(known, target.column, context.key_of):
        raise Refused(
            Reason.VALUE, f"`{context.loop.text(node)}` is no constant of the column's type"
        )
    return constant(inside.text(node), known)


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
