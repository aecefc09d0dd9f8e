"""PostgreSQL"""

from __future__ import annotations

from datetime import timedelta

from migfix.sql.databases.page import Answer, Doubt, Page, lines, storing
from migfix.sql.databases.texts import CASES, PIECES, SHOWN, TRIMS, ascii_case, spaces
from migfix.sql.databases.traits import Trait
from migfix.sql.nodes import Constant, Operation, is_computed, number_of


def in_between(node: Operation) -> Answer:
    """Results in between are of the operands' type."""
    if not any(map(is_computed, node.arguments)):
        return None
    return Doubt("`{}`: PostgreSQL fails where a result in between leaves the column's type")


def signed_zero(node: Operation) -> Answer:
    """A number above zero leaves the sign of a zero."""
    if node.name == "*" and any((number_of(each) or 0) > 0 for each in node.arguments):
        return None
    return Doubt(
        "`{}`: PostgreSQL makes -0 of some zeros, and fails where a result is too small for a float"
    )


def _moved(node: Operation) -> Answer:
    """Dates go on beyond the years 1 to 9999, where Python stops, and hours are counted by the clock of the session.

    https://www.postgresql.org/docs/current/datatype-datetime.html
    """
    step = node.arguments[1]
    if (
        node.type.family == "instant"
        and isinstance(step, Constant)
        and isinstance(step.value, timedelta)
        and step.value % timedelta(days=1)
    ):
        return Doubt("`{}` is the same only where the project has USE_TZ = True")
    return Doubt(
        "`{}`: a date at the end of the years that Python knows, such as 9999-12-31, would go on in place of an error"
    )


def _parts(node: Operation) -> Answer:
    """https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-INPUT"""
    return Doubt(
        "`{}`: PostgreSQL keeps days and hours apart, so that equal durations look different"
    )


PAGE = Page(
    {
        # https://www.postgresql.org/docs/current/functions-math.html
        **lines("same % // neg abs max min", "integer"),
        **lines("+ - *", "integer", in_between),
        # https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT
        **lines("+ -", "float"),
        **lines("* neg", "float", signed_zero),
        **lines("+ - *", "decimal"),
        # https://www.postgresql.org/docs/current/functions-datetime.html
        **lines("+ -", "date, instant", _moved),
        **lines("+", "duration", _parts),
        **lines("year month day", "date, instant"),
        **lines("date time", "instant"),
        # https://www.postgresql.org/docs/current/functions-string.html
        **lines(f"same {PIECES} len", "text"),
        **lines(CASES, "text", ascii_case),
        **lines(TRIMS, "text", spaces),
        **lines("str", SHOWN),
    },
    storing("integer float decimal text date instant time duration"),
    frozenset(
        {
            # https://docs.djangoproject.com/en/stable/ref/models/querysets/#iterator
            Trait.STREAMS_ITERATOR,
            # https://www.postgresql.org/docs/current/sql-declare.html
            Trait.READS_SNAPSHOT,
            # https://www.postgresql.org/docs/current/collation.html#COLLATION-NONDETERMINISTIC
            Trait.COMPARES_LETTERS,
            Trait.LIKE_COMPARES_LETTERS,
            Trait.KEEPS_EMPTY_TEXT,
            # https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-NUMERIC-DECIMAL
            Trait.KEEPS_DECIMALS,
            # Django takes databases in UTF-8: https://docs.djangoproject.com/en/stable/ref/databases/#encoding
            Trait.TAKES_ANY_TEXT,
            # https://www.postgresql.org/docs/current/sql-update.html
            Trait.ASSIGNS_AT_ONCE,
            # https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
            Trait.UPDATES_ROWS_FOUND,
            Trait.DELETES_ROWS_FOUND,
            Trait.UPDATES_TABLE_IT_READS,
            # nextval() of each row: https://www.postgresql.org/docs/current/functions-sequence.html
            Trait.COUNTS_ROW_BY_ROW,
            # https://docs.djangoproject.com/en/stable/howto/writing-migrations/#non-atomic-migrations
            Trait.ENDS_ALIKE_IN_PIECES,
            # features.can_rollback_ddl
            Trait.ROLLS_BACK_SCHEMA,
        }
    ),
)
