"""Statements of which it is known, without black and LibCST, how they are laid out: most of those that are written.

Either of them takes longer to import than most projects take to be looked at.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from migfix.source import parsed


class NotPlainError(Exception):
    """There may be more ways to write it."""


def laid_out(statement: str, width: int, *, quotes: bool) -> str | None:
    """What black makes of a statement that fits and has no parts that it would write in another way; None of others.

    ``quotes``: single ones become double ones.
    https://black.readthedocs.io/en/stable/the_black_code_style/current_style.html
    """
    if not statement.isascii() or max(map(len, statement.splitlines()), default=0) > width:
        return None
    try:
        match parsed(statement).body:
            case [found] if Writer(statement).statement(found) == statement:
                return Writer(statement, quotes=quotes).statement(found)
    except (SyntaxError, ValueError, NotPlainError):
        pass
    return None


_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes what was read of ``text``, whose first line holds all strings; ``quotes`` makes theirs double.

    All of it raises ``NotPlainError`` where there is more than one way to write it.
    """

    text: str
    quotes: bool = False

    def statement(self, node: ast.stmt) -> str:
        match node:
            case ast.Expr(value=ast.Call() as value):
                return f"{self.of(value)}\n"
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                return f"{name} = {self.of(value)}\n"
            case ast.ImportFrom(module=str(module), names=names, level=level):
                if any(each.asname or each.name == "*" for each in names):
                    raise NotPlainError
                imported = ", ".join(each.name for each in names)
                return f"from {'.' * level}{module} import {imported}\n"
            case ast.For(target=target, iter=rows, body=[ast.Pass()], orelse=[]):
                return f"for {self.target(target)} in {self.of(rows)}:\n    pass\n"
            case ast.With(items=[ast.withitem(context, ast.Name(id=name))], body=[ast.Pass()]):
                return f"with {self.of(context)} as {name}:\n    pass\n"
        raise NotPlainError

    def target(self, node: ast.expr) -> str:
        match node:
            case ast.Tuple(elts=[_, _, *_] as elements):
                return ", ".join(map(self.of, elements))
        return self.of(node)

    def of(self, node: ast.expr) -> str:
        """An expression on one line."""
        match node:
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=(ast.Name() | ast.Attribute() | ast.Call()) as owner):
                return f"{self.of(owner)}.{node.attr}"
            case ast.Call(func=(ast.Name() | ast.Attribute()) as function, args=given):
                arguments = [*map(self.of, given), *map(self.keyword, node.keywords)]
                return f"{self.of(function)}({', '.join(arguments)})"
            case ast.List(elts=elements):
                return f"[{', '.join(map(self.of, elements))}]"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return f"{self.of(left)} {_OPERATORS[type(op)]} {self.of(right)}"
            case ast.Constant(value=None | bool() | int() as value):
                return str(value)
            case ast.Constant(value=str(value)):
                return self._string(node, value)
        raise NotPlainError

    def keyword(self, node: ast.keyword) -> str:
        if node.arg is None:
            raise NotPlainError
        return f"{node.arg}={self.of(node.value)}"

    def _string(self, node: ast.expr, value: str) -> str:
        quote = self.text[node.col_offset]
        if node.lineno > 1 or quote not in "\"'" or quote in value or "\\" in value:
            raise NotPlainError
        if not value.isprintable():
            raise NotPlainError
        quote = '"' if self.quotes and '"' not in value else quote
        return f"{quote}{value}{quote}"
