"""What only tells people something: loggers and progress bars."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from migfix.reading.kinds import known
from migfix.reading.names.scopes import Binding

if TYPE_CHECKING:
    from migfix.reading.rows.querysets import Resolver


def is_output(path: str) -> bool:
    """Is it the dotted path of a function that tells something, or that makes what does?"""
    parts = path.split(".")
    return any(".".join(parts[:n]) in known.OUTPUT for n in range(1, len(parts) + 1))


def is_logger(owner: ast.expr, resolver: Resolver) -> bool:
    """A name bound to ``logging.getLogger(...)`` or to a progress bar."""
    if not isinstance(owner, ast.Name):
        return False
    match resolver.scope.bound_once(owner.id):
        case None:
            value = resolver.module.constant(owner.id)
        case Binding(statement=ast.withitem(context_expr=value, optional_vars=ast.Name())):
            pass
        case binding:
            value = binding.value
    if not isinstance(value, ast.Call):
        return False
    path = resolver.module.path_of(value.func)
    return path is not None and is_output(path)
