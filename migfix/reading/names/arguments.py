"""What a call passes to the parameters of a function."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migfix.reading.kinds.values import Apps, Argument, SchemaEditor, Text
from migfix.reading.names.calls import argument_of, calls_of
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import FunctionNode, all_arguments

if TYPE_CHECKING:
    from migfix.reading.kinds.plain import Known
    from migfix.reading.rows.querysets import Resolver


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a call passes: positional and keyword values; None for what is not known."""

    positional: tuple[Argument, ...] = ()
    keywords: Mapping[str, Argument] = field(default_factory=dict)
    complete: bool = True  # False when ``*args`` or ``**kwargs`` are passed


RUNPYTHON_ARGUMENTS = Arguments((Apps(), SchemaEditor()))


def passed(call: ast.Call, resolver: Resolver) -> Arguments:
    """What the call passes, as ``resolver`` reads it where the call stands."""

    def value(node: ast.expr) -> Argument:
        if (text := resolver.literal(node, node)) is not None:
            return Text(text)
        return resolver.value(node)

    plain = not any(isinstance(a, ast.Starred) for a in call.args)
    return Arguments(
        tuple(value(a) for a in call.args) if plain else (),
        {k.arg: value(k.value) for k in call.keywords if k.arg},
        plain and all(k.arg for k in call.keywords),
    )


def bound(node: FunctionNode, arguments: Arguments, module: Module) -> dict[str, Argument]:
    """Parameter name -> what is passed. Defaults, decorators and ``*args`` make it unknown."""
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    unknown: dict[str, Argument] = {a.arg: None for a in all_arguments(node)}
    if not arguments.complete or not module.runs_as_written(node):
        return unknown
    return {**unknown, **dict(zip(names, arguments.positional, strict=False)), **arguments.keywords}


def given_by_operations(node: FunctionNode, module: Module) -> dict[str, Argument]:
    """Parameter name -> what is passed to a function that RunPython alone calls; empty for any other."""
    calls = calls_of(node, module)
    return bound(node, RUNPYTHON_ARGUMENTS, module) if calls and not any(calls) else {}


def kinds_passed(node: FunctionNode, call: ast.Call, resolver: Resolver) -> dict[str, Known]:
    """Parameter name -> the kind of what the call passes, without those that it leaves to their defaults."""
    from migfix.reading.kinds.inferring import kind_of  # which asks itself what is called

    given = ((a.arg, argument_of(call, a.arg, node)) for a in all_arguments(node))
    return {name: kind_of(value, resolver) for name, value in given if value is not None}
