"""MySQL and MariaDB"""

from __future__ import annotations

from dataclasses import replace

from migfix.history.state import FieldState
from migfix.sql.databases.page import Answer, Never, Page, lines, storing
from migfix.sql.databases.texts import CASES, PIECES, SHOWN, TRIMS, ascii_case, spaces
from migfix.sql.databases.traits import Trait
from migfix.sql.kinds import UNSIGNED
from migfix.sql.nodes import Operation, Value, bare, is_computed, number_of

# Decimals are divided, of which nine digits behind the point are kept.
_MAX_DIVISOR = 10**6


def _unsigned(node: Operation) -> Answer:
    """A result in between that is below zero fails as soon as one operand is unsigned."""
    return Never() if node.type.unsigned and any(map(is_computed, node.arguments)) else None


def _quotient(node: Operation) -> Answer:
    return Never() if (number_of(node.arguments[1]) or 0) > _MAX_DIVISOR else None


def _stored(value: Value, column: FieldState) -> Answer:
    """A result below zero of unsigned columns fails, even where the column would take it."""
    made = bare(value)
    below = isinstance(made, Operation) and made.name in {"+", "-", "*"} and made.type.unsigned
    fails = below and not _counts_up(made) and column.kind not in UNSIGNED
    return Never() if fails else None


def _counts_up(value: Value) -> bool:
    """Negative for none of the operands' values."""
    assert isinstance(value, Operation)
    return value.name in {"+", "*"} and all(map(_is_never_negative, value.arguments))


def _is_never_negative(value: Value) -> bool:
    number = number_of(value)
    return value.type.unsigned or (number is not None and number >= 0)


MYSQL = Page(
    {
        # https://dev.mysql.com/doc/refman/8.4/en/arithmetic-functions.html
        **lines("same % neg abs max min", "integer"),
        # https://dev.mysql.com/doc/refman/8.4/en/out-of-range-and-overflow.html
        **lines("+ - *", "integer", _unsigned),
        **lines("//", "integer", _quotient),
        **lines("+ - * neg", "float"),
        # https://dev.mysql.com/doc/refman/8.4/en/precision-math.html
        **lines("+ - *", "decimal"),
        # https://dev.mysql.com/doc/refman/8.4/en/date-and-time-functions.html
        **lines("+ -", "date, instant"),
        **lines("+", "duration"),
        **lines("year month day", "date, instant"),
        **lines("date time", "instant"),
        # https://dev.mysql.com/doc/refman/8.4/en/string-functions.html
        **lines(f"same {PIECES} len", "text"),
        **lines(CASES, "text", ascii_case),
        **lines(TRIMS, "text", spaces),
        **lines("str", SHOWN),
    },
    {
        **storing("float decimal text date instant time duration"),
        "integer": _stored,
    },
    frozenset(
        {
            # The whole result is read before the first row is given, whatever asks for it:
            # https://docs.djangoproject.com/en/stable/ref/models/querysets/#iterator
            Trait.READS_SNAPSHOT,
            Trait.PLANS_CURSOR_ALIKE,
            # https://dev.mysql.com/doc/refman/8.4/en/innodb-error-handling.html
            Trait.SURVIVES_ERRORS,
            # Django writes LIKE BINARY
            Trait.LIKE_COMPARES_LETTERS,
            # https://dev.mysql.com/doc/refman/8.4/en/floating-point-types.html
            Trait.HAS_NO_NAN,
            Trait.KEEPS_EMPTY_TEXT,
            Trait.KEEPS_DECIMALS,
            # https://docs.djangoproject.com/en/stable/howto/writing-migrations/#non-atomic-migrations
            Trait.ENDS_ALIKE_IN_PIECES,
        }
    ),
)
# https://mariadb.com/kb/en/update/#update-statements-with-the-same-source-and-target
MARIADB = replace(
    MYSQL,
    traits=MYSQL.traits
    | {Trait.UPDATES_ROWS_FOUND, Trait.DELETES_ROWS_FOUND, Trait.UPDATES_TABLE_IT_READS},
)
