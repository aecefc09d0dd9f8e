"""``rows.append(Model(...))`` in a loop and one ``Model.objects.bulk_create(rows)`` after it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

from migfix.expressions.context import Refused
from migfix.expressions.values.constants import constant_of
from migfix.facts.body.settled import changed_in_place
from migfix.facts.loop import Loop
from migfix.facts.rows.bulk import next_statement
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState, ModelState
from migfix.reading.kinds.values import Manager, Model, Rows
from migfix.sql.kinds import INERT, is_document
from migfix.writes import creating, new_rows
from migfix.writes.batching import check_all_or_nothing, check_place, check_target
from migfix.writes.creating import Creation
from migfix.writes.waiting import check_nothing_looks

_ARGUMENTS = frozenset({"batch_size", "ignore_conflicts"})


@dataclass(frozen=True, eq=False)
class Collected:
    """The call of ``bulk_create()``, the list that it is given, and the two statements that make them."""

    call: ast.Call
    manager: ast.expr
    name: str
    statements: tuple[ast.stmt, ast.stmt]


def collected_by(loop: Loop) -> Collected | None:
    """The ``bulk_create()`` in the statement after the loop, of a list that is empty before it."""
    following = next_statement(loop)
    tested: str | None = None
    statement = following
    if isinstance(following, ast.If) and isinstance(following.test, ast.Name):
        tested = following.test.id
        statement = following.body[0] if len(following.body) == 1 and not following.orelse else None
    if not isinstance(statement, ast.Expr):
        return None
    assert following is not None
    match statement.value:
        case ast.Call(
            func=ast.Attribute(value=manager, attr="bulk_create"), args=[ast.Name(id=name)]
        ) as call if tested in {None, name}:
            made = loop.resolver.scope.binding(name, loop.node)
            match made and made.statement:
                case ast.Assign(targets=[ast.Name()], value=ast.List(elts=[])) as start:
                    return Collected(call, manager, name, (start, following))
    return None


def check_collected(found: Collected, loop: Loop) -> tuple[ModelState, list[Refusal]]:
    """The rows can be inserted as the loop goes: their model, and what may differ. Raises ``Refused``."""
    value = loop.resolver.value(found.manager)
    if not isinstance(value, (Manager, Rows)):
        raise Refused(Reason.MODEL_UNKNOWN, "the model of the list is not known")
    if any(keyword.arg not in _ARGUMENTS for keyword in found.call.keywords):
        raise Refused(Reason.SAVE_ARGUMENTS, "bulk_create() is told what to update on conflicts")
    rows = list(_elements(found, value.model, loop))
    model, columns, caveats = creating.check_model(value.model, loop)
    creating.check_manager(found.manager, "bulk_create()", model, loop)
    _check_moment(found, loop, model)
    _check_values(rows, columns, loop)
    for name in dict.fromkeys(name for row in rows for name, _ in _values(row, loop)):
        if name in columns:
            check_target(columns[name], name, loop)
    caveats = [caveat for caveat in caveats if caveat.reason is not Reason.SIGNALS]  # it sends none
    caveats += creating.default_caveats(model, columns, rows, loop)
    if ignores_conflicts(found, loop):
        caveats += new_rows.keys_by_conflicts(loop, columns)
    for column in {column.name: column for column in columns.values()}.values():
        if column.auto_now is not False or column.options.get("auto_now_add", False) is not False:
            caveats.append(
                Refusal(
                    Reason.ONE_TIMESTAMP,
                    f"`{column.name}` would be the moment at which the loop makes each row, not "
                    "that of bulk_create()",
                )
            )
    creating.check_body(loop, model, frozenset())
    caveats += check_nothing_looks(loop, model)
    return model, list(dict.fromkeys(caveats))


def batch_size(found: Collected, loop: Loop) -> str | None:
    """How many rows ``bulk_create()`` inserts in one go, as it is written; None if it does not say.

    What it says stands: it knows these rows, and the settings of the project do not. Raises ``Refused``.
    """
    if (keyword := _argument(found, "batch_size")) is not None:
        size = constant_of(keyword.value, loop)
        if size is None:
            return None
        if type(size) is not int or size < 1:
            raise Refused(Reason.SAVE_ARGUMENTS, "the batch_size of bulk_create() is not known")
        return loop.text(keyword.value)
    return None


def ignores_conflicts(found: Collected, loop: Loop) -> bool:
    """Does ``bulk_create()`` leave out rows that are there already? Raises ``Refused`` where that is not known."""
    keyword = _argument(found, "ignore_conflicts")
    if keyword is None:
        return False
    value = constant_of(keyword.value, loop)
    if not isinstance(value, bool):
        raise Refused(
            Reason.SAVE_ARGUMENTS, "whether bulk_create() ignores conflicts is not written out"
        )
    return value


def _argument(found: Collected, name: str) -> ast.keyword | None:
    return next((keyword for keyword in found.call.keywords if keyword.arg == name), None)


def _elements(found: Collected, model: Model, loop: Loop) -> Iterator[Creation]:
    """The rows that the list is given, which nothing else has. Raises ``Refused``."""
    scope = loop.resolver.scope
    if scope.bound_once(found.name) is None or not all(map(loop.stands_alone, found.statements)):
        raise Refused(Reason.CREATED_ROW_USED, f"`{found.name}` is made more than once")
    made: list[ast.Call] = []
    for load in scope.loads(found.name, ast.Del):
        if scope.is_inside(load, found.statements[1]):
            continue
        method = scope.parents[load]
        match scope.parents.get(method):
            case ast.Call(
                func=ast.Attribute(attr="append") as function, args=[row]
            ) as call if function is method and scope.is_inside(call, loop.node):
                creation = creating.appended(call, row, model, loop)
            case _:
                creation = None
        if creation is None or creation.made is None:
            at = loop.at(load)
            raise Refused(
                Reason.CREATED_ROW_USED,
                f"{at} does more with `{found.name}` than collect new rows",
                at,
            )
        creating.check_unused(creation, loop)
        check_place(creation.call, loop, "bulk_create()")  # of which a part is done by append()
        made.append(creation.made)
        yield creation
    for node in loop.nodes:
        if not isinstance(node, ast.Call) or node in made:
            continue
        if isinstance(loop.resolver.value(node.func, node), Model):
            at = loop.at(node)
            raise Refused(
                Reason.CREATED_ROW_USED, f"{at} makes a row that those of the list may point to", at
            )


def _check_moment(found: Collected, loop: Loop, model: ModelState) -> None:
    """It makes no difference that the rows are there before the loop ends. Raises ``Refused``."""
    check_all_or_nothing(loop, "bulk_create()")
    if not creating.query_stays_clear(loop, model):
        raise Refused(
            Reason.QUERYSET_SHAPE, f"the loop's query may read rows of {model.label}, which are new"
        )


def _check_values(rows: list[Creation], columns: Mapping[str, FieldState], loop: Loop) -> None:
    """No value can change between the making of its row and ``bulk_create()``, which inserts rows that
    have a key before those that get one. Raises ``Refused``.
    """
    change = cache(partial(changed_in_place, loop, frozenset(_building(rows, loop))))
    for row in rows:
        if row.given.args:
            at = loop.at(row.call)
            raise Refused(Reason.VALUE, f"{at} does not name the values of its row", at)
        for name, value in _values(row, loop):
            column = columns.get(name)
            if name == "pk" or (column is not None and column.primary_key is not False):
                raise Refused(
                    Reason.PRIMARY_KEY,
                    "bulk_create() inserts rows whose key is given before others",
                )
            plain = column is not None and column.kind in INERT and column.kind != "BinaryField"
            if plain or isinstance(value, ast.Constant):
                continue
            if column is None or not (column.kind == "BinaryField" or is_document(column)):
                raise Refused(
                    Reason.VALUE, f"the value of `{name}` may change before bulk_create()"
                )
            if (node := change()) is not None:
                at = loop.at(node)
                raise Refused(
                    Reason.VALUE, f"{at} may change the value of `{name}` before bulk_create()", at
                )


def _building(rows: list[Creation], loop: Loop) -> Iterator[ast.AST]:
    """``rows.append``, and ``row.field = ...`` of a row that is not there yet."""
    for row in rows:
        yield row.call.func
        yield from _set(row, loop)


def _values(row: Creation, loop: Loop) -> Iterator[tuple[str, ast.expr | None]]:
    """What the row is given when it is made, and what is set afterwards."""
    yield from ((given.arg or "**", given.value) for given in row.given.keywords)
    yield from ((attribute.attr, None) for attribute in _set(row, loop))


def _set(row: Creation, loop: Loop) -> Iterator[ast.Attribute]:
    scope = loop.resolver.scope
    for load in scope.loads(row.name) if row.name else ():
        match scope.parents[load]:
            case ast.Attribute(ctx=ast.Store()) as attribute:
                yield attribute
