"""Whether a file may put anything but data into a collection that it knows by several names, such as a document.

Where it may, what such a collection holds is not known. All ways to change one of Python's own collections count:
https://docs.python.org/3/library/stdtypes.html and https://docs.python.org/3/library/collections.html
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from migfix.reading.kinds import known, plain
from migfix.reading.kinds.puts import LEAVING, Taker, assigned_to, operands_of, puts_of, stored_by
from migfix.reading.kinds.values import Apps, Manager, Model, Row, Rows, SchemaEditor, Value
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import FUNCTIONS, Binding

if TYPE_CHECKING:
    from migfix.reading.kinds.inferring import Kinds

_CLASSES = (list, dict, set, deque, defaultdict, OrderedDict, Counter)
_UNCHANGED = {*dir(tuple), *dir(frozenset)} - {"__init__", "__setattr__"}
# Every method of a collection that may put something into it.
_CHANGING = frozenset(name for each in _CLASSES for name in dir(each)) - _UNCHANGED - LEAVING
# Attributes that say what a collection holds.
_HOLDING = frozenset({"default_factory", "__dict__", "__class__"})
_ASKING = frozenset({"isinstance", "issubclass", "callable", "id", "type"})
_BY_NAME = frozenset({"getattr", "setattr"})


def is_spoiled(nodes: Iterable[ast.AST], kinds: Kinds) -> bool:
    """Does any of the nodes, those of the file, put something that is no data into such a collection?"""
    return any(_spoils(node, kinds) for node in nodes)


def _spoils(node: ast.AST, kinds: Kinds) -> bool:
    module = kinds.resolver.module
    match node:
        case ast.Subscript(value=owner, ctx=ast.Store()):
            puts = [each.value for each in stored_by(node, 0, module.scope)]
            return _puts(owner, puts, node, kinds) or _stores(
                owner, [*puts, node.slice], node, kinds
            )
        case ast.AugAssign(target=ast.Name() | ast.Attribute() as owner, value=value):
            return _puts(owner, [value], node, kinds) or _operates(node, kinds)
        case ast.Attribute(value=owner, attr=name, ctx=ast.Store()):
            if name in _HOLDING or _is_own_instance(owner, module):
                return name in _HOLDING
            return _stores(owner, [assigned_to(node, module.scope)], node, kinds)
        case ast.Attribute(value=owner, attr=method) if method in _CHANGING:
            call = module.scope.parents.get(node)
            if isinstance(call, ast.Call) and call.func is node:
                given = [*call.args, *(keyword.value for keyword in call.keywords)]
                return _puts(owner, given, node, kinds)
            return module.path_of(node) is None and _puts(owner, [None], node, kinds)
        case ast.Call(func=ast.Name(id=name), args=[owner, given, *put]) if name in _BY_NAME:
            text = given.value if isinstance(given, ast.Constant) else None
            changes = not isinstance(text, str) or text in _CHANGING | _HOLDING
            changes = changes and _puts(owner, [None], node, kinds)
            return changes or (name == "setattr" and _stores(owner, put, node, kinds))
    return _gives_away(node, kinds)


def _gives_away(node: ast.AST, kinds: Kinds) -> bool:
    """Does code that is not known get hold of a collection, and so may put anything there?"""
    module = kinds.resolver.module
    match node:
        case ast.Call():
            return _hands_on(node, kinds)
        case ast.AugAssign() | ast.BinOp() | ast.Compare():
            return _operates(node, kinds)
        case ast.Subscript(value=owner, slice=index):
            return _stores(owner, [index], node, kinds)
        case ast.FunctionDef(decorator_list=others) | ast.AsyncFunctionDef(decorator_list=others):
            return any(_is_unknown_function(each, module) for each in others)
        case ast.ClassDef(keywords=given, decorator_list=others):
            return bool(given or others)
        case ast.MatchClass(cls=others):
            return not (isinstance(others, ast.Name) and module.is_builtin(others.id))
    return False


def _is_own_instance(owner: ast.expr, module: Module) -> bool:
    """Is it the ``self`` of a class of the file, or of Python's own, whose attributes are set without other code?"""
    around = list(module.scope.ancestors(owner))
    inside = next((each for each in around if isinstance(each, FUNCTIONS)), None)
    defined = module.scope.parents.get(inside) if inside is not None else None
    if not isinstance(inside, ast.FunctionDef) or not isinstance(defined, ast.ClassDef):
        return False
    first = inside.args.args[:1]
    own = isinstance(owner, ast.Name) and [each.arg for each in first] == [owner.id]
    return own and all(_is_plain_base(base, module) for base in defined.bases)


def _is_plain_base(base: ast.expr, module: Module) -> bool:
    path = module.path_of(base)
    if path is not None:
        return _is_trusted(path)
    return isinstance(base, ast.Name) and module.is_builtin(base.id)


def _is_unknown_function(node: ast.expr, module: Module) -> bool:
    """Is it imported from where anything may stand?"""
    path = module.path_of(node.func if isinstance(node, ast.Call) else node)
    return path is not None and not _is_trusted(path)


def _hands_on(call: ast.Call, kinds: Kinds) -> bool:
    """Does code that is not known get a collection, or what leads to one, or code of a module something to put there?

    ``fill(rows)``, ``operator.setitem(rows, 0, value)``, ``methodcaller("append", value)(rows)``
    """
    given = [each.value if isinstance(each, ast.Starred) else each for each in call.args]
    given += [keyword.value for keyword in call.keywords]
    if not given:
        return False
    module = kinds.resolver.module
    if isinstance(call.func, ast.Name) and module.is_builtin(call.func.id):
        calls = call.func.id not in _ASKING
        return calls and any(_is_unknown_function(each, module) for each in given)
    resolver = kinds.names.at_call(call)
    if resolver is None:
        return any(not isinstance(each, ast.Constant) for each in given)
    here = kinds.elsewhere(resolver)
    called = resolver.called(call)
    if called is not None and called[1].module is resolver.module:
        return False  # what it does is looked at where it stands
    if isinstance(call.func, ast.Attribute) and here.of(call.func.value) is not None:
        return False  # what Python's own put in is met where that is asked for
    if isinstance(resolver.value(call.func), Model):
        return False
    path = resolver.module.path_of(call.func)
    if path is not None and _is_trusted(path):
        if here.filling.taker(call) is not Taker.OTHERS or all(
            plain.is_deep(here.of(each)) for each in given
        ):
            return False
        return any(_is_collection(here.of(e)) and not _is_alone_or_new(e, here) for e in given)
    return any(_may_lead_to_one(each, here) for each in given)


def _is_trusted(path: str) -> bool:
    """Is it code of Python or Django, which puts nothing in that it was not given?"""
    top = path.partition(".")[0]
    return (
        top in sys.stdlib_module_names
        or top == "django"
        or known.is_pure(path)
        or known.hands_on(path)
    )


def _is_collection(kind: object) -> bool:
    """Of what is asked for just now, nothing is known yet: that is one of which it matters."""
    return isinstance(kind, plain.Type) and (
        kind.name in plain.COLLECTIONS or kind in (plain.DATA, plain.NOTHING)
    )


def _is_alone_or_new(value: ast.expr, kinds: Kinds) -> bool:
    return is_alone(value, kinds) or _is_new(value, 1, kinds)


def _may_lead_to_one(value: ast.expr, kinds: Kinds) -> bool:
    """May the value be a collection that others have, or an object that knows one?"""
    if isinstance(value, ast.Constant) or _is_alone_or_new(value, kinds):
        return False
    kind = kinds.of(value)
    if isinstance(kind, plain.Type):
        return not (kind.name in plain.SCALARS or kind == plain.EXPRESSION)
    return not isinstance(kind, (Apps, SchemaEditor, Model, Manager))


def _operates(node: ast.AST, kinds: Kinds) -> bool:
    """Does an operator give a collection to a method of an object that is not known?"""
    operands = operands_of(node)
    if not operands:
        return False
    resolver = kinds.names.at_call(node)
    if resolver is None:
        return not all(isinstance(each, ast.Constant) for each in operands[1:])
    here = kinds.elsewhere(resolver)
    return not all(map(here.filling.is_own, operands)) and any(
        _may_lead_to_one(each, here) for each in operands
    )


def _stores(owner: ast.expr, given: Sequence[ast.expr | None], at: ast.AST, kinds: Kinds) -> bool:
    """Does an object that is not known get a collection, by its item or attribute? ``thing[0] = rows``"""
    resolver = kinds.names.at_call(at)
    if resolver is None:
        return True
    here = kinds.elsewhere(resolver)
    return here.of(owner) is None and any(
        each is None or (_may_lead_to_one(each, here) and not isinstance(here.of(each), Row))
        for each in given
    )


def _puts(owner: ast.expr, given: Sequence[ast.expr | None], at: ast.AST, kinds: Kinds) -> bool:
    """May it be no data that is put into a collection which others may have, too? None is anything."""
    resolver = kinds.names.at_call(at)
    if resolver is None:
        return True
    here = kinds.elsewhere(resolver)
    if all(value is not None and plain.is_deep(here.of(value)) for value in given):
        return False
    return not _is_query(resolver.value(owner, at)) and not is_alone(owner, here)


def _is_query(owner: Value) -> bool:
    return isinstance(owner, Manager) or (isinstance(owner, Rows) and not owner.has("list()"))


def is_alone(collection: ast.expr, kinds: Kinds) -> bool:
    """Is the collection one that only a name of this function, and its items, lead to?"""
    depth = 0
    while isinstance(collection, ast.Subscript):
        collection, depth = collection.value, depth + 1
    if not isinstance(collection, ast.Name) or kinds.names.inner_owner(collection) is not None:
        return False
    scope = kinds.resolver.scope
    bindings = scope.bindings.get(collection.id, [])
    if not bindings or not all(_binds_new(each, depth, kinds) for each in bindings):
        return False
    puts = puts_of(collection.id, scope, kinds.filling.taker)
    ends = [end for end in (puts.shared, puts.given_away) if end is not None]
    outside = [each for each in puts.put if each.depth < depth]
    return all(depth < end for end in ends) and all(
        each.value is not None
        and not each.goes_over
        and _is_new(each.value, depth - each.depth - 1, kinds)
        for each in outside
    )


def _binds_new(binding: Binding, depth: int, kinds: Kinds) -> bool:
    """Does the binding give the name a collection that nothing else has, nor what is in there to that depth?"""
    if isinstance(binding.statement, ast.AugAssign):  # the same one still
        return True
    value = binding.value if binding.position is None else None
    return value is not None and _is_new(value, depth, kinds)


def _is_new(value: ast.expr, depth: int, kinds: Kinds) -> bool:
    if isinstance(value, ast.Call):
        return _makes_new(value, depth, kinds)
    inside = _inside(value)
    if inside is None:
        return False
    return depth == 0 or all(_is_new_item(each, depth - 1, kinds) for each in inside)


def _is_new_item(value: ast.expr, depth: int, kinds: Kinds) -> bool:
    return isinstance(value, (ast.Constant, ast.JoinedStr)) or _is_new(value, depth, kinds)


def _inside(value: ast.expr) -> list[ast.expr] | None:
    """What a display holds."""
    match value:
        case ast.List(elts=elements) | ast.Set(elts=elements) | ast.Tuple(elts=elements):
            return elements
        case ast.Dict(values=elements):
            return elements
        case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.DictComp(value=element):
            return [element]
    return None


def _makes_new(call: ast.Call, depth: int, kinds: Kinds) -> bool:
    module = kinds.resolver.module
    path = module.path_of(call.func) or ""
    if not (_is_class(call.func, module) or plain.constructor_of(path) is not None):
        return False
    if depth == 0 or not (call.args or call.keywords):
        return True
    made = plain.constructor_of(path) == "defaultdict" and len(call.args) == 1 and not call.keywords
    return made and _makes_values_new(call.args[0], depth - 1, kinds)


def _is_class(function: ast.expr, module: Module) -> bool:
    name = function.id if isinstance(function, ast.Name) else ""
    return name in plain.TYPES | {"sorted"} and module.is_builtin(name)


def _makes_values_new(factory: ast.expr, depth: int, kinds: Kinds) -> bool:
    """Does the factory of a ``defaultdict`` make each of its values anew?"""
    if isinstance(factory, ast.Lambda):
        return _is_new_item(factory.body, depth, kinds)
    return _is_class(factory, kinds.resolver.module)
