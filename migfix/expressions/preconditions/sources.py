"""Where a loop's rows come from, as ``update()`` and ``delete()`` take it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from migfix.expressions.context import Refused
from migfix.facts.body.subqueries import Inner, inner_queries
from migfix.facts.loop import Loop
from migfix.facts.rows.aliases import MIGRATED, alias_named
from migfix.findings import Reason, Refusal
from migfix.fragments import as_receiver
from migfix.history.state import FieldState, Unknown
from migfix.reading.kinds.values import Rows, Step
from migfix.reading.names.scopes import walk
from migfix.reading.rows.lookups import route, tables_of
from migfix.reading.rows.methods import Does, methods
from migfix.sql.databases import Trait

# Steps that do not change which rows there are; at the end of a chain they only matter to a loop.
_DROPPED = methods(Does.KEEPS_ROWS)
_ALLOWED = _DROPPED | methods(Does.UPDATABLE) | {"select_for_update", "list()", "[]"}


def check_source(loop: Loop, verb: str) -> None:
    """The queryset must have a form that ``update()`` and ``delete()`` take. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    for step in loop.rows.steps:
        if not _is_allowed(step, verb, loop):
            why = f"`{_shown(step)}` in the queryset: {verb}() would not be the same"
            if step.name == "select_for_update" and loop.errors.autocommit:
                why += f": it does not fail outside of a transaction ({loop.errors.autocommit})"
            raise Refused(Reason.QUERYSET_SHAPE, why, loop.at(step.node))
    _check_orders(loop)
    check_wrappers(loop)
    if loop.rows.has("[]") and loop.rows.has("using", "db_manager"):
        raise Refused(Reason.QUERYSET_SHAPE, "the queryset is sliced and of another database")
    if _has(source(loop), loop, "list()") and not loop.needless_list:
        raise Refused(Reason.QUERYSET_REUSED, "the rows were read into a list before the loop")
    if _has(source(loop), loop, "iterator"):
        raise Refused(Reason.QUERYSET_REUSED, "the rows come from an iterator made before the loop")
    if loop.node.orelse:
        raise Refused(Reason.LOOP_SHAPE, "the loop has an else")
    bulk = loop.bulk_update if verb == "update" else None
    if reuse := loop.reuse_besides(bulk.places if bulk else frozenset()):
        raise Refused.by(reuse)
    for name in loop.names_used_after:
        if name not in loop.counters or verb != "update":
            raise Refused(Reason.USED_AFTER, f"`{name}` is used after the loop")


def _check_orders(loop: Loop) -> None:
    """An order is left out, so none may be one that Django refuses. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    computed: set[str | None] = set()
    for step in (step for step in loop.rows.steps if step.call is not None):
        assert step.call is not None
        named = [a.value for a in step.call.args if isinstance(a, ast.Constant)]
        for name in named if step.name == "order_by" else ():
            if name is not None and str(name).removeprefix("-") not in computed:
                _check_order(str(name), step, loop)
        computed |= {keyword.arg for keyword in step.call.keywords}


def _check_order(name: str, step: Step, loop: Loop) -> None:
    assert isinstance(loop.rows, Rows)
    key = loop.rows.model.key
    if key is None or isinstance(loop.state.model(*key), Unknown):
        return  # which is refused for that
    found = route(name, key, loop.state)
    if isinstance(found, Unknown):
        why = f"`order_by({name!r})` may fail, which a query without it does not: {found.why}"
        raise Refused(Reason.QUERYSET_SHAPE, why, loop.at(step.node))


def check_wrappers(loop: Loop) -> None:
    """Only calls that hand on every row in the queryset's own order. Raises ``Refused``."""
    if set(loop.wrappers) - {"list", "tuple", "enumerate", "iter", "tqdm"}:
        raise Refused(Reason.LOOP_SHAPE, f"the loop goes over {loop.wrappers[0]}(...) of the rows")


def _is_allowed(step: Step, verb: str, loop: Loop) -> bool:
    arguments = [*step.call.args, *step.call.keywords] if step.call else []
    match step.name:
        case "[]" if step.pages is not None:  # a page of a Paginator is no queryset
            return False
        case "distinct":  # delete() after distinct() fails, update() after distinct("f") takes all
            return not arguments and verb != "delete"
        case "select_for_update":  # skip_locked leaves rows out, nowait fails
            return not arguments and loop.errors.autocommit is None
        case "|":
            return _is_like(step.node, verb, loop)
        case "extra":  # select= may hide columns, tables= do not reach an UPDATE
            return all(
                isinstance(a, ast.keyword) and a.arg in {"where", "params"} for a in arguments
            )
    return step.name in _ALLOWED


def _is_like(node: ast.expr, verb: str, loop: Loop) -> bool:
    """Is the right side of ``left | right`` a queryset of the same model and of allowed steps?"""
    assert isinstance(node, ast.BinOp) and isinstance(loop.rows, Rows)
    right = loop.resolver.value(node.right, loop.node)
    if not isinstance(right, Rows) or right.model != loop.rows.model or right.has("[]", "list()"):
        return False
    return not loop.rows.has("[]") and all(_is_allowed(step, verb, loop) for step in right.steps)


def _shown(step: Step) -> str:
    return {"[]": "[a:b]", "|": "|"}.get(step.name, f".{step.name}()")


def source_text(loop: Loop) -> str:
    """The queryset without the links at its end that only matter to a loop. Raises ``Refused``.

    An order that a name holds is taken off: update() fails on one by an aggregate. A slice has no
    update() at all: its rows are named by their keys.
    """
    kept = source(loop)
    text = as_receiver(loop.text(kept))
    assert isinstance(loop.rows, Rows)
    if loop.rows.has("[]"):
        return _by_keys(text, loop)
    return f"{text}.order_by()" if _has(kept, loop, "order_by") else text


def _by_keys(text: str, loop: Loop) -> str:
    assert isinstance(loop.rows, Rows)
    model = loop.model_text(loop.rows.model.key) if loop.rows.model.key else None
    if model is None:
        raise Refused(Reason.NAME_CLASH, "the function has no name for the model of the slice")
    keys = f"{text}.values_list({loop.names.quoted('pk')}, flat=True)"
    return f"{model}.objects.filter(pk__in=list({keys}))"


def source(loop: Loop) -> ast.expr:
    """The queryset, as ``source_text`` says it."""
    made = definition(loop)
    node = loop.queryset if made is None else made.value
    while isinstance(node, ast.Call) and (inner := _without_end(node, loop)) is not None:
        node = inner
    return node


def _without_end(call: ast.Call, loop: Loop) -> ast.expr | None:
    """What the last link of a chain is called on, where it only matters to a loop."""
    match call:
        case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in _DROPPED:
            return inner
        case ast.Call(func=ast.Name(id="list" | "tuple" as name), args=[inner], keywords=[]):
            return inner if loop.module.is_builtin(name) else None
    return None


def definition(loop: Loop) -> ast.Assign | None:
    """``rows = Post.objects.all().iterator()`` right before the loop, where only the loop reads it."""
    if not isinstance(loop.queryset, ast.Name):
        return None
    scope, name = loop.resolver.scope, loop.queryset.id
    match loop.statement_before:
        case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call()) as before if (
            target == name
        ):
            once = scope.bound_once(name)
            alone = list(scope.loads(name)) == [loop.queryset]
            ends = isinstance(loop.rows, Rows) and loop.rows.has("list()", "iterator")
            plain = once is not None and alone and ends and loop.stands_alone(before)
            return before if plain else None
    return None


def _has(node: ast.expr, loop: Loop, step: str) -> bool:
    rows = loop.resolver.value(node, loop.node)
    return isinstance(rows, Rows) and rows.has(step)


def source_caveats(loop: Loop, verb: str = "update") -> Iterator[Refusal]:
    """What may differ because of where the rows come from and what surrounds the loop."""
    assert isinstance(loop.rows, Rows)
    yield from _inner_caveats(loop, verb)
    if loop.rows.has("[]"):
        yield Refusal(
            Reason.QUERYSET_SHAPE, "the keys of the slice are read first, all of them at once"
        )
    if "tqdm" in loop.wrappers:
        yield Refusal(Reason.OUTPUT, "the progress is no longer shown")


def _inner_caveats(loop: Loop, verb: str) -> Iterator[Refusal]:
    """Queries in the WHERE of the statement that may look at the table that it changes.

    MySQL rejects them all (error 1093). SQLite runs those that depend on the row while it goes over
    the rows, and those of an ``UPDATE`` before 3.51 see what it has changed by then; it has found the
    rows of a ``DELETE`` by the time when it deletes the first.
    """
    assert isinstance(loop.rows, Rows)
    key = loop.rows.model.key
    own = tables_of(loop.state.model(*key), loop.state) if key else Unknown("")
    for inner in inner_queries(loop.rows, loop.resolver):
        per_row = verb == "update" and not inner.is_list
        if loop.databases.have(Trait.UPDATES_ROWS_FOUND if per_row else Trait.DELETES_ROWS_FOUND):
            continue
        if isinstance(inner.tables, Unknown) or isinstance(own, Unknown) or own & inner.tables:
            yield _inner_caveat(inner, loop, verb, per_row=per_row)
            return


def _inner_caveat(inner: Inner, loop: Loop, verb: str, *, per_row: bool) -> Refusal:
    at = loop.at(inner.node)
    reads = f"the query on {at}, inside of that for the rows, "
    if isinstance(inner.tables, Unknown):
        reads += f"may read {loop.model_label} ({inner.tables.why} is not known)"
    else:
        reads += f"reads {loop.model_label}"
    sees = "SQLite before 3.51 would see rows that are changed already, and "
    return Refusal(
        Reason.QUERYSET_SHAPE,
        f"{reads}, which {verb}() changes: {sees if per_row else ''}MySQL rejects that",
        at,
    )


def are_atomic(statement: ast.With | ast.AsyncWith, loop: Loop) -> bool:
    """``with transaction.atomic():``, which lets every error through and raises none itself."""
    return all(_is_atomic(item.context_expr, loop) for item in statement.items)


def _is_atomic(manager: ast.expr, loop: Loop) -> bool:
    if not isinstance(manager, ast.Call):
        return False
    if loop.module.path_of(manager.func) != "django.db.transaction.atomic" or len(manager.args) > 3:
        return False
    given = dict(zip(("using", "savepoint", "durable"), manager.args, strict=False))
    given |= {str(keyword.arg): keyword.value for keyword in manager.keywords}
    return all(_is_harmless(name, value, loop) for name, value in given.items())


def _is_harmless(argument: str, value: ast.expr, loop: Loop) -> bool:
    """``durable=True`` fails in a transaction, an unknown database always."""
    if argument == "using":
        return alias_named(value, loop.module) in {"default", MIGRATED}
    if not isinstance(value, ast.Constant):
        return False
    return argument == "savepoint" or (argument == "durable" and value.value is False)


def updates_rows(loop: Loop) -> bool:
    """Does the body hold a query that updates rows, perhaps the loop's own?"""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "update"
        and isinstance(loop.resolver.value(node.func.value), Rows)
        for statement in loop.node.body
        for node in walk(statement)
    )


def not_null_by_source(loop: Loop, columns: Mapping[str, FieldState]) -> frozenset[str]:
    """Columns that the queryset's own filters rule out to be NULL."""
    assert isinstance(loop.rows, Rows)
    steps: list[Step] = []
    for step in loop.rows.steps:  # what stands left of a ``|`` rules nothing out
        steps = [] if step.name == "|" else [*steps, step]
    found = {
        columns[name].name
        for step in steps
        if step.call is not None and (step.name == "filter" or _has_one_argument(step.call))
        for keyword in step.call.keywords
        if (name := _ruled_out(step.name, keyword)) is not None and name in columns
    }
    return frozenset(found)


def _has_one_argument(call: ast.Call) -> bool:
    """``exclude(a=None, b=1)`` only leaves out rows for which all of it holds."""
    return len(call.args) + len(call.keywords) == 1


def _ruled_out(step: str, keyword: ast.keyword) -> str | None:
    """``filter(name__isnull=False)``, ``filter(name=1)``, ``exclude(name=None)``"""
    name, _, lookup = str(keyword.arg).partition("__")
    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else ...
    if step == "filter" and lookup == "isnull":
        return name if value is False else None
    if step == "filter" and not lookup:
        return name if value is not ... and value is not None else None
    if step == "exclude" and lookup == "isnull":
        return name if value is True else None
    return name if step == "exclude" and not lookup and value is None else None
