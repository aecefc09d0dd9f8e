"""Whether the rows that a loop creates can wait for one another: which they are, and what they must not be."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migfix.expressions.context import Refused
from migfix.expressions.preconditions import failing, gates, saves
from migfix.facts.body import uses
from migfix.facts.body.changes import shares_table
from migfix.facts.body.effects import Effect, Kind
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import lineage
from migfix.facts.rows.streaming import already_streams
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelKey, ModelState, Unknown
from migfix.reading.kinds.values import Manager, Model, Rows
from migfix.reading.names.scopes import Binding
from migfix.reading.rows.querysets import PLAIN_MANAGERS
from migfix.writes import new_rows
from migfix.writes.batching import OF_ALL_ROWS, check_own_table, check_place, in_order
from migfix.writes.defaults import may_look
from migfix.writes.waiting import check_nothing_looks, stays_in_table

_LOOPS = (ast.For, ast.While)


@dataclass(frozen=True, eq=False)
class Creation:
    """A call that inserts a new row.

    ``manager`` is what ``create()`` is called on; it is None for ``save()``. ``made`` is the call of
    the model, None for ``create()``, and ``name`` the name that it has by then, if any.
    """

    call: ast.Call
    model: Model
    manager: ast.expr | None = None
    made: ast.Call | None = None
    name: str | None = None

    @property
    def given(self) -> ast.Call:
        """The call with the values of the row."""
        return self.made or self.call


def creations(loop: Loop) -> list[Creation]:
    """The calls in the body that create rows, in no function of their own."""
    return in_order(_creation, loop)


def _creation(call: ast.Call, loop: Loop) -> Creation | None:
    match call.func:
        case ast.Attribute(value=owner, attr="create"):
            value = loop.resolver.value(owner)
            if isinstance(value, (Manager, Rows)):
                return Creation(call, value.model, manager=owner)
        case ast.Attribute(value=ast.Call() as made, attr="save"):
            return _saved(call, made, None, loop)
        case ast.Attribute(value=ast.Name(id=name), attr="save"):
            binding = loop.resolver.scope.binding(name, call)
            if binding and isinstance(binding.value, ast.Call):
                return _saved(call, binding.value, name, loop)
    return None


def _saved(call: ast.Call, made: ast.Call, name: str | None, loop: Loop) -> Creation | None:
    model = loop.resolver.value(made.func, made)
    return Creation(call, model, None, made, name) if isinstance(model, Model) else None


def appended(call: ast.Call, row: ast.expr, model: Model, loop: Loop) -> Creation | None:
    """``rows.append(Model(...))``, or of a name for a row of the model."""
    match row:
        case ast.Call():
            found = _saved(call, row, None, loop)
        case ast.Name(id=name):
            binding = loop.resolver.scope.binding(name, row)
            made = binding.value if binding else None
            found = _saved(call, made, name, loop) if isinstance(made, ast.Call) else None
        case _:
            found = None
    return found if found is not None and found.model == model else None


def check_rows(loop: Loop) -> None:
    """The loop deletes none of its rows: others, not written yet, may point to them. Raises ``Refused``."""
    for use in loop.used(uses.Kind.DELETE):
        at = loop.at(use.node)
        raise Refused(Reason.QUERY_IN_BODY, f"{at} deletes rows that new ones may point to", at)


def check_group(
    group: Sequence[Creation], every: Sequence[Creation], loop: Loop
) -> tuple[ModelState, list[Refusal]]:
    """The rows of one model can wait: the model, and what may differ. Raises ``Refused``.

    ``every`` are all creations of the loop.
    """
    for each in group:
        check_unused(each, loop)
        check_place(each.call, loop, "create()" if each.manager else "save()")
        _check_arguments(each, loop)
    model, columns, caveats = check_model(group[0].model, loop)
    for each in group:
        if each.manager is not None:
            check_manager(each.manager, "create()", model, loop)
    caveats += default_caveats(model, columns, group, loop)
    _check_query_of_loop(loop, model)
    _check_other_creations(group, every, loop, model)
    own = frozenset(each.call for each in group)
    unresolved = frozenset(each.call for each in every if each.manager is None)
    check_body(loop, model, own | unresolved)
    caveats += check_nothing_looks(loop, model, own | unresolved)
    caveats += failing.later_turns(loop, own, f"a new row of {model.label} may fail")
    calls = [each.given if each.name is None else None for each in group]
    caveats += new_rows.greater_keys(loop, model, columns, calls)
    return model, list(dict.fromkeys(caveats))


# --- the calls -----------------------------------------------------------------------------------


def _check_arguments(creation: Creation, loop: Loop) -> None:
    at = loop.at(creation.call)
    if creation.manager is None and (creation.call.args or creation.call.keywords):
        raise Refused(Reason.SAVE_ARGUMENTS, f"save() on {at} is called with arguments", at)
    if creation.call.args:
        raise Refused(Reason.SAVE_ARGUMENTS, f"create() on {at} takes no positional arguments", at)


def check_unused(creation: Creation, loop: Loop) -> None:
    """Nothing reads the row after the call: it has no key yet. Raises ``Refused``."""
    scope, call = loop.resolver.scope, creation.call
    if not isinstance(scope.parents[call], ast.Expr):
        at = loop.at(call)
        raise Refused(Reason.CREATED_ROW_USED, f"the row that {at} creates is used", at)
    if creation.name is None:
        return
    made = scope.binding(creation.name, call)
    assert made is not None
    if _is_in_loop_without(made, call, loop):
        at = loop.at(call)
        raise Refused(Reason.CREATED_ROW_USED, f"save() on {at} may run twice for one row", at)
    for load in scope.loads(creation.name):
        if scope.is_inside(load, call):
            continue
        before = (load.lineno, load.col_offset) < (call.lineno, call.col_offset)
        on_it = isinstance(scope.parents[load], ast.Attribute)
        calls = isinstance(scope.parents.get(scope.parents[load]), ast.Call)
        method = calls and scope.parents[scope.parents[load]].func is scope.parents[load]  # type: ignore[attr-defined]
        known = scope.binding(creation.name, load) is made  # so that it is in the loop, too
        if not known or not before or not on_it or method:
            at, used = loop.at(call), loop.at(load)
            raise Refused(
                Reason.CREATED_ROW_USED,
                f"`{creation.name}`, which {at} saves, is used on {used}",
                used,
            )


def _is_in_loop_without(made: Binding, call: ast.Call, loop: Loop) -> bool:
    """Is there a loop around the call, but not around what made its row?"""
    scope = loop.resolver.scope
    return any(
        isinstance(ancestor, _LOOPS) and not scope.is_inside(made.statement, ancestor)
        for ancestor in scope.ancestors(call)
    )


def check_manager(node: ast.expr, called: str, model: ModelState, loop: Loop) -> None:
    """Only Django's own manager of all rows, on which the method is ``called``. Raises ``Refused``."""
    value = loop.resolver.value(node)
    assert isinstance(value, (Manager, Rows))
    manager = value.manager if isinstance(value, Rows) else value
    steps = value.steps if isinstance(value, Rows) else ()
    if manager.related:
        raise Refused(
            Reason.CUSTOM_MANAGER, f"`{manager.name}` hangs on a row: each has a manager of its own"
        )
    plain = model.has_plain_managers or manager.name == "_base_manager"
    if not plain or manager.name not in PLAIN_MANAGERS:
        raise Refused(
            Reason.CUSTOM_MANAGER, f"`{manager.name}` of {model.label} is a manager of the project"
        )
    if any(step.name not in OF_ALL_ROWS for step in steps):
        raise Refused(Reason.QUERYSET_SHAPE, f"{called} is called on a queryset, not on a manager")


# --- the model -----------------------------------------------------------------------------------


def check_model(
    created: Model, loop: Loop
) -> tuple[ModelState, Mapping[str, FieldState], list[Refusal]]:
    """The model of new rows, its columns and what may differ because of them. Raises ``Refused``."""
    model, columns = gates.known_model(created, loop, "the model of the new rows")
    caveats = list(gates.caveats_of(model, loop, columns))
    check_own_table(loop, model)
    for each in lineage(model, loop):
        if "order_with_respect_to" in each.options:
            raise Refused(
                Reason.SAVE_SIDE_EFFECT, f"rows of {model.label} are numbered as they are created"
            )
    caveats += _column_caveats(columns)
    caveats += gates.save_caveats(loop, full=False)
    return model, columns, [*caveats, *saves.connected(columns)]


def _column_caveats(columns: Mapping[str, FieldState]) -> Iterator[Refusal]:
    for column in {c.name: c for c in columns.values()}.values():
        if "db_default" in column.options or "**" in column.options:
            raise Refused(
                Reason.FIELD_UNKNOWN, f"the database may compute `{column.name}` of each new row"
            )
        if column.kind is None:
            yield Refusal(
                Reason.SAVE_SIDE_EFFECT,
                f"what save() does with `{column.name}`, a {column.class_path or 'field'}, is not "
                "known: it may look for other rows",
            )


def default_caveats(
    model: ModelState,
    columns: Mapping[str, FieldState],
    group: Sequence[Creation],
    loop: Loop,
) -> Iterator[Refusal]:
    """Defaults that functions compute, which may look for the rows created before."""
    named = [{keyword.arg for keyword in each.given.keywords} for each in group]
    for column in {c.name: c for c in columns.values()}.values():
        given = all(names & {column.name, column.attname} for names in named)
        if not given and may_look(column.options.get("default"), loop):
            yield Refusal(
                Reason.UNKNOWN_CALL,
                f"the default of `{column.name}` may look for {model.label} rows that wait to be written",
            )


# --- the body ------------------------------------------------------------------------------------


def _check_query_of_loop(loop: Loop, model: ModelState) -> None:
    """No query that is read as the loop goes may read the new rows. Raises ``Refused``."""
    rows = loop.rows
    live = already_streams(loop) if isinstance(rows, Rows) else rows.live
    if live and not query_stays_clear(loop, model):
        raise Refused(
            Reason.QUERYSET_SHAPE,
            f"the loop reads its rows as it goes, and may come to those of {model.label} that it creates",
        )


def query_stays_clear(loop: Loop, model: ModelState) -> bool:
    """Does the loop's query certainly read no rows of the model?"""
    key = loop.rows.model.key if isinstance(loop.rows, Rows) else None
    if shares_table(loop, model, key):
        return False
    return stays_in_table(Effect(Kind.READS, loop.queryset, key), loop)


def check_body(loop: Loop, model: ModelState, besides: frozenset[ast.Call]) -> None:
    """No other row that is written shares the table or may point to the new rows. Raises ``Refused``."""
    _check_saved_rows(loop, model)
    _check_pointing(loop, model, besides)


def _check_saved_rows(loop: Loop, model: ModelState) -> None:
    """What the loop does with its own rows leaves those of the model alone. Raises ``Refused``."""
    if not loop.used(uses.Kind.SAVE):
        return
    own = loop.model
    if isinstance(own, Unknown) or shares_table(loop, model, own.key):
        raise Refused(
            Reason.QUERY_IN_BODY, f"the loop also saves rows in the table of {model.label}"
        )
    if _points_to(own.key, model, loop):
        raise Refused(
            Reason.QUERY_IN_BODY, f"rows of {own.label} are saved that may point to new ones"
        )


def _check_other_creations(
    group: Sequence[Creation], every: Sequence[Creation], loop: Loop, model: ModelState
) -> None:
    """Rows of other models that the body creates, as far as ``effects`` cannot tell. Raises ``Refused``."""
    for each in every:
        if each in group:
            continue
        at, key = loop.at(each.call), each.model.key
        if shares_table(loop, model, key):
            raise Refused(
                Reason.QUERY_IN_BODY, f"{at} may create rows in the table of {model.label}, too", at
            )
        assert key is not None  # which may be that of any table
        if _points_to(key, model, loop):
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"{at} creates rows that may point to those of {model.label}",
                at,
            )


def _check_pointing(loop: Loop, model: ModelState, besides: frozenset[ast.Call]) -> None:
    """No other write gives a row a key of the new ones. Raises ``Refused``."""
    for effect in loop.having(Kind.WRITES):
        if effect.node not in besides and any(
            key and _points_to(key, model, loop) for key in effect.models
        ):
            at = loop.at(effect.node)
            raise Refused(
                Reason.QUERY_IN_BODY,
                f"{at} writes rows that may point to those of {model.label}",
                at,
            )


def _points_to(key: ModelKey, model: ModelState, loop: Loop) -> bool:
    """May a column of the model called ``key`` hold the key of a row of ``model``?"""
    columns = loop.columns_of(key)
    if columns is None:
        return True
    for column in columns.values():
        if column.is_relation is not False and column.target is None:
            return True
        if column.target is not None and (
            isinstance(column.target, Unknown) or shares_table(loop, model, column.target)
        ):
            return True
    return False
