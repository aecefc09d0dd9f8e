"""Whether a loop's rows can be streamed, and whether a plain ``.iterator()`` is enough for that."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from migfix.facts.body import effects, uses
from migfix.facts.body.fresh import CHANGING
from migfix.facts.body.reached import reached
from migfix.facts.failure.surviving import outlives_errors
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import imported
from migfix.facts.rows.cursors import (
    CursorQuery,
    cursor_used,
    is_live,
    rows_used_again,
    uses_other_rows,
)
from migfix.facts.rows.few import few_rows_of_sql, holds_few_rows
from migfix.findings import Beside, Part, Reason, Refusal
from migfix.history.state import Unknown
from migfix.reading.kinds import plain
from migfix.reading.kinds.inferring import kind_of
from migfix.reading.kinds.values import RawRows, Row, Rows, Step
from migfix.reading.names.scopes import walk
from migfix.reading.rows import relations
from migfix.reading.rows.methods import Does, methods
from migfix.reading.rows.querysets import Resolver
from migfix.reading.rows.relations import own_managers
from migfix.reading.rows.sql import is_one_select, sql_text
from migfix.sql.databases import Trait


@lru_cache(maxsize=256)  # several codemods ask, each for all states of a loop
def cannot_stream(loop: Loop, *, in_batches: bool = False) -> Refusal | None:
    """Why the rows must stay a list, whatever fetches them; None when they may be streamed.

    ``in_batches`` asks the same of the loop without the ``bulk_update()`` of its rows or of the list that it fills.
    """
    if loop.cursor_query:
        return _cannot_stream_cursor(loop.cursor_query, loop)
    if loop.rows.model is None:
        return Refusal(
            Reason.LOOP_SHAPE,
            "the loop does not go over all rows of a cursor.execute(...) right before it",
        )
    if loop.rows.model.real:
        return imported(loop.rows.model)
    if reuse := loop.reuse_besides_batches if in_batches else loop.reuse:
        return reuse
    if isinstance(loop.rows, RawRows):
        few = few_rows_of_sql(_sql_of(loop.rows, loop), loop)
        return few or _live_elsewhere(loop) or _kept(loop) or _progress(loop)
    if loop.is_over_list_besides_batches if in_batches else loop.is_over_list:
        return Refusal(Reason.QUERYSET_REUSED, "the rows were read into a list before the loop")
    few = holds_few_rows(loop)
    return few or _kept(loop, in_batches=in_batches) or _progress(loop) or _prefetch(loop)


def needs_batches(loop: Loop, part: Part) -> tuple[Beside, ...]:
    """The condition for a rewrite of a loop that may be streamed in batches: a rewrite of ``part``.

    None is needed where no list for ``bulk_update()`` keeps the rows.
    """
    kept = cannot_stream(loop)
    return (Beside(part, kept),) if kept and not cannot_stream(loop, in_batches=True) else ()


def needs_batches_of_rows(loop: Loop) -> tuple[Beside, ...]:
    """The condition for reading other columns: that no ``bulk_update()`` gets the rows of the loop itself."""
    if loop.reuse and not loop.reuse_besides_batches:
        return (Beside(Part.WRITES, loop.reuse),)
    return ()


def _cannot_stream_cursor(query: CursorQuery, loop: Loop) -> Refusal | None:
    """The same for the rows of a cursor, whose query the loop would run itself."""
    text = sql_text(query.sql, loop.resolver)
    if text is None:
        return Refusal(Reason.SQL_UNKNOWN, "the SQL of the rows is not written out")
    if not is_one_select(text):
        return Refusal(Reason.SQL_UNKNOWN, "the SQL is not surely one SELECT that changes nothing")
    if again := rows_used_again(query, loop):
        at = loop.at(again)
        return Refusal(Reason.QUERYSET_REUSED, f"the rows are used again on {at}", at)
    if used := cursor_used(query, loop):
        at = loop.at(used)
        return Refusal(Reason.CURSOR_USED, f"{at} may need what the cursor has run", at)
    if custom := uses_other_rows(loop):
        at = loop.at(custom)
        return Refusal(
            Reason.CUSTOM_CURSOR, f"by {at} the cursor's rows may be something else than tuples", at
        )
    few = few_rows_of_sql(text, loop)
    return few or _live_elsewhere(loop) or _kept(loop) or _progress(loop)


def _sql_of(rows: RawRows, loop: Loop) -> str | None:
    """The SQL of ``Model.objects.raw(sql)``, where it is written out."""
    call = rows.call
    return sql_text(call.args[0], loop.resolver) if call and call.args else None


def _live_elsewhere(loop: Loop) -> Refusal | None:
    """Rows that SQLite reads as the loop goes: it streams already, and shows what the body writes."""
    assert isinstance(loop.rows, RawRows)
    live = is_live(loop.cursor_query, loop) if loop.cursor_query else loop.rows.live
    if not live or loop.databases.have(Trait.READS_SNAPSHOT):
        return None
    if loop.databases.have(Trait.STREAMS_CURSOR):
        return Refusal(Reason.ALREADY_STREAMS, "the loop streams already")
    if why := _may_write_others(loop):
        return Refusal(
            Reason.QUERY_IN_BODY, f"on SQLite the loop may meet rows that it has written: {why}"
        )
    return None


def _kept(loop: Loop, *, in_batches: bool = False) -> Refusal | None:
    """Streaming gains nothing, or goes wrong, when rows outlive their turn or leave the function."""
    if set(loop.wrappers) & {"sorted", "reversed", "set"}:
        return Refusal(Reason.KEEPS_ROWS, f"{loop.wrappers[0]}(...) needs all rows at once")
    if loop.waits:
        return Refusal(
            Reason.LEAVES_FUNCTION, "the function may yield or wait while its query is open"
        )
    if isinstance(loop.rows, RawRows) and (kept := _kept_raw_at(loop)) is not None:
        at = loop.at(kept)
        return Refusal(Reason.KEEPS_ROWS, f"{at} keeps every row until after the loop", at)
    appends = loop.bulk_update.appends if in_batches and loop.bulk_update else ()
    for use in loop.used(uses.Kind.ESCAPE):
        if loop.resolver.scope.parents.get(use.node) in appends:
            continue
        if (kept := _kept_at(use, loop)) is not None:
            at = loop.at(kept)
            return Refusal(Reason.KEEPS_ROWS, f"{at} keeps every row until after the loop", at)
    return None


def _kept_at(use: uses.Use, loop: Loop) -> ast.AST | None:
    """Where the row itself is put into a list or dict, None if it is not.

    A list that the loop empties holds as many rows as the loop wants to write in one go.
    """
    match loop.resolver.scope.parents.get(use.node):
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append")) if _is_emptied(
            name, loop
        ):
            return None
        case ast.Call(func=ast.Attribute(attr="append" | "add" | "appendleft" | "insert")) as call:
            return call
        case ast.Assign(targets=[ast.Subscript(), *_]) as assignment:
            return assignment
    return None


def _is_emptied(name: str, loop: Loop) -> bool:
    """``rows.clear()`` or ``rows = []`` in the loop"""
    scope = loop.resolver.scope
    for binding in scope.bindings.get(name, []):
        new = isinstance(binding.value, ast.List) and not binding.value.elts
        if new and binding.position is None and scope.is_inside(binding.statement, loop.node):
            return True
    methods = [scope.parents[load] for load in scope.loads(name)]
    return any(
        isinstance(method, ast.Attribute)
        and method.attr == "clear"
        and scope.is_inside(method, loop.node)
        for method in methods
    )


def _kept_raw_at(loop: Loop) -> ast.AST | None:
    """The same for a row that is no instance of a known model."""
    target = loop.node.target
    for node in (n for statement in loop.node.body for n in walk(statement)):
        match node:
            case ast.Call(func=ast.Attribute(attr="append"), args=[ast.Name(id=name)]):
                if isinstance(target, ast.Name) and name == target.id:
                    return node
    return None


def _progress(loop: Loop) -> Refusal | None:
    """A progress bar asks its rows for their number."""
    node = loop.node.iter
    for wrapper in loop.wrappers:
        assert isinstance(node, ast.Call)
        if wrapper == "tqdm" and not any(k.arg in {"total", None} for k in node.keywords):
            return Refusal(
                Reason.OUTPUT, "the progress bar counts the rows that it is given: give it `total=`"
            )
        node = node.args[0]
    return None


def _prefetch(loop: Loop) -> Refusal | None:
    """Streamed rows are prefetched for chunk by chunk: later chunks see what the body wrote before."""
    assert isinstance(loop.rows, Rows)
    if not loop.rows.has("prefetch_related"):
        return None
    if already_streams(loop):
        return Refusal(Reason.PREFETCH, ".iterator() prefetches in another way, if at all")
    unclear = loop.used(uses.Kind.DELETE, uses.Kind.ESCAPE) or loop.row is None
    if (
        unclear
        or _may_write_others(loop)
        or any(_minds_sharing(node, resolver, loop) for node, resolver in _run_by_body(loop))
    ):
        return Refusal(
            Reason.PREFETCH,
            "the body may change prefetched rows, which a stream would prefetch later or again",
        )
    saved = loop.used(uses.Kind.SAVE)
    if saved and not all(_leads_elsewhere(lookup, loop) for lookup in _lookups(loop.rows)):
        return Refusal(Reason.PREFETCH, "what is prefetched may hold the rows of the loop, too")
    return None


def _lookups(rows: Rows) -> Iterator[ast.expr]:
    for step in rows.steps:
        if step.name == "prefetch_related" and step.call is not None:
            yield from step.call.args


def _leads_elsewhere(lookup: ast.expr, loop: Loop) -> bool:
    """Is it a literal name of a relation to another model?"""
    model = loop.model
    if isinstance(model, Unknown) or not isinstance(lookup, ast.Constant):
        return False
    name = str(lookup.value)
    forward = relations.forward_target(loop.state, model.key, name)
    target = forward[1] if forward else relations.related_model(loop.state, model.key, name)
    return target is not None and target != model.key


def _run_by_body(loop: Loop) -> Iterator[tuple[ast.AST, Resolver]]:
    return reached(loop.node.body, loop.resolver)


def _minds_sharing(node: ast.AST, resolver: Resolver, loop: Loop) -> bool:
    """
    May it matter to this node of the body that a prefetched object is one object for several rows?

    It does where the object, or a value in it such as a JSON document, is changed or its identity asked for.
    """
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            return all(node is not use.node for use in loop.used(uses.Kind.WRITE))
        case ast.Attribute(value=owner, attr=method, ctx=ast.Load()) if method in CHANGING:
            column = isinstance(kind_of(owner, resolver), Row)
            return not column and not _is_made_before(owner, resolver)
        case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
            return not _is_made_before(owner, resolver)
        case ast.AugAssign(target=target):  # which changes a list or dict where it is
            scalar = plain.is_scalar(kind_of(target, resolver))
            return not scalar and not _is_made_before(target, resolver)
        case ast.Name(id="setattr" | "delattr" | "id", ctx=ast.Load()):
            return True
        case ast.Compare(ops=ops, comparators=others):
            pairs = zip(ops, others, strict=True)
            return any(
                isinstance(op, (ast.Is, ast.IsNot)) and not isinstance(other, ast.Constant)
                for op, other in pairs
            )
    return False


def _is_made_before(owner: ast.expr, resolver: Resolver) -> bool:
    """Is it a name for a collection that the function writes out, such as ``counts = {}``?"""
    scope = resolver.scope
    if not isinstance(owner, ast.Name) or owner.id in scope.shared or scope.is_of_inner(owner):
        return False
    bindings = [
        binding
        for binding in scope.bindings.get(owner.id, [])
        if not isinstance(binding.statement, ast.AugAssign)
    ]
    value = bindings[0].value if len(bindings) == 1 and bindings[0].position is None else None
    displays = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in {"dict", "list", "set", "defaultdict", "Counter", "OrderedDict"}
    return isinstance(value, displays)


def plain_iterator_falls_short(loop: Loop) -> Refusal | None:
    """Why ``.iterator()`` would not stream, or not the same rows, on a database of the project."""
    databases = loop.databases
    assert isinstance(loop.rows, Rows)
    if doubt := own_managers(loop.rows, loop.state):
        reason = Reason.MODEL_UNKNOWN if isinstance(loop.model, Unknown) else Reason.CUSTOM_MANAGER
        return Refusal(reason, f"{doubt}, which may have an iterator() of its own")
    if not databases.have(Trait.STREAMS_ITERATOR):
        return Refusal(
            Reason.DOES_NOT_STREAM, ".iterator() reads the whole result on MySQL and MariaDB"
        )
    if not databases.have(Trait.READS_SNAPSHOT) and (why := _may_write(loop)):
        return Refusal(Reason.QUERY_IN_BODY, f"on SQLite .iterator() may meet rows again: {why}")
    if loop.rows.has("select_for_update"):
        return Refusal(
            Reason.LOCKED_ROWS, "on PostgreSQL .iterator() skips locked rows that change"
        )
    if (why := _may_call_functions(loop.rows, loop)) and _may_write(loop):
        return Refusal(Reason.QUERY_IN_BODY, why)
    if loop.errors.autocommit:
        return Refusal(
            Reason.TRANSACTION,
            "outside a transaction .iterator() breaks behind a transaction pooler",
        )
    if loop.having(effects.Kind.SQL):
        return Refusal(
            Reason.SCHEMA_CHANGE, "the body uses the connection while the cursor is open"
        )
    if loop.having(effects.Kind.TRANSACTION):
        return Refusal(
            Reason.TRANSACTION, "the body controls transactions while the cursor is open"
        )
    if outlives_errors(loop):
        return Refusal(
            Reason.TRANSACTION,
            "the body may catch an error of the database, which ends an open cursor of PostgreSQL",
        )
    if loop.rows.has("prefetch_related"):
        return Refusal(Reason.PREFETCH, ".iterator() needs a chunk size to prefetch")
    if loop.rows.model.key is None:
        return Refusal(Reason.MODEL_UNKNOWN, "the model is not named by literals")
    return None


def _may_call_functions(rows: Rows, loop: Loop) -> str | None:
    """Does the query call functions that might read what the body writes, row by row?"""
    if rows.has("extra"):
        return "extra() may call a function that reads what the body writes"
    for step in rows.steps:
        given = [*step.call.args, *(k.value for k in step.call.keywords)] if step.call else []
        calls = [node for value in given for node in walk(value) if isinstance(node, ast.Call)]
        if any(_may_be_function(call, step, loop) for call in calls):
            return f"the expression in {step.name}() may read what the body writes"
    return None


def _may_be_function(call: ast.Call, step: Step, loop: Loop) -> bool:
    """``Func(...)``, and among expressions any call that does not make one of Django's own."""
    path = loop.module.path_of(call.func) or ""
    if path.startswith("django.db.models."):
        return path.endswith((".Func", ".RawSQL"))
    return step.name in _TAKING_EXPRESSIONS and not isinstance(loop.resolver.value(call), Rows)


_TAKING_EXPRESSIONS = methods(Does.TAKES_EXPRESSIONS)


def _may_write(loop: Loop) -> str | None:
    """What in the body may write the table that the loop reads."""
    if loop.used(uses.Kind.SAVE, uses.Kind.DELETE, uses.Kind.ESCAPE):
        return "the body saves or passes on its rows"
    return _may_write_others(loop)


def _may_write_others(loop: Loop) -> str | None:
    found = loop.having(effects.Kind.WRITES, effects.Kind.CALL, effects.Kind.SQL)
    return f"{loop.at(found[0].node)} may write" if found else None


def sends_queries(loop: Loop) -> bool:
    """Is it certain that the body sends statements of its own?"""
    saves = loop.used(uses.Kind.SAVE, uses.Kind.DELETE)
    return bool(saves) or any(map(effects.is_query, loop.effects))


def streams_already(loop: Loop) -> Refusal:
    """The refusal of a loop that has its ``.iterator()``: its author knew the database, migfix may not."""
    if loop.databases.certain or loop.databases.have(Trait.STREAMS_ITERATOR):
        return Refusal(Reason.ALREADY_STREAMS, "the loop streams already")
    return Refusal(
        Reason.ALREADY_STREAMS,
        "the loop streams already, but not on MySQL and MariaDB (--database says whether it runs there)",
    )


def already_streams(loop: Loop) -> bool:
    return isinstance(loop.rows, Rows) and loop.rows.has("iterator")
