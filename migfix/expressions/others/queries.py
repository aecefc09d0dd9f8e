"""``Comment.objects.filter(post=post).update(open=False)`` for each post, as one update of the comments."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.counting import may_repeat_rows
from migfix.expressions.others.checks import (
    TAKING_ALL,
    OuterUpdate,
    caveats_of_subquery,
    check_other,
)
from migfix.expressions.preconditions import failing, gates, saves, sources
from migfix.expressions.values.beforehand import is_fixed_test
from migfix.expressions.values.compiling import compile_value
from migfix.expressions.values.computed import written
from migfix.expressions.values.lifting import own_column
from migfix.expressions.values.related import renderer
from migfix.facts.loop import Loop
from migfix.findings import Reason
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Manager, Rows
from migfix.sql.kinds import FILES, FOREIGN_KEYS
from migfix.sql.nodes import (
    Found,
    Outer,
    OuterRef,
    Select,
    Value,
)
from migfix.sql.types import constant


@dataclass(frozen=True)
class Query:
    """``model.filter(link=row, others).update(values)``"""

    model: ModelState
    link: FieldState
    others: tuple[ast.keyword, ...]
    values: tuple[ast.keyword, ...]


def query_of(statement: ast.stmt, loop: Loop) -> Query | None:
    match statement:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=rows, attr="update"), args=[], keywords=values)
        ) if values and all(v.arg for v in values):
            found = _linked_rows(rows, loop)
        case _:
            return None
    return None if found is None else Query(*found, tuple(values))


def _linked_rows(
    node: ast.expr, loop: Loop
) -> tuple[ModelState, FieldState, tuple[ast.keyword, ...]] | None:
    """The rows that belong to the row by one foreign key."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="all"), args=[], keywords=[]):
            return _linked_rows(owner, loop)
        case ast.Call(func=ast.Attribute(value=owner, attr="filter"), args=[], keywords=given):
            inner = _linked_rows(owner, loop)
            if inner is not None:
                return (*inner[:2], (*inner[2], *given))
            return _filtered_by_row(owner, given, loop)
        case ast.Attribute(value=ast.Name(id=name), attr=accessor) if name == loop.row:
            return _by_accessor(accessor, loop)
    return None


def _filtered_by_row(
    owner: ast.expr, given: Sequence[ast.keyword], loop: Loop
) -> tuple[ModelState, FieldState, tuple[ast.keyword, ...]] | None:
    found = loop.resolver.value(owner, loop.node.body[0])
    if not isinstance(found, Manager) or found.related or found.model.key is None:
        return None
    model = loop.state.model(*found.model.key)
    if isinstance(model, Unknown) or found.model.real:
        return None
    links = {f.name: f for f in model.fields} | {str(f.attname): f for f in model.fields}
    by_row = [k for k in given if _is_row_or_key(k.value, loop)]
    link = links.get(str(by_row[0].arg)) if len(by_row) == 1 else None
    if link is None or not _points_to_row(link, loop):
        return None
    return model, link, tuple(k for k in given if k is not by_row[0])


def _is_row_or_key(node: ast.expr, loop: Loop) -> bool:
    match node:
        case ast.Name(id=name):
            return name == loop.row
        case ast.Attribute(value=ast.Name(id=name), attr="pk" | "id"):
            return name == loop.row
    return False


def _points_to_row(link: FieldState, loop: Loop) -> bool:
    assert isinstance(loop.model, ModelState)
    usual = link.kind in FOREIGN_KEYS and "to_field" not in link.options
    constrained = link.options.get("db_constraint", True) is True
    return usual and constrained and link.target == loop.model.key


def _by_accessor(
    accessor: str, loop: Loop
) -> tuple[ModelState, FieldState, tuple[ast.keyword, ...]] | None:
    assert isinstance(loop.model, ModelState)
    for model, link in loop.state.pointing_to(loop.model.key):
        name = link.options.get("related_name", f"{model.name.lower()}_set")
        if name == accessor and link.kind == "ForeignKey" and _points_to_row(link, loop):
            return model, link, ()
    return None


def updates_of_queries(queries: Sequence[Query], loop: Loop) -> Iterator[OuterUpdate]:
    _, columns, caveats = gates.check_all(loop, "update")
    context = Context.of(loop, columns)
    caveats += [*sources.source_caveats(loop), *caveats_of_subquery(loop)]
    caveats += gates.init_caveats(loop, "update() makes no rows")
    links = {(query.model.db_table, query.link.name) for query in queries}
    if len(links) != len({table for table, _ in links}):
        raise Refused(
            Reason.OTHER_STATEMENTS, "the queries go by several foreign keys: the last one wins"
        )
    everything = _takes_all(loop)
    if len(queries) > 1 and (not everything or may_repeat_rows(loop)):
        raise Refused(
            Reason.OTHER_STATEMENTS, "the second query may see what the first one has changed"
        )
    for query in queries:
        check_other(query.model, context)
        values = [_value(query, keyword, context) for keyword in query.values]
        known = {value.attribute: value for value in values}
        others = loop.columns_of(query.model.key) or {}
        fails = failing.of_constants(loop, query.model, others, values)
        if fails is None and len(queries) > 1:
            fails = f"an update of {query.model.label} may fail"
        more = [
            *saves.unique_caveats(loop, query.model, known),
            *failing.partly(loop, fails),
            *(c for v in values for c in v.caveats),
        ]
        given = [(value.attribute, value.node) for value in values]
        write = renderer(loop)
        text = write.rows(_rows_of(query, everything, context).then("update", *given))
        yield OuterUpdate(text, write.imports, tuple(dict.fromkeys([*caveats, *more])))


def _takes_all(loop: Loop) -> bool:
    """Does the loop go over every row of its table?"""
    assert isinstance(loop.rows, Rows)
    return not loop.rows.manager.related and all(s.name in TAKING_ALL for s in loop.rows.steps)


def _value(query: Query, keyword: ast.keyword, context: Context) -> SqlValue:
    """A constant, or a column of the loop's row: read by way of the foreign key."""
    name = str(keyword.arg)
    columns = context.loop.columns_of(query.model.key) or {}
    column = columns.get(name)
    if column is None or column.kind in FILES or column.name == query.link.name:
        raise Refused(Reason.FIELD_UNKNOWN, f"`{name}` of {query.model.label} is set by its query")
    target = Target(column, name)
    value = compile_value(keyword.value, target, context)
    if not value.reads:
        return value
    read = context.row_column(keyword.value)
    if read is None or value.copied != read.name:
        raise Refused(
            Reason.VALUE, f"`{context.loop.text(keyword.value)}` is computed of another table's row"
        )
    return _through_link(query, read, value, context)


def _through_link(query: Query, read: FieldState, value: SqlValue, context: Context) -> SqlValue:
    loop = context.loop
    assert isinstance(loop.model, ModelState)
    manager = loop.model_text(loop.model.key)
    if manager is None:
        raise Refused(Reason.NAME_CLASH, f"the function has no name for {loop.model.label}")
    rows = Select(f"{manager}.objects").then("filter", ("pk", OuterRef(str(query.link.attname))))
    found = Found(rows, (read.name,), own_column(read).type)
    return replace(written(found, loop, value.caveats), attribute=value.attribute)


def _rows_of(query: Query, everything: bool, context: Context) -> Select:
    loop = context.loop
    manager = loop.model_text(query.model.key)
    if manager is None or loop.rows.has("[]"):  # type: ignore[union-attr]
        raise Refused(Reason.QUERYSET_SHAPE, f"the rows of {query.model.label} cannot be named")
    link = query.link
    certain = link.null is False and link.verified
    given: list[tuple[str, Value]] = [(f"{link.name}__in", _in_subquery(loop))]
    if everything:
        given = [] if certain else [(f"{link.name}__isnull", constant("False", False))]
    given += [_own_test(keyword, query, context) for keyword in query.others]
    rows = Select(f"{manager}.objects")
    return rows.then("filter", *given) if given else rows


def _in_subquery(loop: Loop) -> Outer:
    text = sources.source_text(loop)
    bare = isinstance(loop.resolver.value(sources.source(loop), loop.node), Manager)
    return Outer(f"{text}.all()" if bare else text)


def _own_test(keyword: ast.keyword, query: Query, context: Context) -> tuple[str, Outer]:
    """A constant that a column of the other table is compared with. Raises ``Refused``."""
    columns = context.loop.columns_of(query.model.key) or {}
    if not is_fixed_test(keyword.arg, keyword.value, columns, context):
        shown = f"{keyword.arg}={context.loop.text(keyword.value)}"
        raise Refused(
            Reason.CONDITION,
            f"`{shown}` is not known to compare a column of {query.model.label} with one value that it takes",
        )
    return str(keyword.arg), Outer(context.text(keyword.value))
