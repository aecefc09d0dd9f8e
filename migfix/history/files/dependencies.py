"""The migrations and swappable models that a migration depends on."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from migfix.history.files.scope import Scope
from migfix.history.state import Call, ModelKey, Name, Unknown
from migfix.source import nodes_in


def dependencies_in(
    scope: Scope, parts: list[ast.expr]
) -> tuple[tuple[ModelKey | Unknown, ...], tuple[str, ...]]:
    """The keys that the parts of an attribute name, and the settings of ``swappable_dependency(settings.X)``."""
    keys: list[ModelKey | Unknown] = []
    settings: list[str] = []
    for part in parts:
        value = scope.value(part)
        if isinstance(value, Call | Unknown):
            value = (value, *map(scope.value, _surely_returned(scope, part)))
        for item in value if isinstance(value, tuple | frozenset) else (value,):
            match item:
                case (str() as label, str() as name):
                    keys.append((label, name))
                case Call(args=(Name(path=setting),)) if item.bare == "swappable_dependency":
                    settings.append(setting)
                case Call(args=(str() as model,)) if item.bare == "swappable_dependency":
                    keys.append((model.partition(".")[0], "__first__"))
                case _:
                    keys.append(Unknown(f"line {part.lineno}: a dependency that is not a literal"))
    return tuple(keys), tuple(settings)


def _surely_returned(scope: Scope, node: ast.expr) -> Sequence[ast.expr]:
    """What is in the list that a function of the file returns, whatever it adds to that under conditions.

    def get_dependencies():
        dependencies = [("shop", "0001_initial")]
        if "billing" in settings.INSTALLED_APPS:
            dependencies.append(("billing", "0001_initial"))
        return dependencies
    """
    match node:
        case ast.Call(func=ast.Name(id=called), args=[], keywords=[]):
            functions = [n for n in scope.tree.body if getattr(n, "name", "") == called]
        case _:
            return ()
    match functions:
        case [ast.FunctionDef(body=[*before, ast.Return(value=returned)], decorator_list=[])]:
            pass
        case _:
            return ()
    if isinstance(returned, ast.List | ast.Tuple):
        return (
            ()
            if any(isinstance(n, ast.Return) for s in before for n in nodes_in(s))
            else returned.elts
        )
    listed: Sequence[ast.expr] = ()
    for step in before:
        match step:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.List(elts=elements)
            ) | ast.AnnAssign(target=ast.Name(id=name), value=ast.List(elts=elements)) if (
                isinstance(returned, ast.Name) and name == returned.id and not listed
            ):
                listed = elements
            case ast.If(body=body, orelse=orelse) if all(map(_only_adds, [*body, *orelse])):
                continue
            case _ if _only_adds(step):
                continue
            case _:
                return ()
    return listed


def _only_adds(step: ast.stmt) -> bool:
    """``found.append(x)``, ``found.extend(x)``, ``found += x``"""
    match step:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Name(), attr="append" | "extend"))
        ):
            return True
        case ast.AugAssign(target=ast.Name(), op=ast.Add()):
            return True
    return isinstance(step, ast.Pass)
