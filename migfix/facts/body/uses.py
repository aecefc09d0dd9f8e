"""What a loop's body does with its row: which fields it reads and writes, and whether it escapes."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto

from migfix.reading.kinds.values import Manager, Model, Rows
from migfix.reading.names.scopes import (
    FunctionNode,
    all_arguments,
    names_bound,
    walk_scope,
)
from migfix.reading.rows.querysets import Resolver
from migfix.source import children, last_name


class Kind(Enum):
    """READ and WRITE name a field; KEY needs only the primary key; ESCAPE may do anything.

    LINK is a KEY that gives another row a foreign key to this one, by which it can be read again.
    REFRESH reads again what was loaded, and nothing else.
    """

    READ = auto()
    WRITE = auto()
    SAVE = auto()
    DELETE = auto()
    KEY = auto()
    LINK = auto()
    REFRESH = auto()
    ESCAPE = auto()


@dataclass(frozen=True)
class Place:
    """The code whose uses are looked for: the statements, what knows their names, and how many calls
    away from the loop it is. ``followed`` are the names for the row that are being looked for, ``seen``
    the parameters of functions that were looked at before: these have no other uses in another call.
    """

    region: tuple[ast.stmt, ...]
    resolver: Resolver
    depth: int = 0
    followed: frozenset[str] = frozenset()
    seen: set[tuple[int, str]] = dataclasses.field(default_factory=set, compare=False)


@dataclass(frozen=True, slots=True)
class Use:
    """One use of the row; ``field`` is the name that is read or written, ``place`` where it stands."""

    kind: Kind
    node: ast.AST
    field: str = ""
    place: Place | None = dataclasses.field(default=None, compare=False, repr=False)


# What managers and querysets do with a row that they are given takes its key, or the column that a
# foreign key with ``to_field`` points to. ``remove()`` of a reverse foreign key reads more.
_TAKE_KEY = frozenset("filter exclude get contains add set update".split())
_LINK = frozenset("create get_or_create update_or_create".split())
# A historical row prints as "Post object (1)": it has no __str__ of its own.
# https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models
_BUILTINS_OF_KEY = frozenset("str repr print id hash isinstance bool type".split())
_BY_NAME = frozenset({"getattr", "setattr", "hasattr"})
_REFLECTION = frozenset({"vars", "locals", "dir", "eval", "exec"})
_MAX_DEPTH = 30


def uses_of(row: str, region: list[ast.stmt], resolver: Resolver) -> Iterator[Use]:
    """Every use of the name ``row`` in the statements ``region``, callees of the project included."""
    return _uses_of(row, Place(tuple(region), resolver))


def _uses_of(row: str, place: Place) -> Iterator[Use]:
    place = replace(place, followed=place.followed | {row})
    for statement in place.region:
        for node in _in_order(statement):
            if isinstance(node, ast.Name) and node.id == row:
                if isinstance(node.ctx, ast.Load):
                    yield from _uses_at(node, place)
                else:
                    yield Use(Kind.ESCAPE, node, place=place)
            elif _binds(node, row) or _reflects(node):
                yield Use(Kind.ESCAPE, node, place=place)


def with_changed_files(found: Iterable[Use], files: Collection[str]) -> Iterator[Use]:
    """The uses, and a WRITE beside each READ of one of the ``files`` that changes it in place.

    ``post.file.name = "new"``: the row holds an object, of which ``save()`` writes the name.
    """
    for use in found:
        yield use
        if use.kind is Kind.READ and use.field in files and use.place is not None:
            match use.place.resolver.scope.parents.get(use.node):
                case ast.Attribute(ctx=ast.Store() | ast.Del()):
                    yield replace(use, kind=Kind.WRITE)


def uses_at(node: ast.expr, place: Place) -> Iterator[Use]:
    """What becomes of the row that the expression ``node`` stands for."""
    return _uses_at(node, replace(place, seen=set()))


def _uses_at(node: ast.expr, place: Place) -> Iterator[Use]:
    for use in _use(node, place):
        yield replace(use, place=place) if use.place is None else use


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in children(node):
        yield from _in_order(child)


def _binds(node: ast.AST, row: str) -> bool:
    """Does the node give the name to something else, other than by an ``ast.Name``?"""
    return row in names_bound(node) or (isinstance(node, ast.arg) and node.arg == row)


def _reflects(node: ast.AST) -> bool:
    """``"{post.title}".format(**locals())`` names no row. Where names are bound by text, this may be Python's own."""
    return isinstance(node, ast.Call) and last_name(node.func) in _REFLECTION


def _use(node: ast.expr, place: Place) -> Iterator[Use]:
    parents = place.resolver.scope.parents
    parent = parents[node]
    match parent:
        case ast.Attribute():
            yield from _attribute(parent, parents)
        case ast.Call() if node in parent.args:
            yield from _argument(node, parent, place)
        case ast.keyword():
            call = parents[parent]
            if isinstance(call, ast.Call):
                yield from _passed(node, call, place, parent.arg)
            else:
                yield Use(Kind.ESCAPE, node)
        case ast.List() | ast.Tuple() | ast.Set() if not _is_formatted(parent, parents):
            yield from _in_list(node, parent, place.resolver)
        case ast.BoolOp(op=ast.And()) if node is not parent.values[-1]:
            yield Use(Kind.KEY, node)  # handed on where it is None, which no attribute is read of
        case ast.Assign(targets=[ast.Name(id=name)]) if _is_other_name(name, node, place):
            yield from _of_other_name(name, place)
        case _:
            yield Use(Kind.KEY if is_only_looked_at(node, parents) else Kind.ESCAPE, node)


def _is_other_name(name: str, node: ast.expr, place: Place) -> bool:
    """``other = post``, where ``other`` is the row or None and is not read outside of the region."""
    scope = place.resolver.scope
    bindings = scope.bindings.get(name, [])
    here = scope.parents[node]
    values = [ast.dump(b.value) if b.value and b.position is None else "" for b in bindings]
    known = {ast.dump(node), ast.dump(ast.Constant(None))}
    return (
        name not in scope.shared
        and any(binding.statement is here for binding in bindings)
        and known.issuperset(values)
        and all(
            any(scope.is_inside(load, statement) for statement in place.region)
            for load in scope.loads(name, ast.Del)
        )
    )


def _of_other_name(name: str, place: Place) -> Iterator[Use]:
    if name in place.followed:
        return
    place = replace(place, followed=place.followed | {name})
    for statement in place.region:
        for node in _in_order(statement):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                yield from _uses_at(node, place)


def is_only_looked_at(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Is the row only compared, tested, hashed or printed here?"""
    parent = parents[node]
    match parent:
        case ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.FormattedValue():
            return True
        case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
            return node is parent.test
        case ast.BoolOp():
            return is_only_looked_at(parent, parents)
        case ast.Subscript(ctx=ast.Load()):
            return node is parent.slice
        case ast.BinOp() | ast.Tuple():
            return _is_formatted(node, parents)
    return False


def _is_formatted(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """``"..." % node``, where what is formatted has no attributes to name."""
    match parents[node]:
        case ast.BinOp(left=ast.Constant() | ast.JoinedStr(), op=ast.Mod(), right=right):
            return right is node
        case ast.Tuple() as outer:
            return _is_formatted(outer, parents)
    return False


def _attribute(node: ast.Attribute, parents: dict[ast.AST, ast.AST]) -> Iterator[Use]:
    parent = parents[node]
    if isinstance(node.ctx, ast.Store):
        yield Use(Kind.WRITE, node, node.attr)
        if isinstance(parent, ast.AugAssign):
            yield Use(Kind.READ, node, node.attr)
    elif isinstance(node.ctx, ast.Del):
        yield Use(Kind.ESCAPE, node)
    elif isinstance(parent, ast.Call) and parent.func is node:
        yield from _method(node, parent)
    else:
        yield Use(Kind.READ, node, node.attr)


def _method(node: ast.Attribute, call: ast.Call) -> Iterator[Use]:
    generated = re.fullmatch(r"get_(\w+)_display|get_(?:next|previous)_by_(\w+)", node.attr)
    if node.attr == "save":
        yield Use(Kind.SAVE, call)
    elif node.attr == "delete" and not call.args and not call.keywords:
        yield Use(Kind.DELETE, call)
    elif generated:
        yield Use(Kind.READ, node, generated[1] or generated[2])
    elif node.attr == "refresh_from_db" and not call.args and not call.keywords:
        yield Use(Kind.REFRESH, call)
    elif node.attr == "serializable_value" and _literal(call, 0):
        yield Use(Kind.READ, node, _literal(call, 0))
    else:
        yield Use(Kind.ESCAPE, call)


def _argument(node: ast.expr, call: ast.Call, place: Place) -> Iterator[Use]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if not place.resolver.module.is_builtin(name):
        yield from _passed(node, call, place)
    elif name in _BY_NAME and node is call.args[0]:
        yield from _by_name(name, call, place.resolver)
    else:
        yield Use(Kind.KEY if name in _BUILTINS_OF_KEY else Kind.ESCAPE, node)


def _by_name(function: str, call: ast.Call, resolver: Resolver) -> Iterator[Use]:
    """``getattr(post, name)``, where every text that ``name`` can be is written out."""
    if len(call.args) < 2:
        yield Use(Kind.ESCAPE, call)
        return
    turns = resolver.in_each_turn(call)
    for name in dict.fromkeys(turn.literal(call.args[1], call) for turn in turns):
        if name is None:
            yield Use(Kind.ESCAPE, call)
        else:
            yield Use(Kind.WRITE if function == "setattr" else Kind.READ, call, name)


def _literal(call: ast.Call, index: int) -> str:
    argument = call.args[index] if len(call.args) > index else None
    value = argument.value if isinstance(argument, ast.Constant) else None
    return value if isinstance(value, str) else ""


def _passed(
    node: ast.expr, call: ast.Call, place: Place, keyword: str | None = None
) -> Iterator[Use]:
    """The row is an argument of a call."""
    resolver = place.resolver
    if kind := _kind_of_query(call, resolver):
        yield Use(kind, node)
        return
    match resolver.called(call):
        case (ast.FunctionDef() as function, inner) if place.depth < _MAX_DEPTH:
            name = _parameter(function, call, node, keyword)
            if name is not None and not _runs_later(function.body):
                if (id(inner), name) not in place.seen:
                    place.seen.add((id(inner), name))
                    body, depth = tuple(function.body), place.depth + 1
                    yield from _uses_of(name, Place(body, inner, depth, seen=place.seen))
                return
    yield Use(Kind.ESCAPE, node)


def _kind_of_query(call: ast.Call, resolver: Resolver) -> Kind | None:
    """What a manager, a queryset or a model class takes of a row that it is called with."""
    match resolver.value(call.func):
        case Model(is_plain=is_plain):
            return Kind.LINK if is_plain else None
    if not isinstance(call.func, ast.Attribute):
        return None
    if not isinstance(resolver.value(call.func.value), (Manager, Rows)):
        return None
    method = call.func.attr
    return Kind.LINK if method in _LINK else Kind.KEY if method in _TAKE_KEY else None


def _parameter(
    function: FunctionNode, call: ast.Call, node: ast.expr, keyword: str | None
) -> str | None:
    if any(isinstance(a, ast.Starred) for a in call.args):
        return None
    if keyword is not None:
        return keyword if any(a.arg == keyword for a in all_arguments(function)) else None
    if node not in call.args:
        return None
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    position = call.args.index(node)
    return names[position] if position < len(names) else None


def _runs_later(body: list[ast.stmt]) -> bool:
    """A generator holds on to its arguments and reads them when it is asked for more."""
    return any(
        isinstance(node, (ast.Yield, ast.YieldFrom))
        for statement in body
        for node in walk_scope(statement)
    )


def _in_list(node: ast.expr, container: ast.AST, resolver: Resolver) -> Iterator[Use]:
    """``Model.objects.filter(parent__in=[row])``, ``parent.items.set([row])``."""
    parents = resolver.scope.parents
    outer = parents[container]
    call = parents[outer] if isinstance(outer, ast.keyword) else outer
    takes = isinstance(call, ast.Call) and _kind_of_query(call, resolver) is Kind.KEY
    yield Use(Kind.KEY if takes else Kind.ESCAPE, node)
