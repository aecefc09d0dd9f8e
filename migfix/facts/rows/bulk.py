"""``bulk_update(rows, ["name"])`` after a loop that changes its rows: the loop's own save()."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migfix.facts.rows.aliases import ALIASING, database_of
from migfix.reading.kinds.values import Manager, Rows

if TYPE_CHECKING:
    from migfix.facts.loop import Loop


@dataclass(frozen=True, eq=False)
class BulkUpdate:
    """The call, and the statements that go with the loop when it becomes one query.

    ``fields`` are the names that it writes. ``list_name`` is the list in which the loop collects rows,
    None where the looped queryset itself is given. ``places`` are those that name what is given,
    ``appends`` the calls that put something into the list, ``database`` is what ``.using(...)`` is given.
    """

    call: ast.Call
    fields: tuple[str, ...]
    list_name: str | None
    statements: tuple[ast.stmt, ...]
    places: frozenset[ast.AST]
    appends: tuple[ast.Call, ...] = ()
    database: tuple[ast.expr, ...] = ()

    @property
    def shared(self) -> frozenset[ast.AST]:
        """The places that read the looped rows themselves again; none where a list holds them."""
        return self.places if self.list_name is None else frozenset()

    def collects(self, call: ast.Call, is_row: Callable[[ast.AST], bool]) -> bool:
        """Does the call put the row into the list?"""
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[row], keywords=[]
            ):
                return name == self.list_name and is_row(row)
        return False


def bulk_update_after(loop: Loop) -> BulkUpdate | None:
    """The ``bulk_update()`` in the statement after the loop; None where there is none, or where
    what it is given is used in any other way.
    """
    following = next_statement(loop)
    call = _call_in(following) if following is not None else None
    if following is None or call is None or not _is_of_model(call, loop):
        return None
    fields = _fields(call)
    given = call.args[0] if call.args else None
    if fields is None or not isinstance(given, ast.Name):
        return None
    if not loop.stands_alone(following):
        return None
    if isinstance(loop.queryset, ast.Name) and given.id == loop.queryset.id:
        places = frozenset(_loads_in(following, given.id))
        return BulkUpdate(call, fields, None, (following,), places, database=_database(call, loop))
    return _collected(call, fields, given.id, following, loop)


def _database(call: ast.Call, loop: Loop) -> tuple[ast.expr, ...]:
    assert isinstance(call.func, ast.Attribute)
    found = loop.resolver.value(call.func.value)
    return tuple(database_of(found)) if isinstance(found, Rows) else ()


def next_statement(loop: Loop) -> ast.stmt | None:
    """The statement right after the loop."""
    position = loop.block.index(loop.node) + 1
    return loop.block[position] if position < len(loop.block) else None


def _call_in(statement: ast.stmt) -> ast.Call | None:
    """The call of ``bulk_update``, also under ``if rows:``, where it would do nothing otherwise."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="bulk_update")) as call):
            return call
        case ast.If(test=ast.Name(id=name), body=[inner], orelse=[]):
            found = _call_in(inner) if isinstance(inner, ast.Expr) else None
            given = found.args[0] if found is not None and found.args else None
            return found if isinstance(given, ast.Name) and given.id == name else None
    return None


def _is_of_model(call: ast.Call, loop: Loop) -> bool:
    """Is it called on the manager of the loop's model, for the same database?"""
    assert isinstance(call.func, ast.Attribute)
    found = loop.resolver.value(call.func.value)
    rows = loop.rows
    manager = found.manager if isinstance(found, Rows) else found
    if not isinstance(rows, Rows) or not isinstance(manager, Manager) or manager.related:
        return False
    plain = not isinstance(found, Rows) or all(step.name in ALIASING for step in found.steps)
    same = _database_of(found, loop) == _database_of(rows, loop)
    return plain and same and manager.model == rows.model


def _database_of(found: object, loop: Loop) -> list[str]:
    """What is given to ``.using(...)``, as it is written."""
    return [loop.text(alias) for alias in (database_of(found) if isinstance(found, Rows) else [])]


def _fields(call: ast.Call) -> tuple[str, ...] | None:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    given = call.args[1] if len(call.args) > 1 else named.pop("fields", None)
    size = named.pop("batch_size", None)
    plain = size is None or isinstance(size, (ast.Constant, ast.Name, ast.Attribute))
    if not isinstance(given, (ast.List, ast.Tuple, ast.Set)) or named or not plain:
        return None
    names = [n.value for n in given.elts if isinstance(n, ast.Constant)]
    texts = tuple(name for name in names if isinstance(name, str))
    return texts if texts and len(texts) == len(given.elts) else None


def _collected(
    call: ast.Call, fields: tuple[str, ...], name: str, following: ast.stmt, loop: Loop
) -> BulkUpdate | None:
    """``rows = []`` before the loop, ``rows.append(row)`` in it, and nothing else with ``rows``."""
    scope = loop.resolver.scope
    made = scope.bound_once(name)
    empty = made is not None and isinstance(made.value, ast.List) and not made.value.elts
    if made is None or not empty or scope.binding(name, loop.node) is not made:
        return None
    statement = made.statement
    match statement:
        case ast.Assign(targets=[ast.Name()]) | ast.AnnAssign():
            plain = loop.stands_alone(statement)
        case _:
            return None
    if not plain or statement not in loop.block:
        return None
    places = frozenset(_loads_in(following, name))
    others = [load for load in scope.loads(name) if load not in places]
    appends = tuple(append for load in others if (append := _append_to(load, loop)) is not None)
    if len(appends) < len(others):
        return None
    gone = (statement, following)
    return BulkUpdate(call, fields, name, gone, places, appends, _database(call, loop))


def _loads_in(statement: ast.stmt, name: str) -> Iterator[ast.AST]:
    return (n for n in ast.walk(statement) if isinstance(n, ast.Name) and n.id == name)


def _append_to(load: ast.Name, loop: Loop) -> ast.Call | None:
    """The call of ``append()`` in the loop, None where the list has another use."""
    parents = loop.resolver.scope.parents
    method = parents[load]
    call = parents.get(method)
    if (
        isinstance(method, ast.Attribute)
        and method.attr == "append"
        and isinstance(call, ast.Call)
        and call.func is method
        and loop.resolver.scope.is_inside(load, loop.node)
    ):
        return call
    return None
