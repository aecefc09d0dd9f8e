"""Pages: rows that are a slice of a query, which a loop around moves on in each of its turns."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migfix.facts.body import uses
from migfix.findings import Reason, Refusal
from migfix.history.state import Unknown
from migfix.reading.kinds.values import Row, Rows
from migfix.reading.names.scopes import Binding, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migfix.facts.loop import Loop

_MANY = 100  # rows of a page, for which a batch of their own is worth its while
_CHOOSING = frozenset({"filter", "exclude"})
_COUNTING = frozenset({"count", "exists"})
_BEHIND = ("__gt", "__gte", "__lt", "__lte")  # the last row of the page before
_BATCHING = frozenset(
    {
        "itertools.batched",
        "more_itertools.batched",
        "more_itertools.chunked",
        "more_itertools.ichunked",
        "more_itertools.sliced",
        "toolz.partition_all",
    }
)


@dataclass(frozen=True, eq=False)
class Page:
    """``node`` takes the rows of one page, ``around`` is the loop over pages, ``size`` the number of rows, where
    it is written out. ``start`` is what the page begins at where that is a number of its own, not a key; ``rows`` is
    the expression for all rows.
    """

    node: ast.expr
    around: ast.For | ast.While
    size: int | None
    start: ast.expr | None = None
    rows: ast.expr | None = None

    @property
    def holds_many(self) -> bool:
        return self.size is None or self.size >= _MANY


def page_of(loop: Loop) -> Page | None:
    """The page of rows that the loop goes over; None where it is none."""
    around = loop.outer_loop
    if not isinstance(loop.rows, Rows) or not isinstance(around, (ast.For, ast.While)):
        return None
    by_number = isinstance(around, ast.While) or _counts(around, loop)
    for step in loop.rows.steps:
        match step.node:
            case node if step.pages is not None:
                size, given = step.pages.size, step.pages.call.args
                known = _number(size, loop) if size else None
                return Page(node, around, known, node, given[0] if given else None)
            case ast.Subscript(
                slice=ast.Slice(step=None, upper=ast.expr()) as taken
            ) as node if by_number:
                first = taken.lower
                start = None if isinstance(first, ast.Constant) else first
                return Page(node, around, _size(taken, loop), start, node.value)
    return _by_keys(loop, around)


def _by_keys(loop: Loop, around: ast.For | ast.While) -> Page | None:
    """``filter(pk__in=keys)``, where the loop around has its keys from what takes some of many at a time."""
    for keyword in _filters(loop):
        if (keyword.arg or "").endswith("__in") and _are_some(keyword.value, around, loop):
            return Page(keyword.value, around, None)
    return None


def _filters(loop: Loop) -> Iterator[ast.keyword]:
    """What ``filter()`` is given in the loop's query."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if step.call and step.name == "filter":
            yield from step.call.keywords


def _are_some(keys: ast.expr, around: ast.For | ast.While, loop: Loop) -> bool:
    """``keys`` of ``for keys in batches_of(...)``, a generator, or ``keys[start : start + 1000]``"""
    match keys, around:
        case ast.Name(id=name), ast.For(target=ast.Name(id=target), iter=ast.Call() as call):
            return name == target and _gives_batches(call, loop)
        case ast.Subscript(slice=ast.Slice(upper=ast.expr(), step=None)), _:
            return isinstance(around, ast.While) or _counts(around, loop)
    return False


def _gives_batches(call: ast.Call, loop: Loop) -> bool:
    if (loop.resolver.path_of(call.func) or "") in _BATCHING:
        return True
    match call.func:
        case ast.Name(id=name):
            function = loop.module.functions.get(name)
            return function is not None and any(isinstance(n, ast.Yield) for n in walk(function))
    return False


def _counts(around: ast.AST | None, loop: Loop) -> bool:
    """Is it a loop over ``range(...)``, whose numbers are no rows?"""
    match around:
        case ast.For(iter=ast.Call(func=ast.Name(id="range"))):
            return loop.module.is_builtin("range")
    return False


def _size(taken: ast.Slice, loop: Loop) -> int | None:
    match taken.lower, taken.upper:
        case None, ast.expr() as size:
            return _number(size, loop)
        case ast.expr() as lower, ast.BinOp(left=left, op=ast.Add(), right=size):
            return _number(size, loop) if ast.dump(left) == ast.dump(lower) else None
    return None


def _number(node: ast.expr, loop: Loop) -> int | None:
    if isinstance(node, ast.Name):
        binding = loop.resolver.scope.bound_once(node.id)
        known = binding.value if binding else loop.module.constant(node.id)
        node = known if known is not None else node
    value = node.value if isinstance(node, ast.Constant) else None
    return value if type(value) is int else None


def fault_of(page: Page, loop: Loop) -> Refusal | None:
    """Why the pages do not bring every row once, each of which begins at a number of its own or behind the last row
    of the one before; None where they may.
    """
    at = loop.at(page.around)
    if page.start is None:
        return None if (behind := _behind(page, loop)) is None else _unsorted_behind(behind, loop)
    if not _is_asked_each_time(page, loop):
        return None
    if not _is_sorted(loop):
        return Refusal(
            Reason.UNORDERED_PAGES,
            f"the pages of the loop on {at} are in no order: rows of one may come again in another, and others never",
            loop.at(page.node),
        )
    if (changed := _changed(loop)) is not None:
        return Refusal(
            Reason.SHIFTING_PAGES,
            f"{loop.at(changed)} changes which rows the pages of the loop on {at} are taken from: each leaves out as "
            "many as were changed before",
            loop.at(changed),
        )
    return None


def _behind(page: Page, loop: Loop) -> ast.keyword | None:
    """``pk__gt=last``, where ``last`` is set anew in each turn of the loop over pages, of which each has a size."""
    if not isinstance(page.node, ast.Subscript):
        return None
    for keyword in _filters(loop):
        if not (keyword.arg or "").endswith(_BEHIND) or not isinstance(keyword.value, ast.Name):
            continue
        bindings = loop.resolver.scope.bindings.get(keyword.value.id, [])
        if any(_is_key_of_row(each, page, loop) for each in bindings):
            return keyword
    return None


def _is_key_of_row(binding: Binding, page: Page, loop: Loop) -> bool:
    """``last = page[-1].pk`` or ``last = post.pk``, in a turn of the loop over pages."""
    if not loop.resolver.scope.is_inside(binding.statement, page.around):
        return False
    match binding.value:
        case ast.Attribute(value=ast.Subscript(value=rows)):
            return isinstance(loop.resolver.value(rows), Rows)
        case ast.Attribute(value=row):
            return isinstance(loop.resolver.value(row), Row)
    return False


def _unsorted_behind(behind: ast.keyword, loop: Loop) -> Refusal | None:
    if _is_sorted(loop):
        return None
    at = loop.at(behind.value)
    return Refusal(
        Reason.UNORDERED_PAGES,
        f"the rows of a page are in no order: the last one need not be that from which `{behind.arg}` on {at} goes on, "
        "and what lies between is left out",
        at,
    )


def _is_asked_each_time(page: Page, loop: Loop) -> bool:
    """Is each page a query, not a part of rows that are there already?"""
    rows, scope = page.rows, loop.resolver.scope
    if not isinstance(rows, ast.Name):
        return isinstance(rows, ast.Call)
    others = (load for load in scope.loads(rows.id) if load is not rows)
    return scope.bound_once(rows.id) is not None and all(
        isinstance(scope.parents[load], ast.Attribute)
        and getattr(scope.parents[load], "attr", "") in _COUNTING
        for load in others
    )


def _is_sorted(loop: Loop) -> bool:
    """May the query have an order?"""
    assert isinstance(loop.rows, Rows)
    if loop.rows.has("order_by", "order") or isinstance(loop.model, Unknown):
        return True
    return bool(loop.model.options.get("ordering", ())) or not loop.model.has_plain_managers


def _changed(loop: Loop) -> ast.AST | None:
    """Where the body writes what the query asks of its rows, or deletes them."""
    assert isinstance(loop.rows, Rows)
    if deleted := loop.used(uses.Kind.DELETE):
        return deleted[0].node
    asked = {
        str(name).partition("__")[0].removesuffix("_id")
        for step in loop.rows.steps
        if step.name in _CHOOSING
        for name in step.lookups
        if name is not None
    }
    saved = loop.used(uses.Kind.SAVE)
    written = loop.used(uses.Kind.WRITE) if saved else ()
    return next((use.node for use in written if use.field.removesuffix("_id") in asked), None)


def unwritten_rows(loop: Loop) -> Refusal | None:
    """A list that the loop writes whenever it is full, and nobody when the loop is over; None where there is none."""
    scope = loop.resolver.scope
    for node in loop.nodes:
        match node:
            case ast.Call(
                func=ast.Attribute(attr="bulk_update" | "bulk_create"), args=[ast.Name(id=name), *_]
            ) if _is_written_when_full(node, name, loop):
                inside = {load for each in loop.node.body for load in walk(each)}
                if (
                    inside.issuperset(scope.loads(name))
                    and name not in scope.shared
                    and scope.bindings.get(name)
                ):
                    at = loop.at(node)
                    return Refusal(
                        Reason.UNWRITTEN_ROWS,
                        f"{at} writes `{name}` when it is full, and nothing writes what is in it when the loop ends",
                        at,
                    )
    return None


def _is_written_when_full(call: ast.Call, name: str, loop: Loop) -> bool:
    """Does it stand under ``if len(rows) >= 1000:`` alone?"""
    scope = loop.resolver.scope
    statement = scope.statement_of(call)
    around = scope.parents.get(statement)
    match around:
        case ast.If(
            test=ast.Compare(
                left=ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=measured)]),
                ops=[ast.Gt() | ast.GtE() | ast.Eq()],
            ),
            orelse=[],
        ):
            reset = any(
                isinstance(each, (ast.Assign, ast.Expr, ast.Delete))
                and any(isinstance(n, ast.Name) and n.id == name for n in walk(each))
                for each in around.body
                if each is not statement
            )
            return measured == name and reset and around in loop.node.body
    return False
