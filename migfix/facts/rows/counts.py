"""Places before a loop that read its rows only to count or test them: ``len(rows)``, ``if rows:``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from migfix.facts.body.changes import blocks_around, is_quiet
from migfix.findings import Beside, Part, Reason, Refusal
from migfix.history.state import ModelState, Unknown
from migfix.reading.kinds.values import Rows, Step
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import REPEATING, Scope, walk
from migfix.reading.rows.methods import Does, methods

if TYPE_CHECKING:
    from migfix.facts.loop import Loop

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
# Steps that say which rows there are, or nothing about that. Joins of others (``select_related``)
# leave out rows that ``count()`` counts, and locks are not taken by it.
_COUNTED = methods(Does.COUNTS_ALIKE)
# What a comparison of a length with a number asks: whether there are rows, or whether there are none.
_ANY = {(ast.Gt, 0), (ast.NotEq, 0), (ast.GtE, 1)}
_NONE = {(ast.Eq, 0), (ast.LtE, 0), (ast.Lt, 1)}


@dataclass(frozen=True, eq=False)
class Count:
    """``node`` asks of the queryset ``rows`` no more than ``method`` does: ``count`` or ``exists``.

    ``negated`` where it asks whether there are none.
    """

    node: ast.expr
    rows: ast.expr
    method: str
    negated: bool = False


def counts_around(loop: Loop) -> Iterator[Count]:
    """Every place of the function that runs before the loop and may ask the database instead.

    Those that read the looped rows themselves do so while nothing changes the table before the loop.
    """
    for root in _evaluated_before(loop):
        for found in _counts_in(root, loop.resolver.scope, loop.module):
            rows = loop.resolver.value(found.rows)
            if (
                isinstance(rows, Rows)
                and (_is_own(found.rows, loop) or not rows.has("list()"))
                and _is_exact(rows, found.method, loop)
                and _alone(found.rows, loop)
            ):
                yield found


def filling(loop: Loop) -> list[Count]:
    """The places among these that load the very rows that the loop goes over, and keep them for it."""
    return [count for count in loop.counts if _is_own(count.rows, loop)]


def _is_own(rows: ast.expr, loop: Loop) -> bool:
    """Do they have the name of the rows that the loop goes over? A list of these may go, no other."""
    name = loop.queryset
    return isinstance(name, ast.Name) and isinstance(rows, ast.Name) and rows.id == name.id


def needs_counts(loop: Loop) -> tuple[Beside, ...]:
    """The condition for reading the rows in another way: that nothing has read them before.

    Else the database would be asked for all of them twice.
    """
    counts = filling(loop)
    if not counts:
        return ()
    at = loop.at(counts[0].node)
    why = f"{at} reads all rows before: the loop would read them again"
    return (Beside(Part.COUNTS, Refusal(Reason.QUERYSET_REUSED, why, at)),)


def _evaluated_before(loop: Loop) -> Iterator[ast.AST]:
    """What runs before the loop starts, once each time that the loop runs."""
    yield loop.node.iter
    for block, step in blocks_around(loop):
        yield from block[: block.index(step)]
    for ancestor in loop.resolver.scope.ancestors(loop.node):
        if isinstance(ancestor, _LOOPS):
            return
        if isinstance(ancestor, ast.If):
            yield ancestor.test


@lru_cache(maxsize=4096)
def _counts_in(root: ast.AST, scope: Scope, module: Module) -> tuple[Count, ...]:
    """What may be such a place, if it has to do with rows, and runs at most once each time that ``root`` does."""
    return tuple(
        count
        for node in walk(root)
        if isinstance(node, ast.expr)
        and (count := _count_at(node, scope.parents, module)) is not None
        and not _is_repeated(node, root, scope.parents)
    )


def _is_repeated(node: ast.AST, root: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """May it run many times each time that ``root`` does, or with its errors caught?"""
    while node is not root:
        node = parents[node]
        if isinstance(node, (*REPEATING, ast.Try)):
            return True
    return False


def _count_at(rows: ast.expr, parents: Mapping[ast.AST, ast.AST], module: Module) -> Count | None:
    """What the expression around ``rows`` asks of them, None where it needs the rows themselves."""
    match parents[rows]:
        case ast.Call(
            func=ast.Name(id="len" | "bool" as name), args=[_], keywords=[]
        ) as call if module.is_builtin(name):
            return _length(call, rows, parents) if name == "len" else Count(call, rows, "exists")
    return Count(rows, rows, "exists") if is_tested(rows, parents) else None


def _length(call: ast.Call, rows: ast.expr, parents: Mapping[ast.AST, ast.AST]) -> Count:
    match parents[call]:
        case ast.Compare(
            left=left, ops=[operator], comparators=[ast.Constant(value=int(number))]
        ) as compared if left is call and is_tested(compared, parents):
            asked = (type(operator), number)
            if asked in _ANY or asked in _NONE:
                return Count(compared, rows, "exists", negated=asked in _NONE)
    return Count(call, rows, "exists" if is_tested(call, parents) else "count")


def is_tested(node: ast.AST, parents: Mapping[ast.AST, ast.AST], *, often: bool = False) -> bool:
    """Does nothing matter of the value but whether it is true? With ``often``, also by a ``while``."""
    parent = parents[node]
    match parent:
        case ast.If() | ast.IfExp() | ast.Assert():
            return node is parent.test
        case ast.While():
            return often and node is parent.test
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.BoolOp():
            return is_tested(parent, parents, often=often)
    return False


def _is_exact(rows: Rows, method: str, loop: Loop) -> bool:
    """Do ``count()`` and ``exists()`` say what a list of the rows would?

    They drop the order, and with it the joins that an order by columns of other tables needs:
    https://docs.djangoproject.com/en/stable/ref/models/querysets/#count
    """
    key = rows.model.key
    model = loop.state.model(*key) if key and not rows.model.real else Unknown("")
    if isinstance(model, Unknown) or not model.has_plain_managers or rows.manager.related:
        return False
    if any(isinstance(base, tuple | Unknown) for base in model.bases):
        return False
    if not all(step.name in _COUNTED for step in rows.steps):
        return False
    arguments = [step for step in rows.steps if step.name == "distinct" and _has_arguments(step)]
    if arguments or not all(name in _own_names(model) for name in _ordered_by(rows, model)):
        return False
    return method == "exists" or not rows.has("distinct") or _is_sorted_by_loaded(rows, model)


def _has_arguments(step: Step) -> bool:
    return step.call is None or bool(step.call.args or step.call.keywords)


def _ordered_by(rows: Rows, model: ModelState) -> Iterator[object]:
    """Every name that sorts the rows at any step; None for what is not a literal."""
    yield from _ordering_of(model)
    for step in rows.steps:
        if step.name == "order_by" and step.call is not None:
            yield from _named(step.call)


def _ordering_of(model: ModelState) -> Sequence[object]:
    ordering = model.options.get("ordering", ())
    return ordering if isinstance(ordering, (list, tuple)) else [None]


def _named(call: ast.Call) -> list[object]:
    return [a.value if isinstance(a, ast.Constant) else None for a in call.args]


def _loaded_by(values: ast.Call | None) -> list[object]:
    """The columns that ``values()`` takes; none where that is all of them."""
    if values is None:
        return [None]
    computed = [None for keyword in values.keywords if keyword.arg not in {"flat", "named"}]
    return [*_named(values), *computed]


def _is_sorted_by_loaded(rows: Rows, model: ModelState) -> bool:
    """Does the order add nothing to what ``distinct()`` compares, which are all columns of the SELECT?

    https://docs.djangoproject.com/en/stable/ref/models/querysets/#distinct
    """
    order = ["_order"] if model.options.get("order_with_respect_to") else _ordering_of(model)
    loaded: Sequence[object] = []  # all columns
    for step in rows.steps:
        if step.name == "order_by":
            order = _named(step.call) if step.call is not None else [None]
        elif step.name in {"values", "values_list"}:
            loaded = _loaded_by(step.call)
    keys = {"pk", *(field.name for field in model.fields if field.primary_key is True)}
    by = {str(name).removeprefix("-") for name in order}
    if "?" in by:
        return False  # which gives each row a number of its own
    return not loaded or not keys.isdisjoint(loaded) or by <= {*loaded}


def _own_names(model: ModelState) -> set[str]:
    """The ways to sort by the model's own columns. A relation sorts by the order of the other model."""
    names = {field.name for field in model.fields if field.target is None} | {"pk", "id"}
    return {"?", *names, *(f"-{name}" for name in names)}


def _alone(node: ast.expr, loop: Loop) -> bool:
    """Does nothing but the loop itself read the rows that this place reads?"""
    if not isinstance(node, ast.Name):
        return True  # a queryset that nobody has a name for
    scope = loop.resolver.scope
    binding = scope.binding(node.id, node)
    if binding is None or binding.value is None or _runs_again(node, binding.statement, loop):
        return False
    if isinstance(loop.queryset, ast.Name) and loop.queryset.id == node.id:
        same = scope.binding(node.id, loop.node)
        return same is not None and same.statement is binding.statement and is_quiet(node, loop)
    return scope.bound_once(node.id) is not None and list(scope.loads(node.id)) == [node]


def _runs_again(node: ast.Name, made: ast.AST, loop: Loop) -> bool:
    """May the place read the same queryset several times, which keeps its rows from the first time on?"""
    scope = loop.resolver.scope
    around = {
        each
        for each in scope.ancestors(node)
        if isinstance(each, ast.While)
        or (isinstance(each, ast.For | ast.AsyncFor) and not scope.is_inside(node, each.iter))
    }
    return not around <= set(scope.ancestors(made))


def needless_list(loop: Loop) -> ast.Call | None:
    """``list(...)`` in ``rows = list(queryset)``, where only the loop, counts and its ``bulk_update()`` read the name."""
    if not isinstance(loop.queryset, ast.Name) or not isinstance(loop.rows, Rows):
        return None
    scope, name = loop.resolver.scope, loop.queryset.id
    made = scope.bound_once(name)
    if made is None or scope.binding(name, loop.node) is not made or loop.rows.has("iterator"):
        return None
    match made.statement, made.value:
        case (
            ast.Assign(targets=[ast.Name()]) as statement,
            ast.Call(args=[ast.Call() | ast.Attribute()], keywords=[]) as call,
        ) if loop.resolver.wrapper(call) in {"list", "tuple"} and _is_no_wrapper(
            call.args[0], loop
        ):
            known: set[ast.AST] = {count.rows for count in loop.counts}
            known |= loop.given_to_batches
            others = [load for load in scope.loads(name) if load not in known]
            alone = others == [loop.queryset]
            return call if alone and is_quiet(statement, loop) else None
    return None


def _is_no_wrapper(rows: ast.expr, loop: Loop) -> bool:
    return not isinstance(rows, ast.Call) or loop.resolver.wrapper(rows) is None


def needless_guard(loop: Loop) -> ast.If | None:
    """The ``if`` that keeps the loop from going over no rows, and does nothing else.

    ``if rows:`` around the loop alone, or ``if not rows: return`` right before it, where it ends its function.
    """
    for count in filling(loop):
        guard = loop.resolver.scope.statement_of(count.node)
        if isinstance(guard, ast.If) and not guard.orelse:
            asked = _asked_by(guard.test, count)
            if asked is True and guard.body == [loop.node] and not _is_elif(guard, loop):
                return guard
            if asked is False and _ends_without(guard, loop):
                return guard
    return None


def _asked_by(test: ast.expr, count: Count) -> bool | None:
    """True where the test is whether there are rows, False where it is whether there are none."""
    if count.method != "exists":
        return None
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand) if operand is count.node:
            return count.negated
    return not count.negated if test is count.node else None


def _is_elif(statement: ast.If, loop: Loop) -> bool:
    parent = loop.resolver.scope.parents.get(statement)
    return isinstance(parent, ast.If) and parent.orelse == [statement]


def _ends_without(guard: ast.If, loop: Loop) -> bool:
    """Does the function, or a turn of the loop around, end with this loop, and early by the guard right before?"""
    around = loop.resolver.scope.parents.get(guard)
    match around, guard.body:
        case ast.FunctionDef(), [ast.Return(value=None)]:
            return around.body[-2:] == [guard, loop.node]
        case (ast.For(), [ast.Continue()]):
            return around.body[-2:] == [guard, loop.node]
    return False
