"""The code that some statements run: their own, and that of the functions of the project that they call."""

from __future__ import annotations

import ast
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator

from migfix.facts.body.effects import is_plain_column
from migfix.reading.kinds.values import Row
from migfix.reading.names.scopes import FunctionNode, statements_of, walk
from migfix.reading.rows.querysets import Callee, Resolver

_MANY = 20  # ways to be called, from which on it no longer counts what is passed
_BY_NAME = frozenset({"getattr", "hasattr", "setattr", "delattr"})
_NAMING = frozenset({"operator.attrgetter", "operator.methodcaller"})
_FORMATTING = frozenset({"format", "format_map", "vformat"})


def reached(
    statements: Iterable[ast.stmt], resolver: Resolver
) -> Iterator[tuple[ast.AST, Resolver]]:
    """Every node of the statements and of the functions that they call, as far as these are known.

    A function that is handed over gets called, too. Each comes with what knows its names.
    """
    seen: set[tuple[FunctionNode, int]] = set()
    ways: Counter[FunctionNode] = Counter()
    waiting = [(list(statements), resolver)]
    while waiting:
        body, here = waiting.pop()
        for node in (node for statement in body for node in walk(statement)):
            yield node, here
            for function, inner in _called_by(node, here):
                if ways[function] >= _MANY:
                    inner = inner.of_any_call(function)
                if (function, id(inner)) not in seen:
                    seen.add((function, id(inner)))
                    ways[function] += 1
                    waiting.append((statements_of(function), inner))


def _called_by(node: ast.AST, resolver: Resolver) -> Iterator[Callee]:
    if isinstance(node, ast.Call):
        given = (*node.args, *(keyword.value for keyword in node.keywords))
        yield from filter(None, (resolver.called(node), *map(resolver.handed, given)))


def named_by_text(node: ast.AST, resolver: Resolver) -> Iterator[str | None]:
    """The attributes that the node reads by texts, or gets ready to read; None for any.

    ``getattr(post, "author")``, ``attrgetter("author.name")``, ``"{0.author}".format(post)``.
    """
    match node:
        case ast.Name(id="getattr", ctx=ast.Load()):
            parent = resolver.scope.parents.get(node)
            if not isinstance(parent, ast.Call) or parent.func is not node:
                yield None
        case ast.Call(func=ast.Name(id=name), args=[_, given, *_]) if name in _BY_NAME:
            yield from _parts_of(given, node, resolver)
        case ast.Call(func=function, args=given) if resolver.path_of(function) in _NAMING:
            for text in given:
                yield from _parts_of(text, node, resolver)
        case ast.Attribute(value=owner, attr=method) if method in _FORMATTING:
            yield from _named_in_format(owner, node, resolver)
        case ast.Constant(value=str(text)) if "{" in text:
            yield from _fields_of(text)


def _parts_of(given: ast.expr, at: ast.AST, resolver: Resolver) -> Iterator[str | None]:
    for text in dict.fromkeys(turn.literal(given, at) for turn in resolver.in_each_turn(at)):
        yield from [None] if text is None else text.split(".")


def _named_in_format(owner: ast.expr, node: ast.AST, resolver: Resolver) -> Iterator[str | None]:
    """A format that is written out where it is used is a text of its own."""
    if isinstance(owner, (ast.Constant, ast.JoinedStr)):
        return
    text = resolver.literal(owner, owner)
    if text is not None:
        yield from _fields_of(text)
    elif not _is_given_data(resolver.scope.parents.get(node), resolver):
        yield None


def _is_given_data(call: ast.AST | None, resolver: Resolver) -> bool:
    """Are all arguments texts and numbers, of which no attribute leads to a row?"""
    if not isinstance(call, ast.Call):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return all(is_data(each, resolver) for each in given)


def is_data(node: ast.expr, resolver: Resolver) -> bool:
    """Is it a text, a number or a plain column of a row, and no row or query?"""
    match node:
        case ast.Constant() | ast.JoinedStr():
            return True
        case ast.Call(func=ast.Name(id="str" | "int" | "len" | "repr" as name)):
            return resolver.module.is_builtin(name)
        case ast.Attribute(value=owner, attr=name):
            row = resolver.value(owner)
            return isinstance(row, Row) and is_plain_column(row, name, resolver)
    return False


def _fields_of(text: str) -> Iterator[str]:
    """The attributes that a format names: ``author`` in ``{post.author}``."""
    try:
        fields = [
            (name or "") + (spec or "") for _, name, spec, _ in string.Formatter().parse(text)
        ]
    except ValueError:
        fields = [text]
    for field in fields:
        yield from re.findall(r"\.(\w+)", field)
