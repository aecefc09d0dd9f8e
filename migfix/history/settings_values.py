"""What the settings files of a project say of swappable models, read as text."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migfix.disk.files import Unreadable
from migfix.history.files.scope import UnreadableMigration, parse
from migfix.history.state import ModelKey, Unknown
from migfix.source import nodes_in

MODEL_TEXT = re.compile(rb"""["']([A-Za-z_]\w*)\.([A-Za-z_]\w*)["']""")

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from migfix.project.discovery import Project


@dataclass(frozen=True, slots=True)
class SwappableSettings:
    """Settings such as AUTH_USER_MODEL that name a model as ``app.Model``.

    ``told`` says of one, and of what the source makes of it, what it is.
    """

    project: Project
    told: Callable[[str, str | Unknown], str | Unknown] = lambda _, read: read
    _known: dict[str, str | Unknown] = field(default_factory=dict)
    _read: dict[bytes, Mapping[str, Sequence[object]] | None] = field(default_factory=dict)

    def value(self, name: str) -> str | Unknown:
        """The model that a setting names: the one value that all settings files agree on.

        AUTH_USER_MODEL is ``auth.User`` where no file of a project with ``manage.py`` mentions it,
        as in ``django.conf.global_settings``.
        """
        if name not in self._known:
            self._known[name] = self.told(name, self._find(name))
        return self._known[name]

    def named_models(self) -> frozenset[ModelKey]:
        """Everything in the settings files that is written like a model, ``app.Model``."""
        read = self.project.files.read_if_there
        texts = [read(path) for path in self.project.settings_files]
        return frozenset(
            (label.decode().lower(), name.decode().lower())
            for text in texts
            for label, name in MODEL_TEXT.findall(text)
        )

    def _find(self, name: str) -> str | Unknown:
        found: set[str] = set()
        for path in self.project.settings_files:
            data = self.project.files.read(path)
            if isinstance(data, Unreadable):
                return Unknown(f"{path} cannot be read: {data.why}")
            if name.encode() not in data:
                continue
            if data not in self._read:
                self._read[data] = _assigned(data)
            assigned = self._read[data]
            for value in (None,) if assigned is None else assigned.get(name, ()):
                if not isinstance(value, str):
                    return Unknown(f"{path} sets {name} to something that is not a literal")
                found.add(value)
        if len(found) == 1:
            return found.pop()
        if found:
            return Unknown(f"settings files disagree on {name}: {', '.join(sorted(found))}")
        if name == "AUTH_USER_MODEL" and self.project.has_manage:
            return "auth.User"
        return Unknown(f"no settings file below {self.project.root} sets {name}")


def _assigned(data: bytes) -> Mapping[str, Sequence[object]] | None:
    """What is assigned to each name, None for all but constants. None where it cannot be read."""
    try:
        tree = parse(data)
    except UnreadableMigration:
        return None
    values: dict[str, list[object]] = {}
    for node in nodes_in(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            value = node.value.value if isinstance(node.value, ast.Constant) else None
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in {target.id for target in targets if isinstance(target, ast.Name)}:
                values.setdefault(name, []).append(value)
    return values
