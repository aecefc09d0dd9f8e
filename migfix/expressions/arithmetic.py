"""``row.n + 1``, ``abs(row.n)``, ``row.n // 10``: numbers that every database computes as Python does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from migfix.expressions.context import Context, SqlValue, Target
from migfix.expressions.kinds import INTEGERS, UNSIGNED, bits_of
from migfix.expressions.operands import found_operand
from migfix.expressions.references import column_value, function, imports, model_class
from migfix.expressions.related import linked_column, subquery
from migfix.expressions.texts import piece_of
from migfix.findings import Reason, Refusal

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


@dataclass(frozen=True, slots=True)
class _Operand:
    """A number in SQL. ``bits`` is the width in which PostgreSQL computes with it, 0 for a constant.

    ``unsigned`` are those with which MySQL and MariaDB compute without a sign, ``negative`` says that
    such a result may be below zero, where they fail. ``number`` is the value of a constant;
    ``computed`` says that the text is more than a column, ``final`` that it is a float, with which
    databases calculate in other ways.
    """

    value: SqlValue
    bits: int = 0
    unsigned: bool = False
    negative: bool = False
    number: int | float | None = None
    computed: bool = False
    final: bool = False


def compile_arithmetic(node: ast.expr, target: Target, context: Context) -> SqlValue | None:
    """The number that the node computes of the row; None where there is no exact SQL for it."""
    kind = target.column.kind
    if kind not in INTEGERS and kind != "FloatField":
        return None
    compiler = _TABLE.get(type(node))
    computed = compiler(node, target, context) if compiler else None
    if computed is None or not computed.value.reads:
        return None
    if kind in INTEGERS and not _fits_in_between(computed, target, context):
        return None
    return computed.value


def _fits_in_between(computed: _Operand, target: Target, context: Context) -> bool:
    """Does SQL fail on the result only where storing it fails as well?

    PostgreSQL computes in the type of the operands, MySQL and MariaDB fail on a negative result as
    soon as one operand is unsigned.
    """
    if bits_of(str(target.column.kind)) > computed.bits:
        return False
    folded = computed.negative and context.loop.databases.any("mysql", "mariadb")
    return not folded or target.column.kind in UNSIGNED


def _operand(node: ast.expr, target: Target, context: Context) -> _Operand | None:
    node, context = context.settled(node)
    number = context.constant(node)
    if number is not ...:
        return _number(node, number, target, context)
    compiler = _TABLE.get(type(node))
    if compiler is not None:
        return compiler(node, target, context)
    operand = found_operand(node, context)
    if operand is None or not operand.column.verified:
        return None
    kind = str(operand.column.kind)
    if (kind in INTEGERS) != (target.column.kind in INTEGERS) or (
        kind not in INTEGERS and kind != "FloatField"
    ):
        return None
    operand.check_not_null()
    value = column_value(operand.column, context)
    if operand.links:
        linked = linked_column(node, context)
        assert linked is not None
        value = subquery(linked, context)
    value = _big_on_sqlite(value, kind, operand.name, context)
    return _Operand(value, bits_of(kind) if kind in INTEGERS else 64, kind in UNSIGNED)


def _number(node: ast.expr, number: object, target: Target, context: Context) -> _Operand | None:
    allowed = int if target.column.kind in INTEGERS else (int, float)
    if not isinstance(number, allowed) or isinstance(number, bool):
        return None
    if number and not 2**-31 < abs(number) < 2**31:  # far from where floats overflow
        return None
    return _Operand(SqlValue(context.text(node)), number=number)


def _binary(node: ast.expr, target: Target, context: Context) -> _Operand | None:
    assert isinstance(node, ast.BinOp)
    left, right = (_operand(side, target, context) for side in (node.left, node.right))
    if left is None or right is None or left.final or right.final:
        return None
    whole = target.column.kind in INTEGERS
    if isinstance(node.op, ast.Mod) and whole:
        return _remainder(left, right)
    if isinstance(node.op, ast.FloorDiv) and whole:
        return _quotient(left, right, context)
    operator = _OPERATORS.get(type(node.op))
    if operator is None or not (left.value.reads | right.value.reads):
        return None
    return _combined(operator, left, right, target, context)


def _combined(
    operator: str, left: _Operand, right: _Operand, target: Target, context: Context
) -> _Operand | None:
    whole = target.column.kind in INTEGERS
    nested = whole and (left.computed or right.computed)
    made = _made(f"{_inner(left)} {operator} {_inner(right)}", left, right)
    if operator == "*" and not whole and not _keeps_sign(left, right):
        made = _signed_zero(made, context)
    if not nested:
        negative = made.unsigned and not _counts_up(operator, left, right)
        return replace(made, negative=negative, computed=True)
    if made.unsigned and context.loop.databases.any("mysql", "mariadb"):
        return None
    if not context.loop.databases.any("postgresql", "oracle"):
        return replace(made, computed=True)
    value = made.value.but(
        Reason.VALUE,
        f"`{made.value.text}`: PostgreSQL fails where a result in between leaves the column's type",
    )
    return replace(made, value=value, computed=True)


def _keeps_sign(*sides: _Operand) -> bool:
    """Is one side a constant above zero?"""
    return any(side.number is not None and side.number > 0 for side in sides)


def _signed_zero(product: _Operand, context: Context) -> _Operand:
    if not context.loop.databases.any("postgresql", "oracle"):
        return product
    value = product.value.but(
        Reason.VALUE,
        f"`{product.value.text}`: PostgreSQL makes -0 of some zeros, and fails where a result is too "
        "small for a float",
    )
    return replace(product, value=value)


def _counts_up(operator: str, *sides: _Operand) -> bool:
    """The result of unsigned columns that is negative for none of their values."""
    return operator in {"+", "*"} and all(
        side.unsigned or (side.number is not None and side.number >= 0) for side in sides
    )


def _inner(side: _Operand) -> str:
    return f"({side.value.text})" if side.computed and " " in side.value.text else side.value.text


def _made(text: str, *of: _Operand) -> _Operand:
    """What operators make of the operands."""
    reads = frozenset().union(*(each.value.reads for each in of))
    value = SqlValue(
        text,
        reads,
        tuple(dict.fromkeys(caveat for each in of for caveat in each.value.caveats)),
        tuple(dict.fromkeys(import_ for each in of for import_ in each.value.imports)),
        kind=_combined_kind(of),
    )
    return _Operand(value, max(each.bits for each in of), any(each.unsigned for each in of))


def _combined_kind(of: Sequence[_Operand]) -> str:
    """The field class of what Django combines: ``F("small") + 1`` is no SmallIntegerField."""
    floats = any(each.value.kind == "FloatField" for each in of)
    return "FloatField" if floats else "IntegerField"


def _remainder(left: _Operand, right: _Operand) -> _Operand | None:
    """SQL's ``%`` has the sign of the number, Python's that of the divisor."""
    if not _is_divisor(right, left) or 2 * (right.number or 0) >= 2 ** (left.bits - 1):
        return None
    text = f"{left.value.text} % {right.value.text}"
    if not left.unsigned:
        text = f"({text} + {right.value.text}) % {right.value.text}"
    return replace(_made(text, left, right), computed=True)


def _is_divisor(right: _Operand, left: _Operand) -> bool:
    """A constant above zero, by which a column is divided: a computed number may not fit its type."""
    positive = isinstance(right.number, int) and right.number > 0
    return positive and left.number is None and not left.computed


# MySQL and MariaDB divide decimals, of which they keep nine digits behind the point.
_MAX_DIVISOR = 10**6


def _quotient(left: _Operand, right: _Operand, context: Context) -> _Operand | None:
    """Databases divide integers each in its own way: by floats, whose floor is exact to 53 bits."""
    if not _is_divisor(right, left) or left.bits > 32:
        return None
    if context.loop.databases.any("mysql", "mariadb") and (right.number or 0) > _MAX_DIVISOR:
        return None
    floor, cast = function("Floor", context), function("Cast", context)
    as_float = model_class("FloatField", context)
    text = f"{floor.text}({cast.text}({left.value.text}, {as_float.text}()) / {right.value.text})"
    made = _made(text, left, right)
    needed = (*made.value.imports, *imports(floor, cast, as_float))
    value = replace(made.value, imports=needed, kind="FloatField")
    return replace(made, value=value, unsigned=False, computed=True, final=True)


def _negative(node: ast.expr, target: Target, context: Context) -> _Operand | None:
    """``-row.n``"""
    assert isinstance(node, ast.UnaryOp)
    inner = _operand(node.operand, target, context) if isinstance(node.op, ast.USub) else None
    if inner is None or inner.unsigned or inner.computed:
        return None
    made = replace(_made(f"-{inner.value.text}", inner), computed=True)
    return made if target.column.kind in INTEGERS else _signed_zero(made, context)


def _call(node: ast.expr, target: Target, context: Context) -> _Operand | None:
    """``abs(n)``, ``max(n, 0)``, ``min(n, m)``, ``len(text)``"""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)) or node.keywords:
        return None
    name = node.func.id
    if not context.loop.module.is_builtin(name):
        return None
    match name, node.args:
        case "len", [text] if target.column.kind in INTEGERS:
            return _length(text, context)
        case "abs", [number]:
            return _function("Abs", [number], target, context)
        case "max" | "min", [_, _, *_]:
            return _function("Greatest" if name == "max" else "Least", node.args, target, context)
        case "int", [number] if target.column.kind in INTEGERS:
            return _operand(number, target, context)
    return None


def _function(
    name: str, arguments: list[ast.expr], target: Target, context: Context
) -> _Operand | None:
    found = [_operand(argument, target, context) for argument in arguments]
    known = [each for each in found if each is not None]
    if len(known) != len(found) or any(each.computed for each in known):
        return None
    if target.column.kind not in INTEGERS:
        return None  # floats: -0.0, and numbers that are none
    if any(each.unsigned for each in known) and len(known) > 1:
        return None
    reference, value = function(name, context), model_class("Value", context)
    texts = [
        each.value.text if each.number is None else f"{value.text}({each.value.text})"
        for each in known
    ]
    kinds = {each.value.kind or "IntegerField" for each in known}
    field = model_class("IntegerField", context)
    more = [f"output_field={field.text}()"] if len(kinds) > 1 else []
    made = _made(f"{reference.text}({', '.join([*texts, *more])})", *known)
    numbers = any(each.number is not None for each in known)
    used = [reference, *([value] if numbers else []), *([field] if more else [])]
    kind = "IntegerField" if more else kinds.pop()
    needed = (*made.value.imports, *imports(*used))
    return replace(made, value=replace(made.value, imports=needed, kind=kind), computed=True)


def _length(text: ast.expr, context: Context) -> _Operand | None:
    piece = piece_of(text, context)
    if piece is None or not piece.reads:
        return None
    reference = function("Length", context)
    value = SqlValue(
        f"{reference.text}({piece.argument})",
        piece.reads,
        piece.caveats,
        (*piece.imports, *imports(reference)),
        kind="IntegerField",
    )
    return _Operand(value, bits=32)


def _big_on_sqlite(value: SqlValue, kind: str, name: str, context: Context) -> SqlValue:
    if kind not in INTEGERS or bits_of(kind) != 64 or not context.loop.databases.any("sqlite"):
        return value
    caveat = Refusal(
        Reason.VALUE,
        f"SQLite makes a rounded float of a result beyond 64 bits, `{name}` may be that large",
    )
    return replace(value, caveats=(*value.caveats, caveat))


_TABLE: dict[type[ast.expr], Callable[[ast.expr, Target, Context], _Operand | None]] = {
    ast.BinOp: _binary,
    ast.UnaryOp: _negative,
    ast.Call: _call,
}
