"""The databases that a project may run on, read from its source without importing any of it.

A rewrite must be right on each of them, so a database is left out only on good evidence:

An engine or URL that they name, and that is not on the lists of ``database_names``, is none of those: what is exact on them
may not be on it (``Databases.unknown`` of ``migfix.facts.loop``).

1. The project has a ``manage.py`` outside of its tests and is not published for other projects to
   install (no ``Framework :: Django`` classifier).
2. Its own settings name engines, all of them literal and known, and no settings, those for tests
   included, leave any doubt: an engine or URL from the environment, even one with a default; a
   backend of another package; a value that is computed or imported from elsewhere; an import of
   settings that may differ from machine to machine (``from .local import *`` of a module that is
   not there, or in a ``try``); a file that does not parse.

Then it runs on the databases that are named, in settings for tests too, as migrations run there
as well. Otherwise it may run on all but Oracle. Drivers among the dependencies only ever add a
database: that one is not listed does not say that nobody installs it. Django's MySQL engine
serves MariaDB too and so names both (https://docs.djangoproject.com/en/stable/ref/databases/).
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from migfix.disk.files import Files, Unreadable
from migfix.project.discovery import Project
from migfix.source import nodes_in, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
from migfix.project.database_names import (
    ALL_BUT_ORACLE,
    IN_DOUBT,
    NONE,
    ORACLE,
    Databases,
    begins_engine,
    drivers_in,
    named_by_text,
)

DEPENDENCY_FILES = re.compile(
    r"pyproject\.toml|setup\.(py|cfg)|Pipfile|[\w.-]*requirements[\w.-]*\.(txt|in)"
)
SKIPPED_FOLDERS = frozenset(
    {"node_modules", "site-packages", "__pycache__", "migrations", "build", "dist"}
)
READS_MORE_SETTINGS = {"exec", "optional"}  # exec(open(...)), include(optional("local.py"))
READING_METHODS = {"copy", "get", "items", "keys", "values"}


@dataclass(frozen=True, slots=True)
class Detected:
    """The databases that a project may run on, never none, and why these, as a sentence.

    ``unknown`` says where settings name an engine of which nothing is known: these are all then.
    """

    names: Databases
    why: str
    unknown: str | None = None


def detect(project: Project) -> Detected:
    """The databases that the project may run on. Never raises."""
    root = project.root
    named_files = _Files(project)
    read = [_Settings(named_files, file) for file in named_files.settings_files()]
    evidence = {settings.file: settings.databases() for settings in read}
    if unknown := next((each for settings in read for each in settings.unknown), None):
        return Detected(ALL_BUT_ORACLE | ORACLE, unknown, unknown)
    named = NONE.union(*evidence.values())
    own = [file for file, found in evidence.items() if found and not _is_for_tests(root, file)]
    if open_at := [place for each in read for place in each.open_at]:
        first, *others = open_at
        more = f" and {len(others)} more {'place leave' if len(others) == 1 else 'places leave'}"
        why = f"{first}{more if others else ' leaves'} it open"
    elif not own:
        why = "no settings name a database"
    elif not named_files.is_run_by_its_owner():
        why = "other projects may install these apps"
    else:
        names = named | named_files.drivers()
        saying = "says" if names == named else "and the drivers among the requirements say"
        return Detected(names, f"{project.shown(own[0])} {saying}")
    return Detected((named | ALL_BUT_ORACLE | named_files.drivers()) - IN_DOUBT, why)


def _is_for_tests(root: Path, file: Path) -> bool:
    parts = [part.lower() for part in file.relative_to(root).parts]
    return any(
        "test" in part or part.startswith(("example", "demo", "sandbox", "docs")) for part in parts
    )


class _Files:
    """The files of a project that say something about its databases."""

    def __init__(self, project: Project) -> None:
        self.root = project.root
        self.project = project
        self.disk = project.files

    @cached_property
    def files(self) -> list[Path]:
        return sorted(self._walk())

    def _walk(self) -> Iterator[Path]:
        for folder, names in self.project.walk(SKIPPED_FOLDERS):
            yield from (folder / name for name in names)

    def settings_files(self) -> Iterator[Path]:
        above = len(str(self.root))
        for file in self.files:
            name = str(file)
            if name.endswith(".py") and (
                "settings" in name[above:] or self._may_hold(file, b"DATABASES")
            ):
                yield file

    def is_run_by_its_owner(self) -> bool:
        runs = any(
            file.name == "manage.py" and not _is_for_tests(self.root, file) for file in self.files
        )
        packaging = (self.root / name for name in ("pyproject.toml", "setup.cfg", "setup.py"))
        there = (file for file in packaging if self.disk.has_file(file))
        return runs and not any(self._may_hold(file, b"Framework :: Django") for file in there)

    def drivers(self) -> Databases:
        listings = [file for file in self.files if self._lists_dependencies(file)]
        return NONE.union(*(drivers_in(self.disk.read(file)) for file in listings))

    def _may_hold(self, file: Path, text: bytes) -> bool:
        return self.disk.once(_may_hold, file, text)

    def _lists_dependencies(self, file: Path) -> bool:
        in_folder = file.parent.name == "requirements" and file.suffix in (".txt", ".in")
        return in_folder or bool(DEPENDENCY_FILES.fullmatch(file.name))

    def has_module(self, dotted: str, level: int, importer: Path) -> bool:
        tail = dotted.replace(".", "/")
        if level:
            base = importer.parents[level - 1] / tail
            package = base / "__init__.py"
            return self.disk.has_file(base.with_suffix(".py")) or self.disk.has_file(package)
        ends = (f"/{tail}.py", f"/{tail}/__init__.py")
        return any(file.as_posix().endswith(ends) for file in self.files)


def _may_hold(files: Files, file: Path, text: bytes) -> bool:
    data = files.read(file)
    return isinstance(data, Unreadable) or text in data


# -- one settings file


class _Settings:
    """What one file says about DATABASES: databases, or doubt."""

    def __init__(self, project: _Files, file: Path) -> None:
        self.project = project
        self.file = file
        self.assigned: dict[str, list[ast.expr]] = defaultdict(list)
        self.followed: list[str] = []
        self.settled_at = 0
        self.unknown: list[str] = []
        self.open_at: list[str] = []  # the places that leave a doubt

    def databases(self) -> Databases:
        data = self.project.disk.read(self.file)
        tree = None if isinstance(data, Unreadable) else tree_of(data)
        if tree is None:
            self.open_at = [f"{self._shown}, which cannot be read,"]
            return IN_DOUBT
        nodes = list(nodes_in(tree))
        self.settled_at = max(_lines_that_settle(tree), default=0)
        assignments = list(_assignments(nodes))
        for target, value in assignments:
            if isinstance(target, ast.Name):
                self.assigned[target.id].append(value)
        tries = (node for node in nodes if isinstance(node, ast.Try))
        guarded = {inner for node in tries for inner in nodes_in(node)}
        found = [
            *((value, self._of_assignment(target, value)) for target, value in assignments),
            *((node, self._of_node(node, node in guarded)) for node in nodes),
        ]
        lines = {getattr(node, "lineno", 1) for node, named in found if named >= IN_DOUBT}
        self.open_at = [f"{self._shown}:{line}" for line in sorted(lines)]
        return NONE.union(*(named for _, named in found))

    @property
    def _shown(self) -> str:
        return self.project.project.shown(self.file)

    def _of_assignment(self, target: ast.expr, value: ast.expr) -> Databases:
        keys = _keys_into_databases(target)
        match keys, target:
            case [], _:
                return self._all(value)
            case [_], _:
                return self._one(value)
            case [_, ast.Constant(value=key)], _ if key != "ENGINE":
                return NONE
            case None, ast.Subscript(slice=ast.Constant(value="DATABASES")):
                return self._all(value)
            case _, ast.Subscript(slice=ast.Constant(value="ENGINE")):
                return self._engine(value)
            case None, _:
                return NONE
        return IN_DOUBT

    def _of_node(self, node: ast.AST, guarded: bool) -> Databases:
        match node:
            case ast.FunctionDef(name="DATABASES"):
                returns = (each for each in nodes_in(node) if isinstance(each, ast.Return))
                return NONE.union(*(self._all(each.value) for each in returns if each.value))
            case ast.keyword(arg="DATABASES", value=value):
                return self._all(value)
            case ast.Dict():
                named = (value for key, value in _pairs(node) if _is_text(key, "DATABASES"))
                return NONE.union(*(self._all(value) for value in named))
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return self._of_call(node, name)
            case ast.ImportFrom():
                return self._of_import(node, guarded)
        return NONE

    def _of_call(self, call: ast.Call, name: str) -> Databases:
        if name in READS_MORE_SETTINGS:
            return IN_DOUBT
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        keys = _keys_into_databases(owner) if owner else None
        match keys:
            case None:
                return NONE
            case [] if name == "update":
                return self._all(_dict_of(call))
            case [_] if name == "update":
                return self._one(_dict_of(call))
        return NONE if name in READING_METHODS else IN_DOUBT

    def _of_import(self, node: ast.ImportFrom, guarded: bool) -> Databases:
        module = node.module or ""
        brings_databases = any(alias.name in ("*", "DATABASES") for alias in node.names)
        if not brings_databases or module.split(".")[0] == "django":
            return NONE
        if node.lineno < self.settled_at:
            return NONE
        is_here = self.project.has_module(module, node.level, self.file)
        return NONE if is_here and not guarded else IN_DOUBT

    def _all(self, node: ast.expr) -> Databases:
        """What a value of DATABASES names."""
        match node:
            case ast.Dict() | ast.Call(func=ast.Name(id="dict")):
                read = (
                    self._one(value) if key else self._all(value) for key, value in _pairs(node)
                )
                return NONE.union(*read)
            case ast.DictComp(value=value):
                return self._one(value)
        return self._followed(node, self._all)

    def _one(self, node: ast.expr) -> Databases:
        """What the settings of one database name."""
        match node:
            case ast.Dict() | ast.Call(func=ast.Name(id="dict")):
                return NONE.union(*(self._pair(key, value) for key, value in _pairs(node)))
            case ast.Call(
                func=ast.Attribute(attr="parse"), args=[ast.Constant(value=str(url)), *_]
            ):
                return self._named(url, node)
        return self._followed(node, self._one)

    def _pair(self, key: ast.expr | None, value: ast.expr) -> Databases:
        match key:
            case None:
                return self._one(value)
            case ast.Constant(value="ENGINE"):
                return self._engine(value)
            case ast.Constant():
                return NONE
        return IN_DOUBT

    def _engine(self, node: ast.expr) -> Databases:
        match node:
            case ast.Constant(value=str(engine)):
                return self._named(engine, node)
        return self._followed(node, self._engine)

    def _named(self, text: str, node: ast.expr) -> Databases:
        """The databases of an engine, or of the URL of a database, which the settings surely name."""
        found = named_by_text(text)
        if found == IN_DOUBT and text:
            named = "a URL of" if "://" in text else "the engine"
            what = text.partition("://")[0]
            self.unknown.append(
                f"{self._shown}:{node.lineno} names {named} {what!r}, of which migfix knows nothing"
            )
        return found

    def _followed(self, node: ast.expr, read: Callable[[ast.expr], Databases]) -> Databases:
        """What stands behind a name or a choice, else doubt and what the defaults name."""
        match node:
            case ast.Name(id=name) if name in self.assigned and name not in self.followed:
                self.followed.append(name)
                found = NONE.union(*(read(value) for value in self.assigned[name]))
                self.followed.remove(name)
                return found
            case ast.IfExp(body=left, orelse=right) | ast.BinOp(left, ast.BitOr(), right):
                return read(left) | read(right)
            case ast.BoolOp(values=values):
                return IN_DOUBT.union(*map(read, values))
            case ast.Call():
                for default, text in _defaults(node):
                    names_one = "://" in text or (read == self._engine and text.islower())
                    if names_one and not begins_engine(text):
                        self._named(text, default)
        return IN_DOUBT.union(*(named_by_text(text) for text in _texts(node)))


def _lines_that_settle(tree: ast.Module) -> Iterator[int]:
    """Where DATABASES is assigned whatever happens: what was imported before counts no more."""
    plain = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    for target, value in _assignments(plain):
        if isinstance(target, ast.Name) and target.id == "DATABASES":
            yield value.lineno


def _assignments(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((each, value) for target in targets for each in _flat(target))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield target, value
            case ast.AugAssign(target=target, value=value) | ast.NamedExpr(target, value):
                yield target, value


def _flat(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _flat(each)
    else:
        yield target


def _keys_into_databases(node: ast.expr) -> list[ast.expr] | None:
    """The keys of ``DATABASES[a][b]``, none for DATABASES itself; None for anything else."""
    match node:
        case ast.Name(id="DATABASES") | ast.Attribute(attr="DATABASES"):
            return []
        case ast.Subscript(value=value, slice=key):
            keys = _keys_into_databases(value)
            return None if keys is None else [*keys, key]
    return None


def _pairs(node: ast.expr) -> list[tuple[ast.expr | None, ast.expr]]:
    """Keys and values of a dict display or of ``dict(...)``; the key of ``**more`` is None."""
    if isinstance(node, ast.Call):
        node = _dict_of(node)
    return list(zip(node.keys, node.values, strict=True)) if isinstance(node, ast.Dict) else []


def _dict_of(call: ast.Call) -> ast.Dict:
    """``f(a, key=b, **c)``, where f is dict or update, as ``{**a, "key": b, **c}``."""
    keys = [ast.Constant(each.arg) if each.arg else None for each in call.keywords]
    values = [each.value for each in call.keywords]
    return ast.Dict([*(None for _ in call.args), *keys], [*call.args, *values])


def _is_text(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _texts(node: ast.expr) -> Iterator[str]:
    for each in nodes_in(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _defaults(call: ast.Call) -> Iterator[tuple[ast.expr, str]]:
    """The texts that ``env("NAME", "text")`` or ``env("NAME", default="text")`` falls back on."""
    given = [*call.args[1:], *(k.value for k in call.keywords if k.arg == "default")]
    for each in given:
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each, each.value
