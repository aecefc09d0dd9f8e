"""Receivers that turn historical models away before they do anything, all of them or most.

    @receiver(post_save)
    def index(sender, instance, **kwargs):
        if not isinstance(instance, Indexed) or not hasattr(instance, "text"):
            return

Signals hand over all that they have by keywords:
https://docs.djangoproject.com/en/stable/ref/signals/#module-django.db.models.signals
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from migfix.history.files.scope import Scope
from migfix.history.graph import History
from migfix.history.historical import HistoricalModels
from migfix.history.state import ModelState, ProjectState
from migfix.project.discovery import module_name
from migfix.project.hearing import IN_ANY_CASE, Descends, HasAttribute, Need, Way
from migfix.source import last_name, nodes_of

_RECEIVER = frozenset({"django.dispatch.receiver", "django.dispatch.dispatcher.receiver"})
_MOST_STEPS = 200
_PLAIN_ATTRIBUTES = frozenset({"__name__", "__qualname__", "__module__", "_meta", "_state", "pk"})
_FAKE = "__fake__"  # the module of every historical model


class _Role(Enum):
    """What a name of the receiver stands for."""

    CLASS = auto()
    INSTANCE = auto()
    GIVEN = auto()  # the dictionary of all that is handed over
    QUIET = auto()  # something whose truth runs no code
    UNKNOWN = auto()


_HANDED: Mapping[str, _Role] = {
    "sender": _Role.CLASS,
    "instance": _Role.INSTANCE,
    **dict.fromkeys(
        "signal raw created using update_fields origin action reverse".split(), _Role.QUIET
    ),
}
_DYNAMIC = frozenset("globals locals vars exec eval setattr".split())
_Roles = Mapping[str, _Role]


class _Acts(Exception):
    """The receiver does something of which it is not known whether it matters."""


class Guards:
    """Looks into the receivers of one project."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._models = HistoricalModels(history)

    def ways_to_act(self, path: Path, tree: ast.Module, connection: ast.expr) -> Sequence[Way]:
        """The ways on which what the file connects there does something when a historical model sends it a signal.

        ``connection`` is the call of ``receiver()`` or ``connect()``. ``IN_ANY_CASE`` when in doubt.
        """
        files = self._history.project.files
        scope = _scope_of(tree, module_name(path, files), path.name == "__init__.py")
        function = _decorated(tree, connection)
        if function is None:
            found = self._connected(connection, scope)
            if found is None:
                return IN_ANY_CASE
            function, scope = found
        return self._ways_of(function, scope)

    def ways_of_function(self, path: str, line: int) -> Sequence[Way]:
        """The same of a function, by its dotted path and the first line of its definition with its decorators."""
        scope = self._module(path.rpartition(".")[0])
        for each in scope.tree.body if scope else ():
            if isinstance(each, ast.FunctionDef) and scope:
                first = min([each.lineno, *(d.lineno for d in each.decorator_list)])
                if first == line and each.name == path.rpartition(".")[2]:
                    return self._ways_of(each, scope)
        return IN_ANY_CASE

    def _ways_of(self, function: ast.FunctionDef, scope: Scope) -> Sequence[Way]:
        names = _Names(scope.tree)
        if not names.are_plain or not _is_plain(function, scope, names):
            return IN_ANY_CASE
        ways = _Reading(names, scope, self._models).ways(function.body, _roles_of(function))
        return [*dict.fromkeys(ways)]

    def may_meet(self, need: Need, model: ModelState, state: ProjectState) -> bool:
        """May rows of the model, as the state has it, be what the receiver acts on?"""
        if isinstance(need, HasAttribute):
            return self._models.may_have(need.name, model, state)
        return any(self._models.may_be_of(path, model, state) for path in need.paths)

    def _connected(
        self, connection: ast.expr, scope: Scope
    ) -> tuple[ast.FunctionDef, Scope] | None:
        """The function in ``post_save.connect(handlers.index)``, and what its names stand for."""
        if not isinstance(connection, ast.Call) or last_name(connection.func) != "connect":
            return None
        named = [k.value for k in connection.keywords if k.arg == "receiver"]
        given = [*named, *connection.args][:1]
        here = _Names(scope.tree)
        if not given or not here.are_plain or not here.is_bound_once(_root_of(given[0])):
            return None
        if _is_of_class_body(connection, scope.tree):
            return None
        module, _, name = (scope.dotted(given[0]) or "").rpartition(".")
        where = scope if module == scope.module else self._module(module)
        if where is None or not _Names(where.tree).is_bound_once(name):
            return None
        functions = [n for n in where.tree.body if getattr(n, "name", "") == name]
        match functions:
            case [ast.FunctionDef() as function]:
                return function, where
        return None

    def _module(self, module: str) -> Scope | None:
        found = self._history.scope_of(module) if module else None
        return _scope_of(found.tree, found.module, found.is_package) if found else None


def _scope_of(tree: ast.Module, module: str, is_package: bool) -> Scope:
    """What names stand for in the module, those that its functions import among them."""
    inside = [
        node
        for node in nodes_of(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and node not in tree.body
    ]
    if not inside:
        return Scope.of(tree, module, is_package=is_package)
    scope = Scope.of(ast.Module([*tree.body, *inside], []), module, is_package=is_package)
    return Scope(module, scope.names, scope.lines, tree, is_package, scope.touched)


def _is_of_class_body(node: ast.expr, tree: ast.Module) -> bool:
    """Does it run as the class is made, where methods have names?"""
    bodies = (each.body for each in nodes_of(tree) if isinstance(each, ast.ClassDef))
    plain = (s for body in bodies for s in body if not isinstance(s, ast.FunctionDef))
    return any(node is part for statement in plain for part in ast.walk(statement))


def _decorated(tree: ast.Module, connection: ast.expr) -> ast.FunctionDef | None:
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef) and connection in node.decorator_list:
            return node
    return None


class _Names:
    """How often a module binds each of its names, wherever but as a method, which no function finds by its name."""

    def __init__(self, tree: ast.Module) -> None:
        classes = (node for node in nodes_of(tree) if isinstance(node, ast.ClassDef))
        methods = {s for each in classes for s in each.body if isinstance(s, ast.FunctionDef)}
        nodes = (node for node in nodes_of(tree) if node not in methods)
        self._bound = Counter(name for node in nodes for name in _bound_by(node))
        loads = (n.id for n in nodes_of(tree) if isinstance(n, ast.Name))
        self.are_plain = "*" not in self._bound and _DYNAMIC.isdisjoint(loads)

    def is_bound_once(self, name: str) -> bool:
        return self._bound[name] == 1

    def is_builtin(self, name: str) -> bool:
        return not self._bound[name]


def _root_of(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_plain(function: ast.FunctionDef, scope: Scope, names: _Names) -> bool:
    """Is it called as it is written, and does it give no names to others?"""
    decorators = [d.func if isinstance(d, ast.Call) else d for d in function.decorator_list]
    known = all(
        scope.dotted(each) in _RECEIVER and names.is_bound_once(_root_of(each))
        for each in decorators
    )
    return known and not any(
        isinstance(node, (ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom, ast.Await))
        for node in ast.walk(function)
    )


def _roles_of(function: ast.FunctionDef) -> _Roles:
    given = function.args
    roles = {
        each.arg: _HANDED.get(each.arg, _Role.UNKNOWN)
        for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)
    }
    roles |= {given.vararg.arg: _Role.UNKNOWN} if given.vararg else {}
    return roles | ({given.kwarg.arg: _Role.GIVEN} if given.kwarg else {})


def _bound_by(node: ast.AST) -> Iterator[str]:
    """The names that the node gives to something."""
    match node:
        case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.partition(".")[0]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            yield name


@dataclass
class _Reading:
    """Follows one receiver as a historical model would run it. Raises ``_Acts``."""

    names: _Names
    scope: Scope
    models: HistoricalModels
    steps: int = 0

    def ways(self, body: Sequence[ast.stmt], roles: _Roles, needs: Way = frozenset()) -> list[Way]:
        """The ways on which something is done from here to the end of the receiver."""
        self.steps += 1
        if not body or self.steps > _MOST_STEPS:
            return [needs] if body else []
        try:
            return self._ways_from(body[0], body[1:], roles, needs)
        except _Acts:
            return [needs]

    def _ways_from(
        self, first: ast.stmt, rest: Sequence[ast.stmt], roles: _Roles, needs: Way
    ) -> list[Way]:
        match first:
            case ast.Return(value=value):
                if value is not None:
                    self._truth(value, roles)
                return []
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return self.ways(rest, roles, needs)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names = {alias.asname or alias.name.partition(".")[0] for alias in aliases}
                return self.ways(rest, roles, needs) if names.isdisjoint(roles) else [needs]
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                role = self._role(value, roles)
                if role is None:
                    self._truth(value, roles)
                return self.ways(rest, {**roles, name: role or _Role.QUIET}, needs)
            case ast.If(test=test, body=then, orelse=otherwise):
                return self._ways_of_test(test, (*then, *rest), (*otherwise, *rest), roles, needs)
        return [needs]

    def _ways_of_test(
        self,
        test: ast.expr,
        then: Sequence[ast.stmt],
        otherwise: Sequence[ast.stmt],
        roles: _Roles,
        needs: Way,
    ) -> list[Way]:
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._ways_of_test(operand, otherwise, then, roles, needs)
            case ast.BoolOp(op=op, values=[value, *more]) if more:
                second = more[0] if len(more) == 1 else ast.BoolOp(op, more)
                if isinstance(op, ast.Or):
                    otherwise = [ast.If(second, [*then], [*otherwise])]
                else:
                    then = [ast.If(second, [*then], [*otherwise])]
                return self._ways_of_test(value, then, otherwise, roles, needs)
        if (asked := self._attribute_asked_for(test, roles)) is not None:
            name, lacking = asked  # looking for one that is there may run code of the class
            without = self.ways(then if lacking else otherwise, roles, needs)
            return [*without, needs | {HasAttribute(name)}]
        holds = self._truth(test, roles)
        found: list[Way] = []
        if holds is not False:
            found += self.ways(then, roles, needs | self._needs_of(test, roles))
        if holds is not True:
            found += self.ways(otherwise, roles, needs)
        return found

    def _attribute_asked_for(self, test: ast.expr, roles: _Roles) -> tuple[str, bool] | None:
        """The name in ``hasattr(instance, name)``, and whether the test holds without that attribute."""
        match test:
            case ast.Call(
                func=ast.Name(id="hasattr" | "getattr" as called),
                args=[owner, ast.Constant(value=str(name)), *default],
                keywords=[],
            ) if called not in roles and self.names.is_builtin(called):
                if self._role(owner, roles) not in (_Role.INSTANCE, _Role.CLASS):
                    return None
                match called, default:
                    case "hasattr", []:
                        return name, False
                    case "getattr", [ast.Constant(value=value)]:
                        return name, bool(value)
        return None

    def _needs_of(self, test: ast.expr, roles: _Roles) -> Way:
        """What a model must be for a test that may hold of some."""
        match test:
            case ast.Call(
                func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes], keywords=[]
            ):
                paths = [self.scope.dotted(node) for node in _parts(classes)]
                return frozenset({Descends(tuple(filter(None, paths)))})
        return frozenset()

    def _role(self, node: ast.expr, roles: _Roles) -> _Role | None:
        """What an expression stands for, where it is handed over; None for any other."""
        match node:
            case ast.Name(id=name):
                return roles.get(name)
            case ast.Subscript(
                value=ast.Name(id=name), slice=ast.Constant(value=str(key))
            ) | ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="get"),
                args=[ast.Constant(value=str(key))]
                | [ast.Constant(value=str(key)), ast.Constant()],
                keywords=[],
            ) if (
                roles.get(name) is _Role.GIVEN
            ):
                return _HANDED.get(key)
            case ast.Call(
                func=ast.Name(id="type"), args=[owner], keywords=[]
            ) if "type" in roles or not self.names.is_builtin("type"):
                return None
            case ast.Call(func=ast.Name(id="type"), args=[owner], keywords=[]) | ast.Attribute(
                value=owner, attr="__class__"
            ) if (self._role(owner, roles) is _Role.INSTANCE):
                return _Role.CLASS
        return None

    def _truth(self, node: ast.expr, roles: _Roles) -> bool | None:
        """Is it true of each historical model, or of none? None where that depends, and nothing is run."""
        match node:
            case ast.Constant(value=value):
                return bool(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                holds = self._truth(operand, roles)
                return None if holds is None else not holds
            case ast.BoolOp(op=op, values=values):
                return self._of_several(values, isinstance(op, ast.Or), roles)
            case ast.Call(
                func=ast.Name(id=name), args=args, keywords=[]
            ) if name not in roles and self.names.is_builtin(name):
                return self._of_builtin(name, args, roles)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._of_comparison(left, op, right, roles)
            case ast.Call(
                func=ast.Attribute(value=owner, attr="startswith"),
                args=[ast.Constant(value=str(text))],
            ) if self._is_module(owner, roles):
                return _FAKE.startswith(text)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                for part in parts:
                    self._truth(part, roles)
                return bool(parts)
        if self._is_quiet(node, roles):
            return None
        raise _Acts

    def _of_several(self, values: Sequence[ast.expr], decisive: bool, roles: _Roles) -> bool | None:
        found: bool | None = not decisive
        for value in values:
            holds = self._truth(value, roles)
            if holds is decisive:
                return decisive
            found = None if holds is None else found
        return found

    def _of_builtin(self, name: str, args: Sequence[ast.expr], roles: _Roles) -> bool | None:
        match name, args:
            case ("isinstance", [owner, classes]) | ("issubclass", [owner, classes]):
                wanted = _Role.INSTANCE if name == "isinstance" else _Role.CLASS
                if self._role(owner, roles) is wanted:
                    return self._is_any(classes, self.models.may_descend_from, roles)
        raise _Acts

    def _of_comparison(
        self, left: ast.expr, op: ast.cmpop, right: ast.expr, roles: _Roles
    ) -> bool | None:
        inverse = isinstance(op, (ast.IsNot, ast.NotEq, ast.NotIn))
        holds: bool | None = None
        if self._role(left, roles) is _Role.CLASS and _is_written_out(op, right):
            holds = self._is_any(right, self.models.may_be, roles)
        elif self._is_module(left, roles) and isinstance(
            op, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
        ):
            texts = [getattr(part, "value", None) for part in _parts(right)]
            if all(isinstance(text, str) for text in texts) and _is_written_out(op, right):
                return (_FAKE in texts) is not inverse
        if holds is None:
            self._truth(left, roles)
            self._truth(right, roles)
            return None
        return holds is not inverse

    def _is_any(self, classes: ast.expr, may: Callable[[str], bool], roles: _Roles) -> bool | None:
        """False where it is none of these classes; None for others, if they are looked up by their names alone."""
        for node in _parts(classes):
            root = _root_of(node)
            known = root not in roles and self.names.is_bound_once(root)
            path = self.scope.dotted(node) if known else None
            if path is None:
                raise _Acts
            if may(path):
                return None
        return False

    def _is_module(self, node: ast.expr, roles: _Roles) -> bool:
        """``sender.__module__``"""
        match node:
            case ast.Attribute(value=owner, attr="__module__"):
                return self._role(owner, roles) in (_Role.CLASS, _Role.INSTANCE)
        return False

    def _is_quiet(self, node: ast.expr, roles: _Roles) -> bool:
        """Does it run no code to look at it?"""
        if (role := self._role(node, roles)) is not None:
            return role not in (_Role.INSTANCE, _Role.UNKNOWN)
        owner = node
        path: list[str] = []
        while isinstance(owner, ast.Attribute):
            path.insert(0, owner.attr)
            owner = owner.value
        if self._role(owner, roles) in (_Role.CLASS, _Role.INSTANCE):
            return path[0] in _PLAIN_ATTRIBUTES
        return bool(path) and (self.scope.dotted(node) or "").startswith("django.conf.settings.")


def _parts(node: ast.expr) -> Sequence[ast.expr]:
    return node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]


def _is_written_out(op: ast.cmpop, right: ast.expr) -> bool:
    """``is A``, ``== A``, ``in (A, B)``: is it clear what is compared to what?"""
    several = isinstance(right, (ast.Tuple, ast.List, ast.Set))
    return several if isinstance(op, (ast.In, ast.NotIn)) else not several
