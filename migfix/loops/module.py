"""The names of a migration file: what it imports, what its functions are called."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from migfix.loops.scopes import FunctionNode, Scope, walk, walk_scope
from migfix.source import Source, UnreadableSource


class Module:
    """One migration file (or helper module) as the loop analysis sees it."""

    def __init__(self, source: Source, library: Library | None = None) -> None:
        self.source = source
        self.library = library
        self.tree = source.tree
        self.scope = Scope(self.tree)
        self.functions: dict[str, FunctionNode] = {
            name: function
            for name, function in _functions(self.tree)
            if self.scope.bound_once(name.partition(".")[0])
        }
        self._scopes: dict[FunctionNode, Scope] = {}
        self._nodes: dict[FunctionNode, tuple[ast.AST, ...]] = {}

    def scope_of(self, function: FunctionNode, outer: Scope | None = None) -> Scope:
        """The names of one function, read once."""
        if function not in self._scopes:
            self._scopes[function] = Scope(function, outer)
        return self._scopes[function]

    def nodes_of(self, function: FunctionNode) -> tuple[ast.AST, ...]:
        """Every node of the function's own body, in source order, without nested functions."""
        if function not in self._nodes:
            body = function.body if isinstance(function.body, list) else [function.body]
            self._nodes[function] = tuple(n for child in body for n in walk_scope(child))
        return self._nodes[function]

    def imported_function(self, path: str) -> tuple[Module, FunctionNode] | None:
        """The function at a dotted path that this file imports, where the project holds its source.

        Only a plain function counts: no decorator may stand between its name and its body.
        """
        if self.library is None:
            return None
        name = path.rpartition(".")[2]
        module = self.library.module(path.removesuffix(f".{name}") or ".", self.source.path)
        function = module.functions.get(name) if module else None
        if module is None or not isinstance(function, ast.FunctionDef) or function.decorator_list:
            return None
        return module, function

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted path, for every import of the file at any depth.

        A name imported twice from different places is left out: it is not known which is meant.
        Relative imports keep their leading dots.
        """
        return _unambiguous(_imports(walk(self.tree)))

    @cached_property
    def top_imports(self) -> dict[str, str]:
        """Local name -> dotted path, for the imports that every function of the file can use."""
        return _unambiguous(_imports(self.tree.body))

    @cached_property
    def local_names(self) -> frozenset[str]:
        """Every name that the file binds other than by an import, at any depth."""
        names = {
            node.id
            for node in walk(self.tree)
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }
        names |= {node.arg for node in walk(self.tree) if isinstance(node, ast.arg)}
        definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return frozenset(
            names | {node.name for node in walk(self.tree) if isinstance(node, definitions)}
        )

    @cached_property
    def function_names(self) -> frozenset[str]:
        """Every name that somewhere in the file is given to a function."""
        names: set[str] = set()
        for node in walk(self.tree):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    names.add(name)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda()):
                    names.add(name)
        return frozenset(names)

    def path_of(self, expression: ast.expr) -> str | None:
        """The dotted path of an imported name or an attribute of one (``timezone.now``)."""
        match expression:
            case ast.Name(id=name) if name not in self.local_names:
                return self.imports.get(name)
            case ast.Attribute(value=value, attr=attribute):
                base = self.path_of(value)
                return f"{base}.{attribute}" if base else None
        return None

    def runs_as_written(self, function: FunctionNode) -> bool:
        """Do the decorators, if any, call the function once with its own arguments?"""
        decorators = [] if isinstance(function, ast.Lambda) else function.decorator_list
        targets = [d.func if isinstance(d, ast.Call) else d for d in decorators]
        return all(
            self.path_of(target) in _TRANSPARENT_DECORATORS
            or (isinstance(target, ast.Name) and target.id == "staticmethod")
            for target in targets
        )

    def is_builtin(self, name: str) -> bool:
        return name in _BUILTINS and name not in self.local_names and name not in self.imports

    def constant(self, name: str) -> ast.expr | None:
        """The value of a module-level name that is bound once in the whole file."""
        binding = self.scope.bound_once(name)
        return binding.value if binding and binding.position is None else None


# Decorators that call the function once with its own arguments, and only once for equal ones.
_TRANSPARENT_DECORATORS = frozenset(
    {"django.db.transaction.atomic", "functools.cache", "functools.lru_cache"}
)
_BUILTINS = frozenset(dir(sys.modules["builtins"]))


def _functions(tree: ast.Module) -> Iterator[tuple[str, FunctionNode]]:
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, statement
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as function):
                yield name, function
            case ast.ClassDef(name=owner, body=body):
                for member in body:
                    if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
                        yield f"{owner}.{member.name}", member


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for name, path in pairs:
        found.setdefault(name, set()).add(path)
    return {name: paths.pop() for name, paths in found.items() if len(paths) == 1}


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    top = alias.name.partition(".")[0]
                    yield alias.asname or top, alias.name if alias.asname else top
            case ast.ImportFrom(module=module, names=aliases, level=level):
                for alias in aliases:
                    package = f"{'.' * level}{module}." if module else "." * level
                    yield alias.asname or alias.name, f"{package}{alias.name}"


class Library:
    """What a file can learn of its project: functions of other modules, models named by settings.

    ``file_of`` finds the file of an absolute module name, None where it is not the project's;
    ``model_setting`` says which ``app.Model`` a setting names, None where that is not certain.
    """

    def __init__(
        self, file_of: Callable[[str], Path | None], model_setting: Callable[[str], str | None]
    ) -> None:
        self._file_of = file_of
        self.model_setting = model_setting
        self._modules: dict[Path, Module | None] = {}

    def module(self, name: str, importer: Path) -> Module | None:
        """The module that ``importer`` calls ``name``; None where it is not there or cannot be read."""
        path = relative_file(name, importer) if name.startswith(".") else self._file_of(name)
        if path is None or not path.is_file():
            return None
        if path not in self._modules:
            try:
                self._modules[path] = Module(Source.of(path, path.read_bytes()), self)
            except (OSError, UnreadableSource):
                self._modules[path] = None
        return self._modules[path]


def relative_file(module: str, importer: Path) -> Path | None:
    """The file of ``from .module import ...`` in ``importer``; None for a package itself."""
    name = module.lstrip(".")
    folder = importer.resolve().parents[len(module) - len(name) - 1].joinpath(*name.split("."))
    package = folder / "__init__.py"
    return (package if package.is_file() else folder.with_suffix(".py")) if name else None
