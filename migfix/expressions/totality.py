"""Expressions that a loop may evaluate and a query need not: they cannot fail and do nothing."""

from __future__ import annotations

import ast

from migfix.expressions.context import Context
from migfix.expressions.values.computed import is_text
from migfix.expressions.values.constants import UNKNOWN
from migfix.expressions.values.elsewhere import exists, query_of
from migfix.expressions.values.maps import frozen_collection
from migfix.expressions.values.operands import found_operand
from migfix.expressions.values.tables import entry_of
from migfix.sql.kinds import INTEGERS


def is_total(node: ast.expr, context: Context) -> bool:
    """Can the expression only give a value? Raises ``Refused`` where it reads what may be missing."""
    node, context = context.settled(node)
    if context.constant(node) is not UNKNOWN:
        return True
    query = query_of(node, context)
    if query is not None:
        return query.end != "get" or exists(query).condition in context.facts
    entry = entry_of(node, context)
    if entry is not None:
        known = exists(entry.query).condition in context.facts
        return entry.query.end != "get" or known
    match node:
        case ast.Name(id=name):
            bound = name in context.local or context.is_row(node)
            return bound or context.resolver.scope.binding(name, node) is not None
        case ast.Attribute(value=owner):
            return found_operand(node, context) is not None or _is_constant_of_class(owner, context)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult()):
            sides = (node.left, node.right)
            return is_text(node, context) or all(_is_number(s, context) for s in sides)
        case ast.Call(func=ast.Attribute(value=owner, attr="get"), args=[key, *default]):
            found = frozen_collection(owner, context) is not None
            return found and all(is_total(each, context) for each in [key, *default])
        case ast.JoinedStr() | ast.Call() | ast.Subscript():
            return is_text(node, context)
    return False


def _is_constant_of_class(owner: ast.expr, context: Context) -> bool:
    """``Status.DONE`` of an imported class."""
    return context.loop.module.path_of(owner) is not None


def _is_number(node: ast.expr, context: Context) -> bool:
    node, context = context.settled(node)
    constant = context.constant(node)
    if isinstance(constant, (int, float)):
        return True
    if isinstance(node, ast.BinOp):
        return is_total(node, context)
    operand = found_operand(node, context) if isinstance(node, ast.Attribute) else None
    kinds = INTEGERS | {"FloatField", "DecimalField"}
    return operand is not None and operand.not_null and operand.column.kind in kinds
