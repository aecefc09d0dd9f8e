"""Objects that only one turn of a loop knows, and what a turn does to others."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from migfix.facts.loop import Loop
from migfix.reading.kinds import plain
from migfix.reading.kinds.constants import UNKNOWN, constant_at
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.known import is_pure
from migfix.reading.kinds.plain import ITERATOR, SUSPENDED, Type
from migfix.reading.kinds.values import Manager, Model, Row, Rows
from migfix.reading.names.scopes import Binding, walk, walk_scope
from migfix.reading.rows.querysets import Resolver

_MAX_DEPTH = 5
_DISPLAYS = (
    *(ast.Constant, ast.JoinedStr, ast.BinOp, ast.UnaryOp, ast.Compare, ast.GeneratorExp),
    *(ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp),
)
_MAKING = frozenset(
    "list tuple set frozenset dict str int float bool bytes len sum min max sorted range round abs zip "
    "enumerate map filter reversed iter repr".split()
)
_MAKING_PATHS = (
    *("collections.", "copy.", "datetime.", "decimal.", "itertools.", "json.loads", "re."),
    "string.",
)
_MAKING_ALL = frozenset({"json.loads", "copy.deepcopy"})  # with all that it holds
_COPYING = frozenset("copy split rsplit splitlines items keys values partition rpartition".split())
_MAKING_ITERATORS = frozenset("elements finditer".split())
# Methods by which lists, sets and dicts change in place.
CHANGING = frozenset(
    "add append appendleft clear difference_update discard extend extendleft insert "
    "intersection_update move_to_end pop popitem popleft remove reverse rotate setdefault sort "
    "subtract symmetric_difference_update update".split()
)
# Functions of modules without effects that change what they are given, or go on in a sequence.
CHANGING_PATHS = ("heapq.", "bisect.insort", "operator.i", "operator.setitem", "operator.delitem")
_SEQUENCES = (
    "random.",
    "secrets.",
    *("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "uuid.uuid8"),
    *("time.time", "time.monotonic", "time.perf_counter", "time.localtime", "time.gmtime"),
    "django.utils.crypto.get_random_string",
    "django.utils.timezone.now",
    "django.utils.timezone.local",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
)


@dataclass(frozen=True)
class Turn:
    loop: Loop
    _puts_own: list[bool] = field(default_factory=list, compare=False, repr=False)

    @property
    def appends(self) -> tuple[ast.Call, ...]:
        bulk = self.loop.bulk_update
        return bulk.appends if bulk else ()

    @property
    def puts_in_its_own_alone(self) -> bool:
        """Is all that the turn puts into anything its own?

        Else a part of its own object may be one that others know: ``row.tags = TAGS``, ``found.append(TAGS)``.
        While it is found out, it is taken to be so: what is put in is made of what was put in before, so that
        the first thing that is not its own shows by itself.
        """
        if not self._puts_own:
            self._puts_own.append(True)
            self._puts_own[0] = all(
                _Known(resolver, self).is_made_of_own(value)
                for node, resolver in code_of(self)
                for value in _put(node)
            )
        return self._puts_own[0]


def _put(node: ast.AST) -> Iterator[ast.expr]:
    """What the node puts into another object."""
    match node:
        case ast.Call(func=ast.Attribute(attr=method)) if method in CHANGING:
            yield from (*node.args, *(keyword.value for keyword in node.keywords))
        case ast.Call(func=ast.Name(id="setattr"), args=[_, _, value]):
            yield value
        case ast.Assign(targets=targets, value=value):
            if any(isinstance(part, _PARTS) for target in targets for part in walk(target)):
                yield value
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            if isinstance(target, _PARTS):
                yield value
        case ast.AugAssign(value=value):
            yield value


_PARTS = (ast.Attribute, ast.Subscript)


def code_of(turn: Turn) -> Iterator[tuple[ast.AST, Resolver]]:
    """Every node that a turn may run, of the functions of the project that it calls as well."""
    yield from _code(turn.loop.node.body, turn.loop.resolver, set())


def _code(
    statements: list[ast.stmt], resolver: Resolver, seen: set[ast.AST]
) -> Iterator[tuple[ast.AST, Resolver]]:
    for node in (node for statement in statements for node in walk(statement)):
        yield node, resolver
        if not isinstance(node, ast.Call):
            continue
        for named in (node.func, *node.args, *(keyword.value for keyword in node.keywords)):
            found = resolver.handed(named)
            if found is not None and found[0] not in seen:
                seen.add(found[0])
                body = found[0].body
                block: list[ast.stmt] = body if isinstance(body, list) else [ast.Expr(body)]
                yield from _code(block, found[1], seen)


_Question: TypeAlias = Callable[[ast.expr, int], bool]
_ENDING_KINDS = frozenset({ITERATOR, SUSPENDED})
_FILLING_KINDS = frozenset({"defaultdict"})
_ENDING = "goes over something that may end"
_OUTLIVING = "changes what outlives the turn"


def changes(node: ast.AST, resolver: Resolver, turn: Turn) -> str | None:
    """What the node does that another turn may notice, besides queries; None where that is nothing."""
    known = _Known(resolver, turn)
    asked = (_set_by, _called, _gone_over, _filled)
    return next((what for ask in asked if (what := ask(node, known)) is not None), None)


def _set_by(node: ast.AST, known: _Known) -> str | None:
    match node:
        case ast.Global() | ast.Nonlocal():
            return "binds names outside of the loop"
        case ast.AugAssign(target=target):  # which changes a list or set where it is
            scalar = plain.is_scalar(kind_of(target, known.resolver))
            return None if scalar or known.is_fresh(target) else _OUTLIVING
        case ast.Attribute(value=owner, ctx=ast.Store() | ast.Del()):
            row = isinstance(known.resolver.value(owner), Row)
            kept = not row and not known.is_fresh(owner)
            return f"sets `{node.attr}` of something that outlives the turn" if kept else None
        case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
            return None if known.is_fresh(owner) else _OUTLIVING
    return None


def _gone_over(node: ast.AST, known: _Known) -> str | None:
    match node:
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call():
            return _ENDING if _may_end(node, known) else None
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated):
            return None if known.can_repeat(iterated) else _ENDING
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=ast.Name() as taken):
            return None if known.can_repeat(taken) else _ENDING
        case ast.Compare(ops=ops, comparators=others):
            pairs = zip(ops, others, strict=True)
            looked = [o for op, o in pairs if isinstance(op, (ast.In, ast.NotIn))]
            return None if all(map(known.can_repeat, looked)) else "looks through what may end"
    return None


def _may_end(node: ast.expr, known: _Known) -> bool:
    """Is it an iterator of others? Whoever is given it, by whatever way, may go over it."""
    if not _is_one_of(_ENDING_KINDS, node, known):
        return False
    return not (known.is_fresh(node) if isinstance(node, _PARTS) else known.can_repeat(node))


def _is_one_of(names: frozenset[str], node: ast.expr, known: _Known) -> bool:
    if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        return False
    kind = kind_of(node, known.resolver)
    return isinstance(kind, Type) and kind.name in names


def _filled(node: ast.AST, known: _Known) -> str | None:
    """Who asks a ``defaultdict`` for an item puts it there: ``counts[name]``, ``"%(name)s" % counts``."""
    match node:
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call():
            others = _is_one_of(_FILLING_KINDS, node, known) and not known.is_fresh(node)
            return _OUTLIVING if others and not _asks_for_no_item(node, known.resolver) else None
    return None


def _asks_for_no_item(node: ast.expr, resolver: Resolver) -> bool:
    """Does what stands around the dict surely ask it for no item that is not there?

    A method does not, nor does a function of Python's own; one of the project is looked into.
    """
    match resolver.scope.parents.get(node):
        case ast.Call(func=ast.Name(id=name)) as call:
            return resolver.module.is_builtin(name) or resolver.called(call) is not None
        case parent:
            return isinstance(parent, (ast.Attribute, ast.Compare, ast.For, ast.comprehension))


def _called(node: ast.AST, known: _Known) -> str | None:
    """What a call does, or a method that is named to be called elsewhere: ``map(seen.append, names)``."""
    match node:
        case ast.Call(func=function):
            return _of_function(function, node, known)
        case ast.Attribute(value=owner, attr=method, ctx=ast.Load()) if method in CHANGING:
            value = known.resolver.value(owner)
            query = isinstance(value, (Manager, Rows, Row))
            pure = is_pure(known.resolver.path_of(node) or "")
            if query or pure or known.is_fresh(owner) or _is_collected(node, known):
                return None
            return _OUTLIVING
    return None


def _is_collected(method: ast.Attribute, known: _Known) -> bool:
    """``rows.append(row)`` for ``bulk_update()``"""
    return known.resolver.scope.parents.get(method) in known.turn.appends


def _of_function(function: ast.expr, call: ast.Call, known: _Known) -> str | None:
    resolver = known.resolver
    path = resolver.path_of(function) or ""
    if path.startswith(_SEQUENCES):
        return "asks for a time, a random number or an identifier"
    if path.startswith(CHANGING_PATHS):
        return "changes what it is given"
    match function:
        case ast.Name(id="next") if not (call.args and isinstance(call.args[0], ast.GeneratorExp)):
            return "takes the next of a sequence"
        case ast.Name(id="setattr" | "delattr"):
            row = call.args and isinstance(resolver.value(call.args[0]), Row)
            return None if row else "sets an attribute of something that may outlive the turn"
    return None


@dataclass(frozen=True)
class _Known:
    resolver: Resolver
    turn: Turn

    def is_fresh(self, node: ast.expr, depth: int = 0) -> bool:
        """Is it an object that this turn has made or loaded?"""
        if depth > _MAX_DEPTH:
            return False
        match node:
            case ast.Name():
                return self._is_own_name(node, depth, self.is_fresh, self._holds_own)
            case ast.Attribute(value=owner) | ast.Subscript(value=owner):
                return self._holds_own(owner, depth + 1)
            case ast.IfExp(body=first, orelse=second):
                return self.is_fresh(first, depth + 1) and self.is_fresh(second, depth + 1)
            case ast.BoolOp(values=values):
                return all(self.is_fresh(value, depth + 1) for value in values)
            case ast.Call():
                return self._makes(node, depth)
        return isinstance(node, _DISPLAYS)

    def _makes(self, call: ast.Call, depth: int) -> bool:
        path = self.resolver.path_of(call.func)
        match call.func:
            case _ if path is not None:
                return path.startswith(_MAKING_PATHS)
            case ast.Name(id=name) if self.resolver.module.is_builtin(name):
                return name in _MAKING
            case ast.Attribute(value=owner, attr=method):
                if isinstance(self.resolver.value(owner), (Manager, Rows)):
                    return True
                return method in _COPYING and self.is_fresh(owner, depth + 1)
        return isinstance(self.resolver.value(call.func), Model)

    def _holds_own(self, node: ast.expr, depth: int) -> bool:
        """Is it such an object, and all that it holds, too?"""
        return self.is_made_of_own(node, depth) and self.turn.puts_in_its_own_alone

    def is_made_of_own(self, node: ast.expr, depth: int = 0) -> bool:
        """The same, as long as nothing is put in afterwards."""
        if depth > _MAX_DEPTH:
            return False
        deeper = partial(self.is_made_of_own, depth=depth + 1)
        match node:
            case ast.Name():
                own = self._is_own_name(node, depth, self.is_made_of_own, self.is_made_of_own)
            case ast.Call():
                own = self._makes_of_own(node, depth)
            case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
                own = deeper(inner)
            case ast.Dict(keys=keys, values=values):
                own = all(map(deeper, values)) and None not in keys
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                own = all(map(deeper, parts))
            case ast.ListComp(elt=part) | ast.SetComp(elt=part) | ast.DictComp(value=part):
                own = deeper(part)
            case ast.BinOp(left=first, right=second) | ast.IfExp(body=first, orelse=second):
                own = deeper(first) and deeper(second)
            case ast.BoolOp(values=parts):
                own = all(map(deeper, parts))
            case _:
                own = isinstance(node, (ast.Constant, ast.JoinedStr, ast.Compare))
        return own or plain.is_scalar(kind_of(node, self.resolver))

    def _makes_of_own(self, call: ast.Call, depth: int) -> bool:
        if self.resolver.path_of(call.func) in _MAKING_ALL:
            return True
        if not self._makes(call, depth):
            return False
        match call.func:
            case ast.Attribute(value=owner) if self.resolver.path_of(call.func) is None:
                rows = isinstance(self.resolver.value(owner), (Manager, Rows))
                return rows or self.is_made_of_own(owner, depth + 1)
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        return all(self.is_made_of_own(each, depth + 1) for each in given)

    def _is_own_name(
        self, name: ast.Name, depth: int, is_own: _Question, are_own: _Question
    ) -> bool:
        """``is_own`` asks this of what the name holds, ``are_own`` of what it is a part of."""
        scope = self.resolver.scope
        bindings = scope.bindings.get(name.id, [])
        if not bindings or name.id in scope.shared:
            return False
        return all(self._is_own(binding, depth, is_own, are_own) for binding in bindings)

    def _is_own(self, binding: Binding, depth: int, is_own: _Question, are_own: _Question) -> bool:
        loop = self.turn.loop
        here = self.resolver.scope is loop.resolver.scope
        statement = binding.statement
        if statement is loop.node:
            return True
        if here and not self.resolver.scope.is_inside(statement, loop.node):
            return False
        match statement:
            case ast.AugAssign():
                return True  # of what the others bound; what it adds is put into that
            case ast.arg():
                return isinstance(
                    self.resolver.value(ast.Name(statement.arg, ast.Load()), statement), Row
                )
            case ast.For(iter=iterated):
                value = self.resolver.value(iterated)
                return isinstance(value, (Manager, Rows)) or are_own(iterated, depth + 1)
            case ast.ExceptHandler():
                return True
        if binding.value is None:
            return False
        if binding.position is not None:
            return are_own(binding.value, depth + 1)
        return is_own(binding.value, depth + 1)

    def can_repeat(self, node: ast.expr) -> bool:
        """Does going over it leave it as it is?"""
        if isinstance(self.resolver.value(node), (Manager, Rows)) or self.is_fresh(node):
            return True
        match node:
            case ast.Name():
                return self._is_collection(node)
            case ast.Attribute(value=owner) | ast.Subscript(value=owner):
                return self.can_repeat(owner) or self.resolver.path_of(node) is not None
            case ast.Call(func=ast.Attribute(attr=method)) if (
                method in _COPYING | _MAKING_ITERATORS
            ):
                return True  # no iterator has these
            case ast.Call():
                return self._makes(node, 0)
        return False

    def _is_collection(self, name: ast.Name) -> bool:
        """A list, dict, text or queryset that was made before the loop."""
        scope, module = self.resolver.scope, self.resolver.module
        bindings = scope.bindings.get(name.id)
        values = [b.value if b.position is None else None for b in bindings] if bindings else []
        if bindings is None:
            path = self.resolver.path_of(name)
            if path is not None:
                return constant_at(path, module) is not UNKNOWN
            values = [module.constant(name.id)]
        return all(value is not None and self._holds_all(value) for value in values)

    def _holds_all(self, value: ast.expr) -> bool:
        if isinstance(self.resolver.value(value), (Manager, Rows)):
            return True
        kinds = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp)
        if isinstance(value, (*kinds, ast.Constant)):
            return True
        match value:
            case ast.Call(func=ast.Name(id=name)):
                lasting = {"list", "tuple", "set", "frozenset", "dict", "sorted", "range", "str"}
                return self.resolver.module.is_builtin(name) and name in lasting
            case ast.Call(func=ast.Attribute(attr=method)) if method in _COPYING:
                return True
            case ast.Call(func=function):
                path = self.resolver.path_of(function) or ""
                lasting_path = path.startswith(("collections.", "json.loads", "django.db.models."))
                return lasting_path or self._has_run(function) or self._returns_lasting(function)
        return False

    def _returns_lasting(self, called: ast.expr) -> bool:
        """Does a function of the file return lists and their like, and no generator?"""
        function = self.resolver.function(called)
        if not isinstance(function, ast.FunctionDef):
            return False
        nodes = [node for statement in function.body for node in walk_scope(statement)]
        if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in nodes):
            return False
        inner = _Known(self.resolver.inside(function), self.turn)
        given = [node.value for node in nodes if isinstance(node, ast.Return)]
        return bool(given) and all(value is not None and inner._lasts(value) for value in given)

    def _lasts(self, value: ast.expr) -> bool:
        return self._is_collection(value) if isinstance(value, ast.Name) else self._holds_all(value)

    def _has_run(self, function: ast.expr) -> bool:
        """``Model.objects.in_bulk()``"""
        match function:
            case ast.Attribute(value=owner):
                return isinstance(self.resolver.value(owner), (Manager, Rows))
        return False
