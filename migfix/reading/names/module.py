"""The names of one file: what it imports, what its functions are called."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from migfix.reading.names.scopes import (
    FUNCTIONS,
    Binding,
    FunctionNode,
    Scope,
    names_bound,
    walk,
    walk_scope,
)
from migfix.source import Source

if TYPE_CHECKING:
    from migfix.reading.names.library import Library


class Module:
    """One file as the loop analysis sees it: a migration, or any module that one imports from."""

    def __init__(self, source: Source, library: Library | None = None) -> None:
        self.source = source
        self.library = library
        self.tree = source.tree
        self.scope = Scope(self.tree)
        self._is_exporting = False
        self._scopes: dict[FunctionNode, Scope] = {}
        self._nodes: dict[FunctionNode, tuple[ast.AST, ...]] = {}

    @cached_property
    def functions(self) -> dict[str, FunctionNode]:
        """The functions and methods of the file by name: ``fill``, ``Migration.forwards``."""
        return {
            name: function
            for name, function in _functions(self.tree)
            if self.scope.bound_once(name.partition(".")[0])
        }

    @cached_property
    def methods(self) -> frozenset[str]:
        """The names by which the file's classes have their methods."""
        return frozenset(n.rpartition(".")[2] for n in self.functions if "." in n)

    def scope_of(self, function: FunctionNode, outer: Scope | None = None) -> Scope:
        """The names of one function, read once."""
        if function not in self._scopes:
            self._scopes[function] = Scope(function, outer)
        return self._scopes[function]

    def function_around(self, node: ast.AST) -> FunctionNode | None:
        """The innermost function, a lambda too, that the node stands in."""
        return next((a for a in self.scope.ancestors(node) if isinstance(a, FUNCTIONS)), None)

    def holds(self, node: ast.AST) -> bool:
        """Is it a node of this file?"""
        return node in self.scope.parents

    def nodes_of(self, function: FunctionNode) -> tuple[ast.AST, ...]:
        """Every node of the function's own body, in source order, without nested functions."""
        if function not in self._nodes:
            body = function.body if isinstance(function.body, list) else [function.body]
            self._nodes[function] = tuple(n for child in body for n in walk_scope(child))
        return self._nodes[function]

    def bound_once(self, name: str) -> Binding | None:
        """What alone gives the name its value in the whole file, as far as the file says."""
        binding = self.scope.bound_once(name)
        if binding is None or self._is_written_by_text or self._is_starred_over(name, binding):
            return None
        return binding

    def binding_for_others(self, name: str) -> Binding | None:
        """What other modules certainly get by the name: bound once, whichever way the module is run.

        An import may stand there more than once: ``import a.b`` and ``import a.c`` both give ``a``.
        """
        found = self.scope.bindings.get(name, [])
        binding = self.bound_once(name) if len(found) == 1 else self._same_import(name, found)
        return binding if binding and binding.statement in self.tree.body else None

    def _same_import(self, name: str, found: list[Binding]) -> Binding | None:
        paths = {path_by(each, name) for each in found}
        same = len(paths) == 1 and None not in paths
        plain = all(each.statement in self.tree.body for each in found)
        if not same or not plain or name in self.scope.shared or self._is_written_by_text:
            return None
        return None if self._is_starred_over(name, found[0]) else found[0]

    def starred(self, name: str) -> str | None:
        """The dotted path of a name that the file has by ``from x import *`` alone."""
        if name in self.scope.bindings or name in self.scope.shared or self._is_written_by_text:
            return None
        for star, names in reversed(self.stars):
            if names is None or star not in self.tree.body:
                return None
            if name in names:
                return f"{import_path(star, '*').removesuffix('*')}{name}"
        return None

    def changes(self, name: str) -> bool:
        """Does the file set or delete anything of what it calls so, or hand it to ``setattr``?"""
        for node in walk(self.tree):
            match node:
                case ast.Attribute(value=owner, ctx=ast.Store() | ast.Del()):
                    changed: ast.expr = owner
                case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[owner, *_]):
                    changed = owner
                case _:
                    continue
            while isinstance(changed, ast.Attribute):
                changed = changed.value
            if isinstance(changed, ast.Name) and changed.id == name:
                return True
        return False

    def sets(self, path: str) -> bool:
        """Does the file itself give what it imports another value: ``words.OPEN = "now"``?

        ``setattr()`` may set anything of what it is given.
        """
        names = path.split(".")
        prefixes = {".".join(names[:end]) for end in range(1, len(names) + 1)}
        return not prefixes.isdisjoint(self._set_from_here)

    @cached_property
    def _set_from_here(self) -> frozenset[str]:
        found: set[str | None] = set()
        for node in walk(self.tree):
            match node:
                case ast.Attribute(ctx=ast.Store() | ast.Del()):
                    found.add(self._path_here(node))
                case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[owner, *_]):
                    found.add(self._path_here(owner))
        return frozenset(path for path in found if path)

    @cached_property
    def _is_written_by_text(self) -> bool:
        """May the file bind names that it does not spell: ``globals()[name] = ...``?"""
        for node in walk(self.tree):
            match node:
                case ast.Name(id=name) if name in _BY_TEXT:
                    return True
                case ast.Attribute(attr=name) if name in _REACHING:
                    return True
                case ast.alias(name=name) if name in _BY_TEXT | {"builtins"}:
                    return True
                case ast.Attribute(value=ast.Name(id="sys"), attr="modules"):
                    return True
        top = (node for statement in self.tree.body for node in walk_scope(statement))
        return any(isinstance(n, ast.Name) and n.id in {"vars", "locals"} for n in top)

    def _is_starred_over(self, name: str, binding: Binding) -> bool:
        """May a later ``from x import *`` bind the name to something else?"""
        line = getattr(binding.statement, "lineno", 0)
        return any(
            star.lineno > line and (names is None or (name in names and not same))
            for star, names in self.stars
            for same in [self._gives_the_same(star, name, binding)]
        )

    def _gives_the_same(self, star: ast.ImportFrom, name: str, binding: Binding) -> bool:
        """Do both import one thing, as modules that hand on what they import themselves do?"""
        path = path_by(binding, name)
        if path is None or self.library is None:
            return False
        found = self.library.definition(path, self)
        return found is not None and found == self.library.definition(
            import_path(star, "*").removesuffix("*") + name, self
        )

    @cached_property
    def stars(self) -> tuple[tuple[ast.ImportFrom, frozenset[str] | None], ...]:
        """Every ``from x import *`` and the names that it may bind; None where they are not known."""
        found = (binding.statement for binding in self.scope.bindings.get("*", []))
        return tuple((s, self._names_of(s)) for s in found if isinstance(s, ast.ImportFrom))

    def _names_of(self, star: ast.ImportFrom) -> frozenset[str] | None:
        path = import_path(star, "*").removesuffix("*")
        name = path if not path.strip(".") else path.removesuffix(".")
        found = self.library.module(name, self.source.path) if self.library else None
        return found.exported if found else None

    @cached_property
    def exported(self) -> frozenset[str] | None:
        """The names that ``import *`` may take from this file; None where they are not known.

        https://docs.python.org/3/reference/simple_stmts.html#the-import-statement
        """
        if self._is_exporting or self._is_written_by_text:
            return None
        self._is_exporting = True
        if "__all__" in self.scope.bindings:
            return self._listed
        names = {name for name in self.scope.bindings if not name.startswith("_")}
        for binding in (each for found in self.scope.bindings.values() for each in found):
            if isinstance(binding.statement, ast.ImportFrom) and binding.statement.level:
                # ``from .words import OPEN`` binds ``words`` in its package as well.
                names.add((binding.statement.module or "").partition(".")[0])
        for _, more in self.stars:
            if more is None:
                return None
            names |= {name for name in more if not name.startswith("_")}
        return frozenset(names - {"*", ""})

    @property
    def _listed(self) -> frozenset[str] | None:
        """The names in ``__all__``, where it is written out and nothing else is done with it."""
        binding = self.scope.bound_once("__all__")
        used = any(
            isinstance(n, ast.Name) and n.id == "__all__" and isinstance(n.ctx, ast.Load)
            for n in walk(self.tree)
        )
        match binding.value if binding and not used else None:
            case ast.List(elts=items) | ast.Tuple(elts=items):
                texts = [item.value for item in items if isinstance(item, ast.Constant)]
                known = [text for text in texts if isinstance(text, str)]
                return frozenset(known) if len(known) == len(items) else None
        return None

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted path, for every import of the file at any depth.

        A name imported twice from different places is left out: it is not known which is meant.
        Relative imports keep their leading dots.
        """
        return _unambiguous(self._imported(walk(self.tree)))

    @cached_property
    def imports_from(self) -> frozenset[str]:
        """The modules X of ``from X import ...``, which Python finds whatever packages bind."""
        found = (node for node in walk(self.tree) if isinstance(node, ast.ImportFrom))
        return frozenset(f"{'.' * node.level}{node.module or ''}" for node in found)

    @cached_property
    def top_imports(self) -> dict[str, str]:
        """Local name -> dotted path, for the imports that every function of the file can use."""
        return _unambiguous(self._imported(self.tree.body))

    def _imported(self, nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
        """Each name that an import gives and where from, those of ``import *`` included."""
        unknown = [star.lineno for star, names in self.stars if names is None]
        names_of = dict(self.stars)
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                path = import_path(node, "*").removesuffix("*")
                yield from ((name, f"{path}{name}") for name in names_of.get(node) or ())
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for name in names_bound(node):
                    path = import_path(node, name)
                    hidden = any(line > node.lineno for line in unknown)
                    hidden = hidden or (self.library is not None and self.library.is_of_two(path))
                    yield name, "" if hidden else path

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
        """The dotted path of an imported name or an attribute of one (``timezone.now``).

        What a module of the project only hands on from elsewhere has its path there.
        """
        path = self._path_here(expression)
        return self.path_of_import(path) if path else None

    def path_of_import(self, path: str) -> str:
        """The same for a path that the file imports from."""
        return self.library.path_of(path, self) if self.library else path

    def _path_here(self, expression: ast.expr) -> str | None:
        match expression:
            case ast.Name(id=name) if name not in self.local_names and not self._is_written_by_text:
                return self.imports.get(name) or None
            case ast.Attribute(value=value, attr=attribute):
                base = self._path_here(value)
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
        """Is it Python's own name, and given to nothing else anywhere in the file?"""
        return (
            name in _BUILTINS and name not in self.local_names and name not in self._imported_names
        )

    @cached_property
    def _imported_names(self) -> frozenset[str]:
        """Every name that an import may bind; all builtins where it is not known what some bind."""
        if self._is_written_by_text or any(names is None for _, names in self.stars):
            return _BUILTINS
        imports = (n for n in walk(self.tree) if isinstance(n, (ast.Import, ast.ImportFrom)))
        of_stars = (name for _, names in self.stars for name in names or ())
        return frozenset([*(name for node in imports for name in names_bound(node)), *of_stars])

    def constant(self, name: str) -> ast.expr | None:
        """The value of a module-level name that is bound once in the whole file."""
        binding = self.bound_once(name)
        return binding.value if binding and binding.position is None else None


# Decorators that call the function once with its own arguments, and only once for equal ones.
_TRANSPARENT_DECORATORS = frozenset(
    {"django.db.transaction.atomic", "functools.cache", "functools.lru_cache"}
)
# What runs code that is a text, or gives all names of a place: https://docs.python.org/3/reference/datamodel.html
_BY_TEXT = frozenset({"globals", "exec", "eval", "__builtins__"})
_REACHING = frozenset(
    "f_locals f_globals f_builtins __globals__ __closure__ __builtins__ cell_contents".split()
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


def path_by(binding: Binding | None, name: str) -> str | None:
    """The dotted path that the binding gives the name, if it is an import."""
    match binding.statement if binding else None:
        case ast.Import() | ast.ImportFrom() as statement:
            return import_path(statement, name)
    return None


def import_path(statement: ast.Import | ast.ImportFrom, name: str) -> str:
    """The dotted path that the import gives the local name; relative ones keep their leading dots."""
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            top = alias.name.partition(".")[0]
            if (alias.asname or top) == name:
                return alias.name if alias.asname else top
        elif (alias.asname or alias.name) == name:
            dots = "." * statement.level
            package = f"{dots}{statement.module}." if statement.module else dots
            return f"{package}{alias.name}"
    raise KeyError(name)
