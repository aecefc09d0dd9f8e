"""What in a loop's body might see that rows it saved are not written yet."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping

from migfix.expressions.context import Refused
from migfix.expressions.narrow_saves import shares_table
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.loops import effects
from migfix.loops.effects import Effect, Kind
from migfix.loops.loop import Loop
from migfix.loops.querysets import Resolver
from migfix.loops.relations import accessor
from migfix.loops.scopes import walk
from migfix.loops.values import Manager, Row, Rows, Step

# Links of a chain that bring no other table into the query, unless by a lookup.
_PLAIN_STEPS = frozenset(
    "all filter exclude order_by reverse values values_list only defer distinct using db_manager "
    "none iterator list() []".split()
)
_MAX_DEPTH = 5


def check_nothing_looks(
    loop: Loop, model: ModelState, besides: Collection[ast.AST] = ()
) -> Iterator[Refusal]:
    """What may look for rows of the model while they wait. Raises ``Refused`` where it does.

    Queries of other tables by their own columns alone see nothing of them. The calls ``besides`` are
    those that wait themselves.
    """
    for effect in loop.effects:
        if effect.node in besides:
            continue
        line = loop.line_of(effect.node)
        match effect.kind:
            case Kind.SQL | Kind.TRANSACTION:
                raise Refused(
                    Reason.QUERY_IN_BODY, f"line {line} uses the connection before all is saved"
                )
            case Kind.READS | Kind.WRITES:
                _check_query(effect, loop, model)
            case Kind.CALL:
                yield Refusal(
                    Reason.UNKNOWN_CALL,
                    f"line {line} calls code that is not known and may look for {model.label} rows "
                    "that wait to be written",
                )
    names = _names_leading_to(loop, model)
    for node, resolver in _reached(loop.node.body + loop.node.orelse, loop.resolver):
        if isinstance(node, ast.Attribute) and node.attr in names:
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"`{node.attr}` on line {loop.line_of(node)} may read rows of {model.label} "
                "before they are written",
            )
        if (name := _lazy_name(node, resolver)) is not None:
            yield Refusal(
                Reason.UNKNOWN_CALL,
                f"`{name}` on line {loop.line_of(node)} may be a queryset that is not evaluated yet",
            )


def _check_query(effect: Effect, loop: Loop, model: ModelState) -> None:
    line = loop.line_of(effect.node)
    if effects.is_deletion(effect):
        raise Refused(
            Reason.QUERY_IN_BODY, f"line {line} deletes rows that others, not written yet, leave"
        )
    if effect.model is None or shares_table(loop, model, effect.model):
        raise Refused(
            Reason.QUERY_IN_BODY,
            f"line {line} may read or write rows of {model.label} before they are written",
        )
    if not stays_in_table(effect, loop):
        raise Refused(
            Reason.QUERY_IN_BODY, f"the query on line {line} may join rows that are not written yet"
        )


def stays_in_table(effect: Effect, loop: Loop) -> bool:
    """Does the query name no column of another table, and no expression that could?"""
    assert effect.model is not None
    if not _is_written_here(effect.node, loop):
        return False
    other, columns = loop.state.model(*effect.model), loop.columns_of(effect.model)
    if isinstance(other, Unknown) or columns is None or not other.has_plain_managers:
        return False
    ordering = other.options.get("ordering", ())
    if not isinstance(ordering, tuple):
        return False
    names = [*ordering, *(name for step in _steps(effect.node, loop) for name in step.lookups)]
    return all(_is_own(name, columns) for name in names) and all(
        step.name in _PLAIN_STEPS and not _has_expressions(step, loop)
        for step in _chain(effect.node, loop)
    )


def _is_written_here(node: ast.AST, loop: Loop) -> bool:
    """Is it the query itself, not the call of a function that runs one?"""
    match node:
        case ast.Call(func=ast.Attribute(value=owner)) if _rows(node, loop) is None:
            return isinstance(loop.resolver.value(owner), (Manager, Rows, Row))
    return _rows(node, loop) is not None


def _chain(node: ast.AST, loop: Loop) -> tuple[Step, ...]:
    """The links of the queryset that the effect is about, without its last call."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner)) if not _rows(node, loop):
            found = _rows(owner, loop)
        case _:
            found = _rows(node, loop)
    return found.steps if found else ()


def _rows(node: ast.AST, loop: Loop) -> Rows | None:
    found = loop.resolver.value(node) if isinstance(node, ast.expr) else None
    return found if isinstance(found, Rows) else None


def _steps(node: ast.AST, loop: Loop) -> Iterator[Step]:
    yield from _chain(node, loop)
    if isinstance(node, ast.Call) and not _rows(node, loop):
        keywords = [k for k in node.keywords if k.arg != "defaults"]
        yield Step("get", ast.Call(node.func, [], keywords))


def _has_expressions(step: Step, loop: Loop) -> bool:
    """``F("author__name")`` and subqueries lead to other tables."""
    calls = (node for node in walk(step.node) if isinstance(node, ast.Call)) if step.call else ()
    paths = (loop.module.path_of(call.func) or "" for call in calls)
    return any(path.startswith("django.db.models") and path[-2:] != ".Q" for path in paths)


def _is_own(name: object, columns: Mapping[str, FieldState]) -> bool:
    """Does the lookup stay in the table? One through a relation joins the other."""
    if not isinstance(name, str):
        return False
    first, *rest = name.removeprefix("-").split("__")
    column = columns.get(first)
    if column is None:
        return first in {"pk", "?"}
    return not rest or column.target is None or (len(rest) == 1 and rest[0] in {"in", "isnull"})


def _names_leading_to(loop: Loop, model: ModelState) -> frozenset[str]:
    """The attributes by which rows of other models, and its own, give rows of this one."""
    relations = loop.state.relations_to(model.key).found
    forward = {field.name for _, field in relations}
    for key, other in loop.state.models.items():  # a proxy stands for the rows as well
        if isinstance(other, ModelState) and other.proxy and shares_table(loop, model, key):
            forward |= {field.name for _, field in loop.state.relations_to(key).found}
    # Relations of the model itself put managers, or one row, on their targets.
    back = {accessor(model, field) for field in model.fields if field.target is not None}
    one = {model.name.lower() for field in model.fields if field.kind == "OneToOneField"}
    return frozenset(name for name in forward | back | one | _names_through(loop, model) if name)


def _names_through(loop: Loop, model: ModelState) -> set[str | None]:
    """The managers, on both ends, of many-to-many relations whose rows are those of the model."""
    found: set[str | None] = set()
    for other in loop.state.models.values():
        for field in other.fields if isinstance(other, ModelState) else ():
            if isinstance(field.through, Unknown) or field.through == model.key:
                found |= {field.name, accessor(other, field)}  # type: ignore[arg-type]
    return found


def _reached(
    statements: list[ast.stmt], resolver: Resolver, depth: int = 0
) -> Iterator[tuple[ast.AST, Resolver]]:
    """Every node of the statements and of the functions that they call, as far as these are known."""
    for node in (node for statement in statements for node in walk(statement)):
        yield node, resolver
        if isinstance(node, ast.Call) and depth < _MAX_DEPTH:
            function = resolver.function(node.func)
            path = resolver.module.path_of(node.func)
            found = resolver.module.imported_function(path) if path else None
            if function is not None and isinstance(function.body, list):
                yield from _reached(function.body, resolver.inside(function), depth + 1)
            elif found is not None and isinstance(found[1].body, list):
                inner = Resolver(found[0], found[0].scope_of(found[1]), {}, resolver.state)
                yield from _reached(found[1].body, inner, depth + 1)


def _lazy_name(node: ast.AST, resolver: Resolver) -> str | None:
    """A name that is gone over or tested, and that a call made that is not known."""
    for given in effects.gone_over(node):
        if isinstance(given, ast.Name) and not isinstance(node, ast.Call):
            bindings = resolver.scope.bindings.get(given.id, [])
            if any(_made_by_unknown(binding.value, resolver) for binding in bindings):
                return given.id
    return None


def _made_by_unknown(value: ast.expr | None, resolver: Resolver) -> bool:
    """Is it the result of a function that is neither Python's own nor in this file?"""
    match value:
        case ast.Call(func=ast.Name(id=name) as function):
            known = resolver.module.is_builtin(name) or resolver.function(function) is not None
            return not known and not effects.is_pure(resolver.module.path_of(function))
        case ast.Call(func=ast.Attribute(value=owner, attr=method) as function):
            path = resolver.module.path_of(function)
            if path is not None:
                return not effects.is_pure(path)
            return resolver.value(owner) is None and not effects.is_harmless(method)
    return False
