"""Oracle, on which nobody has run these: as PostgreSQL, but for text."""

from __future__ import annotations

from migfix.sql.databases.page import Answer, Doubt, Never, Page, lines, storing
from migfix.sql.databases.postgresql import in_between, signed_zero
from migfix.sql.databases.texts import CASES, PIECES, SHOWN, TRIMS
from migfix.sql.databases.traits import Trait
from migfix.sql.nodes import Operation, columns


def _empty(node: Operation) -> Answer:
    """https://docs.djangoproject.com/en/stable/ref/databases/#null-and-empty-strings"""
    return Never(f"on Oracle an empty `{next(columns(node)).name}` is NULL")


def _moved(node: Operation) -> Answer:
    """https://docs.oracle.com/en/database/oracle/oracle-database/23/sqlrf/Data-Types.html#GUID-7B72E154-677A-4342-A1EA-C74C1EA928E6"""
    return Doubt("`{}`: Oracle has dates before the year 1, where Python stops")


def _shown(node: Operation) -> Answer:
    return Never(f"what Oracle writes for `{next(columns(node)).name}` is not known")


PAGE = Page(
    {
        # https://docs.oracle.com/en/database/oracle/oracle-database/23/sqlrf/Arithmetic-Operators.html
        **lines("same % // neg abs max min", "integer"),
        **lines("+ - *", "integer", in_between),
        **lines("+ -", "float"),
        **lines("* neg", "float", signed_zero),
        **lines("+ - *", "decimal"),
        # https://docs.oracle.com/en/database/oracle/oracle-database/23/sqlrf/Datetime-Functions.html
        **lines("+ -", "date, instant", _moved),
        **lines("+", "duration"),
        **lines("year month day", "date, instant"),
        **lines("date time", "instant"),
        **lines(f"same {PIECES} len {CASES} {TRIMS}", "text", _empty),
        **lines("str", SHOWN, _shown),
    },
    storing("integer float decimal text date instant time duration"),
    frozenset(
        {
            # https://docs.djangoproject.com/en/stable/ref/models/querysets/#iterator
            Trait.STREAMS_ITERATOR,
            Trait.STREAMS_CURSOR,
            # https://docs.oracle.com/en/database/oracle/oracle-database/19/cncpt/data-concurrency-and-consistency.html
            Trait.READS_SNAPSHOT,
            Trait.PLANS_CURSOR_ALIKE,
            # https://docs.oracle.com/en/database/oracle/oracle-database/19/cncpt/transactions.html (statement-level rollback)
            Trait.SURVIVES_ERRORS,
            Trait.LIKE_COMPARES_LETTERS,
            Trait.KEEPS_DECIMALS,
            Trait.ASSIGNS_AT_ONCE,
            Trait.UPDATES_ROWS_FOUND,
            Trait.DELETES_ROWS_FOUND,
            Trait.UPDATES_TABLE_IT_READS,
        }
    ),
)
