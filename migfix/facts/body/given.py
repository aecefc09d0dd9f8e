"""Whether a queryset that a function is given is one that its caller has no other use for."""

from __future__ import annotations

import ast

from migfix.reading.kinds.values import Rows
from migfix.reading.names.calls import argument_of, calls_of
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import REPEATING, Scope
from migfix.reading.rows.methods import Does, methods
from migfix.source import last_name

_UNCACHED = methods(Does.SKIPS_CACHE)


def is_handed_over(parameter: ast.arg, rows: Rows, at: ast.AST, module: Module) -> bool:
    """Is each call of the function that ``at`` stands in the only place where the rows of what it passes
    for the parameter are read?

    ``rows`` are those of one of the calls: the last link of their chain stands where they are made.
    """
    function = module.function_around(at)
    calls = calls_of(function, module) if function else None
    if not function or not calls or not rows.steps:
        return False
    made: list[ast.expr] = []
    for call in calls:
        given = argument_of(call, parameter.arg, function) if call else None
        value = _made_for(given, call, module) if given and call else None
        if value is None:
            return False
        made.append(value)
    return rows.steps[-1].node in made


def _made_for(given: ast.expr, call: ast.Call, module: Module) -> ast.expr | None:
    """The expression that makes what the call is given, each time anew and for nothing else."""
    if not isinstance(given, ast.Name):
        return given if isinstance(given, ast.Call) else None
    caller = module.function_around(call)
    if caller is None:
        return None
    scope = module.scope_of(caller)
    binding = scope.binding(given.id, call)
    if binding is None or given.id in scope.shared:
        return None
    match binding.statement:
        case ast.Assign(targets=[ast.Name()], value=ast.Call() as value) | ast.AnnAssign(
            value=ast.Call() as value
        ):
            statement = binding.statement
        case _:
            return None
    if _is_repeated(call, statement, scope):
        return None
    for load in scope.loads(given.id):
        other = scope.binding(given.id, load)
        same = other is None or other.statement is statement
        if load is not given and same and not _is_chained(load, scope):
            return None
    return value


def _is_repeated(call: ast.Call, made: ast.stmt, scope: Scope) -> bool:
    """May the call run again before the statement does?"""
    for ancestor in scope.ancestors(call):
        if scope.is_inside(made, ancestor):
            return False
        if isinstance(ancestor, (*REPEATING, ast.Lambda)):
            return True
    return False


def _is_chained(load: ast.Name, scope: Scope) -> bool:
    """``posts.filter(...)``, which makes a query of its own and reads no rows that are there"""
    call = scope.method_call(load)
    return call is not None and last_name(call.func) in _UNCACHED


def is_only_chained(load: ast.Name, module: Module) -> bool:
    """Is the queryset handed to a function of the file that does no more than chain it, and gives nothing back
    that waits for its rows?
    """
    call = module.scope.parents.get(load)
    if isinstance(call, ast.keyword):
        call = module.scope.parents[call]
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return False
    function = module.functions.get(call.func.id)
    around = module.function_around(call)
    if function is None or isinstance(function, ast.Lambda) or around is None:
        return False
    shadowed = call.func.id in module.scope_of(around).bindings
    names = [
        a.arg
        for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if argument_of(call, a.arg, function) is load
    ]
    if shadowed or len(names) != 1 or not module.runs_as_written(function):
        return False
    scope = module.scope_of(function)
    loads = scope.loads(names[0])
    return (
        scope.bound_once(names[0]) is not None
        and names[0] not in scope.shared
        and not any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in module.nodes_of(function))
        and all(_is_chained(each, scope) for each in loads)
        and not _gives_back(names[0], function, scope, module)
    )


def _gives_back(
    name: str, function: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope, module: Module
) -> bool:
    """May what the function gives back be a query that is built on the parameter and not run yet?

    ``dict(...)``, ``list(...)`` and what the loops of the function fill are no queries.
    """
    for node in module.nodes_of(function):
        match node:
            case ast.Return(value=ast.Constant() | None):
                continue
            case ast.Return(value=value):
                assert value is not None
                while isinstance(value, ast.Name):
                    binding = scope.bound_once(value.id)
                    if binding is None or binding.value is None:
                        return True
                    value = binding.value
                if not _is_collection(value, module):
                    return True
    return False


def _is_collection(node: ast.expr, module: Module) -> bool:
    match node:
        case (
            ast.Dict(keys=[]) | ast.List(elts=[]) | ast.ListComp() | ast.DictComp() | ast.SetComp()
        ):
            return True
        case ast.Call(func=ast.Name(id="dict" | "list" | "set" | "len" | "sorted" as called)):
            return module.is_builtin(called)
    return False
