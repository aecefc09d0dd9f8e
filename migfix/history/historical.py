"""What a historical model of a project may be: the classes above it, and the names of its attributes.

Django makes it of the fields, managers and bases that migrations name, and gives it nothing else of today's class:
https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from migfix.discovery import MigrationFile, own_code
from migfix.history.classes import Classes
from migfix.history.graph import History
from migfix.history.reading import Operation
from migfix.history.state import Name, Unknown

_MADE_BY_HAND = re.compile(rb"\b(CreateModel|ModelState)\b")
_PLAIN_BASES = re.compile(rb"bases=\(\s*(?:models\.Model|[\"'][\w.]+[\"'])\s*,?\s*\)")
_POSITIONAL = re.compile(rb"CreateModel\(\s*[\"']")
# What Django's metaclass adds to each model, and what it makes of a field's name.
_OF_EACH_MODEL = frozenset("id pk objects DoesNotExist MultipleObjectsReturned NotUpdated".split())
_OF_A_FIELD = re.compile(r"get_\w+_display|get_(next|previous)_by_\w+|\w+_(id|set|ptr|order)|_.*")
_PATTERN = re.compile(rb"[\"']([\w%()]*%\(\w+\)s[\w%()]*)[\"']")
_WITH_CHECKS = frozenset({"abc", "collections", "numbers", "typing", "typing_extensions"})
_LOOKED_UP = frozenset({"__getattr__", "__getattribute__"})
_DYNAMIC = frozenset("setattr vars locals exec globals".split())


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
                own == self._own_class(above) or (node is None and self._is_of_project(above))
                for above, node in self._above_all.items()
            )
        )

    def may_be(self, path: str) -> bool:
        """May one of them be this very class? None is a class that the project defines."""
        return self._own_class(path) is None

    def may_have(self, name: str) -> bool:
        """May one of them have an attribute of this name?

        None has one that is a method of some class of the project, and that no migration mentions.
        """
        known = self._of_model
        if known is None or name in _OF_EACH_MODEL | known or _OF_A_FIELD.fullmatch(name):
            return True
        if any(node is None or _may_give(name, node) for _, node in self._above_all.items()):
            return True
        word = re.escape(name).encode()
        mentioned = re.compile(rb"\b%b\b" % word, re.IGNORECASE)
        migrations = [data for _, data in self._migrations]
        patterns = {pattern for data in migrations for pattern in _PATTERN.findall(data)}
        if any(map(mentioned.search, migrations)) or any(_fits(name, p) for p in patterns):
            return True
        given = re.compile(rb"\.%b\s*=[^=]|(setattr|to_class)\([^)]*[\"']%b[\"']" % (word, word))
        defined = re.compile(rb"\bdef %b\b" % word)
        return any(map(given.search, self._code)) or not any(map(defined.search, self._code))

    def _may_take_others(self, path: str) -> bool:
        """May the class say itself what is an instance of it, as protocols and abstract base classes do?"""
        return any(
            above.partition(".")[0] in _WITH_CHECKS or (node is not None and node.keywords)
            for above, node in self._classes.lineage(path)
        )

    def _own_class(self, path: str) -> tuple[Path, str] | None:
        """The file of the project that defines the class, and its name there; None if none does.

        A module may be imported by more than one name.
        """
        module, _, name = (self._classes.definition(path) or "").rpartition(".")
        file = self._project.module_file(module) if module else None
        return (self._project.files.real(file), name) if file else None

    @cached_property
    def _of_model(self) -> frozenset[str] | None:
        """What Django's own class brings; None where its source is not found."""
        module = self._history.scope_of("django.db.models.base")
        nodes = module.tree.body if module else []
        found = [n for n in nodes if isinstance(n, ast.ClassDef) and n.name == "Model"]
        return frozenset(_attributes(found[0])) if found else None

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
        if any(map(_MADE_BY_HAND.search, self._code)):
            yield ""
        for migration, data in self._migrations:
            if b"bases" not in _PLAIN_BASES.sub(b"", data) and not _POSITIONAL.search(data):
                continue
            source = self._history.source(migration)
            for operation in () if isinstance(source, Unknown) else source.operations:
                yield from _bases_in(operation)
            if isinstance(source, Unknown):
                yield ""

    @cached_property
    def _migrations(self) -> list[tuple[MigrationFile, bytes]]:
        """The migrations of the project with what they hold, those of tests left out."""
        own = {*own_code(self._project)}
        read = self._project.files.read_if_there
        return [(each, read(each.path)) for each in self._project.migrations if each.path in own]

    @cached_property
    def _code(self) -> list[bytes]:
        """The project's other files."""
        migrations = {migration.path for migration, _ in self._migrations}
        paths = (path for path in own_code(self._project) if path not in migrations)
        return [self._project.files.read_if_there(path) for path in paths]


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


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    """The names that the class body and its methods set."""
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name


def _may_give(name: str, node: ast.ClassDef) -> bool:
    """May the class give its objects an attribute of this name?"""
    dynamic = (isinstance(n, ast.Name) and n.id in _DYNAMIC for n in ast.walk(node))
    hides = bool(node.keywords or node.decorator_list) or any(dynamic)
    return hides or not (_LOOKED_UP | {name}).isdisjoint(_attributes(node))


def _fits(name: str, pattern: bytes) -> bool:
    """May ``name`` come of ``"%(app_label)s_%(class)s_items"``?"""
    parts = re.split(r"%\(\w+\)s", pattern.decode("ascii", "replace"))
    return re.fullmatch(r"\w+".join(map(re.escape, parts)), name, re.IGNORECASE) is not None
