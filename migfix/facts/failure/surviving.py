"""Whether a body may go on after an error of the database, with which PostgreSQL ends all cursors that are open.

The transaction is broken then, and each further statement in it fails, until it or a savepoint is rolled back:
https://docs.djangoproject.com/en/stable/topics/db/transactions/#handling-exceptions-within-postgresql-transactions
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from migfix.facts.body.effects import Kind, effects_of
from migfix.facts.body.reached import reached
from migfix.facts.failure.passing import OPEN_MANAGERS, leaves, raises_again
from migfix.facts.loop import Loop
from migfix.reading.kinds import plain
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import Row, SchemaEditor
from migfix.reading.names.scopes import TRIES
from migfix.reading.rows.querysets import Resolver
from migfix.sql.databases import Trait

_SENDING = frozenset({Kind.READS, Kind.WRITES, Kind.SQL, Kind.CALL})
_EVERYTHING = frozenset({"BaseException", "BaseExceptionGroup", "Exception", "ExceptionGroup"})
_OF_QUERIES = frozenset({"DoesNotExist", "MultipleObjectsReturned"})
_OTHERS = ("decimal.", "django.core.exceptions.", "json.")


def outlives_errors(loop: Loop) -> bool:
    """May the body catch an error of the database that has ended the cursor which its rows come from?"""
    if loop.databases.have(Trait.SURVIVES_ERRORS):
        return False
    return any(
        _may_send(block, resolver)
        for node, resolver in reached(loop.node.body, loop.resolver)
        for block in _guarded(node, resolver)
    )


def _guarded(node: ast.AST, resolver: Resolver) -> Iterator[Sequence[ast.stmt]]:
    """The statements of which the node may catch errors of the database."""
    match node:
        case ast.With(items=items, body=body):
            if not all(_lets_through(item.context_expr, resolver) for item in items):
                yield body
        case _ if isinstance(node, TRIES):
            tried: Any = node
            if any(_may_take(h.type, resolver) for h in tried.handlers if not raises_again(h)):
                yield tried.body
            if leaves(tried.finalbody):
                yield [*tried.body, *tried.handlers, *tried.orelse]


def _may_take(caught: ast.expr | None, resolver: Resolver) -> bool:
    """Errors of the database are exceptions of Django's own, in ``django.db``, and of the driver."""
    match caught:
        case None:
            return True
        case ast.Tuple(elts=several):
            return any(_may_take(each, resolver) for each in several)
        case ast.Name(id=name) if resolver.module.is_builtin(name):
            return name not in plain.EXCEPTIONS - _EVERYTHING
        case ast.Attribute(attr=name) if name in _OF_QUERIES:
            return False
    return not (resolver.path_of(caught) or "").startswith(_OTHERS)


def _lets_through(manager: ast.expr, resolver: Resolver) -> bool:
    """Does the context manager hand on every error? A transaction counts by itself."""
    target = manager.func if isinstance(manager, ast.Call) else manager
    path = resolver.path_of(target) or ""
    builtin = isinstance(target, ast.Name) and resolver.module.is_builtin(target.id)
    cursor = isinstance(resolver.value(manager), SchemaEditor)
    return builtin or cursor or path in OPEN_MANAGERS or path.startswith("django.db.transaction.")


def _may_send(block: Sequence[ast.stmt], resolver: Resolver) -> bool:
    """May a statement of the block, or of a function that it calls, send one to the database?"""
    if any(effect.kind in _SENDING for effect in effects_of(block, None, resolver)):
        return True
    return any(
        isinstance(node, ast.Attribute) and isinstance(kind_of(node, inner), Row)
        for node, inner in reached(block, resolver)
    )
