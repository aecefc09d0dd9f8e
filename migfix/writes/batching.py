"""Whether the saves of a loop can wait for one another: which they are, and which fields they write."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import TypeVar

from migfix.columns import needs
from migfix.columns.narrow_saves import computed, written_back
from migfix.columns.shared import shared
from migfix.expressions.context import Refused
from migfix.expressions.preconditions import gates, saves
from migfix.facts.body import uses
from migfix.facts.body.changes import touches
from migfix.facts.body.effects import Kind
from migfix.facts.body.subqueries import tables_beside
from migfix.facts.loop import Loop
from migfix.facts.rows.aliases import is_of_rows
from migfix.facts.rows.bases import lineage
from migfix.facts.rows.pages import page_of
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState, Unknown
from migfix.reading.kinds.values import Rows
from migfix.reading.names.scopes import DEFINITIONS, TRIES, Scope
from migfix.reading.rows.lookups import tables_of
from migfix.reading.rows.relations import own_managers
from migfix.sql.databases import Trait

READ_BEFORE = Refusal(Reason.QUERYSET_REUSED, "the rows were read into a list before")
_CREATING = frozenset({"create", "get_or_create", "update_or_create"})
# What may stand behind a manager that is asked for all rows.
OF_ALL_ROWS = frozenset({"using", "db_manager", "all"})

_Write = TypeVar("_Write")
_Key = TypeVar("_Key", bound=Hashable)


def in_order(read: Callable[[ast.Call, Loop], _Write | None], loop: Loop) -> list[_Write]:
    """What ``read`` makes of the calls in the body, in the order of the file, where it makes anything of them."""
    calls = [node for node in loop.nodes if isinstance(node, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return [found for call in calls if (found := read(call, loop)) is not None]


def grouped(found: Iterable[_Write], key: Callable[[_Write], _Key]) -> dict[_Key, list[_Write]]:
    """The writes that share a batch, by what they share, in the order of the first of each."""
    groups: dict[_Key, list[_Write]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return groups


def saving_calls(loop: Loop) -> list[tuple[ast.Call, ast.expr]]:
    """Every ``row.save()`` of the body, a statement of its own, and its row. Raises ``Refused``.

    A save in a function, which the row is handed to, waits as well where it is such a statement there.
    """
    found = []
    for use in loop.used(uses.Kind.SAVE):
        assert isinstance(use.node, ast.Call) and isinstance(use.node.func, ast.Attribute)
        if loop.resolver.scope.is_inside(use.node, loop.node):
            check_place(use.node, loop, "save()")
            found.append((use.node, use.node.func.value))
        else:
            _check_in_function(use, loop)
    for each in loop.handed_to_save:
        _check_nothing_around(each.call, loop.node, loop.resolver.scope, loop, "save()")
    return found


def _check_in_function(use: uses.Use, loop: Loop) -> None:
    """The function saves no row but that of the turn, by a statement of its own. Raises ``Refused``."""
    assert isinstance(use.node, ast.Call) and use.place is not None
    at, scope = loop.at(use.node), use.place.resolver.scope
    if use.node not in loop.own_saves:
        own = loop.module.holds(use.node)
        why = (
            " which may be given other rows as well"
            if own
            else " of another module, which may change"
        )
        raise Refused(Reason.LOOP_SHAPE, f"the row is saved by a function, on {at},{why}", at)
    if alias_of(use.node):
        raise Refused(Reason.SAVE_ARGUMENTS, f"save() on {at} names a database", at)
    _check_is_statement(use.node, scope, loop, "save()")
    _check_nothing_around(use.node, scope.node, scope, loop, "save()")


def check_place(call: ast.Call, loop: Loop, called: str) -> None:
    """The call is a statement of the body, whose errors nothing catches there. Raises ``Refused``."""
    _check_is_statement(call, loop.resolver.scope, loop, called)
    _check_nothing_around(call, loop.node, loop.resolver.scope, loop, called)


def _check_is_statement(call: ast.Call, scope: Scope, loop: Loop, called: str) -> None:
    if not isinstance(scope.parents[call], ast.Expr):
        at = loop.at(call)
        raise Refused(Reason.LOOP_SHAPE, f"{called} on {at} is a part of something else", at)


def _check_nothing_around(
    call: ast.Call, region: ast.AST, scope: Scope, loop: Loop, called: str
) -> None:
    """Nothing inside of the region, a loop or a function, runs the call later or catches its errors."""
    at = loop.at(call)
    for ancestor in scope.ancestors(call):
        if ancestor is region:
            return
        if isinstance(ancestor, DEFINITIONS):
            raise Refused(Reason.LOOP_SHAPE, f"the row is saved by a function, on {at}", at)
        if isinstance(ancestor, TRIES):
            raise Refused(
                Reason.TRANSACTION,
                f"an error of {called} on {at} would come later, outside of its `try`",
                at,
            )
        if isinstance(ancestor, ast.With):
            raise Refused(
                Reason.TRANSACTION, f"{called} on {at} would come after its `with` block", at
            )


def check_surroundings(loop: Loop) -> None:
    """The loop runs by itself, to its end or to an error that nothing catches. Raises ``Refused``."""
    if loop.waits:
        raise Refused(Reason.LEAVES_FUNCTION, "the function may yield or wait before all is saved")
    if caught := loop.errors.caught:
        raise Refused(
            Reason.TRANSACTION,
            f"{caught}: an error would come later, after more turns of the loop",
        )
    if loop.outer_loop is not None and page_of(loop) is None:
        at = loop.at(loop.outer_loop)
        raise Refused(
            Reason.PER_PARENT, f"each turn of the loop on {at} would write a batch of its own", at
        )


def check_all_or_nothing(loop: Loop, called: str) -> None:
    """What the call after the loop would not write is not kept when the loop does. Raises ``Refused``."""
    assert isinstance(loop.rows, Rows)
    if any(isinstance(effect.node, ast.Return) for effect in loop.having(Kind.LEAVES)):
        raise Refused(Reason.LEAVES_FUNCTION, f"the function may return before {called}")
    if kept := loop.errors.kept:
        raise Refused(
            Reason.TRANSACTION,
            f"{kept}: after an error some rows would stay written, of which {called} after the loop writes none",
        )


def check_target(column: FieldState, name: str, loop: Loop) -> None:
    """What a foreign key is given under this name is there when it is written. Raises ``Refused``.

    What an ORM call returns is. MySQL and MariaDB look for it when the key is written.
    """
    if column.is_relation is False:
        return
    target = loop.state.model(*column.target) if isinstance(column.target, tuple) else None
    for effect in loop.having(Kind.WRITES):
        related = not isinstance(target, ModelState) or touches(loop, target, effect)
        if related and (name != column.name or not _creates(effect.node)):
            at = loop.at(effect.node)
            raise Refused(
                Reason.QUERY_IN_BODY, f"{at} may write what `{column.name}` points to later", at
            )


def _creates(call: ast.AST) -> bool:
    match call:
        case ast.Call(func=ast.Attribute(attr=method)):
            return method in _CREATING
    return False


def check_source(loop: Loop, model: ModelState, fields: Collection[str]) -> None:
    """The rows do not depend on when the loop writes. Raises ``Refused``.

    SQLite looks for the next row of ``.iterator()`` when it is asked for it, among those that were written.
    """
    assert isinstance(loop.rows, Rows)
    if not loop.rows.has("iterator") or loop.databases.have(Trait.READS_SNAPSHOT):
        return
    ordering = model.options.get("ordering", ())
    named = [name for step in loop.rows.steps for name in step.lookups if step.name != "iterator"]
    sorts = ordering if isinstance(ordering, tuple) else (None,)
    own = {
        str(name).removeprefix("-").split("__")[0].removesuffix("_id") for name in (*named, *sorts)
    }
    plain = all(step.name in _LIVE_STEPS for step in loop.rows.steps)
    if (
        not plain
        or None in named
        or not all(isinstance(n, str) for n in sorts)
        or own & set(fields)
        or _looks_back(loop, model)
    ):
        raise Refused(
            Reason.ALREADY_STREAMS,
            "on SQLite .iterator() goes over rows as they are then: which come may depend on what is "
            "written by then",
        )


def _looks_back(loop: Loop, model: ModelState) -> bool:
    """May the query of a row look at other rows of the table, which the loop may have changed?"""
    assert isinstance(loop.rows, Rows)
    beside = tables_beside(loop.rows, loop.resolver)
    own = tables_of(model, loop.state)
    return isinstance(beside, Unknown) or isinstance(own, Unknown) or bool(beside & own)


_LIVE_STEPS = frozenset("all filter exclude order_by using iterator".split())


def written_fields(loop: Loop, columns: Mapping[str, FieldState]) -> list[str]:
    """The names of the fields that each ``save()`` writes and that may have changed.

    A full ``save()`` writes the others as they were loaded. Raises ``Refused``.
    """
    found = loop.used(uses.Kind.SAVE)
    named = [_named(use, loop, columns) for use in found]
    full = [needs.is_full_save(use) for use in found]
    if any(set(names) != set(named[0]) for names in named):
        raise Refused(Reason.SAVE_ARGUMENTS, "the loop's save()s write different fields")
    if not full[0]:
        for use in found:
            with loop.locating(use.node):
                _check_arguments(use)
        if not named[0]:
            raise Refused(Reason.SAVE_ARGUMENTS, "update_fields names no field")
        return named[0]
    for use in found:
        assert isinstance(use.node, ast.Call)
        aliases = [loop.text(alias) for alias in alias_of(use.node)]
        if use.node.args or len(use.node.keywords) > len(aliases):
            at = loop.at(use.node)
            raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with arguments", at)
        if not all(is_of_rows(alias, loop) for alias in aliases):
            raise Refused(
                Reason.SAVE_ARGUMENTS,
                "save() may write all columns to another database than the rows'",
                loop.at(use.node),
            )
    try:
        shared(loop, batched=False)  # by others who set nothing
    except Refused as refused:
        reused = refused.refusal
        why = f"{reused.message}: save() writes what was set on the rows elsewhere, too"
        raise Refused(Reason.QUERYSET_REUSED, why, reused.at) from None
    if doubt := own_managers(loop.rows, loop.state):
        raise Refused(
            Reason.CUSTOM_MANAGER, f"{doubt}: it may set columns of its rows that save() writes"
        )
    return _written_by_full_save(loop, columns)


def alias_of(save: ast.Call) -> list[ast.expr]:
    """The database that ``save(using=alias)`` names."""
    return [keyword.value for keyword in save.keywords if keyword.arg == "using"]


def _named(use: uses.Use, loop: Loop, columns: Mapping[str, FieldState]) -> list[str]:
    with loop.locating(use.node):
        return list(dict.fromkeys(needs.named_by_save(use, columns)))


def _check_arguments(use: uses.Use) -> None:
    """``update_fields`` is written out: the same fields in every turn. Raises ``Refused``."""
    assert isinstance(use.node, ast.Call)
    named = [each.value for each in use.node.keywords if each.arg == "update_fields"]
    if all(isinstance(names, (ast.List, ast.Tuple, ast.Set)) for names in named):
        return
    raise Refused(Reason.SAVE_ARGUMENTS, "save() is called with more than the names of its fields")


def _written_by_full_save(loop: Loop, columns: Mapping[str, FieldState]) -> list[str]:
    assigned = [columns[use.field] for use in loop.used(uses.Kind.WRITE) if use.field in columns]
    loaded = saves.saved_columns(loop, columns, None)
    names = dict.fromkeys(column.name for column in assigned)
    if not names.keys() <= {column.name for column in loaded}:
        raise Refused(
            Reason.QUERYSET_SHAPE, "a column that is saved may not be among those that are loaded"
        )
    names |= dict.fromkeys(computed(loaded, loop.databases))
    if not names:
        raise Refused(Reason.NEVER_SAVED, "no column is set before save()")
    return list(names)


def written_back_fields(
    loop: Loop, names: list[str], columns: Mapping[str, FieldState]
) -> tuple[str, ...]:
    """Those of the written fields that are only there for what a full ``save()`` does to them."""
    if not any(map(needs.is_full_save, loop.used(uses.Kind.SAVE))):
        return ()
    assigned = {columns[u.field].name for u in loop.used(uses.Kind.WRITE) if u.field in columns}
    return written_back(names, assigned, columns)


def check_columns(
    loop: Loop, model: ModelState, names: list[str], columns: Mapping[str, FieldState]
) -> None:
    """The columns can be written by one plain UPDATE of one table. Raises ``Refused``."""
    if gates.inherited(loop):
        raise Refused(Reason.INHERITANCE, f"{model.label} has columns in two tables")
    check_written(loop, model, names, columns)
    for column in (columns[name] for name in names):
        if {"width_field", "height_field"} & column.options.keys():
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"setting `{column.name}` sets its dimensions, too"
            )


def check_own_table(loop: Loop, model: ModelState) -> None:
    """All columns of any model are in its own table. Raises ``Refused``."""
    if model.proxy is not False:
        raise Refused(Reason.INHERITANCE, f"{model.label} stands for another model")
    for each in lineage(model, loop):
        if any(isinstance(base, tuple) for base in each.bases):
            raise Refused(Reason.INHERITANCE, f"{model.label} has columns in two tables")


def check_written(
    loop: Loop, model: ModelState, names: Collection[str], columns: Mapping[str, FieldState]
) -> None:
    """No row of any table is found by what is in these columns of the model. Raises ``Refused``."""
    relations = loop.state.relations_to(model.key).found
    pointed_to = {field.options.get("to_field") for _, field in relations}
    if any(isinstance(name, Unknown) for name in pointed_to):
        raise Refused(Reason.UNIQUE, f"which column of {model.label} others point to is not known")
    for column in (columns[name] for name in names):
        if column.primary_key is not False:
            raise Refused(Reason.PRIMARY_KEY, f"`{column.name}` may be the primary key")
        if column.kind == "GeneratedField":
            raise Refused(Reason.FIELD_UNKNOWN, f"`{column.name}` is computed by the database")
        if column.name in pointed_to:
            raise Refused(Reason.UNIQUE, f"rows of other tables point to `{column.name}`")


def check_row(
    loop: Loop,
    model: ModelState,
    columns: Mapping[str, FieldState],
    besides: Collection[ast.AST] = (),
) -> None:
    """The row stays the same row, stays in the body, and runs no code of its class. Raises ``Refused``.

    The places ``besides`` are those that hand it on to be saved.
    """
    for use in loop.used(uses.Kind.READ, uses.Kind.WRITE):
        with loop.locating(use.node):
            for _ in needs.field_of(use, loop, model, columns):
                pass
    for use in loop.used(uses.Kind.ESCAPE, uses.Kind.DELETE):
        if use.node in besides:
            continue
        at = loop.at(use.node)
        if use.kind is uses.Kind.DELETE:
            raise Refused(Reason.QUERY_IN_BODY, f"{at} deletes rows", at)
        raise Refused(Reason.ROW_ESCAPES, f"{at} hands the row to code that may save it, too", at)
    scope = loop.resolver.scope
    for load in scope.loads_of_inner_functions(loop.row) if loop.row else ():
        if not scope.is_inside(load, loop.node):
            at = loop.at(load)
            raise Refused(
                Reason.ROW_ESCAPES, f"{at} uses the row in a function that the body may call", at
            )
