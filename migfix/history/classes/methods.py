"""Methods of a field class that have no part in what becomes of its values."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from migfix.history.classes.names import LOOKED_FOR, OF_DJANGO, SHOWN
from migfix.history.files.scope import Scope

_DECORATORS = frozenset({"property", "staticmethod", "classmethod"})
# Functions and methods of texts that leave what they are given as it is.
_ASKING = frozenset("bool getattr hasattr isinstance len re.findall re.sub str".split())
_OF_TEXTS = frozenset("capitalize format join lower replace split strip title upper".split())
_MOVING = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await, ast.Lambda)


def is_own_business(name: str, statement: ast.stmt) -> bool:
    """Is it a method or a value of a name that nothing in Django asks a field for?"""
    if not name or name.startswith(("__", "_check_")) or name in OF_DJANGO | LOOKED_FOR:
        return False
    match statement:
        case ast.FunctionDef(decorator_list=decorators):
            return all(isinstance(d, ast.Name) and d.id in _DECORATORS for d in decorators)
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return not any(isinstance(n, _MOVING) for n in ast.walk(value))
    return False


def is_display(statement: ast.stmt, scope: Scope) -> bool:
    """Is it a ``contribute_to_class()`` that hands on what it is given, and besides only gives the class
    methods called ``get_<name>_...``, or the field texts for people and a name for the other end?
    """
    match statement:
        case ast.FunctionDef(
            decorator_list=[],
            args=ast.arguments(posonlyargs=[], args=[own, model, *_], defaults=[]) as given,
            body=body,
        ):
            adding = _Adding(own.arg, model.arg, scope)
            handed_on = [step for step in body if _hands_on(step, given)]
            rest = [step for step in body if step not in handed_on]
            return len(handed_on) == 1 and all(map(adding.is_harmless, rest))
    return False


def sets_others(statement: ast.stmt) -> set[ast.AST]:
    """The names of ``setattr`` where a method sets something of what it is given besides its own field."""
    if not isinstance(statement, ast.FunctionDef):
        return set()
    nodes = list(ast.walk(statement))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    given = {arg.arg for arg in statement.args.args[1:]} - stored
    return {
        node.func
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "setattr"
        and node.args
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id in given
    }


def names_other_end(statement: ast.stmt) -> bool:
    """Does it set ``self.remote_field.related_name``?"""
    return any(
        isinstance(n, ast.Attribute) and n.attr == "related_name" for n in ast.walk(statement)
    )


def _hands_on(step: ast.stmt, given: ast.arguments) -> bool:
    """``super().contribute_to_class(cls, name, **kwargs)`` with all that the method is given."""
    match step:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(
                    value=ast.Call(func=ast.Name(id="super"), args=[], keywords=[]),
                    attr="contribute_to_class",
                ),
                args=args,
                keywords=keywords,
            )
        ):
            wanted: list[ast.expr | ast.keyword] = [ast.Name(a.arg) for a in given.args[1:]]
            wanted += [ast.Starred(ast.Name(given.vararg.arg))] if given.vararg else []
            wanted += [ast.keyword(a.arg, ast.Name(a.arg)) for a in given.kwonlyargs]
            wanted += [ast.keyword(None, ast.Name(given.kwarg.arg))] if given.kwarg else []
            return list(map(ast.unparse, [*args, *keywords])) == list(map(ast.unparse, wanted))
    return False


@dataclass(frozen=True, slots=True)
class _Adding:
    """Tells which statements of a ``contribute_to_class`` give people something to read, and no more.

    ``own`` is the name of the field in it, ``model`` that of the class.
    """

    own: str
    model: str
    scope: Scope

    def is_harmless(self, step: ast.stmt) -> bool:
        match step:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return True
            case ast.FunctionDef(name=name, decorator_list=[], args=given):
                return self._is_free(name) and not given.defaults and not any(given.kw_defaults)
            case ast.If(test=test, body=body, orelse=orelse):
                return self._only_asks(test) and all(map(self.is_harmless, [*body, *orelse]))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                return self._is_free(name) and self._only_asks(value)
            case ast.Assign(targets=[target], value=value):
                return self._is_shown(target) and self._only_asks(value)
            case ast.Expr(
                value=ast.Call(
                    func=ast.Name(id="setattr"),
                    args=[ast.Name(id=owner), ast.JoinedStr() as name, value],
                    keywords=[],
                )
            ):
                return (
                    owner == self.model and self._is_display_name(name) and self._is_method(value)
                )
        return False

    def _is_free(self, name: str) -> bool:
        return name not in {self.own, self.model, "super", "setattr"} | self.scope.names.keys()

    def _is_shown(self, target: ast.expr) -> bool:
        """``self.choices``, ``self.remote_field.related_name``"""
        match target:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                return name == self.own and attribute in SHOWN - {"default", "auto_now_add"}
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(id=name), attr="remote_field"),
                attr="related_name",
            ):
                return name == self.own
        return False

    def _is_display_name(self, name: ast.JoinedStr) -> bool:
        """``f"get_{self.name}_display"``, like no method of ``Model`` but those of its fields."""
        match name.values:
            case [
                ast.Constant(value="get_"),
                ast.FormattedValue(
                    value=ast.Attribute(value=ast.Name(id=owner), attr="name"), format_spec=None
                ),
                ast.Constant(value=str() as rest),
            ]:
                return owner == self.own and rest.startswith("_") and rest != "_fields"
        return False

    def _is_method(self, value: ast.expr) -> bool:
        """A function, or ``partialmethod(function, field=self)``."""
        match value:
            case ast.Call(func=function, args=[ast.Name()], keywords=keywords):
                given = all(isinstance(k.value, ast.Name | ast.Constant) for k in keywords)
                return given and self.scope.dotted(function) == "functools.partialmethod"
        return isinstance(value, ast.Name)

    def _only_asks(self, node: ast.expr) -> bool:
        return not any(
            isinstance(part, _MOVING) or (isinstance(part, ast.Call) and not self._is_asking(part))
            for part in ast.walk(node)
        )

    def _is_asking(self, call: ast.Call) -> bool:
        if self.scope.dotted(call.func) in _ASKING:
            return True
        match call.func:
            case ast.Attribute(value=owner, attr=attribute):
                field_or_class = isinstance(owner, ast.Name) and owner.id in {self.own, self.model}
                return attribute in _OF_TEXTS and not field_or_class
        return False
