"""Whether code that is not known gets hold of an object, by any way of Python's: a call, an operator, an item, a decorator.

What is looked for is ``Sought``: the collections of a file, or its rows.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migfix.reading.kinds import known, plain
from migfix.reading.kinds.loggers import is_logger
from migfix.reading.kinds.puts import Taker, operands_of
from migfix.reading.kinds.values import Model
from migfix.reading.names.module import Module
from migfix.reading.names.scopes import FUNCTIONS

if TYPE_CHECKING:
    from migfix.reading.kinds.inferring import Kinds
    from migfix.reading.rows.querysets import Resolver

_ASKING = frozenset({"isinstance", "issubclass", "callable", "id", "type"})
_CALLING_FIRST = frozenset({"filter", "iter", "map"})


@dataclass(frozen=True)
class Sought:
    """``may_lead``: may a value be such an object, or lead to one? ``is_one``: is it surely one that others have?

    ``is_kept``: does it matter where an object that is not known keeps it as an attribute or item?
    """

    may_lead: Callable[[ast.expr, Kinds], bool]
    is_one: Callable[[ast.expr, Kinds], bool]
    is_kept: Callable[[ast.expr, Kinds], bool]


def gives_away(node: ast.AST, kinds: Kinds, sought: Sought) -> bool:
    """Does the node, of wherever in the file, give code that is not known such an object?"""
    module = kinds.resolver.module
    match node:
        case ast.Call():
            return _hands_on(node, kinds, sought)
        case ast.AugAssign() | ast.BinOp() | ast.Compare():
            return operates(node, kinds, sought)
        case ast.Subscript(value=owner, slice=index):
            return stores(owner, [index], node, kinds, sought)
        case ast.FunctionDef(decorator_list=others) | ast.AsyncFunctionDef(decorator_list=others):
            return any(_is_unknown_function(each, module) for each in others)
        case ast.ClassDef(keywords=given, decorator_list=others):
            return bool(given or others)
        case ast.MatchClass(cls=others):
            return not (isinstance(others, ast.Name) and module.is_builtin(others.id))
    return False


def _hands_on(call: ast.Call, kinds: Kinds, sought: Sought) -> bool:
    """Does code that is not known get such an object, or what leads to one, or code of a module something to put there?

    ``fill(rows)``, ``operator.setitem(rows, 0, value)``, ``methodcaller("append", value)(rows)``
    """
    given = [each.value if isinstance(each, ast.Starred) else each for each in call.args]
    given += [keyword.value for keyword in call.keywords]
    if not given:
        return False
    if _is_of_python(call.func, kinds):
        calls = isinstance(call.func, ast.Name) and call.func.id not in _ASKING
        unknown = any(_is_unknown_function(e, kinds.resolver.module) for e in given)
        return calls and (unknown or _calls_unknown(call, given, kinds, sought))
    resolver = _known_at(call, kinds)
    if resolver is None:
        on_known = isinstance(call.func, ast.Attribute) and _is_known_around(
            call.func.value, call, kinds
        )
        return not on_known and any(not isinstance(each, ast.Constant) for each in given)
    here = kinds.elsewhere(resolver)
    called = resolver.called(call)
    if called is not None and called[1].module is resolver.module:
        return False  # what it does is looked at where it stands
    if _is_defined_here(call.func, resolver):
        return False  # so is that
    if isinstance(call.func, ast.Attribute):
        owner = call.func.value
        if here.of(owner) is not None or is_logger(owner, resolver):
            return False  # what Python's own put in is met where that is asked for
    if isinstance(resolver.value(call.func), Model):
        return False
    path = resolver.module.path_of(call.func)
    if path is not None and is_trusted(path):
        if here.filling.taker(call) is not Taker.OTHERS or all(
            plain.is_deep(here.of(each)) for each in given
        ):
            return False
        return any(sought.is_one(each, here) for each in given)
    return any(sought.may_lead(each, here) for each in given)


def _known_at(node: ast.AST, kinds: Kinds) -> Resolver | None:
    """What knows the names of the place: this function's own, as it is called just now, or that of another one."""
    scope = kinds.resolver.scope
    around = (each for each in scope.ancestors(node) if isinstance(each, FUNCTIONS))
    return kinds.resolver if next(around, None) is scope.node else kinds.names.at_call(node)


def _is_defined_here(called: ast.expr, resolver: Resolver) -> bool:
    """Is it a function that this one defines, and nothing else?"""
    name = called.id if isinstance(called, ast.Name) else ""
    bound = [each.statement for each in resolver.scope.bindings.get(name, [])]
    return bool(bound) and all(
        isinstance(each, ast.FunctionDef) and not each.decorator_list for each in bound
    )


def _is_of_python(function: ast.expr, kinds: Kinds) -> bool:
    module = kinds.resolver.module
    return isinstance(function, ast.Name) and module.is_builtin(function.id)


def _calls_unknown(call: ast.Call, given: Sequence[ast.expr], kinds: Kinds, sought: Sought) -> bool:
    """``map(fill, rows)``, ``sorted(rows, key=thing.of)``: with a function that may be any"""
    functions = [keyword.value for keyword in call.keywords if keyword.arg == "key"]
    if isinstance(call.func, ast.Name) and call.func.id in _CALLING_FIRST:
        functions += call.args[:1]
    resolver = _known_at(call, kinds) if functions else None
    if resolver is None:
        return bool(functions)
    here = kinds.elsewhere(resolver)
    others = [each for each in given if each not in functions]
    return any(here.of(each) is None for each in functions) and any(
        sought.is_kept(each, here) for each in others
    )


def _is_unknown_function(node: ast.expr, module: Module) -> bool:
    """Is it imported from where anything may stand?"""
    path = module.path_of(node.func if isinstance(node, ast.Call) else node)
    return path is not None and not is_trusted(path)


def is_trusted(path: str) -> bool:
    """Is it code of Python or Django, which puts nothing in that it was not given?"""
    top = path.partition(".")[0]
    return (
        top in sys.stdlib_module_names
        or top == "django"
        or known.is_pure(path)
        or known.hands_on(path)
    )


def operates(node: ast.AST, kinds: Kinds, sought: Sought) -> bool:
    """Does an operator give such an object to a method of an object that is not known?"""
    operands = operands_of(node)
    resolver = _known_at(node, kinds) if operands else None
    if not operands:
        return False
    if resolver is None:
        return sum(_may_take_part(each, node, kinds, sought) for each in operands) > 1
    here = kinds.elsewhere(resolver)
    unknown = [each for each in operands if not here.filling.is_own(each)]
    return any(
        sought.may_lead(each, here) and any(other is not each for other in unknown)
        for each in operands
    )


def _may_take_part(operand: ast.expr, at: ast.AST, kinds: Kinds, sought: Sought) -> bool:
    """May it be an object that is looked for, or one whose methods get the others?"""
    if isinstance(operand, ast.Constant):
        return False
    return not _is_known_around(operand, at, kinds) or sought.may_lead(operand, kinds)


def stores(
    owner: ast.expr, given: Sequence[ast.expr | None], at: ast.AST, kinds: Kinds, sought: Sought
) -> bool:
    """Does an object that is not known get one, by its item or attribute? ``thing[0] = rows``"""
    resolver = _known_at(at, kinds)
    if resolver is None:
        return not _is_known_around(owner, at, kinds)
    here = kinds.elsewhere(resolver)
    return here.of(owner) is None and any(
        each is None or (sought.may_lead(each, here) and sought.is_kept(each, here))
        for each in given
    )


def _is_known_around(owner: ast.expr, at: ast.AST, kinds: Kinds) -> bool:
    """Is it a name of the function around the one that the place is in, for something that is known?"""
    scope = kinds.resolver.scope
    return (
        isinstance(owner, ast.Name)
        and scope.is_inside(at, scope.node)
        and kinds.names.inner_owner(owner) is None
        and kinds.of(owner) is not None
    )


def assigned(target: ast.Attribute, module: Module) -> ast.expr | None:
    """What the attribute is given; None where that is not written beside it."""
    match module.scope.parents.get(target):
        case ast.Assign(targets=targets, value=value) if target in targets:
            return value
        case ast.AnnAssign(value=value) | ast.AugAssign(value=value):
            return value
    return None


def is_own_instance(owner: ast.expr, module: Module) -> bool:
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
        return is_trusted(path)
    return isinstance(base, ast.Name) and module.is_builtin(base.id)
