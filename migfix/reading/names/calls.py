"""The calls of a file's functions in the file itself, and what they pass."""

from __future__ import annotations

import ast

from migfix.reading.names.module import Module
from migfix.reading.names.scopes import FunctionNode


def calls_of(function: FunctionNode, module: Module) -> list[ast.Call | None] | None:
    """Every call of the function; None where anything else may call it, too.

    One by RunPython, which leaves all but two arguments to their defaults, is None in the list. No other
    file imports a migration whose name is no name of Python's.
    """
    if isinstance(function, ast.Lambda) or module.functions.get(function.name) is not function:
        return None
    if module.source.path.stem.isidentifier() or not module.runs_as_written(function):
        return None
    parents = module.scope.parents
    found: list[ast.Call | None] = []
    for place in module.scope.places_of(function.name):
        parent = parents.get(place)
        if isinstance(parent, ast.Call) and parent.func is place:
            found.append(parent)
        elif _is_run(parent, parents):
            found.append(None)
        else:
            return None
    return found


def _is_run(parent: ast.AST | None, parents: dict[ast.AST, ast.AST]) -> bool:
    """Is it an argument of ``migrations.RunPython(...)``?"""
    call = parents.get(parent) if isinstance(parent, ast.keyword) else parent
    match call:
        case ast.Call(func=ast.Attribute(attr="RunPython") | ast.Name(id="RunPython")):
            return True
    return False


def argument_of(call: ast.Call, name: str, function: FunctionNode) -> ast.expr | None:
    """What the call passes for the parameter; None where it leaves it to the default."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    spread = [a for a in call.args if isinstance(a, ast.Starred)]
    if not spread and name in names and len(call.args) > (position := names.index(name)):
        return call.args[position]
    spread += [k.value for k in call.keywords if k.arg is None]  # type: ignore[misc]
    return ast.Name("", ast.Load()) if spread else None


def default_of(name: str, function: FunctionNode) -> ast.expr | None:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(
        zip([a.arg for a in reversed(positional)], reversed(arguments.defaults), strict=False)
    )
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {**defaults, **{a.arg: d for a, d in named if d is not None}}.get(name)
