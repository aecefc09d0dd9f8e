"""Tests on a row: what ``if row.field == value`` becomes in ``filter()`` and ``exclude()``.

Python compares None, SQL does not compare NULL: every form here keeps Python's answer for both.
"""

from __future__ import annotations

import ast
import dataclasses
import operator
from collections.abc import Callable

from migfix.expressions.conditions import textual
from migfix.expressions.context import Context, Refused, Test
from migfix.expressions.values.constants import UNKNOWN
from migfix.expressions.values.elsewhere import Query, existence_caveats, exists
from migfix.expressions.values.maps import frozen_collection, mapping_of
from migfix.expressions.values.operands import Operand, found_operand, operand_of, refused_test
from migfix.expressions.values.tables import membership, row_query
from migfix.expressions.values.types import drift_caveats, has_type_of, is_below, is_rounded
from migfix.findings import Reason, Refusal
from migfix.history.fields import Is, fields
from migfix.history.state import FieldState
from migfix.reading.kinds.values import Row
from migfix.sql.databases import Trait
from migfix.sql.kinds import BOOLEANS, FILES, FOREIGN_KEYS, INTEGERS, TEXTS
from migfix.sql.logic import ALWAYS, NEVER, all_of, any_of, negated, not_null_fields
from migfix.sql.nodes import Condition, Constant, Items, Not, Outer
from migfix.sql.types import constant


def compile_test(node: ast.expr, context: Context) -> Test:
    """The condition of an ``if``. Raises ``Refused``."""
    node, context = context.settled(node)
    known = context.constant(node)
    if known is not UNKNOWN:
        return Test(ALWAYS if known else NEVER)
    compiler = _TABLE.get(type(node))
    if compiler is None:
        raise refused_test(node, context)
    return compiler(node, context)


_AUTOMATIC = fields(Is.COUNTED) | {"UUIDField"}
_ALWAYS_TRUE = fields(Is.MOMENT) | {"UUIDField"}


def _truth(node: ast.expr, context: Context) -> Test:
    """``if row.field:``"""
    operand = operand_of(node, context)
    kind = operand.column.kind
    if kind in BOOLEANS:
        return Test(operand.lookup("", constant("True", True)))
    if kind in TEXTS:
        return Test(*textual.not_empty(operand, context))
    if kind in INTEGERS | {"FloatField", "DecimalField"}:
        there = Not(operand.lookup("", constant("0", 0)))
        return Test(_present_and(operand, there), drift_caveats(operand.column, context))
    if kind in _ALWAYS_TRUE or (
        kind in FOREIGN_KEYS and (operand.is_instance or _key_is_truthy(operand.column, context))
    ):
        return Test(operand.present)
    raise refused_test(node, context)


def _key_is_truthy(column: FieldState, context: Context) -> bool:
    """``row.fk_id`` is falsy for 0 and '': only automatic keys cannot be that."""
    key = context.key_of(column)
    return key is not None and key.kind in _AUTOMATIC


def _present_and(operand: Operand, condition: Condition) -> Condition:
    return condition if operand.not_null else all_of(condition, operand.present)


def _not(node: ast.expr, context: Context) -> Test:
    assert isinstance(node, ast.UnaryOp)
    if not isinstance(node.op, ast.Not):
        raise refused_test(node, context)
    inner, inside = context.settled(node.operand)
    if isinstance(inner, ast.Attribute):
        return _falsehood(inner, inside)
    return compile_test(inner, inside).negated()


def _falsehood(node: ast.Attribute, context: Context) -> Test:
    """``if not row.field:`` in the plainest words that keep NULL."""
    test = compile_test(node, context)
    if test.condition in (ALWAYS, NEVER):
        return test.negated()
    operand = operand_of(node, context)
    kind = operand.column.kind
    if kind in TEXTS:
        return Test(*textual.empty(operand, context))
    if kind in INTEGERS | {"FloatField", "DecimalField"}:
        zero = operand.lookup("", constant("0", 0))
        nothing = zero if operand.not_null else any_of(zero, operand.absent)
        return Test(nothing, test.caveats)
    if kind in BOOLEANS and operand.not_null:
        return Test(operand.lookup("", constant("False", False)))
    return test.negated()


def _bool(node: ast.expr, context: Context) -> Test:
    """``a and b``: what the left side rules out to be None is known on the right side."""
    assert isinstance(node, ast.BoolOp)
    is_and = isinstance(node.op, ast.And)
    tests: list[Test] = []
    for value in node.values:
        tests.append(compile_test(value, context))
        holds = tests[-1].condition if is_and else negated(tests[-1].condition)
        if holds == NEVER:
            break
        context = dataclasses.replace(context, not_null=context.not_null | not_null_fields(holds))
    terms = [test.condition for test in tests]
    caveats = tuple(caveat for test in tests for caveat in test.caveats)
    return Test(all_of(*terms) if is_and else any_of(*terms), caveats)


def _compare(node: ast.expr, context: Context) -> Test:
    assert isinstance(node, ast.Compare)
    operands = [node.left, *node.comparators]
    pairs = zip(operands, node.ops, operands[1:], strict=False)
    tests = [_comparison(left, op, right, node, context) for left, op, right in pairs]
    caveats = tuple(caveat for test in tests for caveat in test.caveats)
    return Test(all_of(*(test.condition for test in tests)), caveats)


_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Is: ast.Is,
    ast.IsNot: ast.IsNot,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_ORDER: dict[type[ast.cmpop], str] = {ast.Lt: "lt", ast.LtE: "lte", ast.Gt: "gt", ast.GtE: "gte"}
_DENIED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.IsNot: ast.Is,
    ast.NotEq: ast.Eq,
    ast.NotIn: ast.In,
}
_IN_PYTHON: dict[type[ast.cmpop], Callable[..., bool]] = {
    ast.Eq: operator.eq,
    ast.Is: operator.is_,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
}


def _comparison(
    left: ast.expr, op: ast.cmpop, right: ast.expr, node: ast.expr, context: Context
) -> Test:
    kind: type[ast.cmpop] = type(op)
    if kind in _DENIED:
        denied = _DENIED[kind]()
        return _comparison(left, denied, right, node, context).negated()
    (left, inside), (right, other) = context.settled(left), context.settled(right)
    if (decided := _decided(left, kind, right, inside, other)) is not None:
        return Test(ALWAYS if decided else NEVER)
    if (query := row_query(left, inside)) is not None:
        return _against_query(query, kind, right, node, inside)
    if not _is_column(left, inside) and kind in _MIRRORED and _is_column(right, other):
        left, right, kind = right, left, _MIRRORED[kind]
        inside, other = other, inside
    if kind is ast.In and _is_column(right, other):
        return _contains(left, right, other)
    if kind is ast.In and (member := membership(left, right, inside)) is not None:
        return exists(member)
    operand = operand_of(left, inside)
    if operand.column.kind in FILES:  # the row holds an object for the file, which is never None
        raise refused_test(node, context)
    if _is_column(right, other):
        return _columns(operand, kind, operand_of(right, other), node, context)
    if context.reads_row(right):
        raise refused_test(node, context)
    return _with_constant(operand, kind, right, node, other)


def _against_query(
    query: Query, kind: type[ast.cmpop], right: ast.expr, node: ast.expr, context: Context
) -> Test:
    """``found is None`` of a ``first()``, ``row.items.count() > 0``"""
    value = right.value if isinstance(right, ast.Constant) else UNKNOWN
    test = _existence(query, node, context)
    if query.end == "first" and value is None and kind in {ast.Is, ast.Eq}:
        return test.negated()
    if query.end == "count" and value == 0 and kind in {ast.Eq, ast.Gt}:
        return test if kind is ast.Gt else test.negated()
    raise refused_test(node, context)


def _existence(query: Query, node: ast.expr, context: Context) -> Test:
    """``if row.items.exists():``, ``if T.objects.filter(code=row.code).first():``"""
    if query.end == "get":
        raise refused_test(node, context)
    test = exists(query)
    if query.end == "first":
        return test
    return dataclasses.replace(test, caveats=existence_caveats(query))


def _is_column(node: ast.expr, context: Context) -> bool:
    return found_operand(node, context) is not None


def _decided(
    left: ast.expr, kind: type[ast.cmpop], right: ast.expr, inside: Context, other: Context
) -> bool | None:
    """The answer where both sides are constants, as after ``row.n = 1``; None where one is not."""
    a, b = inside.constant(left), other.constant(right)
    if a is UNKNOWN or b is UNKNOWN or kind not in _IN_PYTHON:
        return None
    try:
        return bool(_IN_PYTHON[kind](a, b))
    except TypeError:
        return None


def _with_constant(
    operand: Operand, kind: type[ast.cmpop], right: ast.expr, node: ast.expr, context: Context
) -> Test:
    value = right.value if isinstance(right, ast.Constant) else UNKNOWN
    if value is None and kind in {ast.Is, ast.Eq}:
        caveats = _empty_text_caveats(operand.column, context) + _json_null_caveats(operand)
        return Test(operand.absent, caveats)
    if kind is ast.Is and isinstance(value, bool) and operand.column.kind in BOOLEANS:
        return Test(operand.lookup("", constant(str(value), value)))
    if kind is ast.Eq:
        return _equals(operand, right, context)
    if kind is ast.In:
        return _member(operand, right, context)
    if kind in _ORDER:
        return _ordered(operand, kind, right, context)
    raise refused_test(node, context)


def _equals(operand: Operand, right: ast.expr, context: Context) -> Test:
    value = _constant(operand, right, context)
    if is_below(context.constant(right), operand.column):
        return Test(NEVER)
    if operand.column.kind in TEXTS:
        return Test(*textual.equals(operand, value, context))
    return Test(operand.by_attribute(value), drift_caveats(operand.column, context))


def _member(operand: Operand, right: ast.expr, context: Context) -> Test:
    """``row.field in (1, 2)``; a None among them is a test of its own."""
    if not isinstance(right, (ast.Tuple, ast.List, ast.Set)):
        return _named_member(operand, right, context)
    if not right.elts:
        return Test(NEVER)
    nones = [e for e in right.elts if isinstance(e, ast.Constant) and e.value is None]
    tests = {e: _equals(operand, e, context) for e in right.elts if e not in nones}
    caveats = tuple(dict.fromkeys(caveat for test in tests.values() for caveat in test.caveats))
    possible = {e: test.condition for e, test in tests.items() if test.condition != NEVER}
    conditions = list(possible.values())
    if not any(textual.is_exact_form(condition) for condition in conditions) and conditions:
        values = tuple(_constant(operand, each, context) for each in possible)
        conditions = [operand.lookup("in", values)]
    if nones:
        return Test(any_of(*conditions, operand.absent), caveats + _json_null_caveats(operand))
    return Test(any_of(*conditions), caveats)


def _named_member(operand: Operand, right: ast.expr, context: Context) -> Test:
    """``row.field in NAMES``, a list, set or dict of constants that nothing in the file changes."""
    known = frozen_collection(right, context)
    if known is None or not known or operand.is_instance:
        raise refused_test(right, context)
    column = operand.column
    if not all(has_type_of(value, column, context) for value in known):
        raise refused_test(right, context)
    if all(is_below(value, column) for value in known):
        return Test(NEVER)
    mapping = context.loop.text(mapping_of(right)) if isinstance(known, dict) else None
    lookup = operand.lookup("in", Items(context.text(right), mapping))
    caveats = drift_caveats(operand.column, context)
    return Test(lookup, textual.caveats(operand.column, context) + caveats)


def _ordered(operand: Operand, kind: type[ast.cmpop], right: ast.expr, context: Context) -> Test:
    column = operand.column
    if column.kind not in INTEGERS | _SORTED or operand.is_instance:
        raise refused_test(right, context)
    operand.check_not_null()
    value = _constant(operand, right, context)
    if is_below(context.constant(right), column):
        return Test(ALWAYS if kind in {ast.Gt, ast.GtE} else NEVER)
    caveats = drift_caveats(column, context)
    if column.kind == "FloatField" and kind in {ast.Gt, ast.GtE}:
        caveats += _nan_caveats(column, context)
    return Test(operand.lookup(_ORDER[kind], value), caveats)


_SORTED = fields(Is.SORTED)


def _columns(
    left: Operand, kind: type[ast.cmpop], right: Operand, node: ast.expr, context: Context
) -> Test:
    """``row.a == row.b``: two columns of one row, equal also where both are NULL."""
    mixed = left.is_instance != right.is_instance  # a row is equal to no key
    if left.links or right.links or mixed or not _are_comparable(left, right, context):
        raise refused_test(node, context)
    caveats = textual.caveats(left.column, context) or textual.caveats(right.column, context)
    if left.column.kind == "FloatField":
        caveats += _nan_caveats(left.column, context)
    if kind is ast.Eq:
        equal: Condition = left.lookup("", right.node)
        if left.not_null or right.not_null:
            return Test(equal, caveats)
        return Test(any_of(equal, all_of(left.absent, right.absent)), caveats)
    if kind not in _ORDER or left.column.kind not in INTEGERS | _SORTED:
        raise refused_test(node, context)
    left.check_not_null()
    right.check_not_null()
    return Test(left.lookup(_ORDER[kind], right.node), caveats)


def _are_comparable(left: Operand, right: Operand, context: Context) -> bool:
    """Do both hold values that Python and every database compare alike?"""
    a, b = left.column, right.column
    if a.kind in FOREIGN_KEYS and b.kind in FOREIGN_KEYS:
        same_key = a.options.get("to_field") == b.options.get("to_field")
        return isinstance(a.target, tuple) and a.target == b.target and same_key
    if is_rounded(a, context.loop.databases) or is_rounded(b, context.loop.databases):
        return False
    if a.kind in TEXTS and b.kind in TEXTS:
        return True
    if a.kind in INTEGERS and b.kind in INTEGERS:
        return True
    places = a.options.get("decimal_places") == b.options.get("decimal_places")
    known = BOOLEANS | _SORTED | {"UUIDField"}
    kept = a.kind != "DecimalField" or context.loop.databases.have(Trait.KEEPS_DECIMALS)
    return a.kind == b.kind and a.kind in known and places and kept


def _nan_caveats(column: FieldState, context: Context) -> tuple[Refusal, ...]:
    """https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT"""
    if context.loop.databases.have(Trait.HAS_NO_NAN):
        return ()
    return (
        Refusal(
            Reason.CONDITION,
            f"if `{column.name}` holds NaN: PostgreSQL and Oracle hold it for greater than any "
            "number and equal to itself, Python for neither",
        ),
    )


def _constant(operand: Operand, right: ast.expr, context: Context) -> Constant | Outer:
    """A constant of the column's own type: SQL converts where Python says "not equal"."""
    text = context.text(right)
    column = operand.column
    if operand.is_instance:
        row = context.resolver.value(right, context.place)
        if isinstance(row, Row) and row.model.key == column.target and not row.may_be_none:
            return Outer(text)
        raise refused_test(right, context)
    value = context.constant(right)
    if not has_type_of(value, column, context):
        raise Refused(
            Reason.CONDITION,
            f"`{text}` is not known to be a constant of the type of `{operand.name}` ({column.kind})",
        )
    return constant(text, value)


def _empty_text_caveats(column: FieldState, context: Context) -> tuple[Refusal, ...]:
    """Oracle keeps no empty text: Django loads NULL as '' there, which is not None."""
    if column.kind not in TEXTS or context.loop.databases.have(Trait.KEEPS_EMPTY_TEXT):
        return ()
    message = f"on Oracle `{column.name}` is never None, where the database has NULL"
    return (Refusal(Reason.TEXT_COMPARISON, message),)


def _json_null_caveats(operand: Operand) -> tuple[Refusal, ...]:
    """https://docs.djangoproject.com/en/stable/topics/db/queries/#storing-and-querying-for-none"""
    if operand.column.kind != "JSONField":
        return ()
    message = f"a stored JSON null in `{operand.name}` is None as well, SQL finds NULL alone"
    return (Refusal(Reason.CONDITION, message),)


def _contains(left: ast.expr, right: ast.expr, context: Context) -> Test:
    """``"abc" in row.text``"""
    operand = operand_of(right, context)
    if operand.column.kind not in TEXTS:
        raise refused_test(right, context)
    operand.check_not_null()
    return Test(*textual.part("contains", operand, left, context))


def _call(node: ast.expr, context: Context) -> Test:
    """``row.text.startswith("abc")``, ``bool(row.flag)``, ``isinstance(row.flag, bool)``"""
    assert isinstance(node, ast.Call)
    if (query := row_query(node, context)) is not None:
        return _existence(query, node, context)
    match node:
        case ast.Call(
            func=ast.Attribute(value=text, attr="startswith" | "endswith" as method),
            args=[part],
            keywords=[],
        ) if _is_column(text, context):
            operand = operand_of(text, context)
            if operand.column.kind not in TEXTS:
                raise refused_test(node, context)
            operand.check_not_null()
            return Test(*textual.part(method, operand, part, context))
        case ast.Call(
            func=ast.Name(id="bool"), args=[inner], keywords=[]
        ) if context.loop.module.is_builtin("bool"):
            return compile_test(inner, context)
        case ast.Call(
            func=ast.Name(id="isinstance"), args=[inner, ast.Name(id=name)]
        ) if context.loop.module.is_builtin("isinstance") and context.loop.module.is_builtin(name):
            operand = operand_of(inner, context)
            if operand.column.kind in _LOADED_AS.get(name, ()):
                return Test(ALWAYS if operand.not_null else operand.present)
    raise refused_test(node, context)


_LOADED_AS: dict[str, frozenset[str]] = {
    "bool": BOOLEANS,
    "str": TEXTS,
    "int": INTEGERS | BOOLEANS,
    "float": frozenset({"FloatField"}),
}


_TABLE: dict[type[ast.expr], Callable[[ast.expr, Context], Test]] = {
    ast.Attribute: _truth,
    ast.UnaryOp: _not,
    ast.BoolOp: _bool,
    ast.Compare: _compare,
    ast.Call: _call,
}
