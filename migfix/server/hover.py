"""What is told of a loop, and of a model, under the pointer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from lsprotocol.types import Hover, MarkupContent, MarkupKind, Position

from migfix.findings import Answer, Costs, LoopOutcome
from migfix.reasons import EXPLANATIONS, named
from migfix.reports.as_explained import verdict, what_it_says
from migfix.reports.told import databases
from migfix.selection import loop_at
from migfix.server.desk import Look
from migfix.server.texts import Places
from migfix.settings import all_codes


def hover(look: Look, position: Position, places: Places) -> Hover | None:
    """On the first line of a loop all that is known of it, on the name of its model the model as of this migration."""
    line, column = position.line + 1, places.column(position)
    loop = loop_at(line, look.outcome.loops)
    word = _word(places.line(line), column)
    model = next((each for each in look.outcome.loops if _is_named(each, word)), None)
    if loop is not None and loop.line == line and (model is None or column < loop.column + 3):
        return _shown(_of_loop(look, loop))
    return None if model is None else _shown(_of_model(model))


def _shown(lines: Iterator[str]) -> Hover:
    return Hover(MarkupContent(MarkupKind.Markdown, "\n".join(lines)))


def _word(line: str, column: int) -> str:
    """The name around a column, with the dots in it."""
    return next(
        (
            each[0]
            for each in re.finditer(r"[\w.]+", line)
            if each.start() < column <= each.end() + 1
        ),
        "",
    )


def _is_named(loop: LoopOutcome, word: str) -> bool:
    """``Order`` and ``shop.Order`` for a loop over ``shop.Order``"""
    label, _, name = (loop.model or "").partition(".")
    return bool(name) and word.split(".objects")[0].lower() in {
        name.lower(),
        f"{label}.{name}".lower(),
    }


def _of_model(loop: LoopOutcome) -> Iterator[str]:
    yield f"**{loop.model}** as of this migration"
    yield ""
    for field in loop.fields:
        name, _, kind = field.partition(" ")
        yield f"- `{name}` {kind}"


def _of_loop(look: Look, loop: LoopOutcome) -> Iterator[str]:
    yield f"**{loop.model or 'a model that is not known'}** in `{loop.function}`"
    yield ""
    if loop.fields:
        yield f"As of this migration: {', '.join(f'`{each}`' for each in loop.fields)}"
        yield ""
    if loop.costs is not None:
        yield f"As written: rows held: {loop.costs.rows_held}; queries: {_queries(loop.costs)}.\n"
    yield from _rewritten(loop)
    for _, alike in groupby(loop.answers, key=what_it_says):
        yield from _answers([*alike])
    yield from (f"\n{each}" for each in databases([look.outcome]))


def _queries(costs: Costs) -> str:
    """``1 for each row``"""
    if costs.more and not costs.queries:
        return "how many is not certain"
    often = "for each row" if costs.always else "for each row at most"
    number = f"{costs.queries} {often}" if costs.queries else "none in the body"
    return f"{number}, and others that are not certain" if costs.more else number


def _rewritten(loop: LoopOutcome) -> Iterator[str]:
    """What the loop would hold, read and write."""
    if loop.gains:
        yield f"Rewritten: {'; '.join(map(str, loop.gains))}.\n"
    if loop.only is not None:
        yield f"Reads only {', '.join(f'`{each}`' for each in loop.only)}.\n"
    if loop.defer is not None:
        yield f"Reads all but {', '.join(f'`{each}`' for each in loop.defer)}.\n"
    if loop.batched:
        yield "Writes in batches.\n"


def _answers(alike: list[Answer]) -> Iterator[str]:
    first, names = alike[0], all_codes()
    told = ", ".join(f"{each.code} {names.get(each.code, '')}" for each in alike)
    where = f" (line {first.at.line})" if first.at and not first.at.path else ""
    yield f"- **{told}**: {verdict(first)}. {_escaped(first.reason)}{where}"
    reason = named(first.blocked_by or "")
    if reason is not None:
        yield f"  *What helps*: {EXPLANATIONS[reason].help}"


def _escaped(text: str) -> str:
    """Stars and such outside of code mean something to Markdown."""
    parts = text.split("`")
    return "`".join(
        part if at % 2 else re.sub(r"([\\*_<>\[\]])", r"\\\1", part)
        for at, part in enumerate(parts)
    )
