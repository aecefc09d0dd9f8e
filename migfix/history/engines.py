"""Databases on which an app's own migrations cannot run, whatever the settings say.

    ("tags", ArrayField(models.CharField(max_length=50)))       # varchar(50)[]
    AddIndexConcurrently("order", models.Index(...))            # add_index(..., concurrently=True)

An app that depends on such an app cannot run there either. Measured: MySQL and MariaDB take none of PostgreSQL's
own column types, SQLite takes any word for one, but no ``[]`` behind a parenthesis, and ``add_index()`` takes
``concurrently`` on PostgreSQL alone.
https://docs.djangoproject.com/en/stable/ref/contrib/postgres/operations/#concurrent-index-operations
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import IntEnum, auto
from functools import cached_property

from migfix.discovery import MigrationFile, MigrationPackage
from migfix.history.graph import History
from migfix.history.reading import MigrationSource, Operation
from migfix.history.state import Call, Unknown
from migfix.source import tree_of

_UNCLEAR = frozenset("allow_migrate __getattr__ __getattribute__ setattr".split())
_MYSQL = frozenset({"mysql", "mariadb"})
_ALL_OTHERS = _MYSQL | {"sqlite"}
_WORTH_READING = re.compile(rb"contrib\.postgres|Concurrently")
# Models whose tables Django leaves alone, on some databases or on all.
_LEFT_ALONE = re.compile(rb"""["'](managed|swappable|required_db_(vendor|features))["']""")
_REPLACES = re.compile(rb"\breplaces\b")
_REFERENCE = re.compile(rb"""\(\s*["'](\w+)["']\s*,\s*["'](\w+)["']\s*,?\s*\)""")
_CONCURRENT = frozenset({"AddIndexConcurrently", "RemoveIndexConcurrently"})
_WITH_FIELD = frozenset({"AddField", "AlterField"})
_OWN_TYPES = re.compile(
    r"django\.contrib\.postgres\.(fields|search)\.(\w+\.)?"
    r"(ArrayField|HStoreField|SearchVectorField|(Integer|BigInteger|Decimal|Date|DateTime)RangeField)"
)
_ARRAY = re.compile(r"django\.contrib\.postgres\.fields\.(array\.)?ArrayField")
# Base fields whose type SQLite, too, has with a parenthesis: ``varchar(50)``.
_IN_PARENTHESES = re.compile(r"django\.db\.models\.(fields\.)?(Char|Email|Slug|URL)Field")


class _Routing(IntEnum):
    """By what routers may send a migration's operations to one database or another.

    https://docs.djangoproject.com/en/stable/topics/db/multi-db/#allow_migrate
    """

    NOTHING = auto()
    APPS = auto()
    MODELS = auto()


class Engines:
    """Looks through the migrations of one project."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._project = history.project
        self._ruled_out_by: dict[str, frozenset[str]] = {}

    def ruled_out(self, migration: MigrationFile) -> frozenset[str]:
        """The databases that the migration cannot run on, by their names here; empty when in doubt."""
        known = {file.path for package in self._packages for file in package.files}
        if migration.path not in known or self._routing is _Routing.MODELS:
            return frozenset()
        found: frozenset[str] = frozenset()
        labels = [migration.app_label]
        for label in labels:
            found |= self._ruled_out_in(label)
            if found == _ALL_OTHERS or self._routing is _Routing.APPS:
                break
            labels += (each for each in self._needed_by(label) if each not in labels)
        return found

    @cached_property
    def _routing(self) -> _Routing:
        """What the project's routers tell apart, in all of its settings."""
        routers: list[str] = []
        for file in self._project.settings_files:
            data = self._project.files.read_if_there(file)
            if b"DATABASE_ROUTERS" in data:
                named = _routers_in(tree_of(data))
                if named is None:
                    return _Routing.MODELS
                routers += named
        return max(map(self._routing_of, routers), default=_Routing.NOTHING)

    def _routing_of(self, router: str) -> _Routing:
        """Reads ``allow_migrate(self, db, app_label, model_name=None, **hints)``."""
        methods: list[ast.FunctionDef] = []
        for _, node in self._history.classes.lineage(router):
            if node is None or node.decorator_list or node.keywords:
                return _Routing.MODELS
            for each in ast.walk(node):
                if isinstance(each, ast.FunctionDef) and each.name == "allow_migrate":
                    methods.append(each)
                elif getattr(each, "id", getattr(each, "name", "")) in _UNCLEAR:
                    return _Routing.MODELS
        for method in methods:
            given = method.args
            plain = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            others = {a.arg for a in (*plain[3:], given.vararg, given.kwarg) if a is not None}
            if any(isinstance(n, ast.Name) and n.id in others for n in ast.walk(method)):
                return _Routing.MODELS
        return _Routing.APPS if methods else _Routing.NOTHING

    @cached_property
    def _packages(self) -> tuple[MigrationPackage, ...]:
        """The apps of the project that have their label to themselves."""
        labels = [package.app_label for package in self._project.packages]
        return tuple(p for p in self._project.packages if labels.count(p.app_label) == 1)

    def _files_of(self, label: str) -> Iterator[tuple[MigrationFile, bytes]]:
        for package in self._packages:
            if package.app_label == label:
                for file in package.files:
                    yield file, self._project.files.read_if_there(file.path)

    @cached_property
    def _names(self) -> frozenset[tuple[bytes, bytes]]:
        return frozenset(
            (package.app_label.encode(), file.name.encode())
            for package in self._packages
            for file in package.files
        )

    def _needed_by(self, label: str) -> Iterator[str]:
        """The apps of which migrations of this one name migrations."""
        for _, data in self._files_of(label):
            for pair in _REFERENCE.findall(data):
                if pair in self._names:
                    yield pair[0].decode()

    def _ruled_out_in(self, label: str) -> frozenset[str]:
        if label not in self._ruled_out_by:
            self._ruled_out_by[label] = self._find_in(label)
        return self._ruled_out_by[label]

    def _find_in(self, label: str) -> frozenset[str]:
        files = list(self._files_of(label))
        if any(_LEFT_ALONE.search(data) for _, data in files):
            return frozenset()
        replaced = {
            key
            for file, data in files
            if _REPLACES.search(data)
            for key in self._source(file).replaces
        }
        found: frozenset[str] = frozenset()
        for file, data in files:
            if found == _ALL_OTHERS:
                break
            if _WORTH_READING.search(data) and (label, file.name) not in replaced:
                found = found.union(*map(_ruled_out_by, self._source(file).operations))
        return found

    def _source(self, file: MigrationFile) -> MigrationSource:
        source = self._history.source(file)
        return MigrationSource() if isinstance(source, Unknown) else source


def _routers_in(tree: ast.Module | None) -> list[str] | None:
    """The paths that the settings name; None where they are not all written out."""
    found: list[str] = []
    assigned: set[ast.AST] = set()
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.Assign(
                targets=[ast.Name(id="DATABASE_ROUTERS") as target],
                value=ast.List(elts=parts) | ast.Tuple(elts=parts),
            ):
                assigned.add(target)
                found += (
                    (
                        part.value
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                        else ""
                    )
                    for part in parts
                )
    mentioned = {n for n in ast.walk(tree) if _names_routers(n)} if tree else set()
    written = all(found)
    return found if tree and written and mentioned == assigned else None


def _names_routers(node: ast.AST) -> bool:
    names = (getattr(node, each, None) for each in ("id", "attr", "name", "asname", "value", "arg"))
    return "DATABASE_ROUTERS" in names


def _ruled_out_by(operation: Operation) -> frozenset[str]:
    """The databases on which it fails. What only changes the state runs on all."""
    if operation.kind == "SeparateDatabaseAndState":
        return frozenset().union(*map(_ruled_out_by, operation.database_operations))
    if operation.problem is not None or operation.own_database_code:
        return frozenset()
    if operation.kind in _CONCURRENT:
        return _ALL_OTHERS
    if operation.kind in _WITH_FIELD:
        return _ruled_out_by_field(operation.arguments.get("field"))
    if operation.kind == "CreateModel":
        fields = operation.arguments.get("fields")
        pairs = fields if isinstance(fields, tuple) else ()
        given = (pair[1] for pair in pairs if isinstance(pair, tuple) and len(pair) == 2)
        return frozenset().union(*map(_ruled_out_by_field, given))
    return frozenset()


def _ruled_out_by_field(field: object) -> frozenset[str]:
    if not isinstance(field, Call) or not _OWN_TYPES.fullmatch(field.path):
        return frozenset()
    return _ALL_OTHERS if _is_in_parentheses(field) else _MYSQL


def _is_in_parentheses(field: Call) -> bool:
    """``varchar(50)[]``, also of an array of such arrays."""
    base = field.args[0] if field.args else field.kwargs.get("base_field")
    while isinstance(base, Call) and _ARRAY.fullmatch(base.path):
        base = base.args[0] if base.args else base.kwargs.get("base_field")
    if not _ARRAY.fullmatch(field.path) or not isinstance(base, Call):
        return False
    match = _IN_PARENTHESES.fullmatch(base.path)
    if match is None:
        return False
    long = isinstance(base.kwargs.get("max_length"), int)
    return long or match[2] in {"Email", "Slug", "URL"}
