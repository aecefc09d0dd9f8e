"""What the client's configuration says: the keys of ``[tool.migfix]``, also as ``camelCase``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migfix.settings import Overrides


@dataclass(frozen=True)
class Configuration:
    """``hints``: whether loops that are left are told of. ``wrong`` are keys that mean nothing here."""

    overrides: Overrides = field(default_factory=Overrides)
    hints: bool = True
    wrong: tuple[str, ...] = ()


def read(said: object) -> Configuration:
    """Never raises: what is no configuration says nothing."""
    given = said if isinstance(said, Mapping) else {}
    inner = given.get("migfix")
    table = {
        _kebab(key): value
        for key, value in (inner if isinstance(inner, Mapping) else given).items()
    }
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for key, value in table.items():
        reader = _READERS.get(key)
        if reader is None or value is None:
            wrong += [key] if reader is None and key not in _OF_CLIENTS else []
            continue
        name, meant = reader(value)
        if meant is None:
            wrong.append(key)
        else:
            values[name] = meant
    hints = values.pop("hints", True)
    return Configuration(Overrides(**values), hints, tuple(wrong))


def _kebab(key: object) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"-\1", str(key)).replace("_", "-").lower()


def _texts(name: str) -> Any:
    def reader(value: object) -> tuple[str, object]:
        fine = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return name, tuple(value) or None if fine and isinstance(value, list) else None

    return reader


def _of_type(name: str, kind: type) -> Any:
    return lambda value: (name, value if type(value) is kind else None)


def _path(value: object) -> tuple[str, object]:
    return "config", Path(value) if isinstance(value, str) and value else None


_OF_CLIENTS = frozenset({"path", "interpreter", "trace", "enable"})
_READERS: Mapping[str, Any] = {
    "select": _texts("select"),
    "ignore": _texts("ignore"),
    "databases": _texts("databases"),
    "exclude": _texts("exclude"),
    "unsafe-fixes": _of_type("unsafe_fixes", bool),
    "batch-size": _of_type("batch_size", int),
    "config": _path,
    "hints": _of_type("hints", bool),
}
