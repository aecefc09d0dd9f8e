"""Rows that a name holds for more than the loop: whether they may be loaded narrow where they are made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from migfix.columns.needs import fields_of_call, is_full_save
from migfix.columns.order import is_total
from migfix.expressions.context import Refused
from migfix.facts.body import uses
from migfix.facts.body.changes import is_quiet_after
from migfix.facts.loop import Loop
from migfix.facts.rows.counts import is_tested
from migfix.findings import Reason, Refusal
from migfix.history.state import Unknown

_COUNTING = frozenset({"count", "exists"})
_NAMING_COLUMNS = frozenset({"values", "values_list"})  # which load these, whatever was left out
_TESTING = frozenset({"filter", "exclude", "order_by", "all"})
_READ_BEFORE = Refusal(Reason.QUERYSET_REUSED, "the rows were read into a list before the loop")


@dataclass(frozen=True, eq=False)
class Shared:
    """``place`` is where ``.only()`` joins the chain that makes the rows, ``fields`` are those that ``bulk_update()``
    writes of them.
    """

    place: ast.expr
    fields: tuple[str, ...]


def shared(loop: Loop, *, batched: bool) -> Shared | None:
    """The rows, where others use them whom all but these columns are the same to; None where nobody does.

    Others may count and test them, ask for the key of one, write them by ``bulk_update()``, or make a query of
    theirs that names its own columns. Batches may take the place of a ``bulk_update()`` where the loop is ``batched``.
    Raises ``Refused`` where anything else is done to them.
    """
    reuse = loop.reuse_besides_batches if batched else loop.reuse
    listed = loop.is_over_list_besides_batches if batched else loop.is_over_list
    if reuse is None and not listed:
        return None
    reuse = reuse or _READ_BEFORE
    made = _made(loop)
    place = _end_of_chain(made, loop) if made is not None else None
    if made is None or place is None:
        raise Refused.by(reuse)
    _check_save(made, loop)
    return Shared(place, tuple(dict.fromkeys(_fields(loop, reuse))))


def _check_save(made: ast.expr, loop: Loop) -> None:
    """No full ``save()`` writes back what has changed since the rows were read. Raises ``Refused``."""
    if any(map(is_full_save, loop.used(uses.Kind.SAVE))) and not is_quiet_after(
        loop.resolver.scope.statement_of(made), loop
    ):
        at = loop.at(made)
        raise Refused(
            Reason.QUERYSET_REUSED,
            f"the rows of {at} may be read before others are written: save() writes all of them back",
            at,
        )


def _made(loop: Loop) -> ast.expr | None:
    """What makes the rows that the name of the looped queryset holds, and nothing else does."""
    if not isinstance(loop.queryset, ast.Name):
        return None
    scope, name = loop.resolver.scope, loop.queryset.id
    binding = scope.bound_once(name)
    if binding is None or scope.binding(name, loop.node) is not binding:
        return None
    match binding.statement:
        case ast.Assign(targets=[ast.Name()], value=value):
            return value
    return None


def _end_of_chain(made: ast.expr, loop: Loop) -> ast.expr | None:
    """The place behind the last link that says which rows there are; one of ``.all()``, which gives way."""
    match made:
        case ast.Call(args=[inner], keywords=[]) if loop.resolver.wrapper(made) in {
            "list",
            "tuple",
        }:
            made = inner
    while isinstance(made, ast.Subscript) and isinstance(made.slice, ast.Slice):
        made = made.value
    match made:
        case ast.Call(func=ast.Attribute(value=owner, attr="all"), args=[], keywords=[]):
            return _between(owner, made)
        case ast.Call(func=ast.Attribute(value=owner)) if loop.resolver.value(owner) is not None:
            return _between(made, made)
    return None


@lru_cache(maxsize=4096)  # so that it is the same place in each state of the history
def _between(first: ast.expr, last: ast.expr) -> ast.expr:
    """The place between the ends of the two."""
    place = ast.Name("", ast.Load())
    place.lineno, place.col_offset = first.end_lineno or 0, first.end_col_offset or 0
    place.end_lineno, place.end_col_offset = last.end_lineno, last.end_col_offset
    return place


def _fields(loop: Loop, reuse: Refusal) -> Iterator[str]:
    """What the other uses of the rows read of them besides their keys. Raises ``Refused``."""
    assert isinstance(loop.queryset, ast.Name)
    scope = loop.resolver.scope
    for load in scope.loads(loop.queryset.id, ast.Del):
        if load is loop.queryset or _asks_no_column(load, loop):
            continue
        call = scope.parents[load]
        fields = None
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "bulk_update":
            fields = fields_of_call(call, load, loop)
        if fields is None:
            raise Refused(
                reuse.reason,
                f"the queryset's rows are used again on {loop.at(load)}",
                loop.at(load),
            )
        yield from fields
    if loop.runs_again:
        raise Refused.by(reuse)


def _asks_no_column(load: ast.Name, loop: Loop) -> bool:
    """Does the use ask for nothing of the rows but their number and their keys?

    Which row ``rows[-1]`` is depends on the order, in which ties may change places where less is loaded.
    """
    parents = loop.resolver.scope.parents
    parent = parents[load]
    match parent:
        case ast.Call(func=ast.Name(id="len" | "bool" as name), args=[_], keywords=[]):
            return loop.module.is_builtin(name)
        case ast.Attribute(attr=method):
            call = loop.resolver.scope.method_call(load)
            if call is None:
                return False
            if method in _COUNTING:
                return not call.args and not call.keywords
            return method in _NAMING_COLUMNS or _is_tested_by_query(call, loop)
        case ast.Subscript(value=value, slice=index) if value is load and not isinstance(
            index, ast.Slice
        ):
            key = parents[parent]
            return isinstance(key, ast.Attribute) and _is_key(key, loop) and is_total(loop)
        case ast.Compare(ops=[ast.In() | ast.NotIn() | ast.Is() | ast.IsNot()]):
            return True
    return is_tested(load, parents, often=True)


def _is_key(node: ast.Attribute, loop: Loop) -> bool:
    columns = () if isinstance(loop.columns, Unknown) else loop.columns
    keys = {"pk", *(column.attname for column in columns if column.primary_key is True)}
    return isinstance(node.ctx, ast.Load) and node.attr in keys


def _is_tested_by_query(call: ast.Call, loop: Loop) -> bool:
    """``Exists(rows.filter(...))`` asks whether there are any; ``rows.filter(...).values("id")`` names its columns."""
    parents = loop.resolver.scope.parents
    node: ast.AST = call
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in _NAMING_COLUMNS:
            return True
        if node.func.attr not in _TESTING:
            return False
        outer = parents[node]
        if isinstance(outer, ast.Call) and node in outer.args:
            return loop.module.path_of(outer.func) == "django.db.models.Exists"
        node = parents.get(outer) if isinstance(outer, ast.Attribute) else None  # type: ignore[assignment]
    return False
