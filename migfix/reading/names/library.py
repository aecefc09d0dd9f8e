"""What a dotted name stands for: its definition, followed through modules that hand it on."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from migfix.disk.files import Files
from migfix.reading.kinds.known import PACKAGES
from migfix.reading.names.module import Module, path_by
from migfix.reading.names.scopes import FunctionNode, walk
from migfix.source import Source, UnreadableSource

_MAX_HOPS = 12


@dataclass(frozen=True, slots=True)
class Definition:
    """``node`` is what binds the name in ``module``; None stands for the module itself.

    ``rest`` are the attributes that the path reads of it: ``("OPEN",)`` for ``Status.OPEN``.
    """

    module: Module
    node: FunctionNode | ast.ClassDef | ast.expr | None
    rest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something that Python, Django or another package defines, by its dotted path."""

    path: str


Meaning: TypeAlias = "Definition | Foreign | None"
"""None: it is not known what the name stands for."""


class Library:
    """What a file can learn of its project: definitions of other modules, models named by settings.

    ``file_of`` finds the file of an absolute module name, None where it is not the project's;
    ``model_setting`` says which ``app.Model`` a setting names, None where that is not certain;
    ``installed`` finds the file of a module of an installed package.
    """

    def __init__(
        self,
        files: Files,
        file_of: Callable[[str], Path | None],
        model_setting: Callable[[str], str | None],
        installed: Callable[[str], Path | None] = lambda name: None,
    ) -> None:
        self.files = files
        self._file_of = file_of
        self.model_setting = model_setting
        self._installed = installed
        self._modules: dict[Path, Module | None] = {}
        self._files: dict[str, Path | None] = {}
        self._paths: dict[tuple[str, Path], str] = {}

    def module(self, name: str, importer: Path) -> Module | None:
        """The module of the project that ``importer`` calls ``name``; None where it cannot be read."""
        if name.startswith("."):
            folder = _package(name, importer, self.files)
            itself = None if folder is None or name.strip(".") else folder / "__init__.py"
            return self._read(itself or relative_file(name, importer, self.files))
        return self._read(self._file(name))

    @property
    def read(self) -> Iterator[Module]:
        """The modules that were read so far."""
        return (module for module in self._modules.values() if module is not None)

    def file(self, path: Path) -> Module | None:
        """The module in a file of the project; None where it cannot be read."""
        return self._read(path)

    def imports(self, importer: Module, path: Path) -> bool:
        """Does the file import the module in ``path``: by a statement, or by a text that ends with its name?"""
        names: list[str] = []
        for node in walk(importer.tree):
            match node:
                case ast.Import(names=aliases):
                    names += [alias.name for alias in aliases]
                case ast.ImportFrom(module=module, names=aliases, level=level):
                    base = "." * level + (module or "")
                    package = base if base.endswith(".") else f"{base}."
                    names += [base, *(f"{package}{alias.name}" for alias in aliases)]
                case ast.Constant(value=str(text)) if text.endswith(f".{path.stem}"):
                    return True  # import_module("shop.migrations.0001_initial")
        found = (self.module(name, importer.source.path) for name in names)
        return any(each is not None and each.source.path == path for each in found)

    def is_of_two(self, path: str) -> bool:
        """Does the project hold a module that is called as one of Python's, Django's or a package's?"""
        top = path.partition(".")[0]
        return top in PACKAGES and self._file(top) is not None

    def forget(self, path: Path) -> None:
        """What a file means by its names, which it may have changed."""
        real = self.files.real(path)
        for key in [key for key in self._paths if self.files.real(key[1]) == real]:
            del self._paths[key]

    def _file(self, name: str) -> Path | None:
        if name not in self._files:
            self._files[name] = self._file_of(name)
        return self._files[name]

    def _read(self, path: Path | None) -> Module | None:
        if path is None or not self.files.has_file(path):
            return None
        path = self.files.real(path)
        if path not in self._modules:
            self._modules[path] = None
            data = self.files.read(path)
            if isinstance(data, bytes):
                with suppress(UnreadableSource, RecursionError):
                    self._modules[path] = Module(Source.of(path, data), self)
        return self._modules[path]

    def path_of(self, path: str, importer: Module) -> str:
        """The path under which Python, Django or a package defines it, else the path as it is."""
        key = (path, importer.source.path)
        if key not in self._paths:
            found = self.definition(path, importer)
            self._paths[key] = found.path if isinstance(found, Foreign) else path
        return self._paths[key]

    def definition(self, path: str, importer: Module) -> Meaning:
        """What binds the name at a dotted path that ``importer`` imports."""
        return self._at(path, importer, _MAX_HOPS)

    def name(self, names: list[str], module: Module) -> Meaning:
        """The same for ``a.b``, read at the top of ``module``."""
        return self._in(tuple(names), module, _MAX_HOPS)

    def installed(self, path: str) -> Meaning:
        """The definition in an installed package of what is ``Foreign``; None without its source."""
        for module, rest in _splits(path):
            found = self._read(self._installed(module)) if rest else None
            if found is not None:
                return self._in(rest, found, _MAX_HOPS)
        return None

    def _at(self, path: str, importer: Module, hops: int) -> Meaning:
        if self.is_of_two(path):
            return None
        for name, rest in _splits(path):
            module = self.module(name, importer.source.path)
            if module is not None:
                return self._of_module(name, rest, module, importer, hops)
        is_here = path.startswith(".") or self._file(path.partition(".")[0]) is not None
        return None if is_here else Foreign(path)

    def _of_module(
        self, name: str, rest: tuple[str, ...], module: Module, importer: Module, hops: int
    ) -> Meaning:
        """``rest`` of the module ``name``, unless a package on the way binds the names to something else."""
        if name not in importer.imports_from:
            for above, inner in _splits(name):
                package = self.module(above, importer.source.path) if inner else None
                if package not in (None, importer) and _may_bind(inner[0], package):
                    found = self._in((*inner, *rest), package, hops)
                    inside = isinstance(found, Definition) and found.module is module
                    return found if inside else None
        return self._in(rest, module, hops)

    def _in(self, names: tuple[str, ...], module: Module, hops: int) -> Meaning:
        if not names:
            return Definition(module, None)
        first, *more = names
        binding = module.binding_for_others(first) if hops else None
        if binding is None:
            return self._starred(names, module, hops) if hops else None
        rest = tuple(more)
        if (path := path_by(binding, first)) is not None:
            return self._at(".".join([path, *rest]), module, hops - 1)
        match binding.statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() as node:
                return Definition(module, node, rest)
        if binding.value is None or binding.position is not None:
            return None
        return self._behind(binding.value, rest, module, hops)

    def _behind(self, value: ast.expr, rest: tuple[str, ...], module: Module, hops: int) -> Meaning:
        """What ``OTHER = words.OPEN`` stands for."""
        names = dotted_names(value)
        if names is None or module.is_builtin(names[0]):
            return Definition(module, value, rest)
        return self._in((*names, *rest), module, hops - 1)

    def _starred(self, names: tuple[str, ...], module: Module, hops: int) -> Meaning:
        """A name that the module has by ``from x import *``, of which the last one counts."""
        path = module.starred(names[0])
        return self._at(".".join([path, *names[1:]]), module, hops - 1) if path else None


def _splits(path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each way to take a path for that of a module and names in it, the longest module first."""
    names = path.lstrip(".").split(".")
    dots = path[: len(path) - len(path.lstrip("."))]
    names = [name for name in names if name]
    for end in range(len(names), -1 if dots else 0, -1):
        yield dots + ".".join(names[:end]), tuple(names[end:])


def _may_bind(name: str, package: Module) -> bool:
    starred = any(names is None or name in names for _, names in package.stars)
    return name in package.scope.bindings or starred


def dotted_names(node: ast.expr) -> list[str] | None:
    """``["a", "b"]`` for ``a.b``; None for what is no such name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else None


def relative_file(module: str, importer: Path, files: Files) -> Path | None:
    """The file of ``from .module import ...`` in ``importer``; None for a package itself."""
    name = module.lstrip(".")
    folder = _package(module, importer, files)
    if not name or folder is None:
        return None
    folder = folder.joinpath(*name.split("."))
    package = folder / "__init__.py"
    return package if files.has_file(package) else folder.with_suffix(".py")


def _package(module: str, importer: Path, files: Files) -> Path | None:
    """The folder that the leading dots of ``module`` mean in ``importer``."""
    above = files.real(importer).parents
    level = len(module) - len(module.lstrip("."))
    return above[level - 1] if level <= len(above) else None
