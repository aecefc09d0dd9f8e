"""Which handlers, blocks, context managers and decorators let an error pass."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from migfix.reading.names.scopes import walk

if TYPE_CHECKING:
    pass


_LOOPS = (ast.For, ast.AsyncFor, ast.While)
# Context managers, and decorators, that let every error through.
OPEN_MANAGERS = frozenset(
    {
        "contextlib.nullcontext",
        "contextlib.redirect_stderr",
        "contextlib.redirect_stdout",
        "decimal.localcontext",
        "django.utils.timezone.override",
        "django.utils.translation.override",
        "tempfile.NamedTemporaryFile",
        "tempfile.TemporaryDirectory",
        "tempfile.TemporaryFile",
        "tqdm.auto.tqdm",
        "tqdm.tqdm",
        "warnings.catch_warnings",
    }
)
OPEN_DECORATORS = frozenset(
    {
        "django.db.transaction.non_atomic_requests",
        "functools.cache",
        "functools.lru_cache",
        "functools.wraps",
    }
)


def leaves(statements: Sequence[ast.stmt]) -> bool:
    """Does one of the statements of a ``finally`` leave it, so that an error on its way is dropped?"""
    return any(_leaves(statement) for statement in statements)


def _leaves(node: ast.AST, in_loop: bool = False) -> bool:
    match node:
        case ast.Return():
            return True
        case ast.Break() | ast.Continue():
            return not in_loop
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() | ast.ClassDef():
            return False
    if isinstance(node, _LOOPS):  # whose own `else` is no part of it
        within = any(_leaves(child, True) for child in node.body)
        return within or any(_leaves(child, in_loop) for child in node.orelse)
    return any(_leaves(child, in_loop) for child in ast.iter_child_nodes(node))


def raises_again(handler: ast.ExceptHandler) -> bool:
    """``except ...: print(...); raise``"""
    return isinstance(handler.body[-1], ast.Raise) and not leaves(handler.body)


def looks_for_error(handler: ast.ExceptHandler) -> bool:
    """Does it get at the error without a name: ``logger.exception(...)``, ``exc_info=True``?"""
    nodes = [node for statement in handler.body for node in walk(statement)]
    named = {getattr(node, "attr", None) or getattr(node, "arg", None) for node in nodes}
    return not named.isdisjoint({"exception", "exc_info", "print_exc", "format_exc"})


def only_raises(handler: ast.ExceptHandler) -> bool:
    return getattr(handler.body[0], "exc", ...) is None
