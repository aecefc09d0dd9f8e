"""SQLite"""

from __future__ import annotations

from migfix.history.state import FieldState
from migfix.sql.databases.page import Answer, Doubt, Page, lines, storing
from migfix.sql.databases.texts import CASES, PIECES, SHOWN, TRIMS, ascii_case, spaces
from migfix.sql.databases.traits import Trait
from migfix.sql.nodes import Column, Operation, Value


def _big(node: Operation) -> Answer:
    """An overflow turns to floats."""
    for each in node.arguments:
        if isinstance(each, Column) and each.type.bits == 64:
            return Doubt(
                "SQLite makes a rounded float of a result beyond 64 bits, "
                f"`{each.name}` may be that large"
            )
    return None


def _floats(value: Value, column: FieldState) -> Answer:
    if not isinstance(value, Operation):
        return None
    return Doubt("SQLite keeps decimals as floats and calculates with these")


PAGE = Page(
    {
        # https://www.sqlite.org/lang_expr.html#operators
        **lines("same", "integer"),
        **lines("+ - * % // neg abs max min", "integer", _big),
        **lines("+ - * neg", "float"),
        # https://www.sqlite.org/datatype3.html; what is made of it counts where it is stored
        **lines("+ - *", "decimal"),
        # Django calculates: https://github.com/django/django/blob/main/django/db/backends/sqlite3/_functions.py
        **lines("+ -", "date, instant"),
        **lines("+", "duration"),
        **lines("year month day", "date, instant"),
        **lines("date time", "instant"),
        # https://www.sqlite.org/lang_corefunc.html
        **lines(f"same {PIECES} len", "text"),
        **lines(CASES, "text", ascii_case),
        **lines(TRIMS, "text", spaces),
        **lines("str", SHOWN),
    },
    {
        **storing("integer float text date instant time duration"),
        "decimal": _floats,
    },
    frozenset(
        {
            # https://docs.djangoproject.com/en/stable/ref/models/querysets/#iterator
            Trait.STREAMS_ITERATOR,
            # https://docs.python.org/3/library/sqlite3.html#sqlite3.Cursor.fetchone
            Trait.STREAMS_CURSOR,
            # nested loops: https://www.sqlite.org/optoverview.html
            Trait.JOINS_ALIKE,
            Trait.PLANS_CURSOR_ALIKE,
            # https://www.sqlite.org/lang_conflict.html (ABORT)
            Trait.SURVIVES_ERRORS,
            # https://www.sqlite.org/datatype3.html#collating_sequences
            Trait.COMPARES_LETTERS,
            # NaN is stored as NULL: https://www.sqlite.org/floatingpoint.html
            Trait.HAS_NO_NAN,
            Trait.KEEPS_EMPTY_TEXT,
            Trait.TAKES_ANY_TEXT,
            # https://www.sqlite.org/lang_update.html
            Trait.ASSIGNS_AT_ONCE,
            # Its UPDATE does so since 3.51 alone, where a subquery depends on the row.
            Trait.DELETES_ROWS_FOUND,
            Trait.UPDATES_TABLE_IT_READS,
            # https://www.sqlite.org/autoinc.html: the sequence is a row, which is rolled back
            Trait.GIVES_KEYS_AGAIN,
            # https://sqlite.org/autoinc.html
            Trait.COUNTS_ROW_BY_ROW,
            # features.can_rollback_ddl
            Trait.ROLLS_BACK_SCHEMA,
        }
    ),
)
