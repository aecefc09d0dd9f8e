"""Modules from given sources instead of the disk, with probes where a function decides what comes next."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from uuid import UUID

ENTERED = "the loop has rows"
_PROBE = "__migfix_probe__"
_FAILED = "__migfix_failed__"
_WROTE = "__migfix_wrote__"


@dataclass(frozen=True, order=True)
class Branch:
    """A way that a function may take: ``what`` happens at a line of a file."""

    file: str
    line: int
    what: str


Key = tuple[str, str, str]
"""A row: the label of its app, the name of its model, its key as text."""


@dataclass
class Probes:
    """``branches`` are those of the functions asked for, ``reached`` the ones that ran."""

    functions: Mapping[str, Sequence[int]]  # lines of `def` and `lambda` by file
    branches: list[Branch] = field(default_factory=list)
    reached: set[Branch] = field(default_factory=set)
    offending: dict[Key, None] | None = None  # rows whose turns raise, while these are looked for

    def instrumented(self, tree: ast.Module, file: str) -> ast.Module:
        """The tree with calls of probes in the functions."""
        wanted = set(self.functions.get(file, ()))
        for node in ast.walk(tree):
            if isinstance(node, _FUNCTIONS) and node.lineno in wanted:
                _Instrumenting(self, file).generic_visit(node)
        return ast.fix_missing_locations(tree)

    def probe(self, number: int, *tested: object) -> bool:
        """Notes a branch of which there is one way, or the outcome of a test, which it returns."""
        outcome = bool(tested[0]) if tested else True
        branch = self.branches[number if outcome else number + 1]
        self.reached.add(branch)
        return outcome

    def wrote(self, file: str, line: int, result: object) -> object:
        """Notes the rows of a statement as those of a loop, where ``result`` says that it wrote some; returns that.

        ``update()`` returns their number, ``delete()`` a tuple that starts with it. What else is called so is no
        way of the function, so ``branches`` do not wait for it.
        """
        number = result[0] if isinstance(result, tuple) and result else result
        if isinstance(number, int) and number:
            self.reached.add(Branch(file, line, ENTERED))
        return result

    def failed(self, *names: str) -> bool:
        """Notes the rows of a turn that raised; whether its loop goes on, without what is left of the turn."""
        error = sys.exc_info()[1]
        if self.offending is None or not isinstance(error, Exception) or isinstance(error, _OURS):
            return False
        turn = sys._getframe(1).f_locals
        keys = [key for name in names if (key := _key_of(turn.get(name))) is not None]
        self.offending |= dict.fromkeys(keys)
        # After an error of the database, a transaction takes no further statement.
        return bool(keys) and not _is_of_database(error)


_OURS = (ImportError, PermissionError)  # what is not there, or not allowed, is so for each row


def _key_of(row: object) -> Key | None:
    """The key of an object of a model that is one value and stands in a table."""
    options = getattr(row, "_meta", None)
    key = getattr(row, "pk", None)
    if options is None or isinstance(row, type) or not isinstance(key, (int, str, UUID)):
        return None
    return options.app_label, options.model_name, str(key)


def _is_of_database(error: Exception) -> bool:
    return any(each.__name__ == "DatabaseError" for each in type(error).__mro__)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class _Instrumenting(ast.NodeTransformer):
    """Puts probes into one function; functions inside of it have lines of their own."""

    def __init__(self, probes: Probes, file: str) -> None:
        self.probes = probes
        self.file = file

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return node

    visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_If(self, node: ast.If) -> ast.AST:
        return self._tested(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self._tested(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._tested(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        self._entered(node, node.lineno, ENTERED)
        names = [each.id for each in ast.walk(node.target) if isinstance(each, ast.Name)]
        test = ast.Call(ast.Name(_FAILED, ast.Load()), [*map(ast.Constant, names)], [])
        handler = ast.ExceptHandler(
            body=[ast.If(ast.UnaryOp(ast.Not(), test), [ast.Raise()], [])], type=None, name=None
        )
        place = node.body[0]
        for each in ast.walk(handler):
            ast.copy_location(each, place)
        node.body = [ast.copy_location(ast.Try(node.body, [handler], [], []), place)]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return self._writing(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        return self._writing(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        return self._writing(node)

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return self._writing(node)

    def _writing(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        match node.value:
            case ast.Call(func=ast.Attribute(attr="update" | "delete")) as call:
                args = [ast.Constant(self.file), ast.Constant(node.lineno), call]
                wrote = ast.Call(ast.Name(_WROTE, ast.Load()), args, [])
                node.value = ast.copy_location(wrote, call)
        return node  # type: ignore[no-any-return]

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        return self._entered(node, node.lineno, "the error is caught")

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        return self._entered(node, node.pattern.lineno, "the case matches")

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs = [self._probed(test) for test in node.ifs]
        return node

    def _tested(self, node: Any) -> ast.AST:
        if not isinstance(node.test, ast.Constant):
            node.test = self._probed(node.test)
        self.generic_visit(node)
        return node  # type: ignore[no-any-return]

    def _probed(self, test: ast.expr) -> ast.expr:
        ways = ("the condition is true", "the condition is false")
        return self._call(test, ways, [test])

    def _entered(self, node: Any, line: int, what: str) -> ast.AST:
        probe = self._call(node.body[0], (what,), [], line)
        self.generic_visit(node)
        node.body.insert(0, ast.copy_location(ast.Expr(probe), node.body[0]))
        return node  # type: ignore[no-any-return]

    def _call(
        self, place: ast.AST, ways: Sequence[str], args: list[ast.expr], line: int | None = None
    ) -> ast.Call:
        number = len(self.probes.branches)
        line = line or place.lineno  # type: ignore[attr-defined]
        self.probes.branches += [Branch(self.file, line, what) for what in ways]
        name = ast.Name(_PROBE, ast.Load())
        return ast.copy_location(ast.Call(name, [ast.Constant(number), *args], []), place)


@dataclass(frozen=True)
class Source:
    """The text of a module and the file that it stands for."""

    path: str
    text: str


class Finder(importlib.abc.MetaPathFinder):
    """Gives the modules of ``sources`` by their dotted names.

    ``bare``: the packages above them are not run but for what is asked of them, so that what an
    ``__init__.py`` imports need not be there.
    """

    def __init__(self, sources: Mapping[str, Source], probes: Probes | None, bare: bool) -> None:
        self.sources = sources
        self.probes = probes
        self.packages = (
            {package for name in sources for package in _packages(name)} if bare else set()
        )

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name in self.sources:
            source = self.sources[name]
            loader: Any = _Loader(source, self.probes)
            return importlib.util.spec_from_file_location(name, source.path, loader=loader)
        if name in self.packages:
            real = importlib.machinery.PathFinder.find_spec(name, path)
            if real is not None and real.submodule_search_locations is not None:
                folders = list(real.submodule_search_locations)
                return (
                    importlib.util.spec_from_file_location(
                        name, real.origin, loader=_Bare(real), submodule_search_locations=folders
                    )
                    if real.origin
                    else real
                )
        return None

    def install(self) -> None:
        sys.meta_path.insert(0, self)


def _packages(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


class _Loader(importlib.abc.Loader):
    def __init__(self, source: Source, probes: Probes | None) -> None:
        self.source = source
        self.probes = probes

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self.source.text, self.source.path)
        if self.probes is not None:
            tree = self.probes.instrumented(tree, self.source.path)
            setattr(module, _PROBE, self.probes.probe)
            setattr(module, _FAILED, self.probes.failed)
            setattr(module, _WROTE, self.probes.wrote)
        exec(compile(tree, self.source.path, "exec"), module.__dict__)


class _Bare(importlib.abc.Loader):
    """An ``__init__.py`` that runs when something is asked of its package that is not a module."""

    def __init__(self, real: importlib.machinery.ModuleSpec) -> None:
        self.real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        def ask(name: str) -> object:
            del module.__dict__["__getattr__"]
            if name.startswith("__"):
                module.__dict__["__getattr__"] = ask
            else:
                assert self.real.loader is not None
                self.real.loader.exec_module(module)
            try:
                return module.__dict__[name]
            except KeyError:
                text = f"module {module.__name__!r} has no attribute {name!r}"
                raise AttributeError(text) from None

        module.__dict__["__getattr__"] = ask
