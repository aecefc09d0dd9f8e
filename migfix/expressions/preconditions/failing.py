"""Whether writing a row can fail, and what that leaves: a loop keeps the rows before it, one query keeps none.

It only matters where what was done before an error stays (``Loop.errors``). A value that is the same for
every row fails at the first one, before which there is nothing to keep.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from migfix.expressions.context import Bound, Context, SqlValue
from migfix.expressions.path import Path
from migfix.expressions.values.constants import UNKNOWN, fits
from migfix.facts.body import uses
from migfix.facts.body.effects import Kind
from migfix.facts.body.handed import is_own_save
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import lineage
from migfix.findings import Reason, Refusal
from migfix.history.state import Call, FieldState, ModelState, Unknown, names_used
from migfix.reading.kinds.values import Row
from migfix.sql.databases import Trait
from migfix.sql.kinds import FOREIGN_KEYS, INTEGERS, TEXTS, UNSIGNED, bits_of
from migfix.sql.nodes import Clock, Outer, Type


def partly(
    loop: Loop, fails: str | None, instead: str = "one query keeps none"
) -> Iterator[Refusal]:
    """What may differ where the loop stops half-way, if a row may fail as ``fails`` says."""
    if fails is not None and (kept := loop.errors.kept or loop.errors.told_apart):
        yield Refusal(
            Reason.TRANSACTION,
            f"{fails} and stop the loop half-way: it keeps the rows before, {instead} ({kept})",
        )


def counted(loop: Loop, fails: str | None) -> Iterator[Refusal]:
    """What counters of rows are for who reads them after an error."""
    if fails is None or loop.errors.caught is None:
        return
    for counter in sorted(loop.counters.intersection(loop.names_used_after)):
        yield Refusal(
            Reason.TRANSACTION,
            f"{fails} and stop the loop half-way: `{counter}` would count none of the rows before "
            f"({loop.errors.caught})",
        )


def of_paths(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], paths: Iterable[Path]
) -> str | None:
    """How the values that the paths save may make a row fail; None where none can."""
    saving = [path for path in paths if path.saved]
    names = {name for path in saving for name in path.saved or ()}
    if (checked := of_rules(loop, model, columns, names)) is not None:
        return checked
    alike = len({tuple(dict(path.saved or {}).items()) for path in saving}) == 1
    return next(
        (
            why
            for path in saving
            for name, value in (path.saved or {}).items()
            if not (alike and is_same_for_all(value, loop))
            and (why := _Value(value, columns[name], path, columns).fails()) is not None
        ),
        None,
    )


def of_constants(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], values: Sequence[SqlValue]
) -> str | None:
    """The same of a statement that gives all of its rows these values, before which nothing is written."""
    names = {columns[value.attribute].name for value in values}
    if (checked := of_rules(loop, model, columns, names)) is not None:
        return checked
    other = next((v for v in values if not is_same_for_all(v, loop)), None)
    return None if other is None else f"`{other.attribute}` may be given a value that does not fit"


def of_assignments(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], saved: Collection[str]
) -> str | None:
    """The same of what the body sets on the row, whatever it computes that from."""
    if (checked := of_rules(loop, model, columns, saved)) is not None:
        return checked
    context = Context.of(loop, columns)
    for use in loop.used(uses.Kind.WRITE):
        column = columns.get(str(use.field))
        if column is None or column.name not in saved:
            continue
        here = loop.resolver.scope.is_inside(use.node, loop.node)
        statement = loop.resolver.scope.parents.get(use.node) if here else None
        value = statement.value if isinstance(statement, ast.Assign) else None
        literal = UNKNOWN if value is None else context.constant(value)
        if literal is UNKNOWN or not takes(column, literal, context):
            return f"`{column.name}` may be given a value that does not fit"
    return None


def later_turns(loop: Loop, besides: Collection[ast.AST], fails: str | None) -> Iterator[Refusal]:
    """What the loop does in the turns after a row that fails, when that shows only later.

    ``besides`` are the calls that wait.
    """
    acting = loop.having(Kind.WRITES, Kind.SQL, Kind.TRANSACTION, Kind.CALL)
    found = [e.node for e in acting if not is_own_save(e, loop)]
    found += [use.node for use in loop.used(uses.Kind.SAVE, uses.Kind.DELETE, uses.Kind.ESCAPE)]
    others = [node for node in found if node not in besides]
    if others and fails is not None and loop.errors.kept:
        at = loop.at(others[0])
        yield Refusal(
            Reason.TRANSACTION,
            f"{fails} and stop the loop: {at} runs in more turns before a row "
            f"that waits is seen to fail, and what it does stays ({loop.errors.kept})",
            at,
        )


def takes(column: FieldState, literal: object, context: Context) -> bool:
    """Does the column certainly take the constant in any row?"""
    if literal is None:
        return takes_null(column)
    if column.kind in FOREIGN_KEYS or not fits(literal, column, context.key_of):
        return False
    if column.kind in UNSIGNED and int(literal) < 0:  # type: ignore[call-overload]
        return False
    everywhere = not isinstance(literal, str) or literal.isascii()  # whatever a table's charset is
    return everywhere or context.loop.databases.have(Trait.TAKES_ANY_TEXT)


def takes_null(column: FieldState) -> bool:
    return column.null is True and column.verified


def copy_fails(source: FieldState, target: FieldState, context: Context) -> str | None:
    """How a row may fail that gets what another column of the same kind holds; None where it cannot."""
    name = source.name
    if not context.is_not_null(source) and not takes_null(target):
        return f"`{name}` may be NULL, which `{target.name}` does not take,"
    if source.kind in TEXTS and not _length(source) <= _length(target):
        return f"`{name}` may be too long for `{target.name}`"
    if source.kind in INTEGERS and target.kind in INTEGERS and not _holds(target, source):
        return f"`{name}` may be out of the range of `{target.name}`"
    if source.kind in FOREIGN_KEYS and source.options.get("db_constraint", True) is not True:
        return f"`{name}` may point to a row that is not there"
    return None


def is_same_for_all(value: SqlValue, loop: Loop) -> bool:
    """Does it fail for every row or for none, with nothing that could tell by which error?"""
    return not value.is_expression and loop.errors.caught is None


def of_rules(
    loop: Loop, model: ModelState, columns: Mapping[str, FieldState], assigned: Collection[str]
) -> str | None:
    """The constraint that the new values may break."""
    names = {*assigned, *(str(columns[name].attname) for name in assigned)}
    for each in lineage(model, loop):
        rules = each.options.get("constraints", ())
        for rule in rules if isinstance(rules, (tuple, frozenset)) else (rules,):
            found = _checked_by(rule)
            if found is None or found & names:
                return f"a row may break a constraint of {each.label}"
    return None


def _checked_by(rule: object) -> set[str] | None:
    """The columns that a constraint compares; None where they are not known. Unique ones are no matter here."""
    if not isinstance(rule, Call) or not rule.path.startswith("django."):
        return None
    if rule.bare == "UniqueConstraint":
        return set()
    if rule.bare != "CheckConstraint" or "**" in rule.kwargs:
        return None
    found = list(names_used([rule.args, *rule.kwargs.values()]))
    return None if any(isinstance(n, Unknown) for n in found) else {str(n) for n in found}


class _Value:
    """A value that the path gives to a column."""

    def __init__(
        self, value: SqlValue, column: FieldState, path: Path, columns: Mapping[str, FieldState]
    ) -> None:
        self.value = value
        self.column = column
        self.columns = columns
        self.context: Context = path.context
        self.bound: Bound | None = path.context.assigned.get(column.name)

    def fails(self) -> str | None:
        """How it may fail; None where it certainly does not."""
        name = self.column.name
        if self.value.literal is not UNKNOWN:
            known = takes(self.column, self.value.literal, self.context)
            return None if known else f"`{name}` may not take `{self.value.text}`"
        match self.value.node:
            case Outer(type=Type(field=kind)) | Clock(type=Type(field=kind)) if (
                kind == self.column.kind
            ):
                return None  # the time
        if (source := self._copied()) is not None:
            return copy_fails(source, self.column, self.context)
        if self._is_key_of_row() or self._is_long_text():
            return None
        return f"`{name}` may be given a value that does not fit"

    def _copied(self) -> FieldState | None:
        """The row's own column that is copied as it is."""
        return self.columns.get(self.value.copied) if self.value.copied else None

    def _is_key_of_row(self) -> bool:
        """A foreign key to a row that was found before the loop."""
        if self.bound is None or self.column.kind not in FOREIGN_KEYS:
            return False
        node, context = self.bound.context.settled(self.bound.node)
        if isinstance(node, ast.Attribute) and node.attr in {"pk", "id"}:
            node = node.value
        row = context.resolver.value(node, context.place)
        return isinstance(row, Row) and not row.may_be_none and row.model.key == self.column.target

    def _is_long_text(self) -> bool:
        """A text made of the row's own, for a column without a length."""
        if self.bound is None or self.column.kind != "TextField":
            return False
        return self.column.options.get("max_length") is None and self._is_own_text(
            self.bound.node, self.bound.context
        )

    def _is_own_text(self, node: ast.expr, context: Context) -> bool:
        node, context = context.settled(node)
        match node:
            case ast.Constant(value=str()):
                return True
            case ast.Attribute():
                column = context.row_column(node)
                return column is not None and column.kind in TEXTS and context.is_not_null(column)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._is_own_text(left, context) and self._is_own_text(right, context)
            case ast.Subscript(value=value, slice=ast.Slice()):
                return self._is_own_text(value, context)
            case ast.Call(func=ast.Attribute(value=value, attr=method)):
                return method in _OF_TEXTS and self._is_own_text(value, context)
        return False


_OF_TEXTS = frozenset("lower lstrip replace rstrip strip upper".split())
_LENGTHS = {"SlugField": 50, "EmailField": 254, "URLField": 200}


def _length(text: FieldState) -> float:
    """How long a text the column takes; that of texts without a length counts as endless."""
    if text.kind == "TextField":
        return math.inf
    length = text.options.get("max_length", _LENGTHS.get(str(text.kind), math.inf))
    return length if isinstance(length, int) else math.nan  # neither more nor less than any other


def _holds(target: FieldState, source: FieldState) -> bool:
    """Does the integer column take every value of the other? Unsigned ones reach further on MySQL."""
    mine, other = str(target.kind), str(source.kind)
    if mine in UNSIGNED:
        return other in UNSIGNED and bits_of(mine) >= bits_of(other)
    return bits_of(mine) > bits_of(other) if other in UNSIGNED else bits_of(mine) >= bits_of(other)
