"""The lists that the body of a class may leave in one of its attributes, by the ways through its branches.

operations = [migrations.AddField(...), migrations.AlterIndexTogether(...)]
if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.oracle":
    del operations[1]
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from migfix.source import nodes_in

_MOST = 8  # lists that are told apart


@dataclass(frozen=True, slots=True)
class Part:
    """An element of the list, or with ``is_list`` an expression for more of it."""

    node: ast.expr
    is_list: bool = False


Parts: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """What all lists begin and end with, and what each has in between."""

    first: Parts
    between: tuple[Parts, ...]
    last: Parts


class _NotUnderstood(Exception):
    """The attribute may hold anything."""


def lists_in(body: Sequence[ast.stmt], name: str) -> Lists | None:
    """The lists that the name may hold after the statements; None where they are not all known."""
    try:
        ways = _after(body, name, [()])
    except _NotUnderstood:
        return None
    first = 0
    while all(len(way) > first and way[first] is ways[0][first] for way in ways):
        first += 1
    rest = [way[first:] for way in ways]
    last = 0
    while all(len(way) > last and way[-1 - last] is rest[0][-1 - last] for way in rest):
        last += 1
    between = tuple(dict.fromkeys(way[: len(way) - last] for way in rest))
    return Lists(ways[0][:first], between, rest[0][len(rest[0]) - last :])


def names_in(node: ast.AST, name: str) -> bool:
    return name in _names_of(node)


@lru_cache(maxsize=64)  # of each statement of a class it is asked for several names
def _names_of(node: ast.AST) -> frozenset[str]:
    return frozenset(part.id for part in nodes_in(node) if isinstance(part, ast.Name))


def _after(body: Sequence[ast.stmt], name: str, ways: list[Parts]) -> list[Parts]:
    for statement in body:
        if names_in(statement, name):
            ways = list(dict.fromkeys(_after_one(statement, name, ways)))
        if len(ways) > _MOST:
            raise _NotUnderstood
    return ways


def _after_one(statement: ast.stmt, name: str, ways: list[Parts]) -> Iterable[Parts]:
    match statement:
        case ast.If(test=test, body=body, orelse=orelse) if not names_in(test, name):
            return [*_after(body, name, ways), *_after(orelse, name, ways)]
        case ast.Assign(targets=[ast.Name(id=target)], value=value) | ast.AnnAssign(
            target=ast.Name(id=target), value=ast.expr() as value
        ) if target == name and not names_in(value, name):
            parts = _parts_of(value)
            return [parts for _ in ways]
        case ast.AugAssign(
            target=ast.Name(id=target), op=ast.Add(), value=value
        ) if target == name and not names_in(value, name):
            parts = _parts_of(value)
            return [(*way, *parts) for way in ways]
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id=target), attr=method),
                args=args,
                keywords=[],
            )
        ) if target == name and not any(names_in(each, name) for each in args):
            return [_with_call(way, method, args) for way in ways]
        case ast.Delete(
            targets=[ast.Subscript(value=ast.Name(id=target), slice=ast.Constant(value=int(index)))]
        ) if (target == name):
            return [_without(way, index) for way in ways]
    raise _NotUnderstood


def _parts_of(value: ast.expr) -> Parts:
    match value:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return tuple(
                Part(e.value, is_list=True) if isinstance(e, ast.Starred) else Part(e)
                for e in elements
            )
    return (Part(value, is_list=True),)


def _with_call(way: Parts, method: str, args: list[ast.expr]) -> Parts:
    match method, args:
        case "append", [element] if not isinstance(element, ast.Starred):
            return (*way, Part(element))
        case "extend", [more] if not isinstance(more, ast.Starred):
            return (*way, *_parts_of(more))
    raise _NotUnderstood


def _without(way: Parts, index: int) -> Parts:
    if index >= len(way) or any(part.is_list for part in way[: index + 1]):
        raise _NotUnderstood
    return (*way[:index], *way[index + 1 :])
