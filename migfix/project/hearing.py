"""Which receivers hear a signal, and what a model must be for each of them to act on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class HasAttribute:
    """Its rows have an attribute of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Descends:
    """It descends from one of the classes with these dotted paths."""

    paths: tuple[str, ...]


Need: TypeAlias = "HasAttribute | Descends"
Way: TypeAlias = "frozenset[Need]"
"""What a model must be, all of it, for a receiver to act in one of the ways that it may."""

IN_ANY_CASE: Sequence[Way] = (frozenset(),)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a receiver is connected, as ``path:line``, and the signals of historical models that it may hear.

    ``what`` says what is done there: methods of models and fields that are changed come to the same.
    ``ways`` are those on which it may act.
    """

    place: str
    signals: frozenset[str]
    what: str = "connects a receiver that may hear historical models"
    ways: Sequence[Way] = IN_ANY_CASE


def hearing(
    found: Sequence[Receiver], signals: Iterable[str], may_meet: Callable[[Need], bool]
) -> str | None:
    """What hears one of the signals and may act, and where; None if nothing does."""
    for each in found:
        if not each.signals.isdisjoint(signals) and any(all(map(may_meet, w)) for w in each.ways):
            return f"{each.place} {each.what}"
    return None
