"""The functions of a file that a RunPython reaches, and what their parameters stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from migfix.history.state import ProjectState
from migfix.reading.kinds.values import Argument
from migfix.reading.names.arguments import RUNPYTHON_ARGUMENTS, Arguments, bound, passed
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import FunctionNode, Scope, all_arguments
from migfix.reading.rows.querysets import MOST_WAYS, Memory, Resolver

_Callees: TypeAlias = Mapping[FunctionNode, Mapping[str, Argument]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One way into a file: an expression that Django (or an importing migration) calls."""

    expression: ast.expr
    arguments: Arguments = RUNPYTHON_ARGUMENTS


@dataclass(frozen=True, slots=True)
class ImportedCall:
    """A call, out of a reached function, of a function that the file imports."""

    path: str
    arguments: Arguments


@dataclass(eq=False)
class Function:
    """A reached function.

    ``ways`` are the different things that calls pass for its parameters; ``parameters`` say what
    all of them pass. Too many ways are given up for that one.
    """

    name: str
    node: FunctionNode
    scope: Scope
    parameters: Mapping[str, Argument]
    ways: tuple[Mapping[str, Argument], ...]
    is_given_up: bool = False

    def add(self, way: Mapping[str, Argument]) -> bool:
        """Note what one more call passes; False where nothing is new."""
        joined = {k: v if way.get(k) == v else None for k, v in self.parameters.items()}
        if joined == self.parameters if self.is_given_up else way in self.ways:
            return False
        self.is_given_up |= len(self.ways) == MOST_WAYS
        self.parameters = joined
        self.ways = (joined,) if self.is_given_up else (*self.ways, way)
        return True


class Reach:
    """Follows calls from the entries to every function of the file that they reach."""

    def __init__(self, module: Module, state: ProjectState) -> None:
        self.module = module
        self.state = state
        self.functions: dict[FunctionNode, Function] = {}
        self.imported: list[ImportedCall] = []
        self._waiting: list[Function] = []
        self._is_complete = False
        self._makers: set[FunctionNode] = set()  # whose results are called and go nowhere else
        self._by_way: dict[FunctionNode, tuple[Resolver, list[Resolver]]] = {}

    def follow(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._enter(entry.expression, entry.arguments, None)
        while self._waiting:
            self._calls_of(self._waiting.pop())
        self._is_complete = True
        self._by_way.clear()

    @property
    def top_resolver(self) -> Resolver:
        """Reads values where no function's own names count."""
        return Resolver(self.module, self.module.scope, {}, self.state)

    def resolver(self, function: Function) -> Resolver:
        """Reads values as they are in every call of the function."""
        if self._is_complete:
            return self._settled[function.node]
        # more calls may be found, which pass other things
        return self._resolver(function, self._callees, Memory())

    def _resolver(self, function: Function, callees: _Callees, memory: Memory) -> Resolver:
        return Resolver(
            self.module, function.scope, function.parameters, self.state, callees, memory=memory
        )

    @property
    def _callees(self) -> _Callees:
        return {node: reached.parameters for node, reached in self.functions.items()}

    @cached_property
    def _settled(self) -> Mapping[object, Resolver]:
        """The resolvers of all functions once it is known how they are called, which share what they know."""
        callees, memory = self._callees, Memory()
        for node, function in self.functions.items():
            memory.inner[node] = self._resolver(function, callees, memory)
        return memory.inner

    def resolvers(self, function: Function, node: ast.AST) -> list[Resolver]:
        """A resolver for each way in which ``node`` of the function's body may run.

        Ways differ in what the function is called with and in the turns of the loops around.
        """
        if function.node not in self._by_way:
            self._by_way[function.node] = self._in_each_way(function)
        whole, each = self._by_way[function.node]
        found = [turn for resolver in each for turn in resolver.in_each_turn(node)]
        return found if len(found) <= MOST_WAYS else [whole]

    def _in_each_way(self, function: Function) -> tuple[Resolver, list[Resolver]]:
        """A resolver for all calls of the function, and one for each way in which it is called."""
        whole = self.resolver(function)
        return whole, [
            whole if way == whole.parameters else replace(whole, parameters=way)
            for way in function.ways
        ]

    def _enter(self, node: ast.expr, arguments: Arguments, caller: Function | None) -> None:
        """The expression ``node`` gets called with ``arguments``."""
        match node:
            case ast.Lambda():
                self._reach("<lambda>", node, arguments, caller)
            case ast.Name(id=name):
                self._enter_name(name, arguments, caller)
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                self._enter_name(f"{owner}.{name}", arguments, caller)
            case ast.Call(func=function, args=args) if self._is_partial(function) and args:
                for bound in self._arguments(node, caller):
                    merged = Arguments(
                        (*bound.positional[1:], *arguments.positional),
                        {**bound.keywords, **arguments.keywords},
                        bound.complete and arguments.complete,
                    )
                    self._enter(args[0], merged, caller)
            case ast.Call(func=function):
                self._enter_made(function, node, arguments, caller)

    def _enter_name(self, name: str, arguments: Arguments, caller: Function | None) -> None:
        function = self._nested(name, caller)
        if function is None and caller and self._is_rebound(name.partition(".")[0], caller):
            return
        function = function or self.module.functions.get(name)
        function = function or self.module.functions.get(f"Migration.{name}")
        if function is not None:
            self._makers.discard(function)
            self._reach(name.removeprefix("Migration."), function, arguments, caller)
        elif (path := self.module.imports.get(name.partition(".")[0])) is not None:
            rest = name.partition(".")[2]
            call = ImportedCall(f"{path}.{rest}" if rest else path, arguments)
            self.imported += [call] if call not in self.imported else []
        elif (value := self.module.constant(name)) is not None and not isinstance(value, ast.Name):
            self._enter(value, arguments, None)

    @staticmethod
    def _is_rebound(name: str, caller: Function) -> bool:
        """Does the caller give the name another meaning than an import or the file does?"""
        return any(
            not isinstance(binding.statement, (ast.Import, ast.ImportFrom))
            for binding in caller.scope.bindings.get(name, [])
        )

    def _enter_made(
        self, factory: ast.expr, call: ast.Call, arguments: Arguments, caller: Function | None
    ) -> None:
        """``make_forwards("x")`` returns one of its own nested functions, which gets called."""
        if not isinstance(factory, ast.Name):
            return
        maker = self.module.functions.get(factory.id)
        if maker is None or isinstance(maker, ast.Lambda):
            return
        if maker not in self.functions:
            self._makers.add(maker)
        for given in self._arguments(call, caller):
            outer = self._reach(factory.id, maker, given, caller)
        for node in self.module.nodes_of(maker):
            if isinstance(node, ast.Return) and isinstance(node.value, (ast.Name, ast.Lambda)):
                self._enter(node.value, arguments, outer)

    def _reach(
        self, name: str, node: FunctionNode, arguments: Arguments, caller: Function | None
    ) -> Function:
        function = self.functions.get(node)
        values = bound(node, arguments, self.module)
        if function is None:
            outer = caller.scope if caller and node in caller.scope.parents else None
            scope = self.module.scope_of(node, outer)
            function = Function(name, node, scope, values, (values,))
            self.functions[node] = function
            self._waiting.append(function)
            self._by_way.clear()  # which knew of fewer calls
        elif function.add(values):
            self._by_way.clear()
            self._waiting += [function, *self._nested_in(function)]
        return function

    def _nested_in(self, function: Function) -> Iterator[Function]:
        """The reached functions that read the names of this one."""
        for each in self.functions.values():
            scope = each.scope.outer
            while scope is not None and scope is not function.scope:
                scope = scope.outer
            if scope is not None:
                yield each

    def _calls_of(self, function: Function) -> None:
        called: set[ast.expr] = set()
        for node in self.module.nodes_of(function.node):
            if isinstance(node, ast.Return) and node.value and function.node in self._makers:
                called.add(node.value)
            if isinstance(node, ast.Call):
                called.add(node.func)
                if isinstance(node.func, (ast.Name, ast.Attribute)):
                    self._enter_call(node, function)
        for node in self.module.nodes_of(function.node):
            if (
                isinstance(node, ast.Name)
                and node not in called
                and self._is_function(node, function)
            ):
                self._enter(node, Arguments(complete=False), function)

    def _enter_call(self, call: ast.Call, caller: Function) -> None:
        if isinstance(call.func, ast.Name) and self.module.is_builtin(call.func.id):
            return
        if self._is_partial(call.func):
            return
        if isinstance(call.func, ast.Attribute) and not self._is_function(call.func, caller):
            return
        for arguments in self._arguments(call, caller):
            self._enter(call.func, arguments, caller)

    def _is_function(self, node: ast.expr, caller: Function) -> bool:
        match node:
            case ast.Name(id=name) if isinstance(node.ctx, ast.Load):
                return bool(self._nested(name, caller)) or (
                    name not in caller.scope.bindings
                    and (name in self.module.functions or name in self.module.imports)
                )
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                return f"{owner}.{name}" in self.module.functions or (
                    owner in self.module.imports and owner not in caller.scope.bindings
                )
        return False

    def _nested(self, name: str, caller: Function | None) -> FunctionNode | None:
        binding = caller.scope.bound_once(name) if caller else None
        statement = binding.statement if binding else None
        return statement if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) else None

    def _is_partial(self, function: ast.expr) -> bool:
        return self.module.path_of(function) == "functools.partial"

    def _arguments(self, call: ast.Call, caller: Function | None) -> list[Arguments]:
        """What the call passes in each way in which it may run."""
        resolvers = self.resolvers(caller, call) if caller else [self.top_resolver]
        found: list[Arguments] = []
        for resolver in resolvers:
            arguments = passed(call, resolver)
            found += [arguments] if arguments not in found else []
        return found


def runpython_like(module: Module) -> Iterator[Entry]:
    """Functions that take ``(apps, schema_editor)``, for a file without a RunPython of its own."""
    for name, node in module.functions.items():
        if [a.arg for a in all_arguments(node)][:2] == ["apps", "schema_editor"]:
            yield Entry(ast.Name(id=name, ctx=ast.Load()))
