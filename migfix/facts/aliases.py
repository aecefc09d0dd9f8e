"""Which database rows are of, as ``.using(alias)`` says, and whether an expression names the same one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from migfix.reading.values import Rows, Step

if TYPE_CHECKING:
    from migfix.facts.loop import Loop

ALIASING = frozenset({"using", "db_manager"})


def database_of(rows: Rows) -> list[ast.expr]:
    """What is given to ``.using(...)`` and ``.db_manager(...)``."""
    return [given for step in rows.steps for given in _given(step)]


def _given(step: Step) -> list[ast.expr]:
    if step.name not in ALIASING or step.call is None:
        return []
    return [*step.call.args, *(keyword.value for keyword in step.call.keywords)]


def is_of_rows(alias: str, loop: Loop) -> bool:
    """Does the text, written in the body, name the one database that the rows are of?"""
    given = database_of(loop.rows) if isinstance(loop.rows, Rows) else []
    return len(given) == 1 and loop.text(given[0]) == alias and _stays(given[0], loop)


def _stays(alias: ast.expr, loop: Loop) -> bool:
    """Is it the same wherever the function writes it: ``schema_editor.connection.alias``, a name bound once?"""
    while isinstance(alias, ast.Attribute):
        alias = alias.value
    match alias:
        case ast.Constant(value=str()):
            return True
        case ast.Name(id=name):
            scope = loop.resolver.scope
            return name not in scope.bindings or scope.bound_once(name) is not None
    return False
