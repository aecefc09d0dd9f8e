"""Loops whose rows only say which rows of another table change, and to what.

``for post in posts: Comment.objects.filter(post=post).update(open=False)`` is one update of the
comments; so is ``post.author.active = False; post.author.save()`` of the authors. A comment belongs
to one post, so no other turn of the loop touches it; an author of several posts gets the same
constant each time.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migfix.expressions.conditions.compiling import compile_test
from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.counting import may_repeat_rows
from migfix.expressions.preconditions import failing, gates, saves, sources
from migfix.expressions.values.beforehand import is_fixed_test
from migfix.expressions.values.compiling import compile_value
from migfix.expressions.values.computed import written
from migfix.expressions.values.lifting import own_column
from migfix.expressions.values.related import may_be_updated, renderer
from migfix.facts.access import by_name
from migfix.facts.body import changes
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal, ReplaceLoop, Rewrite
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Manager, Row, Rows, Step
from migfix.reading.names.scopes import walk
from migfix.reading.rows.lookups import stays_in_table
from migfix.reading.rows.methods import Does, methods
from migfix.sql import filters
from migfix.sql.databases import Trait
from migfix.sql.kinds import FILES, FOREIGN_KEYS
from migfix.sql.logic import ALWAYS, NEVER, not_null_fields
from migfix.sql.nodes import (
    Condition,
    Exists,
    Found,
    Outer,
    OuterRef,
    Select,
    Value,
    columns,
    named,
    parts,
)
from migfix.sql.render import Import, Renderer
from migfix.sql.types import constant


@dataclass(frozen=True)
class OuterUpdate:
    """One statement that updates rows of another table: its text, and what may differ."""

    text: str
    imports: tuple[Import, ...] = ()
    caveats: tuple[Refusal, ...] = ()


def outer_updates(
    loop: Loop, decide: Callable[[Loop], Rewrite | Refusal | None]
) -> list[OuterUpdate] | None:
    """What the loop does to another table; None where that is not all that it does.

    An inner loop counts as the update that ``decide`` makes of it.
    Raises ``Refused`` where it is, and one statement would not do the same.
    """
    if loop.row is None or isinstance(loop.model, Unknown):
        return None
    body = [_as_update(statement, loop, decide) for statement in loop.node.body]
    parsed = [_query(statement, loop) for statement, _ in body]
    inner = tuple(caveat for _, caveats in body for caveat in caveats)
    queries = [each for each in parsed if each is not None]
    if queries and len(queries) == len(parsed):
        return [
            replace(each, caveats=(*each.caveats, *inner)) for each in _of_queries(queries, loop)
        ]
    parent = _parent(loop.node.body, loop)
    return None if parent is None else [_of_parent(parent, loop)]


def _as_update(
    statement: ast.stmt, loop: Loop, decide: Callable[[Loop], Rewrite | Refusal | None]
) -> tuple[ast.stmt, tuple[Refusal, ...]]:
    """The statement, or the one update that an inner loop comes to, with what may differ."""
    if not isinstance(statement, ast.For):
        return statement, ()
    rows, wrappers = loop.resolver.unwrapped(statement.iter)
    if not isinstance(rows, Rows):
        return statement, ()
    decision = decide(replace(loop, node=statement, rows=rows, wrappers=wrappers))
    match decision:
        case Rewrite(edit=ReplaceLoop(lines=[line], drops=())):
            return _placeless(ast.parse(line).body[0]), decision.caveats
    return statement, ()


def _placeless(statement: ast.stmt) -> ast.stmt:
    """The statement without the places of its nodes, which are none of the file's."""
    for node in ast.walk(statement):
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            if hasattr(node, name):
                delattr(node, name)
    return statement


# Comment.objects.filter(post=post).update(open=False)


@dataclass(frozen=True)
class _Query:
    """``model.filter(link=row, others).update(values)``"""

    model: ModelState
    link: FieldState
    others: tuple[ast.keyword, ...]
    values: tuple[ast.keyword, ...]


def _query(statement: ast.stmt, loop: Loop) -> _Query | None:
    match statement:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=rows, attr="update"), args=[], keywords=values)
        ) if values and all(v.arg for v in values):
            found = _linked_rows(rows, loop)
        case _:
            return None
    return None if found is None else _Query(*found, tuple(values))


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


def _of_queries(queries: Sequence[_Query], loop: Loop) -> Iterator[OuterUpdate]:
    _, columns, caveats = gates.check_all(loop, "update")
    context = Context.of(loop, columns)
    caveats += [*sources.source_caveats(loop), *_caveats_of_subquery(loop)]
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
        _check_other(query.model, context)
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
    return not loop.rows.manager.related and all(s.name in _TAKING_ALL for s in loop.rows.steps)


_TAKING_ALL = methods(Does.KEEPS_ROWS)


def _caveats_of_subquery(loop: Loop, condition: Condition = ALWAYS) -> Iterator[Refusal]:
    """What may differ where one statement finds the rows and changes others. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    if loop.rows.has("using", "db_manager"):
        raise Refused(Reason.QUERYSET_SHAPE, "the rows may be of another database than the others")
    linked = any(column.links for column in columns(condition))
    joins = linked or any(isinstance(part, Exists) for part in parts(condition))
    if not loop.databases.have(Trait.UPDATES_TABLE_IT_READS) and (
        joins or any(_reads_more(s, loop) for s in loop.rows.steps)
    ):
        yield Refusal(
            Reason.QUERYSET_SHAPE, "MySQL cannot update a table that its own filter reads"
        )


def _reads_more(step: Step, loop: Loop) -> bool:
    """May the step read other tables than that of the rows?"""
    if step.name in _TAKING_ALL:
        return False
    if step.call is None or step.call.args:
        return True
    return not all(_is_own(keyword, loop) for keyword in step.call.keywords)


def _is_own(keyword: ast.keyword, loop: Loop) -> bool:
    """``name=1``, ``name__gt=1``: a test of the row's own column with a value that is no query."""
    columns = by_name(loop.columns) if not isinstance(loop.columns, Unknown) else {}
    if not stays_in_table(keyword.arg, columns):
        return False
    inside = [n for n in walk(keyword.value) if isinstance(n, ast.expr)]
    return not any(isinstance(loop.resolver.value(n), (Manager, Rows)) for n in inside)


def _check_other(model: ModelState, context: Context) -> None:
    if not model.has_plain_managers:
        raise Refused(Reason.CUSTOM_MANAGER, f"{model.label} has managers of its own")
    if may_be_updated(model.key, context) or any(isinstance(b, tuple) for b in model.bases):
        raise Refused(Reason.INHERITANCE, f"{model.label} shares its table with the loop's rows")


def _value(query: _Query, keyword: ast.keyword, context: Context) -> SqlValue:
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


def _through_link(query: _Query, read: FieldState, value: SqlValue, context: Context) -> SqlValue:
    loop = context.loop
    assert isinstance(loop.model, ModelState)
    manager = loop.model_text(loop.model.key)
    if manager is None:
        raise Refused(Reason.NAME_CLASH, f"the function has no name for {loop.model.label}")
    rows = Select(f"{manager}.objects").then("filter", ("pk", OuterRef(str(query.link.attname))))
    found = Found(rows, (read.name,), own_column(read).type)
    return replace(written(found, loop, value.caveats), attribute=value.attribute)


def _rows_of(query: _Query, everything: bool, context: Context) -> Select:
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


def _own_test(keyword: ast.keyword, query: _Query, context: Context) -> tuple[str, Outer]:
    """A constant that a column of the other table is compared with. Raises ``Refused``."""
    columns = context.loop.columns_of(query.model.key) or {}
    if not is_fixed_test(keyword.arg, keyword.value, columns, context):
        shown = f"{keyword.arg}={context.loop.text(keyword.value)}"
        raise Refused(
            Reason.CONDITION,
            f"`{shown}` is not known to compare a column of {query.model.label} with one value that it takes",
        )
    return str(keyword.arg), Outer(context.text(keyword.value))


# post.author.active = False; post.author.save()


@dataclass(frozen=True)
class _Parent:
    """What is set on ``row.link`` and saved with it, where ``test`` holds."""

    link: str
    assigned: Mapping[str, ast.expr]
    save: ast.Call
    test: ast.expr | None = None


def _parent(body: Sequence[ast.stmt], loop: Loop) -> _Parent | None:
    match body:
        case [ast.If(test=test, body=inner, orelse=[])]:
            found = _parent(inner, loop)
            nested = found is None or found.test is not None
            return (
                None
                if nested or found is None
                else _Parent(found.link, found.assigned, found.save, test)
            )
    links: set[str] = set()
    assigned: dict[str, ast.expr] = {}
    save: ast.Call | None = None
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Attribute(value=owner, attr=name)], value=value) if (
                save is None
            ):
                assigned[name] = value
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr="save")) as call) if (
                save is None
            ):
                save = call
            case _:
                return None
        link = _link_of_row(owner, loop)
        if link is None:
            return None
        links.add(link)
    if len(links) != 1 or not assigned or save is None:
        return None
    return _Parent(links.pop(), assigned, save)


def _link_of_row(node: ast.expr, loop: Loop) -> str | None:
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=link) if name == loop.row:
            return link if isinstance(loop.resolver.value(node), Row) else None
    return None


def _of_parent(parent: _Parent, loop: Loop) -> OuterUpdate:
    _, columns, caveats = gates.check_all(loop, "update")
    context = Context.of(loop, columns, sources.not_null_by_source(loop, columns))
    link, model = _link_to(parent, context)
    context = replace(context, changing={model.key: frozenset()}, through=link.name)
    condition: Condition = ALWAYS
    if parent.test is not None:
        test = compile_test(parent.test, context)
        condition, caveats = test.condition, [*caveats, *test.caveats]
        if condition == NEVER:
            raise Refused(Reason.NEVER_SAVED, "no row reaches the save(): nothing is stored today")
        known = context.not_null | not_null_fields(condition)
        context = replace(context, not_null=known)
    if not context.is_not_null(link):
        raise Refused(
            Reason.NULLABLE, f"`{link.name}` may be NULL: the loop would stop there, SQL would not"
        )
    saved = _saved_columns(parent.save, model, loop)
    names = {column.name for column in saved}
    found = _constants(parent, model, context)
    values = {name: value for name, value in found.items() if name in names}
    if not values:
        raise Refused(Reason.NEVER_SAVED, "no assigned value reaches a save()")
    caveats += [*sources.source_caveats(loop), *gates.signal_caveats(loop, model)]
    caveats += _caveats_of_subquery(loop, condition)
    caveats += _caveats_of_save(saved, model, values, loop)
    values |= saves.clocks_of(saved, loop)
    others = loop.columns_of(model.key) or {}
    caveats += failing.partly(loop, failing.of_constants(loop, model, others, [*values.values()]))
    write = renderer(loop)
    rows = _parents(link, model, condition, loop, write)
    given = [(value.attribute, value.node) for value in values.values()]
    text = write.rows(rows.then("update", *given))
    return OuterUpdate(text, write.imports, tuple(dict.fromkeys(caveats)))


def _link_to(parent: _Parent, context: Context) -> tuple[FieldState, ModelState]:
    """The foreign key whose rows change, and their model. Raises ``Refused``."""
    loop = context.loop
    link = context.column(parent.link)
    if changes.known_owner(loop, link.name) is not None:
        raise Refused(
            Reason.VALUE, f"`{link.name}` of each row is an object that the function has, too"
        )
    context.check_link(link)
    assert isinstance(link.target, tuple)
    model = loop.state.model(*link.target)
    if isinstance(model, Unknown):
        raise Refused(Reason.MODEL_UNKNOWN, f"where `{link.name}` points is not known")
    _check_other(model, context)
    return link, model


def _constants(parent: _Parent, model: ModelState, context: Context) -> dict[str, SqlValue]:
    columns = context.loop.columns_of(model.key) or {}
    found: dict[str, SqlValue] = {}
    for name, node in parent.assigned.items():
        column = columns.get(name)
        if column is None or column.primary_key is not False:
            raise Refused(Reason.FIELD_UNKNOWN, f"`{name}` is not a column of {model.label} here")
        value = compile_value(node, Target(column, name), context)
        if value.reads:
            raise Refused(
                Reason.VALUE, f"`{name}` of {model.label} depends on which row comes last"
            )
        found[column.name] = value
    return found


def _caveats_of_save(
    saved: Sequence[FieldState], model: ModelState, values: Mapping[str, SqlValue], loop: Loop
) -> Iterator[Refusal]:
    """What the save() of the other row does besides."""
    yield from gates.caveats_of(model, loop, loop.columns_of(model.key) or {})
    yield from saves.unique_caveats(loop, model, values)
    yield from saves.column_caveats(saved, values.keys(), loop)
    yield from (caveat for value in values.values() for caveat in value.caveats)


def _saved_columns(save: ast.Call, model: ModelState, loop: Loop) -> list[FieldState]:
    """The columns that ``save()`` or ``save(update_fields=[...])`` writes. Raises ``Refused``."""
    columns = loop.columns_of(model.key) or {}
    every = list({c.name: c for c in columns.values() if c.primary_key is not True}.values())
    match save:
        case ast.Call(args=[], keywords=[]):
            return every
        case ast.Call(
            args=[], keywords=[ast.keyword(arg="update_fields", value=ast.List(elts=given))]
        ):
            names = [n.value for n in given if isinstance(n, ast.Constant)]
            found = [columns[n] for n in names if isinstance(n, str) and n in columns]
            if found and len(found) == len(given):
                return found
    raise Refused(Reason.SAVE_ARGUMENTS, f"`{loop.text(save)}` is not a plain save()")


def _parents(
    link: FieldState, model: ModelState, condition: Condition, loop: Loop, write: Renderer
) -> Select:
    """The rows that the link of the loop's rows leads to."""
    manager = loop.model_text(model.key)
    if manager is None or loop.rows.has("[]"):  # type: ignore[union-attr]
        raise Refused(Reason.NAME_CLASH, f"the function has no name for {model.label}")
    calls = filters.alias(named(condition), write) + filters.chain(condition, write)
    links = Select(f"{sources.source_text(loop)}{calls}").then(
        "values", ("", constant(loop.names.quoted(link.name), link.name))
    )
    to_field = link.options.get("to_field")
    key = to_field if isinstance(to_field, str) else "pk"
    return Select(f"{manager}.objects").then("filter", (f"{key}__in", Outer(write.rows(links))))
