"""Loops whose rows only say which rows of another table change, and to what.

``for post in posts: Comment.objects.filter(post=post).update(open=False)`` is one update of the
comments; so is ``post.author.active = False; post.author.save()`` of the authors. A comment belongs
to one post, so no other turn of the loop touches it; an author of several posts gets the same
constant each time.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from migfix.expressions.others.checks import OuterUpdate
from migfix.expressions.others.parents import parent_of, update_of_parents
from migfix.expressions.others.queries import query_of, updates_of_queries
from migfix.facts.loop import Loop
from migfix.findings import Refusal, ReplaceLoop, Rewrite
from migfix.history.state import Unknown
from migfix.reading.kinds.values import Rows


def outer_updates(
    loop: Loop, decide: Callable[[Loop], Rewrite | Refusal | None]
) -> list[OuterUpdate] | None:
    """What the loop does to another table; None where that is not all that it does.

    An inner loop counts as the update that ``decide`` makes of it.
    Raises ``Refused`` where it is, and one statement would not do the same.
    """
    if loop.row is None or isinstance(loop.model, Unknown):
        return None
    body = [_as_update(statement, loop, decide) for statement in loop.node.body]
    parsed = [query_of(statement, loop) for statement, _ in body]
    inner = tuple(caveat for _, caveats in body for caveat in caveats)
    queries = [each for each in parsed if each is not None]
    if queries and len(queries) == len(parsed):
        return [
            replace(each, caveats=(*each.caveats, *inner))
            for each in updates_of_queries(queries, loop)
        ]
    parent = parent_of(loop.node.body, loop)
    return None if parent is None else [update_of_parents(parent, loop)]


def _as_update(
    statement: ast.stmt, loop: Loop, decide: Callable[[Loop], Rewrite | Refusal | None]
) -> tuple[ast.stmt, tuple[Refusal, ...]]:
    """The statement, or the one update that an inner loop comes to, with what may differ."""
    if not isinstance(statement, ast.For):
        return statement, ()
    rows, wrappers = loop.resolver.unwrapped(statement.iter)
    if not isinstance(rows, Rows):
        return statement, ()
    decision = decide(replace(loop, node=statement, rows=rows, wrappers=wrappers))
    match decision:
        case Rewrite(edit=ReplaceLoop(lines=[line], drops=())):
            return _placeless(ast.parse(line).body[0]), decision.caveats
    return statement, ()


def _placeless(statement: ast.stmt) -> ast.stmt:
    """The statement without the places of its nodes, which are none of the file's."""
    for node in ast.walk(statement):
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            if hasattr(node, name):
                delattr(node, name)
    return statement
