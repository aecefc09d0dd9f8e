"""What an expression is known to be: rows, queries, and Python's own values, as ``plain`` lists them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from migfix.reading.kinds import plain
from migfix.reading.kinds.bindings import Names
from migfix.reading.kinds.calls import Calls
from migfix.reading.kinds.filling import Filling
from migfix.reading.kinds.plain import (
    DATA,
    EXPRESSION,
    FUNCTION,
    NOTHING,
    OWN,
    SUSPENDED,
    Known,
    Type,
)
from migfix.reading.kinds.rows import RowKinds
from migfix.reading.kinds.values import Manager, Pair, Row, Rows
from migfix.reading.rows.querysets import Resolver, row_of

_RESULTS = {ast.JoinedStr: Type("str"), ast.Compare: Type("bool"), ast.Lambda: FUNCTION}
_MAX_DEPTH = 60
_ROUNDS = 8  # in which names that depend on themselves have to settle  # in which names that depend on themselves have to settle


def kind_of(node: ast.expr, resolver: Resolver) -> Known:
    """What the expression is when it is evaluated, in the function whose names ``resolver`` knows."""
    return kinds_in(resolver).of(node)


def kinds_in(resolver: Resolver) -> Kinds:
    """The kinds of the function's expressions, found once."""
    if "kinds" not in resolver.own:
        resolver.own["kinds"] = Kinds(resolver)
    found = resolver.own["kinds"]
    assert isinstance(found, Kinds)
    return found


class Kinds:
    """The kinds of the expressions of one function."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.memory = resolver.memory
        self._known: dict[ast.AST, Known] = {}
        # of all functions, which may ask one another
        self._assumed: dict[object, Known] = resolver.memory.facts.setdefault("assumed", {})
        self.leaning_on: set[object] = resolver.memory.facts.setdefault("leaning", set())
        resolver.memory.facts.setdefault("kinds", []).append(self)
        self.names = Names(self)
        self.rows = RowKinds(self)
        self.calls = Calls(self)
        self.filling = Filling(self)

    def elsewhere(self, resolver: Resolver) -> Kinds:
        """The kinds of another function."""
        return kinds_in(resolver)

    def of(self, node: ast.expr) -> Known:
        if node in self._known:
            return self._known[node]
        if self.memory.depth > _MAX_DEPTH:
            self.memory.is_cut = True
            return None
        self.memory.depth += 1
        try:
            found = self._find(node)
        finally:
            self.memory.depth -= 1
        if self.memory.depth == 0:
            self.memory.is_cut = False
        elif self.memory.is_cut:
            return found
        if not self.leaning_on:
            self._known[node] = found
        return found

    def _find(self, node: ast.expr) -> Known:
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BinOp)):
            return self._made(node)
        if isinstance(node, ast.Name):
            return self.names.of_name(node)
        value = self.resolver.value(node)
        if isinstance(value, Row) and isinstance(node, ast.Call) and self._gives_values(node):
            value = None
        if value is not None:
            return value
        match node:
            case ast.Attribute():
                return self.rows.of_attribute(node)
            case ast.Call():
                return self.calls.of_call(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.BinOp():
                return self.operation(node.op, self.of(node.left), self.of(node.right))
        return None

    def _gives_values(self, call: ast.Call) -> bool:
        """``Post.objects.values_list("title").first()`` is no row."""
        rows = self.of(call.func.value) if isinstance(call.func, ast.Attribute) else None
        return isinstance(rows, Rows) and row_of(rows) is None

    def _made(self, node: ast.expr) -> Known:
        """What a display, a comprehension or an operator gives."""
        made = _RESULTS.get(type(node))
        if made is not None:
            return made
        match node:
            case ast.Constant(value=value):
                return NOTHING if value is None else Type(type(value).__name__)
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values)
            case ast.IfExp(body=first, orelse=second):
                return plain.joined(self.of(first), self.of(second))
            case ast.BoolOp(values=values):
                return plain.all_joined([self.of(value) for value in values])
            case ast.NamedExpr(value=value):
                return self.of(value)
            case ast.UnaryOp(op=ast.Not()):
                return Type("bool")
            case ast.UnaryOp(operand=operand):
                found = self.of(operand)
                return found if found == EXPRESSION or plain.is_deep(found) else None
        return self._collection(node)

    def _collection(self, node: ast.expr) -> Known:
        match node:
            case ast.List(elts=elements) | ast.Set(elts=elements):
                return Type(type(node).__name__.lower(), self._elements(elements))
            case ast.Tuple(elts=elements):
                spread = any(isinstance(each, ast.Starred) for each in elements)
                parts = None if spread else tuple(map(self.of, elements))
                return Type("tuple", self._elements(elements), parts=parts)
            case ast.ListComp(elt=element):
                return Type("list", self.of(element))
            case ast.SetComp(elt=element):
                return Type("set", self.of(element))
            case ast.DictComp(key=key, value=value):
                return Type("dict", self.of(value), self.of(key))
            case ast.GeneratorExp(elt=element):
                return Type(SUSPENDED, self.of(element))
        return None

    def _elements(self, elements: list[ast.expr]) -> Known:
        return plain.all_joined(
            [
                (
                    plain.item_of(self.of(each.value))
                    if isinstance(each, ast.Starred)
                    else self.of(each)
                )
                for each in elements
            ]
        )

    def _dict(self, keys: list[ast.expr | None], values: list[ast.expr]) -> Known:
        found_keys: list[Known] = []
        found_values: list[Known] = []
        for key, value in zip(keys, values, strict=True):
            if key is None:
                other = self.of(value)
                found_keys.append(plain.item_of(other))
                found_values.append(plain.value_of(other))
            else:
                found_keys.append(self.of(key))
                found_values.append(self.of(value))
        return Type("dict", plain.all_joined(found_values), plain.all_joined(found_keys))

    def operation(self, op: ast.operator, left: Known, right: Known) -> Known:
        if left is None or right is None:
            return None
        if NOTHING in (left, right):
            return NOTHING
        if EXPRESSION in (left, right):
            return EXPRESSION
        if not isinstance(left, Type) or not isinstance(right, Type):
            return Type("str") if isinstance(op, ast.Mod) and left == Type("str") else None
        if isinstance(op, ast.Mod) and left.name == "str":
            return Type("str")
        if isinstance(op, ast.Mult) and "list" in {left.name, right.name}:
            return left if left.name == "list" else right
        if left.name == right.name and left.name in plain.COLLECTIONS:
            return plain.joined(replace(left, parts=None), replace(right, parts=None))
        if not plain.is_deep(left) or not plain.is_deep(right):
            own = plain.COLLECTIONS | {"own"}
            return OWN if {left.name, right.name} & own else None
        if {left.name, right.name} <= plain.NUMBERS:
            return Type("number")
        if left == right and left.name in {"str", "int", "float", "number"}:
            return Type("number") if left.name == "int" else left
        return DATA

    def _subscript(self, node: ast.Subscript) -> Known:
        owner = self.of(node.value)
        match owner, node.slice:
            case Type(), ast.Slice():
                sliced = owner.name in {"str", "bytes", "list", "tuple", "range"} or owner == DATA
                return replace(owner, parts=None) if sliced else None
            case Type() | Pair(), ast.Constant(value=int(index)):
                return plain.part_of(owner, index)
            case Type() | Pair(), _:
                return plain.value_of(owner)
            case Rows() | Manager(), _:
                return plain.item_of(self.rows.iterated(node.value))
        return None

    def settled(self, what: object, find: Callable[[], Known]) -> Known:
        """What ``find()`` gives, where that may ask for the same again."""
        key = (self.resolver.scope.node, what)
        if key in self._assumed:
            self.leaning_on.add(key)
            return self._assumed[key]
        self._assumed[key] = NOTHING
        try:
            for _ in range(_ROUNDS):
                found = find()
                if key not in self.leaning_on or found == self._assumed[key]:
                    return found
                self._assumed[key] = plain.joined(self._assumed[key], found)
                if self._assumed[key] is None:
                    return None
            return None
        finally:
            del self._assumed[key]
            self.leaning_on.discard(key)

    def forget(self) -> None:
        """What was found while something was assumed that does not hold."""
        facts = self.resolver.memory.facts
        for kinds in facts.get("kinds", ()):
            kinds._known.clear()
            kinds.resolver.own.pop("returned", None)
