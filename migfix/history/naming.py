"""Which migrations of a project name a model of another app, in an operation or by a setting."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from migfix.history.settings_values import MODEL_TEXT, SwappableSettings
from migfix.history.state import ModelKey
from migfix.history.texts import Texts
from migfix.project.discovery import MigrationFile, Project

if TYPE_CHECKING:
    from pathlib import Path

_SETTING_TEXT = re.compile(rb"settings\.([A-Z_]+)")


class Naming:
    """Looks for models in the texts of migrations that are not replayed."""

    def __init__(self, project: Project, texts: Texts, settings: SwappableSettings) -> None:
        self._project = project
        self._texts = texts
        self._settings = settings

    def files_naming(self, key: ModelKey) -> tuple[MigrationFile, ...]:
        """The files of the project that hold ``"app.Model"``, or a setting that names it."""
        if key not in self._naming:
            written = ".".join(key).lower().encode()
            files = self._project.migrations
            self._naming[key] = tuple(file for file in files if self._names(file, key, written))
        return self._naming[key]

    @cached_property
    def _naming(self) -> dict[ModelKey, tuple[MigrationFile, ...]]:
        return {}

    def _names(self, file: MigrationFile, key: ModelKey, written: bytes) -> bool:
        if self._texts.once(_names_model, file.path, key, written, unreadable=True):
            return True
        models = (self._settings.value(name) for name in self._settings_in(file.path))
        return any(isinstance(m, str) and m.lower() == ".".join(key) for m in models)

    def _settings_in(self, path: Path) -> frozenset[str]:
        """The settings that a file names, looked for once."""
        if path not in self._setting_names:
            self._setting_names[path] = self._texts.once(
                _settings_named, path, unreadable=frozenset()
            )
        return self._setting_names[path]

    @cached_property
    def _setting_names(self) -> dict[Path, frozenset[str]]:
        return {}


def _settings_named(data: bytes) -> frozenset[str]:
    return frozenset(name.decode() for name in _SETTING_TEXT.findall(data))


def _names_model(data: bytes, key: ModelKey, written: bytes) -> bool:
    if written not in data.lower():
        return False
    return key in ((a.decode().lower(), b.decode().lower()) for a, b in MODEL_TEXT.findall(data))
