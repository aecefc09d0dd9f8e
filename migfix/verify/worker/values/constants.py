"""What a source says of the values that its functions meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

Path = tuple[object, ...]


@dataclass(frozen=True)
class Asked:
    """A row of a model ("" where that is not known) with these values; ``one``: it must be the only one."""

    model: str
    values: Mapping[str, object]
    one: bool


@dataclass(frozen=True)
class Constants:
    """
    What a source says of the values that its functions meet, each part in the order of the source.

    `texts` and `numbers` are all literals of these kinds; `others` are dates, times, spans, UUIDs, bytes.
    `by_name[name]` are those that the source connects with an attribute, a keyword, a key or a variable of
    that name. `keys[name]` are paths of keys and indexes that are asked of one, as of a JSON field.
    `parsed` names those that are handed to what refuses most texts, as int() and strptime() do. `asked` are rows
    that there must be, which `asked_of` reads.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[int | float | Decimal, ...] = ()
    others: tuple[object, ...] = ()
    by_name: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    keys: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    parsed: frozenset[str] = frozenset()
    asked: tuple[Asked, ...] = ()
