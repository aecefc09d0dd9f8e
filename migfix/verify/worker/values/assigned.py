"""The functions of a source, and what its names stand for."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator


def parsed(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escapes in the text of a user's file
        return ast.parse(source)


def functions_in(tree: ast.Module) -> Iterator[ast.AST]:
    """The outermost functions, methods included; what a migration declares besides meets no rows."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
        else:
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


class Assigned:
    """The expressions that names of a source are assigned, wherever that is (`Class.NAME` for members)."""

    def __init__(self, tree: ast.Module) -> None:
        self._values: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                self._add_all(node.targets, node.value)
            elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and node.value:
                self._add(node.target, node.value)
            elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
                self._add(node.target, node.iter)
            elif isinstance(node, ast.ClassDef):
                self._add_members(node)

    def __getitem__(self, name: str) -> list[ast.expr]:
        return self._values.get(name, [])

    def _add_all(self, targets: list[ast.expr], value: ast.expr) -> None:
        for target in targets:
            self._add(target, value)

    def _add(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._values.setdefault(target.id, []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = target.elts
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts):
                for index, part in enumerate(parts):
                    self._add(part, value.elts[index])
            else:
                self._add_all(parts, value)

    def _add_members(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        member = f"{node.name}.{target.id}"
                        self._values.setdefault(member, []).append(statement.value)


def member_named(node: ast.AST) -> str:
    """``Class.NAME``, or "" for what is no such expression."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def called(call: ast.Call) -> str:
    """The last name of what is called, "" for none."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""
