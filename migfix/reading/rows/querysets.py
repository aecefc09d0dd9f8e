"""Where rows come from: ``apps.get_model(...)``, managers, querysets and the names that hold them.

One class fills it, ``Resolver``, which goes from an expression to the values of its parts.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from migfix.history.state import ModelKey, ProjectState, Unknown
from migfix.reading.kinds.constants import constant_at
from migfix.reading.kinds.values import (
    Apps,
    Argument,
    Manager,
    Model,
    Pages,
    Pair,
    RawRows,
    Row,
    Rows,
    SchemaEditor,
    Step,
    Text,
    Value,
)
from migfix.reading.names.arguments import bound, given_by_operations, kinds_passed, passed
from migfix.reading.names.library import Definition, Foreign
from migfix.reading.names.module import Module, import_path, path_by
from migfix.reading.names.scopes import Binding, FunctionNode, Scope
from migfix.reading.names.turns import items_of, stays_as_written, unpacked
from migfix.reading.rows.methods import CHAINING, Does, methods
from migfix.reading.rows.models import model_of
from migfix.reading.rows.relations import forward_target, links_of, relation_of

if TYPE_CHECKING:
    from migfix.reading.kinds.plain import Known

_ROW_GETTERS = methods(Does.GIVES_ROW)
_MAYBE_ROW_GETTERS = methods(Does.GIVES_ROW_OR_NONE)
_PAIR_GETTERS = methods(Does.GIVES_PAIR)
PLAIN_MANAGERS = frozenset({"objects", "_default_manager", "_base_manager"})
_MAX_DEPTH = 20
MOST_WAYS = 20
"""Code that may run in more ways than this is read as if it ran in any."""


@dataclass(frozen=True, eq=False)
class Written:
    """An expression, and the resolver that knows the names of the place where it is written."""

    node: ast.expr
    resolver: Resolver


Callee: TypeAlias = "tuple[FunctionNode, Resolver]"
"""A function, and the resolver that knows its names."""


@dataclass(eq=False)
class Memory:
    """What was found out before by the resolvers of all functions that a migration reaches in a file.

    A fact that depends on what a function is called with belongs into the resolver's ``own``, not into ``facts``.
    ``ways`` says in how many ways a function of another module is called, as far as it was asked.
    ``depth`` is how far questions have led to others by now; ``is_cut``: some were not asked for that.
    """

    inner: dict[object, Resolver] = field(default_factory=dict)
    ways: Counter[FunctionNode] = field(default_factory=Counter)
    facts: dict[object, Any] = field(default_factory=dict)
    depth: int = 0
    is_cut: bool = False


@dataclass(frozen=True)
class Resolver:
    """Reads values of expressions in one function, given what its parameters stand for.

    ``turns`` says of loops over things that are written out which of them it is their turn for.
    ``kinds`` are those of all that the one call of a function of another module passes; None where it is
    not known by whom the function is called. ``around`` are the functions of other modules that led here;
    one that calls itself is read as if it were called with anything. ``own`` is what was found out before of this function.
    """

    module: Module
    scope: Scope
    parameters: Mapping[str, Argument]
    state: ProjectState
    callees: Mapping[FunctionNode, Mapping[str, Argument]] = field(default_factory=dict)
    turns: Mapping[ast.For, Written] = field(default_factory=dict)
    kinds: Mapping[str, Known] | None = None
    around: frozenset[FunctionNode] = frozenset()
    memory: Memory = field(default_factory=Memory, repr=False, compare=False)
    own: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _known: dict[tuple[ast.expr, ast.AST], Value] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def inside(self, function: FunctionNode) -> Resolver:
        """The resolver of a same-file function that this one calls, or that another operation runs."""
        if function not in self.memory.inner:
            passed = self.callees.get(function)
            self.memory.inner[function] = Resolver(
                self.module,
                self.module.scope_of(function),
                given_by_operations(function, self.module) if passed is None else passed,
                self.state,
                self.callees,
                memory=self.memory,
            )
        return self.memory.inner[function]

    def function(self, called: ast.expr) -> FunctionNode | None:
        """The same-file function that ``called`` certainly is, if its decorators leave it as it is."""
        if not isinstance(called, ast.Name) or self._is_local(called.id):
            return None
        function = self.module.functions.get(called.id)
        once = self.module.bound_once(called.id) is not None
        known = function is not None and once and self.module.runs_as_written(function)
        return function if known else None

    def called(self, call: ast.Call) -> Callee | None:
        """The function that the call certainly runs, of the file or of the project, as it is written.

        Its resolver knows what is passed: by all calls for a function of the file, by this one for others.
        """
        function = self.function(call.func)
        if function is not None and function in self.callees:
            return function, self.inside(function)
        found = (self.module, function) if function else self._imported_function(call.func)
        if found is None:
            return None
        module, function = found
        if function in self.around:
            return function, self._of_other(module, function, {})
        values = bound(function, passed(call, self), module)
        kinds = kinds_passed(function, call, self)
        return function, self._of_other(module, function, values, kinds)

    def handed(self, node: ast.expr) -> Callee | None:
        """The function of the file or of the project that ``node`` is, whatever it gets called with."""
        if (function := self.function(node)) is not None:
            return function, self.inside(function)
        found = self._imported_function(node)
        if found is None:
            return None
        module, function = found
        return function, self._of_other(module, function, {})

    def of_any_call(self, function: FunctionNode) -> Resolver:
        """The resolver of this same function, whatever it gets called with."""
        return self._of_other(self.module, function, {})

    def _of_other(
        self,
        module: Module,
        function: FunctionNode,
        parameters: Mapping[str, Argument],
        kinds: Mapping[str, Known] | None = None,
    ) -> Resolver:
        """The resolver of a function of another module, which is passed these.

        One that is called in too many ways is read as if it were called with anything.
        """
        key = (function, *parameters.items(), None if kinds is None else tuple(kinds.items()))
        if key not in self.memory.inner:
            ways = self.memory.ways
            if kinds is not None and ways[function] == MOST_WAYS:
                return self._of_other(module, function, {})
            ways[function] += 1
            scope = module.scope_of(function)
            self.memory.inner[key] = Resolver(
                module,
                scope,
                parameters,
                self.state,
                kinds=kinds,
                memory=self.memory,
                around=self.around | {function},
            )
        return self.memory.inner[key]

    def _imported_function(self, node: ast.expr) -> tuple[Module, FunctionNode] | None:
        path, library = self.path_of(node), self.module.library
        found = library.definition(path, self.module) if path and library else None
        match found:
            case Definition(module=module, node=ast.FunctionDef() as function, rest=()):
                known = module.runs_as_written(function) and not self.module.sets(path or "")
                return (module, function) if known else None
        return None

    def path_of(self, node: ast.expr, at: ast.AST | None = None) -> str | None:
        """The dotted path of what ``node`` certainly has by an import when ``at`` is evaluated."""
        path = self._path_of(node, at or node)
        return self.module.path_of_import(path) if path else None

    def _path_of(self, node: ast.expr, at: ast.AST) -> str | None:
        match node:
            case ast.Attribute(value=owner, attr=attribute):
                path = self._path_of(owner, at)
                return f"{path}.{attribute}" if path else None
            case ast.Name() if not self.scope.is_of_inner(node):
                return self._import_of(node.id, at)
        return None

    def _import_of(self, name: str, at: ast.AST) -> str | None:
        scope: Scope | None = self.scope
        if name in self.scope.bindings:
            return path_by(self.scope.binding(name, at), name)
        while scope is not None and name not in scope.bindings:
            scope = scope.outer
        if scope is not None and scope is not self.module.scope:
            return path_by(scope.bound_once(name), name)
        return path_by(self.module.binding_for_others(name), name) or self.module.starred(name)

    def _is_local(self, name: str) -> bool:
        scope: Scope | None = self.scope
        while scope is not None:
            if name in scope.bindings:
                return True
            scope = scope.outer
        return False

    def value(self, node: ast.expr, at: ast.AST | None = None, depth: int = 0) -> Value:
        """What ``node`` stands for when ``at`` (by default the node itself) is evaluated."""
        if depth > _MAX_DEPTH:
            return None
        place = (node, at or node)
        if place not in self._known:
            self._known[place] = self._value(node, at or node, depth)
        return self._known[place]

    def _value(self, node: ast.expr, at: ast.AST, depth: int) -> Value:
        match node:
            case ast.Name(id=name):
                return self._name(name, at, depth)
            case ast.Attribute(value=owner, attr=attribute):
                value = self._attribute(self.value(owner, at, depth + 1), attribute)
                return value or self._of_path(node, at, depth)
            case ast.Call():
                return self._call(node, at, depth)
            case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd()):
                rows = self.value(left, at, depth + 1)
                return rows.then("|", node) if isinstance(rows, Rows) else None
            case ast.Subscript(value=owner, slice=ast.Slice()):
                rows = self.value(owner, at, depth + 1)
                return rows.then("[]", node) if isinstance(rows, Rows) else None
            case ast.Subscript(value=owner, slice=index):
                return self._item(self.value(owner, at, depth + 1), index)
        return None

    def model_key(self, call: ast.Call, at: ast.AST) -> ModelKey | None:
        """The model of ``apps.get_model(...)``, where its arguments are literals or constants."""
        if (label_and_name := self._split_label(call, at)) is not None:
            return label_and_name
        named = {k.arg: k.value for k in call.keywords}
        label = call.args[0] if call.args else named.get("app_label")
        name = call.args[1] if len(call.args) > 1 else named.get("model_name")
        first = self.literal(label, at) if label is not None else None
        second = self.literal(name, at) if name is not None else None
        if first and name is None and first.count(".") == 1:
            first, second = first.split(".")
        return (first, second.lower()) if first and second else None

    def _split_label(self, call: ast.Call, at: ast.AST) -> ModelKey | None:
        """``get_model(*settings.AUTH_USER_MODEL.split("."))``"""
        match call:
            case ast.Call(
                args=[
                    ast.Starred(
                        value=ast.Call(
                            func=ast.Attribute(value=label, attr="split"),
                            args=[ast.Constant(value=".")],
                        )
                    )
                ],
                keywords=[],
            ):
                parts = (self.literal(label, at) or "").split(".")
                return (parts[0], parts[1].lower()) if len(parts) == 2 else None
        return None

    def literal(self, node: ast.expr, at: ast.AST) -> str | None:
        """The text of a string literal, of a name bound once to one, or of a setting that names a model."""
        match node:
            case ast.Attribute(attr=setting) if (
                self.module.path_of(node) == f"django.conf.settings.{setting}"
            ):
                return self.module.library.model_setting(setting) if self.module.library else None
            case ast.Constant(value=str(text)):
                return text
            case ast.Name():
                written = self.written(node, at)
                if written is not None:
                    return written.resolver.literal(written.node, written.node)
        path = self.module.path_of(node)
        found = constant_at(path, self.module) if path else None
        return found if isinstance(found, str) else None

    def written(self, name: ast.Name, at: ast.AST) -> Written | None:
        """The one expression that the name certainly stands for when ``at`` is evaluated."""
        made = self._made(name, at)
        if made is None:
            return None
        owner, binding = made
        match binding.statement:
            case ast.arg():
                text = owner.parameters.get(name.id)
                return Written(ast.Constant(text.text), owner) if isinstance(text, Text) else None
            case ast.For() as loop:
                return owner._in_turn(name.id, loop)
        known = binding.value is not None and binding.position is None
        return Written(binding.value, owner) if known and binding.value else None

    def _made(self, name: ast.Name, at: ast.AST) -> tuple[Resolver, Binding] | None:
        """What certainly gave the name its value when ``at`` is evaluated, and the resolver there."""
        scope: Scope | None = self.scope
        if name.id in self.scope.bindings:
            binding = self.scope.binding(name.id, at)
            return (self, binding) if binding else None
        if self.scope.is_of_inner(name):
            return None
        while scope is not None and name.id not in scope.bindings:
            scope = scope.outer
        owner = self._around(scope or self.module.scope)
        once = owner.scope.bound_once(name.id)
        return (owner, once) if once else None

    def _around(self, scope: Scope) -> Resolver:
        """The resolver of a scope around this one, whichever turn its loops are in."""
        node = scope.node
        if not isinstance(node, ast.Module) and node in self.memory.inner:
            return self.memory.inner[node]
        parameters = {} if isinstance(node, ast.Module) else self.callees.get(node, {})
        return Resolver(
            self.module, scope, parameters, self.state, self.callees, memory=self.memory
        )

    def in_each_turn(self, node: ast.AST) -> tuple[Resolver, ...]:
        """This resolver, once for each turn of the loops over things written out around ``node``.

        A loop that would make too many of them is left out: its variables are then not known.
        """
        found: tuple[Resolver, ...] = (self,)
        loops = [a for a in self.scope.ancestors(node) if isinstance(a, ast.For)]
        for loop in reversed(loops):
            turns = [(each, item) for each in found for item in each.items(loop.iter) or [None]]
            if len(turns) <= MOST_WAYS and None not in (item for _, item in turns):
                found = tuple(
                    replace(each, turns={**each.turns, loop: item}) for each, item in turns if item
                )
        return found

    def items(self, node: ast.expr) -> tuple[Written, ...]:
        """What a loop goes over where all of it is written out, empty where it is not."""
        while (wrapper := self.wrapper(node)) is not None and wrapper != "enumerate":
            assert isinstance(node, ast.Call)
            node = node.args[0]
        method = ""
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=method), args=[], keywords=[]):
                node = owner
        display = self._display(node)
        found = items_of(display.node, method) if display else ()
        return tuple(Written(item, display.resolver) for item in found) if display else ()

    def _display(self, node: ast.expr) -> Written | None:
        """The expression itself, or the one behind a name for it that nothing changes."""
        if not isinstance(node, ast.Name):
            return Written(node, self)
        made, written = self._made(node, node), self.written(node, node)
        if made is None or written is None:
            return None
        if isinstance(written.node, ast.Name):
            return written.resolver._display(written.node)
        parent = written.resolver.scope.parents.get(written.node)
        kept = stays_as_written(written.node, parent, node.id, made[0].scope, self.module)
        return written if kept else None

    def _in_turn(self, name: str, loop: ast.For) -> Written | None:
        """What the loop's variable ``name`` stands for in the turn that it is."""
        item = self.turns.get(loop)
        if item is None or isinstance(loop.target, ast.Name):
            return item
        display = item.resolver._display(item.node)
        part = unpacked(display.node, loop.target, name) if display else None
        return Written(part, display.resolver) if display and part else None

    def _name(self, name: str, at: ast.AST, depth: int) -> Value:
        if name in self.scope.bindings:
            binding = self.scope.binding(name, at)
            return self._bound(name, binding, depth) if binding else None
        if self.scope.outer is not None:
            return self._of_outer(self.scope.outer, name, depth)
        return self._global(name, depth)

    def _of_outer(self, scope: Scope, name: str, depth: int) -> Value:
        """A name of the function around this one."""
        outer = self._around(scope)
        if name not in scope.bindings:
            return outer._name(name, scope.node, depth)
        once = scope.bound_once(name)
        return outer._bound(name, once, depth) if once else None

    def _global(self, name: str, depth: int) -> Value:
        value = self.module.constant(name)
        if value is not None and not isinstance(value, ast.Lambda):
            return self._at_top(self.module, value, depth)
        binding = self.module.binding_for_others(name)
        if binding is not None and isinstance(binding.statement, ast.ClassDef):
            return model_of(Definition(self.module, binding.statement))
        path = path_by(binding, name) or self.module.starred(name)
        return self._imported(path, depth) if path else None

    def _imported(self, path: str, depth: int) -> Value:
        """What the file imports from the path."""
        path = self.module.path_of_import(path)
        if path in _CONNECTIONS:
            return _CONNECTIONS[path]
        library = self.module.library
        found = library.definition(path, self.module) if library else None
        if isinstance(found, Foreign) and library:
            found = library.installed(found.path)
        if not isinstance(found, Definition) or found.rest:
            return None
        match found.node:
            case ast.ClassDef():
                return model_of(found)
            case ast.expr() as value if not isinstance(value, ast.Lambda):
                return self._at_top(found.module, value, depth)
        return None

    def _at_top(self, module: Module, value: ast.expr, depth: int) -> Value:
        """What an expression at the top of a module stands for."""
        return Resolver(module, module.scope, {}, self.state).value(value, None, depth + 1)

    def _bound(self, name: str, binding: Binding, depth: int) -> Value:
        statement = binding.statement
        if isinstance(statement, ast.arg):
            given = self.parameters.get(name)
            return None if isinstance(given, Text) else given
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            return self._imported(import_path(statement, name), depth)
        if isinstance(statement, ast.For) and statement in self.turns:
            item = self._in_turn(name, statement)
            return item.resolver.value(item.node, None, depth + 1) if item else None
        if isinstance(statement, ast.For):
            rows, _ = self.unwrapped(statement.iter, depth + 1)
            if not isinstance(statement.target, ast.Name):
                return None
            return rows.page(statement.iter) if isinstance(rows, Pages) else row_of(rows)
        if isinstance(statement, ast.withitem):
            opened = self.value(statement.context_expr, statement, depth + 1)
            return opened if isinstance(opened, SchemaEditor) else None
        if binding.value is None:
            return None
        value = self.value(binding.value, statement, depth + 1)
        if binding.position is None:
            return value
        return self._item(value, ast.Constant(binding.position))

    def unwrapped(self, node: ast.expr, depth: int = 0) -> tuple[Value, tuple[str, ...]]:
        """The value under ``list(...)``, ``tqdm(...)`` and their like, and the wrappers, outermost first."""
        wrappers: list[str] = []
        while (name := self.wrapper(node)) is not None:
            assert isinstance(node, ast.Call)
            wrappers.append(name)
            node = node.args[0]
        return self.value(node, None, depth), tuple(wrappers)

    def wrapper(self, node: ast.expr) -> str | None:
        """The name of a call that hands on its first argument's items, one by one and in some order."""
        match node:
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if self.module.is_builtin(name):
                known = name in {"list", "tuple", "enumerate", "iter", "sorted", "reversed", "set"}
            case ast.Call(func=function, args=[first, *_]):
                path = self.module.path_of(function) or ""
                known = path in _PROGRESS_BARS
                name = "tqdm"
            case _:
                return None
        return name if known and not isinstance(first, ast.Starred) else None

    def _attribute(self, owner: Value, attribute: str) -> Value:
        match owner:
            case Apps() if attribute == "get_model":
                return None
            case SchemaEditor(part="editor") if attribute == "connection":
                return SchemaEditor("connection")
            case SchemaEditor():
                return SchemaEditor("other")
            case Model():
                return self._manager(owner, attribute)
            case Row(model=model) if model.key is not None:
                return self._related(model.key, attribute)
            case Rows(steps=[*_, Step(pages=Pages())]) if attribute == "object_list":
                return owner
        return None

    def _of_path(self, node: ast.Attribute, at: ast.AST, depth: int) -> Value:
        """``models.Post`` of an imported module, and ``Post.objects`` where no source of ``Post`` is found.

        Only a model has managers of these names; what else it is, is not known.
        """
        path = self.path_of(node, at)
        if path is None or path.startswith("django.apps."):
            return None
        value = self._imported(path, depth)
        if value is not None or node.attr not in PLAIN_MANAGERS:
            return value
        owner = path.rpartition(".")[0]
        found = self.module.library.definition(owner, self.module) if self.module.library else None
        is_other = isinstance(found, Definition) and not isinstance(found.node, ast.ClassDef)
        return None if is_other else Manager(_UNREAD, node.attr)

    def _manager(self, model: Model, attribute: str) -> Value:
        known = self.state.model(*model.key) if model.key else None
        if attribute in PLAIN_MANAGERS or attribute.endswith("objects"):
            return Manager(model, attribute)
        if known is None or isinstance(known, Unknown) or isinstance(known.managers, Unknown):
            return None
        return Manager(model, attribute) if attribute in known.managers else None

    def _related(self, key: ModelKey, attribute: str) -> Value:
        target = forward_target(self.state, key, attribute)
        if target is not None:
            field, target_key = target
            return Row(Model(target_key), may_be_none=field.null is not False)
        found = relation_of(self.state, key, attribute)
        if found is None:
            return None
        return Manager(Model(found[1]), attribute, related=True, links=links_of(found[0]))

    def _item(self, value: Value, index: ast.expr) -> Value:
        match value, index:
            case Pair(row=row), ast.Constant(value=0):
                return row
            case Rows(), ast.Constant(value=int()):
                return row_of(value)
            case SchemaEditor(part="connections"), _:
                return SchemaEditor("connection")
        return None

    def _call(self, node: ast.Call, at: ast.AST, depth: int) -> Value:
        match node.func:
            case ast.Name(id="list" | "tuple" as name) if (
                self.module.is_builtin(name) and node.args
            ):
                rows = self.value(node.args[0], at, depth + 1)
                return rows.then("list()", node) if isinstance(rows, Rows) else None
            case ast.Name() | ast.Attribute() if self.path_of(node.func, at) == _PAGINATOR:
                return self._pages(node, at, depth)
            case ast.Attribute(value=owner, attr=method):
                return self._method(self.value(owner, at, depth + 1), method, node, at)
        return None

    def _pages(self, node: ast.Call, at: ast.AST, depth: int) -> Pages | None:
        """``Paginator(queryset, 1000)``; None for one of a list."""
        named = (keyword.value for keyword in node.keywords if keyword.arg == "object_list")
        given = node.args[0] if node.args else next(named, None)
        found = self.value(given, at, depth + 1) if given is not None else None
        rows = Rows(found) if isinstance(found, Manager) else found
        known = isinstance(rows, Rows) and not rows.has("list()", "iterator", "[]")
        return Pages(rows, node) if known and isinstance(rows, Rows) else None

    def _method(self, owner: Value, method: str, node: ast.Call, at: ast.AST) -> Value:
        match owner:
            case Pages() if method in {"page", "get_page"}:
                return owner.page(node)
            case Apps() if method == "get_model":
                return Model(self.model_key(node, at))
            case SchemaEditor() if method in {"fetchall", "fetchmany"}:
                return RawRows(call=node)
            case SchemaEditor(part="connection") if method == "cursor" and not _arguments(node):
                return SchemaEditor("cursor")
            case SchemaEditor():
                return SchemaEditor("other")
            case RawRows(model=Model()) if method == "iterator":
                return replace(owner, live=True)
            case Manager(model=model) if method in {"db_manager", "using"}:
                return Rows(owner, (Step(method, node),))
            case Manager() | Rows() if method in CHAINING | {"db_manager"}:
                rows = Rows(owner) if isinstance(owner, Manager) else owner
                return rows.then(method, node)
            case Manager(model=model) | Rows(manager=Manager(model=model)):
                return self._evaluated(model, method, node)
        return None

    def _evaluated(self, model: Model, method: str, node: ast.Call) -> Value:
        if method == "raw":
            return RawRows(model, node)
        if method in _ROW_GETTERS:
            return Row(model)
        if method in _MAYBE_ROW_GETTERS:
            return Row(model, may_be_none=True)
        return Pair(Row(model)) if method in _PAIR_GETTERS else None


_PAGINATOR = "django.core.paginator.Paginator"
_UNREAD = Model(None, real=True, is_plain=False)
_CONNECTIONS: Mapping[str, Value] = {
    "django.db.connection": SchemaEditor("connection"),
    "django.db.connections": SchemaEditor("connections"),
}


def _arguments(call: ast.Call) -> list[ast.expr | ast.keyword]:
    return [*call.args, *call.keywords]


_PROGRESS_BARS = frozenset(
    {
        "tqdm.tqdm",
        "tqdm.auto.tqdm",
        "tqdm.std.tqdm",
        "tqdm.autonotebook.tqdm",
        "rich.progress.track",
    }
)


def row_of(rows: Value) -> Row | None:
    """A row of ``rows``, where they are instances and not dicts or tuples."""
    if isinstance(rows, Rows) and not rows.has("values", "values_list", "dates", "datetimes"):
        return Row(rows.model)
    return None
