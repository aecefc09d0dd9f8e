"""Whether rows that were read may change, in their table or as objects in memory, before a loop uses them.

Every name, container and link that leads to a row leads to one object, which holds what the row was
when it was read and what was set on it since; a query holds what the table is when it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from migfix.facts.body.effects import Effect, Kind, effects_of, is_deletion
from migfix.history.fields import Is, fields
from migfix.history.state import ModelKey, ModelState, Unknown
from migfix.reading.kinds.values import Apps, Manager, Model, Row, Rows
from migfix.reading.names.scopes import DEFINITIONS, Binding, walk
from migfix.reading.rows.lookups import share_table
from migfix.reading.rows.methods import Does, methods
from migfix.reading.rows.querysets import Resolver
from migfix.reading.rows.relations import accessor, possible_columns

if TYPE_CHECKING:
    from migfix.facts.loop import Loop
from migfix.facts.body.containers import Container, is_only_read, may_stand_for

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_CHANGING = frozenset({Kind.WRITES, Kind.SQL, Kind.TRANSACTION, Kind.CALL, Kind.YIELDS})
# Methods that neither fill nor hand out the rows that a queryset keeps.
# https://docs.djangoproject.com/en/stable/topics/db/queries/#caching-and-querysets
_UNCACHED = methods(Does.SKIPS_CACHE) | methods(Does.READS_CACHE)
# Kinds of columns whose values cannot be changed in place.
_IMMUTABLE = fields(Is.FIXED)


# --- tables --------------------------------------------------------------------------------------


def shares_table(loop: Loop, model: ModelState, key: ModelKey | None) -> bool:
    """May a write to the model called ``key`` change rows in the table of ``model``?"""
    return share_table(key, model.key, loop.state)


def touches(loop: Loop, model: ModelState, effect: Effect) -> bool:
    """May the query that the effect is, if it writes, change rows in the table of ``model``?"""
    return any(shares_table(loop, model, key) for key in effect.models)


def is_quiet(since: ast.AST, loop: Loop) -> bool:
    """Is it certain that no table changes between ``since`` and the first turn of the loop?"""
    return not any(effect.kind in _CHANGING for effect in _effects(_between(since, loop), loop))


def is_quiet_after(statement: ast.AST, loop: Loop) -> bool:
    """The same, of what runs when the statement has."""
    nodes = (node for node in _between(statement, loop) if node is not statement)
    return not any(effect.kind in _CHANGING for effect in _effects(nodes, loop))


def _between(since: ast.AST, loop: Loop) -> Iterator[ast.AST]:
    """What runs from the statement of ``since`` to the first turn, headers included.

    Of a statement that holds the loop, the header alone: the rest runs after it, or in its place.
    """
    inside = loop.resolver.scope.is_inside
    yield loop.node.iter
    for block, step in blocks_around(loop):
        before = block[: block.index(step)]
        start = next((i for i, each in enumerate(before) if inside(since, each)), None)
        yield from before if start is None else before[start:]
        if step is not loop.node:
            yield from _header(step)
        if start is not None or inside(since, step):
            return


def _header(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement that holds others evaluates before them."""
    for name in ("test", "items", "subject", "iter"):
        part = getattr(statement, name, None)
        yield from part if isinstance(part, list) else [part] if part is not None else []


def _effects(nodes: Iterable[ast.AST], loop: Loop) -> Iterator[Effect]:
    statements = [n if isinstance(n, ast.stmt) else _as_statement(n) for n in nodes]
    return effects_of(statements, None, loop.resolver)


def _as_statement(node: ast.AST) -> ast.stmt:
    """``with`` items and expressions, where statements are asked for."""
    if isinstance(node, ast.expr):
        return ast.Expr(node)
    assert isinstance(node, ast.withitem)
    return ast.With([node], [])


def blocks_around(loop: Loop) -> Iterator[tuple[list[ast.stmt], ast.stmt]]:
    """The blocks that hold the loop, innermost first, each with its statement that does.

    Ends at a loop around this one: what stands outside of that runs once for several of this.
    """
    step: ast.AST = loop.node
    for ancestor in loop.resolver.scope.ancestors(loop.node):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(ancestor, name, None)
            if isinstance(block, list) and step in block:
                assert isinstance(step, ast.stmt)
                yield block, step
        if isinstance(ancestor, (*_LOOPS, ast.Try)):
            return
        step = ancestor


# --- what a container holds ----------------------------------------------------------------------


def is_read_anew(rows: ast.expr, resolver: Resolver) -> bool:
    """Does the expression run a query of its own, so that nobody else has the objects that it gives?

    A queryset with a name keeps its objects, and hands them to all who go over it.
    """
    match rows:
        case ast.Call(func=function, args=given):
            if not _is_pythons(function, resolver):
                return isinstance(function, ast.Attribute)
            return is_read_anew(given[0], resolver) if given else False
        case ast.Name():
            return _is_only_chained(rows, resolver)
    return False


def _is_pythons(function: ast.expr, resolver: Resolver) -> bool:
    """``list``, ``sorted``, ``tqdm.tqdm``: what goes over rows and hands out the same objects."""
    named = isinstance(function, ast.Name) and resolver.module.is_builtin(function.id)
    return named or resolver.module.path_of(function) is not None


def _is_only_chained(rows: ast.Name, resolver: Resolver) -> bool:
    """Is the name that of one queryset, whose rows nothing else goes over?"""
    scope = resolver.scope
    made = scope.bound_once(rows.id)
    if made is None or not isinstance(made.statement, ast.Assign) or made.position is not None:
        return False
    others = [load for load in scope.loads(rows.id, ast.Del) if load is not rows]
    plain = isinstance(made.value, ast.Call) and len(made.statement.targets) == 1
    return plain and all(_chains(load, resolver) for load in others)


def _chains(load: ast.Name, resolver: Resolver) -> bool:
    parents = resolver.scope.parents
    match parents[load]:
        case ast.Attribute(attr=method):
            return method in _UNCACHED
    return False


def holds_what_was_read(name: str, made: ast.stmt, model: ModelState | None, loop: Loop) -> bool:
    """Does the dict ``name`` hold, at each turn, what the statement beside the loop put into it?

    Rows of the model, or where that is None, values that do not change. What the loop's own
    statements do with it is for those to say who read them.
    """
    scope = loop.resolver.scope
    immutable = immutable_attributes(model, loop) if model else None
    container = Container(loop.resolver, immutable)
    body = loop.node.body
    return made in loop.block and all(
        any(scope.is_inside(load, statement) for statement in body)
        or _runs_after(load, loop)
        or container.is_left(load)
        for load in scope.loads(name, ast.Del)
    )


def immutable_attributes(model: ModelState, loop: Loop) -> frozenset[str]:
    """The attributes of a row that are values which nothing changes in place."""
    columns = possible_columns(loop.state, model)
    if isinstance(columns, Unknown):
        return frozenset()
    plain = {column.name for column in columns if column.kind in _IMMUTABLE}
    keys = {str(column.attname) for column in columns if column.target is not None}
    return frozenset(plain | keys | {"pk"})


def _runs_after(node: ast.AST, loop: Loop) -> bool:
    """Does it run only when the loop is over, or in another turn of the loops around it?"""
    if any(isinstance(a, DEFINITIONS) for a in _inside_function(node, loop.resolver)):
        return False
    return node.lineno > (loop.node.end_lineno or loop.node.lineno)  # type: ignore[attr-defined, no-any-return]


def _inside_function(node: ast.AST, resolver: Resolver) -> Iterator[ast.AST]:
    for ancestor in resolver.scope.ancestors(node):
        if ancestor is resolver.scope.node:
            return
        yield ancestor


# --- what a query is made of ---------------------------------------------------------------------


def means_the_same(node: ast.expr, loop: Loop) -> bool:
    """Does the expression, evaluated in the place of the loop, give what it gave when it was evaluated?

    It does where every name in it is bound once, to what nothing changes in between.
    """
    return all(_stays(n, loop) for n in walk(node) if isinstance(n, ast.Name))


def _stays(name: ast.Name, loop: Loop) -> bool:
    resolver, scope = loop.resolver, loop.resolver.scope
    if isinstance(resolver.value(name, loop.node), (Apps, Model, Manager)):
        return True
    if name.id not in scope.bindings:
        return not scope.binds_around(name.id) and _stays_in_module(name.id, loop)
    made = scope.bound_once(name.id)
    if made is None or made.value is None or made.position is not None:
        return False
    value = resolver.value(made.value, made.statement)
    if isinstance(value, Row):
        return _is_row_only_read(name.id, value, loop)
    if isinstance(value, Rows):  # the query of it, whoever has its rows
        return not value.has("list()", "iterator") and means_the_same(made.value, loop)
    return _is_kept(name.id, made.value, resolver)


def _stays_in_module(name: str, loop: Loop) -> bool:
    module = loop.module
    constant = module.constant(name)
    top = Resolver(module, module.scope, {}, loop.state)
    return name in module.imports or (constant is not None and _is_kept(name, constant, top))


def _is_kept(name: str, value: ast.expr, resolver: Resolver) -> bool:
    """Is it a value, or a collection of values, that nothing changes in place?"""
    match value:
        case ast.List(elts=items) | ast.Set(elts=items):
            return all(map(_is_immutable, items)) and holds_what_was_written(name, resolver)
    return _is_immutable(value)


def holds_what_was_written(name: str, resolver: Resolver) -> bool:
    """Is the name of a collection of plain values used only in ways that leave it as it is?"""
    collection = Container(resolver, None)
    return all(map(collection.is_left, resolver.scope.loads(name, ast.Del)))


def _is_immutable(node: ast.expr) -> bool:
    match node:
        case ast.Constant() | ast.JoinedStr() | ast.Compare():
            return True
        case ast.Tuple(elts=items):
            return all(map(_is_immutable, items))
        case ast.UnaryOp(operand=operand):
            return _is_immutable(operand)
    return False


def _is_row_only_read(name: str, row: Row, loop: Loop) -> bool:
    model = loop.state.model(*row.model.key) if row.model.key else Unknown("")
    if isinstance(model, Unknown):
        return False
    immutable = immutable_attributes(model, loop)
    return all(
        is_only_read(load, loop.resolver, immutable)
        for load in loop.resolver.scope.loads(name, ast.Del)
    )


# --- objects that rows know already --------------------------------------------------------------


def known_owner(loop: Loop, link: str) -> ast.expr | None:
    """``blog`` of ``for post in blog.posts.all()``, where ``post.<link>`` is that very object.

    https://docs.djangoproject.com/en/stable/topics/db/queries/#following-relationships-backward
    """
    rows = loop.rows
    if not isinstance(rows, Rows) or isinstance(loop.model, Unknown):
        return None
    if any(map(_is_of_related, _joined_by(rows, loop))):
        return loop.queryset  # whose rows know several objects
    if not rows.manager.related:
        return None
    parents = loop.state.parents(loop.model)
    lineage = (loop.model, *(() if isinstance(parents, Unknown) else parents))
    named = {f.name for m in lineage for f in m.fields if accessor(m, f) == rows.manager.name}
    return _owner(_manager_of(rows, loop), loop) if link in named else None


def _joined_by(rows: Rows, loop: Loop) -> Iterator[object]:
    """What stands on the right of ``one | other``."""
    for step in rows.steps:
        if isinstance(step.node, ast.BinOp):
            yield loop.resolver.value(step.node.right, loop.node)


def _is_of_related(rows: object) -> bool:
    return not isinstance(rows, Rows) or rows.manager.related


def _manager_of(rows: Rows, loop: Loop) -> ast.expr:
    """The expression that the chain of the queryset begins with."""
    node = rows.steps[0].node if rows.steps else loop.queryset
    match node:
        case ast.Call(func=ast.Attribute(value=manager)):
            return manager
    return node


def _owner(manager: ast.expr, loop: Loop) -> ast.expr:
    """What the manager hangs on; the manager itself where that is not written beside it."""
    return manager.value if isinstance(manager, ast.Attribute) else manager


def may_differ_from_row(owner: ast.expr, loop: Loop) -> bool:
    """May the object hold other values than its row in the table does while the loop runs?"""
    resolver, scope = loop.resolver, loop.resolver.scope
    made = scope.binding(owner.id, loop.node) if isinstance(owner, ast.Name) else None
    row = resolver.value(owner, loop.node)
    model = loop.state.model(*row.model.key) if isinstance(row, Row) and row.model.key else None
    if not isinstance(owner, ast.Name) or made is None or not isinstance(model, ModelState):
        return True
    if not _is_read_here(made, resolver):
        return True
    immutable = immutable_attributes(model, loop)
    for load in scope.loads(owner.id, ast.Del):
        other = not may_stand_for(load, made.statement, resolver)
        if not (other or load is owner or _comes_later(load, made, loop)) and not is_only_read(
            load, resolver, immutable
        ):
            return True
    return not _leaves_table(model, loop)


def _is_read_here(made: Binding, resolver: Resolver) -> bool:
    """Was the object read by a query of the function, as one that nothing else has?"""
    match made.statement:
        case ast.For(iter=rows):
            return is_read_anew(rows, resolver)
        case ast.Assign(
            targets=[ast.Name()], value=ast.Call(func=ast.Attribute(value=rows, attr=method))
        ):
            if isinstance(found := resolver.value(rows), Manager):
                return True
            # ``first()`` of a queryset with an order is the first of the rows that it keeps
            fresh = method in _UNCACHED or is_read_anew(rows, resolver)
            return fresh and isinstance(found, Rows)
    return False


def _comes_later(node: ast.AST, made: Binding, loop: Loop) -> bool:
    """Does it run after the loop, and before that would go over rows of the same object again?"""
    scope = loop.resolver.scope
    again = [
        each
        for each in _inside_function(loop.node, loop.resolver)
        if isinstance(each, _LOOPS) and not scope.is_inside(made.statement, each)
    ]
    return not again and _runs_after(node, loop)


def _leaves_table(model: ModelState, loop: Loop) -> bool:
    """Does the function, the loop and what comes after it apart, write no rows of the model?

    The rows of a loop around were all read before its first turn: what each turn writes comes before the next.
    """
    function = loop.resolver.scope.node
    assert isinstance(function.body, list)
    own = {*walk(loop.node)}
    once = not any(isinstance(a, _LOOPS) for a in _inside_function(loop.node, loop.resolver))
    for effect in effects_of(function.body, None, loop.resolver):
        if effect.node in own or (once and _runs_after(effect.node, loop)):
            continue
        other = not is_deletion(effect) and not touches(loop, model, effect)
        if effect.kind in _CHANGING and not other:
            return False
    return True


def prefetches_objects(loop: Loop) -> bool:
    """May ``prefetch_related()`` fill the links of the rows with others than the table would?

    A ``Prefetch`` chooses the rows by a queryset of its own.
    """
    return isinstance(loop.rows, Rows) and any(
        not isinstance(argument, ast.Constant)
        for step in loop.rows.steps
        if step.name == "prefetch_related"
        for argument in (step.call.args if step.call else [ast.Name("*", ast.Load())])
    )
