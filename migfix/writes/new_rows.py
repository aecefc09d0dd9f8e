"""Whether the keys of new rows tell that one of them failed: PostgreSQL and MySQL take back no key that they gave.

A batch that fails has used up the keys of all its rows, which are then inserted one by one under greater ones. See
https://www.postgresql.org/docs/current/functions-sequence.html and
https://dev.mysql.com/doc/refman/8.4/en/innodb-auto-increment-handling.html.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from migfix.expressions.context import Context, Refused
from migfix.expressions.preconditions import failing
from migfix.expressions.values.constants import UNKNOWN
from migfix.facts.body import uses
from migfix.facts.loop import Loop
from migfix.facts.rows.bases import lineage
from migfix.findings import Reason, Refusal
from migfix.history.fields import Is, fields
from migfix.history.state import FieldState, ModelState, Name, Unknown
from migfix.reading.kinds.values import Rows
from migfix.reading.rows.methods import Does, methods
from migfix.sql.databases import Trait
from migfix.sql.kinds import BOOLEANS, FILES, FOREIGN_KEYS, INTEGERS, TEXTS

_COUNTED = fields(Is.COUNTED)
_MOMENTS = fields(Is.MOMENT)
# Kinds of which one column takes every value of another, but for NULL, length, range and what it points to.
_ALIKE = (INTEGERS, TEXTS, BOOLEANS, FOREIGN_KEYS)
_SAME = _MOMENTS | {"FloatField", "DurationField", "UUIDField"}
# What leaves the columns of a row as the table has them.
_PLAIN_STEPS = methods(Does.LEAVES_COLUMNS)


def greater_keys(
    loop: Loop,
    model: ModelState,
    columns: Mapping[str, FieldState],
    calls: Sequence[ast.Call | None],
) -> Iterator[Refusal]:
    """The difference, if a row may fail that one of the calls gives its values; None is one that is not known."""
    if not _are_counted(columns) or loop.databases.have(Trait.GIVES_KEYS_AGAIN):
        return
    fails = _Rows(loop, model, columns).fail(calls)
    yield from failing.partly(loop, fails, "which have greater keys if their batch has failed")


def keys_by_conflicts(loop: Loop, columns: Mapping[str, FieldState]) -> Iterator[Refusal]:
    """The difference where an INSERT leaves out rows that are there already.

    MySQL takes as many keys as the statement has rows before it comes to the first, and those of rows that
    it leaves out are lost at its end:
    https://dev.mysql.com/doc/refman/8.4/en/innodb-auto-increment-handling.html.
    """
    if _are_counted(columns) and not loop.databases.have(Trait.COUNTS_ROW_BY_ROW):
        yield Refusal(
            Reason.PRIMARY_KEY,
            "MySQL counts up keys for all rows of an INSERT: where it leaves out some, those of later rows "
            "depend on how many go into one",
        )


def _are_counted(columns: Mapping[str, FieldState]) -> bool:
    return any(c.primary_key is not False and c.kind in _COUNTED for c in columns.values())


class _Rows:
    """New rows of a model."""

    def __init__(self, loop: Loop, model: ModelState, columns: Mapping[str, FieldState]) -> None:
        self.loop = loop
        self.model = model
        self.columns = columns
        self.context = Context.of(loop, _stored_columns(loop))

    def fail(self, calls: Sequence[ast.Call | None]) -> str | None:
        """How one of them may fail; None where certainly none does."""
        for each in lineage(self.model, self.loop):
            if any(each.options.get(rule, ()) != () for rule in ("constraints", "unique_together")):
                return f"a new row may break a constraint of {each.label}"
        fields = {column.name: column for column in self.columns.values()}.values()
        return next((why for c in fields for call in calls if (why := self._fails(c, call))), None)

    def _fails(self, column: FieldState, call: ast.Call | None) -> str | None:
        name = column.name
        if call is None or any(keyword.arg not in self.columns for keyword in call.keywords):
            return f"a new row of {self.model.label} may have values that it does not take"
        given = [k for k in call.keywords if k.arg in {name, column.attname}]
        if column.kind in _COUNTED and column.primary_key is True and not given:
            return None
        if not column.verified or (
            column.unique is not False and not self._is_left_null(column, given)
        ):
            return f"a new row of {self.model.label} may have a `{name}` that it does not take"
        if column.kind in _MOMENTS and True in (
            column.auto_now,
            column.options.get("auto_now_add"),
        ):
            return None
        known = self._takes(column, given[0].value) if given else self._takes_default(column)
        return None if known else f"`{name}` of {self.model.label} may get what it does not take"

    @staticmethod
    def _is_left_null(column: FieldState, given: Sequence[ast.keyword]) -> bool:
        return not given and "default" not in column.options and failing.takes_null(column)

    def _takes_default(self, column: FieldState) -> bool:
        if "default" in column.options:
            default = column.options["default"]
            if column.kind == "JSONField" and isinstance(default, Name):
                return default.path in {"dict", "list"}
            return self._takes_literal(column, default)
        return failing.takes_null(column) or (column.null is False and column.kind in TEXTS | FILES)

    def _takes(self, column: FieldState, value: ast.expr) -> bool:
        try:
            literal = self.context.constant(value)
            source = self.context.row_column(value)
        except Refused:
            return False
        if literal is not UNKNOWN:
            return self._takes_literal(column, literal)
        if self.context.is_row(value):
            return self._points_to_row(column)
        return source is not None and self._takes_copy(column, source)

    def _takes_copy(self, column: FieldState, source: FieldState) -> bool:
        if column.kind in FOREIGN_KEYS and source.primary_key is True:
            return self._points_to_row(column)
        same_kind = column.kind == source.kind and column.kind in _SAME
        alike = same_kind or any({column.kind, source.kind} <= kinds for kinds in _ALIKE)
        same_target = column.target == source.target and not isinstance(column.target, Unknown)
        by_key = not {"to_field", "**"} & (column.options.keys() | source.options.keys())
        copied = alike and same_target and by_key
        return copied and failing.copy_fails(source, column, self.context) is None

    def _takes_literal(self, column: FieldState, literal: object) -> bool:
        plain = literal is None or isinstance(literal, (str, int, float))
        return plain and failing.takes(column, literal, self.context)

    def _points_to_row(self, column: FieldState) -> bool:
        model = self.loop.model
        known = not isinstance(model, Unknown) and model.key == column.target
        return (
            known and column.kind in FOREIGN_KEYS and not {"to_field", "**"} & column.options.keys()
        )


def _stored_columns(loop: Loop) -> Mapping[str, FieldState]:
    """The columns of the loop's row that hold what the table does, unless other code has the row (``later_turns``)."""
    rows = loop.rows
    if not isinstance(rows, Rows) or any(step.name not in _PLAIN_STEPS for step in rows.steps):
        return {}
    set_by_body = {use.field for use in loop.used(uses.Kind.WRITE)}
    columns = (loop.columns_of(rows.model.key) if rows.model.key else None) or {}
    return {n: c for n, c in columns.items() if not set_by_body & {c.name, c.attname}}
