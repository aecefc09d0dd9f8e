"""``post.author.active = False; post.author.save()`` for each post, as one update of the authors."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migfix.expressions.conditions.compiling import compile_test
from migfix.expressions.context import Context, Refused, SqlValue, Target
from migfix.expressions.others.checks import (
    OuterUpdate,
    caveats_of_subquery,
    check_other,
)
from migfix.expressions.preconditions import failing, gates, saves, sources
from migfix.expressions.values.compiling import compile_value
from migfix.expressions.values.related import renderer
from migfix.facts.body import changes
from migfix.facts.loop import Loop
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Row
from migfix.sql import filters
from migfix.sql.logic import ALWAYS, NEVER, not_null_fields
from migfix.sql.nodes import (
    Condition,
    Outer,
    Select,
    named,
)
from migfix.sql.render import Renderer
from migfix.sql.types import constant


@dataclass(frozen=True)
class Parent:
    """What is set on ``row.link`` and saved with it, where ``test`` holds."""

    link: str
    assigned: Mapping[str, ast.expr]
    save: ast.Call
    test: ast.expr | None = None


def parent_of(body: Sequence[ast.stmt], loop: Loop) -> Parent | None:
    match body:
        case [ast.If(test=test, body=inner, orelse=[])]:
            found = parent_of(inner, loop)
            nested = found is None or found.test is not None
            return (
                None
                if nested or found is None
                else Parent(found.link, found.assigned, found.save, test)
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
    return Parent(links.pop(), assigned, save)


def _link_of_row(node: ast.expr, loop: Loop) -> str | None:
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=link) if name == loop.row:
            return link if isinstance(loop.resolver.value(node), Row) else None
    return None


def update_of_parents(parent: Parent, loop: Loop) -> OuterUpdate:
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
    caveats += caveats_of_subquery(loop, condition)
    caveats += _caveats_of_save(saved, model, values, loop)
    values |= saves.clocks_of(saved, loop)
    others = loop.columns_of(model.key) or {}
    caveats += failing.partly(loop, failing.of_constants(loop, model, others, [*values.values()]))
    write = renderer(loop)
    rows = _parents(link, model, condition, loop, write)
    given = [(value.attribute, value.node) for value in values.values()]
    text = write.rows(rows.then("update", *given))
    return OuterUpdate(text, write.imports, tuple(dict.fromkeys(caveats)))


def _link_to(parent: Parent, context: Context) -> tuple[FieldState, ModelState]:
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
    check_other(model, context)
    return link, model


def _constants(parent: Parent, model: ModelState, context: Context) -> dict[str, SqlValue]:
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
