"""Places of a body that run code of an object which is not known: ``thing[key]``, ``thing.name``, ``f"{thing}"``.

Python calls methods of an object for nearly all that is done with it. Only to name it, to pass it on or to
ask ``is`` runs nothing: https://docs.python.org/3/reference/datamodel.html#special-method-names
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from migfix.reading.kinds import known, plain
from migfix.reading.kinds.inferring import kind_of, kinds_in
from migfix.reading.kinds.plain import EXPRESSION, FUNCTION, SUSPENDED, Known, Type
from migfix.reading.kinds.values import Manager, Model, Pair, RawRows, Row, Rows, SchemaEditor
from migfix.reading.rows.querysets import Resolver

# Methods of ``Model``, which run only where they are called.
_METHODS_OF_ROWS = frozenset(
    "save delete save_base refresh_from_db full_clean clean clean_fields validate_unique "
    "validate_constraints serializable_value asave adelete arefresh_from_db".split()
)
_OF_CONNECTIONS = frozenset(
    "connection vendor alias features ops settings_dict introspection rowcount description lastrowid "
    "in_atomic_block data_types".split()
)
_GOING_OVER = frozenset("list tuple enumerate zip reversed iter".split())
_FREE = frozenset("isinstance issubclass type id callable".split())
_CALLING = frozenset("map filter".split())
_LOOKING = frozenset(
    "print sorted min max sum any all set frozenset dict str repr ascii format bool int float complex round "
    "abs hash chr ord hex oct bin len pow divmod bytes bytearray slice range object".split()
)
_ON_ROWS = frozenset("getattr setattr hasattr delattr".split())
# Methods of collections that compare what these hold.
_COMPARING = frozenset("count index remove sort".split())


# Of which no code runs, asked first: most nodes are of these.
_INERT = (
    ast.Name,
    ast.Constant,
    ast.operator,
    ast.cmpop,
    ast.boolop,
    ast.unaryop,
    ast.Expr,
    ast.arg,
)


def touched(node: ast.AST, resolver: Resolver) -> Iterator[ast.AST]:
    """The parts of the node, which is no call, by which code runs that is not known."""
    return iter(()) if isinstance(node, _INERT) else _touched(node, resolver)


def _touched(node: ast.AST, resolver: Resolver) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute():
            if not _is_known_attribute(node, resolver):
                yield node
        case ast.Subscript(value=owner, slice=index):
            if not _has_items(kind_of(owner, resolver)) or not _is_quiet(index, resolver):
                yield node
        case ast.For(iter=iterated, target=target) | ast.comprehension(
            iter=iterated, target=target
        ):
            if not is_gone_over(iterated, resolver) or not _takes(
                target, _item(iterated, resolver)
            ):
                yield iterated
            yield from _touched_by_operator(node, resolver)  # the tests of a comprehension
        case ast.Assign(targets=targets, value=value):
            kind = kind_of(value, resolver)
            if not all(_takes(target, kind) for target in targets):
                yield value
        case ast.AugAssign(target=target, value=value):
            if not _is_quiet(target, resolver) or not is_looked_at(value, resolver):
                yield node
        case _ if _runs_unknown_code(node, resolver):
            yield node
        case _:
            yield from _touched_by_operator(node, resolver)


def _runs_unknown_code(node: ast.AST, resolver: Resolver) -> bool:
    """Statements that call methods of objects by themselves."""
    match node:
        case ast.Match():
            return not _is_plain_match(node, resolver)
        case ast.FunctionDef(decorator_list=decorators):
            return bool(decorators)
    return isinstance(node, (ast.AsyncFor, ast.AsyncWith, ast.ClassDef, ast.AsyncFunctionDef))


def _touched_by_operator(node: ast.AST, resolver: Resolver) -> Iterator[ast.AST]:
    if (
        not all(is_looked_at(operand, resolver) for operand in _looked_at_by(node))
        or not all(plain.known(kind_of(tested, resolver)) for tested in _tested_by(node))
        or not all(is_gone_over(spread, resolver) for spread in _spread_by(node))
    ):
        yield node


def _looked_at_by(node: ast.AST) -> Iterable[ast.expr]:
    """The operands that are compared, computed with, printed or hashed."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            operands = [left, *others]
            seen = [
                pair
                for op, *pair in zip(ops, operands, operands[1:], strict=False)
                if not isinstance(op, (ast.Is, ast.IsNot))
            ]
            return [operand for pair in seen for operand in pair]
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert(), operand=operand):
            return [operand]
        case ast.FormattedValue(value=value):
            return [value]
        case ast.Dict(keys=keys):
            return [key for key in keys if key is not None]
        case ast.Set(elts=elements):
            return [element for element in elements if not isinstance(element, ast.Starred)]
        case ast.SetComp(elt=element):
            return [element]
        case ast.DictComp(key=key):
            return [key]
    return []


def _tested_by(node: ast.AST) -> Iterator[ast.expr]:
    """The operands whose truth is asked for."""
    match node:
        case (
            ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.Assert(test=test)
        ):
            yield from _parts_of_test(test)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _parts_of_test(operand)
        case ast.BoolOp(values=values):
            for value in values[:-1]:
                yield from _parts_of_test(value)
        case ast.comprehension(ifs=tests):
            for test in tests:
                yield from _parts_of_test(test)


def _parts_of_test(test: ast.expr) -> Iterator[ast.expr]:
    """``a and not b`` asks for the truth of each."""
    match test:
        case ast.BoolOp(values=values):
            for value in values:
                yield from _parts_of_test(value)
        case _:
            yield test


def _spread_by(node: ast.AST) -> Iterable[ast.expr]:
    """The operands that are gone over."""
    match node:
        case ast.Starred(value=value, ctx=ast.Load()):
            return [value]
        case ast.keyword(arg=None, value=value):
            return [value]
        case ast.Dict(keys=keys, values=values):
            return [value for key, value in zip(keys, values, strict=True) if key is None]
    return []


# --- single expressions ---------------------------------------------------------------------------


def is_looked_at(node: ast.expr, resolver: Resolver) -> bool:
    """Does nothing unknown run when all of the expression's value is compared, printed or gone over?"""
    kind = kind_of(node, resolver)
    if isinstance(kind, Type) and kind.name == SUSPENDED:
        return _is_made_here(node, resolver) and _is_quiet_kind(kind.item, resolver)
    return _is_quiet_kind(kind, resolver)


def is_gone_over(node: ast.expr, resolver: Resolver) -> bool:
    """Does nothing unknown run when the expression's value is gone over?"""
    match kind_of(node, resolver):
        case None:
            return False
        case Type(name=name) if name == SUSPENDED:
            return _is_made_here(node, resolver)
    return True


def _is_made_here(node: ast.expr, resolver: Resolver) -> bool:
    """Is it code that has not run yet, whose effects are those of the place where it stands?"""
    match node:
        case ast.GeneratorExp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            builtin = resolver.module.is_builtin(name)
            return (builtin and name != "next") or resolver.called(node) is not None
        case ast.Call(func=called):
            return (resolver.module.path_of(called) or "").startswith("itertools.")
    return False


def _is_quiet(node: ast.expr, resolver: Resolver) -> bool:
    match node:
        case ast.Slice(lower=lower, upper=upper, step=step):
            return all(_is_quiet(each, resolver) for each in (lower, upper, step) if each)
    return _is_quiet_kind(kind_of(node, resolver), resolver)


def _is_quiet_kind(kind: Known, resolver: Resolver) -> bool:
    return plain.is_quiet(kind, kinds_in(resolver).rows.is_quiet_row)


def _has_items(kind: Known) -> bool:
    match kind:
        case Type(name=name):
            return name != SUSPENDED and kind not in (FUNCTION, EXPRESSION)
        case Rows() | RawRows() | Pair() | SchemaEditor():
            return True
    return False


def _item(node: ast.expr, resolver: Resolver) -> Known:
    return plain.item_of(kinds_in(resolver).rows.iterated(node))


def _takes(target: ast.expr, kind: Known) -> bool:
    """Can the target be given the value without running anything?"""
    match target:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            if kind is None or (isinstance(kind, Type) and kind.name == SUSPENDED):
                return False
            return all(
                _takes(each, plain.part_of(kind, index)) for index, each in enumerate(elements)
            )
    return True


def _is_plain_match(node: ast.Match, resolver: Resolver) -> bool:
    if not _is_quiet(node.subject, resolver):
        return False
    classes = (
        n.cls
        for case in node.cases
        for n in ast.walk(case.pattern)
        if isinstance(n, ast.MatchClass)
    )
    return all(isinstance(c, ast.Name) and resolver.module.is_builtin(c.id) for c in classes)


# --- attributes -----------------------------------------------------------------------------------


def _is_known_attribute(node: ast.Attribute, resolver: Resolver) -> bool:
    parent = resolver.scope.parents.get(node)
    called = isinstance(parent, ast.Call) and parent.func is node
    if called or (isinstance(parent, ast.Attribute) and resolver.module.path_of(node)):
        return True  # it is the call, or the whole path, that counts
    if (path := resolver.module.path_of(node)) is not None:
        if path.startswith("django.db.connection."):  # whose ``queries`` tell what ran
            return path.split(".")[3] in _OF_CONNECTIONS - {"connection"}
        return _is_known_path(path) or kind_of(node, resolver) is not None
    owner = kind_of(node.value, resolver)
    match owner:
        case Row():
            if node.attr in _METHODS_OF_ROWS:
                return False
            kinds = kinds_in(resolver)
            return kinds.rows.is_own_attribute(owner, node.attr) or kinds.rows.is_column(
                owner, node.attr
            )
        case Model():
            return not owner.real and node.attr not in _METHODS_OF_ROWS
        case Manager() | Rows():
            return node.attr in {"model", "db"}
        case SchemaEditor():
            return node.attr in _OF_CONNECTIONS
        case Type() if owner == FUNCTION:
            return kind_of(node, resolver) is not None
        case Type():
            found = plain.attribute_of(owner, node.attr)
            return found is not None or plain.has_method(owner, node.attr)
    return False


def _is_known_path(path: str) -> bool:
    trusted = known.is_pure(path) or known.hands_on(path)
    return trusted or path.startswith(("django.conf.settings.", "django.db.", "logging.", "sys."))


# --- calls ----------------------------------------------------------------------------------------


def is_quiet_builtin(name: str, call: ast.Call, resolver: Resolver) -> bool:
    """Does a call of Python's own function run nothing else but functions of the file?"""
    given = [each for each in call.args if not isinstance(each, ast.Starred)]
    named = [keyword.value for keyword in call.keywords]
    spread = [each.value for each in call.args if isinstance(each, ast.Starred)]
    if not all(is_looked_at(each, resolver) for each in spread):
        return False
    if name in plain.EXCEPTIONS or name in _FREE:
        return True
    if name in _ON_ROWS:
        return bool(given) and _is_known_owner(name, call, resolver)
    if name in _CALLING:
        return _is_quiet_calling(given, resolver)
    if name == "next":
        return all(_is_iterator(each, resolver) for each in given[:1])
    if name in _GOING_OVER:
        return all(is_gone_over(each, resolver) for each in given)
    if name not in _LOOKING:
        return False
    keys = [k.value for k in call.keywords if k.arg == "key"]
    others = [value for value in named if value not in keys]
    return (
        all(is_looked_at(each, resolver) for each in given)
        and all(runs_known_code(key, resolver) for key in keys)
        and (name == "dict" or all(plain.known(kind_of(each, resolver)) for each in others))
    )


def _is_known_owner(name: str, call: ast.Call, resolver: Resolver) -> bool:
    owner = kind_of(call.args[0], resolver)
    if isinstance(owner, Row):
        kinds = kinds_in(resolver)
        attribute = resolver.literal(call.args[1], call) if len(call.args) > 1 else None
        if attribute is None:
            return kinds.rows.is_plain_row(owner)
        return kinds.rows.is_own_attribute(owner, attribute) or kinds.rows.is_column(
            owner, attribute
        )
    return name in {"getattr", "hasattr"} and isinstance(owner, (Type, Model)) and owner != FUNCTION


def _is_iterator(node: ast.expr, resolver: Resolver) -> bool:
    kind = kind_of(node, resolver)
    return isinstance(kind, Type) and is_gone_over(node, resolver)


def _is_quiet_calling(given: list[ast.expr], resolver: Resolver) -> bool:
    if not given:
        return False
    function, *over = given
    named = isinstance(function, ast.Name) and resolver.module.is_builtin(function.id)
    tests = isinstance(function, ast.Constant)  # ``filter(None, things)``
    looked = is_looked_at if named or tests else is_gone_over
    quiet = tests or runs_known_code(function, resolver)
    return quiet and all(looked(each, resolver) for each in over)


def runs_known_code(node: ast.expr, resolver: Resolver) -> bool:
    """Is it a function whose effects are known, or are counted where it stands?"""
    match node:
        case ast.Lambda():
            return True
        case ast.Name(id=name) if resolver.module.is_builtin(name):
            return name in plain.NAMES_OF_TYPES
        case ast.Name():
            return resolver.handed(node) is not None
        case ast.Attribute(value=owner, attr=method):
            found = _type_named(owner, resolver) or kind_of(owner, resolver)
            return isinstance(found, Type) and plain.has_method(found, method)
    return False


def _type_named(node: ast.expr, resolver: Resolver) -> Type | None:
    """``str`` in ``str.lower``"""
    match node:
        case ast.Name(id=name) if resolver.module.is_builtin(name):
            return Type(name)
    return None


def is_quiet_method(kind: Type, method: str, call: ast.Call, resolver: Resolver) -> bool:
    """Does the method of a value of Python's own run nothing else?"""
    if not plain.has_method(kind, method):
        return False
    kept = plain.KEEPING.get(method, ())
    given = [each for index, each in enumerate(call.args) if index not in kept]
    keys = [k.value for k in call.keywords if k.arg == "key"]
    named = [keyword.value for keyword in call.keywords if keyword.value not in keys]
    return (
        all(is_given(each, resolver) for each in given)
        and all(runs_known_code(key, resolver) for key in keys)
        and (method == "update" or all(is_given(each, resolver) for each in named))
        and (method not in _COMPARING or bool(keys) or _is_quiet_kind(kind, resolver))
    )


def is_given(node: ast.expr, resolver: Resolver, *, to_query: bool = False) -> bool:
    """May the value be looked at by the function that it is passed to?

    A query takes the key of a row, and asks no more of it.
    """
    node = node.value if isinstance(node, ast.Starred) else node
    kind = kind_of(node, resolver)
    if kind == FUNCTION:
        return runs_known_code(node, resolver)
    return (to_query and plain.is_quiet(kind)) or is_looked_at(node, resolver)
