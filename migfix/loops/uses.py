"""What a loop's body does with its row: which fields it reads and writes, and whether it escapes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from migfix.loops.querysets import Resolver
from migfix.loops.scopes import FunctionNode, all_arguments, walk_scope
from migfix.loops.values import Manager, Model, Rows


class Kind(Enum):
    """READ and WRITE name a field; KEY needs only the primary key; ESCAPE may do anything."""

    READ = auto()
    WRITE = auto()
    SAVE = auto()
    DELETE = auto()
    KEY = auto()
    ESCAPE = auto()


@dataclass(frozen=True, slots=True)
class Use:
    """One use of the row. ``path`` is the attribute path: ``("author", "name")`` for ``row.author.name``."""

    kind: Kind
    node: ast.AST
    path: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        return self.path[0]


# Calls on managers and querysets whose arguments take a row as a value: its key is all they need.
_TAKES_ROW = (Manager, Rows, Model)
_MAX_DEPTH = 5


def uses_of(row: str, region: list[ast.stmt], resolver: Resolver, depth: int = 0) -> Iterator[Use]:
    """Every use of the name ``row`` in the statements ``region``, same-file callees included."""
    for statement in region:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id == row:
                if isinstance(node.ctx, ast.Load):
                    yield from _use(node, resolver, depth)
                else:
                    yield Use(Kind.ESCAPE, node)


def _use(node: ast.Name, resolver: Resolver, depth: int) -> Iterator[Use]:
    parents = resolver.scope.parents
    parent = parents[node]
    match parent:
        case ast.Attribute():
            yield from _attribute(parent, parents)
        case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr" as function)):
            yield from _by_name(function, parent)
        case ast.Call() if node in parent.args:
            yield from _passed(node, parent, resolver, depth)
        case ast.keyword():
            call = parents[parent]
            assert isinstance(call, ast.Call)
            yield from _passed(node, call, resolver, depth, parent.arg)
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()) | ast.If() | ast.IfExp():
            yield Use(Kind.KEY, node)
        case ast.List() | ast.Tuple() | ast.Set():
            yield from _in_list(node, parent, resolver)
        case _:
            yield Use(Kind.ESCAPE, node)


def _attribute(node: ast.Attribute, parents: dict[ast.AST, ast.AST]) -> Iterator[Use]:
    parent = parents[node]
    if isinstance(node.ctx, ast.Store):
        yield Use(Kind.WRITE, node, (node.attr,))
        if isinstance(parent, ast.AugAssign):
            yield Use(Kind.READ, node, (node.attr,))
    elif isinstance(node.ctx, ast.Del):
        yield Use(Kind.ESCAPE, node)
    elif isinstance(parent, ast.Call) and parent.func is node:
        yield from _method(node, parent)
    else:
        yield Use(Kind.READ, node, _path(node, parents))


def _path(node: ast.Attribute, parents: dict[ast.AST, ast.AST]) -> tuple[str, ...]:
    """The names of ``row.a.b.c``; the last one is left out where it is a method being called."""
    names = [node.attr]
    current: ast.AST = node
    while isinstance(parent := parents[current], ast.Attribute):
        grandparent = parents[parent]
        if isinstance(grandparent, ast.Call) and grandparent.func is parent:
            break
        names.append(parent.attr)
        current = parent
    return tuple(names)


def _method(node: ast.Attribute, call: ast.Call) -> Iterator[Use]:
    display = re.fullmatch(r"get_(\w+)_display", node.attr)
    if node.attr == "save":
        yield Use(Kind.SAVE, call)
    elif node.attr == "delete" and not call.args and not call.keywords:
        yield Use(Kind.DELETE, call)
    elif display:
        yield Use(Kind.READ, node, (display[1],))
    elif node.attr == "serializable_value" and _literal(call, 0):
        yield Use(Kind.READ, node, (_literal(call, 0),))
    else:
        yield Use(Kind.ESCAPE, call)


def _by_name(function: str, call: ast.Call) -> Iterator[Use]:
    name = _literal(call, 1)
    if not name:
        yield Use(Kind.ESCAPE, call)
    else:
        yield Use(Kind.WRITE if function == "setattr" else Kind.READ, call, (name,))


def _literal(call: ast.Call, index: int) -> str:
    argument = call.args[index] if len(call.args) > index else None
    value = argument.value if isinstance(argument, ast.Constant) else None
    return value if isinstance(value, str) else ""


def _passed(
    node: ast.Name, call: ast.Call, resolver: Resolver, depth: int, keyword: str | None = None
) -> Iterator[Use]:
    """The row is an argument of a call."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    if isinstance(resolver.value(owner), _TAKES_ROW):
        yield Use(Kind.KEY, node)
        return
    function = _same_file(call.func, resolver)
    name = _parameter(function, call, node, keyword) if function else None
    if function is None or name is None or depth >= _MAX_DEPTH:
        yield Use(Kind.ESCAPE, node)
        return
    inner = resolver.inside(function)
    if isinstance(function, ast.Lambda) or not _only_reads_name(function, name):
        yield Use(Kind.ESCAPE, node)
        return
    yield from uses_of(name, list(function.body), inner, depth + 1)


def _same_file(function: ast.expr, resolver: Resolver) -> FunctionNode | None:
    if isinstance(function, ast.Name) and function.id not in resolver.scope.bindings:
        return resolver.module.functions.get(function.id)
    return None


def _parameter(
    function: FunctionNode, call: ast.Call, node: ast.Name, keyword: str | None
) -> str | None:
    if any(isinstance(a, ast.Starred) for a in call.args) or function.args.vararg:
        return None
    if keyword is not None:
        return keyword if any(a.arg == keyword for a in all_arguments(function)) else None
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    position = call.args.index(node)
    return names[position] if position < len(names) else None


def _only_reads_name(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    """False where the function returns or yields the row itself, or binds its name again."""
    return not any(
        isinstance(node, ast.Yield | ast.YieldFrom)
        or (
            isinstance(node, ast.Return)
            and isinstance(node.value, ast.Name)
            and node.value.id == name
        )
        for statement in function.body
        for node in walk_scope(statement)
    )


def _in_list(node: ast.Name, container: ast.AST, resolver: Resolver) -> Iterator[Use]:
    """``Model.objects.filter(parent__in=[row])``, ``parent.items.set([row])``."""
    parents = resolver.scope.parents
    outer = parents[container]
    call = parents[outer] if isinstance(outer, ast.keyword) else outer
    takes = (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr not in {"bulk_update", "bulk_create"}
        and isinstance(resolver.value(call.func.value), (Manager, Rows))
    )
    yield Use(Kind.KEY if takes else Kind.ESCAPE, node)
