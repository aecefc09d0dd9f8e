"""Which database rows are of, as ``.using(alias)`` says, and whether an expression names the same one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from migfix.reading.kinds.values import Rows, Step

if TYPE_CHECKING:
    from migfix.facts.loop import Loop
    from migfix.reading.names.module import Module

ALIASING = frozenset({"using", "db_manager"})
MIGRATED = "schema_editor.connection.alias"


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


def alias_named(node: ast.expr, module: Module, seen: frozenset[str] = frozenset()) -> str | None:
    """The database that the expression names: by a literal, or as the one that is migrated.

    ``seen`` are names that have led here.
    """
    if isinstance(node, ast.Name) and node.id not in seen:
        function = module.function_around(node)
        binding = module.scope_of(function).bound_once(node.id) if function else None
        value = binding.value if binding and binding.position is None else None
        if value is not None:
            return alias_named(value, module, seen | {node.id})
    match node:
        case ast.Constant(value=None):
            return "default"
        case ast.Constant(value=str(alias)):
            return alias
        case ast.Attribute(
            value=ast.Attribute(value=ast.Name(id=editor), attr="connection"), attr="alias"
        ) if (editor not in module.imports):
            return MIGRATED
    default = module.path_of(node) in {"django.db.connection.alias", "django.db.DEFAULT_DB_ALIAS"}
    return "default" if default else None
