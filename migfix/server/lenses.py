"""The line over each RunPython: how many loops it reaches, and what becomes of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from lsprotocol.types import CodeLens, Command

from migfix.findings import Applicability, LoopOutcome
from migfix.reports.told import count
from migfix.server.actions import REWRITE_ALL
from migfix.server.desk import Look
from migfix.server.texts import Places


def lenses(look: Look, places: Places, uri: str) -> list[CodeLens]:
    found: list[CodeLens] = []
    for node, loops in _run_pythons(look):
        if loops:
            safe = any(_is_safe(loop) for loop in loops)
            arguments = [uri] if safe else None
            command = Command(_told(loops), REWRITE_ALL if safe else "", arguments=arguments)
            where = places.rest_of_line(node.lineno, look.source.column(node))
            found.append(CodeLens(range=where, command=command))
    return found


def _run_pythons(look: Look) -> Iterator[tuple[ast.Call, list[LoopOutcome]]]:
    """Each RunPython of the migration with the loops of its own file that its functions reach."""
    if look.facts is None or look.outcome.error is not None:
        return
    for call, reached in look.facts.reached_in(look.source):
        lines = {node.lineno for node in reached if isinstance(node, ast.For)}
        yield call, [loop for loop in look.outcome.loops if loop.line in lines]


def _told(loops: Sequence[LoopOutcome]) -> str:
    """``3 loops: 2 safe, 1 left``"""
    safe = sum(map(_is_safe, loops))
    unsafe = sum(not _is_safe(loop) and bool(loop.offer or loop.changed) for loop in loops)
    kinds = {"safe": safe, "unsafe": unsafe, "left": len(loops) - safe - unsafe}
    told = ", ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
    return f"{count(len(loops), 'loop')}: {told}"


def _is_safe(loop: LoopOutcome) -> bool:
    return loop.changed and loop.applicability is Applicability.SAFE
