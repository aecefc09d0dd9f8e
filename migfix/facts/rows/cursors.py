"""Loops over the rows of a database cursor: the query that it ran, and what else needs that cursor."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migfix.reading.kinds.values import SchemaEditor
from migfix.reading.names.scopes import Binding, run_before, walk

if TYPE_CHECKING:
    from migfix.facts.loop import Loop

_READING = frozenset("fetchone fetchall fetchmany rowcount description lastrowid".split())
_RUNNING = frozenset({"execute", "executemany"})
_CLOSING = frozenset({"close"})
# What gives a connection's cursors rows of another kind than tuples.
_CUSTOM = frozenset({"row_factory", "cursor_factory", "cursorclass", "DictCursor"})
_REFLECTION = frozenset({"locals", "vars", "eval", "exec"})


@dataclass(frozen=True, slots=True)
class CursorQuery:
    """``cursor.execute(sql, params)`` right before a loop over all rows of that cursor.

    ``cursor`` is its name where the rows are fetched, ``fetch`` the statement that does so: the loop, or
    ``rows = cursor.fetchall()`` in front of it, and then ``rows`` is the name in the loop's header.
    ``between`` are the assignments between ``execute`` and the loop.
    """

    cursor: ast.Name
    created: Binding
    connection: ast.expr
    execute: ast.stmt
    sql: ast.expr
    params: ast.expr | None
    fetch: ast.stmt
    rows: ast.Name | None
    between: tuple[ast.Assign, ...]

    @property
    def arguments(self) -> tuple[ast.expr, ...]:
        """The expressions that the loop's header would evaluate."""
        return (self.connection, self.sql, *([self.params] if self.params else []))


def cursor_query_of(loop: Loop) -> CursorQuery | None:
    """The query whose rows the loop goes over; None where that is not certain."""
    header = loop.queryset
    rows = header if isinstance(header, ast.Name) and _assigned(header, loop) else None
    fetch = _assigned(rows, loop) if rows else loop.node
    cursor = _cursor_in(fetch.value if isinstance(fetch, ast.Assign) else header)
    created = loop.resolver.scope.binding(cursor.id, cursor) if cursor else None
    connection = _connection_of(created, loop) if created else None
    if fetch is None or cursor is None or created is None or connection is None:
        return None
    to_fetch = [] if fetch is loop.node else _back_to(fetch, loop.node, cursor.id, loop)
    execute = _executed_before(fetch, cursor.id, loop)
    if to_fetch is None or execute is None:
        return None
    to_execute = _back_to(execute, fetch, cursor.id, loop)
    arguments = _arguments_of(execute)
    if to_execute is None or arguments is None:
        return None
    between = tuple(s for s in (*to_execute, *to_fetch) if isinstance(s, ast.Assign))
    query = CursorQuery(cursor, created, connection, execute, *arguments, fetch, rows, between)
    return query if _means_the_same(query, loop) else None


def _assigned(name: ast.Name, loop: Loop) -> ast.Assign | None:
    """``rows = cursor.fetchall()`` behind the name."""
    binding = loop.resolver.scope.binding(name.id, name)
    match binding.statement if binding else None:
        case ast.Assign(targets=[ast.Name()], value=value) as statement if _is_fetchall(value):
            return statement
    return None


def _is_fetchall(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(), attr="fetchall"), args=[], keywords=[]):
            return True
    return False


def _cursor_in(node: ast.expr) -> ast.Name | None:
    """The name in ``cursor.fetchall()``, or that of the cursor itself."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name() as name)) if _is_fetchall(node):
            return name
        case ast.Name() as name:
            return name
    return None


def _connection_of(created: Binding, loop: Loop) -> ast.expr | None:
    """The connection that a Django cursor was made of, written without any call."""
    match created.statement:
        case ast.withitem(context_expr=made):
            pass
        case ast.Assign(targets=[ast.Name()], value=made):
            pass
        case _:
            return None
    match made:
        case ast.Call(func=ast.Attribute(value=connection, attr="cursor")):
            plain = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant)
            known = loop.resolver.value(made) == SchemaEditor("cursor")
            written = all(isinstance(node, plain) for node in walk(connection))
            return connection if known and written else None
    return None


def _back_to(
    earlier: ast.stmt, statement: ast.stmt, cursor: str, loop: Loop
) -> list[ast.stmt] | None:
    """What stands between the two; None where it may change what the later query would read.

    The earlier one may end a ``with`` that opens the cursor alone.
    """
    between: list[ast.stmt] = []
    for each in _siblings_before(statement, loop):
        if each is earlier or _ends(each, earlier, loop):
            return between
        if not _is_plain_assignment(each, loop) and not _is_call_of(each, cursor, _CLOSING):
            return None
        between.append(each)
    return None


def _ends(block: ast.stmt, statement: ast.stmt, loop: Loop) -> bool:
    """Is the statement the last of a ``with`` that opens a cursor and nothing else?"""
    match block:
        case ast.With(items=[ast.withitem(context_expr=opened)], body=[*_, last]):
            return last is statement and loop.resolver.value(opened) == SchemaEditor("cursor")
    return False


def _siblings_before(statement: ast.stmt, loop: Loop) -> Iterator[ast.stmt]:
    """The statements before it in its own block, the nearest first."""
    parent = loop.resolver.scope.parents.get(statement)
    blocks = [getattr(parent, name, None) for name in ("body", "orelse", "finalbody")]
    block = next((b for b in blocks if isinstance(b, list) and statement in b), [])
    return reversed(block[: block.index(statement)] if block else [])


def _is_plain_assignment(statement: ast.stmt, loop: Loop) -> bool:
    """``name = value``, where making the value neither queries nor changes anything."""
    match statement:
        case ast.Assign(targets=[ast.Name()], value=value):
            return all(_is_plain(node, loop) for node in walk(value))
    return False


def _is_plain(node: ast.AST, loop: Loop) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="quote_name", value=owner)):
            return isinstance(loop.resolver.value(owner), SchemaEditor)
        case ast.Call(func=ast.Attribute(attr="format", value=ast.Constant())):
            return True
        case ast.Call(func=ast.Attribute(attr="cursor")):
            return loop.resolver.value(node) == SchemaEditor("cursor")
        case ast.Call(func=function):
            return loop.module.path_of(function) == "django.utils.timezone.now"
        case ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
            return False
    return True


def _executed_before(fetch: ast.stmt, cursor: str, loop: Loop) -> ast.stmt | None:
    """The nearest ``cursor.execute(...)`` in front of the statement, in its block."""
    runs = (s for s in _siblings_before(fetch, loop) if _is_call_of(s, cursor, _RUNNING))
    return next(runs, None)


def _is_call_of(statement: ast.AST, cursor: str, methods: frozenset[str]) -> bool:
    """Is the statement a call of one of the cursor's methods, whose result is not used?"""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method))):
            return name == cursor and method in methods
    return False


def _arguments_of(execute: ast.stmt) -> tuple[ast.expr, ast.expr | None] | None:
    """The SQL and the parameters of ``execute(sql, params)``."""
    match execute:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(attr="execute"), args=args, keywords=named)
        ):
            given = dict(zip(("sql", "params"), args, strict=False))
            given |= {str(k.arg): k.value for k in named}
            moved = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.Starred)
            plain = not any(isinstance(node, moved) for a in given.values() for node in walk(a))
            complete = len(given) == len(args) + len(named) and given.keys() <= {"sql", "params"}
            if plain and complete and "sql" in given:
                return given["sql"], given.get("params")
    return None


def _means_the_same(query: CursorQuery, loop: Loop) -> bool:
    """Do the query's arguments give in the loop's header what they give where they stand?"""
    scope = loop.resolver.scope
    moved = {n.id for a in query.arguments for n in walk(a) if isinstance(n, ast.Name)}
    moved.add(query.cursor.id)
    assigned = {t.id for s in query.between for t in s.targets if isinstance(t, ast.Name)}
    calls = any(isinstance(n, ast.Call) for a in query.arguments for n in walk(a))
    if moved & assigned or (calls and query.between):
        return False
    names = {n.id for n in walk(query.connection) if isinstance(n, ast.Name)}
    for name in names & scope.bindings.keys():
        before, now = (scope.binding(name, at) for at in (query.connection, loop.node))
        if before is None or now is None or before.statement is not now.statement:
            return False
    return True


def rows_used_again(query: CursorQuery, loop: Loop) -> ast.AST | None:
    """The first place besides the loop that needs the list of rows, None if there is none."""
    scope = loop.resolver.scope
    for load in scope.loads(query.rows.id, ast.Del) if query.rows else ():
        other = scope.binding(load.id, load)
        if load is not query.rows and (other is None or other.statement is query.fetch):
            return load
    for node in loop.module.nodes_of(scope.node):  # type: ignore[arg-type]
        if isinstance(node, ast.Name) and node.id in _REFLECTION:
            return node
    return None


def cursor_used(query: CursorQuery, loop: Loop) -> ast.AST | None:
    """The first place that may depend on the cursor having run the query, None if there is none."""
    for load in _other_loads(query, loop):
        certain = loop.resolver.scope.binding(load.id, load) is not None
        if not certain or not _is_independent(load, query, loop):
            return load
    return None


def _other_loads(query: CursorQuery, loop: Loop) -> Iterator[ast.Name]:
    """Every other place that may see this very cursor."""
    scope = loop.resolver.scope
    for load in scope.loads(query.cursor.id, ast.Del):
        binding = scope.binding(load.id, load)
        same = binding is None or binding.statement is query.created.statement
        if same and load is not query.cursor and not _is_of_call(load, query.execute):
            yield load


def _is_of_call(load: ast.Name, statement: ast.AST) -> bool:
    """Is it the ``cursor`` of the statement ``cursor.method(...)``, not one among its arguments?"""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=cursor))):
            return cursor is load
    return False


def _is_independent(load: ast.Name, query: CursorQuery, loop: Loop) -> bool:
    """Does it do the same whether or not the cursor has run the query of the loop?"""
    scope = loop.resolver.scope
    if is_live(query, loop) and scope.is_inside(load, loop.node):
        return False
    parent = scope.parents[load]
    if isinstance(parent, ast.For) and parent.iter is load:
        return _runs_its_own(load, query, loop)
    if not isinstance(parent, ast.Attribute):
        return False
    if _is_of_call(load, scope.statement_of(load)):
        if parent.attr in _RUNNING:
            return True
        if parent.attr == "close":
            return load.lineno > query.execute.lineno
    return parent.attr in _READING and _runs_its_own(load, query, loop)


def is_live(query: CursorQuery, loop: Loop) -> bool:
    """Does the loop fetch its rows one by one, instead of all of them first?"""
    direct = query.fetch is loop.node and isinstance(loop.queryset, ast.Name)
    return direct and not {"list", "tuple"} & set(loop.wrappers)


def _runs_its_own(load: ast.AST, query: CursorQuery, loop: Loop) -> bool:
    """Has the cursor certainly run another query since that of the loop whenever this is reached?"""
    scope = loop.resolver.scope
    step = load
    for ancestor in scope.ancestors(load):
        for statement in reversed(run_before(step, ancestor)):
            if scope.is_inside(query.execute, statement) or statement is loop.node:
                return False
            if _is_call_of(statement, query.cursor.id, _RUNNING):
                return True
        holds = ancestor is loop.node or scope.is_inside(query.execute, ancestor)
        if holds and not isinstance(ancestor, ast.With):
            return False
        step = ancestor
    return False


def superfluous(query: CursorQuery, loop: Loop) -> tuple[ast.stmt, ...]:
    """The statements that do nothing any more once the loop runs the query itself.

    None at all where they would leave an empty block.
    """
    scope = loop.resolver.scope
    drops = [query.execute] if query.fetch is loop.node else [query.execute, query.fetch]
    others, closes = _closes(query, loop)
    created = query.created.statement
    around = scope.parents[query.fetch]
    if isinstance(around, ast.With) and around.body == drops:
        return (around,) if created in around.items else ()
    if (
        len(closes) == len(others)
        and isinstance(created, ast.Assign)
        and _is_made_for(query, created, loop)
    ):
        drops = [created, *drops, *closes]
    return tuple(drops)


def _closes(query: CursorQuery, loop: Loop) -> tuple[list[ast.AST], list[ast.stmt]]:
    """The other statements that name the cursor, and those beside the loop that only close it."""
    others = [loop.resolver.scope.statement_of(load) for load in _other_loads(query, loop)]
    closes = [s for s in loop.block if s in others and _is_call_of(s, query.cursor.id, _CLOSING)]
    return others, closes


def superfluous_with(query: CursorQuery, loop: Loop) -> ast.With | None:
    """The ``with`` that would open the cursor for nothing if nothing else in it needs the cursor."""
    scope = loop.resolver.scope
    opens = scope.parents.get(query.created.statement)
    match opens:
        case ast.With(items=[_]) if opens not in superfluous(query, loop):
            inside = all(scope.is_inside(load, opens) for load in _other_loads(query, loop))
            return opens if inside else None
    return None


def _is_made_for(query: CursorQuery, created: ast.stmt, loop: Loop) -> bool:
    """Is the cursor made right before its query, where nothing can depend on that it was?"""
    parents = loop.resolver.scope.parents
    beside = parents[created] is parents[query.execute]
    return beside and _back_to(created, query.execute, query.cursor.id, loop) is not None


def uses_other_rows(loop: Loop) -> ast.AST | None:
    """The first place that takes a row for more than a tuple, or makes rows something else."""
    target = loop.node.target
    for node in walk(loop.module.tree):
        if (isinstance(node, ast.Attribute) and node.attr in _CUSTOM) or (
            isinstance(node, ast.Name) and node.id in _CUSTOM
        ):
            return node
    name = (
        target.elts[-1]
        if isinstance(target, ast.Tuple) and "enumerate" in loop.wrappers
        else target
    )
    if not isinstance(name, ast.Name):
        return None
    return next((n for s in loop.node.body for n in walk(s) if _is_no_tuple(n, name.id)), None)


def _is_no_tuple(node: ast.AST, row: str) -> bool:
    """``row["id"]``, ``row.id``"""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return name == row and attribute not in {"count", "index"}
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)):
            return name == row and not isinstance(key, int)
    return False
