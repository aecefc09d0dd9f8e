"""Whether each statement of a function is committed by itself, in whatever migration runs it.

So it is where only RunPython operations of a migration with ``atomic = False`` run the function, of which none sets
``atomic`` itself: https://docs.djangoproject.com/en/stable/howto/writing-migrations/#non-atomic-migrations
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from migfix.facts.failure.errors import RUN_PYTHON
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import walk


def transaction_around(statement: ast.stmt, module: Module) -> str | None:
    """Why the statement, of a function's own body, may be in a transaction; None where it certainly is not."""
    function = module.scope.parents.get(statement)
    if not isinstance(function, ast.FunctionDef):
        return "it is not a statement of the function itself"
    if function.decorator_list:
        return f"a decorator of {function.name}() may begin a transaction"
    loads = [n for n in walk(module.tree) if isinstance(n, ast.Name) and n.id == function.name]
    runs = [*_runs_of(function.name, module)]
    if not runs or len(loads) != len(runs):
        return f"something else than the RunPython of this migration may call {function.name}()"
    if not _is_not_atomic(module):
        return "the migration is one transaction without `atomic = False`"
    if any(
        len(run.args) > 2 or _given(run) - {"code", "reverse_code", "hints", "elidable"}
        for run in runs
    ):
        return f"the RunPython of {function.name}() may begin a transaction"
    return None


def _runs_of(name: str, module: Module) -> Iterator[ast.Call]:
    """Each RunPython of the function, once for each time that it is named there."""
    for node in walk(module.tree):
        if isinstance(node, ast.Call) and module.path_of(node.func) in RUN_PYTHON:
            for given in [*node.args, *(keyword.value for keyword in node.keywords)]:
                if isinstance(given, ast.Name) and given.id == name:
                    yield node


def _given(run: ast.Call) -> set[str | None]:
    starred = {None for argument in run.args if isinstance(argument, ast.Starred)}
    return {keyword.arg for keyword in run.keywords} | starred


def _is_not_atomic(module: Module) -> bool:
    """Does the file's only class ``Migration`` say, once, ``atomic = False``?"""
    nodes = (n for n in walk(module.tree) if isinstance(n, ast.ClassDef))
    classes = [each for each in nodes if each.name == "Migration"]
    if len(classes) != 1:
        return False
    said = [n for n in walk(module.tree) if getattr(n, "id", getattr(n, "attr", "")) == "atomic"]
    values = [
        statement.value.value
        for statement in classes[0].body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and any(target in said for target in statement.targets)
    ]
    return values == [False] and len(said) == 1
