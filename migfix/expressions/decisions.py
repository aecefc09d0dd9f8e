"""The paths through a body as a tree of decisions, and what is left of it for one question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from migfix.expressions.path import Path
from migfix.sql.logic import ALWAYS, NEVER, all_of, any_of, negated
from migfix.sql.nodes import Condition

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fork(Generic[T]):
    """``yes`` where the condition holds, ``no`` elsewhere."""

    condition: Condition
    yes: Decision[T]
    no: Decision[T]


Decision: TypeAlias = T | Fork[T]


def decide(paths: Sequence[Path], answer: Callable[[Path], T], depth: int = 0) -> Decision[T]:
    """The answers of all paths; where both ways of a condition give the same, it does not count."""
    if len(paths) == 1 and len(paths[0].conditions) == depth:
        return answer(paths[0])
    condition = paths[0].conditions[depth]
    yes = [path for path in paths if path.conditions[depth] == condition]
    no = [path for path in paths if path.conditions[depth] != condition]
    if not no:  # the other way is impossible
        return decide(yes, answer, depth + 1)
    return fork(condition, decide(yes, answer, depth + 1), decide(no, answer, depth + 1))


def fork(condition: Condition, yes: Decision[T], no: Decision[T]) -> Decision[T]:
    return yes if yes == no else Fork(condition, yes, no)


def where(decision: Decision[T], holds: Callable[[T], bool]) -> Condition:
    """For which rows the answer is one that ``holds``."""
    if not isinstance(decision, Fork):
        return ALWAYS if holds(decision) else NEVER
    condition = decision.condition
    yes, no = where(decision.yes, holds), where(decision.no, holds)
    if yes == no:
        return yes
    if yes == ALWAYS:
        return any_of(condition, no)
    if no == ALWAYS:
        return any_of(negated(condition), yes)
    if no == NEVER:
        return all_of(condition, yes)
    if yes == NEVER:
        return all_of(negated(condition), no)
    return any_of(all_of(condition, yes), all_of(negated(condition), no))


def among(decision: Decision[T], counts: Callable[[T], bool]) -> Decision[T] | None:
    """The decision where only answers that count can occur; None if none does."""
    if not isinstance(decision, Fork):
        return decision if counts(decision) else None
    yes, no = among(decision.yes, counts), among(decision.no, counts)
    if yes is None or no is None:
        return no if yes is None else yes
    return fork(decision.condition, yes, no)


def answers(decision: Decision[T]) -> Iterator[T]:
    """Every answer, in the order of the source."""
    if isinstance(decision, Fork):
        yield from answers(decision.yes)
        yield from answers(decision.no)
    else:
        yield decision


def conditions(decision: Decision[T]) -> Iterator[Condition]:
    """Every condition that decides."""
    if isinstance(decision, Fork):
        yield decision.condition
        yield from conditions(decision.yes)
        yield from conditions(decision.no)
