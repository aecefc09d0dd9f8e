"""What a call gives: of Python, of a query, of a function of the project."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from migfix.reading.kinds import plain
from migfix.reading.kinds.plain import (
    DATA,
    ITERATOR,
    NOTHING,
    OWN,
    SUSPENDED,
    Known,
    Type,
)
from migfix.reading.kinds.values import Manager, Model, RawRows, Row, Rows, SchemaEditor
from migfix.reading.names.scopes import (
    FunctionNode,
    walk_scope,
)
from migfix.reading.rows.querysets import Resolver

if TYPE_CHECKING:
    from migfix.reading.kinds.inferring import Kinds


class Calls:
    """The kinds of what the calls of one function give."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.resolver = kinds.resolver

    def of_call(self, call: ast.Call) -> Known:
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
                return self._method(self.kinds.of(owner), method, call)
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
        found = plain.result_of(path, self.kinds.of(call.args[0]) if call.args else None)
        return self.kinds.filling.documents if found == DATA else found

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
            plain.item_of(self.kinds.rows.iterated(a))
            for a in call.args[: 1 if "islice" in path else None]
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
        over = self.kinds.rows.iterated(args[0])
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
                return self.kinds.of(body)
            case ast.Lambda(body=ast.Call(func=called, args=args)) if all(
                isinstance(each, ast.Name) and self.resolver.module.is_builtin(each.id)
                for each in args
            ):
                made = self._factory(called) if not args else self.kinds.of(node.body)
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
        first = (
            self.kinds.rows.iterated(args[0])
            if args and not isinstance(args[0], ast.Starred)
            else None
        )
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
                over = self.kinds.rows.iterated(args[1]) if len(args) == 2 else None
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
        named = plain.all_joined([self.kinds.of(keyword.value) for keyword in call.keywords])
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
                return self.kinds.of(body)
            case [ast.Name(id=name), _] if self.resolver.module.is_builtin(name):
                return plain.result_of_builtin(name)
        return None

    def _one_of(self, name: str, call: ast.Call, first: Type | None) -> Known:
        defaults = [self.kinds.of(k.value) for k in call.keywords if k.arg == "default"]
        if name == "next":
            defaults = [self.kinds.of(each) for each in call.args[1:]]
        elif len(call.args) > 1:
            return plain.all_joined([*map(self.kinds.of, call.args), *defaults])
        return plain.all_joined([plain.item_of(first), *defaults])

    def _getattr(self, call: ast.Call) -> Known:
        if len(call.args) < 2:
            return None
        owner = self.kinds.of(call.args[0])
        turns = self.resolver.in_each_turn(call)
        names = [turn.literal(call.args[1], call) for turn in turns]
        if not isinstance(owner, Row) or None in names:
            return None
        found = [self.kinds.rows.column_of(owner, name) for name in names if name is not None]
        return plain.all_joined([*found, *map(self.kinds.of, call.args[2:])])

    def _iterator(self, name: str, args: list[ast.expr]) -> Known:
        over = [self.kinds.rows.iterated(a) for a in args[: 1 if name != "zip" else None]]
        runs = any(o is None or o.name == SUSPENDED for o in over)
        runs = runs or any(isinstance(self.kinds.of(a), (Rows, Manager, RawRows)) for a in args)
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
                    found = plain.joined(found, self.kinds.of(call.args[1]))
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
                return (
                    Type("dict", DATA, Type("str"))
                    if self.kinds.rows.has_plain_columns(model)
                    else None
                )
            case "in_bulk":
                return Type("dict", Row(model), DATA)
            case "bulk_create":
                return Type("list", Row(model))
            case "delete":
                return DATA
            case "get" | "first" | "last" | "earliest" | "latest":
                return self.kinds.rows.row(rows)
        return None

    def _returned(self, function: FunctionNode, inside: Resolver) -> Known:
        """What a function of the project gives."""
        if "returned" not in inside.own:
            kinds = self.kinds.elsewhere(inside)
            found = kinds.settled("returned", lambda: kinds.calls.of_result(function))
            if self.kinds.leaning_on or self.kinds.memory.is_cut:
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
                self.kinds.of(n.value) if n.value else NOTHING
                for n in body
                if isinstance(n, ast.Yield)
            ]
            more = any(isinstance(node, ast.YieldFrom) for node in body)
            return Type(SUSPENDED, None if more else plain.all_joined(items))
        if isinstance(function, ast.AsyncFunctionDef) or function.decorator_list:
            return None
        returned = [n.value for n in body if isinstance(n, ast.Return) and n.value is not None]
        return plain.all_joined([self._kept(value) for value in returned])

    def _kept(self, value: ast.expr) -> Known:
        """What is returned, where the one who gets it may fill it, too, or others hold it."""
        found = self.kinds.of(value)
        if not isinstance(found, Type):
            return found
        if found.name == SUSPENDED or (isinstance(value, ast.Lambda)):
            return None
        return (
            found
            if plain.is_deep(found) or found.name not in plain.COLLECTIONS
            else Type(found.name)
        )
