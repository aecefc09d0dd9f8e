"""What in a loop's body might see that rows it saved are not written yet."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from migfix.expressions.context import Refused
from migfix.expressions.preconditions import gates
from migfix.facts.body import effects, uses
from migfix.facts.body.changes import touches
from migfix.facts.body.effects import Effect, Kind
from migfix.facts.body.handed import is_own_save
from migfix.facts.body.reached import named_by_text, reached
from migfix.facts.loop import Loop
from migfix.facts.rows.deferred import loads_of_others
from migfix.facts.rows.lazies import Lazies, lazies_of
from migfix.findings import Location, Reason, Refusal
from migfix.history.state import FieldState, ModelKey, ModelState, ProjectState, Unknown
from migfix.reading.kinds.values import Manager, Row, Rows, Step
from migfix.reading.names.scopes import statements_of_scope, walk
from migfix.reading.rows import lookups
from migfix.reading.rows.methods import CHAINING, Does, methods
from migfix.reading.rows.querysets import Resolver
from migfix.reading.rows.relations import accessor
from migfix.writes.defaults import may_look
from migfix.writes.unknown import is_of_unknown_code

# Links of a chain that bring no other table into the query, unless by a lookup.
_PLAIN_STEPS = methods(Does.STAYS_IN_TABLE)
_SORTING = methods(Does.TAKES_ORDER)
# What these are given is rows, values of the table's own columns, or no column at all.
_WITHOUT_LOOKUPS = methods(Does.TAKES_NO_COLUMN)
_NO_LOOKUPS = frozenset({"defaults", "create_defaults", "flat", "named"})


@dataclass(frozen=True)
class Waiting:
    """Rows that wait to be written: the attributes by which others lead to them, and which queries are of their table."""

    label: str
    names: frozenset[str]
    touched_by: Callable[[Effect], bool]


def check_nothing_looks(
    loop: Loop, model: ModelState, besides: Collection[ast.AST] = ()
) -> Iterator[Refusal]:
    """What may look for rows of the model while they wait. Raises ``Refused`` where it does.

    Queries of other tables by their own columns alone see nothing of them. The calls ``besides`` are
    those that wait themselves.
    """
    waiting = Waiting(model.label, _names_leading_to(loop, model), partial(touches, loop, model))
    yield from nothing_looks(loop, waiting, besides)


def nothing_looks(loop: Loop, waiting: Waiting, besides: Collection[ast.AST]) -> Iterator[Refusal]:
    """The same of any rows. What is among ``besides`` is no reading of them."""
    unknown: list[Location] = []
    for effect in loop.effects:
        if effect.node in besides or is_own_save(effect, loop):
            continue
        at = loop.at(effect.node)
        match effect.kind:
            case Kind.SQL | Kind.TRANSACTION:
                raise Refused(
                    Reason.QUERY_IN_BODY, f"{at} uses the connection before all is saved", at
                )
            case Kind.READS | Kind.WRITES:
                yield from _check_query(effect, loop, waiting)
            case Kind.CALL:
                unknown.append(at)
    if unknown:
        yield _may_look_anywhere(unknown, waiting)
    for node, resolver in reached(loop.region, loop.resolver):
        if node in besides:
            continue
        if (name := _leading(node, waiting.names, resolver)) is not None:
            at = loop.at(node)
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"`{name}` on {at} may read rows of {waiting.label} before they are written",
                at,
            )
        if isinstance(node, ast.expr) and _is_lazy_here(node, lazies_of(resolver)):
            at = loop.at(node)
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"{at} may run a query that was made before, and read rows of {waiting.label} before they "
                "are written",
                at,
            )
        if isinstance(node, ast.Name) and is_of_unknown_code(node, resolver, loop):
            at = loop.at(node)
            yield Refusal(
                Reason.UNKNOWN_CALL,
                f"`{node.id}` on {at} may be a queryset that is not evaluated yet",
                at,
            )
    _check_nothing_kept(loop)


def _may_look_anywhere(places: list[Location], waiting: Waiting) -> Refusal:
    """Calls that may run any query: one doubt, wherever they stand."""
    first, more = places[0], len({str(at) for at in places}) - 1
    calls = {0: "calls", 1: "and another line call"}.get(more, f"and {more} more lines call")
    return Refusal(
        Reason.UNKNOWN_CALL,
        f"{first} {calls} code that is not known and may look for {waiting.label} rows that wait to be written",
        first,
    )


def check_own_saves(loop: Loop, model: ModelState | None) -> Iterator[Refusal]:
    """What may look for rows of the model as the loop saves its own at once, or deletes them. Raises ``Refused``.

    With None, of what waits in no table that a ``save()`` looks at.
    """
    for use in loop.used(uses.Kind.DELETE):
        at = loop.at(use.node)
        raise Refused(
            Reason.QUERY_IN_BODY, f"{at} deletes rows that others, not written yet, leave", at
        )
    for use in loop.used(uses.Kind.SAVE):
        own = Effect(
            Kind.WRITES, use.node, None if isinstance(loop.model, Unknown) else loop.model.key
        )
        known = own.model is not None and loop.columns_of(own.model) is not None
        if not known or (model is not None and touches(loop, model, own)):
            at = loop.at(use.node)
            raise Refused(
                Reason.QUERY_IN_BODY, f"{at} saves rows that may be among those that wait", at
            )
        yield from _caveats_of_query(own, loop)


def check_nothing_is_loaded(loop: Loop, model: ModelState) -> None:
    """No row but that of the turn is asked for a column that it may have to look for. Raises ``Refused``."""
    for node, name in loads_of_others(loop, model):
        at = loop.at(node)
        raise Refused(
            Reason.QUERY_IN_BODY,
            f"{at} may load `{name}` of another row of {model.label}, which may wait to be written",
            at,
        )


def _is_lazy_here(node: ast.expr, lazies: Lazies) -> bool:
    """May the body run a query here of which it is not known which table it reads?

    Known ones are effects, wherever they run.
    """
    resolver = lazies.resolver
    match node:
        case ast.Name():
            known = isinstance(resolver.value(node), (Manager, Rows, Row))
            return lazies.is_lazy(node) and not known
        case ast.Call(func=ast.Attribute(attr=method)) if method in CHAINING:
            return lazies.is_lazy(node) and not isinstance(resolver.value(node), Rows)
        case ast.Call(func=ast.Name()) if resolver.function(node.func) is not None:
            return lazies.is_lazy(node)
    return False


def _check_nothing_kept(loop: Loop) -> None:
    """No query is put before the loop where the body could find it. Raises ``Refused``."""
    for node, resolver in _kept(loop.resolver):
        inside = resolver.scope.is_inside(node, loop.node)
        if not inside and not (resolver is loop.resolver and _comes_after(node, loop)):
            at = loop.at(node)
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"{at} keeps a query that the loop may run before all is saved",
                at,
            )


def _kept(resolver: Resolver) -> list[tuple[ast.expr, Resolver]]:
    """The queries that the function, and those that it calls, keep where they cannot be followed."""
    if "kept" not in resolver.own:
        resolver.own["kept"] = [
            (node, here)
            for node, here in reached(statements_of_scope(resolver.scope), resolver)
            if isinstance(node, ast.expr)
            and lazies_of(here).is_lazy(node)
            and lazies_of(here).is_kept(node)
        ]
    found: list[tuple[ast.expr, Resolver]] = resolver.own["kept"]
    return found


def _comes_after(node: ast.expr, loop: Loop) -> bool:
    """Does it run only when the loop is over, as it is not inside?"""
    turns = (ast.For, ast.AsyncFor, ast.While)
    again = any(isinstance(each, turns) for each in loop.resolver.scope.ancestors(loop.node))
    return not again and node.lineno > loop.node.lineno


def _check_query(effect: Effect, loop: Loop, waiting: Waiting) -> Iterator[Refusal]:
    at = loop.at(effect.node)
    if effects.is_deletion(effect):
        raise Refused(
            Reason.QUERY_IN_BODY, f"{at} deletes rows that others, not written yet, leave", at
        )
    if effect.model is None or waiting.touched_by(effect):
        raise Refused(
            Reason.QUERY_IN_BODY,
            f"{at} may read or write rows of {waiting.label} before they are written",
            at,
        )
    if not stays_in_table(effect, loop):
        raise Refused(
            Reason.QUERY_IN_BODY, f"the query on {at} may join rows that are not written yet", at
        )
    yield from _caveats_of_query(effect, loop)


def _caveats_of_query(effect: Effect, loop: Loop) -> Iterator[Refusal]:
    """Code of the project that a query of another table may run. Raises ``Refused``."""
    assert effect.model is not None
    other, columns = loop.state.model(*effect.model), loop.columns_of(effect.model)
    assert not isinstance(other, Unknown) and columns is not None
    yield from gates.caveats_of(other, loop, columns)
    if effect.kind is Kind.WRITES:
        for column in columns.values():
            if column.kind is None or may_look(column.options.get("default"), loop):
                at = loop.at(effect.node)
                yield Refusal(
                    Reason.UNKNOWN_CALL,
                    f"{at} may run code of the project for `{column.name}` of {other.label}",
                    at,
                )


def stays_in_table(effect: Effect, loop: Loop) -> bool:
    """Does the query name no column of another table, and no expression that could?"""
    assert effect.model is not None
    query, resolver = effect.inside or (effect, loop.resolver)
    node = query.node
    if not _is_written_here(node, resolver):
        return False
    other, columns = loop.state.model(*effect.model), loop.columns_of(effect.model)
    assert not isinstance(other, Unknown) and columns is not None  # or it may be any table
    if not other.has_plain_managers:
        return False
    chain = [*_chain(node, resolver)]
    every = list(chain)
    if isinstance(node, ast.Call) and not _rows(node, resolver):
        assert isinstance(node.func, ast.Attribute)
        every.append(Step(node.func.attr, node))
    return (
        all(
            lookups.stays_in_table(name, columns, sorts=True)
            for name in lookups.order_of_model(other, every)
        )
        and all(step.name in _PLAIN_STEPS for step in chain)
        and all(_names_own(step, columns) for step in every)
        and not any(_has_queries(step, lazies_of(resolver)) for step in every)
    )


def _is_written_here(node: ast.AST, resolver: Resolver) -> bool:
    """Is it the query itself, of rows, a manager or a new row?"""
    match node:
        case ast.Call(func=ast.Attribute(value=owner)) if _rows(node, resolver) is None:
            known = isinstance(resolver.value(owner), (Manager, Rows, Row))
            return known or effects.made_row(owner, resolver) is not None
    return _rows(node, resolver) is not None


def _chain(node: ast.AST, resolver: Resolver) -> tuple[Step, ...]:
    """The links of the queryset that the effect is about, without its last call."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner)) if not _rows(node, resolver):
            found = _rows(owner, resolver)
        case _:
            found = _rows(node, resolver)
    return found.steps if found else ()


def _rows(node: ast.AST, resolver: Resolver) -> Rows | None:
    found = resolver.value(node) if isinstance(node, ast.expr) else None
    return found if isinstance(found, Rows) else None


def _names_own(step: Step, columns: Mapping[str, FieldState]) -> bool:
    """Are all lookups of the step columns of the table itself?"""
    if step.call is None or step.name in _WITHOUT_LOOKUPS:
        return True
    kept = [k for k in step.call.keywords if k.arg not in _NO_LOOKUPS]
    named = Step(step.name, ast.Call(step.call.func, step.call.args, kept))
    return all(
        lookups.stays_in_table(name, columns, sorts=step.name in _SORTING) for name in named.lookups
    )


def _has_queries(step: Step, lazies: Lazies) -> bool:
    """``F("author__name")``, subqueries and what may be one lead to other tables."""
    if step.call is None:
        return False
    given = [*step.call.args, *(keyword.value for keyword in step.call.keywords)]
    return any(
        isinstance(node, ast.expr) and _is_query(node, lazies)
        for value in given
        for node in walk(value)
    )


def _is_query(node: ast.expr, lazies: Lazies) -> bool:
    match node:
        case ast.Call(func=function):  # the lookups of Q are those of the step
            path = lazies.resolver.module.path_of(function)
            return path != "django.db.models.Q" and lazies.is_lazy(node)
        case ast.Name() | ast.Attribute():
            return lazies.is_lazy(node)
    return False


def _names_leading_to(loop: Loop, model: ModelState) -> frozenset[str]:
    """The attributes by which rows of any model give rows of this table. Raises ``Refused``."""
    found: set[str | None] = set()
    for each in _sharing_table(loop, model):
        found |= {field.name for _, field in loop.state.pointing_to(each.key)}
        for field in each.fields:
            if field.target is not None:  # a manager, or one row, on its target
                name = field.options.get("related_name", "")
                if not isinstance(name, str):
                    raise Refused(
                        Reason.MODEL_UNKNOWN,
                        f"what rows of other tables call those of {each.label} is not known",
                    )
                shown = name.replace("%(class)s", each.name.lower())
                shown = shown.replace("%(app_label)s", each.app_label)
                found |= {shown or each.name.lower(), accessor(each, field)}
    found |= _names_through(loop, model)
    return frozenset(name for name in found if name and not name.endswith("+"))


def _sharing_table(loop: Loop, model: ModelState) -> list[ModelState]:
    """The models, itself included, whose rows are in its table: proxies, children, other states of it."""
    others = loop.state.ask(_sharing_with, model.key)
    return [model, *(other for other in others if other is not model)]


def _sharing_with(state: ProjectState, key: ModelKey) -> tuple[ModelState, ...]:
    return lookups.sharing_table(key, state)


def _leading(node: ast.AST, names: frozenset[str], resolver: Resolver) -> str | None:
    """The attribute among the names that the node reads; a column of the same name leads nowhere."""
    match node:
        case ast.Attribute(value=owner, attr=name) if name in names:
            row = resolver.value(owner)
            plain = isinstance(row, Row) and effects.is_plain_column(row, name, resolver)
            return None if plain else name
    named = (name for name in named_by_text(node, resolver) if name is None or name in names)
    return next((name or "an attribute that a text names" for name in named), None)


def _names_through(loop: Loop, model: ModelState) -> set[str | None]:
    """The managers, on both ends, of many-to-many relations whose rows are those of the model."""
    links = loop.state.ask(_links_through, model.key)
    return {name for other, link in links for name in (link.name, accessor(other, link))}


def _links_through(state: ProjectState, key: ModelKey) -> tuple[tuple[ModelState, FieldState], ...]:
    return tuple(
        (model, field)
        for model in state.models.values()
        if isinstance(model, ModelState)
        for field in model.fields
        if isinstance(field.through, Unknown) or field.through == key
    )
