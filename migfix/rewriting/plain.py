"""Statements of which it is known, without black and LibCST, how they are laid out: most of those that are written.

Either of them takes longer to import than most projects take to be looked at.
"""

from __future__ import annotations

import ast


class NotPlainError(Exception):
    """There may be more ways to write it."""


def is_laid_out(statement: str, width: int) -> bool:
    """Is it surely what black makes of it? It fits, and has no parts that black would write in another way.

    https://black.readthedocs.io/en/stable/the_black_code_style/current_style.html
    """
    if max(map(len, statement.splitlines()), default=0) > width:
        return False
    try:
        match ast.parse(statement).body:
            case [found]:
                return statement_of(found) == statement.removesuffix("\n")
    except (SyntaxError, ValueError, NotPlainError):
        pass
    return False


def statement_of(node: ast.stmt) -> str:
    match node:
        case ast.Expr(value=ast.Call() as value):
            return text_of(value)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return f"{name} = {text_of(value)}"
        case ast.ImportFrom(module=str(module), names=names, level=level):
            if any(each.asname or each.name == "*" for each in names):
                raise NotPlainError
            return f"from {'.' * level}{module} import {', '.join(each.name for each in names)}"
        case ast.For(target=target, iter=rows, body=[ast.Pass()], orelse=[]):
            return f"for {target_of(target)} in {text_of(rows)}:\n    pass"
        case ast.With(items=[ast.withitem(context, ast.Name(id=name))], body=[ast.Pass()]):
            return f"with {text_of(context)} as {name}:\n    pass"
    raise NotPlainError


def target_of(node: ast.expr) -> str:
    match node:
        case ast.Tuple(elts=[_, _, *_] as elements):
            return ", ".join(map(text_of, elements))
    return text_of(node)


_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


def text_of(node: ast.expr) -> str:
    """The expression on one line. Raises where that may be written in more ways than one."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=(ast.Name() | ast.Attribute() | ast.Call()) as owner, attr=name):
            return f"{text_of(owner)}.{name}"
        case ast.Call(func=(ast.Name() | ast.Attribute()) as function):
            named = [f"{name_of(each)}={text_of(each.value)}" for each in node.keywords]
            return f"{text_of(function)}({', '.join([*map(text_of, node.args), *named])})"
        case ast.List(elts=elements):
            return f"[{', '.join(map(text_of, elements))}]"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return f"{text_of(left)} {_OPERATORS[type(op)]} {text_of(right)}"
        case ast.Constant(value=None | bool() | int() as value):
            return str(value)
        case ast.Constant(value=str(value)) if value.isascii() and value.isprintable():
            if '"' not in value and "\\" not in value:
                return f'"{value}"'
    raise NotPlainError


def name_of(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise NotPlainError
    return keyword.arg
