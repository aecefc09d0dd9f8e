"""Which deferred columns a ``save()`` finds loaded: those that the turn has read by then.

Reading a deferred column loads it, and a full ``save()`` then writes it as well. What another turn
reads, or this one on another way or later, does not count.
https://docs.djangoproject.com/en/stable/ref/models/querysets/#defer
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping

from migfix.expressions.context import Refused
from migfix.expressions.counting import may_repeat_rows
from migfix.facts.body import uses
from migfix.facts.loop import Loop
from migfix.facts.rows.deferred import left_out
from migfix.findings import Reason, Refusal
from migfix.history.state import FieldState
from migfix.reading.kinds.values import Rows
from migfix.sql.databases import Databases, Trait
from migfix.sql.kinds import INERT, is_settled_file

# Expressions all of whose parts are evaluated whenever they are.
_WHOLE = (
    ast.Attribute,
    ast.AugAssign,
    ast.Assign,
    ast.AnnAssign,
    ast.BinOp,
    ast.Call,
    ast.Dict,
    ast.Expr,
    ast.FormattedValue,
    ast.JoinedStr,
    ast.List,
    ast.NamedExpr,
    ast.Set,
    ast.Slice,
    ast.Starred,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
    ast.keyword,
)


def loaded_later(
    loop: Loop, columns: Mapping[str, FieldState], deferred: Collection[str]
) -> frozenset[str]:
    """Those of the deferred columns that are loaded at every save(). Raises ``Refused``.

    It does where some save() finds a column loaded, another may not, and it matters which.
    """
    found: set[str] = set()
    unsure: dict[str, uses.Use] = {}
    for use in loop.used(uses.Kind.READ, uses.Kind.WRITE):
        column = columns.get(use.field)
        if column is None or column.name not in deferred or _comes_after_saves(use, loop):
            continue
        if use.kind is uses.Kind.WRITE and not _is_stamped(column):
            continue  # what is set is what is written, on these ways alone
        if use.kind is uses.Kind.READ and _comes_before_saves(use, loop):
            found.add(column.name)
        else:
            unsure.setdefault(column.name, use)
    for name, use in unsure.items():
        if name not in found and not _is_written_back(columns[name], loop.databases):
            at = loop.at(use.node)
            raise Refused(
                Reason.SAVE_SIDE_EFFECT,
                f"save() writes the deferred `{name}` where the turn has loaded it, which {at} does on some ways only",
                at,
            )
    return frozenset(found)


def loads_again(loop: Loop, columns: Mapping[str, FieldState]) -> Iterator[Refusal]:
    """Deferred columns that a row which comes twice loads anew, with what its first turn has saved."""
    assert isinstance(loop.rows, Rows)
    narrowing = [s for s in loop.rows.steps if s.name in {"only", "defer"} and s.call is not None]
    if not narrowing or not may_repeat_rows(loop):
        return
    every = {column.name for column in columns.values()}
    lacking = {n for s in narrowing if s.call for n in left_out(s.call, s.name, every, columns)}
    written = {
        columns[use.field].name for use in loop.used(uses.Kind.WRITE) if use.field in columns
    }
    for use in loop.used(uses.Kind.READ):
        if use.field in columns and columns[use.field].name in lacking & written:
            at = loop.at(use.node)
            yield Refusal(
                Reason.VALUE,
                f"{at} loads the deferred `{use.field}`, of a row that a join may bring twice as it was saved before",
                at,
            )


def _is_written_back(column: FieldState, databases: Databases) -> bool:
    """Does a save() that finds the column loaded leave it as it is stored?"""
    inert = INERT if databases.have(Trait.KEEPS_DECIMALS) else INERT - {"DecimalField"}
    kept = column.saved_as in inert or is_settled_file(column)
    return kept and not _is_stamped(column)


def _is_stamped(column: FieldState) -> bool:
    return column.kind is None or column.auto_now is not False


def _comes_before_saves(use: uses.Use, loop: Loop) -> bool:
    """Does each turn that saves the row read the column before?"""
    position, saving = _position(use.node, loop), _saving(loop)
    if position is None or not _is_certain(use.node, loop):
        return False
    return not saving or position <= saving[0]


def _comes_after_saves(use: uses.Use, loop: Loop) -> bool:
    """Does it run when the turn has saved the row for the last time?"""
    position, saving = _position(use.node, loop), _saving(loop)
    return position is not None and bool(saving) and position > saving[-1]


def _saving(loop: Loop) -> list[int]:
    """The places, in the body, of the statements that may save the row, in order.

    All of the body where that is done by a function.
    """
    found = [_position(use.node, loop) for use in loop.used(uses.Kind.SAVE)]
    if None in found:
        return [0, len(loop.node.body)]
    return sorted(position for position in found if position is not None)


def _position(node: ast.AST, loop: Loop) -> int | None:
    """Which statement of the body holds the node; None where none does."""
    inside = loop.resolver.scope.is_inside
    return next((i for i, each in enumerate(loop.node.body) if inside(node, each)), None)


def _is_certain(node: ast.AST, loop: Loop) -> bool:
    """Is the node of the body evaluated whenever its statement begins? A save() is a statement itself."""
    step: ast.AST = node
    for ancestor in loop.resolver.scope.ancestors(node):
        if ancestor is loop.node:
            return True
        if step not in _evaluated_first(ancestor):
            return False
        step = ancestor
    return False


def _evaluated_first(node: ast.AST) -> Iterator[ast.AST]:
    """The parts that are evaluated whenever the node is."""
    match node:
        case ast.BoolOp(values=[first, *_]):
            yield first
        case ast.Compare(left=left, comparators=[first, *_]):
            yield from (left, first)
        case ast.IfExp(test=part) | ast.If(test=part) | ast.While(test=part):
            yield part
        case ast.Match(subject=part) | ast.For(iter=part):
            yield part
        case ast.comprehension(iter=part):
            yield part
        case ast.ListComp() | ast.SetComp() | ast.DictComp():
            yield node.generators[0]
        case _ if isinstance(node, _WHOLE):
            yield from ast.iter_child_nodes(node)
