"""Whether the default of a column, which Python computes for each new row, may look for other rows."""

from __future__ import annotations

import ast

from migfix.facts.loop import Loop
from migfix.history.state import Name, Unknown
from migfix.reading.kinds import known
from migfix.reading.names.library import Definition

_BUILTINS = frozenset({"bool", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"})
_DISPLAYS = (
    *(ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.Set),
    *(ast.UnaryOp, ast.unaryop, ast.expr_context),
)


def may_look(default: object, loop: Loop) -> bool:
    """True for what is not known to be a value, or a function that runs no query."""
    if isinstance(default, Name):
        pure = known.is_pure(default.path) or default.path in _BUILTINS
        return not (pure or _gives_display(default.path, loop))
    return isinstance(default, Unknown)


def _gives_display(path: str, loop: Loop) -> bool:
    """Is it a function of the project that does nothing but give back what it writes out?

    def get_default_props():
        return {"filters": {"state": None}, "order": ["-created"]}
    """
    library = loop.module.library
    found = library.definition(path, loop.module) if library else None
    match found:
        case Definition(node=ast.FunctionDef(decorator_list=[]) as function, rest=()):
            return _only_returns_display(function)
    return False


def _only_returns_display(function: ast.FunctionDef) -> bool:
    match function.body:
        case [ast.Expr(value=ast.Constant()), ast.Return(value=value)] | [ast.Return(value=value)]:
            parts = [] if value is None else [*ast.walk(value)]
            return all(isinstance(part, _DISPLAYS) for part in parts)
    return False
