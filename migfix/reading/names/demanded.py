"""Models that a function of a RunPython asks for before all else: without one of them it fails and changes nothing.

    def forwards(apps, schema_editor):
        Post = apps.get_model("blog", "Post")      # LookupError where there is none
        Tag = apps.get_model("tags", "Tag")
        for post in Post.objects.all():            # here both are there

https://docs.djangoproject.com/en/stable/ref/applications/#django.apps.apps.get_model
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from migfix.history.state import ModelKey
from migfix.reading.kinds.values import Apps
from migfix.reading.names.functions import Reach
from migfix.reading.names.scopes import walk
from migfix.reading.rows.querysets import Resolver


def demanded(entry: ast.expr, reach: Reach) -> frozenset[ModelKey]:
    """The models that must be there wherever anything in ``reach``, which begins with ``entry``, runs."""
    if not isinstance(entry, ast.Name):
        return frozenset()
    binding = reach.module.scope.bound_once(entry.id)
    node = binding.statement if binding else None
    function = reach.functions.get(node) if isinstance(node, ast.FunctionDef) else None
    if not isinstance(node, ast.FunctionDef) or function is None or node.decorator_list:
        return frozenset()
    first = next((each.arg for each in (*node.args.posonlyargs, *node.args.args)), "")
    if function.parameters.get(first) != Apps():
        return frozenset()
    resolver = reach.resolver(function)
    return frozenset(_asked_for_first(node, first, resolver))


def _asked_for_first(node: ast.FunctionDef, apps: str, resolver: Resolver) -> Iterator[ModelKey]:
    """By the leading statements of a function, as long as they do nothing else."""
    for statement in node.body:
        match statement:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name != apps:
                calls = _calls_of(value, apps)
                if calls is None:
                    return
                keys = (resolver.model_key(call, call) for call in calls)
                yield from (key for key in keys if key is not None)
            case _:
                return


def _calls_of(value: ast.expr, apps: str) -> list[ast.Call] | None:
    """The calls of ``apps.get_model`` in a value; None where something else is called or may not run."""
    found: list[ast.Call] = []
    for node in walk(value):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="get_model")) if (
                owner == apps
            ):
                found.append(node)
            case ast.Attribute() | ast.Name() | ast.Constant() | ast.Tuple() | ast.keyword():
                continue
            case _:
                return None
    return found
