"""What a loop's body does besides using its row: queries, output, calls into the unknown."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TypeAlias

from migfix.facts.body.touching import is_given, is_quiet_builtin, is_quiet_method, touched
from migfix.history.state import ModelKey, ModelState, Unknown
from migfix.reading.kinds import known
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.plain import FUNCTION, Type
from migfix.reading.kinds.values import Apps, Manager, Model, Row, Rows, SchemaEditor, Value
from migfix.reading.names.scopes import Binding, FunctionNode, statements_of, walk
from migfix.reading.rows.methods import CHAINING, Does, methods
from migfix.reading.rows.querysets import Resolver
from migfix.reading.rows.relations import possible_columns


class Kind(Enum):
    OUTPUT = auto()  # prints, logs, moves a progress bar
    READS = auto()  # runs a query that reads
    WRITES = auto()  # runs a query that writes
    SQL = auto()  # uses a cursor or the schema editor
    TRANSACTION = auto()  # commits, rolls back, or opens an atomic block
    CALL = auto()  # calls something whose source is not known
    LEAVES = auto()  # break, return, raise
    YIELDS = auto()


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect; ``model`` is the table that a query touches, None when it is not known which.

    ``links`` is the model of the pairs that the query touches besides, as ``Manager`` says.
    For what a called function does, ``node`` is the call, and ``inside`` the effect that it has there,
    with what knows the names of that function.
    """

    kind: Kind
    node: ast.AST
    model: ModelKey | None = None
    inside: tuple[Effect, Resolver] | None = field(default=None, compare=False, repr=False)
    links: tuple[ModelKey | None, ...] = ()

    @property
    def models(self) -> tuple[ModelKey | None, ...]:
        """Every table that the query touches."""
        return (self.model, *self.links)


_READING = methods(Does.READS)
_WRITING = methods(Does.WRITES)
# What writes rows at the other end of a many-to-many relation, and no pair.
_LEAVING_PAIRS = frozenset({"update", "bulk_update", "bulk_create"})
_ON_CURSORS = frozenset("execute executemany executescript callproc cursor".split())
_DISPLAY = re.compile(r"get_\w+_display")
_MANY = 20  # ways to be called, from which on it no longer counts what is passed


@dataclass(frozen=True, eq=False)
class _Called:
    """A call of a function whose source is known, in which ``resolver`` knows the names."""

    call: ast.Call
    function: FunctionNode
    resolver: Resolver


def effects_of(region: Sequence[ast.stmt], row: str | None, resolver: Resolver) -> Iterator[Effect]:
    """Every effect of the statements, those of the functions that they call included, save and delete
    of ``row`` excluded.

    What runs later (a generator, a function that is handed on) counts where it is written; where it is
    taken up again, that is a call of code that is not known.
    """
    for found in _own_effects(region, row, resolver):
        if isinstance(found, Effect):
            yield found
        else:
            for inner, inside in _effects_inside(found):
                yield Effect(inner.kind, found.call, inner.model, (inner, inside), inner.links)


def _effects_inside(called: _Called) -> list[tuple[Effect, Resolver]]:
    """What the function, and those that it calls in turn, do, each with what knows the names there.

    Each function counts once, also where it calls itself: what is found for it is what it can do.
    """
    own = called.resolver.own
    if "all effects" not in own:
        found: dict[tuple[FunctionNode, int], _Called] = {}
        ways: Counter[FunctionNode] = Counter()
        effects: list[tuple[Effect, Resolver]] = []
        waiting = [called]
        while waiting:
            each = waiting.pop()
            if ways[each.function] == _MANY:
                each = replace(each, resolver=each.resolver.of_any_call(each.function))
            if (each.function, id(each.resolver)) in found:
                continue
            found[each.function, id(each.resolver)] = each
            ways[each.function] += 1
            here, further = _of_function(each)
            effects += here
            waiting += further
        own["all effects"] = effects
    return own["all effects"]  # type: ignore[no-any-return]


def _of_function(called: _Called) -> tuple[list[tuple[Effect, Resolver]], list[_Called]]:
    """The effects of the function's own statements, and what it calls."""
    function, resolver = called.function, called.resolver
    if "effects" not in resolver.own:
        found = list(_own_effects(statements_of(function), None, resolver))
        own = [
            (each, resolver)
            for each in found
            if isinstance(each, Effect) and each.kind not in {Kind.LEAVES, Kind.YIELDS}
        ]
        if not isinstance(function, ast.Lambda) and function.decorator_list:
            # of those that are let through, only atomic() acts
            own.append((Effect(Kind.TRANSACTION, function), resolver))
        calls = [each for each in found if isinstance(each, _Called)]
        resolver.own["effects"] = own, calls
    return resolver.own["effects"]  # type: ignore[no-any-return]


def _own_effects(
    region: Sequence[ast.stmt], row: str | None, resolver: Resolver
) -> Iterator[Effect | _Called]:
    known: dict[ast.AST, _OfNode] = resolver.own.setdefault("effects of nodes", {})
    for statement in region:
        for node in walk(statement):
            if node not in known:
                known[node] = _of_node(node, resolver)
            of_call, besides = known[node]
            if of_call and not (isinstance(node, ast.Call) and _is_method_of(node, row)):
                yield from of_call
            yield from besides


_OfNode: TypeAlias = "tuple[Sequence[Effect | _Called], Sequence[Effect]]"
"""What a node does by being called, and besides, without the nodes in it."""


def _of_node(node: ast.AST, resolver: Resolver) -> _OfNode:
    if isinstance(node, ast.Call):
        of_call = (*_call(node, resolver), *_handed_over(node, resolver))
        return of_call, (*_evaluations(node, resolver),)
    found: list[Effect] = []
    match node:
        case ast.Break() | ast.Return() | ast.Raise():
            found.append(Effect(Kind.LEAVES, node))
        case ast.Yield() | ast.YieldFrom() | ast.Await():
            found.append(Effect(Kind.YIELDS, node))
        case ast.withitem(context_expr=context) if not _is_known_manager(context, resolver):
            found.append(Effect(Kind.CALL, context))
    found += [Effect(Kind.CALL, part) for part in touched(node, resolver)]
    return (), (*found, *_evaluations(node, resolver))


def _is_known_manager(context: ast.expr, resolver: Resolver) -> bool:
    """A transaction, or a cursor: what these do is the effect of their call."""
    if not isinstance(context, ast.Call):
        return False
    path = resolver.module.path_of(context.func) or ""
    return path.startswith("django.db.transaction.") or isinstance(
        resolver.value(context), SchemaEditor
    )


def _evaluations(node: ast.AST, resolver: Resolver) -> Iterator[Effect]:
    """A queryset or manager that is gone over, tested, kept or handed over: its query runs then, or may.

    https://docs.djangoproject.com/en/stable/ref/models/querysets/#when-querysets-are-evaluated
    """
    kinds = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BinOp)
    if isinstance(node, kinds) and not _stays_lazy(node, resolver):
        match kind_of(node, resolver):
            case (Manager() as manager) | Rows(manager=manager):
                yield Effect(Kind.READS, node, manager.model.key, links=manager.links)


def _stays_lazy(node: ast.expr, resolver: Resolver) -> bool:
    """Does what stands around the queryset leave it as it is, by a link of its chain or a name for it?"""
    if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        return True
    match resolver.scope.parents.get(node):
        case ast.Attribute() | ast.Expr() | ast.Return():
            return True
        case ast.Assign(targets=targets):
            return all(isinstance(target, ast.Name) for target in targets)
        case ast.Subscript(slice=ast.Slice()) as outer:
            return isinstance(resolver.value(outer), Rows)
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd()):
            return True
    return False


def is_query(effect: Effect) -> bool:
    """Is it certain that a statement is sent?"""
    return effect.kind in {Kind.READS, Kind.WRITES, Kind.SQL}


def is_deletion(effect: Effect) -> bool:
    """Does a call of ``delete()`` write? It may take rows of other tables with it."""
    match effect.inside[0] if effect.inside else effect:
        case Effect(
            kind=Kind.WRITES, node=ast.Call(func=ast.Attribute(attr="delete" | "_raw_delete"))
        ):
            return True
    return False


def _under(path: str, roots: frozenset[str]) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:n]) in roots for n in range(1, len(parts) + 1))


def _is_method_of(call: ast.Call, row: str | None) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr="save" | "delete"):
            return name == row
    return False


def _call(call: ast.Call, resolver: Resolver) -> Iterator[Effect | _Called]:
    match call.func:
        case ast.Name(id=name):
            yield from _named(name, call, resolver)
        case ast.Attribute(value=owner, attr=method):
            value = kind_of(owner, resolver)
            if value is None or value == FUNCTION:
                yield from _unresolved(owner, method, call, resolver)
            elif not isinstance(value, Type):
                yield from _method(value, method, call)
                yield from _given(call, resolver, to_query=True)
            elif not is_quiet_method(value, method, call, resolver):
                yield from _of_unknown(method, call)
        case _:
            yield Effect(Kind.CALL, call)


def _named(name: str, call: ast.Call, resolver: Resolver) -> Iterator[Effect | _Called]:
    module = resolver.module
    value = resolver.value(call.func)
    if isinstance(value, Model):
        yield from (
            _given(call, resolver, to_query=True) if value.is_plain else [Effect(Kind.CALL, call)]
        )
    elif found := resolver.called(call):
        yield _Called(call, *found)
    elif module.is_builtin(name):
        if name == "print":
            yield Effect(Kind.OUTPUT, call)
        if not is_quiet_builtin(name, call, resolver):
            yield Effect(Kind.CALL, call)
    else:
        yield from _imported(module.path_of(call.func), call, resolver)


def _given(call: ast.Call, resolver: Resolver, *, to_query: bool = False) -> Iterator[Effect]:
    """Code of the arguments, which the called function looks at."""
    for each in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if not is_given(each, resolver, to_query=to_query):
            yield Effect(Kind.CALL, each)


def _handed_over(call: ast.Call, resolver: Resolver) -> Iterator[Effect | _Called]:
    """Functions among the arguments get called, too: ``map(fix, rows)``."""
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if found := resolver.handed(argument):
            yield _Called(call, *found)
        elif isinstance(argument, ast.Name) and argument.id in resolver.module.function_names:
            yield Effect(Kind.CALL, call)
        elif (path := _path_behind(argument, resolver)) and kind_of(argument, resolver) is None:
            yield from _imported(path, call, resolver)


def _path_behind(node: ast.expr, resolver: Resolver) -> str | None:
    """The dotted path of what is imported, also by another name, but for the values of settings."""
    binding = resolver.scope.bound_once(node.id) if isinstance(node, ast.Name) else None
    path = resolver.module.path_of(node)
    if path is None and binding is not None and binding.value is not None:
        path = resolver.module.path_of(binding.value)
    return None if path is not None and path.startswith("django.conf.settings.") else path


def _imported(path: str | None, call: ast.Call, resolver: Resolver) -> Iterator[Effect]:
    if path is None:
        yield Effect(Kind.CALL, call)
    elif _under(path, known.OUTPUT):
        yield Effect(Kind.OUTPUT, call)
        yield from _given(call, resolver)
    elif path.startswith("django.db.transaction."):
        yield Effect(Kind.TRANSACTION, call)
    elif path.startswith(("django.db.connection", "django.db.connections")):
        yield Effect(Kind.SQL, call)
    elif known.is_pure(path) or known.hands_on(path):
        yield from _given(call, resolver)
    else:
        yield Effect(Kind.CALL, call)


def _method(value: Value, method: str, call: ast.Call) -> Iterator[Effect]:
    match value:
        case (Manager(model=model) as manager) | Rows(manager=Manager(model=model) as manager):
            if method in _READING:
                yield Effect(Kind.READS, call, model.key, links=manager.links)
            elif method in _WRITING:
                links = () if method in _LEAVING_PAIRS else manager.links
                yield Effect(Kind.WRITES, call, model.key, links=links)
            elif method not in CHAINING | {"db_manager", "using"} or not model.is_plain:
                yield Effect(Kind.CALL, call)
        case Row(model=model) if method in {"save", "delete"}:
            yield Effect(Kind.WRITES, call, model.key)
        case Row(model=model) if method == "refresh_from_db":
            yield Effect(Kind.READS, call, model.key)
        case Row() if method == "serializable_value" or _DISPLAY.fullmatch(method):
            return
        case SchemaEditor():
            yield Effect(Kind.SQL, call)
        case Apps() if method == "get_model":
            return
        case _:
            yield Effect(Kind.CALL, call)


def _unresolved(
    owner: ast.expr, method: str, call: ast.Call, resolver: Resolver
) -> Iterator[Effect | _Called]:
    path = resolver.module.path_of(call.func)
    if found := resolver.called(call):
        yield _Called(call, *found)
    elif path is not None:
        yield from _imported(path, call, resolver)
    elif is_logger(owner, resolver):
        yield Effect(Kind.OUTPUT, call)
        yield from _given(call, resolver)
    else:
        yield from _of_unknown(method, call)


def _of_unknown(method: str, call: ast.Call) -> Iterator[Effect]:
    """A method of anything: its name only tells what it may do at least."""
    if method in _WRITING:
        yield Effect(Kind.WRITES, call)
    elif method in _ON_CURSORS:
        yield Effect(Kind.SQL, call)
    elif method in _READING:
        yield Effect(Kind.READS, call)
    yield Effect(Kind.CALL, call)


def is_logger(owner: ast.expr, resolver: Resolver) -> bool:
    """A name bound to ``logging.getLogger(...)`` or to a progress bar."""
    if not isinstance(owner, ast.Name):
        return False
    match resolver.scope.bound_once(owner.id):
        case None:
            value = resolver.module.constant(owner.id)
        case Binding(statement=ast.withitem(context_expr=value, optional_vars=ast.Name())):
            pass
        case binding:
            value = binding.value
    if not isinstance(value, ast.Call):
        return False
    path = resolver.module.path_of(value.func)
    return path is not None and _under(path, known.OUTPUT)


def made_row(owner: ast.expr, resolver: Resolver) -> Row | None:
    """The new row in ``tag = Tag(...)``, where the name is never anything else."""
    binding = resolver.scope.bound_once(owner.id) if isinstance(owner, ast.Name) else None
    match binding.value if binding and binding.position is None else None:
        case ast.Call(func=function):
            model = resolver.value(function)
            return Row(model) if isinstance(model, Model) and model.key else None
    return None


def is_plain_column(row: Row, name: str, resolver: Resolver) -> bool:
    """Is the attribute a column of Django's own class that is no relation?"""
    model = resolver.state.model(*row.model.key) if row.model.key and not row.model.real else None
    columns = possible_columns(resolver.state, model) if isinstance(model, ModelState) else ()
    found = () if isinstance(columns, Unknown) else columns
    return any(c.name == name and c.kind is not None and c.target is None for c in found)
