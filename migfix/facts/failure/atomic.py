"""Whether a RunPython runs in a transaction that an error rolls back, as its migration says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from migfix.reading.kinds import plain
from migfix.reading.names.scopes import walk, walk_scope

if TYPE_CHECKING:
    from migfix.reading.names.module import Module


SEPARATE = frozenset(
    f"django.db.migrations.{path}SeparateDatabaseAndState"
    for path in ("", "operations.", "operations.special.")
)
_MIGRATION = frozenset(
    {"django.db.migrations.Migration", "django.db.migrations.migration.Migration"}
)
# What the body of a migration may be made of, so that all that it sets can be read there.
_PLAIN_STATEMENTS = (
    *(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Pass, ast.If, ast.For),
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom),
)
_PLAIN_BUILTINS = (
    plain.NAMES_OF_TYPES
    | plain.EXCEPTIONS
    | frozenset("classmethod enumerate filter getattr hasattr map open print property".split())
    | frozenset("reversed staticmethod zip".split())
)
_LOOKING_AROUND = frozenset({"builtins", "inspect", "sys"})
_RUNNING = frozenset({"apply", "unapply", "__init__", "__new__", "__getattribute__", "atomic"})


def atomic_of(call: ast.Call) -> bool | None:
    """``RunPython(code, reverse_code, atomic)``; False where it is not certain."""
    named = [k.value for k in call.keywords if k.arg in {"atomic", None}]
    if any(isinstance(a, ast.Starred) for a in call.args):
        return False
    match [*call.args[2:3], *named]:
        case []:
            return None
        case [ast.Constant(value=None | True as value)]:
            return value
    return False


def operations_around(call: ast.Call, module: Module) -> list[ast.Call] | None:
    """The calls that the RunPython is an argument of, the outermost last; None where it goes elsewhere."""
    around: list[ast.Call] = []
    for ancestor in module.scope.ancestors(call):
        match ancestor:
            case ast.Call():
                around.append(ancestor)
            case (
                ast.Assign(targets=[ast.Name(id="operations")])
                | ast.AnnAssign(target=ast.Name(id="operations"))
                | ast.AugAssign(target=ast.Name(id="operations"))
            ):
                return around if len(around) < 2 else None
            case ast.Assign(targets=[ast.Name(id=name)]) if _goes_into_operations(
                name, ancestor, module
            ):
                return around if len(around) < 2 else None
            case ast.List() | ast.Tuple() | ast.keyword() | ast.Starred() | ast.BinOp():
                continue
            case _:
                return None
    return None


def _goes_into_operations(name: str, statement: ast.Assign, module: Module) -> bool:
    """``op = RunPython(f)`` in the class, and then ``operations = [op]``, where nothing else knows the name."""
    owner = module.scope.parents.get(statement)
    if not isinstance(owner, ast.ClassDef):
        return False
    named = [n for n in walk(module.tree) if isinstance(n, ast.Name) and n.id == name]
    loads = [n for n in named if isinstance(n.ctx, ast.Load)]
    lists = [
        s.value.elts
        for s in owner.body
        if isinstance(s, ast.Assign)
        and isinstance(s.value, ast.List)
        and [t.id for t in s.targets if isinstance(t, ast.Name)] == ["operations"]
    ]
    return len(named) == 2 and len(lists) == 1 and any(each in loads for each in lists[0])


@lru_cache(maxsize=256)
def is_plain_migration(owner: ast.ClassDef, module: Module) -> bool:
    """Django's own class, run as Django does."""
    bases = [module.path_of(base) in _MIGRATION for base in owner.bases]
    named = {name for s in owner.body for name in _defined(s)}
    is_own = bases == [True] and not owner.keywords and not owner.decorator_list
    parts = (n for s in owner.body for n in walk_scope(s))
    written_out = all(_is_plain_part(n, module) for n in parts)
    return is_own and named.isdisjoint(_RUNNING) and written_out


def _is_plain_part(node: ast.AST, module: Module) -> bool:
    """Does this part of the class set no other names than those that it writes out?"""
    match node:
        case ast.stmt():
            return isinstance(node, _PLAIN_STATEMENTS)
        case ast.Name(id=name) if module.is_builtin(name):
            return name in _PLAIN_BUILTINS
        case ast.Name() | ast.Attribute():
            outside = (module.path_of(node) or "").partition(".")[0] in _LOOKING_AROUND
            return not outside and getattr(node, "id", "") not in {"__builtins__", "__loader__"}
    return True


def _defined(statement: ast.stmt) -> Iterator[str]:
    """What a statement of the class defines, other than the value of ``atomic``."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name for alias in statement.names)
    else:
        stored = (n for n in walk(statement) if isinstance(n, ast.Name))
        yield from (n.id for n in stored if isinstance(n.ctx, ast.Store) and n.id != "atomic")


@lru_cache(maxsize=256)
def where_atomic_is_set(tree: ast.Module) -> ast.AST | None:
    return next(filter(_sets_atomic, walk(tree)), None)


def _sets_atomic(node: ast.AST) -> bool:
    """Is it what gives anything called ``atomic`` another value than True?"""
    match node:
        case ast.Assign(targets=[ast.Name(id="atomic")], value=ast.Constant(value=True)):
            return False
        case ast.AnnAssign(target=ast.Name(id="atomic"), value=ast.Constant(value=True)):
            return False
        case ast.Assign(targets=targets):
            return any(_names_atomic(n) for target in targets for n in walk(target))
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target) | ast.For(target=target):
            return any(map(_names_atomic, walk(target)))
        case ast.NamedExpr(target=target) | ast.withitem(optional_vars=ast.expr() as target):
            return any(map(_names_atomic, walk(target)))
        case ast.Call(
            func=ast.Name(id="setattr" | "delattr"), args=[_, ast.Constant("atomic"), *_]
        ):
            return True
    return False


def _names_atomic(node: ast.AST) -> bool:
    return getattr(node, "id", getattr(node, "attr", None)) == "atomic"
