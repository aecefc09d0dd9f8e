"""Which rows refer to which, where that had to wait for the rows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

_CHILDREN = 0.7  # the share of those that may get rows of their own
_TARGETS = 40  # rows of its own table that others refer to


def referring_to_own(
    rows: Sequence[tuple[Any, Any]], numbers: random.Random, wild: bool, unique: bool
) -> Iterator[tuple[Any, Any]]:
    """Pairs of a key and what its row refers to: trees, and where it is wild a row itself and a circle."""
    for index, (key, own) in enumerate(rows):
        if wild and index == 0:
            yield key, own
        elif wild and index in (1, 2) and len(rows) > 2:
            yield key, rows[3 - index][1]
        elif unique and wild <= index < _TARGETS and not (wild and index == 3):
            yield from [(key, rows[index - 1][1])] if index else []
        elif not unique and index and numbers.random() < _CHILDREN:
            yield key, rows[numbers.randrange(min(index, _TARGETS))][1]


def referring_to(
    keys: Sequence[Any], targets: list[Any], numbers: random.Random, unique: bool
) -> Iterator[tuple[Any, Any]]:
    targets = numbers.sample(targets, some_of(len(targets)))
    for key in keys:
        if not targets:
            return
        if numbers.random() < _CHILDREN:
            target = numbers.choice(targets)
            if unique:
                targets.remove(target)
            yield key, target


def some_of(number: int) -> int:
    return min(number, int(number * _CHILDREN) + 1)
