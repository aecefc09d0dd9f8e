"""What a loop costs as it is written: the rows that it holds, and the queries of a turn."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from migfix.facts.body import effects, uses
from migfix.facts.loop import Loop
from migfix.facts.rows.streaming import already_streams
from migfix.findings import Costs
from migfix.history.state import Unknown
from migfix.reading.kinds.values import Rows
from migfix.reading.names.scopes import REPEATING
from migfix.sql.databases import Trait

_QUERIES = (uses.Kind.SAVE, uses.Kind.DELETE, uses.Kind.REFRESH)
# What sends queries besides those that are seen, or may: savepoints, and code that is not known.
_UNSEEN = frozenset({effects.Kind.TRANSACTION, effects.Kind.CALL})
_COLLECTING = frozenset({"list", "tuple", "set", "sorted", "reversed"})
_SOMETIMES = (ast.If, ast.IfExp, ast.BoolOp, ast.Try, ast.Match, ast.ExceptHandler)


def costs_of(loop: Loop) -> Costs:
    """Told to people; no rewrite rests on it."""
    sent: list[ast.AST] = [use.node for use in loop.used(*_QUERIES)]
    sent += [each.node for each in loop.effects if effects.is_query(each)]
    relations = _rows_behind(loop)
    is_joined = isinstance(loop.rows, Rows) and loop.rows.has("select_related", "prefetch_related")
    if not is_joined:
        sent += relations
    around = [node for each in sent for node in _around(each, loop)]
    return Costs(
        rows_held=rows_held(loop),
        queries=len(sent),
        always=not any(isinstance(node, _SOMETIMES) for node in around),
        more=_may_send_more(loop)
        or (is_joined and bool(relations))
        or any(isinstance(node, REPEATING) for node in around),
    )


def rows_held(loop: Loop) -> str:
    """How many of its rows the loop as it is holds at once, in a word or two."""
    if _is_collected(loop) or not already_streams(loop):
        return "all"
    streams = loop.databases.certain and loop.databases.have(Trait.STREAMS_ITERATOR)
    return "a chunk" if streams else "all in the driver"


def _is_collected(loop: Loop) -> bool:
    return loop.is_over_list or not _COLLECTING.isdisjoint(loop.wrappers)


def _rows_behind(loop: Loop) -> list[ast.AST]:
    """Where the body reads the row that a key of its row leads to, by the first of the places for each key."""
    columns = () if isinstance(loop.columns, Unknown) else loop.columns
    keys = {column.name for column in columns if column.target and column.attname != column.name}
    first: dict[str, ast.AST] = {}
    for use in loop.used(uses.Kind.READ):
        if use.field in keys:
            first.setdefault(use.field, use.node)
    return [*first.values()]


def _may_send_more(loop: Loop) -> bool:
    return (
        loop.row is None
        or isinstance(loop.model, Unknown)
        or any(isinstance(base, tuple) for base in loop.model.bases)  # a table each
        or bool(loop.used(uses.Kind.ESCAPE, uses.Kind.DELETE))  # deletions go on to other rows
        or any(each.kind in _UNSEEN for each in loop.effects)
    )


def _around(node: ast.AST, loop: Loop) -> Iterator[ast.AST]:
    """What a place of the body stands in, up to the loop; a place in a called function, in nothing that is known."""
    for ancestor in loop.resolver.scope.ancestors(node):
        if ancestor is loop.node:
            return
        yield ancestor
