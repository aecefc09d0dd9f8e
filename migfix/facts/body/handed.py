"""Functions of the file that a loop hands its row to, to be saved there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migfix.facts.body.effects import Effect
from migfix.facts.body.reached import reached
from migfix.facts.body.uses import Kind, Place, Use, uses_at
from migfix.reading.rows.querysets import Resolver

if TYPE_CHECKING:
    from migfix.facts.loop import Loop


@dataclass(frozen=True, eq=False)
class Handed:
    """``call`` gives the ``row`` to a function in which one of ``saves`` saves it."""

    call: ast.Call
    row: ast.expr
    saves: frozenset[ast.AST]


def handed_to_save(loop: Loop) -> tuple[Handed, ...]:
    """The calls of the body by which the loop's own row, and no other, gets to be saved in a function.

    A function of another module may come to do something else: it is not among these, nor is one that
    the body calls, or hands on, in any other way.
    """
    saved = {use.node: use for use in loop.used(Kind.SAVE) if not _is_in_body(use, loop)}
    if not saved or any(not loop.module.holds(node) for node in saved):
        return ()
    functions = {_function_of(use) for use in saved.values()}
    found: list[Handed] = []
    for node, resolver in reached(loop.region, loop.resolver):
        if not isinstance(node, ast.Call):
            continue
        called = resolver.called(node)
        if called is not None and called[0] in functions:
            given = list(_given(node, loop)) if resolver is loop.resolver else []
            inside = {save for save in saved if _function_of(saved[save]) is called[0]}
            if not given or any(each.saves != inside for each in given):
                return ()
            found += given
        elif any(_is_one_of(functions, each, resolver) for each in _arguments(node)):
            return ()
    return tuple(found)


def own_saves(loop: Loop) -> frozenset[ast.AST]:
    """The calls of ``save()`` that save the row of the turn and nothing else, wherever they stand."""
    inside = {use.node for use in loop.used(Kind.SAVE) if _is_in_body(use, loop)}
    return frozenset(inside).union(*(each.saves for each in loop.handed_to_save))


def is_own_save(effect: Effect, loop: Loop) -> bool:
    """Is it no more than such a call?"""
    node = effect.inside[0].node if effect.inside else effect.node
    return node in loop.own_saves


def _is_in_body(use: Use, loop: Loop) -> bool:
    return loop.resolver.scope.is_inside(use.node, loop.node)


def _function_of(use: Use) -> ast.AST:
    assert use.place is not None
    return use.place.resolver.scope.node


def _given(call: ast.Call, loop: Loop) -> Iterator[Handed]:
    place = Place(tuple(loop.region), loop.resolver)
    for each in _arguments(call):
        if isinstance(each, ast.Name) and each.id == loop.row:
            found = uses_at(each, place)
            saves = frozenset(use.node for use in found if use.kind is Kind.SAVE)
            if saves:
                yield Handed(call, each, saves)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _is_one_of(functions: set[ast.AST], node: ast.expr, resolver: Resolver) -> bool:
    found = resolver.handed(node)
    return found is not None and found[0] in functions
