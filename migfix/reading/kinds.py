"""What an expression is known to be: rows, queries, and Python's own values, as ``plain`` lists them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from migfix.history.fields import FIELDS
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading import plain
from migfix.reading.calls import argument_of, calls_of, default_of
from migfix.reading.constants import UNKNOWN, constant_at, constant_in
from migfix.reading.methods import Does, methods
from migfix.reading.plain import (
    DATA,
    EXPRESSION,
    FUNCTION,
    ITERATOR,
    NOTHING,
    OWN,
    SUSPENDED,
    Known,
    Type,
)
from migfix.reading.puts import FILLING, Put, Puts, Taker, puts_of
from migfix.reading.querysets import Resolver, row_of
from migfix.reading.relations import one_pointing_to, possible_columns
from migfix.reading.scopes import (
    COMPREHENSIONS,
    FUNCTIONS,
    Binding,
    FunctionNode,
    Scope,
    comprehension_names,
    walk,
    walk_scope,
)
from migfix.reading.values import Manager, Model, Pair, RawRows, Row, Rows, SchemaEditor, Text

_KIND_OF_COLUMN = {
    name: plain.parsed(field.loads) for name, field in FIELDS.items() if field.loads is not None
}
_RESULTS = {ast.JoinedStr: Type("str"), ast.Compare: Type("bool"), ast.Lambda: FUNCTION}
# Methods of managers that go over what they are given, and hold on to no list of it.
_GOING_OVER = methods(Does.GOES_OVER_ARGUMENTS)
_MAX_DEPTH = 60
_ROUNDS = 8  # in which names that depend on themselves have to settle


def kind_of(node: ast.expr, resolver: Resolver) -> Known:
    """What the expression is when it is evaluated, in the function whose names ``resolver`` knows."""
    return kinds_in(resolver).of(node)


def kinds_in(resolver: Resolver) -> Kinds:
    """The kinds of the function's expressions, found once."""
    if "kinds" not in resolver.own:
        resolver.own["kinds"] = Kinds(resolver)
    found = resolver.own["kinds"]
    assert isinstance(found, Kinds)
    return found


class Kinds:
    """The kinds of the expressions of one function."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self._known: dict[ast.AST, Known] = {}
        # of all functions, which may ask one another
        self._assumed: dict[object, Known] = resolver.memory.facts.setdefault("assumed", {})
        self._leaning_on: set[object] = resolver.memory.facts.setdefault("leaning", set())
        self._memory = resolver.memory
        resolver.memory.facts.setdefault("kinds", []).append(self)

    def of(self, node: ast.expr) -> Known:
        if node in self._known:
            return self._known[node]
        if self._memory.depth > _MAX_DEPTH:
            self._memory.is_cut = True
            return None
        self._memory.depth += 1
        try:
            found = self._find(node)
        finally:
            self._memory.depth -= 1
        if self._memory.depth == 0:
            self._memory.is_cut = False
        elif self._memory.is_cut:
            return found
        if not self._leaning_on:
            self._known[node] = found
        return found

    def _find(self, node: ast.expr) -> Known:
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BinOp)):
            return self._made(node)
        if isinstance(node, ast.Name):
            return self._name(node)
        value = self.resolver.value(node)
        if isinstance(value, Row) and isinstance(node, ast.Call) and self._gives_values(node):
            value = None
        if value is not None:
            return value
        match node:
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.BinOp():
                return self._operation(node.op, self.of(node.left), self.of(node.right))
        return None

    def _gives_values(self, call: ast.Call) -> bool:
        """``Post.objects.values_list("title").first()`` is no row."""
        rows = self.of(call.func.value) if isinstance(call.func, ast.Attribute) else None
        return isinstance(rows, Rows) and row_of(rows) is None

    # --- displays, operators ----------------------------------------------------------------------

    def _made(self, node: ast.expr) -> Known:
        """What a display, a comprehension or an operator gives."""
        made = _RESULTS.get(type(node))
        if made is not None:
            return made
        match node:
            case ast.Constant(value=value):
                return NOTHING if value is None else Type(type(value).__name__)
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values)
            case ast.IfExp(body=first, orelse=second):
                return plain.joined(self.of(first), self.of(second))
            case ast.BoolOp(values=values):
                return plain.all_joined([self.of(value) for value in values])
            case ast.NamedExpr(value=value):
                return self.of(value)
            case ast.UnaryOp(op=ast.Not()):
                return Type("bool")
            case ast.UnaryOp(operand=operand):
                found = self.of(operand)
                return found if found == EXPRESSION or plain.is_deep(found) else None
        return self._collection(node)

    def _collection(self, node: ast.expr) -> Known:
        match node:
            case ast.List(elts=elements) | ast.Set(elts=elements):
                return Type(type(node).__name__.lower(), self._elements(elements))
            case ast.Tuple(elts=elements):
                spread = any(isinstance(each, ast.Starred) for each in elements)
                parts = None if spread else tuple(map(self.of, elements))
                return Type("tuple", self._elements(elements), parts=parts)
            case ast.ListComp(elt=element):
                return Type("list", self.of(element))
            case ast.SetComp(elt=element):
                return Type("set", self.of(element))
            case ast.DictComp(key=key, value=value):
                return Type("dict", self.of(value), self.of(key))
            case ast.GeneratorExp(elt=element):
                return Type(SUSPENDED, self.of(element))
        return None

    def _elements(self, elements: list[ast.expr]) -> Known:
        return plain.all_joined(
            [
                (
                    plain.item_of(self.of(each.value))
                    if isinstance(each, ast.Starred)
                    else self.of(each)
                )
                for each in elements
            ]
        )

    def _dict(self, keys: list[ast.expr | None], values: list[ast.expr]) -> Known:
        found_keys: list[Known] = []
        found_values: list[Known] = []
        for key, value in zip(keys, values, strict=True):
            if key is None:
                other = self.of(value)
                found_keys.append(plain.item_of(other))
                found_values.append(plain.value_of(other))
            else:
                found_keys.append(self.of(key))
                found_values.append(self.of(value))
        return Type("dict", plain.all_joined(found_values), plain.all_joined(found_keys))

    def _operation(self, op: ast.operator, left: Known, right: Known) -> Known:
        if left is None or right is None:
            return None
        if NOTHING in (left, right):
            return NOTHING
        if EXPRESSION in (left, right):
            return EXPRESSION
        if not isinstance(left, Type) or not isinstance(right, Type):
            return Type("str") if isinstance(op, ast.Mod) and left == Type("str") else None
        if isinstance(op, ast.Mod) and left.name == "str":
            return Type("str")
        if isinstance(op, ast.Mult) and "list" in {left.name, right.name}:
            return left if left.name == "list" else right
        if left.name == right.name and left.name in plain.COLLECTIONS:
            return plain.joined(replace(left, parts=None), replace(right, parts=None))
        if not plain.is_deep(left) or not plain.is_deep(right):
            own = plain.COLLECTIONS | {"own"}
            return OWN if {left.name, right.name} & own else None
        if {left.name, right.name} <= plain.NUMBERS:
            return Type("number")
        if left == right and left.name in {"str", "int", "float", "number"}:
            return Type("number") if left.name == "int" else left
        return DATA

    # --- names ------------------------------------------------------------------------------------

    def _name(self, node: ast.Name) -> Known:
        if isinstance(node.ctx, ast.Del):
            return None
        owner = self._inner_owner(node)
        if isinstance(owner, COMPREHENSIONS):
            return self._settled((owner, node.id), lambda: self._of_comprehension(node.id, owner))
        if isinstance(owner, ast.Lambda):
            return self._of_parameter(node.id, owner)
        if owner is not None:
            return None
        if isinstance(node.ctx, ast.Load) and (value := self.resolver.value(node)) is not None:
            return value
        return self._of_scope(node)

    def _inner_owner(self, name: ast.Name) -> ast.AST | None:
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
            return self._settled(
                key,
                lambda: self._filled(
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
            return plain.value_at(path) or _constant(constant_at(path, module))
        top = module.scope
        binding = top.bound_once(node.id)
        if binding is None:
            return None
        if isinstance(binding.statement, (ast.FunctionDef, ast.ClassDef)):
            return FUNCTION
        return kinds_in(self._of_module).of_binding(node.id, binding)

    @property
    def _of_module(self) -> Resolver:
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
        return self._settled(
            (name, binding.statement), lambda: self._filled(self._bound(name, binding), name, scope)
        )

    def _settled(self, what: object, find: Callable[[], Known]) -> Known:
        """What ``find()`` gives, where that may ask for the same again."""
        key = (self.resolver.scope.node, what)
        if key in self._assumed:
            self._leaning_on.add(key)
            return self._assumed[key]
        self._assumed[key] = NOTHING
        try:
            for _ in range(_ROUNDS):
                found = find()
                if key not in self._leaning_on or found == self._assumed[key]:
                    return found
                self._assumed[key] = plain.joined(self._assumed[key], found)
                if self._assumed[key] is None:
                    return None
            return None
        finally:
            del self._assumed[key]
            self._leaning_on.discard(key)

    def _bound(self, name: str, binding: Binding) -> Known:
        statement = binding.statement
        match statement:
            case ast.arg():
                return self._given(name, statement)
            case ast.For(target=target, iter=iterated):
                return _at(plain.item_of(self.iterated(iterated)), target, name)
            case ast.Assign(targets=targets, value=value):
                found = self.of(value)
                ways = [_at(found, target, name) for target in targets if _names(target, name)]
                return plain.all_joined(ways)
            case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
                return self.of(value)
            case ast.AugAssign(op=op, value=value):
                return self._operation(op, self._any_of(name), self.of(value))
            case ast.withitem(context_expr=opened):
                return self._entered(opened)
            case ast.ExceptHandler():
                return Type("exception")
            case ast.FunctionDef() | ast.ClassDef():
                return FUNCTION
            case ast.Delete():
                return NOTHING
        return None

    def _any_of(self, name: str) -> Known:
        """What the name may be at any time."""
        bindings = self.resolver.scope.bindings[name]
        return self._settled(
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
            return self._settled(("given", name), lambda: self._passed(name, function))
        return None

    def _passed_by_another(
        self, name: str, function: FunctionNode, kinds: Mapping[str, Known]
    ) -> Known:
        """What the one call from another module passes for the parameter, or its default is."""
        if name in kinds:
            return kinds[name]
        value = default_of(name, function)
        return kinds_in(self._of_module).of(value) if value is not None else None

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
            return kinds_in(self._of_module).of(value) if value is not None else None
        where = self._at_call(call)
        return kinds_in(where).of(passed) if where is not None else None

    def _at_call(self, node: ast.AST) -> Resolver | None:
        """What knows the names of a place elsewhere in the file."""
        module = self.resolver.module
        around = [a for a in module.scope.ancestors(node) if isinstance(a, FUNCTIONS)]
        if not around:
            return self._of_module
        known = self.resolver.memory.inner.get(around[0])
        if known is None and len(around) == 1:
            known = self.resolver.inside(around[0])
        return known

    def _of_comprehension(self, name: str, owner: ast.AST) -> Known:
        found: list[Known] = []
        for generator in owner.generators:  # type: ignore[attr-defined]
            if _names(generator.target, name):
                item = plain.item_of(self.iterated(generator.iter))
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
                    self.of(owner) == Type("Pattern") or self.resolver.module.path_of(owner) == "re"
                )
                return Type("Match") if pattern else None
            case ast.Attribute(value=owner, attr="sort") if parent is not call:
                found = self.of(owner)
                if isinstance(found, Type) and found.name == "list":
                    gone_over = owner
        return plain.item_of(self.iterated(gone_over)) if gone_over is not None else None

    def _filled(self, kind: Known, name: str, scope: Scope) -> Known:
        """The kind of a collection with what the function itself puts into it."""
        if not isinstance(kind, Type) or not (kind.name in plain.COLLECTIONS or kind == DATA):
            return kind
        if kind.parts is not None and plain.is_deep(kind):
            return kind
        return self._with(kind, puts_of(name, scope, self._taker))

    def _taker(self, call: ast.Call) -> Taker:
        """Who the call gives its arguments to."""
        path = self.resolver.module.path_of(call.func)
        if path is not None:
            return Taker.FILE if plain.result_of(path, NOTHING) is not None else Taker.OTHERS
        if self.resolver.called(call) is not None:
            return Taker.FILE
        match call.func:
            case ast.Name():
                return (
                    Taker.FILE
                    if isinstance(self.resolver.value(call.func), Model)
                    else Taker.OTHERS
                )
            case ast.Attribute(value=owner, attr=method):
                return self._taking_method(self.of(owner), method)
        return Taker.OTHERS

    def _taking_method(self, owner: Known, method: str) -> Taker:
        if owner is None:
            return Taker.OTHERS
        known = isinstance(owner, (Manager, Rows)) and method in _GOING_OVER
        return Taker.NOBODY if known or owner == Type("str") else Taker.FILE

    def _with(self, kind: Type, puts: Puts) -> Known:
        given_away = puts.given_away
        if kind == DATA:
            spoiled = any(not plain.is_deep(self._put(each, kind)) for each in puts.put)
            return OWN if spoiled or given_away is not None else self._documents
        if given_away == 0 and kind.name != "tuple":
            return Type(kind.name)
        item, key = kind.item, kind.key
        for each in (each for each in puts.put if each.depth == 0):
            item = plain.joined(item, self._put(each, kind))
            key = plain.joined(key, self._put_key(each, kind))
        if puts.shared == 0 and kind.name not in {"tuple", "frozenset", ITERATOR}:
            item, key = self._shared(item), self._shared(key)
        item = self._open(item, [each for each in puts.put if each.depth > 0], puts)
        return Type(kind.name, item, key, kind.parts if item == kind.item else None)

    def _shared(self, item: Known) -> Known:
        """What a collection holds that the file fills under other names, too: there it gets data alone."""
        if not plain.is_deep(item) or self._documents != DATA:
            return None
        return plain.joined(item, DATA)

    def _open(self, item: Known, deeper: list[Put], puts: Puts) -> Known:
        """What is in there may be a collection that is filled in turn."""
        if not isinstance(item, Type) or item.name not in plain.COLLECTIONS:
            return item
        if puts.given_away is not None:
            return item if item.name == "tuple" and plain.is_deep(item) else Type(item.name)
        if puts.shared is not None:
            return item if plain.is_deep(item) and self._documents == DATA else Type(item.name)
        inner, key = item.item, item.key
        for each in (each for each in deeper if each.depth == 1):
            inner = plain.joined(inner, self._put(each, item))
            key = plain.joined(key, self._put_key(each, item))
        further = [replace(each, depth=each.depth - 1) for each in deeper if each.depth > 1]
        return Type(item.name, self._open(inner, further, puts), key)

    def _put(self, put: Put, into: Type) -> Known:
        """What comes into the collection."""
        if put.value is None:
            return None
        if not put.goes_over:
            return self.of(put.value)
        over = self.iterated(put.value)
        return plain.value_of(over) if into.name in plain.MAPPINGS else plain.item_of(over)

    def _put_key(self, put: Put, into: Type) -> Known:
        if put.key is not None:
            return self.of(put.key)
        merges = put.goes_over and put.value is not None and into.name in plain.MAPPINGS
        return plain.item_of(self.iterated(put.value)) if merges and put.value else NOTHING

    @property
    def _documents(self) -> Type:
        """What JSON columns and parsers give: data, unless the file may put anything else into it."""
        facts = self.resolver.memory.facts
        key = ("documents", self.resolver.module)
        if key not in facts:
            facts[key] = DATA  # for what is asked in between
            if any(map(self._spoils, walk(self.resolver.module.tree))):
                self._forget()
                facts[key] = OWN
        return facts[key]  # type: ignore[no-any-return]

    def _forget(self) -> None:
        """What was found while something was assumed that does not hold."""
        facts = self.resolver.memory.facts
        for kinds in facts.get("kinds", ()):
            kinds._known.clear()
            kinds.resolver.own.pop("returned", None)

    def _spoils(self, node: ast.AST) -> bool:
        """Does the node put something that is no data into a collection that may be a document's?"""
        match node:
            case ast.Assign(targets=targets, value=value):
                owners = [each.value for each in targets if isinstance(each, ast.Subscript)]
                given = [value]
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in FILLING:
                owners, given = [owner], [*node.args, *(k.value for k in node.keywords)]
            case _:
                return False
        resolver = self._at_call(node) if owners else None
        if resolver is None:
            return bool(owners)
        kinds = kinds_in(resolver)
        if all(plain.is_deep(kinds.of(value)) for value in given):
            return False
        return not all(map(kinds.is_alone, owners))

    def is_alone(self, collection: ast.expr) -> bool:
        """Is the collection one that only a name of this function, and its items, lead to?"""
        depth = 0
        while isinstance(collection, ast.Subscript):
            collection, depth = collection.value, depth + 1
        if not isinstance(collection, ast.Name) or self._inner_owner(collection) is not None:
            return False
        bindings = self.resolver.scope.bindings.get(collection.id, [])
        if not bindings or not all(self._makes_anew(each) for each in bindings):
            return False
        puts = puts_of(collection.id, self.resolver.scope, self._taker)
        ends = [end for end in (puts.shared, puts.given_away) if end is not None]
        return all(depth < end for end in ends)

    def _makes_anew(self, binding: Binding) -> bool:
        """Does the binding give the name a collection that nothing else has?"""
        displays = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
        value = binding.value if binding.position is None else None
        if isinstance(value, ast.Call):
            path = self.resolver.module.path_of(value.func) or ""
            name = value.func.id if isinstance(value.func, ast.Name) else ""
            builtin = name in plain.TYPES | {"sorted"} and self.resolver.module.is_builtin(name)
            return builtin or plain.constructor_of(path) is not None
        return isinstance(value, displays)

    # --- what is gone over ------------------------------------------------------------------------

    def iterated(self, node: ast.expr) -> Type | None:
        """The collection that going over the expression is like."""
        kind = self.of(node)
        match kind:
            case Rows() as rows:
                return Type("list", self._row(rows))
            case Manager(model=model):
                return Type("list", Row(model))
            case RawRows(model=None):
                return Type("list", Type("tuple", DATA))
            case RawRows(model=Model() as model):
                return Type("list", Row(model))
            case SchemaEditor(part="cursor"):
                return Type("list", Type("tuple", DATA))
            case Type():
                return kind
        return None

    def _row(self, rows: Rows) -> Known:
        if (row := row_of(rows)) is not None:
            return row
        if rows.has("dates", "datetimes"):
            return Type("datetime")
        last = next(step for step in reversed(rows.steps) if step.name in {"values", "values_list"})
        given = last.call.args if last.call else []
        names = [a.value if isinstance(a, ast.Constant) else None for a in given]
        parts = tuple(self._column(rows.model, name) for name in names)
        if None in parts or not (parts or self._has_plain_columns(rows.model)):
            return None
        keywords = {keyword.arg for keyword in (last.call.keywords if last.call else [])}
        if last.name == "values":
            return Type("dict", DATA, Type("str"))
        if "flat" in keywords:
            return parts[0] if parts else None
        if keywords:
            return OWN
        return Type("tuple", DATA, parts=parts or None)

    def _column(self, model: Model, name: object) -> Known:
        """A column in a row of values; None where code of the project may make it."""
        column = next((c for c in self._columns(model) or () if name in (c.name, c.attname)), None)
        if column is None:
            return DATA if self._has_plain_columns(model) or name in self._annotations else None
        found = DATA if column.target is not None else _KIND_OF_COLUMN.get(column.saved_as or "")
        return Type("str") if found is not None and found.name == "file" else found

    def _columns(self, model: Model) -> tuple[FieldState, ...] | None:
        state = self.resolver.state
        known = state.model(*model.key) if model.key and not model.real else None
        columns = possible_columns(state, known) if isinstance(known, ModelState) else None
        return None if columns is None or isinstance(columns, Unknown) else columns

    def _has_plain_columns(self, model: Model) -> bool:
        """Are all columns of Django's own classes, whose values are data?"""
        columns = self._columns(model)
        return columns is not None and all(column.saved_as is not None for column in columns)

    # --- attributes -------------------------------------------------------------------------------

    def _attribute(self, node: ast.Attribute) -> Known:
        if (path := self.resolver.module.path_of(node)) is not None:
            return plain.value_at(path) or _constant(constant_at(path, self.resolver.module))
        owner = self.of(node.value)
        match owner:
            case Row():
                return self.column_of(owner, node.attr)
            case Model():
                return self._of_model(owner, node.attr)
            case Type() if owner == FUNCTION and isinstance(node.value, ast.Name):
                if self.resolver.module.is_builtin(node.value.id):
                    return FUNCTION if plain.has_method(Type(node.value.id), node.attr) else None
                return self._of_class(node.value.id, node.attr)
            case Type():
                found = plain.attribute_of(owner, node.attr)
                return FUNCTION if found is None and plain.has_method(owner, node.attr) else found
        return self.resolver._attribute(owner, node.attr)

    def _of_class(self, owner: str, name: str) -> Known:
        """A constant of a class of the file."""
        binding = self.resolver.module.scope.bound_once(owner)
        known = binding is not None and isinstance(binding.statement, ast.ClassDef)
        if not known or owner in self.resolver.scope.bindings:
            return None
        return _constant(constant_in([owner, name], self.resolver.module))

    def _of_model(self, model: Model, name: str) -> Known:
        if name in {"DoesNotExist", "MultipleObjectsReturned", "__name__"}:
            return FUNCTION if name[0] != "_" else Type("str")
        return self.resolver._attribute(model, name)

    def column_of(self, row: Row, name: str) -> Known:
        """What an attribute of a row is: a column, the row or the rows that a relation leads to."""
        if self.sets_another(name):
            return None
        if name == "_state":
            return Type("state")
        if name == "pk":
            return DATA
        for column in self._columns(row.model) or ():
            if name in (column.name, column.attname):
                return self._value_of(column, name, row)
        found = self.resolver._attribute(row, name)
        if found is None and self._has_plain_columns(row.model) and name in self._annotations:
            return DATA
        if found is None and row.model.key is not None:
            one = one_pointing_to(self.resolver.state, row.model.key, name)
            return Row(Model(one)) if one else None
        return found

    def _value_of(self, column: FieldState, name: str, row: Row) -> Known:
        if column.target is not None:
            return self.resolver._attribute(row, name) if name == column.name else DATA
        found = _KIND_OF_COLUMN.get(column.saved_as or "")
        return self._documents if found == DATA else found

    def is_column(self, row: Row, name: str) -> bool:
        """Is it a column, or what a relation leads to, which only Django's own code fetches?"""
        if name in {"pk", "id"} or self.resolver._attribute(row, name) is not None:
            return True
        return any(
            name in (column.name, column.attname) and column.saved_as is not None
            for column in self._columns(row.model) or ()
        )

    def sets_another(self, name: str) -> bool:
        """Does the file give an attribute of the name a value that is not known to be data, or a row?"""
        own = self.resolver.own  # another call of the function may be given other things
        if "attributes" not in own:
            own["attributes"] = frozenset()  # for what is asked in between
            found = frozenset(self._names_of_unknown())
            if found:
                self._forget()
            own["attributes"] = found
        return name in own["attributes"]

    def _names_of_unknown(self) -> Iterator[str]:
        for node in walk(self.resolver.scope.node):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        if isinstance(target, ast.Attribute) and not self._is_storable(value):
                            yield target.attr
                        elif isinstance(target, (ast.Tuple, ast.List)):
                            inside = [n for n in walk(target) if isinstance(n, ast.Attribute)]
                            yield from (n.attr for n in inside if not plain.is_deep(self.of(value)))
                case ast.AnnAssign(target=ast.Attribute(attr=name), value=ast.expr() as value):
                    if not self._is_storable(value):
                        yield name
                case ast.Call(
                    func=ast.Name(id="setattr"), args=[_, ast.Constant(value=str(name)), value]
                ):
                    if not self._is_storable(value):
                        yield name
                case ast.For(target=ast.Attribute(attr=name)) | ast.withitem(
                    optional_vars=ast.Attribute(attr=name)
                ):
                    yield name

    def _is_storable(self, value: ast.expr) -> bool:
        found = self.of(value)
        return isinstance(found, Row) or found == EXPRESSION or plain.is_deep(found)

    @property
    def _annotations(self) -> frozenset[str]:
        return _annotations_of(self.resolver.module.tree)

    def is_quiet_row(self, row: Row) -> bool:
        """Is a row of the class compared, printed and read by Django's own code alone?"""
        names = self._names_of_bases(row)
        return names is not None and not any(name.startswith("__") for name in names)

    def is_plain_row(self, row: Row) -> bool:
        """Does no code of the project run whichever attribute is read or set?"""
        return self._names_of_bases(row) == frozenset()

    def is_own_attribute(self, row: Row, name: str) -> bool:
        """Does no code of the project run when the attribute is read or set?"""
        names = self._names_of_bases(row)
        return self.is_quiet_row(row) and names is not None and name not in names

    def _names_of_bases(self, row: Row) -> frozenset[str] | None:
        """What the classes of the project among the bases define; None where they are not known."""
        state = self.resolver.state
        model = state.model(*row.model.key) if row.model.key and not row.model.real else None
        parents = state.parents(model) if isinstance(model, ModelState) else None
        if parents is None or isinstance(parents, Unknown):
            return None
        bases = {base for each in (model, *parents) for base in each.bases}  # type: ignore[union-attr]
        own = [
            state.base_class(base)
            for base in bases
            if isinstance(base, str) and base != "django.db.models.Model"
        ]
        doubted = any(each.doubt for each in own) or any(isinstance(b, Unknown) for b in bases)
        return None if doubted else frozenset(name for each in own for name in each.names)

    # --- items and calls --------------------------------------------------------------------------

    def _subscript(self, node: ast.Subscript) -> Known:
        owner = self.of(node.value)
        match owner, node.slice:
            case Type(), ast.Slice():
                sliced = owner.name in {"str", "bytes", "list", "tuple", "range"} or owner == DATA
                return replace(owner, parts=None) if sliced else None
            case Type() | Pair(), ast.Constant(value=int(index)):
                return plain.part_of(owner, index)
            case Type() | Pair(), _:
                return plain.value_of(owner)
            case Rows() | Manager(), _:
                return plain.item_of(self.iterated(node.value))
        return None

    def _call(self, call: ast.Call) -> Known:
        module = self.resolver.module
        path = module.path_of(call.func)
        if path is not None and (found := self._imported(path, call)) is not None:
            return found
        if isinstance(model := self.resolver.value(call.func), Model):
            return Row(model)
        if (called := self.resolver.called(call)) is not None:
            return self._returned(*called)
        if path is not None:
            return None
        match call.func:
            case ast.Name(id=name) if module.is_builtin(name):
                return self._builtin(name, call)
            case ast.Attribute(value=owner, attr=method):
                return self._method(self.of(owner), method, call)
        return None

    def _imported(self, path: str, call: ast.Call) -> Known:
        if (name := plain.constructor_of(path)) is not None:
            return self._constructed(name, call)
        if path == "collections.namedtuple":
            return None
        if path.startswith("itertools."):
            return Type(SUSPENDED, self._over(path, call))
        if path in {"json.loads", "json.load"} and call.keywords:
            return None  # functions may make what is returned
        found = plain.result_of(path, self.of(call.args[0]) if call.args else None)
        return self._documents if found == DATA else found

    def _over(self, path: str, call: ast.Call) -> Known:
        over = {
            "itertools.islice",
            "itertools.chain",
            "itertools.cycle",
            "itertools.chain.from_iterable",
        }
        if path == "itertools.count":
            return Type("number")
        if path not in over or not call.args:
            return None
        given = [
            plain.item_of(self.iterated(a)) for a in call.args[: 1 if "islice" in path else None]
        ]
        found = plain.all_joined(given)
        return plain.item_of(found) if path.endswith("from_iterable") else found

    def _constructed(self, name: str, call: ast.Call) -> Known:
        args = call.args
        if name == "defaultdict":
            made = self._factory(args[0]) if args else NOTHING
            if made is None:
                return None  # ``counts[key]`` calls it
            more = len(args) > 1 or call.keywords
            return Type(name) if more else Type(name, made, NOTHING)
        if not args and not call.keywords:
            return Type(name, NOTHING, NOTHING)
        if len(args) != 1 or call.keywords:
            return Type(name, None, None)
        over = self.iterated(args[0])
        if name == "Counter":
            return Type(name, Type("int"), plain.item_of(over))
        if name == "deque":
            return Type(name, plain.item_of(over))
        return self._mapping(name, over)

    def _factory(self, node: ast.expr) -> Known:
        """What ``defaultdict(list)`` makes."""
        match node:
            case ast.Constant(value=None):
                return NOTHING
            case ast.Name(id=name) if self.resolver.module.is_builtin(name):
                return self._builtin(name, ast.Call(node, [], []))
            case ast.Lambda(body=ast.Constant() | ast.List() | ast.Dict() | ast.Set() as body):
                return self.of(body)
            case ast.Lambda(body=ast.Call(func=called, args=args)) if all(
                isinstance(each, ast.Name) and self.resolver.module.is_builtin(each.id)
                for each in args
            ):
                made = self._factory(called) if not args else self.of(node.body)
                return made if isinstance(made, Type) and made.name in plain.COLLECTIONS else None
        path = self.resolver.module.path_of(node)
        kind = plain.constructor_of(path) if path else None
        return Type(kind, NOTHING, NOTHING) if kind and kind != "defaultdict" else None

    def _mapping(self, name: str, over: Type | None) -> Known:
        if over is None:
            return Type(name)
        if over.name in {"dict", "defaultdict", "Counter", "OrderedDict"}:
            return Type(name, plain.value_of(over), over.key)
        pair = plain.item_of(over)
        return Type(name, plain.part_of(pair, 1), plain.part_of(pair, 0))

    def _builtin(self, name: str, call: ast.Call) -> Known:
        args = call.args
        first = self.iterated(args[0]) if args and not isinstance(args[0], ast.Starred) else None
        match name:
            case "list" | "tuple" | "set" | "frozenset" | "sorted":
                item = plain.item_of(first) if args else NOTHING
                return Type("list" if name == "sorted" else name, item)
            case "dict":
                return self._dict_call(call, first)
            case "min" | "max" | "next":
                return self._one_of(name, call, first)
            case "getattr":
                return self._getattr(call)
            case "map" | "filter":
                over = self.iterated(args[1]) if len(args) == 2 else None
                return Type(
                    SUSPENDED, plain.item_of(over) if name == "filter" else self._mapped(args)
                )
            case "enumerate" | "zip" | "reversed" | "iter":
                return self._iterator(name, args)
        if name == "sum" and args:
            item = plain.item_of(first)
            return Type("number") if plain.is_deep(item) else None
        return plain.result_of_builtin(name)

    def _dict_call(self, call: ast.Call, first: Type | None) -> Known:
        named = plain.all_joined([self.of(keyword.value) for keyword in call.keywords])
        keys = Type("str") if call.keywords else NOTHING
        if any(keyword.arg is None for keyword in call.keywords):
            return Type("dict")
        if not call.args:
            return Type("dict", named, keys)
        found = self._mapping("dict", first)
        return plain.joined(found, Type("dict", named, keys))

    def _mapped(self, args: list[ast.expr]) -> Known:
        match args:
            case [ast.Lambda(body=body), _]:
                return self.of(body)
            case [ast.Name(id=name), _] if self.resolver.module.is_builtin(name):
                return plain.result_of_builtin(name)
        return None

    def _one_of(self, name: str, call: ast.Call, first: Type | None) -> Known:
        defaults = [self.of(k.value) for k in call.keywords if k.arg == "default"]
        if name == "next":
            defaults = [self.of(each) for each in call.args[1:]]
        elif len(call.args) > 1:
            return plain.all_joined([*map(self.of, call.args), *defaults])
        return plain.all_joined([plain.item_of(first), *defaults])

    def _getattr(self, call: ast.Call) -> Known:
        if len(call.args) < 2:
            return None
        owner = self.of(call.args[0])
        turns = self.resolver.in_each_turn(call)
        names = [turn.literal(call.args[1], call) for turn in turns]
        if not isinstance(owner, Row) or None in names:
            return None
        found = [self.column_of(owner, name) for name in names if name is not None]
        return plain.all_joined([*found, *map(self.of, call.args[2:])])

    def _iterator(self, name: str, args: list[ast.expr]) -> Known:
        over = [self.iterated(a) for a in args[: 1 if name != "zip" else None]]
        runs = any(o is None or o.name == SUSPENDED for o in over)
        runs = runs or any(isinstance(self.of(a), (Rows, Manager, RawRows)) for a in args)
        items = [plain.item_of(o) for o in over]
        kind = SUSPENDED if runs else ITERATOR
        if name == "enumerate" and items:
            return Type(kind, Type("tuple", parts=(Type("int"), items[0])))
        if name == "zip":
            return Type(kind, Type("tuple", parts=tuple(items)))
        return Type(kind, items[0]) if len(args) == 1 else Type(SUSPENDED)

    def _method(self, owner: Known, method: str, call: ast.Call) -> Known:
        match owner:
            case Type():
                found = plain.method_of(owner, method)
                if method in {"get", "pop", "setdefault"} and len(call.args) > 1:
                    found = plain.joined(found, self.of(call.args[1]))
                if isinstance(found, Type) and found.name == "set" and method == "union":
                    return OWN
                return found
            case Manager(model=model) | Rows(manager=Manager(model=model)):
                return self._of_query(owner, model, method)
            case Row() if method == "serializable_value" or method.startswith("get_"):
                return DATA if method.endswith(("_display", "_value")) else None
            case SchemaEditor(part="cursor") if method == "fetchone":
                return Type("tuple", DATA)
        return self.resolver._method(owner, method, call, call)

    def _of_query(self, owner: Manager | Rows, model: Model, method: str) -> Known:
        rows = Rows(owner) if isinstance(owner, Manager) else owner
        match method:
            case "count" | "update":
                return Type("int")
            case "exists" | "contains":
                return Type("bool")
            case "aggregate":
                return Type("dict", DATA, Type("str")) if self._has_plain_columns(model) else None
            case "in_bulk":
                return Type("dict", Row(model), DATA)
            case "bulk_create":
                return Type("list", Row(model))
            case "delete":
                return DATA
            case "get" | "first" | "last" | "earliest" | "latest":
                return self._row(rows)
        return None

    def _returned(self, function: FunctionNode, inside: Resolver) -> Known:
        """What a function of the project gives."""
        if "returned" not in inside.own:
            kinds = kinds_in(inside)
            found = kinds._settled("returned", lambda: kinds.of_result(function))
            if self._leaning_on or self._memory.is_cut:
                return found
            inside.own["returned"] = found
        return inside.own["returned"]  # type: ignore[no-any-return]

    def of_result(self, function: FunctionNode) -> Known:
        """What the function, whose names this knows, returns."""
        if isinstance(function, ast.Lambda):
            return self._kept(function.body)
        body = [node for child in function.body for node in walk_scope(child)]
        if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in body):
            items = [
                self.of(n.value) if n.value else NOTHING for n in body if isinstance(n, ast.Yield)
            ]
            more = any(isinstance(node, ast.YieldFrom) for node in body)
            return Type(SUSPENDED, None if more else plain.all_joined(items))
        if isinstance(function, ast.AsyncFunctionDef) or function.decorator_list:
            return None
        returned = [n.value for n in body if isinstance(n, ast.Return) and n.value is not None]
        return plain.all_joined([self._kept(value) for value in returned])

    def _kept(self, value: ast.expr) -> Known:
        """What is returned, where the one who gets it may fill it, too, or others hold it."""
        found = self.of(value)
        if not isinstance(found, Type):
            return found
        if found.name == SUSPENDED or (isinstance(value, ast.Lambda)):
            return None
        return (
            found
            if plain.is_deep(found) or found.name not in plain.COLLECTIONS
            else Type(found.name)
        )


def _constant(value: object) -> Known:
    return None if value is UNKNOWN else DATA


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


@lru_cache(maxsize=256)
def _annotations_of(tree: ast.Module) -> frozenset[str]:
    """The names that queries of the file give to what they compute."""
    return frozenset(
        keyword.arg
        for node in walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"annotate", "aggregate"}
        for keyword in node.keywords
        if keyword.arg
    )
