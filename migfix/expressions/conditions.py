"""Tests on a row: what ``if row.field == value`` becomes in ``filter()`` and ``exclude()``.

Python compares None, SQL does not compare NULL: every form here keeps Python's answer for both.
"""

from __future__ import annotations

import ast
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from migfix.expressions.constants import constant_of
from migfix.expressions.context import Context, Refused
from migfix.expressions.kinds import BOOLEANS, FOREIGN_KEYS, INTEGERS, TEXTS, bits_of
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState
from migfix.loops.values import Row
from migfix.source import shortened


@dataclass(frozen=True, slots=True)
class Lookup:
    """``field__lookup=value`` as in ``filter()``. ``not_null``: true of it means the field is not NULL."""

    key: str
    value: str
    field: str
    not_null: bool = True


@dataclass(frozen=True, slots=True)
class Not:
    term: Condition


@dataclass(frozen=True, slots=True)
class All:
    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    terms: tuple[Condition, ...]


Condition: TypeAlias = Lookup | Not | All | Any


@dataclass(frozen=True, slots=True)
class Test:
    """A compiled condition and what may differ with it."""

    condition: Condition
    caveats: tuple[Refusal, ...] = ()


def compile_test(node: ast.expr, context: Context) -> Test:
    """The condition of an ``if``. Raises ``Refused``."""
    compiler = _TABLE.get(type(node))
    if compiler is None:
        raise refused_test(node, context)
    return compiler(node, context)


def negated(condition: Condition) -> Condition:
    return condition.term if isinstance(condition, Not) else Not(condition)


def not_null_fields(condition: Condition) -> frozenset[str]:
    """Fields that cannot be NULL in a row for which the condition holds."""
    match condition:
        case Lookup(field=field, not_null=True):
            return frozenset({field})
        case Not(term=Lookup(key=key, value="True", field=field)) if key.endswith("__isnull"):
            return frozenset({field})
        case All(terms=terms):
            return frozenset().union(*map(not_null_fields, terms))
        case Any(terms=terms) if terms:
            return frozenset.intersection(*map(not_null_fields, terms))
    return frozenset()


def fields_of(condition: Condition) -> frozenset[str]:
    match condition:
        case Lookup(field=field):
            return frozenset({field})
        case Not(term=term):
            return fields_of(term)
        case All(terms=terms) | Any(terms=terms):
            return frozenset().union(*map(fields_of, terms))


def chain_calls(conditions: Iterable[Condition], q: str | None) -> str:
    """``.filter(...).exclude(...)`` for conditions that must all hold. ``q`` is the name of ``Q``.

    Raises ``Refused`` when a ``Q`` is needed and there is no name for it.
    """
    calls: list[str] = []
    together: dict[str, str] = {}
    for condition in _flat(conditions):
        match condition:
            case Lookup(key=key, value=value) if key not in together:
                together[key] = value
            case Lookup(key=key, value=value):
                calls.append(f".filter({key}={value})")
            case Not(term=Lookup(key=key, value=value)):
                calls.append(f".exclude({key}={value})")
            case _:
                calls.append(f".filter({_q(condition, q)})")
    first = [f".filter({', '.join(f'{k}={v}' for k, v in together.items())})"] if together else []
    return "".join([*first, *calls])


def needs_q(conditions: Iterable[Condition]) -> bool:
    return any(
        not isinstance(c, Lookup) and not (isinstance(c, Not) and isinstance(c.term, Lookup))
        for c in _flat(conditions)
    )


def _flat(conditions: Iterable[Condition]) -> Sequence[Condition]:
    """The terms that must all hold, each once, nested conjunctions opened."""
    flat: dict[Condition, None] = {}
    for condition in conditions:
        inner = _flat(condition.terms) if isinstance(condition, All) else [condition]
        flat.update(dict.fromkeys(inner))
    return list(flat)


def _q(condition: Condition, q: str | None) -> str:
    if q is None:
        raise Refused(Reason.NAME_CLASH, "every name for `Q` means something else in this file")
    match condition:
        case Lookup(key=key, value=value):
            return f"{q}({key}={value})"
        case Not(term=All() | Any() as term):
            return f"~({_q(term, q)})"
        case Not(term=term):
            return f"~{_q(term, q)}"
        case All(terms=terms):
            return " & ".join(_grouped(t, q, Any) for t in terms)
        case Any(terms=terms):
            return " | ".join(_grouped(t, q, All) for t in terms)


def _grouped(term: Condition, q: str, kind: type[All] | type[Any]) -> str:
    text = _q(term, q)
    return f"({text})" if isinstance(term, kind) else text


def refused_test(node: ast.expr, context: Context) -> Refused:
    shown = shortened(context.loop.text(node))
    return Refused(Reason.CONDITION, f"`{shown}` has no exact SQL form that migfix knows")


def _column(node: ast.expr, context: Context) -> FieldState:
    """The column that a test reads: one of the row's own, not assigned before on this path."""
    column = context.row_column(node)
    if column is None:
        raise refused_test(node, context)
    if column.name in context.assigned:
        raise Refused(Reason.CONDITION, f"`{column.name}` is tested after it was assigned")
    if column.kind is None or not column.verified:
        raise Refused(Reason.CONDITION, f"the type of `{column.name}` is not certain")
    return column


def _truth(node: ast.expr, context: Context) -> Test:
    """``if row.field:``"""
    column = _column(node, context)
    assert isinstance(node, ast.Attribute)
    if column.kind in BOOLEANS:
        return Test(Lookup(column.name, "True", column.name))
    if column.kind in INTEGERS:
        return Test(_present_and_not(column, "0"))
    if column.kind in TEXTS:
        return Test(_present_and_not(column, '""'), _text_caveats(column, context))
    if column.kind in FOREIGN_KEYS and (
        node.attr == column.name or _key_is_truthy(column, context)
    ):
        return Test(_is_present(column))
    if column.kind in {"DateField", "DateTimeField", "UUIDField"}:
        return Test(_is_present(column))
    raise refused_test(node, context)


def _key_is_truthy(column: FieldState, context: Context) -> bool:
    """``row.fk_id`` is falsy for 0 and '': only automatic keys cannot be that."""
    key = context.key_of(column)
    automatic = {"AutoField", "BigAutoField", "SmallAutoField", "UUIDField"}
    return key is not None and key.kind in automatic


def _is_present(column: FieldState) -> Condition:
    return Lookup(f"{column.name}__isnull", "False", column.name)


def _is_absent(column: FieldState) -> Condition:
    return Lookup(f"{column.name}__isnull", "True", column.name, not_null=False)


def _present_and_not(column: FieldState, empty: str) -> Condition:
    not_empty = Not(Lookup(column.name, empty, column.name))
    if column.null is False and column.verified:
        return not_empty
    return All((not_empty, _is_present(column)))


def _not(node: ast.expr, context: Context) -> Test:
    assert isinstance(node, ast.UnaryOp)
    if not isinstance(node.op, ast.Not):
        raise refused_test(node, context)
    if isinstance(node.operand, ast.Attribute):
        return _falsehood(node.operand, context)
    inner = compile_test(node.operand, context)
    return dataclasses.replace(inner, condition=negated(inner.condition))


def _falsehood(node: ast.Attribute, context: Context) -> Test:
    """``if not row.field:`` in the plainest words that keep NULL."""
    test = _truth(node, context)
    column = _column(node, context)
    empties = {**dict.fromkeys(INTEGERS, "0"), **dict.fromkeys(TEXTS, '""')}
    if column.kind in empties:
        empty = Lookup(column.name, empties[column.kind], column.name)
        if column.null is False and column.verified:
            return dataclasses.replace(test, condition=empty)
        return dataclasses.replace(test, condition=Any((empty, _is_absent(column))))
    if column.kind in BOOLEANS and column.null is False and column.verified:
        return Test(Lookup(column.name, "False", column.name))
    if column.kind in BOOLEANS:
        return Test(negated(test.condition))
    return Test(_is_absent(column))


def _bool(node: ast.expr, context: Context) -> Test:
    """``a and b``: what the left side rules out to be None is known on the right side."""
    assert isinstance(node, ast.BoolOp)
    tests: list[Test] = []
    for value in node.values:
        tests.append(compile_test(value, context))
        holds = (
            tests[-1].condition if isinstance(node.op, ast.And) else negated(tests[-1].condition)
        )
        context = dataclasses.replace(context, not_null=context.not_null | not_null_fields(holds))
    terms = tuple(test.condition for test in tests)
    caveats = tuple(caveat for test in tests for caveat in test.caveats)
    return Test(All(terms) if isinstance(node.op, ast.And) else Any(terms), caveats)


def _compare(node: ast.expr, context: Context) -> Test:
    assert isinstance(node, ast.Compare)
    operands = [node.left, *node.comparators]
    tests = [
        _comparison(left, operator, right, node, context)
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False)
    ]
    if len(tests) == 1:
        return tests[0]
    caveats = tuple(caveat for test in tests for caveat in test.caveats)
    return Test(All(tuple(test.condition for test in tests)), caveats)


_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_ORDER: dict[type[ast.cmpop], str] = {ast.Lt: "lt", ast.LtE: "lte", ast.Gt: "gt", ast.GtE: "gte"}


def _comparison(
    left: ast.expr, operator: ast.cmpop, right: ast.expr, node: ast.expr, context: Context
) -> Test:
    kind: type[ast.cmpop] = type(operator)
    if context.row_column(left) is None and kind in _MIRRORED:
        left, right, kind = right, left, _MIRRORED[kind]
    if context.reads_row(right):
        raise refused_test(node, context)
    column = _column(left, context)
    none = isinstance(right, ast.Constant) and right.value is None
    if none and kind in {ast.Is, ast.Eq}:
        return Test(_is_absent(column), _empty_text_caveats(column, context))
    if none and kind in {ast.IsNot, ast.NotEq}:
        return Test(_is_present(column), _empty_text_caveats(column, context))
    if kind in {ast.Eq, ast.NotEq}:
        test = _equals(column, left, right, context)
        return (
            test if kind is ast.Eq else dataclasses.replace(test, condition=negated(test.condition))
        )
    if kind in {ast.In, ast.NotIn}:
        test = _member(column, left, right, context)
        return (
            test if kind is ast.In else dataclasses.replace(test, condition=negated(test.condition))
        )
    if kind in _ORDER:
        return _ordered(column, kind, right, context)
    raise refused_test(node, context)


def _equals(column: FieldState, left: ast.expr, right: ast.expr, context: Context) -> Test:
    value = _constant(column, left, right, context)
    key = (
        left.attr
        if isinstance(left, ast.Attribute) and left.attr == column.attname
        else column.name
    )
    return Test(Lookup(key, value, column.name), _text_caveats(column, context))


def _member(column: FieldState, left: ast.expr, right: ast.expr, context: Context) -> Test:
    """``row.field in (1, 2)``; a None among them is a test of its own."""
    if not isinstance(right, (ast.Tuple, ast.List, ast.Set)) or not right.elts:
        raise refused_test(right, context)
    nones = [e for e in right.elts if isinstance(e, ast.Constant) and e.value is None]
    values = [_constant(column, left, e, context) for e in right.elts if e not in nones]
    caveats = _text_caveats(column, context)
    if not values:
        return Test(_is_absent(column))
    among = Lookup(f"{column.name}__in", f"[{', '.join(values)}]", column.name)
    return Test(Any((among, _is_absent(column))) if nones else among, caveats)


def _ordered(column: FieldState, kind: type[ast.cmpop], right: ast.expr, context: Context) -> Test:
    if column.kind not in INTEGERS | {"FloatField", "DecimalField", "DateField", "DateTimeField"}:
        raise refused_test(right, context)
    if not context.is_not_null(column):
        raise Refused(
            Reason.NULLABLE,
            f"`{column.name}` may be NULL: Python stops at comparing None, SQL does not",
        )
    value = _constant(column, right, right, context)
    caveats: tuple[Refusal, ...] = ()
    if column.kind == "FloatField" and kind in {ast.Gt, ast.GtE}:
        caveats = _nan_caveats(column, context)
    return Test(Lookup(f"{column.name}__{_ORDER[kind]}", value, column.name), caveats)


def _nan_caveats(column: FieldState, context: Context) -> tuple[Refusal, ...]:
    """https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT"""
    if not context.loop.databases.any("postgresql", "oracle"):
        return ()
    return (
        Refusal(
            Reason.CONDITION,
            f"if `{column.name}` holds NaN: PostgreSQL and Oracle hold it for greater than any "
            "number, Python for neither greater nor less",
        ),
    )


def _constant(column: FieldState, left: ast.expr, right: ast.expr, context: Context) -> str:
    """The source of a constant of the column's own type: SQL converts where Python says "not equal"."""
    text = context.loop.text(right)
    if column.kind in FOREIGN_KEYS and isinstance(left, ast.Attribute) and left.attr == column.name:
        row = context.loop.resolver.value(right, context.loop.node)
        if isinstance(row, Row) and row.model.key == column.target and not row.may_be_none:
            return text
        raise refused_test(right, context)
    if not _has_type_of(constant_of(right, context.loop), column, context):
        raise Refused(
            Reason.CONDITION,
            f"`{text}` is not known to be a constant of the type of `{column.name}` ({column.kind})",
        )
    return text


def _has_type_of(value: object, column: FieldState, context: Context) -> bool:
    """Does the database compare the column with the constant as Python compares the loaded value?"""
    if column.kind in FOREIGN_KEYS:
        key = context.key_of(column)
        return key is not None and key.kind in INTEGERS and _has_type_of(value, key, context)
    if column.kind in BOOLEANS:
        return isinstance(value, bool)
    if column.kind in TEXTS:
        return isinstance(value, str) and _is_encodable(value)
    if column.kind == "DateField":
        return type(value) is date
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if column.kind == "FloatField":
        return math.isfinite(value) and (isinstance(value, float) or abs(value) <= 2**53)
    if column.kind == "DecimalField":
        return isinstance(value, int) and abs(value) < 10 ** _whole_digits(column)
    limit = 2 ** (bits_of(column.kind) - 1) if column.kind in INTEGERS else 0
    return isinstance(value, int) and -limit <= value < limit


def _is_encodable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _whole_digits(column: FieldState) -> int:
    """How many digits a decimal column has before the point; 0 when it is not known."""
    digits, places = (column.options.get(o) for o in ("max_digits", "decimal_places"))
    return digits - places if isinstance(digits, int) and isinstance(places, int) else 0


def _text_caveats(column: FieldState, context: Context) -> tuple[Refusal, ...]:
    """Python compares text character by character, a database by its collation."""
    if column.kind not in TEXTS:
        return ()
    databases = context.loop.databases
    if databases.only("postgresql", "sqlite") and "db_collation" not in column.options:
        return ()
    return (
        Refusal(
            Reason.TEXT_COMPARISON,
            f"on MySQL, MariaDB or Oracle, or with a collation, `{column.name}` also matches text "
            "that Python holds for different (case, accents, trailing spaces)",
        ),
    )


def _empty_text_caveats(column: FieldState, context: Context) -> tuple[Refusal, ...]:
    """Oracle keeps no empty text: Django loads NULL as '' there, which is not None."""
    if column.kind not in TEXTS or not context.loop.databases.any("oracle"):
        return ()
    message = f"on Oracle `{column.name}` is never None, where the database has NULL"
    return (Refusal(Reason.TEXT_COMPARISON, message),)


_TABLE: dict[type[ast.expr], Callable[[ast.expr, Context], Test]] = {
    ast.Attribute: _truth,
    ast.UnaryOp: _not,
    ast.BoolOp: _bool,
    ast.Compare: _compare,
}
