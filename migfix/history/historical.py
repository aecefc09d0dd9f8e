"""What classes a historical model of a project may descend from.

Django makes it of the fields, managers and bases that migrations name, and gives it nothing else of today's class:
https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from migfix.history.classes import Classes
from migfix.history.graph import History
from migfix.history.reading import Operation
from migfix.history.state import Name, Unknown

# Code beside migrations that may give bases to historical models, or to classes.
_OPERATIONS = re.compile(rb"\bmigrations\b")
_GIVES_BASES = re.compile(rb"\b(bases|CreateModel|ModelState)\b")
_CHANGES_BASES = re.compile(rb"__bases__")
_PLAIN_BASES = re.compile(rb"\bbases=\(\s*(?:models\.Model|[\"'][\w.]+[\"'])\s*,?\s*\)")
_OTHER_MODELS = re.compile(rb"(?<!django\.db )import [^\n]*\bmodels\b|\bmodels\s*=[^=]")
_DJANGO_MODELS = re.compile(rb"from django\.db import [^\n]*\bmodels\b")
_MODELS = re.compile(r"\.models\.")
# A model that is made with anything but keywords, or an operation under another name.
_UNUSUAL = re.compile(rb"CreateModel\((?!\s*name\s*=)|CreateModel\s+as\b|\*\*|\(\s*\*")


class HistoricalModels:
    """The historical models of one project, all of them taken together."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._project = history.project
        self._classes: Classes = history.classes

    def may_descend_from(self, path: str) -> bool:
        """May one of them be a subclass of the class with this dotted path?

        None is of a class that the project defines and that is above no base which its migrations name.
        Classes of packages have only classes of packages above them.
        """
        own = self._own_class(path)
        return (
            own is None
            or self._may_take_others(path)
            or any(
                own == self._own_class(above)
                or (self._is_of_project(above) if node is None else _is_decorated(node))
                for above, node in self._above_all.items()
            )
        )

    def may_be(self, path: str) -> bool:
        """May one of them be this very class, or equal to it? None is a plain class that the project defines."""
        return self._own_class(path) is None or self._may_take_others(path)

    def _may_take_others(self, path: str) -> bool:
        """May the class say itself what is an instance of it, as protocols and abstract base classes do?

        No model does: what a package has among its models is taken for one where its source is not found.
        """
        return any(
            (
                not _MODELS.search(above) or self._is_of_project(above)
                if node is None
                else _is_decorated(node)
            )
            for above, node in self._classes.lineage(path)
        )

    def _own_class(self, path: str) -> tuple[Path, str] | None:
        """The file of the project that defines the class, and its name there; None if none does.

        A module may be imported by more than one name.
        """
        module, _, name = (self._classes.definition(path) or "").rpartition(".")
        file = self._project.module_file(module) if module else None
        return (self._project.files.real(file), name) if file else None

    def _is_of_project(self, path: str) -> bool:
        """Is it in a package of the project, or in one that is not known?"""
        return not path or self._project.module_file(path.partition(".")[0]) is not None

    @cached_property
    def _above_all(self) -> Mapping[str, ast.ClassDef | None]:
        """The classes above all the bases that migrations name, as ``Classes.lineage`` has them."""
        return {
            path: node for base in {*self._bases()} for path, node in self._classes.lineage(base)
        }

    def _bases(self) -> Iterator[str]:
        """The dotted paths of the bases that migrations name; "" for what is not known."""
        files = self._project.files
        migrations = {file.path: file for file in self._project.migrations}
        folders = {path.parent.parent for path in migrations}
        for path in self._project.own_code:
            data = files.read_if_there(path)
            if path not in migrations and (
                (_OPERATIONS.search(data) and _GIVES_BASES.search(data))
                or _CHANGES_BASES.search(data)
                or _is_unmigrated(path, data, folders)
            ):
                yield ""
        for path, migration in migrations.items():
            data = files.read_if_there(path)
            plain = not _UNUSUAL.search(data) and b"bases" not in _PLAIN_BASES.sub(b"", data)
            if plain and (b"bases" not in data or _has_models_of_django(data)):
                continue
            source = self._history.source(migration)
            for operation in () if isinstance(source, Unknown) else source.operations:
                yield from _bases_in(operation)
            if isinstance(source, Unknown):
                yield ""


def _is_unmigrated(path: Path, data: bytes, folders: set[Path]) -> bool:
    """May it hold models of an app without migrations? Those are in every state, as they are today."""
    app = path.parent if path.stem == "models" else path.parent.parent
    is_models = path.stem == "models" or path.parent.name == "models"
    return is_models and app not in folders and b"class " in data


def _has_models_of_django(data: bytes) -> bool:
    return bool(_DJANGO_MODELS.search(data)) and not _OTHER_MODELS.search(
        _DJANGO_MODELS.sub(b"", data)
    )


def _is_decorated(node: ast.ClassDef) -> bool:
    """Has it a metaclass or a decorator, which may make another class of it?"""
    return bool(node.keywords or node.decorator_list)


def _bases_in(operation: Operation) -> Iterator[str]:
    """The dotted paths of the classes that an operation gives to models; "" for what is not known."""
    written = operation.arguments.get("bases", ())
    for base in written if isinstance(written, tuple) else (None,):
        if not isinstance(base, str):
            yield base.path if isinstance(base, Name) else ""
    if operation.problem is not None:
        yield ""
    for inner in (*operation.database_operations, *operation.state_operations):
        yield from _bases_in(inner)
