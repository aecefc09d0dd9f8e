"""What a name is by what is bound to it: assigned, looped over, passed, caught."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

from migfix.reading.kinds import plain
from migfix.reading.kinds.constants import constant_at
from migfix.reading.kinds.plain import (
    FUNCTION,
    NOTHING,
    Known,
    Type,
)
from migfix.reading.kinds.rows import of_constant
from migfix.reading.kinds.values import SchemaEditor, Text
from migfix.reading.names.calls import argument_of, calls_of, default_of
from migfix.reading.names.scopes import (
    COMPREHENSIONS,
    FUNCTIONS,
    Binding,
    FunctionNode,
    comprehension_names,
    walk,
)
from migfix.reading.rows.querysets import Resolver

if TYPE_CHECKING:
    from migfix.reading.kinds.inferring import Kinds


class Names:
    """The kinds of the names of one function."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.resolver = kinds.resolver

    def of_name(self, node: ast.Name) -> Known:
        if isinstance(node.ctx, ast.Del):
            return None
        owner = self.inner_owner(node)
        if isinstance(owner, COMPREHENSIONS):
            return self.kinds.settled(
                (owner, node.id), lambda: self._of_comprehension(node.id, owner)
            )
        if isinstance(owner, ast.Lambda):
            return self._of_parameter(node.id, owner)
        if owner is not None:
            return None
        if isinstance(node.ctx, ast.Load) and (value := self.resolver.value(node)) is not None:
            return value
        return self._of_scope(node)

    def inner_owner(self, name: ast.Name) -> ast.AST | None:
        """The comprehension or the nested function whose variable the name is."""
        scope = self.resolver.scope
        below: ast.AST = name
        for ancestor in scope.ancestors(name):
            if ancestor is scope.node:
                return None
            if isinstance(ancestor, COMPREHENSIONS):
                first = ancestor.generators[0]
                if name.id in comprehension_names(ancestor) and not (
                    below is first and scope.is_inside(name, first.iter)
                ):
                    return ancestor
            elif isinstance(ancestor, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                inside = below is not ancestor.args
                if inside and name.id in scope.names_of(ancestor):
                    return ancestor
            elif isinstance(ancestor, ast.ClassDef):
                return ancestor
            below = ancestor
        return None

    def _of_scope(self, node: ast.Name) -> Known:
        scope, name = self.resolver.scope, node.id
        if name in scope.bindings and scope.node is not self.resolver.module.tree:
            if name in scope.shared:
                return None
            certain = scope.binding(name, node)
            bindings = [certain] if certain else scope.bindings[name]
            key = (name, certain.statement if certain else None)
            return self.kinds.settled(
                key,
                lambda: self.kinds.filling.filled(
                    plain.all_joined([self._bound(name, each) for each in bindings]), name, scope
                ),
            )
        if scope.outer is not None and scope.binds_around(name):
            return None
        return self._global(node)

    def _global(self, node: ast.Name) -> Known:
        module = self.resolver.module
        if module.is_builtin(node.id):
            return _builtin(node.id)
        if (path := module.path_of(node)) is not None:
            return plain.value_at(path) or of_constant(constant_at(path, module))
        top = module.scope
        binding = top.bound_once(node.id)
        if binding is None:
            return None
        if isinstance(binding.statement, (ast.FunctionDef, ast.ClassDef)):
            return FUNCTION
        return self.kinds.elsewhere(self.of_module).names.of_binding(node.id, binding)

    @property
    def of_module(self) -> Resolver:
        """The resolver of what stands outside of all functions."""
        facts, module = self.resolver.memory.facts, self.resolver.module
        key = ("module", id(module))
        if key not in facts:
            facts[key] = Resolver(
                module, module.scope, {}, self.resolver.state, memory=self.resolver.memory
            )
        found = facts[key]
        assert isinstance(found, Resolver)
        return found

    def of_binding(self, name: str, binding: Binding) -> Known:
        """What a name of the module is, which is bound once."""
        scope = self.resolver.scope
        return self.kinds.settled(
            (name, binding.statement),
            lambda: self.kinds.filling.filled(self._bound(name, binding), name, scope),
        )

    def _bound(self, name: str, binding: Binding) -> Known:
        statement = binding.statement
        match statement:
            case ast.arg():
                return self._given(name, statement)
            case ast.For(target=target, iter=iterated):
                return _at(plain.item_of(self.kinds.rows.iterated(iterated)), target, name)
            case ast.Assign(targets=targets, value=value):
                found = self.kinds.of(value)
                ways = [_at(found, target, name) for target in targets if _names(target, name)]
                return plain.all_joined(ways)
            case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
                return self.kinds.of(value)
            case ast.AugAssign(op=op, value=value):
                return self.kinds.operation(op, self.any_of(name), self.kinds.of(value))
            case ast.withitem(context_expr=opened):
                return self._entered(opened)
            case ast.ExceptHandler():
                return Type("exception")
            case ast.FunctionDef() | ast.ClassDef():
                return FUNCTION
            case ast.Delete():
                return NOTHING
        return None

    def any_of(self, name: str) -> Known:
        """What the name may be at any time."""
        bindings = self.resolver.scope.bindings[name]
        return self.kinds.settled(
            (name, None), lambda: plain.all_joined([self._bound(name, each) for each in bindings])
        )

    def _entered(self, opened: ast.expr) -> Known:
        value = self.resolver.value(opened)
        return value if isinstance(value, SchemaEditor) else None

    def _given(self, name: str, argument: ast.arg) -> Known:
        function = self.resolver.scope.node
        given = self.resolver.parameters.get(name)
        if given is not None:
            return Type("str") if isinstance(given, Text) else given
        if not isinstance(function, ast.Module):
            if function.args.vararg is argument:
                return Type("tuple")
            if function.args.kwarg is argument:
                return Type("dict", None, Type("str"))
            if self.resolver.kinds is not None:
                return self._passed_by_another(name, function, self.resolver.kinds)
            return self.kinds.settled(("given", name), lambda: self._passed(name, function))
        return None

    def _passed_by_another(
        self, name: str, function: FunctionNode, kinds: Mapping[str, Known]
    ) -> Known:
        """What the one call from another module passes for the parameter, or its default is."""
        if name in kinds:
            return kinds[name]
        value = default_of(name, function)
        return self.kinds.elsewhere(self.of_module).of(value) if value is not None else None

    def _passed(self, name: str, function: FunctionNode) -> Known:
        """What the file's calls pass for the parameter; None where others may call the function."""
        calls = calls_of(function, self.resolver.module)
        if calls is None:
            return None
        return plain.all_joined([self._passed_by(call, name, function) for call in calls])

    def _passed_by(self, call: ast.Call | None, name: str, function: FunctionNode) -> Known:
        passed = argument_of(call, name, function) if call is not None else None
        if call is None or passed is None:
            value = default_of(name, function)
            return self.kinds.elsewhere(self.of_module).of(value) if value is not None else None
        where = self.at_call(call)
        return self.kinds.elsewhere(where).of(passed) if where is not None else None

    def at_call(self, node: ast.AST) -> Resolver | None:
        """What knows the names of a place elsewhere in the file."""
        module = self.resolver.module
        around = [a for a in module.scope.ancestors(node) if isinstance(a, FUNCTIONS)]
        if not around:
            return self.of_module
        known = self.resolver.memory.inner.get(around[0])
        if known is None and len(around) == 1:
            known = self.resolver.inside(around[0])
        return known

    def _of_comprehension(self, name: str, owner: ast.AST) -> Known:
        found: list[Known] = []
        for generator in owner.generators:  # type: ignore[attr-defined]
            if _names(generator.target, name):
                item = plain.item_of(self.kinds.rows.iterated(generator.iter))
                found.append(_at(item, generator.target, name))
        named = [n for n in walk(owner) if isinstance(n, ast.NamedExpr) and n.target.id == name]
        return None if named or not found else plain.all_joined(found)

    def _of_parameter(self, name: str, function: ast.Lambda) -> Known:
        """The parameter of a ``key=lambda row: ...`` is what the call goes over."""
        parents = self.resolver.scope.parents
        parent = parents.get(function)
        call = parents.get(parent) if isinstance(parent, ast.keyword) else parent
        arguments = function.args.args
        if not isinstance(call, ast.Call) or not arguments or arguments[0].arg != name:
            return None
        gone_over: ast.expr | None = None
        match call.func:
            case ast.Name(id="sorted" | "min" | "max" as called) if parent is not call:
                if self.resolver.module.is_builtin(called) and len(call.args) == 1:
                    gone_over = call.args[0]
            case ast.Name(id="map" | "filter" as called) if parent is call:
                if self.resolver.module.is_builtin(called) and call.args[0] is function:
                    gone_over = call.args[1] if len(call.args) == 2 else None
            case ast.Attribute(value=owner, attr="sub" | "subn") if parent is call:
                pattern = (
                    self.kinds.of(owner) == Type("Pattern")
                    or self.resolver.module.path_of(owner) == "re"
                )
                return Type("Match") if pattern else None
            case ast.Attribute(value=owner, attr="sort") if parent is not call:
                found = self.kinds.of(owner)
                if isinstance(found, Type) and found.name == "list":
                    gone_over = owner
        return plain.item_of(self.kinds.rows.iterated(gone_over)) if gone_over is not None else None


def _builtin(name: str) -> Known:
    known = name in plain.NAMES_OF_TYPES or name in plain.EXCEPTIONS
    return FUNCTION if known else None


def _names(target: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in walk(target))


def _at(kind: Known, target: ast.expr, name: str) -> Known:
    """The part of what is assigned to ``target`` that ``name`` gets."""
    match target:
        case ast.Name(id=own) if own == name:
            return kind
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            starred = any(isinstance(each, ast.Starred) for each in elements)
            found = [
                _at(plain.item_of(kind) if starred else plain.part_of(kind, index), each, name)
                for index, each in enumerate(elements)
                if _names(each, name)
            ]
            return plain.all_joined(found)
        case ast.Starred(value=inner):
            return Type("list", kind) if _names(inner, name) else None
    return None
