"""Databases on which an app's own migrations cannot run, whatever the settings say.

    ("tags", ArrayField(models.CharField(max_length=50)))       # varchar(50)[]
    AddIndexConcurrently("order", models.Index(...))            # add_index(..., concurrently=True)

Measured: MySQL and MariaDB take none of PostgreSQL's own column types, SQLite takes any word for one, but no ``[]``
behind a parenthesis, and ``add_index()`` takes ``concurrently`` on PostgreSQL alone.
https://docs.djangoproject.com/en/stable/ref/contrib/postgres/operations/#concurrent-index-operations
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from migfix.disk.files import Files, matches
from migfix.history.files.migration import MigrationSource, Operation
from migfix.history.graph import History
from migfix.history.state import Call, Unknown
from migfix.project.discovery import MigrationFile
from migfix.source import tree_of

_UNCLEAR = frozenset(
    "allow_migrate __getattr__ __getattribute__ setattr locals globals vars exec eval".split()
)
_MYSQL = frozenset({"mysql", "mariadb"})
_ALL_OTHERS = _MYSQL | {"sqlite"}
_WORTH_READING = re.compile(rb"contrib\.postgres|Concurrently")
# Models whose tables Django may leave alone, on some databases or on all.
_LEFT_ALONE = re.compile(
    rb"\b(managed|swappable|required_db_(vendor|features))\b|options=(?!\s*\{)|AlterModelOptions\((?!\s*name=)"
)
_UNCLEAR_SETTINGS = re.compile(
    rb"MIGRATION_MODULES|\brouters\.(append|insert|extend)|\.allow_migrate\s*=|import [^\n]*\ballow_migrate"
)
# Looked for first: ten times as fast.
_UNCLEAR_PARTS = (b"MIGRATION_MODULES", b"routers.", b"allow_migrate")
_REPLACES = re.compile(rb"\breplaces\b")
_CONCURRENT = frozenset({"AddIndexConcurrently", "RemoveIndexConcurrently"})
_WITH_FIELD = frozenset({"AddField", "AlterField"})
_OWN_TYPES = re.compile(
    r"django\.contrib\.postgres\.(fields|search)\.(\w+\.)?"
    r"(ArrayField|HStoreField|SearchVectorField|(Integer|BigInteger|Decimal|Date|DateTime)RangeField)"
)
_ARRAY = re.compile(r"django\.contrib\.postgres\.fields\.(array\.)?ArrayField")
# Base fields whose type SQLite, too, has with a parenthesis: ``varchar(50)``.
_IN_PARENTHESES = re.compile(r"django\.db\.models\.(fields\.)?(Char|Email|Slug|URL)Field")


class Engines:
    """Looks through the migrations of one project."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._project = history.project
        self._ruled_out_by: dict[str, frozenset[str]] = {}

    def ruled_out(self, migration: MigrationFile) -> frozenset[str]:
        """The databases that the migration cannot run on, by their names here; empty when in doubt."""
        if self._told_apart_by is not None:
            return frozenset()
        return self._ruled_out_by_own(migration)

    def doubt(self, migration: MigrationFile) -> str | None:
        """What stands in the way of ruling out any, as a clause; None where nothing does, or nothing could be."""
        path = self._told_apart_by
        if path is None or not self._ruled_out_by_own(migration):
            return None
        return f"{self._project.shown(path)} may route elsewhere what only PostgreSQL has"

    def _ruled_out_by_own(self, migration: MigrationFile) -> frozenset[str]:
        known = migration in self._files.get(migration.app_label, ())
        return self._ruled_out_in(migration.app_label) if known else frozenset()

    @cached_property
    def _told_apart_by(self) -> Path | None:
        """The file by which routers may send models of one app to several databases, or settings take other
        migrations for it.
        """
        routers: list[tuple[str, Path]] = []
        for path in self._project.own_code:
            unclear, names_routers = self._project.files.once(_says_of_routers, path)
            if unclear:
                return path
            if names_routers:
                named = _routers_in(tree_of(self._project.files.read_if_there(path)))
                if named is None:
                    return path
                routers += ((router, path) for router in named)
        return next((path for router, path in routers if self._tells_models_apart(router)), None)

    def _tells_models_apart(self, router: str) -> bool:
        """Reads ``allow_migrate(self, db, app_label, model_name=None, **hints)``."""
        methods: list[ast.FunctionDef] = []
        for _, node in self._history.classes.lineage(router):
            if node is None or node.decorator_list or node.keywords:
                return True
            for each in ast.walk(node):
                if isinstance(each, ast.FunctionDef) and each.name == "allow_migrate":
                    methods.append(each)
                elif getattr(each, "id", getattr(each, "name", "")) in _UNCLEAR:
                    return True
        for method in methods:
            given = method.args
            plain = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            others = {a.arg for a in (*plain[3:], given.vararg, given.kwarg) if a is not None}
            looked_at = any(isinstance(n, ast.Name) and n.id in others for n in ast.walk(method))
            if looked_at or method.decorator_list:
                return True
        return False

    @cached_property
    def _files(self) -> Mapping[str, tuple[MigrationFile, ...]]:
        """The migrations of the apps that have their label to themselves."""
        count = Counter(package.app_label for package in self._project.packages)
        return {p.app_label: p.files for p in self._project.packages if count[p.app_label] == 1}

    def _ruled_out_in(self, label: str) -> frozenset[str]:
        if label not in self._ruled_out_by:
            self._ruled_out_by[label] = self._find_in(label)
        return self._ruled_out_by[label]

    def _find_in(self, label: str) -> frozenset[str]:
        asked, files = self._project.files, self._files[label]
        if any(asked.once(matches, f.path, _LEFT_ALONE) for f in files) or self._replaced is None:
            return frozenset()
        found: frozenset[str] = frozenset()
        for file in files:
            if found == _ALL_OTHERS:
                break
            used = (label, file.name) not in self._replaced
            if used and asked.once(_may_tell, file.path):
                found |= self._of_file(file)
        return found

    def _of_file(self, file: MigrationFile) -> frozenset[str]:
        operations = self._source(file).operations
        if any(operation.problem is not None for operation in operations):
            return frozenset()
        return frozenset().union(*map(_ruled_out_by, operations))

    @cached_property
    def _replaced(self) -> frozenset[object] | None:
        """The migrations that squashes stand for; None where it is not known which."""
        found: set[object] = set()
        for file in self._project.migrations:
            if self._project.files.once(matches, file.path, _REPLACES):
                source = self._history.source(file)
                named = () if isinstance(source, Unknown) else source.replaces
                if not named or any(isinstance(each, Unknown) for each in named):
                    return None
                found.update(named)
        return frozenset(found)

    def _source(self, file: MigrationFile) -> MigrationSource:
        source = self._history.source(file)
        return MigrationSource() if isinstance(source, Unknown) else source


def _says_of_routers(files: Files, path: Path) -> tuple[bool, bool]:
    """Does a file say something unclear of databases or migrations, and does it name routers?"""
    data = files.read_if_there(path)
    perhaps = any(part in data for part in _UNCLEAR_PARTS)
    unclear = perhaps and _UNCLEAR_SETTINGS.search(data) is not None
    return unclear, b"DATABASE_ROUTERS" in data


def _may_tell(files: Files, path: Path) -> bool:
    """Is it a plain migration with something that not every database takes?"""
    data = files.read_if_there(path)
    tree = tree_of(data) if _WORTH_READING.search(data) else None
    return tree is not None and _is_plain(tree)


def _is_plain(tree: ast.Module) -> bool:
    """Imports, functions, constants, and one class of plain lists: nothing that may be otherwise on another database.

    Operations are Django's own, by the names of their modules.
    """
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if len(classes) != 1 or not all(isinstance(node, _PLAIN_STATEMENTS) for node in tree.body):
        return False
    migration = classes[0]
    names = [
        target.id if isinstance(target, ast.Name) else ""
        for statement in migration.body
        for target in (statement.targets if isinstance(statement, ast.Assign) else [])
    ]
    plain = all(isinstance(node, (ast.Assign, ast.Expr)) for node in migration.body)
    lists = [s.value for s in migration.body if isinstance(s, ast.Assign)]
    listed = all(isinstance(value, (ast.List, ast.Constant, ast.Tuple)) for value in lists)
    texts = all(
        isinstance(node.value, ast.Constant)
        for node in migration.body
        if isinstance(node, ast.Expr)
    )
    mentions = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "Migration"]
    stars = (a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names)
    return (
        plain
        and listed
        and texts
        and not mentions
        and "*" not in stars
        and len(set(names)) == len(names)
        and set(names) <= _ATTRIBUTES
        and not (migration.decorator_list or migration.keywords)
        and [ast.unparse(base) for base in migration.bases] == ["migrations.Migration"]
        and all(map(_is_of_django, _operations_in(migration)))
    )


def _operations_in(migration: ast.ClassDef) -> Iterator[ast.expr]:
    for statement in migration.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.List):
            yield from (e for e in statement.value.elts if not isinstance(e, ast.Tuple))


def _is_of_django(operation: ast.expr) -> bool:
    """``migrations.AddField(...)``, ``AddIndexConcurrently(...)``, a dependency on a swappable model"""
    match operation:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="migrations"))):
            inner = [
                each
                for keyword in operation.keywords
                if isinstance(keyword.value, ast.List) and keyword.arg != "fields"
                for each in keyword.value.elts
            ]
            return all(map(_is_of_django, inner))
        case ast.Call(func=ast.Name(id=name)):
            return name in _CONCURRENT
        case ast.Call(func=ast.Attribute() as function):
            return ast.unparse(function).startswith("django.")
    return False


_PLAIN_STATEMENTS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.Assign,
    ast.ClassDef,
    ast.Expr,
)
_ATTRIBUTES = frozenset("dependencies operations replaces initial atomic run_before".split())


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
    if operation.problem is not None or operation.own_database_code:
        return frozenset()
    if operation.kind == "SeparateDatabaseAndState":
        return frozenset().union(*map(_ruled_out_by, operation.database_operations))
    if operation.kind in _CONCURRENT:
        return _ALL_OTHERS
    if operation.kind in _WITH_FIELD:
        return _ruled_out_by_field(operation.arguments.get("field"))
    if operation.kind == "CreateModel" and _is_made(operation.arguments.get("options")):
        fields = operation.arguments.get("fields")
        pairs = fields if isinstance(fields, tuple) else ()
        given = (pair[1] for pair in pairs if isinstance(pair, tuple) and len(pair) == 2)
        return frozenset().union(*map(_ruled_out_by_field, given))
    return frozenset()


def _is_made(options: object) -> bool:
    """Does Django make a table for the model, on each database?"""
    if options is not None and not isinstance(options, dict):
        return False
    return not any(_LEFT_ALONE.search(str(key).encode()) for key in options or ())


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
