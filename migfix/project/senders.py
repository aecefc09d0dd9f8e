"""Whether what a receiver is connected to is surely a class of the running project, and never None.

A receiver of a class hears that class alone; with None for a sender it hears every one:
https://docs.djangoproject.com/en/stable/topics/signals/#connecting-to-signals-sent-by-specific-senders
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

from migfix.source import last_name, nodes_of

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
# Calls whose result is a class or, of ``get_models()``, classes: by the last part of their names.
_GIVES_CLASS = re.compile(r"(get|load)(_\w+)?_models?$|type$|__new__$")
_CLASS_ATTRIBUTES = frozenset({"__class__", "through"})
_CLASS_NAME = re.compile(r"_*[A-Z]\w*[a-z]\w*$")  # as PEP 8 has it: no constant is called so


class Senders:
    """The senders of one file."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree

    def is_class(self, node: ast.expr) -> bool:
        """Is it surely a class, or the name of one? What is not known may be None."""
        return not _is_of_given_apps(node) and self._is_class(node, frozenset())

    def _is_class(self, node: ast.expr, passed: frozenset[str]) -> bool:
        match node:
            case ast.Constant(value=value):
                return isinstance(value, str)
            case ast.Name(id=name):
                return name in passed or self._is_class_by_name(name, passed | {name})
            case ast.Attribute(value=ast.Name(id="settings"), attr=name):
                return name == "AUTH_USER_MODEL"  # whose default is a text
            case ast.Attribute(attr=name):
                if given := self._attributes.get(name):
                    return all(each is not None and self._is_class(each, passed) for each in given)
                return name in _CLASS_ATTRIBUTES or bool(_CLASS_NAME.match(name))
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="get_model")):
                # The ``apps`` that a function is given may be those of a migration.
                handed = any(isinstance(each, ast.arg) for each in self._bindings.get(owner, []))
                return owner == "self" or not handed
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return bool(_GIVES_CLASS.match(name))
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_class(body, passed) and self._is_class(orelse, passed)
        return False

    def _is_class_by_name(self, name: str, passed: frozenset[str]) -> bool:
        bindings = self._bindings.get(name, [])
        if not bindings:  # of a star import
            return bool(_CLASS_NAME.match(name))
        return all(self._binds_class(name, each, passed) for each in bindings)

    def _binds_class(self, name: str, binding: ast.AST, passed: frozenset[str]) -> bool:
        match binding:
            case ast.ClassDef():
                return True
            case ast.alias():
                own = binding.name.rpartition(".")[2]
                acronym = binding in self._of_models and own.isupper() and own.isalpha()
                return acronym or bool(_CLASS_NAME.match(own))
            case ast.arg():
                return binding not in self._optional and not self._is_passed_none(binding)
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                return self._is_class(value, passed)
            case ast.NamedExpr(value=value):
                return self._is_class(value, passed)
            case ast.For(iter=iterated) | ast.comprehension(iter=iterated):
                return not self._may_hold_none(iterated)
        return False

    def _may_hold_none(self, iterated: ast.expr) -> bool:
        """Is there a None in it? Whatever else is in there, models are looked for in it."""
        names = [n.id for n in ast.walk(iterated) if isinstance(n, ast.Name)]
        bindings = [each for name in names for each in self._bindings.get(name, [])]
        values = [getattr(each, "value", None) for each in bindings]
        return any(map(_has_none, [iterated, *(v for v in values if isinstance(v, ast.expr))]))

    def _is_passed_none(self, parameter: ast.arg) -> bool:
        """Does a call of the file pass None to the function with this parameter?"""
        functions = {
            node.name
            for node in nodes_of(self.tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and parameter in ast.walk(node.args)
        }
        return any(
            isinstance(node, ast.Call)
            and last_name(node.func) in functions
            and any(map(_is_none, [*node.args, *(k.value for k in node.keywords)]))
            for node in nodes_of(self.tree)
        )

    @cached_property
    def _bindings(self) -> Mapping[str, list[ast.AST]]:
        found: dict[str, list[ast.AST]] = {}
        for node in nodes_of(self.tree):
            for name, binding in _bound_by(node):
                found.setdefault(name, []).append(binding)
        return found

    @cached_property
    def _of_models(self) -> frozenset[ast.alias]:
        """What is imported from modules of models, where a class may be called ``FAQ``."""
        return frozenset(
            alias
            for node in nodes_of(self.tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("models")
            for alias in node.names
        )

    @cached_property
    def _attributes(self) -> Mapping[str, list[ast.expr | None]]:
        """What attributes are set to, by their names, on classes and objects of the file; None for the unknown."""
        found: dict[str, list[ast.expr | None]] = {}
        for node in nodes_of(self.tree):
            for target, value in _assigned(node):
                if isinstance(target, ast.Attribute):
                    found.setdefault(target.attr, []).append(value)
            for statement in node.body if isinstance(node, ast.ClassDef) else ():
                for target, value in _assigned(statement):
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(value)
        return found

    @cached_property
    def _optional(self) -> frozenset[ast.arg]:
        """Parameters that a call may leave out, and those of ``*args``."""
        return frozenset(
            each
            for node in nodes_of(self.tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for each in _optional_in(node)
        )


def _is_of_given_apps(sender: ast.expr) -> bool:
    """``kwargs["apps"].get_model(...)``, ``apps.get_model(...)`` of what ``pre_migrate`` hands over."""
    for node in ast.walk(sender):
        match node:
            case ast.Call(func=ast.Attribute(attr="get_model", value=ast.Subscript() | ast.Call())):
                return True
    return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _has_none(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Constant) and n.value is None for n in ast.walk(node))


def _optional_in(function: _Function) -> Iterator[ast.arg]:
    given = function.args
    plain = [*given.posonlyargs, *given.args]
    yield from plain[len(plain) - len(given.defaults) :]
    yield from (
        a for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None
    )
    yield from filter(None, (given.vararg, given.kwarg))


def _assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """The names and attributes that an assignment sets, and to what; None where a value is taken apart."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, (ast.Name, ast.Attribute)):
                    yield target, value
                else:
                    yield from ((part, None) for part in _stored(target))
        case ast.AnnAssign(target=target, value=value):
            yield target, value


def _bound_by(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names that the node binds, each with what says to what; with the bare name for the unknown."""
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, node
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((alias.asname or alias.name.partition(".")[0], alias) for alias in names)
        case ast.arg(arg=name):
            yield name, node
        case ast.Assign() | ast.AnnAssign():
            for target, value in _assigned(node):
                if isinstance(target, ast.Name):
                    yield target.id, node if value is not None else target
        case (
            ast.For(target=target) | ast.NamedExpr(target=target) | ast.comprehension(target=target)
        ):
            yield from ((part.id, node) for part in _stored(target) if isinstance(part, ast.Name))
        case (
            ast.AugAssign(target=target)
            | ast.AsyncFor(target=target)
            | ast.withitem(optional_vars=ast.expr() as target)
        ):
            yield from ((part.id, part) for part in _stored(target) if isinstance(part, ast.Name))


def _stored(target: ast.expr) -> list[ast.Name | ast.Attribute]:
    return [
        node
        for node in ast.walk(target)
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store)
    ]
