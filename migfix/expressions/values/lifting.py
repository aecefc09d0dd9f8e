"""From the syntax of a body to values: one function per form, None where migfix knows no exact form.

Each text has to be there: Python stops at None, ``Concat`` takes NULL for nothing.
https://docs.djangoproject.com/en/stable/ref/models/database-functions/#text-functions
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence

from migfix.expressions.context import Context
from migfix.expressions.values.constants import UNKNOWN
from migfix.expressions.values.operands import found_operand
from migfix.expressions.values.related import Linked
from migfix.history.state import FieldState
from migfix.sql.kinds import FOREIGN_KEYS
from migfix.sql.nodes import Column, Constant, Operation, Value
from migfix.sql.operations import operation
from migfix.sql.types import constant, type_of_column, type_of_key

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Mod: "%",
    ast.FloorDiv: "//",
}


def lift(node: ast.expr, context: Context) -> Value | None:
    """What the expression computes. Raises ``Refused`` where the row may lead to one that is missing."""
    node, context = context.settled(node)
    known = context.constant(node)
    if known is not UNKNOWN:
        return constant(context.text(node), known)
    lifter = _TABLE.get(type(node))
    return lifter(node, context) if lifter else None


# Columns and what is read of them


def _attribute(node: ast.Attribute, context: Context) -> Value | None:
    found = found_operand(node, context)
    if found is None:
        part = node.attr in {"year", "month", "day"}
        return operation(node.attr, lift(node.value, context)) if part else None
    if found.is_instance:
        return None
    column = found.column
    is_key = column.kind in FOREIGN_KEYS
    typed = type_of_key(column, context.key_of(column)) if is_key else type_of_column(column)
    path = (*(link.name for link in found.links), column.name)
    return Column(path, typed, column, found.links, found.not_null)


def own_column(column: FieldState) -> Column:
    """``row.name``"""
    return Column((column.name,), type_of_column(column), column)


def linked_value(linked: Linked) -> Column:
    """``row.a.b.name``, also where that is another row"""
    path = (*(link.name for link in linked.links), linked.column.name)
    return Column(path, type_of_column(linked.column), linked.column, linked.links)


# Numbers, and sums of all kinds


def _binary(node: ast.BinOp, context: Context) -> Value | None:
    name = _OPERATORS.get(type(node.op))
    if name is None:
        return None
    if name == "%" and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
        values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
        return _formatted(node.left, values, r"%s", context)
    left, right = lift(node.left, context), lift(node.right, context)
    if name == "+" and "text" in {value.type.family for value in (left, right) if value}:
        return _concat([left, right])
    return operation(name, left, right)


def _unary(node: ast.UnaryOp, context: Context) -> Value | None:
    return operation("neg", lift(node.operand, context)) if isinstance(node.op, ast.USub) else None


# Texts


def _concat(texts: Sequence[Value | None]) -> Value | None:
    """The texts one after the other, flat, without empty ones."""
    flat: list[Value] = []
    for text in texts:
        if text is None or text.type.family != "text":
            return None
        if isinstance(text, Constant) and "\0" in str(text.value):
            return None
        if isinstance(text, Operation) and text.name in {"concat", "same"}:
            flat += text.arguments
        elif not (isinstance(text, Constant) and not text.value):
            flat.append(text)
    return operation("same", flat[0]) if len(flat) == 1 else operation("concat", *flat)


def _joined(node: ast.JoinedStr, context: Context) -> Value | None:
    """``f"{row.first} {row.last}"``"""
    texts: list[Value | None] = []
    for part in node.values:
        match part:
            case ast.Constant(value=str(text)):
                texts.append(_literal(text, context))
            case ast.FormattedValue(value=value, conversion=-1 | 115, format_spec=None):
                texts.append(_shown(value, context))
            case _:
                return None
    return _concat(texts)


def _formatted(
    template: ast.expr, values: Sequence[ast.expr], mark: str, context: Context
) -> Value | None:
    """A literal template whose only marks are ``%s`` or ``{}``, one for each value."""
    if not (isinstance(template, ast.Constant) and isinstance(template.value, str)):
        return None
    between = re.split(mark, template.value)
    if len(between) != len(values) + 1 or any(re.search(r"[%{}]", text) for text in between):
        return None
    texts: list[Value | None] = []
    for text, value in zip(between, [*values, None], strict=True):
        texts += [_literal(text, context)] if text else []
        texts += [_shown(value, context)] if value is not None else []
    return _concat(texts)


def _literal(text: str, context: Context) -> Constant:
    plain = text.isprintable() and not set(text) & {'"', "'", "\\"}
    source = context.loop.names.quoted(text) if plain else repr(text)
    return constant(source, text)


def _shown(node: ast.expr, context: Context) -> Value | None:
    """``str(value)``"""
    value = lift(node, context)
    return operation("same" if value and value.type.family == "text" else "str", value)


def _subscript(node: ast.Subscript, context: Context) -> Value | None:
    """``text[:k]``, ``text[k:]``, ``text[-k:]`` and ``text[i:j]``"""
    if not isinstance(node.slice, ast.Slice) or node.slice.step is not None:
        return None
    ends = (_bound(bound, context) for bound in (node.slice.lower, node.slice.upper))
    bounds = [constant(str(each), each) for each in ends]
    return operation("slice", lift(node.value, context), *bounds)


def _bound(node: ast.expr | None, context: Context) -> object:
    """An end of a slice, None for an open one."""
    return None if node is None else context.constant(node)


# Calls


def _call(node: ast.Call, context: Context) -> Value | None:
    match node:
        case ast.Call(func=ast.Name(id=name), keywords=[]) if context.loop.module.is_builtin(name):
            return _builtin(name, node.args, context)
        case ast.Call(func=ast.Attribute(value=template, attr="format"), keywords=[]):
            return _formatted(template, node.args, r"\{\}", context)
        case ast.Call(func=ast.Attribute(value=owner, attr=name), keywords=[]) if name in _METHODS:
            return operation(name, *(lift(each, context) for each in (owner, *node.args)))
    return None


def _builtin(name: str, arguments: Sequence[ast.expr], context: Context) -> Value | None:
    match name, arguments:
        case "str", [value]:
            return _shown(value, context)
        case "len" | "abs", [_]:
            return operation(name, lift(arguments[0], context))
        case "max" | "min", [_, _, *_]:
            return operation(name, *(lift(each, context) for each in arguments))
        case "int", [value]:
            number = lift(value, context)
            return operation("same", number) if number and number.type.family == "integer" else None
    return None


_METHODS = frozenset("replace lower upper strip lstrip rstrip date time".split())
_TABLE: dict[type[ast.expr], Callable[..., Value | None]] = {
    ast.Attribute: _attribute,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.JoinedStr: _joined,
    ast.Subscript: _subscript,
    ast.Call: _call,
}
