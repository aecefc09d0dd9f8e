"""
Which tests run where each case is to run on one database only: `--by-turns`.

In the environment "full" every case runs on every database. Other Pythons and Djangos meet every case and, in every
function, every database; but where a function has many cases, not each of them on each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from zlib import crc32

import django
import pytest

from tests.databases import NAMES

FEW = 6  # cases, which run everywhere


def by_turns(items: Sequence[pytest.Item], first: int = django.VERSION[0]) -> list[pytest.Item]:
    """Return the items that are to run. `first`: where turns begin, with other databases for other Djangos."""
    functions: dict[str, dict[str, list[pytest.Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        if case := _case_of(item):
            functions[item.nodeid.partition("[")[0]][case].append(item)
    left = set(_left_out(functions.values(), first))
    return [item for item in items if item not in left]


def _left_out(
    functions: Collection[Mapping[str, list[pytest.Item]]], first: int
) -> Iterator[pytest.Item]:
    """In an order that has nothing to do with how cases are made of parameters, some of which come in threes, too."""
    for cases in functions:
        if len(cases) > FEW:
            for turn, case in enumerate(
                sorted(cases, key=lambda name: crc32(name.encode())), first
            ):
                items = cases[case]
                yield from (item for item in items if item is not items[turn % len(items)])


def _case_of(item: pytest.Item) -> str:
    """The name of the item without its database; empty where it is asked on none."""
    call = getattr(item, "callspec", None)
    if call is None or call.params.get("database") not in NAMES:
        return ""
    return f"-{call.id}-".replace(f"-{call.params['database']}-", "-", 1)
