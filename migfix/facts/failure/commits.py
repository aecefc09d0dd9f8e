"""Whether each statement of a function is committed by itself, in whatever migration runs it.

So it is where only RunPython operations of a migration with ``atomic = False`` run the function, of which none sets
``atomic`` itself: https://docs.djangoproject.com/en/stable/howto/writing-migrations/#non-atomic-migrations
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from migfix.facts.failure.errors import NOOPS, RUN_PYTHON
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import walk

_IN_MIGRATION = frozenset({"dependencies", "operations", "replaces", "run_before", "initial"})
_MIGRATION = frozenset(
    {"django.db.migrations.Migration", "django.db.migrations.migration.Migration"}
)
IS_ATOMIC = "the migration is one transaction without `atomic = False`"


class Unsplit(Exception):
    """Why a migration has to stay one transaction, as a sentence."""


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
    if any(
        len(run.args) > 2 or _given(run) - {"code", "reverse_code", "hints", "elidable"}
        for run in runs
    ):
        return f"the RunPython of {function.name}() may begin a transaction"
    return None if _is_not_atomic(module) else IS_ATOMIC


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


def migration_to_commit(
    statement: ast.stmt, module: Module, is_only_a_name: Callable[[ast.stmt], bool]
) -> ast.ClassDef:
    """The file's class ``Migration``, of which the statement, of a function's own body, is the only work. Raises ``Unsplit``.

    With ``atomic = False`` nothing else is left done by a failure then, or done again when the migration is run again.
    ``is_only_a_name`` says of another statement that it does nothing to the database.
    """
    function = module.scope.parents.get(statement)
    assert isinstance(function, ast.FunctionDef), "transaction_around() has said so"
    for other in function.body:
        if other is not statement and not (_is_nothing(other) or is_only_a_name(other)):
            raise Unsplit(f"line {other.lineno} would be committed by itself, too")
    nodes = [*walk(module.tree)]
    migration = next(n for n in module.tree.body if getattr(n, "name", "") == "Migration")
    if not isinstance(migration, ast.ClassDef) or not _is_plain(migration, module):
        raise Unsplit("its class says more than its operations and what it depends on")
    for name in ("atomic", "Migration"):
        if any(getattr(n, "id", "") == name for n in nodes):
            raise Unsplit(f"the file says something of `{name}`")
    operations = next(
        (
            each.value
            for each in migration.body
            if isinstance(each, ast.Assign) and _assigned(each) == "operations"
        ),
        None,
    )
    runs = [*_runs_of(function.name, module)]
    if not isinstance(operations, ast.List) or len(runs) != 1 or operations.elts != runs:
        raise Unsplit("it has other operations, which a failure would leave done")
    reverse = [*runs[0].args[1:], *(k.value for k in runs[0].keywords if k.arg == "reverse_code")]
    if not all(_is_none(each) or module.path_of(each) in NOOPS for each in reverse):
        raise Unsplit("its reverse function would be committed piece by piece, too")
    return migration


def _is_nothing(statement: ast.stmt) -> bool:
    """``pass`` or a docstring?"""
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_plain(migration: ast.ClassDef, module: Module) -> bool:
    """Is it a class of Django's own that gives values to nothing but the attributes of every migration?"""
    return (
        len(migration.bases) == 1
        and module.path_of(migration.bases[0]) in _MIGRATION
        and not (migration.keywords or migration.decorator_list)
        and all(_is_nothing(each) or _assigned(each) in _IN_MIGRATION for each in migration.body)
    )


def _assigned(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return ""
