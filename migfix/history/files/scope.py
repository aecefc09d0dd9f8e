"""What the names of a module stand for, and what expressions made of them are."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from string import Formatter

from migfix.history.state import Call, Name, Unknown
from migfix.source import neighbour, nodes_in


class UnreadableMigration(Exception):
    """The text is not a migration that can be read; the message names the line where it can."""


ClassFinder = Callable[[str], "tuple[ast.ClassDef, Scope] | None"]
"""From a dotted path to the class of that name in a module of the project."""


def parse(source: str | bytes) -> ast.Module:
    """The syntax tree, without the warnings that old files give. Raises UnreadableMigration."""
    try:
        return neighbour(source)
    except SyntaxError as error:
        raise UnreadableMigration(f"line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableMigration(str(error) or type(error).__name__) from error


_AMBIGUOUS = object()
ATTRIBUTES = frozenset({"operations", "dependencies", "replaces", "run_before"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What the names of a module stand for: a dotted path, an expression, or more than one thing."""

    module: str
    names: dict[str, object]
    lines: Sequence[bytes]
    tree: ast.Module
    is_package: bool = False  # the module is an ``__init__.py``, from which a dot leads to itself
    touched: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls, tree: ast.Module, module: str, source: str | bytes = b"", *, is_package: bool = False
    ) -> Scope:
        data = source.encode("utf-8", "replace") if isinstance(source, str) else source
        scope = cls(module, {}, data.splitlines(), tree, is_package)
        scope._bind_all(tree.body)
        return scope

    def _bind_all(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            for name, what in self._bindings(statement):
                known = self.names.get(name, what)
                same = known is what or (isinstance(what, str) and known == what)
                self.names[name] = what if same else _AMBIGUOUS
            for block in ("body", "orelse", "finalbody"):
                if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    self._bind_all(getattr(statement, block, ()))
            for handler in getattr(statement, "handlers", ()):
                self._bind_all(handler.body)

    def bind_class_names(self, body: ast.ClassDef) -> None:
        """Names that the class body assigns for its own use, as ``columns = [...]``."""
        for statement in body.body:
            if not ATTRIBUTES & {name for name, _ in self._bindings(statement)}:
                self._bind_all([statement] if isinstance(statement, ast.Assign) else [])

    def _bindings(self, statement: ast.stmt) -> Iterator[tuple[str, object]]:
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    yield alias.asname or alias.name.partition(".")[0], (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            case ast.ImportFrom(names=names):
                package = self._package(statement)
                for alias in names:
                    yield alias.asname or alias.name, f"{package}.{alias.name}"
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name, f"{self.module}.{name}"
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.Assign() | ast.AugAssign() | ast.For() | ast.With() | ast.Delete():
                for part in nodes_in(statement):
                    if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
                        yield part.id, _AMBIGUOUS

    def _package(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parts = self.module.split(".")
        kept = len(parts) - statement.level + self.is_package
        if kept < 1:
            return "." * statement.level + (statement.module or "")
        return ".".join(parts[:kept] + ([statement.module] if statement.module else []))

    def source(self, node: ast.expr) -> str:
        """The first line of the node's text, shortened."""
        if not 0 < node.lineno <= len(self.lines):
            return type(node).__name__
        end = node.end_col_offset if node.end_lineno == node.lineno else None
        return (
            self.lines[node.lineno - 1][node.col_offset : end]
            .decode("utf-8", "replace")[:80]
            .strip()
        )

    def dotted(self, node: ast.expr) -> str | None:
        """``models.CharField`` as ``django.db.models.CharField``, None when it is no plain name."""
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return owner and f"{owner}.{node.attr}"
        if not isinstance(node, ast.Name):
            return None
        found = self.names.get(node.id)
        if isinstance(found, ast.Name | ast.Attribute):
            return (
                self.dotted(found)
                if found is not node and not _names_itself(found, node.id)
                else None
            )
        if found is None and "*" not in self.names and hasattr(builtins, node.id):
            return node.id
        return found if isinstance(found, str) else None

    def constant(self, name: str) -> ast.expr | None:
        """The expression assigned once to a module-level name and not changed in place."""
        found = self.names.get(name)
        if not isinstance(found, ast.expr):
            return None
        if isinstance(found, ast.Constant | ast.Tuple | ast.Name | ast.Attribute | ast.Call):
            return found
        if not self.touched:
            self.touched.update(_changed_in_place(self.tree), {""})
        return None if name in self.touched else found

    def value(self, node: ast.expr) -> object:
        """The value as far as it can be read: a literal, Name, Call, or Unknown with the source."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self._sequence(node, elements)
            case ast.Set(elts=elements):
                return self._set(node, elements)
            case ast.Dict(keys=keys, values=values):
                return self._mapping(node, keys, values)
            case ast.Call():
                return self._call(node)
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.UnaryOp() | ast.BinOp():
                return self._operator(node)
            case ast.JoinedStr(values=parts):
                return self._joined(node, parts)
        return Unknown(self.source(node))

    def _sequence(self, node: ast.expr, elements: list[ast.expr]) -> object:
        items: list[object] = []
        for element in elements:
            if isinstance(element, ast.Starred):
                inner = self.value(element.value)
                if not isinstance(inner, tuple):
                    return Unknown(self.source(node))
                items += inner
            else:
                items.append(self.value(element))
        return tuple(items)

    def _set(self, node: ast.Set, elements: list[ast.expr]) -> object:
        items = self._sequence(node, elements)
        if not isinstance(items, tuple) or not is_literal(items):
            return items
        try:
            return frozenset(items)
        except TypeError:  # a dict in it, which Python refuses as well
            return Unknown(self.source(node))

    def _mapping(
        self, node: ast.expr, keys: Sequence[ast.expr | None], values: list[ast.expr]
    ) -> object:
        if not all(isinstance(key, ast.Constant) for key in keys):
            return Unknown(self.source(node))
        pairs = zip(keys, values, strict=True)
        return {
            key.value: self.value(value) for key, value in pairs if isinstance(key, ast.Constant)
        }

    def _joined(self, node: ast.expr, parts: list[ast.expr]) -> object:
        """``f"UPDATE {TABLE}"`` of texts and numbers alone."""
        texts: list[str] = []
        for part in parts:
            if isinstance(part, ast.FormattedValue):
                plain = part.conversion == -1 and part.format_spec is None
                value = self.value(part.value) if plain else None
            else:
                value = self.value(part)
            if not _is_plain(value):
                return Unknown(self.source(node))
            texts.append(str(value))
        return "".join(texts)

    def _name(self, node: ast.Name | ast.Attribute) -> object:
        if isinstance(node, ast.Name):
            constant = self.constant(node.id)
            if constant is not None and not _names_itself(constant, node.id):
                return self.value(constant)
        path = self.dotted(node)
        return Name(path) if path else Unknown(self.source(node))

    def _operator(self, node: ast.UnaryOp | ast.BinOp) -> object:
        if isinstance(node, ast.UnaryOp):
            operand = self.value(node.operand)
            if isinstance(node.op, ast.USub) and isinstance(operand, int | float):
                return -operand
            if isinstance(node.op, ast.Invert) and isinstance(operand, Call):
                return Call("operator.invert", (operand,), {}, self.source(node))
            return Unknown(self.source(node))
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add):
            if isinstance(left, str) and isinstance(right, str):
                return left + right
            if isinstance(left, tuple) and isinstance(right, tuple):
                return left + right
        if isinstance(left, Call) or isinstance(right, Call):
            return Call(f"operator.{type(node.op).__name__}", (left, right), {}, self.source(node))
        return Unknown(self.source(node))

    def _call(self, node: ast.Call) -> object:
        path, args = self.dotted(node.func), self._arguments(node)
        if (text := self._formatted(node, args)) is not None:
            return text
        if path is None and isinstance(node.func, ast.Attribute):
            receiver = self.value(node.func.value)
            path = None if isinstance(receiver, Unknown) else f".{node.func.attr}"
            args = (receiver, *args)
        if path is None:
            return Unknown(self.source(node))
        if path in {"set", "frozenset", "list", "tuple"} and not node.keywords:
            return args[0] if args and isinstance(args[0], tuple) else Unknown(path) if args else ()
        kwargs = {keyword.arg or "**": self.value(keyword.value) for keyword in node.keywords}
        return Call(path, args, kwargs, self.source(node))

    def _formatted(self, node: ast.Call, args: tuple[object, ...]) -> str | None:
        """``TEXT.format("a", name="b")`` of texts and numbers alone."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "format":
            return None
        text = self.value(node.func.value)
        given = {keyword.arg: self.value(keyword.value) for keyword in node.keywords}
        if not isinstance(text, str) or not all(map(_is_plain, [*args, *given.values()])):
            return None
        try:
            if any(spec or conversion for _, _, spec, conversion in Formatter().parse(text)):
                return None
            return text.format(*args, **{name: value for name, value in given.items() if name})
        except (AttributeError, IndexError, KeyError, ValueError):  # as would be at import
            return None

    def _arguments(self, node: ast.Call) -> tuple[object, ...]:
        return tuple(
            Unknown(self.source(arg)) if isinstance(arg, ast.Starred) else self.value(arg)
            for arg in node.args
        )


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _names_itself(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in nodes_in(node))


def _changed_in_place(tree: ast.Module) -> Iterator[str]:
    for node in nodes_in(tree):
        inside = isinstance(node, ast.Attribute) or (
            isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
        )
        if inside and isinstance(node.value, ast.Name):  # type: ignore[attr-defined]
            yield node.value.id  # type: ignore[attr-defined]


def is_literal(value: object) -> bool:
    """Whether no part of the value is a call or unknown. Names count as literal."""
    if isinstance(value, Call | Unknown):
        return False
    if isinstance(value, tuple | frozenset):
        return all(is_literal(item) for item in value)
    return not isinstance(value, dict) or all(is_literal(item) for item in value.values())
